//! What marks an object as ours: labels, annotations and the ApplySet of KEP-3659.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lockstep_manifest::ObjectId;
use sha2::{Digest as _, Sha256};

use crate::live::{LiveMetadata, ManagedFields};

/// Label: the name of the Sync that applied the object.
pub const SYNC_LABEL: &str = "lockstep.dev/sync";
/// Label: the namespace of the Sync that applied the object.
pub const SYNC_NAMESPACE_LABEL: &str = "lockstep.dev/sync-namespace";
/// Label: the ApplySet that the object is a member of.
pub const PART_OF_LABEL: &str = "applyset.kubernetes.io/part-of";
/// Annotation: the identity of the object when it was applied, so that a copy of it is told apart.
pub const ID_ANNOTATION: &str = "lockstep.dev/id";
/// Annotation: hash of what was applied.
pub const APPLIED_ANNOTATION: &str = "lockstep.dev/applied";
/// Annotation on the Sync: the kinds that the ApplySet has, or once had, members of.
pub const GROUP_KINDS_ANNOTATION: &str = "applyset.kubernetes.io/contains-group-kinds";

const PARENT_ID_LABEL: &str = "applyset.kubernetes.io/id";
const TOOLING_ANNOTATION: &str = "applyset.kubernetes.io/tooling";
const NAMESPACES_ANNOTATION: &str = "applyset.kubernetes.io/additional-namespaces";
const TOOLING: &str = concat!("lockstep/v", env!("CARGO_PKG_VERSION"));
const LABEL_LENGTH: usize = 63;

/// Where Argo CD before 3.0 writes the name of the Application if nothing else is configured. Helm charts set it, too:
/// alone it proves nothing.
const ARGO_CD_LABEL: &str = "app.kubernetes.io/instance";
/// The field managers of Argo CD's applies.
const ARGO_CD_MANAGERS: [&str; 2] = ["argocd-controller", "argocd-application-controller"];

/// A kind without its version. Prints as `Deployment.apps`, and as `ConfigMap` in the core group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupKind {
    /// The API group; empty for the core group.
    pub group: String,
    /// The kind.
    pub kind: String,
}

impl GroupKind {
    /// The kind of an object.
    pub fn of(id: &ObjectId) -> Self {
        Self { group: id.group.clone(), kind: id.kind.clone() }
    }

    /// Whether a group may be one of Kubernetes' own. Those have no definitions, so a missing one proves nothing.
    pub fn is_built_in(group: &str) -> bool {
        let rest = group.strip_suffix(".k8s.io").unwrap_or(group);
        !rest.contains('.') || matches!(rest, "rbac.authorization" | "flowcontrol.apiserver" | "internal.apiserver")
    }

    /// Reads the comma-separated list that the annotation [`GROUP_KINDS_ANNOTATION`] holds.
    pub fn parse_list(text: &str) -> BTreeSet<Self> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        names
            .map(|name| name.split_once('.').unwrap_or((name, "")))
            .map(|(kind, group)| Self { group: group.into(), kind: kind.into() })
            .collect()
    }
}

impl fmt::Display for GroupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.group.as_str() {
            "" => f.write_str(&self.kind),
            group => write!(f, "{}.{group}", self.kind),
        }
    }
}

/// Labels and annotations for the Sync in its part as the parent of an ApplySet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParentMetadata {
    /// Labels to set.
    pub labels: BTreeMap<String, String>,
    /// Annotations to set.
    pub annotations: BTreeMap<String, String>,
}

/// The Sync that objects belong to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ownership {
    /// The Sync's name.
    pub sync: String,
    /// The Sync's namespace.
    pub sync_namespace: String,
}

impl Ownership {
    /// The ApplySet's id: a hash of the Sync's name, namespace, kind and group.
    pub fn apply_set_id(&self) -> String {
        let parent = format!("{}.{}.Sync.lockstep.dev", self.sync, self.sync_namespace);
        format!("applyset-{}-v1", URL_SAFE_NO_PAD.encode(Sha256::digest(parent)))
    }

