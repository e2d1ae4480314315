//! Which images stand in Git: every annotated object below the configured folders.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use lockstep_manifest::{ImagePlace, ManifestError, Names, ObjectId, images, text_of};
use lockstep_repository::{BlobId, CommitId, TreeFile};

use crate::board::Problem;
use crate::policy;
use crate::ports::{Branch, PortError};

/// What every annotation of ours begins with; a file without it has nothing for us.
const MARK: &[u8] = b"lockstep.dev/";

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

/// An object that has annotations of ours, and its images.
#[derive(Clone, Debug)]
pub(crate) struct AnnotatedObject {
    pub(crate) file: String,
    pub(crate) linked: bool,
    pub(crate) id: ObjectId,
    pub(crate) line: usize,
    pub(crate) annotations: BTreeMap<String, String>,
    /// At least one.
    pub(crate) images: Vec<ImagePlace>,
}

type Parsed = Arc<Result<Vec<ImagePlace>, Vec<ManifestError>>>;

/// Files that were parsed before. Losing it costs time only.
#[derive(Debug, Default)]
pub(crate) struct ParsedFiles {
    files: HashMap<(String, BlobId), Parsed>,
}

/// The annotated objects of a commit, and what could not be read.
pub(crate) async fn read(
    branch: &dyn Branch,
    head: CommitId,
    known: &mut ParsedFiles,
) -> Result<(Vec<AnnotatedObject>, Vec<Problem>), PortError> {
    let mut objects = Vec::new();
    let mut problems = Vec::new();
    let mut files = HashMap::new();
    for TreeFile { path, blob, linked, .. } in branch.files(head).await? {
        if !is_manifest(&path) {
            continue;
        }
        let parsed = match known.files.get(&(path.clone(), blob)) {
            Some(parsed) => Arc::clone(parsed),
            None => match branch.blob(blob).await {
                Ok(bytes) => Arc::new(parse_marked(&path, bytes).await),
                Err(error) => {
                    problems
                        .push(Problem { category: error.category, message: format!("cannot read {path}: {error}") });
                    continue;
                }
            },
        };
        files.insert((path.clone(), blob), Arc::clone(&parsed));
        match parsed.as_ref() {
            Ok(images) => objects.extend(annotated(&path, linked, images)),
            Err(errors) => problems.extend(errors.iter().map(|error| manifest_problem(error.to_string()))),
        }
    }
    known.files = files;
    refuse_twins(&mut objects, &mut problems);
    Ok((objects, problems))
}

/// Whether a file of this name is looked at.
pub(crate) fn is_manifest(path: &str) -> bool {
    path.ends_with(".yaml") || path.ends_with(".yml")
}

fn manifest_problem(message: String) -> Problem {
    Problem { category: "manifest", message }
}

/// The images of a file that mentions Lockstep; none of one that does not, whatever is in it.
async fn parse_marked(path: &str, bytes: Vec<u8>) -> Result<Vec<ImagePlace>, Vec<ManifestError>> {
    if !bytes.windows(MARK.len()).any(|window| window == MARK) {
        return Ok(Vec::new());
    }
    parse(path, bytes).await
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

/// The object that an image belongs to; one without any name where it belongs to none.
pub(crate) fn owner(image: &ImagePlace) -> ObjectId {
    image.object.clone().unwrap_or_else(|| ObjectId::new("", "", "", ""))
}

fn annotated(path: &str, linked: bool, images: &[ImagePlace]) -> Vec<AnnotatedObject> {
    let mut objects: Vec<AnnotatedObject> = Vec::new();
    for image in images.iter().filter(|image| policy::concerns(&image.annotations)) {
        let id = owner(image);
        let last = objects.last_mut().filter(|object| object.line == image.object_line && object.id == id);
        match last {
            Some(object) => object.images.push(image.clone()),
            None => objects.push(AnnotatedObject {
                file: path.to_owned(),
                linked,
                id,
                line: image.object_line,
                annotations: image.annotations.clone(),
                images: vec![image.clone()],
            }),
        }
    }
    objects
}

/// An object that stands twice in one file, or a container twice in one object, could not be told apart in a commit.
fn refuse_twins(objects: &mut Vec<AnnotatedObject>, problems: &mut Vec<Problem>) {
    let mut seen = BTreeSet::new();
    let mut twins = BTreeSet::new();
    for object in objects.iter() {
        let containers: BTreeSet<_> = object.images.iter().map(|image| &image.container).collect();
        let key = (object.file.clone(), object.id.short());
        if !seen.insert(key.clone()) || containers.len() < object.images.len() {
            let AnnotatedObject { file, line, id, .. } = object;
            problems.push(manifest_problem(format!(
                "{file}:{line}: {}, or a container of it, stands twice in this file; keep one",
                id.short()
            )));
            twins.insert(key);
        }
    }
    objects.retain(|object| !twins.contains(&(object.file.clone(), object.id.short())));
}

#[cfg(test)]
mod tests;
