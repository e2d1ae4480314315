//! The test bed itself: the control plane is the real one and does what the tests rely on.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use lockstep_testkit::{ControlPlane, administrator, eventually, shared};

const SOON: Duration = Duration::from_secs(60);

fn deployment(tag: &str, replicas: u32) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      containers:
        - {{name: web, image: 'registry.test:5000/shop/web:{tag}'}}
        - {{name: side, image: 'registry.test:5000/shop/side:1.0'}}
"
    )
}

/// The reasons for which containers of the namespace's pods wait, by container.
async fn waiting(pods: &Api<Pod>) -> BTreeMap<String, String> {
    let mut reasons = BTreeMap::new();
    for pod in pods.list(&ListParams::default()).await.unwrap() {
        let statuses = pod.status.and_then(|status| status.container_statuses).unwrap_or_default();
        for status in statuses {
            let reason = status.state.and_then(|state| state.waiting?.reason);
            reasons.insert(status.name.clone(), reason.unwrap_or_default());
        }
    }
    reasons
}

#[tokio::test]
async fn a_deployment_becomes_available() {
    let plane = shared().await.unwrap();
    let namespace = plane.fresh_namespace("available").await.unwrap();
    plane.apply_yaml_in(&namespace, &deployment("1.4.2", 3)).await.unwrap();
    let deployments: Api<Deployment> = Api::namespaced(plane.admin_client().await.unwrap(), &namespace);
    eventually(SOON, "three replicas to be available", async || {
        let status = deployments.get("web").await.unwrap().status.unwrap_or_default();
        status.available_replicas == Some(3)
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn bad_and_crashing_images_show_in_the_status_of_the_pod() {
    let plane = shared().await.unwrap();
    for (tag, reason) in [("bad-1.5.0", "ImagePullBackOff"), ("crash-1.5.0", "CrashLoopBackOff")] {
        let namespace = plane.fresh_namespace("broken").await.unwrap();
        plane.apply_yaml_in(&namespace, &deployment(tag, 1)).await.unwrap();
        let pods: Api<Pod> = Api::namespaced(plane.admin_client().await.unwrap(), &namespace);
        eventually(SOON, reason, async || {
            let waiting = waiting(&pods).await;
            waiting.get("web").map(String::as_str) == Some(reason)
                && waiting.get("side").map(String::as_str) == Some("")
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn a_jobs_pod_plays_what_its_label_says() {
    let plane = shared().await.unwrap();
    for plays in ["complete", "fail"] {
        let namespace = plane.fresh_namespace("job").await.unwrap();
        let job = format!(
            "apiVersion: batch/v1
kind: Job
metadata: {{name: migrate}}
spec:
  backoffLimit: 0
  template:
    metadata: {{labels: {{testkit/plays: {plays}}}}}
    spec: {{restartPolicy: Never, containers: [{{name: main, image: 'migrate:1'}}]}}
"
        );
        plane.apply_yaml_in(&namespace, &job).await.unwrap();
        let jobs: Api<Job> = Api::namespaced(plane.admin_client().await.unwrap(), &namespace);
        let wanted = if plays == "complete" { "Complete" } else { "Failed" };
        eventually(SOON, wanted, async || {
            let status = jobs.get("migrate").await.unwrap().status.unwrap_or_default();
            let conditions = status.conditions.unwrap_or_default();
            conditions.iter().any(|condition| condition.type_ == wanted && condition.status == "True")
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn the_audit_log_counts_calls_and_rbac_is_real() {
    let plane = shared().await.unwrap();
    let namespace = plane.fresh_namespace("audit").await.unwrap();
    let rights = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [''], resources: [configmaps], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: reader}]
";
    plane.apply_yaml_in(&namespace, rights).await.unwrap();
    plane.apply_yaml_in(&namespace, "{apiVersion: v1, kind: ConfigMap, metadata: {name: one}}").await.unwrap();

    let maps: Api<ConfigMap> = Api::namespaced(plane.client_as(&namespace, "reader").await.unwrap(), &namespace);
    let start = Timestamp::now();
    maps.get("one").await.unwrap();
    let change = Patch::Merge(serde_json::json!({"data": {"a": "b"}}));
    let refused = maps.patch("one", &PatchParams::default(), &change).await.unwrap_err();
    assert!(refused.to_string().contains("forbidden"), "{refused}");

    let user = format!("system:serviceaccount:{namespace}:reader");
    eventually(SOON, "two calls in the audit log", async || plane.count_calls(&user, start..).unwrap().len() >= 2)
        .await
        .unwrap();
    let calls = plane.count_calls(&user, start..).unwrap();
    let seen: Vec<_> = calls.iter().map(|call| (call.verb.as_str(), call.code)).collect();
    assert_eq!(seen, [("get", 200), ("patch", 403)]);
    assert_eq!(calls.requests().to_string(), "     1  get configmaps\n     1  patch configmaps\n");
    assert!(plane.count_calls(&user, ..start).unwrap().is_empty());
    assert!(!plane.count_calls(administrator(), ..).unwrap().writes().is_empty());

    let kubeconfig = plane.kubeconfig_for(&namespace, "reader").await.unwrap();
    assert!(fs::read_to_string(kubeconfig).unwrap().contains(plane.server_url()));
}

#[tokio::test]
async fn a_definition_and_its_object_are_applied_together() {
    let plane = shared().await.unwrap();
    let text = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boats.bed.example}
spec:
  group: bed.example
  scope: Cluster
  names: {kind: Boat, plural: boats}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
---
apiVersion: bed.example/v1
kind: Boat
metadata: {name: nina}
";
    plane.apply_yaml(text).await.unwrap();
}

#[tokio::test]
async fn everything_is_gone_after_drop() {
    let plane = ControlPlane::api_only().await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(plane.admin_client().await.unwrap(), "default");
    let map = ConfigMap {
        metadata: kube::api::ObjectMeta { name: Some("x".into()), ..Default::default() },
        ..ConfigMap::default()
    };
    assert_eq!(maps.create(&PostParams::default(), &map).await.unwrap().name_any(), "x");
    let (ids, folder) = (plane.process_ids(), plane.folder().to_owned());
    assert_eq!(ids.len(), 2);
    assert!(ids.iter().all(|id| is_alive(*id)) && folder.exists());
    drop(plane);
    assert!(!ids.iter().any(|id| is_alive(*id)) && !folder.exists());
}

/// What the next test kills. Run by itself it does nothing.
#[tokio::test]
#[ignore = "is started, and killed, by nothing_outlives_a_killed_process"]
async fn hold_a_plane() {
    let Ok(report) = std::env::var("LOCKSTEP_TEST_REPORT") else { return };
    let plane = shared().await.unwrap();
    let ids: Vec<String> = plane.process_ids().iter().map(u32::to_string).collect();
    let text = format!("{}\n{}", plane.folder().display(), ids.join("\n"));
    fs::write(format!("{report}.new"), text).unwrap();
    fs::rename(format!("{report}.new"), report).unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn nothing_outlives_a_killed_process() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report");
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "hold_a_plane"])
        .env("LOCKSTEP_TEST_REPORT", &report)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let reported = eventually(3 * SOON, "the other process to start a plane", async || {
        report.exists() || holder.try_wait().unwrap().is_some()
    })
    .await;
    holder.kill().unwrap(); // SIGKILL: it cannot clean up.
    holder.wait().unwrap();
    reported.unwrap();

    let text = fs::read_to_string(&report).unwrap();
    let (plane, ids) = text.split_once('\n').unwrap();
    let ids: Vec<u32> = ids.lines().map(|id| id.parse().unwrap()).collect();
    assert_eq!(ids.len(), 5);
    eventually(SOON, "the programs and their folder to go", async || {
        !ids.iter().any(|id| is_alive(*id)) && !Path::new(plane).exists()
    })
    .await
    .unwrap();
}

/// A process of which nothing is left but its exit status counts as dead.
fn is_alive(id: u32) -> bool {
    fs::read_to_string(format!("/proc/{id}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().starts_with(" Z"))
}
