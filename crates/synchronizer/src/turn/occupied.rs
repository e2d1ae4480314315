//! Before a namespace or a definition is deleted: does it hold what others made? It would take that along.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Mutex, PoisonError},
};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use lockstep_cluster::{Kind, Resolution};
use lockstep_manifest::ObjectId;
use lockstep_plan::{GroupKind, LiveMetadata};

use super::{Desk, facts::Known};
use crate::{
    apply::target,
    ports::{ClusterError, Freshness, KindName},
};

/// What Kubernetes writes about other objects of a namespace, and takes away with them.
const ABOUT_OTHERS: [(&str, &str); 4] =
    [("", "Endpoints"), ("", "Event"), ("discovery.k8s.io", "EndpointSlice"), ("events.k8s.io", "Event")];
/// What Kubernetes puts into every namespace.
const IN_EVERY_NAMESPACE: [(&str, &str); 2] = [("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")];

/// Which namespaces and definitions hold what others made.
#[derive(Default)]
pub(crate) struct Occupied {
    /// Those, and what they hold, or why nobody can say.
    pub(super) found: BTreeMap<ObjectId, String>,
    /// The UIDs of what is ours, and of what was seen in a namespace: what they own goes with them.
    familiar: HashSet<String>,
}

impl Occupied {
    /// Nothing was looked at yet; these objects of the Sync are known.
    pub(super) fn unknown(known: &Known<'_>) -> Self {
        let live = known.live.iter().map(|live| (&live.id, live.uid.as_str()));
        let settled = known.settled.iter().map(|(id, settled)| (id, &*settled.uid));
        let of_cluster = live.chain(settled).filter(|(id, uid)| id.namespace.is_empty() && !uid.is_empty());
        Self { familiar: of_cluster.map(|(_, uid)| uid.to_owned()).collect(), found: BTreeMap::new() }
    }

    /// Looks into those of these objects that would take others along.
    pub(super) async fn look(
        &mut self,
        desk: &Desk<'_>,
        ids: impl Iterator<Item = &ObjectId>,
        kinds: &BTreeMap<GroupKind, Kind>,
    ) {
        let mut namespaced = None;
        for id in ids {
            let found = match (id.group.as_str(), id.kind.as_str()) {
                ("", "Namespace") => {
                    if namespaced.is_none() {
                        namespaced = Some(desk.ports.cluster.namespaced_kinds().await);
                    }
                    match &namespaced {
                        Some(Ok(all)) => self.guest(desk, &id.name, all).await,
                        Some(Err(error)) => Some(format!("perhaps unknown ones: {error}")),
                        None => None,
                    }
                }
                ("apiextensions.k8s.io", "CustomResourceDefinition") => of_definition(desk, id, kinds).await,
                _ => None,
            };
            self.found.extend(found.map(|what| (id.clone(), what)));
        }
    }

    /// What a namespace holds that is not ours and that nobody there takes along anyway.
    async fn guest(&mut self, desk: &Desk<'_>, namespace: &str, kinds: &[Kind]) -> Option<String> {
        let asked = |kind: &&Kind| !ABOUT_OTHERS.contains(&(kind.resource.group.as_str(), kind.resource.kind.as_str()));
        let lists: Vec<BoxFuture<'_, _>> =
            kinds.iter().filter(asked).map(|kind| contents(desk, kind, namespace).boxed()).collect();
        let mut lists = stream::iter(lists).buffered(desk.concurrency.max(1));
        let mut owned = Vec::new();
        while let Some(listed) = lists.next().await {
            let contents = match listed {
                Ok(contents) => contents,
                Err(error) => return Some(format!("unknown ones, since they cannot be listed: {error}")),
            };
            if contents.guest.is_some() {
                return contents.guest;
            }
            self.familiar.extend(contents.uids);
            owned.extend(contents.owned);
        }
        let is_stranger = |(_, owners): &&(String, Vec<String>)| owners.iter().any(|uid| !self.familiar.contains(uid));
        owned.iter().find(is_stranger).map(|(what, _)| what.clone())
    }
}

/// What a namespace holds of one kind.
#[derive(Default)]
struct Contents {
    /// The first that others made.
    guest: Option<String>,
    uids: Vec<String>,
    /// What has owners, and their UIDs.
    owned: Vec<(String, Vec<String>)>,
}

async fn contents(desk: &Desk<'_>, kind: &Kind, namespace: &str) -> Result<Contents, ClusterError> {
    let contents = Mutex::new(Contents::default());
    let take_in = |live: &LiveMetadata| {
        contents.lock().unwrap_or_else(PoisonError::into_inner).take_in(desk, live);
        false
    };
    desk.objects.list(kind, Some(namespace), &take_in).await?;
    Ok(contents.into_inner().unwrap_or_else(PoisonError::into_inner))
}

impl Contents {
    fn take_in(&mut self, desk: &Desk<'_>, live: &LiveMetadata) {
        self.uids.push(live.uid.clone());
        let is_everywhere = IN_EVERY_NAMESPACE.contains(&(live.id.kind.as_str(), live.id.name.as_str()));
        if is_everywhere || desk.ownership.is_proven_on(live) {
            return;
        }
        if !live.has_owner() {
            self.guest.get_or_insert_with(|| live.id.short());
        } else if !live.deleting {
            // What is on its way out went with its owner, which may be gone by now.
            self.owned.push((live.id.short(), live.owners.clone()));
        }
    }
}

async fn of_definition(desk: &Desk<'_>, definition: &ObjectId, kinds: &BTreeMap<GroupKind, Kind>) -> Option<String> {
    if let Some(kind) = defined_by(definition, kinds.iter()) {
        return foreigner(desk, kind).await;
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
            Some(Resolution::Resolved(kind)) => foreigner(desk, kind).await,
            // It is not served, so nobody can say what is stored.
            _ => Some("its kind is not served, so its objects cannot be listed".to_owned()),
        },
        Err(error) => Some(error.to_string()),
    }
}

/// The first object of this kind that is not ours; also one with an owner, which would live on without its kind's end.
async fn foreigner(desk: &Desk<'_>, kind: &Kind) -> Option<String> {
    let is_foreign = |live: &LiveMetadata| !desk.ownership.is_proven_on(live);
    match desk.objects.list(kind, None, &is_foreign).await {
        Ok(found) => found.first().map(|live| live.id.short()),
        Err(error) => Some(format!("unknown ones, since they cannot be listed: {error}")),
    }
}

/// The kind that a custom resource definition of this name defines, of those that are known.
fn defined_by<'a>(definition: &ObjectId, kinds: impl Iterator<Item = (&'a GroupKind, &'a Kind)>) -> Option<&'a Kind> {
    let (plural, group) = definition.name.split_once('.')?;
    kinds.map(|(_, kind)| kind).find(|kind| kind.resource.group == group && kind.resource.plural == plural)
}
