//! What other tools' annotations mean here.
//!
//! Read from their documentation and sources: Flux (kustomize-controller, "Controlling the apply behavior of resources"),
//! Flux 1 (`fluxcd.io/ignore`), Argo CD ("Sync Options", "Sync Phases and Waves"), cli-utils
//! (`client.lifecycle.config.k8s.io/deletion`, `config.kubernetes.io/depends-on`), Helm (`helm.sh/resource-policy`, hooks).

use super::{ApplyMode, Instructions, dependencies, wave};

const FLUX: &str = "kustomize.toolkit.fluxcd.io/";
const SYNC_OPTIONS: &str = "argocd.argoproj.io/sync-options";
const KEYS: [&str; 12] = [
    "kustomize.toolkit.fluxcd.io/ssa",
    "kustomize.toolkit.fluxcd.io/prune",
    "kustomize.toolkit.fluxcd.io/reconcile",
    "kustomize.toolkit.fluxcd.io/force",
    "fluxcd.io/ignore",
    SYNC_OPTIONS,
    "argocd.argoproj.io/sync-wave",
    "argocd.argoproj.io/hook",
    "config.kubernetes.io/depends-on",
    "client.lifecycle.config.k8s.io/deletion",
    "helm.sh/resource-policy",
    "helm.sh/hook",
];

pub(super) fn is_known(key: &str) -> bool {
    KEYS.contains(&key)
}

/// Flux reads its own from labels too.
pub(super) fn is_label(key: &str) -> bool {
    key.starts_with(FLUX)
}

/// Takes one annotation in. Nothing that was said before becomes less careful by it.
pub(super) fn read(into: &mut Instructions, key: &str, value: &str) -> Result<(), String> {
    let value = value.trim();
    match key {
        "config.kubernetes.io/depends-on" => into.depends_on = dependencies(value)?,
        "argocd.argoproj.io/sync-wave" => into.wave = Some(wave(value)?),
        "argocd.argoproj.io/hook" | "helm.sh/hook" => into.hook = Some(format!("{key}: {value}")),
        SYNC_OPTIONS => return sync_options(into, value),
        _ => return switch(into, key, &value.to_ascii_lowercase()),
    }
    Ok(())
}

fn switch(into: &mut Instructions, key: &str, value: &str) -> Result<(), String> {
    match (key.strip_prefix(FLUX).unwrap_or(key), value) {
        ("ssa", "merge" | "override")
        | ("prune" | "reconcile", "enabled")
        | ("force", "disabled")
        | ("fluxcd.io/ignore", "false") => {}
        ("ssa", "ifnotpresent") => into.apply = into.apply.max(ApplyMode::CreateOnly),
        ("ssa", "ignore") | ("reconcile", "disabled") | ("fluxcd.io/ignore", "true") => into.apply = ApplyMode::Ignore,
        ("prune", "disabled")
        | ("fluxcd.io/ignore", "sync_only")
        | ("client.lifecycle.config.k8s.io/deletion", "detach")
        | ("helm.sh/resource-policy", "keep") => into.prune_never = true,
        ("force", "enabled") => into.replace_on_immutable = true,
        ("ssa", _) => return Err("must be Merge, Override, IfNotPresent or Ignore".to_owned()),
        ("prune" | "reconcile" | "force", _) => return Err("must be enabled or disabled".to_owned()),
        ("fluxcd.io/ignore", _) => return Err("must be \"true\", \"false\" or sync_only".to_owned()),
        ("client.lifecycle.config.k8s.io/deletion", _) => return Err("must be detach".to_owned()),
        ("helm.sh/resource-policy", _) => return Err("must be keep".to_owned()),
        _ => {}
    }
    Ok(())
}

fn sync_options(into: &mut Instructions, value: &str) -> Result<(), String> {
    for option in value.split(',').map(str::trim).filter(|option| !option.is_empty()) {
        match option.split_once('=').unwrap_or((option, "")) {
            // To ask a person before each deletion is Argo CD's business; not deleting is the careful half of it.
            ("Prune" | "Delete", "false" | "confirm") => into.prune_never = true,
            ("Replace" | "Force", "true") => into.replace_on_immutable = true,
            ("Prune" | "Delete", "true") | ("Replace" | "Force", "false") => {}
            (name @ ("Prune" | "Delete" | "Replace" | "Force"), _) => {
                return Err(format!("has a value for {name} that cannot be read"));
            }
            _ => {}
        }
    }
    Ok(())
}
