//! What is known of an image repository: its tags, when each came, and what was looked up for the decisions of this turn.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use lockstep_image::{Candidate, Platform, Verified, Want};
use lockstep_registry::{Repository, TagNames, Verification};

use crate::ports::{PortError, Sights, Tags};

/// The facts of one repository. They are packed, for there may be a million tags; [`Facts::candidates`] unpacks them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Of the last listing that is believed; the registry's own, where it keeps them too.
    tags: Arc<TagNames>,
    /// How many moved tags the record knew of then.
    moves: u64,
    pub(crate) first_scan: Option<Timestamp>,
    first_seen: Times,
    pushed: Times,
    created: Times,
    /// Another one for each listing that is not as the one before.
    revision: u64,
    /// Tags whose build time was looked up, whatever came of it.
    asked_created: BTreeSet<String>,
    /// Tags whose digest is on record.
    asked_digest: BTreeSet<String>,
    /// By tag. What a tag is may change, so this is forgotten with each turn.
    looked_up: BTreeMap<String, LookedUp>,
}

/// Times of some of the tags: the number of each, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Times(Vec<(u32, Timestamp)>);

impl Times {
    fn of(tags: &TagNames, time: impl Fn(&str) -> Option<Timestamp>) -> Self {
        let mut times: Vec<(u32, Timestamp)> =
            (0..).zip(tags.iter()).filter_map(|(number, tag)| Some((number, time(tag)?))).collect();
        times.shrink_to_fit();
        Self(times)
    }

    fn get(&self, number: u32) -> Option<Timestamp> {
        let place = self.0.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        self.0.get(place).map(|(_, time)| *time)
    }

