//! Which tags a rule looks at, and what it orders them by.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops;

use crate::calver::{Dated, Misfit};
use crate::clock::Moment;
use crate::foreign::{Decimal, Direction, Foreign, Latest, Release};
use crate::number;
use crate::policy::Kind;
use crate::question::Question;
use crate::reason::Reason;
use crate::rule::{Extracted, Rule, TagFilter};
use crate::tag::{self, Tag};

/// What a policy orders. Keys of one decision are all of one kind.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Key<'a> {
    Version(Tag<'a>),
    Dated(Dated<'a>),
    Integer(&'a str),
    Text(&'a str, Direction),
    Time(Moment),
    Release(Release<'a>),
    Decimal(Decimal<'a>, Direction),
}

impl<'a> Key<'a> {
    pub(crate) fn version(&self) -> Option<&Tag<'a>> {
        if let Self::Version(version) = self { Some(version) } else { None }
    }

    fn dated(&self) -> Option<&Dated<'a>> {
        if let Self::Dated(dated) = self { Some(dated) } else { None }
    }

    /// What stands before the numbers and must stay, where the policy looks at shapes.
    pub(crate) fn kept_prefix(&self) -> Option<&str> {
        match self {
            Self::Version(version) => Some(version.kept_prefix()),
            Self::Dated(dated) => Some(dated.kept_prefix()),
            _ => None,
        }
    }

    pub(crate) fn compare(&self, other: &Key<'_>) -> Ordering {
        match (self, other) {
            (Self::Version(left), Key::Version(right)) => left.compare(right),
            (Self::Dated(left), Key::Dated(right)) => left.compare(right),
            (Self::Integer(left), Key::Integer(right)) => number::compare(left, right),
            (Self::Text(left, direction), Key::Text(right, _)) => direction.of(left.as_bytes().cmp(right.as_bytes())),
            (Self::Time(left), Key::Time(right)) => left.cmp(right),
            (Self::Release(left), Key::Release(right)) => left.compare(right),
            (Self::Decimal(left, direction), Key::Decimal(right, _)) => direction.of(left.compare(right)),
            _ => Ordering::Equal,
        }
    }
}

/// A key and the text of the tag around it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keyed<'a> {
    pub(crate) key: Key<'a>,
    pub(crate) around: (&'a str, &'a str),
}

/// A rule, and what it sees of the tags where that is not a part of them.
pub(crate) struct Sight<'a> {
    pub(crate) rule: &'a Rule,
    seen: BTreeMap<&'a str, String>,
}

impl<'a> Sight<'a> {
    /// What the rule sees of every tag that the question is about.
    pub(crate) fn new(rule: &'a Rule, question: &Question<'a>) -> Self {
        let mut seen = BTreeMap::new();
        if let Kind::Foreign(Foreign { view: Some(view), .. }) = &rule.policy.kind {
            let listed = question.candidates.iter().map(|candidate| &*candidate.tag);
            let tags = listed.chain(question.current).chain(question.undone.iter().map(String::as_str));
            seen.extend(tags.filter_map(|tag| Some((tag, view.of(tag)?.into_owned()))));
        }
        Self { rule, seen }
    }
}

/// What is written at the place now.
#[derive(Debug)]
pub(crate) enum Current<'a> {
    /// Nothing, or `latest`: any eligible tag may move in.
    Absent,
    /// A tag that the policy orders by more than its text, or not at all: by time, by digest.
    Unordered(&'a str),
    /// A tag that the policy can compare.
    Known(&'a str, Box<Keyed<'a>>),
    /// A tag that it cannot.
    Incomparable(&'a str),
}

impl<'a> Current<'a> {
    pub(crate) fn of(sight: &'a Sight<'a>, text: Option<&'a str>) -> Self {
        let policy = &sight.rule.policy;
        let Some(tag) = text.filter(|text| !text.is_empty()) else { return Self::Absent };
        if tag.eq_ignore_ascii_case("latest") && is_no_tag(sight, tag) {
            return Self::Absent;
        }
        match &policy.kind {
            Kind::Time(_) => return Self::Unordered(tag),
            Kind::Digest(named) if named == tag => return Self::Unordered(tag),
            _ => {}
        }
        key_of(sight, tag).map_or(Self::Incomparable(tag), |keyed| Self::Known(tag, Box::new(keyed)))
    }

    pub(crate) fn tag(&self) -> Option<&'a str> {
        match self {
            Self::Absent => None,
            Self::Unordered(tag) | Self::Known(tag, _) | Self::Incomparable(tag) => Some(tag),
        }
    }

    /// What every candidate is held against, if the policy can order the current tag.
    pub(crate) fn key(&self) -> Option<&Key<'a>> {
        match self {
            Self::Known(_, keyed) => Some(&keyed.key),
            _ => None,
        }
    }
}

