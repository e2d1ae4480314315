//! From a commit to the objects that it wants: read, parse, place, mark. All of it or nothing, and every error at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
};

use lockstep_cluster::{Kind, Resolution};
use lockstep_manifest::{Object, ObjectId};
use lockstep_plan::{GroupKind, Ownership, Rendered, check_order, check_unique, leave_to_autoscalers};
use lockstep_repository::{BlobId, CommitId, TreeFile, TreeId};

use crate::{
    ports::{Branch, Cluster, ClusterError, Freshness, KindName, Source, SourceError},
    resource::Failure,
};

mod files;
mod kinds;
mod marking;

use kinds::Picture;
use marking::{Marked, mark_all};

/// A file of a commit: its path and its content.
type FileName = (String, BlobId);

/// What a commit wants, ready to be applied.
#[derive(Clone, Debug)]
pub(crate) struct Manifests {
    pub(crate) commit: CommitId,
    /// The folder that it was read from; `None` where the commit has nothing at the path.
    pub(crate) tree: Option<TreeId>,
    pub(crate) wanted: Arc<Vec<Rendered>>,
    /// The kinds that are served, as the manifests name them.
    pub(crate) kinds: BTreeMap<KindName, Kind>,
    /// The objects whose kind is not served now, and why.
    pub(crate) unserved: BTreeMap<ObjectId, String>,
    files: BTreeMap<FileName, Range<usize>>,
}

impl Manifests {
    /// What no commit wants: nothing at all.
    pub(crate) fn none() -> Self {
        Self {
            commit: CommitId::none(),
            tree: None,
            wanted: Arc::default(),
            kinds: BTreeMap::new(),
            unserved: BTreeMap::new(),
            files: BTreeMap::new(),
        }
    }
}

/// Why a commit cannot be turned into objects.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RenderFailure {
    /// It could not be read from the clone.
    Source(SourceError),
    /// The API server could not say which kinds it serves.
    Cluster(ClusterError),
    /// Its files are wrong; nothing of it may be applied.
    Invalid(Vec<Failure>),
}

/// Reads a commit. Files that `before` has read already are taken from there.
pub(crate) async fn render(
    source: &dyn Source,
    cluster: &dyn Cluster,
    branch: &Branch,
    ownership: &Ownership,
    commit: CommitId,
    before: Option<&Manifests>,
) -> Result<Manifests, RenderFailure> {
    let tree = source.tree(branch, commit).await.map_err(RenderFailure::Source)?;
    if let Some(same) = before.filter(|before| before.tree == tree && before.unserved.is_empty()) {
        return Ok(Manifests { commit, ..same.clone() });
    }
    let files = match tree {
        Some(_) => source.files(branch, commit).await.map_err(RenderFailure::Source)?,
        None => Vec::new(),
    };
    let files = files::manifests(&branch.source.path, files).map_err(RenderFailure::Invalid)?;
    let known = before.map(|before| before.reusable(&files)).unwrap_or_default();
    let fresh: Vec<TreeFile> = files.iter().filter(|file| !known.contains(&name(file))).cloned().collect();
    let parsed = files::parse(source, branch, fresh).await?;

    let picture = Picture::take(cluster, parsed.values().flatten(), before).await.map_err(RenderFailure::Cluster)?;
    let picture = Arc::new(picture);
    let mut marked = mark_all(parsed, &picture, ownership).await;
    let mut draft = Draft::new(commit, tree, picture.kinds());
    for file in &files {
        let name = name(file);
        match (marked.remove(&name), before) {
            (Some(objects), _) => draft.add(name, objects),
            (None, Some(before)) if known.contains(&name) => draft.take(name, before),
            // It must not pass for a file that left Git.
            (None, _) => draft.problems.push(files::failure(&file.path, 0, "the file could not be rendered")),
        }
    }
    draft.finish().map_err(RenderFailure::Invalid)
}

fn name(file: &TreeFile) -> FileName {
    (file.path.clone(), file.blob)
}

