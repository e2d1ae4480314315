//! Finds the programs of the control plane, or gets them.

mod archive;
mod build;

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The Kubernetes version of the control plane.
const KUBERNETES: &str = "v1.36.3";

/// The folder with the two programs `plane` and `kwok`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plane {
    folder: PathBuf,
}

impl Plane {
    /// The first of: the folder that `LOCKSTEP_PLANE` names; what the user's cache folder has from
    /// before; the archive that `LOCKSTEP_PLANE_ARCHIVE` (a URL) and
    /// `LOCKSTEP_PLANE_ARCHIVE_SHA256` name; a build with Go, some minutes the first time.
    /// The last two are kept in the cache folder, whose lock makes one process do the work.
    ///
    /// # Errors
    ///
    /// Names every way that was tried and why it failed.
    pub async fn find() -> Result<Self> {
        if let Some(folder) = setting("LOCKSTEP_PLANE") {
            return Self::in_folder(Path::new(&folder)).with_context(|| format!("LOCKSTEP_PLANE is set to {folder}"));
        }
        let cache = cache_folder()?;
        let folder = cache.join(format!("plane-{KUBERNETES}-{}", build::sources_hash()));
        if let Ok(found) = Self::in_folder(&folder) {
            return Ok(found);
        }
        let lock = tokio::task::spawn_blocking({
            let cache = cache.clone();
            move || lock(&cache)
        })
        .await??;
        if let Ok(found) = Self::in_folder(&folder) {
            return Ok(found); // Another process made it while this one waited.
        }
        let made = Self::make(&cache, &folder).await;
        drop(lock);
        made
    }

    async fn make(cache: &Path, folder: &Path) -> Result<Self> {
        let mut tried = vec![
            "LOCKSTEP_PLANE (a folder with the programs plane and kwok) is not set".to_owned(),
            format!("{} does not have them", folder.display()),
        ];
        let work = tempfile::Builder::new().prefix("making-").tempdir_in(cache)?;
        match setting("LOCKSTEP_PLANE_ARCHIVE") {
            None => tried.push("LOCKSTEP_PLANE_ARCHIVE (a URL) is not set".to_owned()),
            Some(url) => match archive::fetch(&url, work.path()).await {
                Ok(made) => return Self::keep(&made, folder),
                Err(error) => tried.push(format!("the archive {url}: {error:#}")),
            },
        }
        let sources = work.path().join("sources");
        match build::with_go(&sources).await {
            Ok(made) => return Self::keep(&made, folder),
            Err(error) => tried.push(format!("a build with Go: {error:#}")),
        }
        bail!("no control plane to be had; tried in turn:\n - {}", tried.join("\n - "))
    }

    /// Moves what was made to where it is looked for: whole or not at all.
    fn keep(made: &Path, folder: &Path) -> Result<Self> {
        Self::in_folder(made)?;
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("clearing {}", folder.display()))?;
        }
        fs::rename(made, folder).with_context(|| format!("moving {} to {}", made.display(), folder.display()))?;
        Self::in_folder(folder)
    }

    fn in_folder(folder: &Path) -> Result<Self> {
        for program in ["plane", "kwok"] {
            if !folder.join(program).is_file() {
                bail!("{} has no program {program}", folder.display());
            }
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// A command that runs one of the programs of the `plane` binary.
    pub(crate) fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.folder.join("plane"));
        command.arg(name);
        command
    }

    /// A command that runs kwok.
    pub(crate) fn kwok(&self) -> Command {
        Command::new(self.folder.join("kwok"))
    }
}

fn setting(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn cache_folder() -> Result<PathBuf> {
    let base = match (setting("XDG_CACHE_HOME"), setting("HOME")) {
        (Some(cache), _) => PathBuf::from(cache),
        (None, Some(home)) => Path::new(&home).join(".cache"),
        (None, None) => bail!("neither XDG_CACHE_HOME nor HOME is set: set one, or LOCKSTEP_PLANE"),
    };
    let folder = base.join("lockstep");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    Ok(folder)
}

/// Held until the returned file is dropped.
fn lock(cache: &Path) -> Result<File> {
    let path = cache.join("plane.lock");
    let file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    if file.try_lock().is_err() {
        build::say("another process is getting the control plane; waiting for it");
        file.lock().with_context(|| format!("locking {}", path.display()))?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_folder_is_not_a_plane() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("plane"), "").unwrap();
        let error = Plane::in_folder(folder.path()).unwrap_err().to_string();
        assert!(error.ends_with("has no program kwok"), "{error}");
        fs::write(folder.path().join("kwok"), "").unwrap();
        assert!(Plane::in_folder(folder.path()).is_ok());
    }

    #[test]
    fn the_module_requires_the_version_that_is_stamped() {
        let go_mod = build::SOURCES.iter().find(|(path, _)| *path == "go.mod").unwrap().1;
        assert!(go_mod.contains(&format!("k8s.io/kubernetes {KUBERNETES}\n")));
    }
}
