//! Which moves of a request would still change something.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_repository::CommitId;

use crate::places;
use crate::ports::{PortError, Ports};
use crate::publish::Moved;

/// A move that is left to make.
pub(super) struct Standing {
    pub(super) place: String,
    /// Its file cannot be read, so that its place may hold anything.
    pub(super) unreadable: bool,
}

/// What the places of moves hold.
struct Held {
    texts: BTreeMap<String, String>,
    /// Files whose places may hold anything.
    unreadable: BTreeSet<String>,
}

/// Those of the moves whose places still hold the text that would be replaced.
pub(super) async fn standing(moves: &[Moved], head: CommitId, ports: &Ports<'_>) -> Result<Vec<Standing>, PortError> {
    let Held { texts, unreadable } = held(moves, head, ports).await?;
    let stands = |moved: &Moved| {
        let unreadable = unreadable.iter().any(|file| is_in(moved, file));
        let there = unreadable || texts.get(&moved.place) == Some(&moved.from);
        there.then(|| Standing { place: moved.place.clone(), unreadable })
    };
    Ok(moves.iter().filter_map(stands).collect())
}

/// Whether the places of all moves hold what they were to get.
pub(super) async fn are_made(moves: &[Moved], head: CommitId, ports: &Ports<'_>) -> Result<bool, PortError> {
    let Held { texts, .. } = held(moves, head, ports).await?;
    Ok(moves.iter().all(|moved| texts.get(&moved.place) == Some(&moved.to)))
}

fn is_in(moved: &Moved, file: &str) -> bool {
    moved.place.strip_prefix(file).is_some_and(|rest| rest.starts_with('#'))
}

async fn held(moves: &[Moved], head: CommitId, ports: &Ports<'_>) -> Result<Held, PortError> {
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    let mut unreadable: BTreeSet<String> = BTreeSet::new();
    for file in ports.branch.files(head).await? {
        if !moves.iter().any(|moved| is_in(moved, &file.path)) {
            continue;
        }
        match places::parse(&file.path, ports.branch.blob(file.blob).await?).await {
            Ok(images) => {
                let place = |image| (places::place_id(&file.path, &image).to_string(), image.text);
                texts.extend(images.into_iter().map(place));
            }
            Err(_) => drop(unreadable.insert(file.path)),
        }
    }
    Ok(Held { texts, unreadable })
}
