//! Why a tag is not taken.

use crate::range::Range;
use crate::tag::Mismatch;

/// The rule that dropped a tag.
#[derive(Clone, Debug)]
pub(crate) enum Reason<'a> {
    NotATag,
    NamesDigest,
    Latest,
    NotInTags,
    InSkipTags,
    NoKey,
    NoNumbers,
    Shape(Mismatch),
    OutOfRange(&'a Range),
    Prerelease,
    NoMatch,
    NotANumber,
    Undone(&'a str),
    /// It may go to no further place, for this reason.
    Stopped(&'a str),
    UndoneDigest,
    NotNewer(&'a str),
    Stray,
    Young,
    OtherTag,
    NotInFormat,
    NoSuchDate,
    NotARelease,
    NotADecimal,
    OtherPrerelease,
    TooLargeAStep,
    /// It does not run on this.
    Platform(String),
    NotSigned,
    WrongSignature(String),
}

impl Reason<'_> {
    /// A few words, for counting: "3 TOPIC".
    pub(crate) fn topic(&self) -> &'static str {
        match self {
            Self::NotATag => "not a tag",
            Self::NamesDigest => "naming a digest",
            Self::Latest => "latest",
            Self::NotInTags => "not matching tags",
            Self::InSkipTags => "in skip-tags",
            Self::NoKey => "without a key",
            Self::NoNumbers | Self::Shape(_) => "of another shape",
            Self::OutOfRange(_) => "outside the range",
            Self::Prerelease => "prereleases",
            Self::NoMatch => "not matching the policy",
            Self::NotANumber => "not a number",
            Self::Undone(_) | Self::UndoneDigest => "undone",
            Self::Stopped(_) => "stopped",
            Self::NotNewer(_) => "not newer than the current",
            Self::Stray => "with a stray first number",
            Self::Young => "too young",
            Self::OtherTag => "of another name",
            Self::NotInFormat => "not of the format",
            Self::NoSuchDate => "naming no date",
            Self::NotARelease => "not a version",
            Self::NotADecimal => "not a number",
            Self::OtherPrerelease => "of another prerelease",
            Self::TooLargeAStep => "too large a step",
            Self::Platform(_) => "without a platform",
            Self::NotSigned => "not signed",
            Self::WrongSignature(_) => "with a wrong signature",
        }
    }

    pub(crate) fn sentence(&self) -> String {
        let fixed = match self {
            Self::NotATag => "dropped: this cannot be a tag",
            Self::NamesDigest => "dropped: a tag that is made from a digest is never a candidate",
            Self::Latest => "dropped: latest is a candidate only where the policy names it exactly",
            Self::NotInTags => "dropped: tags does not match it",
            Self::InSkipTags => "dropped: skip-tags matches it",
            Self::NoKey => "dropped: the expression matches, but its group key does not take part",
            Self::NoNumbers => "dropped: it has no number, so it is no version",
            Self::Shape(Mismatch::Prefix) => "dropped: another prefix than the current tag's (v equals none)",
            Self::Shape(Mismatch::Count) => {
                "dropped: another count of numbers than the current tag's (three without a current tag)"
            }
            Self::Shape(Mismatch::Variant) => "dropped: another variant than the current tag's",
            Self::Shape(Mismatch::Revision) => {
                "dropped: a revision where the current tag has none, none where it has one, or another kind"
            }
            Self::Prerelease => "dropped: a prerelease, and neither the policy nor the current tag asks for it",
            Self::NoMatch => "dropped: the policy does not match it",
            Self::NotANumber => "dropped: what the policy orders is not a whole number",
            Self::Stray => {
                "dropped: its first number is above ten times the current tag's, so it may be of another scheme"
            }
            Self::Young => "dropped: younger than min-age",
            Self::UndoneDigest => "dropped: what it points to now was undone here",
            Self::NotInFormat => "dropped: it is not of the policy's format",
            Self::NoSuchDate => "dropped: there is no such date",
            Self::NotARelease => "dropped: the tool does not read it as a version",
            Self::NotADecimal => "dropped: it is no number, and the tool wants every tag to be one",
            Self::OtherPrerelease => "dropped: its prerelease is not the current tag's",
            Self::TooLargeAStep => "dropped: it changes a number that the policy keeps",
            Self::OtherTag => "dropped: the policy names another tag",
            Self::NotSigned => "dropped: it is not signed with the key that verify names",
            Self::Platform(missing) => return format!("dropped: it does not run on {missing}"),
            Self::WrongSignature(problem) => return format!("dropped: its signature does not hold: {problem}"),
            Self::OutOfRange(range) => return format!("dropped: outside the range {range}"),
            Self::Stopped(why) => return format!("dropped: stopped: {why}"),
            Self::Undone(tag) => return format!("dropped: {tag} was undone here, and this is not newer"),
            Self::NotNewer(current) => return format!("dropped: not newer than the current {current}"),
        };
        fixed.to_owned()
    }
}

/// How many tags each rule dropped, most first: "3 of another shape, 1 too young".
pub(crate) fn count<'a>(reasons: impl Iterator<Item = &'a Reason<'a>>) -> String {
    let mut topics: Vec<(usize, &'static str)> = Vec::new();
    for reason in reasons {
        let topic = reason.topic();
        match topics.iter_mut().find(|(_, known)| *known == topic) {
            Some((count, _)) => *count += 1,
            None => topics.push((1, topic)),
        }
    }
    topics.sort_by(|left, right| right.0.cmp(&left.0).then(left.1.cmp(right.1)));
    let words: Vec<String> = topics.iter().map(|(count, topic)| format!("{count} {topic}")).collect();
    if words.is_empty() { "no tags are listed".to_owned() } else { words.join(", ") }
}