    fn set(&mut self, number: u32, time: Option<Timestamp>) {
        match (self.0.binary_search_by_key(&number, |(number, _)| *number), time) {
            (Ok(place), Some(time)) => self.0[place].1 = time,
            (Ok(place), None) => drop(self.0.remove(place)),
            (Err(place), Some(time)) => self.0.insert(place, (number, time)),
            (Err(_), None) => {}
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct LookedUp {
    digest: Option<String>,
    platforms: Option<Vec<Platform>>,
    /// By the name of the key.
    verified: BTreeMap<String, Verified>,
}

/// One fact to look up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LookUp {
    pub(crate) repository: Repository,
    pub(crate) want: Want,
    /// Whose signature, if that is what is wanted.
    pub(crate) key: Option<String>,
}

/// What came of a look-up.
pub(crate) struct Found {
    digest: String,
    fact: Fact,
}

enum Fact {
    Created(Option<Timestamp>),
    Platforms(Vec<Platform>),
    Verified(String, Verified),
    Digest,
}

impl Facts {
    /// A listing with the times of its tags. Build times that are known already are kept.
    pub(crate) fn new(tags: &Arc<TagNames>, sights: &Sights, known: Option<&Facts>) -> Self {
        let created: BTreeMap<&str, Timestamp> = known.into_iter().flat_map(Facts::known_created).collect();
        let listed = |asked: &BTreeSet<String>| asked.iter().filter(|tag| tags.contains(tag)).cloned().collect();
        Self {
            first_scan: sights.first_scan,
            first_seen: Times::of(tags, |tag| sights.first_seen.get(tag).copied().flatten()),
            pushed: Times::of(tags, |tag| sights.pushed.get(tag).copied()),
            created: Times::of(tags, |tag| created.get(tag).copied()),
            asked_created: known.map(|known| listed(&known.asked_created)).unwrap_or_default(),
            asked_digest: known.map(|known| listed(&known.asked_digest)).unwrap_or_default(),
            tags: Arc::clone(tags),
            ..Self::default()
        }
    }

    fn known_created(&self) -> impl Iterator<Item = (&str, Timestamp)> {
        let each = (0..).zip(self.tags.iter());
        each.filter_map(|(number, tag)| Some((tag, self.created.get(number)?)))
    }

    /// How many tags are listed.
    pub(crate) fn len(&self) -> usize {
        self.tags.len()
    }

    /// The tags that are listed.
    pub(crate) fn tags(&self) -> impl Iterator<Item = &str> {
        self.tags.iter()
    }

    /// Each tag with its times.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = Candidate<'_>> {
        (0..).zip(self.tags.iter()).map(|(number, tag)| self.candidate(number, tag))
    }

    fn candidate<'a>(&self, number: u32, tag: &'a str) -> Candidate<'a> {
        Candidate {
            first_seen: self.first_seen.get(number).or(self.first_scan),
            pushed: self.pushed.get(number),
            created: self.created.get(number),
            ..Candidate::new(tag)
        }
    }

    /// One tag with its times.
    pub(crate) fn find(&self, tag: &str) -> Option<Candidate<'_>> {
        let (number, tag) = (0..).zip(self.tags.iter()).find(|(_, known)| *known == tag)?;
        Some(self.candidate(number, tag))
    }

    /// Whether a later listing says the same.
    pub(crate) fn is_same(&self, later: &Self) -> bool {
        self.tags == later.tags
            && self.first_scan == later.first_scan
            && self.first_seen == later.first_seen
            && self.pushed == later.pushed
            && self.created == later.created
    }

    /// The same facts as something new.
    pub(crate) fn with_revision(self, revision: u64) -> Self {
        Self { revision, ..self }
    }

    /// Whether they are of this very listing, and the record can say no more of it.
    pub(crate) fn are_of(&self, tags: &Arc<TagNames>, moves: u64) -> bool {
        Arc::ptr_eq(&self.tags, tags) && self.moves == moves
    }

    /// From now on they are of this listing.
    pub(crate) fn set_source(&mut self, tags: &Arc<TagNames>, moves: u64) {
        self.tags = Arc::clone(tags);
        self.moves = moves;
    }

    /// When tags came after the first scan.
    pub(crate) fn first_seen(&self) -> impl Iterator<Item = Timestamp> {
        self.first_seen.0.iter().map(|(_, time)| *time)
    }

    /// A different one whenever the tags or their times are.
    pub(crate) fn revision(&self) -> (u64, usize) {
        (self.revision, self.asked_created.len())
    }

    /// Whether more is known in this turn than the listing says.
    pub(crate) fn has_looked_up(&self) -> bool {
        !self.looked_up.is_empty()
    }

    pub(crate) fn lists(&self, tag: &str) -> bool {
        self.tags.contains(tag)
    }

    /// The digest that the tag had when something about it was looked up in this turn.
    pub(crate) fn digest(&self, tag: &str) -> Option<&str> {
        self.looked_up.get(tag)?.digest.as_deref()
    }

    /// The tags that were looked at and are not signed with the key, each with what is wrong.
    pub(crate) fn unsigned<'a>(&'a self, key: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.looked_up.iter().filter_map(move |(tag, looked_up)| match looked_up.verified.get(key)? {
            Verified::Signed => None,
            Verified::NotSigned => Some((tag.as_str(), "there is no signature")),
            Verified::Wrong(problem) => Some((tag.as_str(), problem.as_str())),
        })
    }

    /// Whether it makes sense to look this up.
    pub(crate) fn lacks(&self, want: &Want) -> bool {
        !matches!(want, Want::Created { tag } if self.asked_created.contains(tag))
    }

    /// The tags that pass, each with all that is known of it; signatures are those of the key.
    pub(crate) fn known(&self, key: Option<&str>, passes: impl Fn(&str) -> bool) -> Vec<Candidate<'_>> {
        let whole = |(number, tag)| {
            let candidate = self.candidate(number, tag);
            let Some(LookedUp { digest, platforms, verified }) = self.looked_up.get(tag) else { return candidate };
            Candidate {
                digest: digest.clone(),
                platforms: platforms.clone(),
                verified: key.and_then(|key| verified.get(key)).cloned(),
                ..candidate
            }
        };
        (0..).zip(self.tags.iter()).filter(|(_, tag)| passes(tag)).map(whole).collect()
    }

    /// Whether the digest of the tag was looked up since it is listed, and so is on record.
    pub(crate) fn was_looked_up(&self, tag: &str) -> bool {
        self.asked_digest.contains(tag)
    }

    /// Takes in when the tag was first seen by the record as it is now. True if it was pushed again since the listing: then
    /// it is as old as that.
    pub(crate) fn note_first_seen(&mut self, tag: &str, time: Timestamp) -> bool {
        let Some((number, _)) = (0..).zip(self.tags.iter()).find(|(_, known)| *known == tag) else { return false };
        // The record counts in milliseconds, and tells nothing of tags that were there before the first scan.
        if self.first_seen.get(number).or(self.first_scan).is_some_and(|known| time <= known) {
            return false;
        }
        self.first_seen.set(number, Some(time));
        self.pushed.set(number, None);
        true
    }

    /// Takes in what came of a look-up.
    pub(crate) fn note(&mut self, tag: &str, found: Found) {
        self.asked_digest.insert(tag.to_owned());
        let looked_up = self.looked_up.entry(tag.to_owned()).or_default();
        if looked_up.digest.as_ref().is_some_and(|digest| *digest != found.digest) {
            // The tag was pushed again meanwhile: what is known is about another image.
            *looked_up = LookedUp::default();
        }
        looked_up.digest = Some(found.digest);
        match found.fact {
            Fact::Platforms(platforms) => looked_up.platforms = Some(platforms),
            Fact::Verified(key, verified) => drop(looked_up.verified.insert(key, verified)),
            Fact::Digest => {}
            Fact::Created(created) => {
                self.asked_created.insert(tag.to_owned());
                if let Some((number, _)) = (0..).zip(self.tags.iter()).find(|(_, known)| *known == tag) {
                    self.created.set(number, created);
                }
            }
        }
    }

    /// Forgets what a tag may not be any more.
    pub(crate) fn begin_turn(&mut self) {
        self.looked_up.clear();
    }
}

/// Looks one fact up.
///
/// # Errors
/// If it cannot be read, or the tag is listed and has no image.
pub(crate) async fn look_up(wanted: &LookUp, tags: &dyn Tags) -> Result<Found, PortError> {
    let LookUp { repository, want, key } = wanted;
    let tag = want.tag();
    let Some(digest) = tags.digest(repository, tag).await? else {
        return Err(PortError { category: "not-found", message: no_image(repository, tag) });
    };
    let fact = match want {
        Want::Created { .. } => Fact::Created(tags.created(repository, &digest).await?),
        Want::Platforms { .. } => Fact::Platforms(tags.platforms(repository, &digest).await?),
        Want::Digest { .. } => Fact::Digest,
        Want::Verified { .. } => {
            let key = key.clone().unwrap_or_default();
            let verified = match tags.verify(repository, &digest, &key).await? {
                Verification::Signed => Verified::Signed,
                Verification::NotSigned => Verified::NotSigned,
                Verification::Wrong(reason) => Verified::Wrong(reason),
            };
            Fact::Verified(key, verified)
        }
    };
    Ok(Found { digest, fact })
}

/// A registry may list what it has deleted.
pub(crate) fn no_image(repository: &Repository, tag: &str) -> String {
    format!("{repository} lists {tag} and has no image of that tag")
}
