//! What the automator would make of a folder: every place, its policy, and what would be chosen. Nothing is written.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::future::{BoxFuture, ready};
use jiff::Timestamp;
use lockstep_image::Platform;
use lockstep_registry::{Listed, Listing as Tagged, Repository, TagNames, Verification};
use lockstep_repository::{BlobId, CommitId, CommitInfo, FileMode, PushOutcome, Signature, Step, TreeFile};
use prometheus_client::registry::Registry;

use crate::allow::AllowedRepositories;
use crate::board::{Board, BranchKey, PlaceState, Problem};
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::ports::{Branch, FileChange, OwnBranch, PortError, Ports, Sights, Tags};
use crate::publish::Proposal as _;
use crate::settings::Settings;
use crate::survey;
use crate::turn::{Target, TurnError, Wake};
use crate::update::{Seen, Updates};
use crate::wiring::{RegistryTags, SystemClock};

/// Where the tags come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// Registries are asked, as the settings say.
    Asked,
    /// Nobody is asked: each image repository is taken to have the tags that are written, and no other.
    Assumed,
}

/// A folder as the automator sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// Every place, by file and line.
    pub places: Vec<PlaceState>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

/// Looks at files as if they were the tree of a branch without history. Of the settings count what is said of registries,
/// and of places by the first repository.
///
/// # Errors
/// If the settings' data folder or registries cannot be used.
pub async fn preview(
    files: Vec<(String, Vec<u8>)>,
    settings: &Settings,
    listing: Listing,
) -> Result<Preview, TurnError> {
    let folder = Folder { files };
    let key = BranchKey { repository: "folder".to_owned(), branch: "none".to_owned() };
    let hosts = settings.registries.iter().map(|registry| registry.host.clone());
    let places = settings.repositories.first().map(|repository| repository.places()).unwrap_or_default();
    let target = Target {
        allowed: AllowedRepositories::new(settings.allow_repositories.iter().cloned(), hosts),
        places: Arc::new(places),
        ..Target::new(key)
    };
    let mut memory = Memory::default();
    let tags: Box<dyn Tags> = match listing {
        Listing::Asked => Box::new(RegistryTags::open(settings, &Metrics::register(&mut Registry::default()))?),
        Listing::Assumed => {
            let head = folder.head().await?;
            let Memory { files, history, .. } = &mut memory;
            let survey = survey::survey(&folder, head, files, history, &target.places).await?;
            let mut written: BTreeMap<Repository, Vec<String>> = BTreeMap::new();
            for place in &survey.places {
                let known = written.entry(place.repository.clone()).or_default();
                known.extend(place.reference.tag().map(str::to_owned));
            }
            Box::new(Written(Mutex::new(written)))
        }
    };
    let board = Board::default();
    let ports = Ports { branch: &folder, tags: &*tags, clock: &SystemClock };
    let wake = Wake::Registries;
    let mut updates =
        Updates { target: &target, memory: &mut memory, ports: &ports, board: &board, wake, seen: Seen::default() };
    let head = folder.head().await?;
    updates.at(head).await?;
    while updates.memory.listings.under_way_since().is_some() {
        updates.memory.listings.answered(ports.tags).await;
        updates.at(head).await?;
    }
    let state = board.get(&target.branch);
    Ok(state
        .map(|state| Preview { places: state.places.clone(), problems: state.problems.clone() })
        .unwrap_or_default())
}

/// Files that are the tree of the only commit.
struct Folder {
    files: Vec<(String, Vec<u8>)>,
}

fn unwritable<T>() -> Result<T, PortError> {
    Err(PortError { category: "preview", message: "a folder is only looked at".to_owned() })
}

fn id<T: std::str::FromStr>(number: usize) -> Result<T, PortError> {
    format!("{number:040x}").parse().or_else(|_| unwritable())
}

#[async_trait]
impl Branch for Folder {
    async fn head(&self) -> Result<CommitId, PortError> {
        id(1)
    }

    async fn files(&self, _: CommitId) -> Result<Vec<TreeFile>, PortError> {
        let file = |(number, (path, _)): (usize, &(String, Vec<u8>))| {
            Ok(TreeFile { path: path.clone(), blob: id(number)?, mode: FileMode::Plain, linked: false })
        };
        self.files.iter().enumerate().map(file).collect()
    }

