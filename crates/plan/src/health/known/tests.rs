//! The health cases that Argo CD ships for custom resources, read in place; differences with their reasons.

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "the cases are a file that may be absent")]

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::assess;

mod exceptions;
use exceptions::EXCEPTIONS;

fn cases() -> Option<String> {
    let folder = std::env::var_os("LOCKSTEP_CONFORMANCE")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"), PathBuf::from);
    let path = folder.join("argo/health_crd.jsonl");
    if !path.exists() {
        println!(
            "ignored: {} is not there (LOCKSTEP_CONFORMANCE names the folder of the peers' cases)",
            path.display()
        );
        return None;
    }
    Some(std::fs::read_to_string(path).unwrap())
}

fn status(word: &str) -> Status {
    match word {
        "Healthy" => Status::Current,
        "Progressing" => Status::InProgress,
        "Degraded" => Status::Failed,
        "Suspended" => Status::Suspended,
        _ => Status::Unknown,
    }
}

fn excepted(case: &str, ours: Status) -> Option<usize> {
    let begins = |name: &str| match name.strip_suffix('*') {
        Some(start) => case.starts_with(start),
        None => case == name,
    };
    EXCEPTIONS.iter().position(|(name, status, _)| *status == ours && begins(name))
}

#[test]
fn agrees_with_argo_on_custom_resources() {
    let Some(text) = cases() else { return };
    let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
    let (mut wrong, mut compared, mut used) = (Vec::new(), 0, vec![false; EXCEPTIONS.len()]);
    for line in text.lines().skip(1) {
        let case: Value = serde_json::from_str(line).unwrap();
        let object = &case["resource"];
        let id = case["id"].as_str().unwrap();
        compared += 1;
        let expected = status(case["expected_status"].as_str().unwrap());
        let health = assess(object, now);
        if health.status == expected {
            continue;
        }
        match excepted(id, health.status) {
            Some(index) => used[index] = true,
            None => wrong.push(format!("{id}: Argo CD says {expected}, but it is {health:?}")),
        }
    }
    wrong.extend(
        EXCEPTIONS.iter().zip(used).filter(|(_, used)| !used).map(|((name, ..), _)| format!("{name} is needless")),
    );
    assert!(compared > 1_000, "only {compared} cases were compared");
    assert!(wrong.is_empty(), "of {compared}:\n{}", wrong.join("\n"));
}

#[test]
fn no_family_hides_a_later_one() {
    for (index, family) in table::families().enumerate() {
        let kinds = if family.kinds.is_empty() { &["Anything"][..] } else { family.kinds };
        for kind in kinds {
            let group = family.group.replace('*', "some");
            let first = table::families().position(|other| other.has(&group, kind));
            assert_eq!(first, Some(index), "{group}/{kind}");
        }
    }
}

#[test]
fn what_no_controller_has_seen_is_not_current() {
    let now = Timestamp::UNIX_EPOCH;
    let certificate = json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"generation": 1}});
    let health = assess(&certificate, now);
    assert_eq!((health.status, health.reason.as_str()), (Status::InProgress, "NotObserved"));
    let mut older = certificate;
    older["status"] = json!({"conditions": [
        {"type": "Ready", "status": "True", "observedGeneration": 1, "reason": "Ready", "message": "up to date"},
    ]});
    assert_eq!(assess(&older, now).status, Status::Current);
    older["metadata"]["generation"] = 2.into();
    assert_eq!(assess(&older, now).status, Status::InProgress, "the condition speaks of an older specification");
}
