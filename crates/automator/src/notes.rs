//! What clusters proved about places, for those who ask why a place is as it is.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::board::BranchKey;
use crate::clusters::is_below;
use crate::revert::{Judged, Judgement};

/// The judgements of each branch, as its loop last made them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes(Arc<RwLock<BTreeMap<BranchKey, Vec<Note>>>>);

#[derive(Debug)]
struct Note {
    path: String,
    /// The file of the place that was found to be the cause.
    file: Option<String>,
    /// As [`lockstep_manifest::ObjectId::short`] writes it, with the namespace `default` left out or not.
    objects: [String; 2],
    container: String,
    reference: String,
    text: String,
}

impl Notes {
    /// Replaces the notes of a branch.
    pub(crate) fn put(&self, branch: &BranchKey, judged: &[Judged]) {
        let notes: Vec<Note> = judged.iter().map(note).collect();
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(branch.clone(), notes);
    }

    /// What is to be said of a place that holds `reference`.
    pub(crate) fn of(
        &self,
        branch: &BranchKey,
        file: &str,
        object: &str,
        container: &str,
        reference: &str,
    ) -> Option<String> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let note = all.get(branch)?.iter().find(|note| {
            note.container == container
                && note.reference == reference
                && note.objects.iter().any(|known| known == object)
                && note.file.as_ref().map_or_else(|| is_below(file, &note.path), |known| known == file)
        });
        note.map(|note| note.text.clone())
    }
}

fn note(judged: &Judged) -> Note {
    let Judged { failure, place, judgement } = judged;
    let what_now = match judgement {
        Judgement::Nothing(reason) => format!("left as it is: {reason}"),
        Judgement::Ignore => "ignored, as its on-failure says".to_owned(),
        Judgement::Hold => "it goes to no further place; revert it by hand, or wait for a newer tag".to_owned(),
        Judgement::Revert(_) => "it is being taken back".to_owned(),
        Judgement::Request => "a request to take it back is open".to_owned(),
        Judgement::Person(reason) => format!("needs a person: {reason}"),
        Judgement::Wait(reason) => format!("it will be taken back; waiting: {reason}"),
    };
    let text = format!("failed in {}: {}; {what_now}", failure.cluster, failure.message);
    if let Some((place, holds)) = place {
        let object = place.object.short();
        return Note {
            path: failure.path.clone(),
            file: Some(place.file.clone()),
            objects: [object.clone(), object],
            container: place.container.clone(),
            reference: holds.clone(),
            text,
        };
    }
    let workload = &failure.workload;
    let short = format!("{}/{}", workload.kind, workload.name);
    let full = format!("{}/{}/{}", workload.kind, workload.namespace, workload.name);
    Note {
        path: failure.path.clone(),
        file: None,
        objects: [if workload.namespace == "default" { short } else { full.clone() }, full],
        container: workload.container.clone(),
        reference: failure.reference.clone(),
        text,
    }
}
