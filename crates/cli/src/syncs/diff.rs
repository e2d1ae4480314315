//! `diff`: what a turn would change, field by field.

use std::time::Duration;

use clap::Args;
use lockstep_api::v1::{self, DiffRequest, DiffResponse, syncs_client::SyncsClient};
use lockstep_daemon::ExitCode;
use serde::Serialize;
use serde_json::Value;
use tonic::Request;

use super::look::{Held, Problem, called, invalid};
use super::plan::style;
use super::target::{FolderArguments, folder, located};
use super::trigger::positive;
use crate::connection::{SynchronizerArguments, ask_within, run};
use crate::failure::Failure;
use crate::output::{self, BAD, Format, GOOD, Lines};
use crate::progress::Progress;

const EXAMPLES: &str = "\
Examples:
  lockstep diff shop
  lockstep diff shop --commit 3f2a91c -o json
  lockstep diff ./clusters/prod --sync lockstep/shop

The API server says, by dry run, what each object would become. Values of Secrets are masked, and at the synchronizer those
of objects that the token's account may not read. Nothing is changed. Exit code 0 without a difference, 3 with one,
1 when the commit is wrong or the API server would refuse an object.";

/// So many lines of a text around those that differ.
const CONTEXT: usize = 2;

/// `lockstep diff`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DiffArguments {
    /// A Sync, or a folder of manifests such as ./clusters/prod
    #[arg(value_name = "NAME|DIR")]
    target: String,
    /// The Sync's namespace
    #[arg(short, long, value_name = "NAMESPACE", env = "LOCKSTEP_NAMESPACE", default_value = "lockstep")]
    namespace: String,
    /// A commit of the Sync's branch, in 7 digits or more [default: the head of the branch]
    #[arg(long, value_name = "COMMIT", default_value = "", hide_default_value = true)]
    commit: String,
    /// How long to wait for the differences, such as 90s or 10m
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = positive)]
    timeout: Duration,
    /// How to print them
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
    #[command(flatten)]
    folder: FolderArguments,
    #[command(flatten)]
    synchronizer: SynchronizerArguments,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Diff {
    commit: Option<String>,
    objects: Vec<ObjectDiff>,
    left_out: u32,
    held: Option<Held>,
    problems: Vec<Problem>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ObjectDiff {
    verb: String,
    object: String,
    group: String,
    reason: Option<String>,
    fields: Vec<FieldDiff>,
    left_out: u32,
    refusal: Option<String>,
}

#[derive(Serialize)]
struct FieldDiff {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Value>,
}

impl DiffArguments {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let place = folder(&self.target);
        let mut answer = match place {
            Some(path) => run(self.diff_folder(path))?,
            None => self.ask()?,
        };
        for problem in &mut answer.problems {
            problem.file = located(place, std::mem::take(&mut problem.file));
        }
        let diff = Diff::from(answer);
        let name = called(diff.commit.as_deref().unwrap_or_default(), &self.target);
        match self.output.structured() {
            Some(structured) => output::structured(structured, &diff)?,
            None if diff.problems.is_empty() => diff.print()?,
            None => {}
        }
        self.judge(&diff, &name)
    }

    fn ask(&self) -> Result<DiffResponse, Failure> {
        let Self { namespace, target, commit, .. } = self;
        let request = DiffRequest { namespace: namespace.clone(), name: target.clone(), commit: commit.clone() };
        let doing = format!("comparing {namespace}/{target}");
        ask_within(&self.synchronizer.peer(), &doing, self.timeout, async |channel| {
            let mut request = Request::new(request.clone());
            request.set_timeout(self.timeout);
            SyncsClient::new(channel).diff(request).await
        })
    }

    async fn diff_folder(&self, path: &camino::Utf8Path) -> Result<DiffResponse, Failure> {
        if !self.commit.is_empty() {
            return Err(Failure::usage("--commit is for a Sync; a folder is compared as it is"));
        }
        let diff = self.folder.open(path).await?.diff();
        let progress = Progress::new(format!("comparing {path}"));
        let (answer, exists) = progress
            .during(tokio::time::timeout(self.timeout, diff))
            .await
            .map_err(|_| Failure::error(format!("comparing {path} took longer than {:?}", self.timeout)))?
            .map_err(|error| Failure::error(format!("comparing {path}: {error}")))?;
        if !exists {
            output::note(&self.folder.unknown_sync());
        }
        Ok(answer)
    }

    fn judge(&self, diff: &Diff, name: &str) -> Result<ExitCode, Failure> {
        if !diff.problems.is_empty() {
            return Err(invalid(&diff.problems, name));
        }
        if diff.left_out > 0 {
            output::note(&format!("{} more objects differ and are not shown", diff.left_out));
        }
        if let Some(held) = &diff.held {
            output::failure(&Failure::held(held.sentence()).next(held.release(&self.namespace, &self.target)));
        }
        let refused = |object: &ObjectDiff| {
            Some(format!("{}: the API server would refuse it: {}", object.object, object.refusal.as_ref()?))
        };
        let refused: Vec<String> = diff.objects.iter().filter_map(refused).collect();
        if !refused.is_empty() {
            return Err(Failure::errors(refused));
        }
        Ok(if diff.objects.is_empty() { ExitCode::Done } else { ExitCode::Differences })
    }
}

