//! `get syncs`: one Sync or many.

use anstyle::Style;
use clap::Args;
use jiff::Timestamp;
use lockstep_api::v1::{GetRequest, ListRequest, syncs_client::SyncsClient};
use lockstep_daemon::ExitCode;

use super::state::{Claim, State, short};
use crate::connection::{SynchronizerArguments, ask};
use crate::failure::Failure;
use crate::output::{self, BAD, Cell, DOUBTFUL, GOOD, ListFormat, Table};

const EXAMPLES: &str = "\
Examples:
  lockstep get syncs
  lockstep get syncs -A -o wide
  lockstep get syncs shop -n lockstep -o json

STATUS is Suspended, Held with the number of deletions that wait for a person, Waiting with the number of objects that wait \
for others, or the reason of the condition Ready. AGE is how long ago the commit was applied; OBJECTS are healthy / all.";

/// `lockstep get syncs`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct GetArguments {
    /// One Sync [default: all of the namespace]
    #[arg(conflicts_with = "all_namespaces")]
    name: Option<String>,
    /// The namespace of the Syncs
    #[arg(short, long, value_name = "NAMESPACE", env = "LOCKSTEP_NAMESPACE", default_value = "lockstep")]
    namespace: String,
    /// Syncs of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// How to print them
    #[arg(short, long, value_enum, default_value_t = ListFormat::Table)]
    output: ListFormat,
    #[command(flatten)]
    synchronizer: SynchronizerArguments,
}

impl GetArguments {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let peer = self.synchronizer.peer();
        if let Some(name) = self.name {
            let request = GetRequest { namespace: self.namespace.clone(), name: name.clone() };
            let doing = format!("getting the Sync {}/{name}", self.namespace);
            let answer = ask(&peer, &doing, async |channel| SyncsClient::new(channel).get(request.clone()).await)?;
            let state = State::from(answer);
            match self.output.structured() {
                Some(structured) => output::structured(structured, &state)?,
                None => output::table(&tabulate(&[state], self.output, self.all_namespaces))?,
            }
            return Ok(ExitCode::Done);
        }
        let namespace = if self.all_namespaces { String::new() } else { self.namespace.clone() };
        let request = ListRequest { namespace };
        let answer =
            ask(&peer, "listing Syncs", async |channel| SyncsClient::new(channel).list(request.clone()).await)?;
        let states: Vec<State> = answer.syncs.into_iter().map(State::from).collect();
        if let Some(structured) = self.output.structured() {
            output::structured(structured, &states)?;
        } else if states.is_empty() {
            let place = if self.all_namespaces { String::new() } else { format!(" in namespace {}", self.namespace) };
            output::note(&format!("no Syncs found{place}"));
        } else {
            output::table(&tabulate(&states, self.output, self.all_namespaces))?;
        }
        Ok(ExitCode::Done)
    }
}

fn tabulate(states: &[State], format: ListFormat, all_namespaces: bool) -> Table {
    let wide = format == ListFormat::Wide;
    let first: &[&str] = if all_namespaces { &["NAMESPACE"] } else { &[] };
    let more: &[&str] = if wide {
        &[
            "DRIFTED",
            "EXTRAS",
            "FAILED",
            "WAITING",
            "CLAIMED",
            "HELD",
            "SUSPENDED",
            "REPOSITORY",
            "BRANCH",
            "PATH",
            "MESSAGE",
        ]
    } else {
        &["MESSAGE"]
    };
    let header = first.iter().chain(&["NAME", "READY", "STATUS", "COMMIT", "AGE", "OBJECTS"]).chain(more);
    let mut table = Table::new(header.copied());
    let now = Timestamp::now();
    for state in states {
        let mut row: Vec<Cell> = Vec::new();
        if all_namespaces {
            row.push(state.namespace.as_str().into());
        }
        let ready = state.ready().map_or("Unknown", |ready| ready.status.as_str());
        let applied = state.applied_commit.as_deref().unwrap_or_default();
        row.push(state.name.as_str().into());
        row.push(Cell::styled(ready, style(ready)));
        row.push(state.word().into());
        row.push(if wide { applied } else { short(applied) }.into());
        row.push(state.applied_at.map(|time| age(now.duration_since(time).as_secs())).unwrap_or_default().into());
        row.push(format!("{}/{}", state.objects.healthy, state.objects.total).into());
        if wide {
            let held = state.held.as_ref().map(|held| format!("{} prunes {}", short(&held.commit), held.would_prune));
            row.push(state.objects.drifted.to_string().into());
            row.push(state.objects.extras.to_string().into());
            row.push(state.objects.failed.to_string().into());
            row.push(state.objects.waiting.to_string().into());
            row.push(Cell::styled(claimed(&state.claims), DOUBTFUL));
            row.push(Cell::styled(held.unwrap_or_default(), DOUBTFUL));
            row.push(state.suspended.to_string().into());
            row.push(state.repository.as_str().into());
            row.push(state.branch.as_str().into());
            row.push(state.path.as_str().into());
        }
        row.push(state.message().into());
        table.row(row);
    }
    table
}

/// What other Syncs want, the first of it by name.
fn claimed(claims: &[Claim]) -> String {
    let Some(first) = claims.first() else { return String::new() };
    let more = if claims.len() > 1 { format!(" and {} more", claims.len() - 1) } else { String::new() };
    format!("{} by {}{more}", first.object, first.by)
}

fn style(ready: &str) -> Style {
    match ready {
        "True" => GOOD,
        "False" => BAD,
        _ => DOUBTFUL,
    }
}

/// As kubectl writes it: two units while the first is small.
pub(super) fn age(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match seconds {
        ..120 => format!("{seconds}s"),
        120..600 if seconds % 60 > 0 => format!("{minutes}m{}s", seconds % 60),
        120..10_800 => format!("{minutes}m"),
        10_800..28_800 if minutes % 60 > 0 => format!("{hours}h{}m", minutes % 60),
        10_800..172_800 => format!("{hours}h"),
        172_800..691_200 if hours % 24 > 0 => format!("{days}d{}h", hours % 24),
        _ => format!("{days}d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_written_as_kubectl_writes_them() {
        for (seconds, wanted) in [
            (-5, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (121, "2m1s"),
            (600, "10m"),
            (10_799, "179m"),
            (10_800, "3h"),
            (10_860, "3h1m"),
            (28_800, "8h"),
            (172_800, "2d"),
            (180_000, "2d2h"),
            (864_000, "10d"),
        ] {
            assert_eq!(age(seconds), wanted, "{seconds}");
        }
    }
}
