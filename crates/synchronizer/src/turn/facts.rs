//! What the label-filtered watches cannot show: objects of that name that are not ours yet.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use lockstep_cluster::Kind;
use lockstep_manifest::ObjectId;
use lockstep_plan::{Fact, GroupKind, LiveMetadata, Rendered, Settled, lookups};

use crate::{
    apply::{Hands, target},
    ports::KindName,
    render::{Manifests, kind_name},
};

/// From so many unknown objects of a kind on, one list is asked for instead of each object.
const MANY: usize = 20;

/// What is known before the look.
pub(super) struct Known<'a> {
    pub(super) wanted: &'a [Rendered],
    pub(super) live: &'a [&'a LiveMetadata],
    pub(super) settled: &'a HashMap<ObjectId, Settled>,
    /// The kinds of what left Git, as they are served.
    pub(super) kinds: &'a BTreeMap<GroupKind, Kind>,
}

/// Looks up the objects that no watch has shown, and those that left Git of which only a hash was kept.
pub(super) async fn look_up(hands: &Hands<'_>, manifests: &Manifests, known: &Known<'_>) -> BTreeMap<ObjectId, Fact> {
    let mut open: HashSet<&ObjectId> = lookups(known.wanted, known.live, known.settled).into_iter().collect();
    let mut facts = BTreeMap::new();
    let mut by_kind: BTreeMap<KindName, (Kind, Vec<&ObjectId>)> = BTreeMap::new();
    let mut ask = |name: KindName, kind: &Kind, id| {
        by_kind.entry(name).or_insert_with(|| (kind.clone(), Vec::new())).1.push(id);
    };
    for object in known.wanted.iter().map(|rendered| &rendered.object).filter(|object| open.remove(&object.id)) {
        let id = &object.id;
        match (manifests.unserved.get(id), manifests.kind_of(object)) {
            (None, Some(kind)) => ask(kind_name(object), kind, id),
            (why, _) => {
                let why = why.cloned().unwrap_or_else(|| "its kind is not served".to_owned());
                facts.insert(id.clone(), Fact::Unknown(why));
            }
        }
    }
    for id in open {
        match known.kinds.get(&GroupKind::of(id)) {
            Some(kind) => {
                ask(KindName { group: id.group.clone(), version: None, kind: id.kind.clone() }, kind, id);
            }
            None => drop(facts.insert(id.clone(), Fact::Unknown("its kind is not served".to_owned()))),
        }
    }
    let mut single = Vec::new();
    for (kind, ids) in by_kind.into_values() {
        match list(hands, &kind, &ids).await {
            Some(found) => facts.extend(found),
            None => single.extend(ids.into_iter().map(|id| (kind.clone(), id))),
        }
    }
    // Only those in flight exist as futures: each takes more memory than what it asks for.
    let mut open = single.into_iter();
    let mut reads = FuturesUnordered::new();
    loop {
        for (kind, id) in open.by_ref().take(hands.concurrency.max(1) - reads.len()) {
            reads.push(async move { (id.clone(), read(hands, &kind, id).await) }.boxed());
        }
        match reads.next().await {
            Some((id, fact)) => drop(facts.insert(id, fact)),
            None => break,
        }
    }
    facts
}

/// `None` when the objects are few, or the account may not list them in all namespaces.
async fn list(hands: &Hands<'_>, kind: &Kind, ids: &[&ObjectId]) -> Option<BTreeMap<ObjectId, Fact>> {
    if ids.len() <= MANY {
        return None;
    }
    let asked: HashSet<&ObjectId> = ids.iter().copied().collect();
    let listed = hands.objects.list(kind, None, &|live| asked.contains(&live.id)).await.ok()?;
    let mut present: BTreeMap<ObjectId, LiveMetadata> =
        listed.into_iter().map(|live| (live.id.clone(), live)).collect();
    let fact = |id: &&ObjectId| {
        let fact = present.remove(*id).map_or(Fact::Absent, |live| Fact::Present(Box::new(live)));
        ((*id).clone(), fact)
    };
    Some(ids.iter().map(fact).collect())
}

async fn read(hands: &Hands<'_>, kind: &Kind, id: &ObjectId) -> Fact {
    match hands.objects.lookup(&target(kind, id)).await {
        Ok(Some(live)) => Fact::Present(Box::new(live)),
        Ok(None) => Fact::Absent,
        Err(error) => Fact::Unknown(error.to_string()),
    }
}
