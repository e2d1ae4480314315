//! Health beyond the peers' cases: a table of objects, and what the pods of a workload say.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use jiff::Timestamp;
use lockstep_plan::{Status, Trouble, assess, pods_failure};
use serde_json::{Value, json};

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

#[track_caller]
fn check(object: Value, status: Status, reason: &str, message: &str) {
    let health = assess(&object, now());
    assert_eq!(
        (health.status, health.reason.as_str(), health.message.as_str()),
        (status, reason, message),
        "of {object}"
    );
}

fn object(api_version: &str, kind: &str, spec: Value, status: Value) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "it"}, "spec": spec, "status": status})
}

fn waiting(list: &str, reason: &str, message: &str) -> Value {
    json!({"phase": "Pending", list: [{"name": "app", "state": {"waiting": {"reason": reason, "message": message}}}]})
}

#[test]
fn the_generic_order_goes_before_the_rule_of_the_kind() {
    let mut claim = object("v1", "PersistentVolumeClaim", json!({}), json!({"phase": "Bound"}));
    claim["metadata"] = json!({"generation": 3, "deletionTimestamp": "2026-11-23T11:00:00Z"});
    claim["status"]["observedGeneration"] = 2.into();
    check(claim.clone(), Status::Terminating, "", "Resource scheduled for deletion");
    claim["metadata"].as_object_mut().unwrap().remove("deletionTimestamp");
    let message = "PersistentVolumeClaim generation is 3, but latest observed generation is 2";
    check(claim, Status::InProgress, "LatestGenerationNotObserved", message);

    let stalled = json!({"type": "Stalled", "status": "True", "reason": "Stuck", "message": "cannot go on"});
    let reconciling = json!({"type": "Reconciling", "status": "True", "reason": "Busy", "message": "at work"});
    let both = json!({"conditions": [reconciling.clone(), stalled.clone()]});
    check(object("x.example/v1", "It", json!({}), both), Status::InProgress, "Busy", "at work");
    let both = json!({"conditions": [stalled, reconciling]});
    check(object("x.example/v1", "It", json!({}), both), Status::Failed, "Stuck", "cannot go on");
}

#[test]
fn a_ready_condition_decides_for_kinds_without_a_rule() {
    let with = |status: &str| {
        let ready = json!([{"type": "Ready", "status": status, "reason": "Why", "message": "because"}]);
        object("x.example/v1", "It", json!({}), json!({"conditions": ready}))
    };
    check(with("True"), Status::Current, "", "Resource is Ready");
    check(with("False"), Status::InProgress, "Why", "because");
    check(with("Unknown"), Status::InProgress, "Why", "because");
    check(with("Perhaps"), Status::Current, "", "Resource is current");
}

#[test]
fn what_cannot_be_read_is_unknown() {
    let message = "metadata.generation is not a whole number";
    check(json!({"kind": "It", "metadata": {"generation": "1"}}), Status::Unknown, "", message);
    check(json!({"kind": "It", "status": "fine"}), Status::Unknown, "", "status is not an object");
    let phase = object("v1", "Pod", json!({}), json!({"phase": "Unknown"}));
    check(phase, Status::Unknown, "", "unknown phase Unknown");
}

#[test]
fn deployments() {
    let deployment = |spec, status| object("apps/v1", "Deployment", spec, status);
    let exceeded = json!({"conditions": [{"type": "Progressing", "status": "False",
        "reason": "ProgressDeadlineExceeded", "message": "ReplicaSet \"a\" has timed out progressing."}]});
    let message = "Progress deadline exceeded: ReplicaSet \"a\" has timed out progressing.";
    check(deployment(json!({}), exceeded.clone()), Status::Failed, "ProgressDeadlineExceeded", message);
    check(deployment(json!({"paused": true}), exceeded), Status::Suspended, "DeploymentPaused", "Deployment is paused");
    let surge = json!({"replicas": 4, "updatedReplicas": 3, "readyReplicas": 4, "availableReplicas": 4});
    check(deployment(json!({"replicas": 3}), surge), Status::InProgress, "ExtraPods", "Pending termination: 1");
    let behind = json!({"replicas": 3, "updatedReplicas": 1, "readyReplicas": 3, "availableReplicas": 3});
    check(deployment(json!({"replicas": 3}), behind), Status::InProgress, "LessUpdated", "Updated: 1/3");
}

