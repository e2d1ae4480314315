//! The Sync as the parent of an ApplySet: the kinds and namespaces of its objects stand on it before the first write of
//! each, so that nothing is lost from sight when a kind leaves Git.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_cluster::Resolution;
use lockstep_plan::{GROUP_KINDS_ANNOTATION, GroupKind, ParentMetadata};

use super::{Desk, unwatched::passing};
use crate::{
    ports::{ClusterError, Freshness, KindName},
    render::Manifests,
    resource::SyncObject,
};

const NAMESPACES_ANNOTATION: &str = "applyset.kubernetes.io/additional-namespaces";

/// What stands on the Sync.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    kinds: BTreeSet<GroupKind>,
    namespaces: BTreeSet<String>,
    written: BTreeMap<String, String>,
}

impl Record {
    /// Reads it from the Sync.
    pub(crate) fn of(object: &SyncObject) -> Self {
        let annotations = object.metadata.annotations.clone().unwrap_or_default();
        let text = |name: &str| annotations.get(name).map_or("", String::as_str);
        let namespaces = text(NAMESPACES_ANNOTATION).split(',').filter(|name| !name.is_empty());
        Self {
            kinds: GroupKind::parse_list(text(GROUP_KINDS_ANNOTATION)),
            namespaces: namespaces.map(str::to_owned).collect(),
            written: annotations,
        }
    }

    /// The kinds that the Sync has, or once had, objects of.
    pub(crate) fn kinds(&self) -> &BTreeSet<GroupKind> {
        &self.kinds
    }

    /// Adds what a commit is about to bring.
    pub(super) async fn add(&mut self, desk: &Desk<'_>, manifests: &Manifests) -> Result<(), ClusterError> {
        self.kinds.extend(manifests.group_kinds());
        self.namespaces.extend(namespaces(manifests));
        self.write(desk).await
    }

    /// After a turn that left nothing undone: what neither Git nor the cluster has any more is taken off. A failure only
    /// leaves too much on the record.
    pub(super) async fn settle(&mut self, desk: &Desk<'_>, manifests: &Manifests) -> Settled {
        let (ours, listed) = {
            let index = desk.watches.index();
            (index.named(&desk.sync.key), index.listed())
        };
        let mut kinds = manifests.group_kinds();
        kinds.extend(ours.iter().map(GroupKind::of));
        let (mut lost, mut unserved) = (Vec::new(), BTreeMap::new());
        for kind in self.kinds.iter().filter(|kind| !listed.contains(*kind) && !kinds.contains(*kind)) {
            match definition(desk, kind).await {
                Definition::Missing => lost.push(kind.clone()),
                Definition::Unserved => drop(unserved.insert(kind.clone(), unserved_still(kind))),
                Definition::Unknown => {}
            }
        }
        kinds.extend(self.kinds.iter().filter(|kind| !listed.contains(*kind) && !lost.contains(*kind)).cloned());
        let mut places = namespaces(manifests);
        places.extend(ours.iter().map(|id| id.namespace.clone()));
        let less = Self { kinds, namespaces: places, written: self.written.clone() };
        if less.kinds != self.kinds {
            *self = less;
            if let Err(error) = self.write(desk).await {
                tracing::warn!(sync = %desk.sync.key, %error, "cannot take kinds off the Sync's record");
            }
        }
        Settled { lost, unserved }
    }

    async fn write(&mut self, desk: &Desk<'_>) -> Result<(), ClusterError> {
        let parent: ParentMetadata = desk.ownership.parent(&self.kinds, &self.namespaces);
        let stands = |(name, value): (&String, &String)| self.written.get(name) == Some(value);
        if parent.annotations.iter().all(stands) {
            return Ok(());
        }
        desk.ports.cluster.record_parent(desk.sync, &parent).await?;
        self.written = parent.annotations;
        Ok(())
    }
}

/// What became of the kinds that a Sync once had objects of, and that cannot be listed.
#[derive(Default)]
pub(super) struct Settled {
    /// Somebody deleted their definitions, and with them all objects.
    pub(super) lost: Vec<GroupKind>,
    /// They are defined all the same: their objects are there, and nobody can see them now.
    pub(super) unserved: BTreeMap<GroupKind, ClusterError>,
}

/// What is known of the definition of a kind that is not served. That it is not served proves nothing, nor does an error.
pub(super) enum Definition {
    /// There is none any more.
    Missing,
    /// It is there.
    Unserved,
    Unknown,
}

pub(super) async fn definition(desk: &Desk<'_>, kind: &GroupKind) -> Definition {
    let cluster = desk.ports.cluster.as_ref();
    let asked = [KindName { group: kind.group.clone(), version: None, kind: kind.kind.clone() }];
    let is_served = cluster.resolve(&asked, Freshness::Cached).await.map(|found| found != [Resolution::Unknown]);
    if is_served.unwrap_or(true) || GroupKind::is_built_in(&kind.group) {
        return Definition::Unknown;
    }
    match cluster.is_defined(kind).await {
        Ok(false) => Definition::Missing,
        Ok(true) => Definition::Unserved,
        Err(error) => {
            tracing::debug!(sync = %desk.sync.key, %kind, %error, "cannot tell whether the kind is still defined");
            Definition::Unknown
        }
    }
}

fn unserved_still(kind: &GroupKind) -> ClusterError {
    passing(format!(
        "{kind} has a definition and is not served, so what is left of it cannot be seen; correct the definition, or delete it"
    ))
}

fn namespaces(manifests: &Manifests) -> BTreeSet<String> {
    let namespaces = manifests.wanted.iter().map(|rendered| rendered.object.id.namespace.clone());
    namespaces.filter(|name| !name.is_empty()).collect()
}
