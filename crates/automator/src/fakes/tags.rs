//! Registries in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::future::BoxFuture;
use jiff::Timestamp;
use lockstep_image::Platform;
use lockstep_registry::{Listed, Listing, Repository, TagNames, Verification};
use tokio::sync::oneshot;

use crate::ports::{PortError, Sights, Tags};

#[derive(Clone)]
struct FakeImage {
    digest: String,
    created: Option<Timestamp>,
    platforms: Vec<Platform>,
    verification: Verification,
}

/// Registries that have what was pushed to them.
#[derive(Default)]
pub(crate) struct FakeTags {
    images: Mutex<BTreeMap<Repository, BTreeMap<String, FakeImage>>>,
    sights: Mutex<BTreeMap<Repository, Sights>>,
    /// The digests that were looked up.
    noted: Mutex<BTreeMap<(Repository, String), String>>,
    /// As late as anybody wanted to know something.
    looked: Mutex<Timestamp>,
    failing: Mutex<Option<PortError>>,
    failing_facts: Mutex<Option<PortError>>,
    /// What is answered only when somebody says so.
    held: Mutex<BTreeMap<String, oneshot::Receiver<()>>>,
    /// The tags that were listed last: as long as nothing changes, a listing has the same.
    listings: Mutex<BTreeMap<Repository, Arc<TagNames>>>,
    /// How often listings were recorded.
    pub(crate) records: Mutex<usize>,
    /// What the record says of moved tags.
    pub(crate) moves: Mutex<u64>,
    pub(crate) asked: Mutex<Vec<String>>,
}

pub(crate) fn repository(name: &str) -> Repository {
    Repository { host: "ghcr.io".to_owned(), name: name.to_owned() }
}

impl FakeTags {
    pub(crate) fn with(name: &str, tags: &[&str]) -> Self {
        let registry = Self::default();
        tags.iter().for_each(|tag| registry.push(name, tag, None));
        registry
    }

    pub(crate) fn push(&self, name: &str, tag: &str, created: Option<&str>) {
        let digest = format!("sha256:{:064x}", tag.bytes().fold(7_u128, |sum, byte| sum * 31 + u128::from(byte)));
        let image = FakeImage {
            digest,
            created: created.map(|time| time.parse().unwrap()),
            platforms: vec!["linux/amd64".parse().unwrap()],
            verification: Verification::NotSigned,
        };
        self.images.lock().unwrap().entry(repository(name)).or_default().insert(tag.to_owned(), image);
    }

    /// Changes what the image of a tag runs on, and who signed it.
    pub(crate) fn describe(&self, name: &str, tag: &str, platforms: &[&str], verification: Verification) {
        let mut images = self.images.lock().unwrap();
        let image = images.get_mut(&repository(name)).unwrap().get_mut(tag).unwrap();
        image.platforms = platforms.iter().map(|text| text.parse().unwrap()).collect();
        image.verification = verification;
    }

    pub(crate) fn delete(&self, name: &str, tag: &str) {
        self.images.lock().unwrap().get_mut(&repository(name)).unwrap().remove(tag);
    }

    pub(crate) fn fail(&self, message: Option<&str>) {
        *self.failing.lock().unwrap() =
            message.map(|message| PortError { category: "unreachable", message: message.to_owned() });
    }

    /// Fails everything with an error of this category.
    pub(crate) fn fail_with(&self, category: &'static str) {
        *self.failing.lock().unwrap() = Some(PortError { category, message: category.to_owned() });
    }

    /// Fails what is asked of images, and not the listings.
    pub(crate) fn fail_facts(&self, message: Option<&str>) {
        *self.failing_facts.lock().unwrap() =
            message.map(|message| PortError { category: "unreachable", message: message.to_owned() });
    }

    /// Lets a tag point to an image with this digit as digest.
    pub(crate) fn point(&self, name: &str, tag: &str, digit: &str) {
        let mut images = self.images.lock().unwrap();
        let image = images.get_mut(&repository(name)).unwrap().get_mut(tag).unwrap();
        image.digest = format!("sha256:{}", digit.repeat(64));
    }

    /// As if the database were deleted.
    pub(crate) fn forget(&self) {
        self.sights.lock().unwrap().clear();
        self.noted.lock().unwrap().clear();
    }

    /// What was asked since the last call.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    /// The next time that it is asked this, it does not answer before the sender is gone.
    pub(crate) fn hold(&self, what: &str) -> oneshot::Sender<()> {
        let (sender, receiver) = oneshot::channel();
        self.held.lock().unwrap().insert(what.to_owned(), receiver);
        sender
    }

    fn held(&self, what: &str) -> impl Future<Output = ()> + use<> {
        let held = self.held.lock().unwrap().remove(what);
        async {
            if let Some(held) = held {
                drop(held.await);
            }
        }
    }

