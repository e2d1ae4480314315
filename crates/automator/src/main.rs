//! lockstep-automator

use std::io::{self, Write as _};

use clap::Parser as _;
use lockstep_automator::{Args, Settings};
use lockstep_daemon::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let settings = match Settings::load(&args.sources(std::env::vars())) {
        Ok(settings) => settings,
        Err(problems) => return say(ExitCode::Usage, &problems.to_string()),
    };
    if args.print_config {
        return match lockstep_daemon::printed(&settings).map(|text| io::stdout().write_all(text.as_bytes())) {
            Ok(Ok(())) => ExitCode::Done,
            Ok(Err(_)) => ExitCode::Error,
            Err(problem) => say(ExitCode::Error, &problem.to_string()),
        };
    }
    if let Err(problem) = lockstep_daemon::start_logging(&settings.log) {
        return say(ExitCode::Usage, &problem.to_string());
    }
    match lockstep_automator::run(settings).await {
        Ok(()) => ExitCode::Done,
        Err(error) => say(ExitCode::Error, &error.to_string()),
    }
}

fn say(code: ExitCode, text: &str) -> ExitCode {
    // There is nobody left to tell when this fails.
    let _ = writeln!(io::stderr(), "lockstep-automator: {text}");
    code
}
