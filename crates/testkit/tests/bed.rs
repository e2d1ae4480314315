//! The test bed itself: every server is the real one and does what the tests rely on.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use lockstep_testkit::{
    ControlPlane, GitServer, GitServerOptions, Registry, RegistryOptions, administrator, eventually, shared,
};
use secrecy::ExposeSecret;

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

/// A process of which nothing is left but its exit status counts as dead.
fn is_alive(id: u32) -> bool {
    fs::read_to_string(format!("/proc/{id}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().starts_with(" Z"))
}

#[tokio::test]
async fn a_registry_with_password_and_tls() {
    let registry =
        Registry::start(RegistryOptions { htpasswd: Some(("robot".into(), "s3cret".into())), tls: true, notify: None })
            .await
            .unwrap();
    assert_eq!(registry.tags("shop/web").await.unwrap(), Vec::<String>::new());
    let first = registry.push_image("shop/web", "1.4.2", None).await.unwrap();
    let second = registry.push_image("shop/web", "1.4.3", None).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(registry.tag_image("shop/web", "1.4.3", "latest").await.unwrap(), second);
    assert_eq!(registry.tags("shop/web").await.unwrap(), ["1.4.2", "1.4.3", "latest"]);

    let authority = reqwest::Certificate::from_pem(registry.ca_pem().unwrap().as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([authority]).build().unwrap();
    let url = format!("https://{}/v2/shop/web/tags/list", registry.address());
    assert_eq!(client.get(&url).send().await.unwrap().status(), 401);
    let answer = client.get(&url).basic_auth("robot", Some("s3cret")).send().await.unwrap();
    assert_eq!(answer.status(), 200);

    registry.delete_tag("shop/web", "latest").await.unwrap();
    registry.stop();
    assert!(client.get(&url).send().await.is_err());
    registry.resume().await.unwrap();
    assert_eq!(registry.tags("shop/web").await.unwrap(), ["1.4.2", "1.4.3"]);
}

fn git(home: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Output {
    Command::new("git")
        .args(["-c", "user.name=Robot", "-c", "user.email=robot@example.org"])
        .args(arguments)
        .current_dir(home)
        .env("HOME", home)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

/// Clones from `url`, commits and pushes; answers how the push went.
fn clone_and_push(home: &Path, environment: &[(&str, &str)], url: &str) -> Output {
    let cloned = git(home, environment, &["clone", "-q", url, "robot"]);
    assert!(cloned.status.success(), "{}", String::from_utf8_lossy(&cloned.stderr));
    let work = home.join("robot");
    fs::write(work.join("robot.yaml"), "kind: Robot\n").unwrap();
    for arguments in [vec!["add", "."], vec!["commit", "-qm", "Add the robot"]] {
        assert!(git(&work, environment, &arguments).status.success());
    }
    git(&work, environment, &["push", "-q", "origin", "HEAD:main"])
}

#[test]
fn git_over_https_with_a_password() {
    let server =
        GitServer::start(GitServerOptions { basic: Some(("robot".into(), "s3cret".into())), bearer: None, tls: true })
            .unwrap();
    let human = server.human().unwrap();
    human.write("apps/web.yaml", "kind: Deployment\n").unwrap();
    let commit = human.commit("Deploy the shop").unwrap();
    assert_eq!(human.head().unwrap(), commit);

    let home = tempfile::tempdir().unwrap();
    let authority = home.path().join("ca.pem");
    fs::write(&authority, server.ca_pem().unwrap()).unwrap();
    let trust = [("GIT_SSL_CAINFO", authority.to_str().unwrap())];
    let without = git(home.path(), &trust, &["ls-remote", &server.http_url()]);
    assert!(!without.status.success());
    let url = server.http_url().replace("https://", "https://robot:s3cret@");
    let pushed = clone_and_push(home.path(), &trust, &url);
    assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
    assert_eq!(human.show("robot.yaml").unwrap(), "kind: Robot\n");
    assert_eq!(human.show("apps/web.yaml").unwrap(), "kind: Deployment\n");

    // The human was not up to date, and still gets through.
    human.revert(&commit).unwrap();
    assert!(human.show("apps/web.yaml").is_err());
    let subjects: Vec<_> = human.log().unwrap().iter().map(|line| line[41..].to_owned()).collect();
    assert_eq!(
        subjects,
        [
            "Hanna Human: Revert \"Deploy the shop\"",
            "Robot: Add the robot",
            "Hanna Human: Deploy the shop",
            "Hanna Human: Begin",
        ]
    );
}

#[test]
fn git_over_ssh_with_the_systems_client() {
    let server = GitServer::start(GitServerOptions::default()).unwrap();
    let home = tempfile::tempdir().unwrap();
    let (identity, known) = (home.path().join("identity"), home.path().join("known_hosts"));
    fs::write(&identity, server.ssh_identity().expose_secret()).unwrap();
    fs::set_permissions(&identity, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    fs::write(&known, server.known_hosts().unwrap()).unwrap();
    let ssh = format!(
        "ssh -F none -o BatchMode=yes -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile={} -i {}",
        known.display(),
        identity.display()
    );
    let environment = [("GIT_SSH_COMMAND", ssh.as_str())];
    let pushed = clone_and_push(home.path(), &environment, &server.ssh_url());
    assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
    assert_eq!(server.human().unwrap().show("robot.yaml").unwrap(), "kind: Robot\n");

    server.stop();
    assert!(!git(home.path(), &environment, &["ls-remote", &server.ssh_url()]).status.success());
    server.resume().unwrap();
    let listed = git(home.path(), &environment, &["ls-remote", &server.ssh_url()]);
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
}

#[test]
fn a_rejecting_repository_lets_only_the_human_push() {
    let server = GitServer::start(GitServerOptions::default()).unwrap();
    server.set_rejecting(true).unwrap();
    let home = tempfile::tempdir().unwrap();
    let pushed = clone_and_push(home.path(), &[], &server.http_url());
    assert!(!pushed.status.success());
    let said = String::from_utf8_lossy(&pushed.stderr).into_owned();
    assert!(said.contains("Protected branch update failed"), "{said}");
    server.human().unwrap().commit_empty("I may").unwrap();
    server.set_rejecting(false).unwrap();
    server.human().unwrap().commit_empty("Everybody may").unwrap();
}