#[test]
fn stateful_sets() {
    let rolling =
        |partition: i64| json!({"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": partition}}});
    let counters = |updated: i64, revision: &str| {
        json!({"replicas": 3, "readyReplicas": 3, "currentReplicas": 3 - updated, "updatedReplicas": updated,
            "currentRevision": "a", "updateRevision": revision})
    };
    let set = |spec, status| object("apps/v1", "StatefulSet", spec, status);
    let complete = |updated: i64| format!("Partition rollout complete. updated: {updated}");
    check(set(rolling(2), counters(1, "b")), Status::Current, "", &complete(1));
    check(set(rolling(1), counters(1, "b")), Status::InProgress, "PartitionRollout", "updated: 1/2");
    check(set(rolling(0), counters(1, "b")), Status::InProgress, "PartitionRollout", "updated: 1/3");
    let message = "Waiting for updated revision to match current";
    check(set(rolling(0), counters(3, "b")), Status::InProgress, "RevisionMismatch", message);
    check(set(rolling(0), counters(3, "a")), Status::Current, "", &complete(3));
    let on_delete = json!({"updateStrategy": {"type": "OnDelete"}});
    check(set(on_delete.clone(), json!({"replicas": 1})), Status::InProgress, "LessReady", "Ready: 0/1");
    let message = "StatefulSet is using the ondelete update strategy";
    check(set(on_delete, json!({"replicas": 1, "readyReplicas": 1})), Status::Current, "", message);
}

#[test]
fn pods_that_cannot_start() {
    let pod = |status| object("v1", "Pod", json!({}), status);
    let pull = |reason| waiting("containerStatuses", reason, "Back-off pulling image \"shop:2\"");
    for reason in ["ImagePullBackOff", "ErrImagePull", "InvalidImageName", "CreateContainerConfigError"] {
        check(pod(pull(reason)), Status::Failed, reason, "Back-off pulling image \"shop:2\"");
    }
    check(pod(pull("ContainerCreating")), Status::InProgress, "PodPending", "Pod is in the Pending phase");
    let init = waiting("initContainerStatuses", "CrashLoopBackOff", "back-off 10s restarting failed container=app");
    check(pod(init), Status::Failed, "ContainerCrashLooping", "back-off 10s restarting failed container=app");
    let evicted = json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory."});
    check(pod(evicted), Status::Failed, "Evicted", "The node was low on memory.");
}

/// The words of the kubelet (pkg/kubelet/images, kuberuntime), the scheduler and the ReplicaSet controller.
#[test]
fn failures_say_what_was_the_matter() {
    let ended = json!({"terminated": {"reason": "OOMKilled", "exitCode": 137, "message": "heap is full\n"}});
    let message = "back-off 40s; it last ended with OOMKilled, exit code 137: heap is full";
    for list in ["containerStatuses", "initContainerStatuses"] {
        let mut status = waiting(list, "CrashLoopBackOff", "back-off 40s");
        status[list][0]["lastState"] = ended.clone();
        let pod = json!({"metadata": {"name": "web-1"}, "status": status});
        let failure = pods_failure(&[pod]).unwrap();
        assert_eq!((failure.container.as_str(), failure.message.as_str()), ("app", message), "{list}");
    }
    let quota = json!({"conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
        "message": "pods \"web-1\" is forbidden: exceeded quota: small"}]});
    let message = "Pods cannot be created: pods \"web-1\" is forbidden: exceeded quota: small";
    check(object("apps/v1", "Deployment", json!({}), quota), Status::InProgress, "ReplicaFailure", message);
}

