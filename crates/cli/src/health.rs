//! `health`: the verdict on objects as files hold them.

use anstyle::Style;
use camino::Utf8PathBuf;
use clap::Args;
use jiff::Timestamp;
use lockstep_daemon::ExitCode;
use lockstep_manifest::objects;
use lockstep_plan::{Status, assess};
use serde::Serialize;

use crate::failure::Failure;
use crate::input::Input;
use crate::output::{self, BAD, Cell, DOUBTFUL, Format, GOOD, Table};

const EXAMPLES: &str = "\
Examples:
  kubectl -n shop get deployments,pods -o yaml | lockstep health -f -
  lockstep health -f before.yaml -f after.json -o json

Objects come with their status, in YAML or JSON, many documents or a List. -o json prints an array of
{\"object\", \"status\", \"reason\", \"message\"}; status is Current, InProgress, Failed, Terminating, Suspended or Unknown.
Exit code 0 when all are Current or Suspended, 4 when one is not.";

/// `lockstep health`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct HealthArguments {
    /// A file of objects; - is standard input. Can be repeated
    #[arg(short, long = "filename", value_name = "FILE", required = true)]
    files: Vec<Utf8PathBuf>,
    /// The time to judge by, in RFC 3339 [default: the time of day]
    #[arg(long, value_name = "TIME")]
    now: Option<Timestamp>,
    /// How to print the verdicts
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

#[derive(Serialize)]
struct Verdict {
    object: String,
    status: &'static str,
    reason: String,
    message: String,
    #[serde(skip)]
    style: Style,
}

impl HealthArguments {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let now = self.now.unwrap_or_else(Timestamp::now);
        let mut verdicts = Vec::new();
        let mut problems = Vec::new();
        let mut code = ExitCode::Done;
        for file in &self.files {
            let input = Input::read(file)?;
            match objects(&input.name, input.text()?) {
                Err(errors) => problems.extend(errors),
                Ok(found) if found.is_empty() => {
                    return Err(Failure::error(format!("{}: there is no object in it", input.name)));
                }
                Ok(found) => {
                    for object in found {
                        let health = assess(&object.value, now);
                        if !matches!(health.status, Status::Current | Status::Suspended) {
                            code = ExitCode::Unhealthy;
                        }
                        verdicts.push(Verdict {
                            object: object.id.short(),
                            status: health.status.as_str(),
                            reason: health.reason,
                            message: health.message,
                            style: style(health.status),
                        });
                    }
                }
            }
        }
        if !problems.is_empty() {
            return Err(Failure::errors(problems));
        }
        match self.output.structured() {
            Some(structured) => output::structured(structured, &verdicts)?,
            None => output::table(&tabulate(&verdicts))?,
        }
        Ok(code)
    }
}

fn tabulate(verdicts: &[Verdict]) -> Table {
    let mut table = Table::new(["OBJECT", "STATUS", "REASON", "MESSAGE"]);
    for Verdict { object, status, reason, message, style } in verdicts {
        table.row([
            object.as_str().into(),
            Cell::styled(*status, *style),
            reason.as_str().into(),
            message.as_str().into(),
        ]);
    }
    table
}

fn style(status: Status) -> Style {
    match status {
        Status::Current => GOOD,
        Status::InProgress | Status::Terminating | Status::Suspended => DOUBTFUL,
        Status::Failed | Status::Unknown => BAD,
    }
}
