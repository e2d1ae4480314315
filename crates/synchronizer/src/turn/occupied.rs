//! Before a namespace or a definition is deleted: does it hold what others made? It would take that along.

use std::collections::BTreeMap;

use lockstep_cluster::{Kind, Resolution};
use lockstep_manifest::ObjectId;
use lockstep_plan::{Action, GroupKind, Plan};

use super::{Desk, facts};
use crate::{
    apply::target,
    ports::{Freshness, KindName},
};

/// The namespaces and definitions that the plan would delete and that hold objects of others, and which.
pub(super) async fn look(
    desk: &Desk<'_>,
    plan: &Plan,
    kinds: &BTreeMap<GroupKind, Kind>,
) -> BTreeMap<ObjectId, String> {
    let mut occupied = BTreeMap::new();
    if plan.held().is_some() {
        return occupied;
    }
    for step in plan.steps().iter().filter(|step| step.action == Action::Prune) {
        let found = match (step.id.group.as_str(), step.id.kind.as_str()) {
            ("", "Namespace") => in_namespace(desk, &step.id, kinds).await,
            ("apiextensions.k8s.io", "CustomResourceDefinition") => of_definition(desk, &step.id, kinds).await,
            _ => None,
        };
        if let Some(what) = found {
            occupied.insert(step.id.clone(), what);
        }
    }
    occupied
}

async fn in_namespace(desk: &Desk<'_>, namespace: &ObjectId, kinds: &BTreeMap<GroupKind, Kind>) -> Option<String> {
    let cluster = desk.ports.cluster.as_ref();
    let names = facts::holders();
    let (holders, added) = match futures::join!(cluster.resolve(&names, Freshness::Cached), cluster.added_kinds()) {
        (Ok(holders), Ok(added)) => (holders, added),
        (Err(error), _) | (_, Err(error)) => return Some(format!("perhaps unknown ones: {error}")),
    };
    let holders = holders.into_iter().filter_map(|resolution| match resolution {
        Resolution::Resolved(kind) => Some(kind),
        _ => None,
    });
    let mut asked: BTreeMap<GroupKind, Kind> = kinds.clone();
    asked.extend(holders.chain(added).map(|kind| {
        let name = GroupKind { group: kind.resource.group.clone(), kind: kind.resource.kind.clone() };
        (name, kind)
    }));
    for kind in asked.values().filter(|kind| kind.scope == lockstep_plan::Scope::Namespaced) {
        if let Some(what) = foreigner(desk, kind, Some(&namespace.name)).await {
            return Some(what);
        }
    }
    None
}

async fn of_definition(desk: &Desk<'_>, definition: &ObjectId, kinds: &BTreeMap<GroupKind, Kind>) -> Option<String> {
    if let Some(kind) = facts::defined_by(definition, kinds.iter()) {
        return foreigner(desk, kind, None).await;
    }
    let own = kinds.get(&GroupKind::of(definition))?;
    let object = match desk.objects.read(&target(own, definition)).await {
        Ok(object) => object?,
        Err(error) => return Some(error.to_string()),
    };
    let text = |pointer: &str| object.pointer(pointer).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    let name = KindName { group: text("/spec/group"), version: None, kind: text("/spec/names/kind") };
    match desk.ports.cluster.resolve(&[name], Freshness::Fresh).await {
        Ok(resolutions) => match resolutions.first() {
            Some(Resolution::Resolved(kind)) => foreigner(desk, kind, None).await,
            // It is not served, so nobody can say what is stored.
            _ => Some("its kind is not served, so its objects cannot be listed".to_owned()),
        },
        Err(error) => Some(error.to_string()),
    }
}

async fn foreigner(desk: &Desk<'_>, kind: &Kind, namespace: Option<&str>) -> Option<String> {
    match facts::foreigner(&desk.hands(), kind, namespace, desk.ownership).await {
        Ok(found) => found,
        Err(error) => Some(format!("unknown ones, since they cannot be listed: {error}")),
    }
}
