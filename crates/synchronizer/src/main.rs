//! The process `lockstep-synchronizer`.

use clap::Parser as _;
use lockstep_daemon::{ExitCode, environment, run_process};
use lockstep_synchronizer::{Args, Settings, run};

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let settings = Settings::load(&args.sources(environment()));
    run_process("lockstep-synchronizer", &args.process, settings, |settings| &settings.log, run).await
}
