//! Choices that were made before: of ten thousand places a turn has something new for a few.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use lockstep_image::{Outcome, Selection};

use crate::decide::Known;
use crate::facts::Facts;
use crate::places::PlaceId;
use crate::survey::Place;

/// The last choice for each place. Losing it costs time only.
#[derive(Debug, Default)]
pub(crate) struct Choices {
    made: HashMap<PlaceId, (u64, Outcome)>,
}

impl Choices {
    /// What `choose` says, or what it said before where nothing has changed since that it looks at.
    pub(crate) fn of(
        &mut self,
        place: &Place,
        facts: &Facts,
        known: Known<'_>,
        choose: impl FnOnce() -> Result<Selection, String>,
    ) -> Result<Selection, String> {
        let Some(seen) = fingerprint(place, facts, known) else { return choose() };
        if let Some((_, outcome)) = self.made.get(&place.id).filter(|(before, _)| *before == seen) {
            return Ok(Selection { outcome: outcome.clone(), wants: Vec::new(), young: None });
        }
        let selection = choose()?;
        if selection.wants.is_empty() {
            self.made.insert(place.id.clone(), (seen, selection.outcome.clone()));
        } else {
            self.made.remove(&place.id);
        }
        Ok(selection)
    }

    /// Forgets places that are gone.
    pub(crate) fn keep(&mut self, places: &[Place]) {
        if self.made.len() > places.len() {
            let mut kept = std::mem::take(&mut self.made);
            self.made = places.iter().filter_map(|place| kept.remove_entry(&place.id)).collect();
        }
    }
}

/// Everything that a choice depends on; `None` where it depends on the minute, or on what is looked up anew each time. The
/// hour is in it, because a build time in the future becomes one in the past.
fn fingerprint(place: &Place, facts: &Facts, known: Known<'_>) -> Option<u64> {
    let rule = &place.policy.rule;
    let looks_up = rule.verify || !rule.platforms.is_empty() || place.policy.moves_digests();
    if rule.min_age.is_some() || looks_up || facts.has_looked_up() {
        return None;
    }
    let mut hasher = DefaultHasher::new();
    facts.revision().hash(&mut hasher);
    place.text.hash(&mut hasher);
    format!("{rule:?}").hash(&mut hasher);
    place.history.hash(&mut hasher);
    for stopped in known.stopped.of(&place.repository) {
        stopped.hash(&mut hasher);
    }
    (known.now.as_second() / 3600).hash(&mut hasher);
    Some(hasher.finish())
}

#[cfg(test)]
mod tests;
