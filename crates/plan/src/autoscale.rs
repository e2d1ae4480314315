//! Replicas belong to the autoscaler, if there is one: to apply them again would undo its work each time.

use std::collections::HashMap;

use lockstep_manifest::ObjectId;
use serde_json::Value;

use crate::instructions::{Autoscaled, FieldPointer};
use crate::render::{Body, Rendered, seal};

/// Takes `/spec/replicas` out of every workload that a HorizontalPodAutoscaler or a ScaledObject of KEDA in the same
/// commit targets, and gives it back to a workload whose autoscaler is gone. Call it on all objects of a commit.
pub fn leave_to_autoscalers(wanted: &mut [Rendered]) {
    let targets: HashMap<ObjectId, ObjectId> = wanted.iter().filter_map(target).collect();
    for rendered in wanted {
        let known = rendered.instructions.as_ref().and_then(|instructions| instructions.autoscaled.as_ref());
        match (targets.get(&rendered.object.id), known.map(|known| &known.by)) {
            (Some(by), None) => leave(rendered, by),
            (None, Some(_)) => give_back(rendered),
            _ => {}
        }
    }
}

/// The workload that an autoscaler scales, and the autoscaler.
fn target(rendered: &Rendered) -> Option<(ObjectId, ObjectId)> {
    let id = &rendered.object.id;
    // KEDA says Deployment where its target says nothing; an HPA always says.
    let (api_version, kind) = match (id.group.as_str(), id.kind.as_str()) {
        ("autoscaling", "HorizontalPodAutoscaler") => ("", ""),
        ("keda.sh", "ScaledObject") => ("apps/v1", "Deployment"),
        _ => return None,
    };
    let body = rendered.body.value();
    let text = |name: &str| body["spec"]["scaleTargetRef"][name].as_str().filter(|text| !text.is_empty());
    let group = text("apiVersion").unwrap_or(api_version).rsplit_once('/').map_or("", |(group, _)| group);
    let target = ObjectId::new(group, text("kind").unwrap_or(kind), id.namespace.as_str(), text("name")?);
    Some((target, id.clone()))
}

fn leave(rendered: &mut Rendered, by: &ObjectId) {
    let pointer = FieldPointer::replicas();
    let replicas = change(rendered, |body| {
        let replicas = pointer.get(body).cloned();
        pointer.remove(body);
        replicas
    });
    let instructions = rendered.instructions.get_or_insert_default();
    if !instructions.ignore_fields.contains(&pointer) {
        instructions.ignore_fields.push(pointer);
        instructions.autoscaled = Some(Autoscaled { by: by.clone(), replicas });
    }
}

fn give_back(rendered: &mut Rendered) {
    let Some(instructions) = &mut rendered.instructions else { return };
    instructions.ignore_fields.retain(|pointer| *pointer != FieldPointer::replicas());
    let replicas = instructions.autoscaled.take().and_then(|autoscaled| autoscaled.replicas);
    if **instructions == Default::default() {
        rendered.instructions = None;
    }
    if let Some(replicas) = replicas {
        change(rendered, |body| body["spec"]["replicas"] = replicas);
    }
}

fn change<T>(rendered: &mut Rendered, make: impl FnOnce(&mut Value) -> T) -> T {
    let mut body = rendered.body.value();
    let made = make(&mut body);
    rendered.hash = seal(&mut body);
    rendered.body = Body::of(&body);
    made
}

#[cfg(test)]
mod tests;
