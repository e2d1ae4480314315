//! The process `lockstep-synchronizer`.

use std::fmt::Display;
use std::io::Write as _;

use clap::Parser as _;
use lockstep_daemon::{ExitCode, printed, start_logging};
use lockstep_synchronizer::{Args, Settings, run};

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let environment =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let settings = match Settings::load(&args.sources(environment)) {
        Ok(settings) => settings,
        Err(errors) => return failed(ExitCode::Usage, &errors),
    };
    if args.print_config {
        return match printed(&settings) {
            Ok(text) => std::io::stdout().write_all(text.as_bytes()).map_or(ExitCode::Error, |()| ExitCode::Done),
            Err(errors) => failed(ExitCode::Error, &errors),
        };
    }
    if let Err(error) = start_logging(&settings.log) {
        return failed(ExitCode::Usage, &error);
    }
    match run(settings).await {
        Ok(_) => ExitCode::Done,
        Err(error) => failed(ExitCode::Error, &error),
    }
}

fn failed(code: ExitCode, error: &dyn Display) -> ExitCode {
    // Nobody is left to tell if standard error is gone.
    let _ = writeln!(std::io::stderr(), "lockstep-synchronizer: {error}");
    code
}
