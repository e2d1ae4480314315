//! What left Git of the objects of which no more is kept than their hashes.

use std::collections::{BTreeMap, HashSet};

use lockstep_manifest::ObjectId;

use super::{Fact, Input};
use crate::live::LiveMetadata;

/// What the look at the settled objects that left Git has shown.
pub(super) struct Looked<'a> {
    pub(super) present: Vec<&'a LiveMetadata>,
    /// Those of which nobody could tell, and why.
    pub(super) unknown: BTreeMap<&'a ObjectId, &'a str>,
    /// The settled objects that need no look.
    pub(super) wanted: usize,
}

impl<'a> Looked<'a> {
    pub(super) fn up(input: &Input<'a>, wanted: &HashSet<&ObjectId>) -> Self {
        let mut looked = Self { present: Vec::new(), unknown: BTreeMap::new(), wanted: 0 };
        for id in input.settled.keys() {
            match input.facts.get(id) {
                _ if wanted.contains(id) => looked.wanted += 1,
                Some(Fact::Present(live)) => looked.present.push(live),
                Some(Fact::Absent) => {}
                Some(Fact::Unknown(why)) => drop(looked.unknown.insert(id, why)),
                None => drop(looked.unknown.insert(id, "it was not looked up")),
            }
        }
        looked
    }
}
