//! A plan for programs: `lockstep plan -o json` prints it, and it travels over the API.

use serde::Serialize;

use super::prune::Held;
use super::{Plan, Step};

/// A plan in plain texts and numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanView {
    /// The commit that it is for.
    pub commit: String,
    /// What happens to each object, in the order of the plan.
    pub steps: Vec<StepView>,
    /// Why no deletion happens until a person acknowledges the commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldView>,
}

/// What happens to one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepView {
    /// The object as `group/Kind/namespace/name`.
    pub object: String,
    /// What happens, in one word.
    pub verb: String,
    /// Why, as a sentence; empty where the verb says it all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The file in Git; empty for what left Git.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// The line on which the object begins, from 1; 0 for what left Git.
    #[serde(skip_serializing_if = "is_zero")]
    pub line: usize,
}

/// A prune that is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldView {
    /// How many objects would be deleted.
    pub would_prune: usize,
    /// What makes it suspicious, as a sentence.
    pub reason: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(line: &usize) -> bool {
    *line == 0
}

impl Plan {
    /// The plan for programs.
    pub fn view(&self) -> PlanView {
        let held = self.held().map(|held: &Held| HeldView { would_prune: held.would_prune, reason: held.to_string() });
        PlanView { commit: self.commit().to_owned(), steps: self.steps().iter().map(Step::view).collect(), held }
    }
}

impl Step {
    fn view(&self) -> StepView {
        let (file, line) = match &self.place {
            Some((file, line)) => (file.to_string(), *line),
            None => (String::new(), 0),
        };
        StepView { object: self.id.to_string(), verb: self.verb().to_owned(), reason: self.reason(), file, line }
    }
}
