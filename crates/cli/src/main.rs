//! `lockstep`: what a person types.

use lockstep_daemon::ExitCode;

fn main() -> ExitCode {
    lockstep_cli::run(std::env::args_os())
}
