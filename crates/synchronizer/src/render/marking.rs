//! Puts objects in their place and marks them as the Sync's own, on all processors.

use std::{collections::BTreeMap, sync::Arc};

use lockstep_manifest::{Object, ObjectId};
use lockstep_plan::{Ownership, Rendered, Scope, place, render as mark};
use tokio::task::JoinSet;

use super::{
    FileName, failure,
    files::{Read, processors},
    kinds::{Known, Picture},
};
use crate::resource::Failure;

/// So many files are marked in one piece of work.
const CHUNK: usize = 64;

/// One object with its marks.
pub(super) struct Marked {
    pub(super) id: ObjectId,
    /// Why its kind is not served now.
    pub(super) unserved: Option<String>,
    pub(super) rendered: Result<Rendered, Failure>,
}

/// Marks the objects of each file.
pub(super) async fn mark_all(
    read: BTreeMap<FileName, Vec<Read>>,
    picture: &Arc<Picture>,
    ownership: &Ownership,
) -> BTreeMap<FileName, Vec<Marked>> {
    let mut marked = BTreeMap::new();
    let mut marking: JoinSet<Vec<(FileName, Vec<Marked>)>> = JoinSet::new();
    let mut files = read.into_iter().peekable();
    while files.peek().is_some() {
        let chunk: Vec<(FileName, Vec<Read>)> = files.by_ref().take(CHUNK).collect();
        while marking.len() >= processors() {
            marked.extend(marking.join_next().await.into_iter().flatten().flatten());
        }
        let (picture, ownership) = (picture.clone(), ownership.clone());
        marking.spawn_blocking(move || {
            let mark = |read: Vec<Read>| read.into_iter().map(|read| one(read, &picture, &ownership)).collect();
            chunk.into_iter().map(|(name, read)| (name, mark(read))).collect()
        });
    }
    while let Some(done) = marking.join_next().await {
        marked.extend(done.into_iter().flatten());
    }
    marked
}

fn one(read: Read, picture: &Picture, ownership: &Ownership) -> Marked {
    let object = Object { value: read.text.value(), ..read.object };
    let known = picture.of(&object);
    let scope = match &known {
        Known::Served(kind) => kind.scope,
        Known::Defined(scope) => *scope,
        Known::Unserved(_) if object.id.namespace.is_empty() => Scope::Cluster,
        Known::Unserved(_) => Scope::Namespaced,
    };
    let placed = place(object, scope).object;
    let unserved = match known {
        Known::Served(_) => None,
        Known::Defined(_) => Some("its definition is in this commit, and is not served yet".to_owned()),
        Known::Unserved(why) => Some(why),
    };
    Marked { id: placed.id.clone(), unserved, rendered: mark(placed, ownership).map_err(|error| failure(&error)) }
}