#[test]
fn a_pod_has_fifteen_seconds_to_find_a_node() {
    let scheduled = json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": "0/3 nodes are available"}]);
    let mut pod = object("v1", "Pod", json!({}), json!({"phase": "Pending", "conditions": scheduled}));
    pod["metadata"]["creationTimestamp"] = "2026-11-23T11:59:46Z".into();
    check(pod.clone(), Status::InProgress, "PodNotScheduled", "0/3 nodes are available");
    pod["metadata"]["creationTimestamp"] = "2026-11-23T11:59:45Z".into();
    check(pod, Status::Failed, "PodUnschedulable", "0/3 nodes are available");
}

#[test]
fn the_other_kinds() {
    let claim = object("v1", "PersistentVolumeClaim", json!({}), json!({"phase": "Lost"}));
    check(claim, Status::Failed, "ClaimLost", "PVC has lost the volume that it was bound to");
    let volume = |phase| object("v1", "PersistentVolume", json!({}), json!({"phase": phase, "message": "no"}));
    check(volume("Released"), Status::Current, "", "PersistentVolume is Released");
    check(volume("Failed"), Status::Failed, "VolumeFailed", "no");
    let namespace = object("v1", "Namespace", json!({}), json!({"phase": "Terminating"}));
    check(namespace, Status::Terminating, "", "Namespace is being deleted");
    let cron_job = object("batch/v1", "CronJob", json!({"suspend": true}), json!({}));
    check(cron_job, Status::Suspended, "CronJobSuspended", "CronJob is suspended");
    let names = json!({"type": "NamesAccepted", "status": "False", "reason": "Taken", "message": "taken"});
    let established = json!({"type": "Established", "status": "True", "reason": "Initial"});
    let definition = object(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        json!({}),
        json!({"conditions": [established, names]}),
    );
    check(definition, Status::Failed, "Taken", "taken");
    let address = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}});
    let balancer = object("v1", "Service", json!({"type": "LoadBalancer", "clusterIP": "10.0.0.1"}), address);
    check(balancer, Status::Current, "", "Service is ready");
}

#[test]
fn the_first_failure_that_the_release_is_to_blame_for_is_reported() {
    let named = |name: &str, status: Value| json!({"metadata": {"name": name}, "status": status});
    let unscheduled = named(
        "homeless",
        json!({"phase": "Pending",
            "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "full"}]}),
    );
    let evicted = named("evicted", json!({"phase": "Failed", "reason": "Evicted", "message": "low on memory"}));
    let ready = named("ready", json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}));
    let pulling = named("pulling", waiting("containerStatuses", "ErrImagePull", "not found"));
    let init = named("init", waiting("initContainerStatuses", "CrashLoopBackOff", "back-off"));
    let mut deleted = pulling.clone();
    deleted["metadata"]["deletionTimestamp"] = "2026-11-23T11:00:00Z".into();

    assert_eq!(pods_failure(&[ready.clone(), deleted]), None);
    let failure = pods_failure(&[ready.clone(), unscheduled.clone(), evicted.clone()]).unwrap();
    assert_eq!((failure.pod.as_str(), failure.trouble), ("homeless", Trouble::Inconclusive));
    let failure = pods_failure(&[evicted]).unwrap();
    assert_eq!((failure.reason.as_str(), failure.trouble), ("Evicted", Trouble::Inconclusive));
    let failure = pods_failure(&[unscheduled, pulling, ready]).unwrap();
    let texts = (failure.pod.as_str(), failure.container.as_str(), failure.reason.as_str(), failure.message.as_str());
    assert_eq!(texts, ("pulling", "app", "ErrImagePull", "not found"));
    assert_eq!(failure.trouble, Trouble::Failed);
    assert_eq!(pods_failure(&[init]).unwrap().reason, "CrashLoopBackOff");
}

#[test]
fn only_what_can_change_by_itself_is_watched() {
    for (group, kind, depends) in [
        ("apps", "Deployment", true),
        ("", "Service", true),
        ("", "ConfigMap", false),
        ("", "ServiceAccount", false),
        ("rbac.authorization.k8s.io", "RoleBinding", false),
        ("networking.k8s.io", "Ingress", true),
        ("networking.k8s.io", "NetworkPolicy", false),
        ("example.com", "ConfigMap", true),
    ] {
        assert_eq!(lockstep_plan::depends_on_status(group, kind), depends, "{group}/{kind}");
    }
}
