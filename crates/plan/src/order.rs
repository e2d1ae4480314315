//! In which order objects are applied, and in which they go.
//!
//! Kinds are only ordered; nothing waits but what cannot exist yet. Whoever writes waves or dependencies asks for more:
//! that what comes first is healthy before the next begins.

use std::collections::HashMap;

use lockstep_manifest::ObjectId;

use crate::instructions::Instructions;
use crate::render::{RenderError, Rendered};

mod cycle;
mod graph;
mod kinds;

use graph::Graph;
use kinds::{Rank, Stage};

/// One object that is to be put in order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item<'a> {
    pub(crate) id: &'a ObjectId,
    pub(crate) instructions: Option<&'a Instructions>,
}

impl<'a> Item<'a> {
    pub(crate) fn of(rendered: &'a Rendered) -> Self {
        Self { id: &rendered.object.id, instructions: rendered.instructions.as_deref() }
    }

    fn own_wave(&self) -> Option<i32> {
        self.instructions.and_then(|instructions| instructions.wave)
    }

    fn depends_on(&self) -> &'a [ObjectId] {
        self.instructions.map_or(&[], |instructions| &instructions.depends_on)
    }

    fn is_constrained(&self) -> bool {
        self.own_wave().is_some() || !self.depends_on().is_empty()
    }
}

/// When an object's turn comes, where waves are written at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wave {
    /// A namespace or a definition without a wave of its own: at once, and nobody waits for its health.
    Free,
    /// The number that is written, and 0 where none is. A namespace or a definition comes with the first that needs it.
    Number(i32),
    /// Admission without a wave of its own, when all else is there; with the first that depends on it, if any does.
    Last,
}

/// Objects in the order of applying.
#[derive(Debug)]
pub(crate) struct Order {
    /// Positions in what was given.
    pub(crate) sequence: Vec<usize>,
    /// By position; empty where no wave is written.
    pub(crate) waves: Vec<Wave>,
    /// By position: the positions of what it depends on. Empty where nothing depends on anything.
    pub(crate) dependencies: Vec<Vec<usize>>,
    stages: Vec<Stage>,
}

impl Order {
    pub(crate) fn of(items: &[Item<'_>]) -> Self {
        let ranks: Vec<Rank> = items.iter().map(|item| Rank::of(item.id)).collect();
        let stages = ranks.iter().map(|rank| rank.stage()).collect();
        let mut sequence: Vec<usize> = (0..items.len()).collect();
        if !items.iter().any(Item::is_constrained) {
            sequence.sort_unstable_by_key(|at| (ranks[*at], items[*at].id));
            return Self { sequence, waves: Vec::new(), dependencies: Vec::new(), stages };
        }
        let graph = Graph::of(items, &ranks);
        let has_waves = items.iter().any(|item| item.own_wave().is_some());
        let sequence = graph.sort(|at| (graph.waves[at], ranks[at], items[at].id));
        let waves = if has_waves { graph.waves } else { Vec::new() };
        Self { sequence, waves, dependencies: graph.dependencies, stages }
    }

    /// The wave that an object has to wait for its turn in; `None` where waves mean nothing to it.
    pub(crate) fn wave(&self, at: usize) -> Option<Wave> {
        self.waves.get(at).copied().filter(|wave| *wave != Wave::Free)
    }

    pub(crate) fn dependencies(&self, at: usize) -> &[usize] {
        self.dependencies.get(at).map_or(&[], Vec::as_slice)
    }

    /// The positions in stages, each of which begins when the one before is done.
    fn stages(&self) -> Vec<Vec<usize>> {
        let mut stages: Vec<Vec<usize>> = Vec::new();
        for stage in [Stage::Namespaces, Stage::Definitions, Stage::Rest, Stage::Admission] {
            let members: Vec<usize> = self.sequence.iter().copied().filter(|at| self.stages[*at] == stage).collect();
            stages.extend((!members.is_empty()).then_some(members));
        }
        stages
    }
}

/// Puts what belongs to objects into the stages of an apply.
pub(crate) fn into_stages<'a, T: Copy>(members: &[T], item: impl Fn(T) -> Item<'a>) -> Vec<Vec<T>> {
    let items: Vec<Item<'_>> = members.iter().map(|member| item(*member)).collect();
    let stages = Order::of(&items).stages();
    stages.into_iter().map(|stage| stage.into_iter().map(|at| members[at]).collect()).collect()
}

/// The stages in which objects are applied: namespaces, custom resource definitions, the rest (cluster-scoped objects
/// first), admission; in each wave by wave, dependencies before what depends on them.
pub fn waves(objects: &[Rendered]) -> Vec<Vec<&Rendered>> {
    into_stages(&objects.iter().collect::<Vec<_>>(), Item::of)
}

/// Checks that an order can be found: that everything that objects depend on is among them, and that no objects wait for
/// each other. Call it on all objects of a commit.
///
/// # Errors
///
/// Every dependency that is missing; or else every circle, with all objects of it.
pub fn check_order(objects: &[Rendered]) -> Result<(), Vec<RenderError>> {
    let items: Vec<Item<'_>> = objects.iter().map(Item::of).collect();
    if !items.iter().any(Item::is_constrained) {
        return Ok(());
    }
    let known: HashMap<&ObjectId, usize> = items.iter().enumerate().map(|(at, item)| (item.id, at)).collect();
    let missing = |rendered: &Rendered, dependency: &ObjectId| RenderError::DependencyMissing {
        object: Box::new(rendered.object.id.clone()),
        file: rendered.object.file.clone(),
        line: rendered.object.line,
        dependency: Box::new(dependency.clone()),
    };
    let mut errors = Vec::new();
    for (item, rendered) in items.iter().zip(objects) {
        let lost = item.depends_on().iter().filter(|dependency| !known.contains_key(dependency));
        errors.extend(lost.map(|dependency| missing(rendered, dependency)));
    }
    if errors.is_empty() {
        let ranks: Vec<Rank> = items.iter().map(|item| Rank::of(item.id)).collect();
        errors = cycle::cycles(&Graph::of(&items, &ranks), objects);
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

#[cfg(test)]
mod tests;
