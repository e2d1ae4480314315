//! Which images stand in Git: every annotated object below the configured folders.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use lockstep_manifest::{
    ImagePlace, ManifestError, Names, Object, ObjectId, images, mentions_updates, objects, text_of,
};
use lockstep_repository::{BlobId, CommitId, TreeFile};
use serde_json::Value;

use crate::board::Problem;
use crate::overlays::Overlays;
use crate::policy::{self, Expressions, Setters};
use crate::ports::{Branch, PortError};
use crate::settings::PlaceSettings;

/// How annotations and comments of ours begin.
const MARKS: [&str; 2] = ["lockstep.dev/", "lockstep:"];

/// One image in Git, whatever it is at the moment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PlaceId {
    /// The file, from the root of the repository.
    pub(crate) file: String,
    /// The object that has the container.
    pub(crate) object: ObjectId,
    /// The container.
    pub(crate) container: String,
}

/// `FILE#KIND/NAMESPACE/NAME/CONTAINER`, as commits name it; the namespace may be empty.
impl fmt::Display for PlaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Names { kind, namespace, name, .. } = &*self.object;
        write!(f, "{}#{kind}/{namespace}/{name}/{}", self.file, self.container)
    }
}

/// An object that somebody may have said something about, and its images; or one image that belongs to no object.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) file: String,
    pub(crate) linked: bool,
    pub(crate) id: ObjectId,
    pub(crate) line: usize,
    pub(crate) annotations: Arc<BTreeMap<String, String>>,
    pub(crate) annotation_lines: Arc<BTreeMap<String, usize>>,
    pub(crate) labels: Arc<BTreeMap<String, String>>,
    /// None where an Argo CD Application only names images.
    pub(crate) images: Vec<Arc<ImagePlace>>,
}

/// What a file has for us.
#[derive(Debug)]
struct ParsedFile {
    images: Result<Vec<Arc<ImagePlace>>, Vec<ManifestError>>,
    setters: Setters,
    /// Argo CD Applications that name images to another tool, and have none.
    bare: Vec<Owner>,
    /// Somebody wrote in it for Lockstep. What is wrong in other files is others' business.
    is_ours: bool,
}

/// Files that were parsed before. Losing it costs time only.
#[derive(Debug, Default)]
pub(crate) struct ParsedFiles {
    pub(crate) overlays: Overlays,
    pub(crate) expressions: Expressions,
    files: HashMap<(String, BlobId), Arc<ParsedFile>>,
}

/// What a commit has for us.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// The images that something may govern.
    pub(crate) owners: Vec<Owner>,
    pub(crate) setters: Setters,
    /// What could not be read.
    pub(crate) problems: Vec<Problem>,
}

/// Reads the tree of a commit. `settings` say more than what stands in Git.
pub(crate) async fn read(
    branch: &dyn Branch,
    head: CommitId,
    known: &mut ParsedFiles,
    settings: &PlaceSettings,
) -> Result<Read, PortError> {
    let mut read = Read::default();
    let mut files = HashMap::new();
    for TreeFile { path, blob, linked, .. } in branch.files(head).await? {
        if !is_manifest(&path) {
            continue;
        }
        let ruled = settings.rules.iter().any(|rule| rule.opens(&path));
        let parsed = match known.files.get(&(path.clone(), blob)) {
            Some(parsed) => Arc::clone(parsed),
            None => match branch.blob(blob).await {
                Ok(bytes) => Arc::new(parse_marked(&path, bytes, ruled).await),
                Err(error) => {
                    let message = format!("cannot read {path}: {error}");
                    read.problems.push(Problem { category: error.category, message });
                    continue;
                }
            },
        };
        files.insert((path.clone(), blob), Arc::clone(&parsed));
        read.setters.add(&parsed.setters);
        read.owners.extend(parsed.bare.iter().map(|bare| Owner { linked, ..bare.clone() }));
        match &parsed.images {
            Ok(images) => read.owners.extend(owned(&path, linked, ruled, images)),
            Err(errors) if parsed.is_ours || ruled || !settings.compat.is_empty() => {
                read.problems.extend(errors.iter().map(|error| manifest_problem(error.to_string())));
            }
            Err(_) => {}
        }
    }
    known.files = files;
    refuse_twins(&mut read.owners, &mut read.problems);
    Ok(read)
}

/// Whether a file of this name is looked at.
pub(crate) fn is_manifest(path: &str) -> bool {
    path.ends_with(".yaml") || path.ends_with(".yml") || is_kustomization(path)
}

/// Whether kustomize looks for a file of this name.
pub(crate) fn is_kustomization(path: &str) -> bool {
    let name = path.rsplit('/').next();
    matches!(name, Some("kustomization.yaml" | "kustomization.yml" | "Kustomization"))
}

fn manifest_problem(message: String) -> Problem {
    Problem { category: "manifest", message }
}