    /// The labels that every object of this Sync carries.
    pub fn labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            (SYNC_LABEL.to_owned(), label_value(&self.sync)),
            (SYNC_NAMESPACE_LABEL.to_owned(), label_value(&self.sync_namespace)),
            (PART_OF_LABEL.to_owned(), self.apply_set_id()),
        ])
    }

    /// Whether the labels on an object name this Sync.
    pub fn is_named_on(&self, live: &LiveMetadata) -> bool {
        let has = |label: &str, value: &str| live.labels.get(label).is_some_and(|found| *found == label_value(value));
        has(SYNC_LABEL, &self.sync) && has(SYNC_NAMESPACE_LABEL, &self.sync_namespace)
    }

    /// Whether an object is a member of this Sync by every mark. A copy of a member has the labels, and the identity of
    /// the original.
    pub fn is_proven_on(&self, live: &LiveMetadata) -> bool {
        self.is_named_on(live)
            && self.owner_of(live) == Owner::This
            && !live.has_owner()
            && live.annotations.get(ID_ANNOTATION).is_some_and(|id| *id == live.id.to_string())
    }

    /// What the Sync itself carries as the parent of its ApplySet: the kinds and the namespaces of all
    /// members, those of the past included until nothing of them is left.
    pub fn parent(&self, kinds: &BTreeSet<GroupKind>, namespaces: &BTreeSet<String>) -> ParentMetadata {
        let mut kinds: Vec<String> = kinds.iter().map(GroupKind::to_string).collect();
        kinds.sort();
        let others = namespaces.iter().filter(|name| !name.is_empty() && **name != self.sync_namespace);
        let others: Vec<&str> = others.map(String::as_str).collect();
        let mut annotations = BTreeMap::from([
            (TOOLING_ANNOTATION.to_owned(), TOOLING.to_owned()),
            (GROUP_KINDS_ANNOTATION.to_owned(), kinds.join(",")),
        ]);
        if !others.is_empty() {
            annotations.insert(NAMESPACES_ANNOTATION.to_owned(), others.join(","));
        }
        ParentMetadata { labels: BTreeMap::from([(PARENT_ID_LABEL.to_owned(), self.apply_set_id())]), annotations }
    }

    /// Who owns a live object, seen from this Sync.
    pub fn owner_of(&self, live: &LiveMetadata) -> Owner {
        let label = |name: &str| live.labels.get(name).filter(|value| !value.is_empty());
        let annotation = |name: &str| live.annotations.get(name).filter(|value| !value.is_empty());
        if let Some(set) = label(PART_OF_LABEL).filter(|set| **set != self.apply_set_id()) {
            return match (label(SYNC_LABEL), label(SYNC_NAMESPACE_LABEL)) {
                (Some(name), Some(namespace)) if !self.is_named_on(live) => Owner::Sync(format!("{namespace}/{name}")),
                _ => Owner::ApplySet(set.clone()),
            };
        }
        // The id of the ApplySet is enough, though somebody took one of the other labels away.
        let is_silent_or_ours = |name: &str, own: &str| label(name).is_none_or(|value| *value == label_value(own));
        let is_in_set = label(PART_OF_LABEL).is_some()
            && is_silent_or_ours(SYNC_LABEL, &self.sync)
            && is_silent_or_ours(SYNC_NAMESPACE_LABEL, &self.sync_namespace);
        if is_in_set || self.is_named_on(live) {
            return Owner::This;
        }
        if let Some(name) = label(SYNC_LABEL) {
            let namespace = label(SYNC_NAMESPACE_LABEL).map_or("", String::as_str);
            return Owner::Sync(format!("{namespace}/{name}"));
        }
        if let Some(name) = label("kustomize.toolkit.fluxcd.io/name").or_else(|| label("helm.toolkit.fluxcd.io/name")) {
            return Owner::Flux(name.clone());
        }
        if let Some(name) =
            annotation("argocd.argoproj.io/tracking-id").or_else(|| label("argocd.argoproj.io/instance"))
        {
            return Owner::ArgoCd(name.clone());
        }
        if let Some(name) = label(ARGO_CD_LABEL).filter(|_| live.managed_fields.iter().any(is_argo_cd)) {
            return Owner::ArgoCd(name.clone());
        }
        if let Some(name) = annotation("meta.helm.sh/release-name") {
            return Owner::Helm(name.clone());
        }
        if live.has_owner() { Owner::Object } else { Owner::Nobody }
    }
}

/// Who an object in the cluster belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// The Sync that asks.
    This,
    /// Nobody that we know of.
    Nobody,
    /// Another Sync, as `namespace/name`.
    Sync(String),
    /// Another tool's ApplySet, by its id.
    ApplySet(String),
    /// A Kustomization or a HelmRelease of Flux.
    Flux(String),
    /// An Application of Argo CD.
    ArgoCd(String),
    /// A release installed by Helm.
    Helm(String),
    /// Another object, by an owner reference.
    Object,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::This => f.write_str("this Sync"),
            Self::Nobody => f.write_str("nobody"),
            Self::Sync(name) => write!(f, "the Sync {name}"),
            Self::ApplySet(id) => write!(f, "the ApplySet {id}"),
            Self::Flux(name) => write!(f, "Flux ({name})"),
            Self::ArgoCd(name) => write!(f, "Argo CD ({name})"),
            Self::Helm(name) => write!(f, "the Helm release {name}"),
            Self::Object => f.write_str("another object, by an owner reference"),
        }
    }
}

fn is_argo_cd(entry: &ManagedFields) -> bool {
    ARGO_CD_MANAGERS.contains(&entry.manager.as_str()) && entry.subresource.is_none()
}

/// A name as a label value: as it is, or, where it is too long for one, its beginning and a hash of all of it.
pub fn label_value(name: &str) -> String {
    if name.len() <= LABEL_LENGTH {
        return name.to_owned();
    }
    let hash = hex::encode(Sha256::digest(name));
    let hash = &hash[..10];
    let mut end = LABEL_LENGTH - hash.len() - 1;
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}-{hash}", &name[..end])
}

#[cfg(test)]
mod tests;
