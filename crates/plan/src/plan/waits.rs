//! Who has to wait because somebody wrote an order down.

use std::collections::{BTreeMap, HashMap};

use lockstep_manifest::ObjectId;

use super::step::{Action, Block, Cause, Leaving};
use crate::order::{Item, Order, Wave};

/// Lets every object wait that would be new, or have new content, while one is not ready that comes before it by a wave or
/// a dependency. What is in place already is repaired at any time.
pub(super) fn hold_back(
    items: &[Item<'_>],
    order: &Order,
    unready: &BTreeMap<ObjectId, String>,
    actions: &mut [Action],
) {
    if order.waves.is_empty() && order.dependencies.is_empty() {
        return;
    }
    let namespaces: HashMap<&str, usize> = (0..items.len())
        .filter(|at| items[*at].id.group.is_empty() && items[*at].id.kind == "Namespace")
        .map(|at| (items[at].id.name.as_str(), at))
        .collect();
    // The first object of each wave that is not ready.
    let mut unfinished: BTreeMap<Wave, usize> = BTreeMap::new();
    for at in order.sequence.iter().copied() {
        if brings_content(&actions[at]) {
            let wave = order.wave(at).and_then(|wave| unfinished.range(..wave).next().map(|(_, first)| *first));
            let dependency = order.dependencies(at).iter().copied();
            let namespace = namespaces.get(items[at].id.namespace.as_str()).copied();
            let namespace = namespace.filter(|it| matches!(actions[*it], Action::Blocked(Block::WaitsFor { .. })));
            let first = dependency.chain(wave).chain(namespace).find_map(|first| {
                let why = if first == at { Some(CIRCLE.to_owned()) } else { not_ready(items, unready, actions, first) };
                Some((first, why?))
            });
            if let Some((first, why)) = first {
                actions[at] = Action::Blocked(Block::WaitsFor { object: items[first].id.clone(), why });
            }
        }
        if let Some(wave) = order.wave(at)
            && not_ready(items, unready, actions, at).is_some()
        {
            unfinished.entry(wave).or_insert(at);
        }
    }
}

const CIRCLE: &str = "it depends on itself";

/// Whether the cluster will have something by it that it has not had.
fn brings_content(action: &Action) -> bool {
    matches!(action, Action::Create | Action::Adopt { .. } | Action::Update(Cause::Changed | Cause::NeverApplied))
}

fn not_ready(
    items: &[Item<'_>],
    unready: &BTreeMap<ObjectId, String>,
    actions: &[Action],
    at: usize,
) -> Option<String> {
    match &actions[at] {
        Action::Leave(Leaving::Ignored | Leaving::Found | Leaving::Hook(_)) => None,
        Action::Blocked(block) => Some(block.to_string()),
        action if brings_content(action) => Some("it is not applied yet".to_owned()),
        _ => unready.get(items[at].id).cloned(),
    }
}
