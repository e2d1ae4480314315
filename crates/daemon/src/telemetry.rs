//! Logs: text for a person at a terminal, JSON for everything else, always on standard error.

use std::io::{self, IsTerminal};

use serde::{Deserialize, Serialize};
use tracing::Subscriber;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter, layer::SubscriberExt, registry, util::SubscriberInitExt};

/// The form of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// Text.
    Text,
    /// One JSON object on each line.
    Json,
}

/// The settings of the logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct LogSettings {
    /// What to log: a level, or pairs as in `info,lockstep_registry=debug`.
    #[serde(rename = "level")]
    pub filter: String,
    /// The form of a line.
    pub format: LogFormat,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Auto }
    }
}

/// Why logging could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not valid.
    #[error(
        "the log filter {filter:?} is not valid: {reason}; write a level, or pairs as in \"info,lockstep_registry=debug\""
    )]
    Filter {
        /// The filter.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It was started before.
    #[error("logging was started twice")]
    Twice,
}

/// These print bytes and headers of connections below `info`, which nobody means with `debug`; kube's client calls each
/// failed call an error, which our own words about it then repeat. A filter that names one of them still gets it.
const QUIET: &str =
    "kube_client::client::builder=off,h2=info,hyper=info,hyper_util=info,rustls=info,tonic=info,tower=info";

/// Starts logging for the whole process; once, at its start.
///
/// # Errors
/// If the filter is not valid or logging runs already.
pub fn start_logging(settings: &LogSettings) -> Result<(), TelemetryError> {
    let json = match settings.format {
        LogFormat::Auto => !io::stderr().is_terminal(),
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    subscriber(&settings.filter, json, io::stderr)?.try_init().map_err(|_| TelemetryError::Twice)
}

fn subscriber<W>(filter: &str, json: bool, writer: W) -> Result<Box<dyn Subscriber + Send + Sync>, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(format!("{QUIET},{filter}"))
        .map_err(|error| TelemetryError::Filter { filter: filter.to_owned(), reason: error.to_string() })?;
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    Ok(if json {
        Box::new(registry().with(filter).with(lines.json().flatten_event(true)))
    } else {
        Box::new(registry().with(filter).with(lines))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: &str) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let subscriber = subscriber(filter, true, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(commit = "c0ffee", "pushed");
            tracing::debug!("decided");
            tracing::debug!(target: "h2", "header");
        });
        String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn lines_are_json_objects_with_fields_and_libraries_stay_quiet() {
        let info = logged("info");
        let line: serde_json::Value = serde_json::from_str(info.trim()).unwrap();
        assert_eq!(line["commit"], "c0ffee");
        assert_eq!(line["level"], "INFO");
        assert_eq!(logged("debug").lines().count(), 2);
        assert_eq!(logged("debug,h2=debug").lines().count(), 3);
    }

    #[test]
    fn a_filter_that_is_not_valid_is_named() {
        let error = subscriber("info,=,loud!", true, io::sink).err().unwrap().to_string();
        assert!(error.contains("loud!"), "{error}");
    }
}
