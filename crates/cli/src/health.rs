//! `health`: the verdict on objects as files hold them.

use anstyle::Style;
use camino::Utf8PathBuf;
use clap::Args;
use jiff::Timestamp;
use lockstep_daemon::ExitCode;
use lockstep_plan::{Health, Status, assess};
use serde::Serialize;
use serde_json::Value;

use crate::failure::Failure;
use crate::input::Input;
use crate::output::{self, BAD, Cell, DOUBTFUL, GOOD, ListFormat, Table};

mod objects;

const EXAMPLES: &str = "\
Examples:
  kubectl -n shop get deployments,pods -o yaml | lockstep health -f -
  lockstep health -f before.yaml -f after.json -o json

Objects come with their status, in YAML or JSON, many documents or a List. -o json prints an array of \
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
    #[arg(short, long, value_enum, default_value_t = ListFormat::Table)]
    output: ListFormat,
}

/// What is said of one object.
struct Verdict {
    object: String,
    health: Health,
}

#[derive(Serialize)]
struct Report<'a> {
    object: &'a str,
    status: &'static str,
    reason: &'a str,
    message: &'a str,
}

impl Verdict {
    fn of(object: &Value, now: Timestamp) -> Self {
        Self { object: objects::name(object), health: assess(object, now) }
    }

    fn report(&self) -> Report<'_> {
        let Health { status, reason, message } = &self.health;
        Report { object: &self.object, status: status.as_str(), reason, message }
    }
}

impl HealthArguments {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let now = self.now.unwrap_or_else(Timestamp::now);
        let mut verdicts: Vec<Verdict> = Vec::new();
        let mut problems = Vec::new();
        for file in &self.files {
            let input = Input::read(file)?;
            match objects::read(&input.name, input.text()?) {
                Err(errors) => problems.extend(errors),
                Ok(found) if found.is_empty() => problems.push(format!("{}: there is no object in it", input.name)),
                Ok(found) => verdicts.extend(found.iter().map(|object| Verdict::of(object, now))),
            }
        }
        if !problems.is_empty() {
            return Err(Failure::errors(problems));
        }
        match self.output.structured() {
            Some(structured) => {
                output::structured(structured, &verdicts.iter().map(Verdict::report).collect::<Vec<_>>())?
            }
            None => output::table(&tabulate(&verdicts))?,
        }
        let healthy = |verdict: &Verdict| matches!(verdict.health.status, Status::Current | Status::Suspended);
        Ok(if verdicts.iter().all(healthy) { ExitCode::Done } else { ExitCode::Unhealthy })
    }
}

fn tabulate(verdicts: &[Verdict]) -> Table {
    let mut table = Table::new(["OBJECT", "STATUS", "REASON", "MESSAGE"]);
    for verdict in verdicts {
        let Report { object, status, reason, message } = verdict.report();
        table.row([object.into(), Cell::styled(status, style(verdict.health.status)), reason.into(), message.into()]);
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
