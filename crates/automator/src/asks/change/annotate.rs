//! Locks, automation and policies: annotations of one object.

use std::collections::BTreeMap;

use lockstep_image::{Policy, Reference};
use lockstep_manifest::text_of;

use super::{Fulfilled, named};
use crate::asks::find::Found;
use crate::asks::{Refusal, Wish};
use crate::message::one_line;
use crate::ports::FileChange;
use crate::subject::Subject;

/// The annotations that the wish needs; for one container, if one is named.
pub(super) fn annotate(wish: &Wish, found: &Found, subject: &Subject) -> Result<Fulfilled, Refusal> {
    if found.id.name.is_empty() {
        let place = found.images.first().map(|image| found.place(image).to_string()).unwrap_or_default();
        return Err(Refusal::Unfit(format!(
            "{place} is in no object that could have an annotation; say it in a comment on its line: # lockstep: POLICY"
        )));
    }
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
    let key = match subject.container() {
        Some(container) => format!("lockstep.dev/{key}.{container}"),
        None => format!("lockstep.dev/{key}"),
    };
    if *wish == Wish::Automate && found.id.kind == "Job" && !may_be_replaced(found) {
        return Err(Refusal::Unfit(format!(
            "{name} is a Job, whose image cannot be changed in place: add lockstep.dev/replace: on-immutable first"
        )));
    }
    let refused = |error: String| Refusal::Unfit(error);
    let text = text_of(&found.file, found.bytes()).map_err(|error| refused(error.to_string()))?;
    let set: BTreeMap<String, Option<String>> = [(key, value)].into();
    let edited =
        lockstep_manifest::annotate(&found.file, text, &found.id, &set).map_err(|error| refused(error.to_string()))?;
    let files = edited.map(|text| FileChange { path: found.file.clone(), bytes: text.into_bytes() });
    let id = &found.id;
    let object = format!("{}#{}/{}/{}", found.file, id.kind, id.namespace, id.name);
    Ok(Fulfilled { summary, word, files: files.into_iter().collect(), moves: Vec::new(), objects: vec![object] })
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
