//! The health cases that Argo CD ships for custom resources, read in place; differences with their reasons.

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "the cases are a file that may be absent")]

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::rules;
use super::*;
use crate::assess;

/// Cases with another answer than Argo CD's; what ends with `*` stands for all that begin so.
const EXCEPTIONS: &[(&str, Status, &str)] = &[
    (
        "_.cnrm.cloud.google.com/_#dependency_not_ready",
        Status::InProgress,
        "it waits for another object, and nobody asked it to stand still",
    ),
    (
        "apiextensions.k8s.io/CustomResourceDefinition#crd-v1-non-structual-degraded",
        Status::Current,
        "it is served; apiextensions.k8s.io/v1 takes no such schema any more",
    ),
    (
        "apiextensions.k8s.io/CustomResourceDefinition#crd-v1-terminating-timestamp-progressing",
        Status::Terminating,
        "deletion has a status of its own here",
    ),
    (
        "argoproj.io/Rollout#progressing_newWorkloadGeneration",
        Status::Current,
        "the generation of the Deployment that it refers to stands in no condition",
    ),
    (
        "argoproj.io/Rollout#degraded_statusPhaseMessage",
        Status::Unknown,
        "its conditions are no list, which no API server stores",
    ),
    ("argoproj.io/Rollout#healthy_*", Status::InProgress, "Argo Rollouts before 1.0 (2021) wrote no phase"),
    (
        "batch/CronJob#degraded",
        Status::Current,
        "a run that failed says nothing of what was applied; the next run may succeed",
    ),
    ("batch/CronJob#suspended", Status::Suspended, "suspension has a status of its own here"),
    ("beat.k8s.elastic.co/Beat#*", Status::InProgress, "what its controller has not reported on is on its way"),
    ("ceph.rook.io/CephCluster#degraded_warn", Status::Current, "a cluster with a warning serves"),
    (
        "cluster.x-k8s.io/Cluster#*",
        Status::InProgress,
        "a condition that is false is worked on until the phase is Failed",
    ),
    (
        "elasticsearch.k8s.elastic.co/Elasticsearch#progressing",
        Status::Current,
        "green is green; Argo CD counts nodes beside it",
    ),
    (
        "elasticsearch.k8s.elastic.co/Elasticsearch#unknown",
        Status::InProgress,
        "what its controller has not reported on is on its way",
    ),
    (
        "gateway.networking.k8s.io/BackendTLSPolicy#progressing_observed_generation",
        Status::Current,
        "one ancestor accepts the present specification; a stale condition of another says nothing",
    ),
    (
        "helm.toolkit.fluxcd.io/HelmRelease#degraded",
        Status::InProgress,
        "its controller says that it tries again (kstatus: Reconciling)",
    ),
    ("image.toolkit.fluxcd.io/*", Status::InProgress, "kstatus: not ready, and not Stalled, is on its way"),
    ("k8s.keycloak.org/Keycloak#degraded", Status::InProgress, "kstatus: the status is not of this generation"),
    ("kafka.strimzi.io/*", Status::Terminating, "deletion has a status of its own here"),
    (
        "kustomize.toolkit.fluxcd.io/Kustomization#degraded",
        Status::InProgress,
        "kstatus: not ready, and not Stalled, is on its way",
    ),
    (
        "monitoring.coreos.com/Prometheus#degraded",
        Status::InProgress,
        "no pod is ready yet, as in the first minute of every Prometheus",
    ),
    (
        "networking.gke.io/ManagedCertificate#failed",
        Status::InProgress,
        "a domain that is not visible yet may become so",
    ),
    (
        "notification.toolkit.fluxcd.io/Receiver#degraded",
        Status::InProgress,
        "its controller says that it tries again (kstatus: Reconciling)",
    ),
    ("operator.knative.dev/*", Status::InProgress, "a Ready condition of a made-up status is not ready"),
    (
        "pkg.crossplane.io/Provider#degraded_healthy",
        Status::InProgress,
        "a package that is being unpacked is on its way",
    ),
    ("policy/PodDisruptionBudget#*", Status::Current, "kstatus: a budget is a rule, not something that gets ready"),
    (
        "postgresql.cnpg.io/Cluster#cluster_degraded",
        Status::InProgress,
        "its operator says the same while it brings it up",
    ),
    (
        "projectcontour.io/HTTPProxy#parent_child",
        Status::Failed,
        "it is not valid; Argo CD forgives it for what a message says",
    ),
    (
        "psmdb.percona.com/PerconaServerMongoDB#unknown",
        Status::InProgress,
        "what its controller has not reported on is on its way",
    ),
    ("pxc.percona.com/PerconaXtraDBCluster#paused", Status::Suspended, "as for the same operator's MongoDB"),
    ("pxc.percona.com/PerconaXtraDBCluster#*", Status::InProgress, "a state between two others is on its way"),
    ("rabbitmq.com/*", Status::InProgress, "not observed, or not in this generation, is on its way"),
    (
        "source.toolkit.fluxcd.io/*",
        Status::InProgress,
        "its controller says that it tries again (kstatus: Reconciling)",
    ),
    ("stacks.crossplane.io/*", Status::InProgress, "a kind of Crossplane before 1.0 (2020)"),
];

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

fn excepted(case: &str) -> Option<usize> {
    EXCEPTIONS.iter().position(|(name, ..)| match name.strip_suffix('*') {
        Some(start) => case.starts_with(start),
        None => case == *name,
    })
}

#[test]
fn agrees_with_argo_on_custom_resources() {
    let Some(text) = cases() else { return };
    let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
    let (mut wrong, mut compared, mut used) = (Vec::new(), 0, vec![false; EXCEPTIONS.len()]);
    for line in text.lines().skip(1) {
        let case: Value = serde_json::from_str(line).unwrap();
        let object = &case["resource"];
        let (id, kind) = (case["id"].as_str().unwrap(), object["kind"].as_str().unwrap());
        let group = object["apiVersion"].as_str().unwrap().split_once('/').map_or("", |(group, _)| group);
        if rules::rule(group, kind).is_none() && !table::families().any(|family| family.has(group, kind)) {
            continue;
        }
        compared += 1;
        let expected = status(case["expected_status"].as_str().unwrap());
        let health = assess(object, now);
        match excepted(id) {
            Some(index) if health.status == EXCEPTIONS[index].1 && health.status != expected => used[index] = true,
            Some(_) if health.status == expected => {}
            _ if health.status == expected => {}
            _ => wrong.push(format!("{id}: Argo CD says {expected}, but it is {health:?}")),
        }
    }
    wrong.extend(
        EXCEPTIONS.iter().zip(used).filter(|(_, used)| !used).map(|((name, ..), _)| format!("{name} is needless")),
    );
    assert!(compared > 300, "only {compared} cases were compared");
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
