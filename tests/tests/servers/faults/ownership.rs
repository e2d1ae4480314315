//! Whose an object is: marks that are taken away, copied and inherited, and what stays whatever Git says.

use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::bed::{Bed, config_map, version};
use crate::plane::api;

async fn patch(bed: &Bed, name: &str, change: Value) {
    let params = PatchParams { field_manager: Some("kubectl-edit".into()), ..PatchParams::default() };
    bed.maps().patch(name, &params, &Patch::Merge(change)).await.unwrap();
}

/// F4: somebody takes our marks away, from an object that Git wants and from one that just left it.
#[tokio::test(flavor = "multi_thread")]
async fn f4_marks_come_back_and_without_them_nothing_is_deleted() {
    let (mut bed, _) = Bed::with_maps("f4", 3).await;
    let unmarked = json!({"metadata": {"labels": null, "annotations": null}});
    patch(&bed, "c0", unmarked.clone()).await;
    bed.wait("the marks", async || bed.maps().get("c0").await.unwrap().metadata.labels.is_some()).await;
    bed.stop().await;
    patch(&bed, "c1", unmarked).await;
    let theirs = version(&bed.maps().get("c1").await.unwrap());
    bed.remove("c1");
    let commit = bed.commit("Remove the one without marks");
    bed.start().await;
    bed.until_ready(&commit).await;
    assert_eq!(version(&bed.maps().get("c1").await.unwrap()), theirs);
    bed.finish(&commit, &[]).await;
}

/// F5: somebody saves an object of ours under another name, marks and all.
#[tokio::test(flavor = "multi_thread")]
async fn f5_a_copy_is_not_ours() {
    let (bed, first) = Bed::with_maps("f5", 3).await;
    let mut copy = bed.maps().get("c0").await.unwrap();
    copy.metadata.name = Some("copy".into());
    (copy.metadata.uid, copy.metadata.resource_version, copy.metadata.managed_fields) = (None, None, None);
    let copy = bed.maps().create(&PostParams::default(), &copy).await.unwrap();
    bed.until_ready(&first).await;
    bed.remove("c0");
    let commit = bed.commit("Remove the original");
    bed.until_ready(&commit).await;
    assert_eq!(version(&bed.maps().get("copy").await.unwrap()), version(&copy));
    bed.maps().delete("copy", &DeleteParams::default()).await.unwrap();
    bed.finish(&commit, &["c0"]).await;
}

