//! Entries of managed fields that would keep a field alive which Git no longer has, or take one along that shall stay.
//!
//! Each function answers with the whole new list, to be written with the resource version that it was read at, or with
//! nothing where the list is right as it is.

use serde_json::Value;

use crate::cover::ListNode;
use crate::fieldset::{remove, unite, without};
use crate::live::{FIELD_MANAGER, LiveMetadata, ManagedFields, is_own};
use crate::render::Rendered;

/// What `kubectl apply` without `--server-side` writes, and the annotation by which its entry can be told under any name.
const CLIENT_SIDE_APPLY: &str = "kubectl-client-side-apply";
const LAST_APPLIED: [&str; 3] = ["f:metadata", "f:annotations", "f:kubectl.kubernetes.io/last-applied-configuration"];

/// Entries for all that was there before somebody began to apply, or before a backup was restored.
const LEFTOVERS: [&str; 3] = ["before-first-apply", "velero-server", "velero"];

/// Tools that made whole objects before these became ours. What they and we own both would outlive its removal in Git.
const FORMER_OWNERS: [&str; 7] = [
    "kubectl-create",
    "kubectl-replace",
    "helm",
    "helm-controller",
    "kustomize-controller",
    "argocd-controller",
    "argocd-application-controller",
];

/// The list for an object that becomes ours, or whose managed fields were cleared or restored. Ask before the apply and
/// again with its answer.
///
/// Fields of client-side applies become ours, so that the next apply removes those that Git lacks, the annotation
/// `last-applied-configuration` included. An entry in another version of the kind is united all the same: the server
/// passes over names that it does not know. Once our own entry is there, leftovers go, and what former owners share with
/// us is ours alone.
pub fn migrate(live: &LiveMetadata) -> Option<Vec<ManagedFields>> {
    let (client_side, mut entries): (Vec<_>, Vec<_>) =
        live.managed_fields.iter().cloned().partition(is_client_side_apply);
    if let Some(own) = live.own_entry() {
        entries.retain(|entry| !(is_update(entry) && LEFTOVERS.contains(&entry.manager.as_str())));
        entries = entries.into_iter().filter_map(|entry| without_shared(entry, own)).collect();
    }
    if let Some(first) = client_side.first() {
        let position = entries.iter().position(is_own).unwrap_or_else(|| {
            entries.push(ManagedFields {
                manager: FIELD_MANAGER.to_owned(),
                operation: "Apply".to_owned(),
                fields: Value::Null,
                ..first.clone()
            });
            entries.len() - 1
        });
        for entry in &client_side {
            unite(&mut entries[position].fields, &entry.fields);
        }
    }
    (entries != live.managed_fields).then_some(entries)
}

fn is_update(entry: &ManagedFields) -> bool {
    entry.operation == "Update" && entry.subresource.is_none()
}

fn is_client_side_apply(entry: &ManagedFields) -> bool {
    let has_annotation = || LAST_APPLIED.iter().try_fold(&entry.fields, |node, name| node.get(name)).is_some();
    is_update(entry) && (entry.manager == CLIENT_SIDE_APPLY || has_annotation())
}

fn without_shared(mut entry: ManagedFields, own: &ManagedFields) -> Option<ManagedFields> {
    if entry.subresource.is_none() && FORMER_OWNERS.contains(&entry.manager.as_str()) {
        entry.fields = without(&entry.fields, &own.fields)?;
    }
    Some(entry)
}

/// The list with which an apply does not remove the fields that Git leaves to others from now on: our entry lets go of
/// them, and their values stay as they are.
///
/// Without it, a Deployment whose replicas an autoscaler takes over would be scaled to one.
pub fn let_go(rendered: &Rendered, live: &LiveMetadata) -> Option<Vec<ManagedFields>> {
    let ignored: Vec<String> = rendered.ignored().collect();
    without_fields(live, &rendered.body.value(), ignored.iter().map(String::as_str))
}

fn without_fields<'p>(
    live: &LiveMetadata,
    git: &Value,
    ignored: impl IntoIterator<Item = &'p str>,
) -> Option<Vec<ManagedFields>> {
    let mut entries = live.managed_fields.clone();
    let own = entries.iter_mut().find(|entry| is_own(entry))?;
    let mut changed = false;
    for pointer in ignored {
        let path = node_names(&own.fields, git, pointer);
        let path: Option<Vec<&str>> = path.as_ref().map(|path| path.iter().map(String::as_str).collect());
        changed |= path.is_some_and(|path| remove(&mut own.fields, &path));
    }
    changed.then_some(entries)
}

/// The names of the nodes on the way to the field that a JSON pointer names.
fn node_names(fields: &Value, git: &Value, pointer: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let (mut node, mut value) = (fields, Some(git));
    for token in pointer.strip_prefix('/')?.split('/') {
        let token = token.replace("~1", "/").replace("~0", "~");
        let item = value.and_then(Value::as_array).and_then(|items| items.get(token.parse::<usize>().ok()?));
        let name = match item {
            Some(item) => ListNode::read(node).name_of(item)?,
            None => format!("f:{token}"),
        };
        value = item.or_else(|| value?.get(&token));
        node = node.get(&name)?;
        names.push(name);
    }
    Some(names)
}

#[cfg(test)]
mod tests;
