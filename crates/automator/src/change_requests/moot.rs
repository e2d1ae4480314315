//! Whether a request would still change anything.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_repository::CommitId;

use crate::places;
use crate::ports::{PortError, Ports};
use crate::publish::Moved;

/// Whether none of the moves is left to make: their places hold another text than the one that would be replaced, are gone,
/// or are in another request now. A file that cannot be read may hold anything.
pub(super) async fn is_moot(
    moves: &[Moved],
    elsewhere: &BTreeSet<String>,
    head: CommitId,
    ports: &Ports<'_>,
) -> Result<bool, PortError> {
    let left: Vec<&Moved> = moves.iter().filter(|moved| !elsewhere.contains(&moved.place)).collect();
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for file in ports.branch.files(head).await? {
        if left.iter().any(|moved| moved.place.starts_with(&format!("{}#", file.path))) {
            let bytes = ports.branch.blob(file.blob).await?;
            let Ok(images) = places::parse(&file.path, bytes).await else { return Ok(false) };
            for image in images {
                texts.insert(places::place_id(&file.path, &image).to_string(), image.text);
            }
        }
    }
    Ok(left.iter().all(|moved| texts.get(&moved.place) != Some(&moved.from)))
}
