//! What is known when a place is decided about, and what comes out.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::platform::Platform;

/// A tag that a registry listed, and what is known about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// The tag.
    pub tag: Cow<'a, str>,
    /// The digest of its manifest or index.
    pub digest: Option<String>,
    /// When the registry says that it was pushed.
    pub pushed: Option<Timestamp>,
    /// When its publisher says that it was built.
    pub created: Option<Timestamp>,
    /// When it was first listed to us.
    pub first_seen: Option<Timestamp>,
    /// What the image runs on; `None` where nobody looked yet.
    pub platforms: Option<Vec<Platform>>,
    /// What came of looking for a signature; `None` where nobody looked yet.
    pub verified: Option<Verified>,
}

/// What came of looking for a signature.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verified {
    /// Signed with the key that is asked for.
    Signed,
    /// There is no signature, or none yet: it follows the push.
    NotSigned,
    /// There is one, and this is wrong with it.
    Wrong(String),
}

/// A fact that the decision lacks.
///
/// Look it up, note it in the candidate, and select again. Where it was looked up and does not exist, the outcome stands;
/// where it cannot be read, the place is held.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Want {
    /// When the image was built, as its publisher says.
    Created {
        /// The tag.
        tag: String,
    },
    /// What the image runs on.
    Platforms {
        /// The tag.
        tag: String,
    },
    /// Whether the image is signed.
    Verified {
        /// The tag.
        tag: String,
    },
    /// The digest that the tag has now.
    Digest {
        /// The tag.
        tag: String,
    },
}

impl Want {
    /// The tag that the fact is about.
    pub fn tag(&self) -> &str {
        match self {
            Self::Created { tag } | Self::Platforms { tag } | Self::Verified { tag } | Self::Digest { tag } => tag,
        }
    }
}

impl<'a> Candidate<'a> {
    /// A tag of which nothing else is known.
    pub fn new(tag: impl Into<Cow<'a, str>>) -> Self {
        Self { tag: tag.into(), ..Self::default() }
    }
}

/// The place that wants a tag, and what it can have.
#[derive(Clone, Copy, Debug, Default)]
pub struct Question<'a> {
    /// The tag that is written there.
    pub current: Option<&'a str>,
    /// The digest that is written there.
    pub current_digest: Option<&'a str>,
    /// A complete listing; the order does not matter, and a tag that is listed twice counts once.
    pub candidates: &'a [Candidate<'a>],
    /// Tags that were taken back at this place; under `digest:TAG` digests, each as `TAG@DIGEST`.
    pub undone: &'a [String],
    /// Tags that may go to no further place, each with the reason. It is nothing to those that come before or after.
    pub stopped: &'a [(&'a str, &'a str)],
    /// The time of the decision.
    pub now: Timestamp,
    /// The time of the current tag if it is not listed any more: that of the commit that wrote it.
    pub current_time: Option<Timestamp>,
    /// When the repository was first listed completely. What was first seen then was there before, so those tags
    /// are older than all later ones, and only `created` orders them.
    pub first_scan: Option<Timestamp>,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The decision.
    pub outcome: Outcome,
    /// What the outcome lacks: facts that may change it. At most 200 build times, and at most five tags of the others.
    pub wants: Vec<Want>,
    /// The newest tag that is kept away by `min-age` alone.
    pub young: Option<String>,
}

/// What was decided, and what became of every tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What [`select`](crate::select) decides.
    pub selection: Selection,
    /// Every listed tag once: those that the policy can order first, newest first, then the others by name.
    pub tags: Vec<Judged>,
}

/// A decision about a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The place gets this tag.
    Selected(String),
    /// The current tag, or one of equal value, is the newest that the rule allows.
    UpToDate,
    /// The place is left as it is, for this reason.
    Held(String),
}

/// A tag and which rule kept or dropped it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The tag.
    pub tag: String,
    /// A sentence that begins with `selected`, `current`, `kept` or `dropped`.
    pub verdict: String,
}
