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

/// Makes the moves in a file: a refused one keeps no other from being made.
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
    // Each edit parses the whole file. So all are tried together, and halved where one of them is refused.
    let mut waiting = vec![moves];
    while let Some(mut together) = waiting.pop() {
        let edits: Vec<_> = together.iter().flat_map(|change| change.edits.iter().cloned()).collect();
        match lockstep_manifest::edit(file, &text, &edits) {
            Ok(edited) => {
                text = edited;
                made.append(&mut together);
            }
            Err(error) if together.len() == 1 => {
                refused.extend(together.pop().map(|change| (change, refusal(error.to_string()))));
            }
            Err(_) => {
                let later = together.split_off(together.len() / 2);
                waiting.extend([later, together]);
            }
        }
    }
    Edited { bytes: text.into_bytes(), made, refused }
}

fn refusal(message: String) -> Problem {
    Problem { category: "edit", message }
}

#[cfg(test)]
mod tests;