/// A file that says something about updates, or of which the settings do; nothing of any other, whatever is in it.
async fn parse_marked(path: &str, bytes: Vec<u8>, ruled: bool) -> ParsedFile {
    let text = String::from_utf8_lossy(&bytes);
    let is_ours = MARKS.iter().any(|mark| text.contains(mark));
    if !ruled && !mentions_updates(&text) {
        return ParsedFile { images: Ok(Vec::new()), setters: Setters::default(), bare: Vec::new(), is_ours };
    }
    let of_others = [policy::SETTERS_MARK, policy::IMAGE_LIST].iter().any(|mark| text.contains(mark));
    let objects = if of_others { objects(path, &text).unwrap_or_default() } else { Vec::new() };
    let (setters, bare) = (Setters::of(&objects), objects.iter().filter_map(bare).collect::<Vec<_>>());
    let images = parse(path, bytes).await.map(|images| images.into_iter().map(Arc::new).collect());
    let has_images = |owner: &Owner| {
        let mut images = images.iter().flatten();
        images.any(|image: &Arc<ImagePlace>| image.object.as_ref() == Some(&owner.id))
    };
    let bare = bare.into_iter().filter(|owner| !has_images(owner)).collect();
    ParsedFile { images, setters, bare, is_ours }
}

/// An object that names images, without those that it may have.
fn bare(object: &Object) -> Option<Owner> {
    let Object { id, value, file, line, .. } = object;
    let annotations = value.pointer("/metadata/annotations")?.as_object()?;
    let text = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    let annotations: BTreeMap<String, String> = annotations.iter().filter_map(text).collect();
    annotations.contains_key(policy::IMAGE_LIST).then(|| Owner {
        file: file.to_string(),
        linked: false,
        id: id.clone(),
        line: *line,
        annotations: Arc::new(annotations),
        annotation_lines: Arc::default(),
        labels: Arc::default(),
        images: Vec::new(),
    })
}

/// The images of a file, on a thread where computing keeps nobody waiting.
pub(crate) async fn parse(path: &str, bytes: Vec<u8>) -> Result<Vec<ImagePlace>, Vec<ManifestError>> {
    let file = path.to_owned();
    let parsing = tokio::task::spawn_blocking(move || {
        let text = text_of(&file, &bytes).map_err(|error| vec![error])?;
        images(&file, text)
    });
    parsing.await.unwrap_or_else(|broken| {
        let message = format!("reading the file broke off ({broken}); this is a fault in Lockstep, please report it");
        Err(vec![ManifestError { file: path.to_owned(), line: 1, field: String::new(), message }])
    })
}

/// What an image of this file is called.
pub(crate) fn place_id(file: &str, image: &ImagePlace) -> PlaceId {
    PlaceId { file: file.to_owned(), object: owner(image), container: image.container.clone() }
}

/// The object that an image belongs to; one without any name where it belongs to none.
pub(crate) fn owner(image: &ImagePlace) -> ObjectId {
    image.object.clone().unwrap_or_else(|| ObjectId::new("", "", "", ""))
}

/// The images by their object; one that belongs to none stands alone, so that a mistake beside it is not its own.
fn owned(path: &str, linked: bool, ruled: bool, images: &[Arc<ImagePlace>]) -> Vec<Owner> {
    let mut owners: Vec<Owner> = Vec::new();
    for image in images {
        let id = owner(image);
        let same = |last: &&mut Owner| image.object.is_some() && last.line == image.object_line && last.id == id;
        match owners.last_mut().filter(same) {
            Some(last) => last.images.push(Arc::clone(image)),
            None => owners.push(Owner {
                file: path.to_owned(),
                linked,
                id,
                line: image.object_line,
                annotations: Arc::clone(&image.annotations),
                annotation_lines: Arc::clone(&image.annotation_lines),
                labels: Arc::clone(&image.labels),
                images: vec![Arc::clone(image)],
            }),
        }
    }
    let said = |owner: &Owner| {
        policy::concerns(&owner.annotations, &owner.labels) || owner.images.iter().any(|image| image.comment.is_some())
    };
    owners.retain(|owner| ruled || said(owner));
    owners
}

/// An object that stands twice in one file, or a container twice in one object, could not be told apart in a commit.
fn refuse_twins(owners: &mut Vec<Owner>, problems: &mut Vec<Problem>) {
    let names = |owner: &Owner| -> Vec<String> {
        owner.images.iter().map(|image| place_id(&owner.file, image).to_string()).collect()
    };
    let mut seen = BTreeSet::new();
    let mut twins = BTreeSet::new();
    for owner in owners.iter() {
        let again: Vec<String> = names(owner).into_iter().filter(|name| !seen.insert(name.clone())).collect();
        if let Some(name) = again.first() {
            let Owner { file, line, .. } = owner;
            problems.push(manifest_problem(format!("{file}:{line}: {name} stands twice in this file; keep one")));
        }
        twins.extend(again);
    }
    owners.retain(|owner| !names(owner).iter().any(|name| twins.contains(name)));
}

#[cfg(test)]
mod tests;
