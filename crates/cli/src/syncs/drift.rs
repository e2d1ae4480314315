//! `get drift`: what others changed on objects of Syncs, and what they added.

use clap::Args;
use jiff::Timestamp;
use lockstep_api::v1::{GetRequest, ListRequest, syncs_client::SyncsClient};
use lockstep_daemon::ExitCode;
use lockstep_plan::ADMISSION;
use serde::Serialize;

use super::get::age;
use super::state::State;
use crate::connection::{SynchronizerArguments, ask};
use crate::failure::Failure;
use crate::output::{self, Cell, DOUBTFUL, GOOD, ListFormat, Table};

const EXAMPLES: &str = "\
Examples:
  lockstep get drift
  lockstep get drift shop -n lockstep -o wide
  lockstep get drift -A -o json

Each line is a field that another hand took, the latest first: who (the field manager), when, and what Git says. STATE is \
repaired, reported (the Sync's drift mode leaves it), rewritten (by admission, at every apply), or extra: a field that \
somebody added and Git says nothing about.";

/// So much of a value stands in a table.
const LONGEST_VALUE: usize = 40;

/// `lockstep get drift`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DriftArguments {
    /// One Sync [default: all of the namespace]
    #[arg(conflicts_with = "all_namespaces")]
    name: Option<String>,
    /// The namespace of the Syncs
    #[arg(short, long, value_name = "NAMESPACE", env = "LOCKSTEP_NAMESPACE", default_value = "lockstep")]
    namespace: String,
    /// Syncs of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t = ListFormat::Table)]
    output: ListFormat,
    #[command(flatten)]
    synchronizer: SynchronizerArguments,
}

/// One field of one object.
#[derive(Serialize)]
struct Line<'a> {
    namespace: &'a str,
    sync: &'a str,
    object: &'a str,
    /// Absent when the whole object was deleted.
    path: Option<&'a str>,
    manager: Option<&'a str>,
    at: Option<Timestamp>,
    git: Option<&'a str>,
    state: &'static str,
}

impl DriftArguments {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let peer = self.synchronizer.peer();
        let states: Vec<State> = match &self.name {
            Some(name) => {
                let request = GetRequest { namespace: self.namespace.clone(), name: name.clone() };
                let doing = format!("getting the Sync {}/{name}", self.namespace);
                vec![ask(&peer, &doing, async |channel| SyncsClient::new(channel).get(request.clone()).await)?.into()]
            }
            None => {
                let namespace = if self.all_namespaces { String::new() } else { self.namespace.clone() };
                let request = ListRequest { namespace };
                let answer =
                    ask(&peer, "listing Syncs", async |channel| SyncsClient::new(channel).list(request.clone()).await)?;
                answer.syncs.into_iter().map(State::from).collect()
            }
        };
        let lines: Vec<Line<'_>> = states.iter().flat_map(lines).collect();
        match self.output.structured() {
            Some(structured) => output::structured(structured, &lines)?,
            None if lines.is_empty() => output::note("no drift was seen"),
            None => output::table(&tabulate(&lines, self.output == ListFormat::Wide, self.all_namespaces))?,
        }
        Ok(ExitCode::Done)
    }
}

fn lines(state: &State) -> Vec<Line<'_>> {
    let line = |object, path, manager, at, git, state_word| Line {
        namespace: &state.namespace,
        sync: &state.name,
        object,
        path,
        manager,
        at,
        git,
        state: state_word,
    };
    let mut lines = Vec::new();
    for drift in &state.drift {
        let word = match drift.manager.as_deref() {
            _ if drift.repaired => "repaired",
            Some(ADMISSION) => "rewritten",
            _ => "reported",
        };
        if drift.changes.is_empty() {
            lines.push(line(&drift.object, None, drift.manager.as_deref(), drift.at, None, word));
        }
        for change in &drift.changes {
            let manager = change.manager.as_deref().or(drift.manager.as_deref());
            let at = change.at.or(drift.at);
            lines.push(line(&drift.object, Some(&change.path), manager, at, change.git.as_deref(), word));
        }
    }
    for extra in &state.extras {
        lines.push(line(&extra.object, Some(&extra.path), extra.manager.as_deref(), extra.at, None, "extra"));
    }
    lines
}

fn tabulate(lines: &[Line<'_>], wide: bool, all_namespaces: bool) -> Table {
    let first: &[&str] = if all_namespaces { &["NAMESPACE"] } else { &[] };
    let header = first.iter().chain(&["SYNC", "OBJECT", "PATH", "WHO", "AGE", "GIT SAYS", "STATE"]);
    let mut table = Table::new(header.copied());
    let now = Timestamp::now();
    for line in lines {
        let mut row: Vec<Cell> = Vec::new();
        if all_namespaces {
            row.push(line.namespace.into());
        }
        let git = line.git.unwrap_or_default();
        let cut = git.char_indices().nth(LONGEST_VALUE).filter(|_| !wide);
        row.push(line.sync.into());
        row.push(line.object.into());
        row.push(line.path.unwrap_or("(deleted)").into());
        row.push(line.manager.unwrap_or_default().into());
        row.push(line.at.map(|at| age(now.duration_since(at).as_secs())).unwrap_or_default().into());
        row.push(cut.map_or_else(|| git.to_owned(), |(end, _)| format!("{}…", &git[..end])).into());
        row.push(Cell::styled(line.state, if line.state == "repaired" { GOOD } else { DOUBTFUL }));
        table.row(row);
    }
    table
}
