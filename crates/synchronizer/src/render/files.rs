//! Which files of a commit are manifests, and what objects are in them.

use std::collections::BTreeMap;

use lockstep_manifest::{ManifestError, Object, objects, text_of};
use lockstep_plan::{Body, Scope};
use lockstep_repository::{BlobId, TreeFile, is_lfs_pointer};
use tokio::task::JoinSet;

use super::{FileName, RenderFailure, kinds::definitions, line};
use crate::{
    ports::{Branch, KindName, Source},
    resource::Failure,
};

/// No manifest is as large; etcd takes no object of more than 1.5 MB.
const LARGEST_FILE: u64 = 16 << 20;
/// What the repository says of a file that is larger.
const TOO_LARGE: &str = "too-large";
/// So many files are read and parsed in one piece of work.
const CHUNK: usize = 64;

const KUSTOMIZE: &str = "kustomize is not run by this version; commit what `kustomize build` makes of it, \
                         or choose as the Sync's path a folder of plain manifests";

/// The files to read, of those under the Sync's path; those whose name, or a folder's below the path, begins with a dot
/// are left out.
pub(super) fn manifests(path: &str, files: Vec<TreeFile>) -> Result<Vec<TreeFile>, Vec<Failure>> {
    let root: Vec<&str> = path.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
    let is_hidden = |file: &TreeFile| file.path.split('/').skip(root.len()).any(|name| name.starts_with('.'));
    let files: Vec<TreeFile> = files.into_iter().filter(|file| !is_hidden(file)).collect();
    let refused: Vec<Failure> = files
        .iter()
        .filter(|file| is_kustomization(&file.path))
        .map(|file| failure(&file.path, 1, KUSTOMIZE))
        .collect();
    if !refused.is_empty() {
        return Err(refused);
    }
    Ok(files.into_iter().filter(|file| is_manifest(&file.path)).collect())
}

fn is_kustomization(path: &str) -> bool {
    matches!(path.rsplit('/').next(), Some("kustomization.yaml" | "kustomization.yml" | "Kustomization"))
}

fn is_manifest(path: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, ending)| matches!(ending, "yaml" | "yml" | "json"))
}

/// An object of a file. Its value is kept as text until it is known where it belongs: all objects of a commit as values
/// would take more memory than everything else.
pub(super) struct Read {
    pub(super) object: Object,
    pub(super) text: Body,
    /// The kinds that it defines.
    pub(super) defines: Vec<(KindName, Scope)>,
}

/// The objects of one file, or what is wrong with it.
type Parsed = Result<(FileName, Vec<Read>), Vec<Failure>>;

/// How many pieces of work of the processor there are at a time.
pub(super) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The objects of each file. Only some files are in memory as bytes or as values at a time. A file that the clone cannot
/// give is no fault of the commit.
pub(super) async fn parse(
    source: &dyn Source,
    branch: &Branch,
    files: Vec<TreeFile>,
) -> Result<BTreeMap<FileName, Vec<Read>>, RenderFailure> {
    let mut parsed = BTreeMap::new();
    let mut problems = Vec::new();
    let mut take = |results: Vec<Parsed>, problems: &mut Vec<Failure>| {
        for result in results {
            match result {
                Ok((name, objects)) => drop(parsed.insert(name, objects)),
                Err(failures) => problems.extend(failures),
            }
        }
    };
    let mut parsing: JoinSet<Vec<Parsed>> = JoinSet::new();
    for chunk in files.chunks(CHUNK) {
        let blobs: Vec<BlobId> = chunk.iter().map(|file| file.blob).collect();
        let contents = source.blobs(branch, &blobs, LARGEST_FILE).await;
        let mut readable = Vec::new();
        for (file, content) in chunk.iter().zip(contents) {
            match content {
                Ok(bytes) => readable.push((file.clone(), bytes)),
                Err(error) if error.category == TOO_LARGE => {
                    problems.push(failure(&file.path, 0, &error.to_string()));
                }
                Err(error) => return Err(RenderFailure::Source(error)),
            }
        }
        while parsing.len() >= processors() {
            take(parsing.join_next().await.and_then(Result::ok).unwrap_or_default(), &mut problems);
        }
        parsing.spawn_blocking(move || readable.into_iter().map(parse_file).collect());
    }
    while let Some(results) = parsing.join_next().await {
        take(results.unwrap_or_default(), &mut problems);
    }
    // A file that is in neither was lost with a panic of the parser: it must not pass for a file that left Git.
    for file in &files {
        let is_known = parsed.contains_key(&super::name(file));
        if !is_known && !problems.iter().any(|problem| problem.file == file.path) {
            problems.push(failure(&file.path, 0, "the file could not be parsed"));
        }
    }
    problems.sort_by(|left, right| (&left.file, left.line).cmp(&(&right.file, right.line)));
    if problems.is_empty() { Ok(parsed) } else { Err(RenderFailure::Invalid(problems)) }
}

fn parse_file((file, bytes): (TreeFile, Vec<u8>)) -> Parsed {
    let path = file.path.as_str();
    if is_lfs_pointer(&bytes) {
        let message = "the file is in Git LFS, which is not read; commit the manifest itself";
        return Err(vec![failure(path, 1, message)]);
    }
    let text = text_of(path, &bytes).map_err(|error| vec![wrong(&error)])?;
    let objects = objects(path, text).map_err(|errors| errors.iter().map(wrong).collect::<Vec<_>>())?;
    let refused: Vec<Failure> = objects
        .iter()
        .filter(|object| object.id.group == "kustomize.config.k8s.io")
        .map(|object| failure(path, object.line, KUSTOMIZE))
        .collect();
    if !refused.is_empty() {
        return Err(refused);
    }
    Ok((super::name(&file), objects.into_iter().map(Read::of).collect()))
}

impl Read {
    fn of(mut object: Object) -> Self {
        let defines = definitions(&object);
        let text = Body::of(&std::mem::take(&mut object.value));
        Self { object, text, defines }
    }
}

fn wrong(error: &ManifestError) -> Failure {
    let message = match error.field.as_str() {
        "" => error.message.clone(),
        field => format!("{field}: {}", error.message),
    };
    failure(&error.file, error.line, &message)
}

pub(super) fn failure(file: &str, at: usize, message: &str) -> Failure {
    Failure { object: String::new(), file: file.to_owned(), line: line(at), message: message.to_owned() }
}