impl Manifests {
    /// The kinds of the objects.
    pub(crate) fn group_kinds(&self) -> BTreeSet<GroupKind> {
        self.wanted.iter().map(|rendered| GroupKind::of(&rendered.object.id)).collect()
    }

    /// Whether somebody wrote down which objects come before which.
    pub(crate) fn is_ordered(&self) -> bool {
        let says = |rendered: &Rendered| {
            rendered.instructions.as_ref().is_some_and(|asked| asked.wave.is_some() || !asked.depends_on.is_empty())
        };
        self.wanted.iter().any(says)
    }

    /// The kind of an object as it is served.
    pub(crate) fn kind_of(&self, object: &Object) -> Option<&Kind> {
        self.kinds.get(&kind_name(object))
    }

    /// The files that need not be read again: their objects have found their place.
    fn reusable(&self, files: &[TreeFile]) -> BTreeSet<FileName> {
        let settled = |name: &FileName| {
            let range = self.files.get(name)?.clone();
            let objects = self.wanted.get(range)?;
            objects.iter().all(|rendered| !self.unserved.contains_key(&rendered.object.id)).then_some(())
        };
        files.iter().map(name).filter(|name| settled(name).is_some()).collect()
    }
}

/// The kind of an object as its manifest names it.
pub(crate) fn kind_name(object: &Object) -> KindName {
    let version = object.api_version.rsplit('/').next().unwrap_or_default();
    KindName { group: object.id.group.clone(), version: Some(version.to_owned()), kind: object.id.kind.clone() }
}

/// The manifests of a commit as they come together.
struct Draft {
    commit: CommitId,
    tree: Option<TreeId>,
    kinds: BTreeMap<KindName, Kind>,
    wanted: Vec<Rendered>,
    files: BTreeMap<FileName, Range<usize>>,
    unserved: BTreeMap<ObjectId, String>,
    problems: Vec<Failure>,
}

impl Draft {
    fn new(commit: CommitId, tree: Option<TreeId>, kinds: BTreeMap<KindName, Kind>) -> Self {
        let (wanted, files) = (Vec::new(), BTreeMap::new());
        Self { commit, tree, kinds, wanted, files, unserved: BTreeMap::new(), problems: Vec::new() }
    }

    fn add(&mut self, name: FileName, objects: Vec<Marked>) {
        let first = self.wanted.len();
        for object in objects {
            if let Some(why) = object.unserved {
                self.unserved.insert(object.id, why);
            }
            match object.rendered {
                Ok(rendered) => self.wanted.push(rendered),
                Err(problem) => self.problems.push(problem),
            }
        }
        self.files.insert(name, first..self.wanted.len());
    }

    fn take(&mut self, name: FileName, before: &Manifests) {
        let first = self.wanted.len();
        let range = before.files.get(&name).cloned().unwrap_or_default();
        self.wanted.extend(before.wanted.get(range).into_iter().flatten().cloned());
        self.files.insert(name, first..self.wanted.len());
    }

    fn finish(mut self) -> Result<Manifests, Vec<Failure>> {
        if let Err(duplicates) = check_unique(self.wanted.iter().map(|rendered| &rendered.object)) {
            self.problems.extend(duplicates.iter().map(failure));
        }
        // An object that could not be read is no dependency that is missing.
        if self.problems.is_empty()
            && let Err(problems) = check_order(&self.wanted)
        {
            self.problems.extend(problems.iter().map(failure));
        }
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        leave_to_autoscalers(&mut self.wanted);
        Ok(Manifests {
            commit: self.commit,
            tree: self.tree,
            wanted: Arc::new(self.wanted),
            kinds: self.kinds,
            unserved: self.unserved,
            files: self.files,
        })
    }
}

fn failure(error: &lockstep_plan::RenderError) -> Failure {
    let (object, file, at) = error.place();
    Failure { object: object.short(), file: file.to_owned(), line: line(at), message: error.to_string() }
}

pub(crate) fn line(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