    async fn blob(&self, blob: BlobId) -> Result<Vec<u8>, PortError> {
        let number = usize::from_str_radix(&blob.to_string(), 16).ok();
        match number.and_then(|number| self.files.get(number)) {
            Some((_, bytes)) => Ok(bytes.clone()),
            None => unwritable(),
        }
    }

    async fn steps(&self, _: CommitId, _: Option<CommitId>, _: usize) -> Result<Vec<Step>, PortError> {
        Ok(Vec::new())
    }

    async fn commit(
        &self,
        _: CommitId,
        _: Vec<FileChange>,
        _: String,
        _: Option<Signature>,
        _: Timestamp,
    ) -> Result<CommitId, PortError> {
        unwritable()
    }

    async fn push(&self, _: CommitId) -> Result<PushOutcome, PortError> {
        unwritable()
    }

    async fn own(&self, _: &str) -> Result<Option<OwnBranch>, PortError> {
        Ok(None)
    }

    async fn is_genuine(&self, _: &CommitInfo, _: Vec<FileChange>) -> Result<bool, PortError> {
        Ok(false)
    }

    async fn replace(&self, _: &str, _: CommitId, _: Option<CommitId>) -> Result<PushOutcome, PortError> {
        unwritable()
    }
}

/// Registries that have what is written, and of which nothing else is known.
struct Written(Mutex<BTreeMap<Repository, Vec<String>>>);

fn not_asked<T>() -> Result<T, PortError> {
    Err(PortError { category: "preview", message: "registries were not asked".to_owned() })
}

#[async_trait]
impl Tags for Written {
    fn list(&self, repository: &Repository, not_before: Timestamp) -> BoxFuture<'static, Result<Listed, PortError>> {
        let written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tags = written.get(repository).cloned().unwrap_or_default();
        let listing = Arc::new(Tagged { tags: Arc::new(tags.iter().collect()), pushed: BTreeMap::new() });
        Box::pin(ready(Ok(Listed { began: not_before, listing })))
    }

    async fn recorded(&self, _: &Repository) -> Result<usize, PortError> {
        Ok(0)
    }

    async fn record(&self, _: &Repository, _: &Arc<TagNames>, now: Timestamp) -> Result<Sights, PortError> {
        Ok(Sights { first_scan: Some(now), ..Sights::default() })
    }

    fn moves(&self) -> u64 {
        0
    }

    fn digest(&self, _: &Repository, _: &str) -> BoxFuture<'static, Result<Option<String>, PortError>> {
        Box::pin(ready(not_asked()))
    }

    async fn first_seen(&self, _: &Repository, _: &str) -> Result<Option<Timestamp>, PortError> {
        Ok(None)
    }

    async fn created(&self, _: &Repository, _: &str) -> Result<Option<Timestamp>, PortError> {
        not_asked()
    }

    async fn platforms(&self, _: &Repository, _: &str) -> Result<Vec<Platform>, PortError> {
        not_asked()
    }

    async fn verify(&self, _: &Repository, _: &str, _: &str) -> Result<Verification, PortError> {
        not_asked()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_shows_its_places_and_what_is_wrong() {
        let object = |annotations: &str, image: &str| {
            format!(
                "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  annotations: {{{annotations}}}\nspec:\n  containers:\n  - {{name: web, image: '{image}'}}\n"
            )
            .into_bytes()
        };
        let files = vec![
            ("good.yaml".to_owned(), object("lockstep.dev/policy: semver:~1.4", "ghcr.io/acme/web:1.4.2")),
            ("outside.yaml".to_owned(), object("lockstep.dev/policy: semver:~1.4", "ghcr.io/acme/api:main")),
            ("wrong.yaml".to_owned(), object("lockstep.dev/polcy: x", "ghcr.io/acme/web:1.4.2")),
            ("none.yaml".to_owned(), object("a: b", "ghcr.io/acme/web:1.4.2")),
        ];
        let seen = preview(files, &Settings::default(), Listing::Assumed).await.unwrap();
        let places: Vec<(&str, &str, Option<&str>)> = seen
            .places
            .iter()
            .map(|place| (place.file.as_str(), place.policy.as_str(), place.held.as_deref()))
            .collect();
        let [("good.yaml", "semver:~1.4", None), ("outside.yaml", _, Some(held))] = places[..] else {
            panic!("{places:?}")
        };
        assert!(held.contains("outside the policy"), "{held}");
        assert_eq!(seen.problems.len(), 1, "{:?}", seen.problems);
        assert!(seen.problems[0].message.starts_with("wrong.yaml:"));
    }
}
