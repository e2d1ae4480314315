//! `diff`: what a turn would change, field by field.

use clap::Args;
use lockstep_api::v1::{self, DiffRequest, DiffResponse};
use lockstep_daemon::ExitCode;
use serde::Serialize;
use serde_json::Value;

use super::look::{Held, LookArguments, Problem, invalid, refused};
use super::plan::style;
use crate::failure::Failure;
use crate::output::{self, BAD, Format, GOOD, Lines};

const EXAMPLES: &str = "\
Examples:
  lockstep diff shop
  lockstep diff shop --commit 3f2a91c -o json
  lockstep diff ./clusters/prod --sync lockstep/shop

The API server says, by dry run, what each object would become. Values of Secrets are masked, and at the synchronizer those \
of objects that the token's account may not read. Nothing is changed. Exit code 0 without a difference, 3 with one, \
1 when the commit is wrong or the API server would refuse an object.";

/// So many lines of a text around those that differ.
const CONTEXT: usize = 2;

/// `lockstep diff`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DiffArguments {
    /// How to print them
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
    #[command(flatten)]
    look: LookArguments,
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
        let answer = self.look.look(
            "comparing",
            async |mut syncs| {
                let (namespace, name, commit) = self.look.sync();
                syncs.diff(self.look.request(DiffRequest { namespace, name, commit })).await
            },
            async |folder| folder.diff().await,
        )?;
        let mut diff = Diff::from(answer);
        diff.problems.iter_mut().for_each(|problem| self.look.locate_problem(problem));
        match self.output.structured() {
            Some(structured) => output::structured(structured, &diff)?,
            None if diff.problems.is_empty() => diff.print()?,
            None => {}
        }
        invalid(&diff.problems, &self.look.called(diff.commit.as_deref()))?;
        if diff.left_out > 0 {
            output::note(&format!("{} more objects differ and are not shown", diff.left_out));
        }
        if let Some(held) = &diff.held {
            output::failure(&self.look.held(held));
        }
        refused(diff.objects.iter().map(|object| (object.object.as_str(), object.refusal.as_deref())))?;
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
