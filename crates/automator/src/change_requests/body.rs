//! Titles and descriptions of change requests: a table for people, and the commit's trailers for us to read again.

use std::fmt::Write as _;

use lockstep_forge::Request;
use lockstep_repository::CommitId;

use super::Rejected;
use crate::message::{self, MessageTemplate, one_line};
use crate::publish::{Batch, ChangeKind, Move, Moved};

/// Ends a description that was closed by us, so that nothing in it counts as rejected.
const SUPERSEDED: &str = "Lockstep-Closed: superseded";
/// Longer descriptions are refused by forges (GitHub takes 65,536 letters).
const LONGEST: usize = 60_000;

/// What the settings say of titles and descriptions, and where files can be looked at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts {
    /// The title; its first line counts.
    pub(crate) title: MessageTemplate,
    /// Stands before the table.
    pub(crate) body: Option<MessageTemplate>,
    /// The address of a file at a commit: `COMMIT`, `FILE` and `LINE` are replaced.
    pub(crate) file_link: Option<String>,
}

/// What a description says of the places that it is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) kind: Option<ChangeKind>,
    pub(super) moved: Vec<Moved>,
}

impl Texts {
    /// The title and the description of a batch that `commit` makes.
    pub(super) fn write(&self, batch: &Batch, commit: CommitId) -> (String, String) {
        if let Some(requested) = &batch.requested {
            let subject = requested.message.lines().next().unwrap_or_default();
            return (one_line(subject), fenced(requested.message.trim()));
        }
        let title = self.title.render(batch).lines().next().unwrap_or_default().to_owned();
        let mut text = String::new();
        if let Some(body) = &self.body {
            let _ = write!(text, "{}\n\n", body.render(batch));
        }
        text.push_str("| where | from | to | why |\n| --- | --- | --- | --- |\n");
        for change in &batch.moves {
            let row = self.row(change, commit);
            if text.len() + row.len() > LONGEST / 2 {
                text.push_str("| … | | | |\n");
                break;
            }
            text.push_str(&row);
        }
        let close = match batch.kind {
            ChangeKind::Revert => "Closing this without merging it leaves the places as they are.",
            _ => "Closing this without merging it rejects these tags at these places until newer ones appear.",
        };
        let _ = write!(text, "\n{close}\n\n{}", fenced(&message::trailers(batch)));
        (title, text)
    }

    fn row(&self, change: &Move, commit: CommitId) -> String {
        let place = &change.place;
        let shown = format!("`{}`", cell(&format!("{}:{}", place.file, change.line)));
        let link = self.file_link.as_ref().map(|link| {
            let file: String = place.file.split('/').map(escaped).collect::<Vec<_>>().join("/");
            link.replace("COMMIT", &commit.to_string()).replace("FILE", &file).replace("LINE", &change.line.to_string())
        });
        let file = link.map_or_else(|| shown.clone(), |link| format!("[{shown}]({link})"));
        let object = cell(&format!("{}/{}", place.object.short(), place.container));
        let why = change.evidence.iter().map(|line| format!("`{}`", cell(line))).collect::<Vec<_>>().join("<br>");
        format!("| `{object}`<br>{file} | `{}` | `{}` | {why} |\n", cell(&change.from), cell(&change.to))
    }
}

/// Text of others, harmless as code in a cell of a table: it ends neither. In code nothing is a link, a mention or HTML.
fn cell(text: &str) -> String {
    let text = one_line(text);
    text.chars()
        .map(|letter| match letter {
            '|' => "¦".to_owned(),
            '`' => "'".to_owned(),
            '<' => "‹".to_owned(),
            '>' => "›".to_owned(),
            letter => letter.to_string(),
        })
        .collect()
}

fn escaped(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

fn fenced(text: &str) -> String {
    format!("```text\n{}\n```\n", text.trim().replace("```", "'''"))
}

/// Whether two descriptions propose the same. The evidence may be told differently after a start without memory, and forges
/// change line ends: neither is a reason to disturb those who review.
pub(super) fn same(one: &str, other: &str) -> bool {
    let lines = |text: &str| text.replace("\r\n", "\n").trim().to_owned();
    let (said, wanted) = (read(one), read(other));
    if wanted.moved.is_empty() { lines(one) == lines(other) } else { said == wanted }
}

/// Reads a description again.
pub(super) fn read(body: &str) -> Said {
    let trailers: Vec<(String, String)> = body
        .lines()
        .filter_map(|line| line.split_once(": "))
        .filter(|(key, _)| key.starts_with("Lockstep-"))
        .map(|(key, value)| (key.to_owned(), value.trim().to_owned()))
        .collect();
    if body.lines().any(|line| line.trim() == SUPERSEDED) {
        return Said::default();
    }
    Said { kind: message::kind_of(&trailers), moved: message::moved_of(&trailers) }
}

/// The description of a request that is closed because nothing of it is wanted.
pub(super) fn superseded(body: &str) -> String {
    format!(
        "Closed by Lockstep: nothing of this is wanted any more, or it is done already.\n\n{}\n\n{}",
        body.trim(),
        fenced(SUPERSEDED)
    )
}

/// What people rejected by closing a request.
pub(super) fn rejected(request: &Request) -> Vec<Rejected> {
    let Some(at) = request.closed_at else { return Vec::new() };
    let said = read(&request.body);
    let rejected = |moved: Moved| Rejected { place: moved.place, from: moved.from, reference: moved.to, at };
    said.moved.into_iter().map(rejected).collect()
}
