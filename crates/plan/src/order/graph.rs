//! Who waits for whom, as a graph.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};

use lockstep_manifest::ObjectId;

use super::kinds::Rank;
use super::{Item, Wave};

/// The objects are the first nodes. The others stand for waves: a node for each wave that comes before another, which
/// waits for all objects of its wave, and which all objects of the next wave wait for.
pub(super) struct Graph {
    pub(super) waves: Vec<Wave>,
    pub(super) dependencies: Vec<Vec<usize>>,
    /// By node: the nodes that it waits for.
    pub(super) waits_for: Vec<Vec<usize>>,
}

impl Graph {
    pub(super) fn of(items: &[Item<'_>], ranks: &[Rank]) -> Self {
        let known: HashMap<&ObjectId, usize> = items.iter().enumerate().map(|(at, item)| (item.id, at)).collect();
        let found = |item: &Item<'_>| item.depends_on().iter().filter_map(|id| known.get(id).copied()).collect();
        let dependencies: Vec<Vec<usize>> = items.iter().map(found).collect();
        let namespaces: HashMap<&str, usize> = items
            .iter()
            .enumerate()
            .filter(|(at, _)| ranks[*at] == Rank::Namespace)
            .map(|(at, item)| (item.id.name.as_str(), at))
            .collect();
        let definitions: HashMap<&str, Vec<usize>> = definitions(items, ranks);
        let mut waits_for = dependencies.clone();
        let mut needs = |at: usize, needed: Option<&usize>| {
            if let Some(needed) = needed.filter(|needed| **needed != at && !waits_for[at].contains(needed)) {
                waits_for[at].push(*needed);
            }
        };
        for (at, item) in items.iter().enumerate() {
            needs(at, namespaces.get(item.id.namespace.as_str()));
            if ranks[at] != Rank::Definition && !item.id.group.is_empty() {
                definitions.get(item.id.group.as_str()).into_iter().flatten().for_each(|it| needs(at, Some(it)));
            }
        }
        let waves = waves(items, ranks, &waits_for);
        let mut graph = Self { waves, dependencies, waits_for };
        if items.iter().any(|item| item.own_wave().is_some()) {
            graph.add_waves();
        }
        graph
    }

    fn add_waves(&mut self) {
        let objects = self.waves.len();
        let used: BTreeSet<Wave> = self.waves.iter().copied().filter(|wave| *wave != Wave::Free).collect();
        let nodes: BTreeMap<Wave, usize> = used.into_iter().zip(objects..).collect();
        self.waits_for.resize(objects + nodes.len(), Vec::new());
        for at in 0..objects {
            let wave = self.waves[at];
            if let Some(node) = nodes.get(&wave) {
                self.waits_for[*node].push(at);
                self.waits_for[at].extend(nodes.range(..wave).next_back().map(|(_, before)| *before));
            }
        }
    }

    /// Puts the objects in an order in which each comes after all that it waits for, and the one with the smaller key
    /// first wherever there is a choice. Objects that wait for each other come last.
    pub(super) fn sort<K: Ord>(&self, key: impl Fn(usize) -> K) -> Vec<usize> {
        let objects = self.waves.len();
        let mut open: Vec<usize> = self.waits_for.iter().map(Vec::len).collect();
        let waiting = self.waiting();
        // Nodes of waves take no time: they are done as soon as their last object is.
        let mut ready: BinaryHeap<Reverse<(Option<K>, usize)>> = BinaryHeap::new();
        let entry = |node: usize| Reverse(((node < objects).then(|| key(node)), node));
        ready.extend((0..open.len()).filter(|node| open[*node] == 0).map(entry));
        let mut sequence = Vec::with_capacity(objects);
        while let Some(Reverse((_, node))) = ready.pop() {
            if node < objects {
                sequence.push(node);
            }
            for next in &waiting[node] {
                open[*next] -= 1;
                if open[*next] == 0 {
                    ready.push(entry(*next));
                }
            }
        }
        let mut stuck: Vec<usize> = (0..objects).filter(|node| open[*node] > 0).collect();
        stuck.sort_by_key(|node| key(*node));
        sequence.extend(stuck);
        sequence
    }

    /// By node: the nodes that wait for it.
    pub(super) fn waiting(&self) -> Vec<Vec<usize>> {
        let mut waiting = vec![Vec::new(); self.waits_for.len()];
        for (node, needed) in self.waits_for.iter().enumerate() {
            needed.iter().for_each(|needed| waiting[*needed].push(node));
        }
        waiting
    }
}

/// The definitions that may come late, by their groups. The others are there before all else.
fn definitions<'a>(items: &[Item<'a>], ranks: &[Rank]) -> HashMap<&'a str, Vec<usize>> {
    let mut definitions: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, item) in items.iter().enumerate().filter(|(at, _)| ranks[*at] == Rank::Definition) {
        // The name is `plural.group`; which kind it defines stands in the body alone.
        if let Some((_, group)) = item.id.name.split_once('.').filter(|_| item.is_constrained()) {
            definitions.entry(group).or_default().push(at);
        }
    }
    definitions
}

fn waves(items: &[Item<'_>], ranks: &[Rank], waits_for: &[Vec<usize>]) -> Vec<Wave> {
    let wave = |(item, rank): (&Item<'_>, &Rank)| match (item.own_wave(), rank) {
        (Some(number), _) => Wave::Number(number),
        (None, Rank::Namespace | Rank::Definition) => Wave::Free,
        (None, Rank::Admission) => Wave::Last,
        (None, _) => Wave::Number(0),
    };
    let mut waves: Vec<Wave> = items.iter().zip(ranks).map(wave).collect();
    // What others need comes with the first of them.
    let is_pulled = |at: usize| match waves[at] {
        Wave::Number(_) => matches!(ranks[at], Rank::Namespace | Rank::Definition),
        Wave::Last => true,
        Wave::Free => false,
    };
    let pulled: Vec<bool> = (0..items.len()).map(is_pulled).collect();
    let mut pulls: Vec<(usize, usize)> = Vec::new();
    for (at, needed) in waits_for.iter().enumerate() {
        pulls.extend(needed.iter().filter(|needed| pulled[**needed]).map(|needed| (at, *needed)));
    }
    let mut moved = true;
    while std::mem::take(&mut moved) {
        for (at, needed) in &pulls {
            if waves[*at] != Wave::Free && waves[*at] < waves[*needed] {
                waves[*needed] = waves[*at];
                moved = true;
            }
        }
    }
    waves
}
