//! The bare clone on disk: opened, checked, and made anew when it is damaged.

use std::fs;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use gix::odb::store::init::Slots;

use crate::error::RepositoryError;
use crate::url::RemoteUrl;

/// Says that the clone beside it was made here, and so may be deleted here.
const MARKER: &str = "lockstep-clone";

/// More packs than this are fetched anew as one when the clone is opened.
const MANY_PACKS: usize = 1000;

/// How many packs a clone may gather while it is open; gix fixes this number when it opens a store.
const PACK_SLOTS: u16 = 8192;

/// For how long a server may keep us waiting.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Until a connection stands.
    pub connect: Duration,
    /// Without a single byte.
    pub stall: Duration,
    /// For a whole fetch or push.
    pub whole: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), stall: Duration::from_secs(30), whole: Duration::from_secs(300) }
    }
}

/// A bare clone of one repository in a folder of its own, used by one process at a time.
pub struct Repository {
    folder: PathBuf,
    pub(crate) url: RemoteUrl,
    pub(crate) limits: Limits,
    shared: gix::ThreadSafeRepository,
    pub(crate) fetching: Mutex<()>,
}

impl Repository {
    /// Opens the clone in `folder`, or makes an empty one. A damaged clone (no HEAD, a truncated pack, a branch whose
    /// commit is missing) is deleted and made anew; the next fetch fills it. Locks that a killed process left are removed.
    ///
    /// # Errors
    /// When the folder cannot be written, or holds something that was not made here.
    pub fn open_or_init(folder: &Path, url: &RemoteUrl) -> Result<Self, RepositoryError> {
        Self::open_with(folder, url, Limits::default())
    }

    /// [`Repository::open_or_init`] with other limits than the default ones.
    ///
    /// # Errors
    /// As there.
    pub fn open_with(folder: &Path, url: &RemoteUrl, limits: Limits) -> Result<Self, RepositoryError> {
        let failed = |doing| move |detail: String| RepositoryError::Folder { doing, folder: folder.to_owned(), detail };
        let bare = folder.join("git");
        let marker = folder.join(MARKER);
        if bare.exists() && !marker.exists() {
            let detail = "it holds a Git repository that Lockstep did not make; choose another folder".to_owned();
            return Err(failed("use a clone")(detail));
        }
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&marker, "Made by Lockstep, which deletes and makes it anew as needed.\n"))
            .map_err(|error| failed("make a clone")(error.to_string()))?;
        let sound = if bare.exists() { open_sound(&bare) } else { Err("it is new".to_owned()) };
        let shared = match sound {
            Ok(shared) => shared,
            Err(damage) => {
                if bare.exists() {
                    tracing::warn!(folder = %folder.display(), %damage, "the clone is made anew");
                    fs::remove_dir_all(&bare).map_err(|error| failed("delete a damaged clone")(error.to_string()))?;
                }
                init(&bare).map_err(failed("make a clone"))?
            }
        };
        Ok(Self { folder: folder.to_owned(), url: url.clone(), limits, shared, fetching: Mutex::new(()) })
    }

    /// Deletes the clone and makes an empty one; for a clone whose damage shows only when an object is read.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn rebuild(self) -> Result<Self, RepositoryError> {
        let head = self.bare().join("HEAD");
        fs::remove_file(head).or_else(ignore_missing).map_err(|error| RepositoryError::Folder {
            doing: "delete a damaged clone",
            folder: self.folder.clone(),
            detail: error.to_string(),
        })?;
        Self::open_with(&self.folder, &self.url, self.limits)
    }

    /// Where the repository is.
    #[must_use]
    pub fn url(&self) -> &RemoteUrl {
        &self.url
    }

    pub(crate) fn bare(&self) -> PathBuf {
        self.folder.join("git")
    }

    /// A handle for this thread.
    pub(crate) fn local(&self) -> gix::Repository {
        let mut local = self.shared.to_thread_local();
        local.object_cache_size_if_unset(8 << 20);
        local
    }

    pub(crate) fn unreadable(&self, what: impl ToString, error: impl ToString) -> RepositoryError {
        RepositoryError::Object { what: what.to_string(), folder: self.folder.clone(), detail: error.to_string() }
    }
}

/// No configuration but the clone's own, no environment.
fn options() -> gix::open::Options {
    gix::open::Options::isolated().open_path_as_is(true).object_store_slots(Slots::Given(PACK_SLOTS))
}

fn init(bare: &Path) -> Result<gix::ThreadSafeRepository, String> {
    let create = gix::create::Options::default();
    gix::ThreadSafeRepository::init_opts(bare, gix::create::Kind::Bare, create, options())
        .map_err(|error| error.to_string())?;
    // Opened again for the options: what `init_opts` returns has sized its store already.
    options().open(bare).map_err(|error| error.to_string())
}

fn open_sound(bare: &Path) -> Result<gix::ThreadSafeRepository, String> {
    remove_locks(bare).map_err(|error| format!("left-over locks cannot be removed: {error}"))?;
    check_packs(&bare.join("objects/pack"))?;
    let shared = options().open(bare).map_err(|error| error.to_string())?;
    let local = shared.to_thread_local();
    let references = local.references().map_err(|error| error.to_string())?;
    for reference in references.all().map_err(|error| error.to_string())? {
        let mut reference = reference.map_err(|error| error.to_string())?;
        let name = reference.name().as_bstr().to_string();
        let tip = reference.peel_to_id().map_err(|error| format!("{name}: {error}"))?;
        let commit = local.find_commit(tip.detach()).map_err(|error| format!("{name}: {error}"))?;
        commit.tree().map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(shared)
}

fn remove_locks(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if entry.file_name() != "objects" {
                remove_locks(&path)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "lock") {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Every index names the checksum that its pack ends with; a truncated pack ends with something else.
fn check_packs(folder: &Path) -> Result<(), String> {
    let mut packs = 0;
    for entry in fs::read_dir(folder).map_err(|error| error.to_string())? {
        let index = entry.map_err(|error| error.to_string())?.path();
        if index.extension().is_none_or(|extension| extension != "idx") {
            continue;
        }
        let pack = index.with_extension("pack");
        let wrong = |error: io::Error| format!("{}: {error}", pack.display());
        let named = read_at_end::<40>(&index).map_err(wrong)?;
        let actual = read_at_end::<20>(&pack).map_err(wrong)?;
        if named.get(..20) != Some(actual.as_slice()) {
            return Err(format!("{} is damaged", pack.display()));
        }
        packs += 1;
    }
    if packs > MANY_PACKS { Err(format!("it has gathered {packs} packs")) } else { Ok(()) }
}

fn read_at_end<const COUNT: usize>(path: &Path) -> io::Result<[u8; COUNT]> {
    let mut file = fs::File::open(path)?;
    let mut bytes = [0; COUNT];
    file.seek(SeekFrom::End(-i64::try_from(COUNT).unwrap_or(i64::MAX)))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn ignore_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
