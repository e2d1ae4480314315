//! The message of a commit: a line for people, the evidence, and trailers that say it again for programs.

mod template;

use std::fmt::Write as _;

use lockstep_repository::CommitInfo;

use crate::publish::{Batch, ChangeKind, Move, Moved};

pub use template::MessageTemplate;
#[cfg(test)]
pub(crate) use template::examples;

const CHANGE: &str = "Lockstep-Change";
const PLACE: &str = "Lockstep-Place";
const DIGEST: &str = "Lockstep-Digest";
const RELEASE: &str = "Lockstep-Release";
const SIGN_OFF: &str = "Signed-off-by";
const OBJECT: &str = "Lockstep-Object";
const REQUESTED_BY: &str = "Lockstep-Requested-By";
const ARROW: &str = " -> ";

/// Writes the message of a batch: what the template makes of it, then the evidence and the trailers, which no template can
/// leave out or change.
pub(crate) fn write(batch: &Batch, template: &MessageTemplate) -> String {
    let mut text = template.render(batch);
    for change in &batch.moves {
        let _ = write!(text, "\n\n{}\n  {}{ARROW}{}", one_line(&change.place.to_string()), change.from, change.to);
        for evidence in &change.evidence {
            let _ = write!(text, "\n  {}", one_line(evidence));
        }
    }
    let _ = write!(text, "\n\n{}{}", trailers(batch), sign_off(template));
    text
}

/// What programs read of a batch.
pub(crate) fn trailers(batch: &Batch) -> String {
    format!("{CHANGE}: {}\n{}", batch.kind.as_str(), moved_trailers(&batch.moves))
}

/// The trailer that signs a commit off, if the settings want it.
pub(crate) fn sign_off(template: &MessageTemplate) -> String {
    template.sign_off().map(|who| format!("{SIGN_OFF}: {}\n", one_line(who))).unwrap_or_default()
}

fn moved_trailers(moves: &[Move]) -> String {
    let mut text = String::new();
    for change in moves {
        let _ = writeln!(text, "{PLACE}: {} {}{ARROW}{}", one_line(&change.place.to_string()), change.from, change.to);
    }
    let mut digests: Vec<String> = moves
        .iter()
        .filter_map(|change| Some(format!("{DIGEST}: {} {}", without_digest(&change.to), change.digest.as_ref()?)))
        .collect();
    digests.sort();
    digests.dedup();
    for digest in digests {
        let _ = writeln!(text, "{digest}");
    }
    text
}

fn without_digest(reference: &str) -> &str {
    reference.split_once('@').map_or(reference, |(tagged, _)| tagged)
}

/// Text of others stays on its line, so that it can be no trailer.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// What a commit says that it is, if it says that it is ours.
pub(crate) fn kind(commit: &CommitInfo) -> Option<ChangeKind> {
    kind_of(&commit.trailers)
}

/// The same of trailers that stand elsewhere.
pub(crate) fn kind_of(trailers: &[(String, String)]) -> Option<ChangeKind> {
    let (_, value) = trailers.iter().find(|(key, _)| key.eq_ignore_ascii_case(CHANGE))?;
    match value.as_str() {
        "update" => Some(ChangeKind::Update),
        "revert" => Some(ChangeKind::Revert),
        _ => None,
    }
}

/// What a commit says that it is, in its own word.
pub(crate) fn word(commit: &CommitInfo) -> Option<String> {
    commit.trailer(CHANGE).map(str::to_owned)
}

/// Who asked for a commit over the API.
pub(crate) fn requested_by(commit: &CommitInfo) -> Option<String> {
    commit.trailer(REQUESTED_BY).map(str::to_owned)
}

/// The objects, as `FILE#KIND/NAMESPACE/NAME`, whose annotations a commit says that it changed.
pub(crate) fn objects(commit: &CommitInfo) -> Vec<String> {
    let values = commit.trailers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(OBJECT));
    values.map(|(_, value)| value.clone()).collect()
}

/// What a person asked for, as a message says it.
pub(crate) struct Wanted<'a> {
    /// One line.
    pub(crate) subject: String,
    /// The word of `Lockstep-Change`.
    pub(crate) word: &'a str,
    pub(crate) moves: &'a [Move],
    pub(crate) objects: &'a [String],
    pub(crate) requested_by: &'a str,
}

/// Writes the message of what a person asked for.
pub(crate) fn write_wanted(wanted: &Wanted<'_>) -> String {
    let mut text = one_line(&wanted.subject);
    for change in wanted.moves {
        let _ = write!(text, "\n\n{}\n  {}{ARROW}{}", one_line(&change.place.to_string()), change.from, change.to);
        for evidence in &change.evidence {
            let _ = write!(text, "\n  {}", one_line(evidence));
        }
    }
    let _ = write!(text, "\n\n{CHANGE}: {}\n", wanted.word);
    text.push_str(&moved_trailers(wanted.moves));
    for object in wanted.objects {
        let _ = writeln!(text, "{OBJECT}: {}", one_line(object));
    }
    let _ = writeln!(text, "{REQUESTED_BY}: {}", one_line(wanted.requested_by));
    text
}

/// The places that a commit says that it moved.
pub(crate) fn moved(commit: &CommitInfo) -> Vec<Moved> {
    moved_of(&commit.trailers)
}

/// The same of trailers that stand elsewhere.
pub(crate) fn moved_of(trailers: &[(String, String)]) -> Vec<Moved> {
    let values = trailers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(PLACE));
    values.filter_map(|(_, value)| read_moved(value)).collect()
}

/// `PLACE OLD -> NEW`; a reference has no space in it, a file may.
fn read_moved(value: &str) -> Option<Moved> {
    let (rest, to) = value.rsplit_once(ARROW)?;
    let (place, from) = rest.rsplit_once(' ')?;
    Some(Moved { place: place.to_owned(), from: from.to_owned(), to: to.to_owned() })
}

/// The places and tags that a commit releases: they are no longer undone there.
pub(crate) fn releases(commit: &CommitInfo) -> Vec<(String, String)> {
    let values = commit.trailers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(RELEASE));
    values
        .filter_map(|(_, value)| value.rsplit_once(' '))
        .map(|(place, tag)| (place.trim_end().to_owned(), tag.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests;
