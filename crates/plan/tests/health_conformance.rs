//! The peers' own health cases, read in place, and the list of those that Lockstep answers differently on purpose.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by panicking")]
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "the cases are files that may be absent")]

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use lockstep_plan::{Health, Status, assess};
use serde_json::Value;

/// Cases with another answer than the peer's: (case, our status, our reason, why).
const EXCEPTIONS: &[(&str, Status, &str, &str)] = &[
    (
        "upstream/TestPodStatus/podCompletedFailed",
        Status::Failed,
        "PodFailed",
        "a pod that ended with an error did not do what was asked of it",
    ),
    (
        "upstream/TestJobStatus/jobInProgress",
        Status::InProgress,
        "JobInProgress",
        "who waits for a Job waits for its end, not for its start",
    ),
    (
        "upstream/TestServiceStatus/serviceLBok",
        Status::InProgress,
        "NoIPAssigned",
        "a load balancer without an address cannot be reached",
    ),
    (
        "upstream/TestSuspendedJobConditions",
        Status::Suspended,
        "JobSuspended",
        "suspension has a status of its own here",
    ),
    ("flux/job/2", Status::Suspended, "JobSuspended", "suspension has a status of its own here"),
    (
        "builtin/daemonset-ondelete",
        Status::InProgress,
        "NoGeneration",
        "the case has no metadata.generation, which no object from an API server lacks; kstatus asks for it",
    ),
    (
        "builtin/knative-service",
        Status::InProgress,
        "NotObserved",
        "Argo CD keeps its answers for custom resources elsewhere; our table has the kind",
    ),
    (
        "builtin/application-degraded",
        Status::Failed,
        "Phase",
        "Argo CD keeps its answers for custom resources elsewhere; our table has the kind",
    ),
    ("builtin/pod-deletion", Status::Terminating, "", "deletion has a status of its own here"),
    (
        "builtin/pod-error",
        Status::InProgress,
        "PodRunningNotReady",
        "between two restarts; a crash loop shows itself as CrashLoopBackOff",
    ),
    (
        "builtin/pod-running-restart-never",
        Status::Current,
        "",
        "a ready pod is ready; Argo CD takes its restart policy to mean a hook",
    ),
    (
        "builtin/pod-running-restart-never-hook-with-ignore-annotation",
        Status::Current,
        "",
        "a ready pod is ready; there are no Argo CD hooks here",
    ),
    (
        "builtin/pod-running-restart-onfailure",
        Status::Failed,
        "ContainerCrashLooping",
        "a crash loop is a failure whatever the restart policy, as in kstatus",
    ),
];

fn conformance(file: &str) -> Option<String> {
    let folder = std::env::var_os("LOCKSTEP_CONFORMANCE")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"), PathBuf::from);
    let path = folder.join(file);
    if !path.exists() {
        println!(
            "ignored: {} is not there (set LOCKSTEP_CONFORMANCE to the folder of the peers' cases)",
            path.display()
        );
        return None;
    }
    Some(fs::read_to_string(path).unwrap())
}

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

/// Compares with the peer's answer, or with ours where it is an exception; an exception that has become needless fails.
fn judge(id: &str, health: &Health, status: Status, reason: Option<&str>, wrong: &mut Vec<String>) {
    let agrees = health.status == status && reason.is_none_or(|reason| health.reason == reason);
    if let Some((_, ours, our_reason, _)) = EXCEPTIONS.iter().find(|(case, ..)| *case == id) {
        if (health.status, health.reason.as_str()) != (*ours, *our_reason) {
            wrong.push(format!("{id}: the exception says {ours} {our_reason:?}, but it is {health:?}"));
        }
        if agrees {
            wrong.push(format!("{id}: agrees with the peer, so the exception is needless"));
        }
    } else if !agrees {
        wrong.push(format!("{id}: the peer says {status} {reason:?}, but it is {health:?}"));
    }
}

fn status(word: &str) -> Status {
    match word {
        "Current" | "Healthy" => Status::Current,
        "InProgress" | "Progressing" => Status::InProgress,
        "Failed" | "Degraded" => Status::Failed,
        "Suspended" => Status::Suspended,
        "Terminating" => Status::Terminating,
        "Unknown" => Status::Unknown,
        other => panic!("the case has an unknown status {other}"),
    }
}

#[test]
fn agrees_with_kstatus() {
    let Some(text) = conformance("kstatus/cases.jsonl") else { return };
    let text = text.replace("@NOW@", &now().to_string());
    let mut wrong = Vec::new();
    let mut cases = 0;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let case: Value = serde_json::from_str(line).unwrap();
        let id = case["id"].as_str().unwrap();
        let expect = &case["expect"];
        let health = assess(&case["object"], now());
        let reason = expect["reason"].as_str().unwrap_or_default();
        judge(id, &health, status(expect["status"].as_str().unwrap()), Some(reason), &mut wrong);
        let excepted = EXCEPTIONS.iter().any(|(case, ..)| *case == id);
        if let Some(message) = expect["message_from_rules"].as_str()
            && !excepted
            && health.message != message
        {
            wrong.push(format!("{id}: the message should be {message:?}, but it is {:?}", health.message));
        }
        cases += 1;
    }
    assert!(cases >= 50, "only {cases} cases were read");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The Job cases; what the file says of CEL and of waiting is not about one object's health.
#[test]
fn agrees_with_flux_on_jobs() {
    let Some(text) = conformance("flux2/health.json") else { return };
    let data: Value = serde_json::from_str(&text).unwrap();
    let mut wrong = Vec::new();
    for (number, case) in data["job"].as_array().unwrap().iter().enumerate() {
        let mut job = case["job"].clone();
        job["apiVersion"] = "batch/v1".into();
        job["kind"] = "Job".into();
        let id = format!("flux/job/{number}");
        let health = assess(&job, now());
        judge(&id, &health, status(case["want"].as_str().unwrap()), case["reason"].as_str(), &mut wrong);
        if let Some(message) = case["message"].as_str()
            && !health.message.contains(message)
        {
            wrong.push(format!("{id}: {message:?} is not in {:?}", health.message));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn agrees_with_argo_on_built_in_kinds() {
    let Some(text) = conformance("argo/health_builtin.json") else { return };
    let data: Value = serde_json::from_str(&text).unwrap();
    let cases = data["cases"].as_array().unwrap();
    let mut wrong = Vec::new();
    for case in cases {
        let health = assess(&case["resource"], now());
        // Where Argo CD has no opinion, kstatus' general rules hold, and none of those objects says anything of itself.
        let expected = case["expected_status"].as_str().unwrap_or("Current");
        judge(case["id"].as_str().unwrap(), &health, status(expected), None, &mut wrong);
    }
    assert!(cases.len() >= 45, "only {} cases were read", cases.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