/// Whether a place that has `latest` is one without a tag, so that any eligible tag may move in.
fn is_no_tag<'a>(sight: &'a Sight<'a>, latest: &'a str) -> bool {
    match &sight.rule.policy.kind {
        Kind::Digest(_) => false,
        Kind::Foreign(foreign) => match foreign.latest {
            Latest::Floating => true,
            Latest::Unreadable | Latest::Text => false,
            Latest::Tag => !matches!(judge(sight, &Current::Absent, latest), (Some(_), None)),
        },
        _ => !sight.rule.policy.means_latest(latest),
    }
}

/// The key of a tag that need not be eligible: the current one, or one that was undone. Where the filter `tags` does not
/// match, the whole tag is its text.
pub(crate) fn key_of<'a>(sight: &'a Sight<'a>, tag: &'a str) -> Option<Keyed<'a>> {
    let range = match sight.rule.tags.as_ref().map(|filter| filter.extract(tag)) {
        Some(Extracted::Key(range)) => range,
        _ => 0..tag.len(),
    };
    if let Kind::Foreign(Foreign { view: Some(view), .. }) = &sight.rule.policy.kind
        && view.template.is_none()
    {
        return order_text(sight, tag, tag).ok();
    }
    let (keyed, reason) = order_by(sight, tag, range);
    keyed.filter(|_| reason.is_none())
}

/// What the policy orders the tag by, if anything, and which rule drops it, if any.
pub(crate) fn judge<'a>(
    sight: &'a Sight<'a>,
    current: &Current<'_>,
    tag: &'a str,
) -> (Option<Keyed<'a>>, Option<Reason<'a>>) {
    let rule = sight.rule;
    if let Some(reason) = never(rule, tag) {
        return (None, Some(reason));
    }
    let range = match rule.tags.as_ref().map(|filter| filter.extract(tag)) {
        None => 0..tag.len(),
        Some(Extracted::Key(range)) => range,
        Some(Extracted::NoMatch) => return (None, Some(Reason::NotInTags)),
        Some(Extracted::NoKey) => return (None, Some(Reason::NoKey)),
    };
    let (keyed, reason) = order_by(sight, tag, range);
    let Some(key) = keyed.as_ref().map(|keyed| keyed.key) else { return (keyed, reason) };
    match judge_shape(&rule.policy.kind, &key, current.key()) {
        Some(reason @ Reason::Shape(_)) => (None, Some(reason)),
        other => (keyed, other.or(reason)),
    }
}

/// Whether a version or a date has the current tag's shape, and whether a prerelease is asked for.
fn judge_shape<'a>(kind: &'a Kind, key: &Key<'_>, current: Option<&Key<'_>>) -> Option<Reason<'a>> {
    match (kind, key) {
        (Kind::Semver(range), Key::Version(version)) => {
            let model = current.and_then(Key::version);
            if let Some(mismatch) = version.mismatch(model) {
                return Some(Reason::Shape(mismatch));
            }
            let same_word = model.is_some_and(|model| version.tail().has_word_of(model.tail()));
            if range.contains(version) || (same_word && range.contains_numbers(version)) {
                None
            } else if version.is_prerelease() && range.contains_numbers(version) {
                Some(Reason::Prerelease)
            } else {
                Some(Reason::OutOfRange(range))
            }
        }
        (Kind::Calver(format), Key::Dated(dated)) => {
            let model = current.and_then(Key::dated);
            if let Some(mismatch) = dated.mismatch(model) {
                return Some(Reason::Shape(mismatch));
            }
            let same_word = model.is_some_and(|model| dated.tail().has_word_of(model.tail()));
            (dated.tail().is_prerelease() && !same_word && !format.has_modifier()).then_some(Reason::Prerelease)
        }
        (Kind::Foreign(foreign), key) => foreign.drops(key, current),
        _ => None,
    }
}

