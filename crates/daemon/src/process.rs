//! What the `main` of every daemon does: settings, logging, the work, an exit code.

use std::fmt::Display;
use std::io::{self, Write as _};

use serde::Serialize;

use crate::arguments::ProcessArguments;
use crate::exit::ExitCode;
use crate::settings::{SettingsErrors, printed};
use crate::telemetry::{LogSettings, start_logging};

/// The environment, but for variables that are not text.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Runs a daemon with its settings, or prints them. What went wrong is told on standard error: wrong settings end with
/// [`ExitCode::Usage`], all else with [`ExitCode::Error`].
pub async fn run_process<S: Serialize, T, E: Display>(
    program: &str,
    arguments: &ProcessArguments,
    settings: Result<S, SettingsErrors>,
    log: impl FnOnce(&S) -> &LogSettings,
    run: impl AsyncFnOnce(S) -> Result<T, E>,
) -> ExitCode {
    let failed = |code: ExitCode, error: &dyn Display| {
        // Nobody is left to tell if standard error is gone.
        let _ = writeln!(io::stderr(), "{program}: {error}");
        code
    };
    let settings = match settings {
        Ok(settings) => settings,
        Err(errors) => return failed(ExitCode::Usage, &errors),
    };
    if arguments.print_config {
        return match printed(&settings) {
            Ok(text) => io::stdout().write_all(text.as_bytes()).map_or(ExitCode::Error, |()| ExitCode::Done),
            Err(errors) => failed(ExitCode::Error, &errors),
        };
    }
    if let Err(error) = start_logging(log(&settings)) {
        return failed(ExitCode::Usage, &error);
    }
    match run(settings).await {
        Ok(_) => ExitCode::Done,
        Err(error) => failed(ExitCode::Error, &error),
    }
}
