//! Moves become bytes: the scalars of one place each, or a refusal.

use lockstep_manifest::text_of;

use crate::board::Problem;
use crate::publish::Move;

/// A file with its moves made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edited {
    pub(crate) bytes: Vec<u8>,
    /// Those that were made.
    pub(crate) made: Vec<Move>,
    /// Those that were refused, by file, line and reason.
    pub(crate) refused: Vec<(Move, Problem)>,
}

/// Makes the moves in a file, each on its own: a refused one keeps no other from being made.
pub(crate) fn edit(file: &str, bytes: &[u8], moves: Vec<Move>) -> Edited {
    let mut text = match text_of(file, bytes) {
        Ok(text) => text.to_owned(),
        Err(error) => {
            let refused = moves.into_iter().map(|change| (change, refusal(error.to_string()))).collect();
            return Edited { bytes: bytes.to_owned(), made: Vec::new(), refused };
        }
    };
    let mut made = Vec::new();
    let mut refused = Vec::new();
    for change in moves {
        match lockstep_manifest::edit(file, &text, &change.edits) {
            Ok(edited) => {
                text = edited;
                made.push(change);
            }
            Err(error) => refused.push((change, refusal(error.to_string()))),
        }
    }
    Edited { bytes: text.into_bytes(), made, refused }
}

fn refusal(message: String) -> Problem {
    Problem { category: "edit", message }
}

#[cfg(test)]
mod tests;
