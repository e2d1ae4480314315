//! What plans and differences have in common: what is wrong with a commit, and what is held.

use lockstep_api::v1;
use serde::Serialize;

use super::state::short;
use crate::failure::Failure;

#[derive(Serialize)]
pub(super) struct Problem {
    pub(super) object: Option<String>,
    pub(super) file: Option<String>,
    pub(super) line: Option<u32>,
    pub(super) message: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Held {
    pub(super) commit: String,
    pub(super) would_prune: u32,
    pub(super) reason: String,
    pub(super) objects: Vec<String>,
}

impl From<v1::Problem> for Problem {
    fn from(problem: v1::Problem) -> Self {
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        Self {
            object: some(problem.object),
            file: some(problem.file),
            line: Some(problem.line).filter(|line| *line > 0),
            message: problem.message,
        }
    }
}

impl From<v1::Held> for Held {
    fn from(held: v1::Held) -> Self {
        Self { commit: held.commit, would_prune: held.would_prune, reason: held.reason, objects: held.objects }
    }
}

impl Problem {
    fn sentence(&self) -> String {
        let place = match (&self.file, self.line) {
            (Some(file), Some(line)) => format!("{file}:{line}: "),
            (Some(file), None) => format!("{file}: "),
            (None, _) => String::new(),
        };
        let object = self.object.as_ref().map(|object| format!("{object}: ")).unwrap_or_default();
        // A message of the manifest crate may name the object by itself.
        if self.message.contains(object.trim_end_matches(": ")) {
            format!("{place}{}", self.message)
        } else {
            format!("{place}{object}{}", self.message)
        }
    }
}

/// Nothing of the commit can be applied.
pub(super) fn invalid(problems: &[Problem], of: &str) -> Failure {
    Failure::errors(problems.iter().map(Problem::sentence))
        .next(format!("Nothing of {of} would be applied. Correct it and look again."))
}

impl Held {
    /// What would be deleted, and why that waits.
    pub(super) fn sentence(&self) -> String {
        let named = self.objects.join(", ");
        let more = (self.would_prune as usize).saturating_sub(self.objects.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let reason = if self.reason.is_empty() { "its deletions wait for a person" } else { &self.reason };
        if named.is_empty() { reason.to_owned() } else { format!("{reason}: {named}{more}") }
    }

    /// How a person lets it go.
    pub(super) fn release(&self, namespace: &str, name: &str) -> String {
        if self.commit.is_empty() {
            return "Once it is a commit, it will wait for: lockstep acknowledge NAME --commit COMMIT".to_owned();
        }
        release(namespace, name, &self.commit)
    }
}

/// The command that lets the deletions of a commit go.
pub(super) fn release(namespace: &str, name: &str, commit: &str) -> String {
    format!("If the deletions are meant: lockstep acknowledge {name} -n {namespace} --commit {commit}")
}

/// A commit for people, or what stands in its place.
pub(super) fn called(commit: &str, target: &str) -> String {
    if commit.is_empty() { target.to_owned() } else { short(commit).to_owned() }
}
