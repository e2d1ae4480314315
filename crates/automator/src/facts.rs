//! What is known of an image repository: its tags, when each came, and what was looked up for the decisions of this turn.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use lockstep_image::{Candidate, Platform, Verified, Want};
use lockstep_registry::{Repository, Verification};

use crate::ports::{PortError, Sights, Tags};

/// The facts of one repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Of the last listing that is believed.
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) first_scan: Option<Timestamp>,
    /// Another one for each listing that is not as the one before.
    revision: u64,
    /// Tags whose build time was looked up, whatever came of it.
    asked_created: BTreeSet<String>,
    /// By tag. What a tag is may change, so this is forgotten with each turn.
    looked_up: BTreeMap<String, LookedUp>,
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
    pub(crate) fn new(tags: &[String], sights: &Sights, known: Option<&Facts>) -> Self {
        let mut facts = Self { first_scan: sights.first_scan, ..Self::default() };
        let created: BTreeMap<&str, Option<Timestamp>> = known
            .iter()
            .flat_map(|known| &known.candidates)
            .map(|candidate| (candidate.tag.as_str(), candidate.created))
            .collect();
        for tag in tags {
            if known.is_some_and(|known| known.asked_created.contains(tag)) {
                facts.asked_created.insert(tag.clone());
            }
            facts.candidates.push(Candidate {
                first_seen: sights.first_seen.get(tag).copied().flatten().or(sights.first_scan),
                pushed: sights.pushed.get(tag).copied(),
                created: created.get(tag.as_str()).copied().flatten(),
                ..Candidate::new(tag.clone())
            });
        }
        facts
    }

    /// Whether a later listing says the same.
    pub(crate) fn is_same(&self, later: &Self) -> bool {
        self.candidates == later.candidates && self.first_scan == later.first_scan
    }

    /// The same facts as something new.
    pub(crate) fn with_revision(self, revision: u64) -> Self {
        Self { revision, ..self }
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
        self.candidates.iter().any(|candidate| candidate.tag == tag)
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
    pub(crate) fn known(&self, key: Option<&str>, passes: impl Fn(&str) -> bool) -> Cow<'_, [Candidate]> {
        let passes = |candidate: &&Candidate| passes(&candidate.tag);
        if self.looked_up.is_empty() && self.candidates.iter().all(|candidate| passes(&candidate)) {
            return Cow::Borrowed(&self.candidates);
        }
        let whole = |candidate: &Candidate| {
            let Some(LookedUp { digest, platforms, verified }) = self.looked_up.get(&candidate.tag) else {
                return candidate.clone();
            };
            Candidate {
                digest: digest.clone(),
                platforms: platforms.clone(),
                verified: key.and_then(|key| verified.get(key)).cloned(),
                ..candidate.clone()
            }
        };
        self.candidates.iter().filter(passes).map(whole).collect()
    }

    /// Takes in what came of a look-up.
    pub(crate) fn note(&mut self, tag: &str, found: Found) {
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
                if let Some(candidate) = self.candidates.iter_mut().find(|candidate| candidate.tag == tag) {
                    candidate.created = created;
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