    /// The listing that it gives now.
    pub(crate) fn answer(&self, repository: &Repository) -> Result<Listed, PortError> {
        self.ask(format!("list {repository}"))?;
        let images = self.images.lock().unwrap();
        let missing = || PortError { category: "not-found", message: format!("{repository} not found") };
        let tags: TagNames = images.get(repository).ok_or_else(missing)?.keys().collect();
        let mut listings = self.listings.lock().unwrap();
        let kept = listings.get(repository).filter(|kept| ***kept == tags).cloned();
        let tags = kept.unwrap_or_else(|| Arc::new(tags));
        listings.insert(repository.clone(), Arc::clone(&tags));
        // It knows no clock: the scan takes a time to come for now.
        Ok(Listed { began: Timestamp::MAX, listing: Arc::new(Listing { tags, pushed: BTreeMap::new() }) })
    }

    /// The digest of a tag, which is noted as the record does; or a digest itself.
    fn look_up(&self, repository: &Repository, tag: &str) -> Option<String> {
        let images = self.images.lock().unwrap();
        let tags = images.get(repository)?;
        if tags.values().any(|image| image.digest == tag) {
            return Some(tag.to_owned());
        }
        let digest = tags.get(tag)?.digest.clone();
        let before = self.noted.lock().unwrap().insert((repository.clone(), tag.to_owned()), digest.clone());
        let moved = before.is_some_and(|before| before != digest);
        if let Some(sights) = self.sights.lock().unwrap().get_mut(repository).filter(|_| moved) {
            sights.first_seen.insert(tag.to_owned(), Some(*self.looked.lock().unwrap()));
        }
        Some(digest)
    }

    fn ask(&self, what: String) -> Result<(), PortError> {
        let listing = what.starts_with("list");
        self.asked.lock().unwrap().push(what);
        if let Some(error) = self.failing_facts.lock().unwrap().clone().filter(|_| !listing) {
            return Err(error);
        }
        self.failing.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl Tags for FakeTags {
    fn list(&self, repository: &Repository, not_before: Timestamp) -> BoxFuture<'static, Result<Listed, PortError>> {
        let mut looked = self.looked.lock().unwrap();
        *looked = not_before.max(*looked);
        drop(looked);
        let (held, answer) = (self.held(&format!("list {repository}")), self.answer(repository));
        Box::pin(async move {
            held.await;
            answer
        })
    }

    async fn recorded(&self, repository: &Repository) -> Result<usize, PortError> {
        Ok(self.sights.lock().unwrap().get(repository).map_or(0, |sights| sights.first_seen.len()))
    }

    async fn record(&self, repository: &Repository, tags: &Arc<TagNames>, now: Timestamp) -> Result<Sights, PortError> {
        *self.records.lock().unwrap() += 1;
        let mut sights = self.sights.lock().unwrap();
        let before = sights.remove(repository);
        let seen = |tag: &str| match &before {
            None => None,
            Some(before) => before.first_seen.get(tag).copied().unwrap_or(Some(now)),
        };
        let first_seen = tags.iter().map(|tag| (tag.to_owned(), seen(tag))).collect();
        let first_scan = before.as_ref().map_or(Some(now), |before| before.first_scan);
        let after = Sights { first_scan, first_seen, ..Sights::default() };
        sights.insert(repository.clone(), after.clone());
        Ok(after)
    }

    fn moves(&self) -> u64 {
        *self.moves.lock().unwrap()
    }

    fn digest(&self, repository: &Repository, tag: &str) -> BoxFuture<'static, Result<Option<String>, PortError>> {
        let what = format!("digest {tag}");
        let held = self.held(&what);
        let answer = self.ask(what).map(|()| self.look_up(repository, tag));
        Box::pin(async move {
            held.await;
            answer
        })
    }

    async fn first_seen(&self, repository: &Repository, tag: &str) -> Result<Option<Timestamp>, PortError> {
        let sights = self.sights.lock().unwrap();
        Ok(sights.get(repository).and_then(|sights| sights.first_seen.get(tag).copied()).flatten())
    }

    async fn created(&self, repository: &Repository, digest: &str) -> Result<Option<Timestamp>, PortError> {
        self.ask("created".to_owned())?;
        let images = self.images.lock().unwrap();
        Ok(images[repository].values().find(|image| image.digest == digest).unwrap().created)
    }

    async fn platforms(&self, repository: &Repository, digest: &str) -> Result<Vec<Platform>, PortError> {
        self.ask("platforms".to_owned())?;
        let images = self.images.lock().unwrap();
        Ok(images[repository].values().find(|image| image.digest == digest).unwrap().platforms.clone())
    }

    async fn verify(&self, repository: &Repository, digest: &str, key: &str) -> Result<Verification, PortError> {
        self.ask(format!("verify {key}"))?;
        let images = self.images.lock().unwrap();
        let image = images[repository].values().find(|image| image.digest == digest).unwrap();
        Ok(image.verification.clone())
    }
}
