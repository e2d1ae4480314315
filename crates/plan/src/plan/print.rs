//! A plan as text: a line for each object, and the numbers.

use std::fmt;

use super::Plan;
use super::step::{Action, Block, Cause, Keep, Leaving, Step};
use crate::cover::FieldLoss;
use crate::ownership::Owner;

/// How many objects have which step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// To be created.
    pub create: usize,
    /// To be applied again.
    pub update: usize,
    /// To be made ours.
    pub adopt: usize,
    /// As they should be.
    pub unchanged: usize,
    /// Changed by others, and only reported.
    pub drifted: usize,
    /// In Git, and left alone as their annotations say.
    pub leave: usize,
    /// To be deleted.
    pub prune: usize,
    /// To be let go.
    pub release: usize,
    /// Left Git and stay.
    pub skip: usize,
    /// Waiting for something.
    pub blocked: usize,
}

impl Plan {
    /// Counts the steps.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for step in self.steps() {
            *match step.action {
                Action::Create => &mut counts.create,
                Action::Update(_) => &mut counts.update,
                Action::Adopt { .. } => &mut counts.adopt,
                Action::Unchanged => &mut counts.unchanged,
                Action::Drifted(_) => &mut counts.drifted,
                Action::Leave(_) => &mut counts.leave,
                Action::Prune => &mut counts.prune,
                Action::Release => &mut counts.release,
                Action::Skip(_) => &mut counts.skip,
                Action::Blocked(_) => &mut counts.blocked,
            } += 1;
        }
        counts
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [
            (self.create, "create"),
            (self.update, "update"),
            (self.adopt, "adopt"),
            (self.unchanged, "unchanged"),
            (self.drifted, "drifted"),
            (self.leave, "leave"),
            (self.prune, "prune"),
            (self.release, "release"),
            (self.skip, "skip"),
            (self.blocked, "blocked"),
        ];
        let told: Vec<String> =
            all.iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}")).collect();
        f.write_str(if told.is_empty() { "nothing to do" } else { "" })?;
        f.write_str(&told.join(", "))
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in self.steps() {
            writeln!(f, "{step}")?;
        }
        match self.held() {
            Some(held) => writeln!(f, "held      {held}"),
            None => Ok(()),
        }
    }
}

impl Step {
    /// What happens to the object, in one word.
    pub fn verb(&self) -> &'static str {
        match &self.action {
            Action::Create => "create",
            Action::Update(_) => "update",
            Action::Adopt { .. } => "adopt",
            Action::Unchanged => "unchanged",
            Action::Drifted(_) => "drifted",
            Action::Leave(_) => "leave",
            Action::Prune => "prune",
            Action::Release => "release",
            Action::Skip(_) => "skip",
            Action::Blocked(_) => "blocked",
        }
    }

    /// Why, as a sentence; empty where the verb says it all.
    pub fn reason(&self) -> String {
        match &self.action {
            Action::Create | Action::Unchanged => String::new(),
            Action::Update(cause) | Action::Drifted(cause) => cause.to_string(),
            Action::Adopt { from: None, .. } => "it exists, and nobody claims it".to_owned(),
            Action::Adopt { from: Some(owner), .. } => format!("it is taken over from {owner}"),
            Action::Leave(leaving) => leaving.to_string(),
            Action::Prune => "it left Git".to_owned(),
            Action::Release => "it left Git, and its annotations say never to delete it".to_owned(),
            Action::Skip(keep) => keep.to_string(),
            Action::Blocked(block) => block.to_string(),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = self.verb();
        match self.reason().as_str() {
            "" => write!(f, "{verb:<9} {}", self.id),
            reason => write!(f, "{verb:<9} {}: {reason}", self.id),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |fields: &[FieldLoss]| fields.iter().map(FieldLoss::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Self::Changed => f.write_str("Git has changed"),
            Self::Drift(fields) => f.write_str(&list(fields)),
            Self::Doubtful(fields) => write!(f, "perhaps {}", list(fields)),
            Self::MarksLost => f.write_str("its marks of ownership were taken away"),
            Self::Cleared => f.write_str("its managed fields were cleared"),
            Self::NeverApplied => f.write_str("it was never applied by us"),
            Self::OtherVersion(version) => write!(f, "it was applied as {version}"),
        }
    }
}

impl fmt::Display for Leaving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ignored => f.write_str("its annotations say to ignore it"),
            Self::CreateOnly => f.write_str("it exists, and was only to be created"),
            Self::Found => f.write_str("it exists without our label, and was only to be created"),
            Self::Hook(hook) => write!(f, "hooks are not run ({hook})"),
        }
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PruneDisabled => f.write_str("the Sync does not prune"),
            Self::Ignored => f.write_str("its annotations say to leave it alone"),
            Self::Unreadable(problem) => write!(f, "perhaps it is to stay: {problem}"),
            Self::ProtectedNamespace => f.write_str("the cluster needs this namespace"),
            Self::Protected => f.write_str("the synchronizer needs it"),
            Self::OtherOwner(owner) => write!(f, "it belongs to {owner}"),
            Self::HasOwner => f.write_str("it has an owner reference"),
            Self::IdMissing => f.write_str("it has no annotation lockstep.dev/id"),
            Self::IdOfAnother(id) => write!(f, "its annotation lockstep.dev/id names {id}"),
            Self::NeverApplied => f.write_str("it was never applied by us"),
            Self::ListIncomplete => f.write_str("its kind could not be listed"),
            Self::SameObjectWanted(id) => write!(f, "it is the same object as {id}"),
            Self::Deleting => f.write_str("it is being deleted already"),
            Self::VersionUnknown => f.write_str("its UID or resource version is unknown"),
        }
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(why) => write!(f, "whether it exists is unknown: {why}"),
            Self::OwnedBy(Owner::Object) => write!(f, "it belongs to {}; remove it there or here", Owner::Object),
            Self::OwnedBy(owner) => {
                write!(f, "it belongs to {owner}; remove it there or here, or set lockstep.dev/adopt: \"true\"")
            }
            Self::Deleting => f.write_str("it is being deleted; it is created again when it is gone"),
            Self::StillUsed(id) => write!(f, "it would take {id} along"),
            Self::Occupied(what) => write!(f, "it holds objects of others: {what}"),
            Self::NeededBy(id) => write!(f, "{id} depends on it"),
            Self::WaitsFor { object, why } => write!(f, "it waits for {object}: {why}"),
        }
    }
}
