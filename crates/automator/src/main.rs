//! The process `lockstep-automator`.

use clap::Parser as _;
use lockstep_automator::{Args, Settings, run};
use lockstep_daemon::{ExitCode, environment, run_process};

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let settings = Settings::load(&args.sources(environment()));
    run_process("lockstep-automator", &args.process, settings, |settings| &settings.log, run).await
}
