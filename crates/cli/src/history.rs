//! `history`: who changed which image when, as Git tells it.

use clap::Args;
use jiff::Timestamp;
use lockstep_api::v1::{self, HistoryRequest, updates_client::UpdatesClient};
use lockstep_daemon::ExitCode;
use serde::Serialize;

use crate::connection::{AutomatorArguments, ask};
use crate::failure::Failure;
use crate::output::{self, Cell, DOUBTFUL, ListFormat, Table};
use crate::subject::{self, WithinArguments};

const EXAMPLES: &str = "\
Examples:
  lockstep history
  lockstep history shop/deployment/web -c web --limit 10
  lockstep history --image ghcr.io/acme/web -o json

It is read from the commits of the branches, as far back as the automator looks.";

/// `lockstep history`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct HistoryArguments {
    /// Only this object or place [default: all]
    #[arg(value_name = "NAMESPACE/KIND/NAME", value_parser = subject::name)]
    object: Option<String>,
    #[command(flatten)]
    within: WithinArguments,
    /// Only images of this repository
    #[arg(long, value_name = "NAME")]
    image: Option<String>,
    /// At most so many commits
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    limit: usize,
    /// How to print them
    #[arg(short, long, value_enum, default_value_t = ListFormat::Table)]
    output: ListFormat,
    #[command(flatten)]
    automator: AutomatorArguments,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    repository: String,
    branch: String,
    commit: String,
    at: Option<Timestamp>,
    author: String,
    requested_by: Option<String>,
    kind: String,
    subject: String,
    changes: Vec<Change>,
}

#[derive(Serialize)]
struct Change {
    place: String,
    from: Option<String>,
    to: Option<String>,
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

impl From<v1::HistoryEntry> for Entry {
    fn from(entry: v1::HistoryEntry) -> Self {
        let change =
            |change: v1::PlaceChange| Change { place: change.place, from: some(change.from), to: some(change.to) };
        Self {
            repository: entry.repository,
            branch: entry.branch,
            commit: entry.commit,
            at: entry.at.as_ref().and_then(crate::connection::time),
            author: entry.author,
            requested_by: some(entry.requested_by),
            kind: entry.kind,
            subject: entry.subject,
            changes: entry.changes.into_iter().map(change).collect(),
        }
    }
}

impl HistoryArguments {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let peer = self.automator.peer("read");
        let subject = self.within.subject(self.object.as_deref().unwrap_or_default());
        let mut entries: Vec<Entry> = Vec::new();
        let mut page = String::new();
        while entries.len() < self.limit {
            let room = u32::try_from(self.limit - entries.len()).unwrap_or(u32::MAX);
            let image = self.image.clone().unwrap_or_default();
            let request = HistoryRequest { subject: Some(subject.clone()), image, limit: room, page };
            let answer = ask(&peer, "reading the history", async |channel| {
                UpdatesClient::new(channel).history(request.clone()).await
            })?;
            entries.extend(answer.entries.into_iter().map(Entry::from));
            page = answer.next_page;
            if page.is_empty() {
                break;
            }
        }
        if let Some(structured) = self.output.structured() {
            output::structured(structured, &entries)?;
        } else if entries.is_empty() {
            output::note("no commit changed it");
        } else {
            output::table(&tabulate(&entries, self.output))?;
        }
        if !page.is_empty() {
            output::note("there is more; raise --limit");
        }
        Ok(ExitCode::Done)
    }
}

fn tabulate(entries: &[Entry], format: ListFormat) -> Table {
    let wide = format == ListFormat::Wide;
    let more: &[&str] = if wide { &["SUBJECT", "REPOSITORY", "BRANCH"] } else { &[] };
    let header = ["AT", "COMMIT", "KIND", "BY", "PLACE", "FROM", "TO"];
    let mut table = Table::new(header.into_iter().chain(more.iter().copied()));
    for entry in entries {
        let nothing = Change { place: entry.subject.clone(), from: None, to: None };
        let changes = if entry.changes.is_empty() { std::slice::from_ref(&nothing) } else { &entry.changes };
        for change in changes {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let short = entry.commit.get(..10).unwrap_or(&entry.commit);
            let place = change.place.rsplit_once('#').map_or(change.place.as_str(), |(_, place)| place);
            let mut row: Vec<Cell> = vec![
                entry.at.map(|at| at.strftime("%F %H:%M").to_string()).unwrap_or_default().into(),
                if wide { entry.commit.as_str() } else { short }.into(),
                if entry.kind == "revert" { Cell::styled("revert", DOUBTFUL) } else { entry.kind.as_str().into() },
                entry.requested_by.as_deref().unwrap_or(&entry.author).into(),
                if wide { change.place.as_str() } else { place }.into(),
                text(&change.from).into(),
                text(&change.to).into(),
            ];
            if wide {
                row.push(entry.subject.as_str().into());
                row.push(entry.repository.as_str().into());
                row.push(entry.branch.as_str().into());
            }
            table.row(row);
        }
    }
    table
}
