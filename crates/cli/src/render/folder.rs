//! The objects of all files below a folder.

use std::fs;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use lockstep_manifest::{ManifestError, Object, objects as objects_of, text_of};

use crate::failure::Failure;
use crate::input::Input;
use crate::progress::Progress;

const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];
/// As the synchronizer knows them.
const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
const KUSTOMIZE_GROUP: &str = "kustomize.config.k8s.io";
const KUSTOMIZE: &str = "kustomize is not run by this version; commit what `kustomize build` makes of it, \
                         or choose a folder of plain manifests";

/// The files of manifests with what is in them, each by its path below the folder as Git writes it, with slashes.
pub(crate) fn contents(root: &Utf8Path) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let content = |path: Utf8PathBuf| {
        let below = path.strip_prefix(root).ok().filter(|below| !below.as_str().is_empty());
        let name = match below {
            Some(below) => below.components().map(|step| step.as_str()).collect::<Vec<_>>().join("/"),
            None => path.file_name().unwrap_or_default().to_owned(),
        };
        Ok((name, Input::read(&path)?.bytes))
    };
    files(root)?.into_iter().map(content).collect()
}

/// The files of manifests, in the order of their names.
fn files(root: &Utf8Path) -> Result<Vec<Utf8PathBuf>, Failure> {
    let mut files = Vec::new();
    if fs::metadata(root).is_ok_and(|metadata| metadata.is_file()) {
        files.push(root.to_owned());
    } else {
        collect(root, &mut Vec::new(), &mut files)?;
    }
    Ok(files)
}

/// Reads every file, in the order of their names, and tells everything that is wrong in any of them.
pub(super) fn objects(root: &Utf8Path) -> Result<Vec<Object>, Failure> {
    let files = files(root)?;
    let progress = Progress::new("reading");
    let mut objects = Vec::new();
    let mut problems: Vec<ManifestError> = Vec::new();
    for (done, file) in files.iter().enumerate() {
        progress.tell(&format!("reading {file} ({done}/{})", files.len()));
        match read(file)? {
            Ok(found) => objects.extend(found),
            Err(errors) => problems.extend(errors),
        }
    }
    if problems.is_empty() { Ok(objects) } else { Err(Failure::errors(problems)) }
}

/// The objects of one file, or what is wrong with it.
fn read(file: &Utf8Path) -> Result<Result<Vec<Object>, Vec<ManifestError>>, Failure> {
    let refused =
        |line| ManifestError { file: file.to_string(), line, field: String::new(), message: KUSTOMIZE.to_owned() };
    if file.file_name().is_some_and(|name| KUSTOMIZATIONS.contains(&name)) {
        return Ok(Err(vec![refused(1)]));
    }
    let input = Input::read(file)?;
    let objects = match text_of(&input.name, &input.bytes) {
        Ok(text) => objects_of(&input.name, text),
        Err(error) => Err(vec![error]),
    };
    Ok(objects.and_then(|objects| {
        let kustomize = objects.iter().filter(|object| object.id.group == KUSTOMIZE_GROUP);
        let errors: Vec<ManifestError> = kustomize.map(|object| refused(object.line)).collect();
        if errors.is_empty() { Ok(objects) } else { Err(errors) }
    }))
}

/// Adds the files below a folder; `above` are the folders that led here, as they are without links.
fn collect(folder: &Utf8Path, above: &mut Vec<Utf8PathBuf>, files: &mut Vec<Utf8PathBuf>) -> Result<(), Failure> {
    let unreadable = |path: &Utf8Path, error: io::Error| Failure::error(format!("cannot read {path}: {error}"));
    let real = folder.canonicalize_utf8().map_err(|error| unreadable(folder, error))?;
    if above.contains(&real) {
        return Err(Failure::error(format!("cannot read {folder}: a link leads in a circle")));
    }
    above.push(real);
    let mut entries = Vec::new();
    for entry in folder.read_dir_utf8().map_err(|error| unreadable(folder, error))? {
        entries.push(entry.map_err(|error| unreadable(folder, error))?.into_path());
    }
    entries.sort();
    for path in entries {
        if path.file_name().is_none_or(|name| name.starts_with('.')) {
            continue;
        }
        let metadata = fs::metadata(&path).map_err(|error| unreadable(&path, error))?;
        if metadata.is_dir() {
            collect(&path, above, files)?;
        } else if path.extension().is_some_and(|extension| EXTENSIONS.contains(&extension))
            || path.file_name().is_some_and(|name| KUSTOMIZATIONS.contains(&name))
        {
            files.push(path);
        }
    }
    above.pop();
    Ok(())
}