impl From<DiffResponse> for Diff {
    fn from(answer: DiffResponse) -> Self {
        Self {
            commit: Some(answer.commit).filter(|commit| !commit.is_empty()),
            objects: answer.objects.into_iter().map(ObjectDiff::from).collect(),
            left_out: answer.left_out,
            held: answer.held.map(Held::from),
            problems: answer.problems.into_iter().map(Problem::from).collect(),
        }
    }
}

impl From<v1::ObjectDiff> for ObjectDiff {
    fn from(object: v1::ObjectDiff) -> Self {
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        Self {
            verb: object.verb,
            object: object.object,
            group: object.group,
            reason: some(object.reason),
            fields: object.fields.into_iter().map(FieldDiff::from).collect(),
            left_out: object.left_out,
            refusal: some(object.refusal),
        }
    }
}

impl From<v1::FieldDiff> for FieldDiff {
    fn from(field: v1::FieldDiff) -> Self {
        // What is no JSON is shown as it came.
        let value = |text: String| serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self { path: field.path, live: field.live.map(value), after: field.after.map(value) }
    }
}

impl Diff {
    fn print(&self) -> Result<(), Failure> {
        let mut lines = Lines::default();
        for object in &self.objects {
            let reason = object.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            lines.styled(style(&object.verb).bold(), &format!("{} {}{reason}", object.verb, object.object));
            for field in &object.fields {
                lines.plain(&format!("@@ {}", field.path));
                field.print(&mut lines);
            }
            if object.left_out > 0 {
                lines.plain(&format!("@@ and {} more fields", object.left_out));
            }
            if let Some(refusal) = &object.refusal {
                lines.styled(BAD, &format!("! refused: {refusal}"));
            }
        }
        lines.print()
    }
}

impl FieldDiff {
    fn print(&self, lines: &mut Lines) {
        let (live, after) = (shown(self.live.as_ref()), shown(self.after.as_ref()));
        let same = live.iter().zip(&after).take_while(|(one, other)| one == other).count();
        let room = live.len().min(after.len()) - same;
        let end = live.iter().rev().zip(after.iter().rev()).take(room).take_while(|(one, other)| one == other).count();
        for line in &live[same.saturating_sub(CONTEXT)..same] {
            lines.plain(&format!(" {line}"));
        }
        for line in &live[same..live.len() - end] {
            lines.styled(BAD, &format!("-{line}"));
        }
        for line in &after[same..after.len() - end] {
            lines.styled(GOOD, &format!("+{line}"));
        }
        for line in after[after.len() - end..].iter().take(CONTEXT) {
            lines.plain(&format!(" {line}"));
        }
    }
}

/// A value line by line: a text of many lines as it is, everything else as JSON.
fn shown(value: Option<&Value>) -> Vec<String> {
    match value {
        None => Vec::new(),
        Some(Value::String(text)) if text.trim_end().contains('\n') => text.lines().map(str::to_owned).collect(),
        Some(value) => vec![value.to_string()],
    }
}
