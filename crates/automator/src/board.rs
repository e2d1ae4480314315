//! What is known of every branch and every place on it, for whoever reports it: the gRPC service, metrics.
//!
//! The loop of a branch is the only writer of its entry. Readers see whole values and are told of changes; a slow reader
//! misses intermediate states, never the last one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use lockstep_registry::Repository;
use lockstep_repository::CommitId;
use tokio::sync::watch;

use crate::survey::Place;

/// A branch of a config repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BranchKey {
    /// The repository's URL as configured; it has no credentials in it.
    pub repository: String,
    /// The branch.
    pub branch: String,
}

impl fmt::Display for BranchKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.repository, self.branch)
    }
}

/// What is known of one place, and what was decided for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceState {
    /// The file, from the root of the repository.
    pub file: String,
    /// The line of the image.
    pub line: usize,
    /// The object, as KIND/NAMESPACE/NAME.
    pub object: String,
    /// The container.
    pub container: String,
    /// The reference that Git holds.
    pub current: String,
    /// The policy, as it is used.
    pub policy: String,
    /// Where the policy stands, or what made this a place: `FILE:LINE`, or `rules[N]` of the settings.
    pub origin: String,
    /// Whether updates may be committed.
    pub automated: bool,
    /// The tag that the policy chooses, if there is one that the place does not hold already.
    pub selected: Option<String>,
    /// Why the place is left as it is.
    pub held: Option<String>,
}

impl PlaceState {
    /// What a survey says of a place, with the tag that is chosen for it or why it is held.
    pub(crate) fn of(place: &Place, selected: Option<String>, held: Option<String>) -> Self {
        Self {
            file: place.id.file.clone(),
            line: place.line,
            object: place.id.object.short(),
            container: place.id.container.clone(),
            current: place.text.clone(),
            policy: place.policy.rule.policy.to_string(),
            origin: place.policy.origin.to_string(),
            automated: place.policy.automated,
            selected,
            held,
        }
    }
}

/// What could not be read or done. It stops nothing but what it names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// A word of a closed set, for metrics: `manifest`, `policy`, `reference`, `edit`, `history`, `signature`, or that of an edge.
    pub category: &'static str,
    /// A sentence, with file and line where there are some, that says what to do.
    pub message: String,
}

/// One branch, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchState {
    /// The commit that was looked at.
    pub head: CommitId,
    /// When.
    pub at: Timestamp,
    /// Every place that Lockstep considers, by file and line.
    pub places: Vec<PlaceState>,
    /// The image repositories that they name.
    pub repositories: BTreeSet<Repository>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

type States = Arc<BTreeMap<BranchKey, Arc<BranchState>>>;

/// Where every branch is now.
pub type Heads = Arc<BTreeMap<BranchKey, CommitId>>;

/// The entries of all branches.
#[derive(Clone, Debug)]
pub struct Board {
    states: watch::Sender<States>,
    heads: watch::Sender<Heads>,
}

impl Default for Board {
    fn default() -> Self {
        Self { states: watch::Sender::new(States::default()), heads: watch::Sender::new(Heads::default()) }
    }
}

impl Board {
    /// Says where a branch is. Readers are told only if it moved.
    pub fn announce(&self, branch: &BranchKey, head: CommitId) {
        self.heads.send_if_modified(|heads| {
            heads.get(branch) != Some(&head) && {
                Arc::make_mut(heads).insert(branch.clone(), head);
                true
            }
        });
    }

    /// Puts a branch's state up.
    pub fn publish(&self, branch: &BranchKey, state: BranchState) {
        self.states.send_modify(|states| {
            Arc::make_mut(states).insert(branch.clone(), Arc::new(state));
        });
    }

    /// All branches that have been looked at, in order.
    pub fn all(&self) -> Vec<(BranchKey, Arc<BranchState>)> {
        self.states.borrow().iter().map(|(key, state)| (key.clone(), Arc::clone(state))).collect()
    }

    /// One branch.
    pub fn get(&self, branch: &BranchKey) -> Option<Arc<BranchState>> {
        self.states.borrow().get(branch).cloned()
    }

    /// A receiver that is woken whenever a branch moves; its present value counts as unseen.
    pub fn heads(&self) -> watch::Receiver<Heads> {
        let mut receiver = self.heads.subscribe();
        receiver.mark_changed();
        receiver
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_are_told_of_a_move_and_of_nothing_else() {
        let board = Board::default();
        let key = BranchKey { repository: "https://git.example/a".to_owned(), branch: "main".to_owned() };
        let [first, second] = ["1", "2"].map(|digit| digit.repeat(40).parse::<CommitId>().unwrap());
        let mut heads = board.heads();
        board.announce(&key, first);
        assert_eq!(heads.borrow_and_update().get(&key), Some(&first));
        board.announce(&key, first);
        assert!(!heads.has_changed().unwrap());
        board.announce(&key, second);
        assert!(heads.has_changed().unwrap());
        assert_eq!(board.heads().borrow_and_update().get(&key), Some(&second));
    }
}
