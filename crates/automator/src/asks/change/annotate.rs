//! Locks, automation and policies: annotations of one object, or comments of its images.

use std::collections::BTreeMap;

use lockstep_image::{Policy, Reference};
use lockstep_manifest::{EditError, Form, ImagePlace, say, text_of};

use super::{Fulfilled, named};
use crate::asks::find::Found;
use crate::asks::{Refusal, Wish};
use crate::message::one_line;
use crate::ports::FileChange;
use crate::subject::Subject;

/// The annotations and comments that the wish needs; for one container, if one is named.
pub(super) fn annotate(wish: &Wish, found: &Found, subject: &Subject) -> Result<Fulfilled, Refusal> {
    let name = match subject.container() {
        Some(container) => format!("{}, container {container}", named(found)),
        None => named(found),
    };
    let (key, value, word, summary) = match wish {
        Wish::Lock { reason } if reason.trim().is_empty() => {
            return Err(Refusal::Invalid("say why it is locked".to_owned()));
        }
        Wish::Lock { reason } => {
            let reason = one_line(reason.trim());
            ("locked", Some(reason.clone()), "lock", format!("Lock {name}: {reason}"))
        }
        Wish::Unlock => ("locked", None, "unlock", format!("Unlock {name}")),
        Wish::Automate => ("automated", Some("true".to_owned()), "automate", format!("Automate {name}")),
        Wish::Deautomate => ("automated", Some("false".to_owned()), "deautomate", format!("Stop automating {name}")),
        Wish::Policy(policy) => {
            check(policy, found)?;
            ("policy", Some(policy.clone()), "policy", format!("Set the policy of {name} to {policy}"))
        }
        Wish::Release { .. } => return Err(Refusal::Invalid("a release is no annotation".to_owned())),
    };
    if *wish == Wish::Automate && found.id.kind == "Job" && !may_be_replaced(found) {
        return Err(Refusal::Unfit(format!(
            "{name} is a Job, whose image cannot be changed in place: add lockstep.dev/replace: on-immutable first"
        )));
    }
    let text = text_of(&found.file, found.bytes()).map_err(|error| Refusal::Unfit(error.to_string()))?;
    let edited =
        written(text, found, subject, key, value.as_deref()).map_err(|error| Refusal::Unfit(error.to_string()))?;
    let files = (edited != text).then(|| FileChange { path: found.file.clone(), bytes: edited.into_bytes() });
    let id = &found.id;
    let object = format!("{}#{}/{}/{}", found.file, id.kind, id.namespace, id.name);
    Ok(Fulfilled { summary, word, files: files.into_iter().collect(), moves: Vec::new(), objects: vec![object] })
}

/// The file with the key said where it counts: in the comments of images that have one, since those are stronger than
/// annotations, and of images without an object; else in the object's annotation. A lock of the object wins always.
fn written(text: &str, found: &Found, subject: &Subject, key: &str, value: Option<&str>) -> Result<String, EditError> {
    let of_object = !found.id.name.is_empty();
    let counts = |image: &&ImagePlace| match image.comment.as_ref().filter(|_| image.form != Form::Setter) {
        Some(comment) if of_object && key == "locked" => value.is_none() && comment.options.contains_key(key),
        Some(_) => true,
        None => !of_object,
    };
    let mut edited = text.to_owned();
    let mut commented = 0;
    for image in found.images.iter().filter(counts) {
        let (policy, options) = match key {
            "policy" => (value, BTreeMap::new()),
            key => (None, [(key.to_owned(), value.map(str::to_owned))].into()),
        };
        edited = say(&found.file, &edited, image, policy, &options)?.unwrap_or(edited);
        commented += 1;
    }
    if of_object && (key == "locked" || commented < found.images.len()) {
        let key = match subject.container() {
            Some(container) => format!("lockstep.dev/{key}.{container}"),
            None => format!("lockstep.dev/{key}"),
        };
        let set = [(key, value.map(str::to_owned))].into();
        edited = lockstep_manifest::annotate(&found.file, &edited, &found.id, &set)?.unwrap_or(edited);
    }
    Ok(edited)
}

/// A policy that could not be read would leave the object without any updates.
fn check(policy: &str, found: &Found) -> Result<(), Refusal> {
    for image in &found.images {
        let reference: Option<Reference> = image.text.parse().ok();
        let current = reference.as_ref().and_then(Reference::tag);
        Policy::parse(policy, current).map_err(|error| Refusal::Invalid(format!("{policy:?}: {error}")))?;
    }
    Ok(())
}

fn may_be_replaced(found: &Found) -> bool {
    let replaced = |value: &String| value == "on-immutable";
    found.images.iter().any(|image| image.annotations.get("lockstep.dev/replace").is_some_and(replaced))
}
