//! The objects that left Git: what becomes of each, and which of them have to go before which.

use std::collections::{HashMap, HashSet};

use lockstep_manifest::ObjectId;

use super::Input;
use super::looked::Looked;
use super::proofs::{Verdict, verdict};
use super::step::{Action, Block, Keep};
use crate::instructions::{self, Instructions, Problems};
use crate::live::LiveMetadata;
use crate::order::{Item, Order, Wave};

/// What left Git.
pub(super) struct Departing<'a> {
    pub(super) candidates: Vec<&'a LiveMetadata>,
    pub(super) verdicts: Vec<Verdict>,
    /// Their order of applying, by what stands on the live objects.
    pub(super) order: Order,
    /// By position: the positions of those that depend on it.
    dependents: HashMap<usize, Vec<usize>>,
    /// By position: whether it will be gone one day, as far as that is decided.
    is_on_its_way: Vec<bool>,
    /// The last wave that has such objects, and one of them.
    last_wave: Option<(Wave, usize)>,
    needed_by_wanted: HashMap<&'a ObjectId, &'a ObjectId>,
    pub(super) looked: Looked<'a>,
}

impl<'a> Departing<'a> {
    pub(super) fn of(input: &Input<'a>) -> Self {
        let wanted: HashSet<&ObjectId> = input.wanted.iter().map(|rendered| &rendered.object.id).collect();
        let left = |live: &&LiveMetadata| !wanted.contains(&live.id) && input.ownership.is_named_on(live);
        let looked = Looked::up(input, &wanted);
        let candidates: Vec<&LiveMetadata> =
            input.live.iter().copied().chain(looked.present.iter().copied()).filter(left).collect();
        // The same object can be listed under two API groups.
        let wanted_uids: HashMap<&str, &ObjectId> = input
            .live
            .iter()
            .filter(|live| wanted.contains(&live.id) && !live.uid.is_empty())
            .map(|live| (live.uid.as_str(), &live.id))
            .chain(input.settled.iter().filter(|(id, _)| wanted.contains(*id)).map(|(id, settled)| (&*settled.uid, id)))
            .collect();
        let said: Vec<Result<Instructions, Problems>> =
            candidates.iter().map(|live| instructions::of_live(live)).collect();
        let verdict = |(live, said): (&&LiveMetadata, _)| match wanted_uids.get(live.uid.as_str()) {
            Some(same) => Verdict::Stays(Keep::SameObjectWanted((*same).clone())),
            None => verdict(input, live, said),
        };
        let verdicts: Vec<Verdict> = candidates.iter().zip(&said).map(verdict).collect();
        let item = |(live, said): (&&'a LiveMetadata, _)| Item { id: &live.id, instructions: readable(said) };
        let order = Order::of(&candidates.iter().zip(&said).map(item).collect::<Vec<_>>());
        let needs = |rendered: &'a crate::render::Rendered| {
            let needed = rendered.instructions.iter().flat_map(|instructions| &instructions.depends_on);
            needed.map(|needed| (needed, &rendered.object.id))
        };
        let mut departing = Self {
            needed_by_wanted: input.wanted.iter().flat_map(needs).collect(),
            dependents: HashMap::new(),
            is_on_its_way: vec![false; candidates.len()],
            last_wave: None,
            looked,
            candidates,
            verdicts,
            order,
        };
        for at in 0..departing.candidates.len() {
            for needed in departing.order.dependencies(at) {
                departing.dependents.entry(*needed).or_default().push(at);
            }
        }
        departing
    }

    /// Takes in what was decided about an object; all that goes after it is still to be decided.
    pub(super) fn note(&mut self, at: usize, action: &Action) {
        self.is_on_its_way[at] =
            matches!(action, Action::Prune | Action::Skip(Keep::Deleting) | Action::Blocked(Block::WaitsFor { .. }));
        if self.is_on_its_way[at] {
            self.last_wave = self.last_wave.max(self.order.wave(at).map(|wave| (wave, at)));
        }
    }

    pub(super) fn is_on_its_way(&self, at: usize) -> bool {
        self.is_on_its_way[at]
    }

    /// What has to be gone before this one: what depends on it, and the waves after its own. An operator must outlive the
    /// objects that it alone can finish.
    pub(super) fn blocked(&self, at: usize) -> Option<Block> {
        let id = |at: usize| self.candidates[at].id.clone();
        let dependents = || self.dependents.get(&at).into_iter().flatten().copied();
        if let Some(staying) = dependents().find(|it| !self.is_on_its_way[*it]) {
            return Some(Block::NeededBy(id(staying)));
        }
        if let Some(needing) = self.needed_by_wanted.get(&self.candidates[at].id) {
            return Some(Block::NeededBy((*needing).clone()));
        }
        let own = self.order.wave(at);
        let later = || self.last_wave.filter(|(wave, _)| own.is_some_and(|own| *wave > own)).map(|(_, at)| at);
        let first = dependents().find(|it| *it != at).or_else(later)?;
        Some(Block::WaitsFor { object: id(first), why: "it goes first".to_owned() })
    }
}

fn readable(said: &Result<Instructions, Problems>) -> Option<&Instructions> {
    said.as_ref().ok()
}
