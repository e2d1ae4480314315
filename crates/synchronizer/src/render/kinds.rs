//! What is known about the kinds of a commit: served, defined by the commit itself, or neither.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_manifest::Object;
use lockstep_plan::Scope;

use super::{Cluster, ClusterError, Freshness, Kind, KindName, Manifests, Resolution, files::Read, kind_name};

/// What is known about a kind.
pub(super) enum Known {
    /// The API server serves it.
    Served(Kind),
    /// A definition of this commit will make it so.
    Defined(Scope),
    /// It is not served, and why that is all that can be said.
    Unserved(String),
}

/// What is known about all kinds of a commit.
pub(super) struct Picture {
    served: BTreeMap<KindName, Kind>,
    defined: BTreeMap<KindName, Scope>,
    unserved: BTreeMap<KindName, String>,
}

impl Picture {
    /// Asks the API server about the kinds of `objects`, once more if its last word does not settle all of them.
    pub(super) async fn take<'a>(
        cluster: &dyn Cluster,
        objects: impl Iterator<Item = &'a Read>,
        before: Option<&Manifests>,
    ) -> Result<Self, ClusterError> {
        let mut served: BTreeMap<KindName, Kind> = before.map(|before| before.kinds.clone()).unwrap_or_default();
        let (mut names, mut defined) = (BTreeSet::new(), BTreeMap::new());
        for read in objects {
            let name = kind_name(&read.object);
            if !names.contains(&name) {
                names.insert(name);
            }
            defined.extend(read.defines.iter().cloned());
        }
        let mut unserved = BTreeMap::new();
        for freshness in [Freshness::Cached, Freshness::Fresh] {
            let open: Vec<KindName> = names.iter().filter(|name| !served.contains_key(*name)).cloned().collect();
            if open.is_empty() {
                break;
            }
            unserved.clear();
            let resolutions = cluster.resolve(&open, freshness).await?;
            for (name, resolution) in open.into_iter().zip(resolutions) {
                match resolution {
                    Resolution::Resolved(kind) => drop(served.insert(name, kind)),
                    other => drop(unserved.insert(name.clone(), why(&name, &other))),
                }
            }
            // A kind that is to come is not missing yet.
            if unserved.keys().all(|name| defined.contains_key(name)) {
                break;
            }
        }
        Ok(Self { served, defined, unserved })
    }

    pub(super) fn of(&self, object: &Object) -> Known {
        let name = kind_name(object);
        match (self.served.get(&name), self.defined.get(&name), self.unserved.get(&name)) {
            (Some(kind), _, _) => Known::Served(kind.clone()),
            (None, Some(scope), _) => Known::Defined(*scope),
            (None, None, Some(why)) => Known::Unserved(why.clone()),
            (None, None, None) => Known::Unserved("the API server said nothing about its kind".to_owned()),
        }
    }

    pub(super) fn kinds(&self) -> BTreeMap<KindName, Kind> {
        self.served.clone()
    }
}

fn why(name: &KindName, resolution: &Resolution) -> String {
    let version = name.version.as_deref().unwrap_or_default();
    let (group, kind) = (if name.group.is_empty() { "core" } else { &name.group }, &name.kind);
    match resolution {
        Resolution::GroupUnavailable => {
            format!("the API group {group} does not answer, so nothing is known about its kind {kind}")
        }
        _ => format!("the API server does not serve {kind} in {group} {version}; is its definition installed?"),
    }
}

/// The kinds that a custom resource definition makes.
pub(super) fn definitions(object: &Object) -> Vec<(KindName, Scope)> {
    if object.id.group != "apiextensions.k8s.io" || object.id.kind != "CustomResourceDefinition" {
        return Vec::new();
    }
    let spec = &object.value["spec"];
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let scope = if spec["scope"] == "Cluster" { Scope::Cluster } else { Scope::Namespaced };
    let versions = spec["versions"].as_array().into_iter().flatten().filter(|version| version["served"] != false);
    versions
        .map(|version| {
            let name = KindName {
                group: text(&spec["group"]),
                version: Some(text(&version["name"])),
                kind: text(&spec["names"]["kind"]),
            };
            (name, scope)
        })
        .collect()
}