/// Rules that hold under every policy.
fn never<'a>(rule: &Rule, tag: &str) -> Option<Reason<'a>> {
    if !tag::is_valid(tag) {
        Some(Reason::NotATag)
    } else if names_digest(tag) {
        Some(Reason::NamesDigest)
    } else if tag.eq_ignore_ascii_case("latest") && !rule.policy.means_latest(tag) {
        Some(Reason::Latest)
    } else if rule.skip_tags.as_ref().is_some_and(|filter| filter.matches(tag)) {
        Some(Reason::InSkipTags)
    } else {
        None
    }
}

/// `sha256-` and 64 digits, alone or with `.sig`, `.att` and the like behind: signatures and referrers.
fn names_digest(tag: &str) -> bool {
    let Some(rest) = tag.strip_prefix("sha256-") else { return false };
    let hex = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    let Some((digits, behind)) = rest.as_bytes().split_at_checked(64) else { return false };
    digits.iter().all(hex) && (behind.is_empty() || (behind.len() > 1 && behind.starts_with(b".")))
}

/// The key of a text, as another tool sees it.
fn order_text<'a>(sight: &'a Sight<'a>, tag: &'a str, text: &'a str) -> Result<Keyed<'a>, Reason<'a>> {
    let Kind::Foreign(foreign) = &sight.rule.policy.kind else { return Err(Reason::NoMatch) };
    // Different tags of which the same is seen are not the same version.
    let around = if tag == text { ("", "") } else { (tag, "") };
    Ok(Keyed { key: foreign.key(text)?, around })
}

fn order_by<'a>(
    sight: &'a Sight<'a>,
    tag: &'a str,
    range: ops::Range<usize>,
) -> (Option<Keyed<'a>>, Option<Reason<'a>>) {
    let text = &tag[range.clone()];
    let keyed = |key, range: ops::Range<usize>| Keyed { key, around: (&tag[..range.start], &tag[range.end..]) };
    let inner = |filter: &TagFilter| match filter.extract(text) {
        Extracted::NoMatch => Err(Reason::NoMatch),
        Extracted::NoKey => Err(Reason::NoKey),
        Extracted::Key(inner) => Ok(range.start + inner.start..range.start + inner.end),
    };
    let found = match &sight.rule.policy.kind {
        Kind::Semver(_) => Tag::parse(text).map(|tag| keyed(Key::Version(tag), range.clone())).ok_or(Reason::NoNumbers),
        Kind::Calver(format) => match format.read(text) {
            Ok(dated) => Ok(keyed(Key::Dated(dated), range.clone())),
            Err(Misfit::Format) => Err(Reason::NotInFormat),
            Err(Misfit::Date) => Err(Reason::NoSuchDate),
        },
        Kind::Numerical(filter) => inner(filter).and_then(|range| {
            let digits = &tag[range.clone()];
            if number::is_digits(digits) { Ok(keyed(Key::Integer(digits), range)) } else { Err(Reason::NotANumber) }
        }),
        Kind::Alphabetical(filter) => {
            inner(filter).map(|range| keyed(Key::Text(&tag[range.clone()], Direction::Ascending), range))
        }
        Kind::Time(expression) if expression.is_match(tag) => return (None, None),
        Kind::Time(_) => Err(Reason::NoMatch),
        Kind::Digest(named) if named == tag => return (None, None),
        Kind::Digest(_) => Err(Reason::OtherTag),
        Kind::Foreign(Foreign { view: Some(_), .. }) => match sight.seen.get(tag) {
            Some(seen) => order_text(sight, tag, seen),
            None => Err(Reason::NoMatch),
        },
        Kind::Foreign(_) => order_text(sight, tag, text),
    };
    match found {
        Ok(keyed) => (Some(keyed), None),
        Err(reason) => (None, Some(reason)),
    }
}