const WEB: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: SHOP}\n\
    spec:\n  replicas: 2\n  selector: {matchLabels: {app: web}}\n  template:\n    \
    metadata: {labels: {app: web, lockstep.dev/sync: shop, lockstep.dev/sync-namespace: HOME}}\n    \
    spec: {containers: [{name: web, image: \"registry.example/web:1\"}]}\n---\n\
    apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: SHOP}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n";
const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: alone, namespace: SHOP}\n\
    spec: {containers: [{name: web, image: \"registry.example/web:1\"}]}\n";

/// F6: real controllers hand our labels on to what they make.
#[tokio::test(flavor = "multi_thread")]
async fn f6_children_are_nobodys_business() {
    let mut bed = Bed::make("f6").await;
    let fill = |text: &str| text.replace("SHOP", &bed.shop).replace("HOME", &bed.namespace);
    bed.human.write("web.yaml", &fill(WEB)).unwrap();
    bed.human.write("pod.yaml", &fill(POD)).unwrap();
    bed.write("c0", "1");
    let first = bed.commit("A shop, and a pod of its own");
    bed.start().await;
    bed.until_ready(&first).await;
    let ours = kube::api::ListParams::default().labels("lockstep.dev/sync=shop");
    let pods = api(&bed.client, "", "v1", "Pod", Some(&bed.shop));
    let slices = api(&bed.client, "discovery.k8s.io", "v1", "EndpointSlice", Some(&bed.shop));
    let inherited = async || slices.list(&ours).await.unwrap().items.len();
    bed.wait("the labels to be inherited", async || inherited().await == 1).await;
    let uids = async || {
        let mut uids: Vec<_> = pods.list(&ours).await.unwrap().into_iter().map(|pod| pod.metadata.uid).collect();
        uids.sort();
        uids
    };
    let before = uids().await;
    assert_eq!(before.len(), 3);
    bed.human.remove("pod.yaml").unwrap();
    bed.write("c0", "2");
    let second = bed.commit("Remove the pod");
    bed.until_ready(&second).await;
    bed.wait("the pod to be gone", async || pods.get_opt("alone").await.unwrap().is_none()).await;
    let after = uids().await;
    assert!(after.len() == 2 && after.iter().all(|uid| before.contains(uid)), "{before:?} {after:?}");
    bed.finish(&second, &["alone"]).await;
}

/// F7: an object of nobody is adopted and told, one of another Sync is refused and stays the other's, and both Syncs say so.
#[tokio::test(flavor = "multi_thread")]
async fn f7_what_another_sync_owns_is_refused_and_both_say_so() {
    let (bed, _) = Bed::with_maps("f7", 2).await;
    bed.plane.apply_yaml(&config_map(&bed.shop, "nobodys", "1")).await.unwrap();
    bed.write("nobodys", "2");
    bed.human.write("second/c0.yaml", &config_map(&bed.shop, "c0", "theirs")).unwrap();
    bed.sync(json!({"source": {"repository": bed.git.http_url(), "path": "maps"}})).await;
    let commit = bed.commit("Adopt one; a second folder wants another");
    bed.until_ready(&commit).await;
    let told = async || bed.events().await.iter().any(|event| event.contains("nobodys"));
    bed.wait("the adoption to be told", told).await;
    let spec = json!({"source": {"repository": bed.git.http_url(), "path": "second"}, "interval": "1s"});
    let second = json!({"apiVersion": "lockstep.dev/v1alpha1", "kind": "Sync", "metadata": {"name": "second", "namespace": bed.namespace}, "spec": spec});
    bed.plane.apply_yaml(&second.to_string()).await.unwrap();
    let refused = async || {
        let status = bed.syncs().get("second").await.unwrap().data["status"]["failures"].to_string();
        status.contains("/c0") && status.contains(&format!("{}/shop", bed.namespace))
    };
    bed.wait("the refusal to be told", refused).await;
    let claim = json!({"object": format!("ConfigMap/{}/c0", bed.shop), "by": format!("{}/second", bed.namespace)});
    bed.until("the owner to say so, too", |status| status["claims"] == json!([claim])).await;
    let told =
        async || bed.events().await.iter().any(|it| it.starts_with("Claimed: ") && it.contains("/second wants "));
    bed.wait("the claim to be told", told).await;
    assert_eq!(bed.value("c0").await.as_deref(), Some("1"));
    bed.syncs().delete("second", &DeleteParams::default()).await.unwrap();
    bed.until("the claim to be over", |status| status["claims"].is_null()).await;
    bed.finish(&commit, &[]).await;
}

/// F9, F10: namespaces that no cluster can do without, and what the daemon itself runs on, leave Git and stay.
#[tokio::test(flavor = "multi_thread")]
async fn f9_f10_what_everybody_needs_is_not_deleted() {
    let (bed, _) = Bed::with_maps("f9", 4).await;
    let space = |name: &str| format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n");
    let account = format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: lockstep-synchronizer, namespace: {}}}\n",
        bed.namespace
    );
    let all = format!("{}---\n{}---\n{account}", space("kube-node-lease"), space(&bed.namespace));
    bed.human.write("needed.yaml", &all).unwrap();
    let with = bed.commit("Adopt what is needed");
    bed.until_ready(&with).await;
    bed.human.remove("needed.yaml").unwrap();
    bed.write("c0", "2");
    let without = bed.commit("And let it go");
    bed.until_value("c0", "2").await;
    bed.until_looked_at(2).await;
    let spaces = api(&bed.client, "", "v1", "Namespace", None);
    for name in ["kube-node-lease", bed.namespace.as_str()] {
        assert_eq!(spaces.get(name).await.unwrap().metadata.deletion_timestamp, None);
    }
    bed.finish(&without, &[]).await;
}

/// B6: a namespace leaves Git while somebody else keeps something in it.
#[tokio::test(flavor = "multi_thread")]
async fn b6_a_namespace_that_holds_what_others_made_stays_until_it_does_not() {
    let (bed, _) = Bed::with_maps("b6", 4).await;
    // Other tests define kinds in the same cluster, whose lists the shipped role does not allow.
    let name = &bed.namespace;
    let lists = format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{name: lists-{name}}}\n\
         rules: [{{apiGroups: ['*'], resources: ['*'], verbs: [list]}}]\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {{name: lists-{name}}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: lists-{name}}}\n\
         subjects: [{{kind: ServiceAccount, name: daemon, namespace: {name}}}]\n"
    );
    bed.plane.apply_yaml(&lists).await.unwrap();
    let extra = format!("{}-extra", bed.namespace);
    let space = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {extra}}}\n");
    bed.human.write("extra.yaml", &format!("{space}---\n{}", config_map(&extra, "ours", "1"))).unwrap();
    let with = bed.commit("Another namespace");
    bed.until_ready(&with).await;
    bed.plane.apply_yaml(&config_map(&extra, "theirs-in-it", "1")).await.unwrap();
    bed.human.remove("extra.yaml").unwrap();
    let without = bed.commit("Remove it");
    let named = |status: &Value| status["conditions"].to_string().contains("theirs-in-it");
    bed.until("the guest to be named", named).await;
    bed.until_looked_at(2).await;
    assert!(!bed.deletions().contains(&extra));
    let maps = api(&bed.client, "", "v1", "ConfigMap", Some(&extra));
    // A kind of Kubernetes itself that no file names is somebody's, too; what a controller made of it is not another reason.
    let idle = json!({"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "theirs-too", "namespace": extra}, "spec": {"replicas": 0, "selector": {"app": "x"}, "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "x", "image": "x"}]}}}});
    bed.plane.apply_yaml(&idle.to_string()).await.unwrap();
    maps.delete("theirs-in-it", &DeleteParams::default()).await.unwrap();
    let named = |status: &Value| status["conditions"].to_string().contains("ReplicationController");
    bed.until("the other guest to be named", named).await;
    assert!(!bed.deletions().contains(&extra));
    let controllers = api(&bed.client, "", "v1", "ReplicationController", Some(&extra));
    controllers.delete("theirs-too", &DeleteParams::default()).await.unwrap();
    bed.wait("the namespace to be deleted", async || bed.deletions().contains(&extra)).await;
    bed.finish(&without, &["ours", &extra]).await;
}

/// B9: an object that left Git has a finalizer that nobody takes away.
#[tokio::test(flavor = "multi_thread")]
async fn b9_what_cannot_go_holds_nobody_up() {
    let (bed, _) = Bed::with_maps("b9", 3).await;
    patch(&bed, "c1", json!({"metadata": {"finalizers": ["example.com/hold"]}})).await;
    bed.remove("c1");
    bed.commit("Remove one");
    let going = async || bed.maps().get("c1").await.unwrap().metadata.deletion_timestamp.is_some();
    bed.wait("the deletion", going).await;
    bed.write("c0", "2");
    bed.commit("Life goes on");
    bed.until_value("c0", "2").await;
    bed.edit("c2", "hand-made").await;
    bed.until_value("c2", "1").await;
    assert!(going().await);
    bed.write("c0", "3");
    let last = bed.commit("Life still goes on");
    bed.until_value("c0", "3").await;
    patch(&bed, "c1", json!({"metadata": {"finalizers": null}})).await;
    bed.finish(&last, &["c1"]).await;
}
