//! `images explain`: every tag of a place, with the rule that kept or dropped it.

use clap::Args;
use jiff::Timestamp;
use lockstep_api::v1::{self, ExplainRequest, updates_client::UpdatesClient};
use lockstep_daemon::ExitCode;
use serde::Serialize;

use super::list::Image;
use crate::connection::{AutomatorArguments, ask};
use crate::failure::Failure;
use crate::output::{self, Cell, DOUBTFUL, GOOD, Lines, ListFormat, Table};
use crate::subject::SubjectArguments;

const EXAMPLES: &str = "\
Examples:
  lockstep images explain shop/deployment/web
  lockstep images explain shop/deployment/web -c web --tags 1000 -o wide
  lockstep images explain 'clusters/prod/values.yaml#///image' -o json";

/// `lockstep images explain`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExplainArguments {
    #[command(flatten)]
    subject: SubjectArguments,
    /// At most so many tags of each place
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    tags: u32,
    /// How to print them
    #[arg(short, long, value_enum, default_value_t = ListFormat::Table)]
    output: ListFormat,
    #[command(flatten)]
    automator: AutomatorArguments,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Explanation {
    #[serde(flatten)]
    image: Image,
    undone: Vec<String>,
    tags: Vec<Tag>,
    tags_total: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tag {
    tag: String,
    verdict: String,
    pushed: Option<Timestamp>,
    first_seen: Option<Timestamp>,
    created: Option<Timestamp>,
}

#[derive(Serialize)]
struct Report {
    places: Vec<Explanation>,
    problems: Vec<String>,
}

impl From<v1::Explanation> for Explanation {
    fn from(explanation: v1::Explanation) -> Self {
        let v1::Explanation { image, undone, tags, tags_total } = explanation;
        let tag = |tag: v1::ImageTag| Tag {
            pushed: tag.pushed.as_ref().and_then(crate::connection::time),
            first_seen: tag.first_seen.as_ref().and_then(crate::connection::time),
            created: tag.created.as_ref().and_then(crate::connection::time),
            tag: tag.tag,
            verdict: tag.verdict,
        };
        let image = image.unwrap_or_default().into();
        Self { image, undone, tags: tags.into_iter().map(tag).collect(), tags_total }
    }
}

impl ExplainArguments {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let request = ExplainRequest { subject: Some(self.subject.subject()), limit: self.tags.max(1) };
        let doing = format!("explaining {}", self.subject.name());
        let answer = ask(&self.automator.peer("read"), &doing, async |channel| {
            UpdatesClient::new(channel).explain(request.clone()).await
        })?;
        let places = answer.places.into_iter().map(Explanation::from).collect();
        let report = Report { places, problems: answer.problems };
        match self.output.structured() {
            Some(structured) => output::structured(structured, &report)?,
            None => print(&report, self.output == ListFormat::Wide)?,
        }
        let held = !report.problems.is_empty() || report.places.iter().any(|place| place.image.held.is_some());
        Ok(if held { ExitCode::Held } else { ExitCode::Done })
    }
}

fn print(report: &Report, wide: bool) -> Result<(), Failure> {
    for (number, place) in report.places.iter().enumerate() {
        let Explanation { image, undone, tags, tags_total } = place;
        let mut lines = Lines::default();
        if number > 0 {
            lines.plain("");
        }
        lines.plain(&format!("{} {}: {}", image.object, image.container, image.current));
        lines.plain(&format!("  at {}:{} on {} of {}", image.file, image.line, image.branch, image.repository));
        let automated = if image.automated { "automated" } else { "not automated" };
        lines.plain(&format!("  policy {} from {}, {automated}", image.policy, image.origin));
        if let Some(selected) = &image.selected {
            lines.styled(GOOD, &format!("  selected: {selected}"));
        }
        if let Some(held) = &image.held {
            lines.styled(DOUBTFUL, &format!("  held: {held}"));
        }
        if !undone.is_empty() {
            lines.plain(&format!("  taken back here: {}", undone.join(", ")));
        }
        lines.print()?;
        if !tags.is_empty() {
            output::table(&tabulate(tags, wide))?;
        }
        if tags.len() < usize::try_from(*tags_total).unwrap_or_default() {
            output::note(&format!("{} of {tags_total} tags are shown; raise --tags", tags.len()));
        }
    }
    report.problems.iter().for_each(|problem| output::note(problem));
    Ok(())
}

fn tabulate(tags: &[Tag], wide: bool) -> Table {
    let more: &[&str] = if wide { &["PUSHED", "FIRST SEEN", "BUILT"] } else { &[] };
    let mut table = Table::new(["TAG", "VERDICT"].into_iter().chain(more.iter().copied()));
    for tag in tags {
        let mut row: Vec<Cell> = vec![tag.tag.as_str().into(), tag.verdict.as_str().into()];
        if wide {
            let time = |time: Option<Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
            row.extend([tag.pushed, tag.first_seen, tag.created].map(|at| Cell::from(time(at))));
        }
        table.row(row);
    }
    table
}
