//! Managed fields that are rewritten: what the server makes of our lists.

use lockstep_plan::{
    Body, Cover, HumanManagers, claim_extras, extras, is_autoscaled, let_go, migrate, without_replicas,
};
use serde_json::{Value, json};

use super::stand::{Stand, connect};

async fn stand(name: &str, text: &str) -> Stand {
    let plane = lockstep_testkit::shared().await.unwrap();
    let namespace = plane.fresh_namespace(name).await.unwrap();
    Stand::new(&connect(plane).await, &text.replace("NS", &namespace)).await
}

const CONFIG_MAP: &str =
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: NS}, data: {a: \"1\", b: \"2\"}}";
const DEPLOYMENT: &str = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: NS}, spec: {replicas: 4, \
    selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: 'registry.example/web:1'}]}}}}";

/// The body of the object without one key of its data.
fn without(stand: &Stand, key: &str) -> Body {
    let mut body = stand.rendered.body.value();
    body["data"].as_object_mut().unwrap().remove(key);
    Body::of(&body)
}

#[tokio::test]
async fn what_client_side_apply_left_goes_when_it_leaves_git() {
    let stand = stand("csa", CONFIG_MAP).await;
    let mut object = stand.manifest.clone();
    object["data"]["old"] = json!("x");
    object["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": object.to_string()});
    stand.create("kubectl-client-side-apply", &object).await;

    let before = stand.live().await;
    stand.set_managed_fields(&before, migrate(&before)).await;
    let applied = stand.apply().await;
    assert_eq!(migrate(&applied.live), None);
    let value = stand.value().await;
    assert_eq!(value["data"], json!({"a": "1", "b": "2"}), "what Git lacks is gone");
    assert_eq!(value["metadata"]["annotations"].get("kubectl.kubernetes.io/last-applied-configuration"), None);
    assert_eq!(stand.cover().await, Cover::Covered);
    stand.apply_body(&without(&stand, "b")).await;
    assert_eq!(stand.value().await["data"], json!({"a": "1"}));
}

#[tokio::test]
async fn an_entry_in_another_version_is_united_too() {
    let text = "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: h, namespace: NS}, \
        spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, maxReplicas: 3}}";
    let stand = stand("versions", text).await;
    let mut old = stand.manifest.clone();
    old["apiVersion"] = json!("autoscaling/v1");
    old["spec"]["minReplicas"] = json!(2);
    old["spec"]["targetCPUUtilizationPercentage"] = json!(50);
    let namespace = stand.rendered.object.id.namespace.clone();
    let older = Stand::new(&stand.cluster, &json!({"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h", "namespace": namespace}, "spec": old["spec"]}).to_string()).await;
    older.create("kubectl-client-side-apply", &old).await;
    let before = stand.live().await;
    stand.set_managed_fields(&before, migrate(&before)).await;
    let applied = stand.apply().await;
    assert_eq!(migrate(&applied.live), None);
    assert_eq!(stand.cover().await, Cover::Covered);
    // The minimum goes; a name that the newer version lacks cannot be removed by it.
    assert_eq!(stand.value().await["spec"].get("minReplicas"), Some(&json!(1)), "the default");
}

#[tokio::test]
async fn leftovers_keep_nothing_alive() {
    for (manager, stays) in [("kubectl-create", true), ("velero-server", true)] {
        let stand = stand("leftovers", CONFIG_MAP).await;
        let mut object = stand.manifest.clone();
        object["data"]["old"] = json!("x");
        stand.create(manager, &object).await;
        let applied = stand.apply().await;
        stand.set_managed_fields(&applied.live, migrate(&applied.live)).await;
        stand.apply_body(&without(&stand, "b")).await;
        let value = stand.value().await;
        assert_eq!(value["data"].get("b"), None, "{manager}: it left Git");
        assert_eq!(value["data"].get("old").is_some(), stays, "{manager}: nobody knows whose it is");
    }
    let stand = stand("cleared", CONFIG_MAP).await;
    stand.apply().await;
    stand.patch("somebody", json!({"metadata": {"managedFields": [{}]}})).await.unwrap();
    assert_eq!(stand.cover().await, Cover::Cleared);
    let applied = stand.apply().await;
    assert!(applied.live.managed_fields.iter().any(|entry| entry.manager == "before-first-apply"));
    stand.set_managed_fields(&applied.live, migrate(&applied.live)).await;
    stand.apply_body(&without(&stand, "b")).await;
    assert_eq!(stand.value().await["data"], json!({"a": "1"}));
}

#[tokio::test]
async fn fields_that_git_leaves_to_others_keep_their_values() {
    let stand = stand("handover", DEPLOYMENT).await;
    stand.apply().await;
    let mut value = stand.manifest.clone();
    let container = "/spec/template/spec/containers";
    let fields = format!("/spec/replicas,{container}/[name=web]/imagePullPolicy,{container}/0/image");
    value["metadata"]["annotations"] = json!({"lockstep.dev/ignore-fields": fields});
    let ignoring = Stand::of(&stand.cluster, stand.kind.clone(), &value.to_string());
    let live = stand.live().await;
    stand.set_managed_fields(&live, let_go(&ignoring.rendered, &live)).await;
    let applied = ignoring.apply().await;
    assert_eq!(let_go(&ignoring.rendered, &applied.live), None);
    let now = stand.value().await;
    assert_eq!(now["spec"]["replicas"], 4);
    assert_eq!(now["spec"]["template"]["spec"]["containers"][0]["image"], "registry.example/web:1");
    assert_eq!(ignoring.cover().await, Cover::Covered);
    // Without it they would be set to the default.
    stand.apply().await;
    ignoring.apply_body(&Body::of(&without_replicas(&stand.rendered.body.value()))).await;
    assert_eq!(stand.value().await["spec"]["replicas"], 1);
}

#[tokio::test]
async fn an_autoscaler_keeps_its_replicas_and_a_person_does_not() {
    let stand = stand("autoscaler", DEPLOYMENT).await;
    stand.apply().await;
    stand.scale("kube-controller-manager", 7).await;
    assert_eq!(stand.cover().await, Cover::Covered);
    let live = stand.live().await;
    assert!(is_autoscaled(&live));
    let mut body = without_replicas(&stand.rendered.body.value());
    body["spec"]["template"]["spec"]["containers"][0]["image"] = json!("registry.example/web:2");
    stand.apply_body(&Body::of(&body)).await;
    assert_eq!(stand.value().await["spec"]["replicas"], 7, "a new image does not scale it");
    stand.scale("kubectl", 9).await;
    let Cover::Drift { fields } = stand.cover().await else { panic!("a person's scale is drift") };
    assert!(fields.iter().any(|loss| loss.path == ".spec.replicas" && loss.git == "4"), "{fields:?}");
}

#[tokio::test]
async fn extras_are_told_and_removed_when_they_are_claimed() {
    let stand = stand("extras", DEPLOYMENT).await;
    stand.apply().await;
    let restarted =
        json!({"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}});
    stand.patch("kubectl-rollout", restarted).await.unwrap();
    stand.patch("some-controller", json!({"metadata": {"annotations": {"controller": "x"}}})).await.unwrap();
    let mut object = stand.whole().await;
    let debug = json!({"name": "debug", "image": "registry.example/debug:1", "env": [{"name": "A", "value": "1"}]});
    object.data["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap().push(debug);
    object.metadata.labels.get_or_insert_default().insert("team".into(), "red".into());
    stand.replace("kubectl-edit", &object).await.unwrap();

    let human = HumanManagers::default();
    let live = stand.live().await;
    assert_eq!(stand.cover().await, Cover::Covered);
    let told: Vec<(String, String)> =
        extras(&stand.rendered, &live, &human).into_iter().map(|extra| (extra.path, extra.manager)).collect();
    let expected = [
        (".metadata.labels.team", "kubectl-edit"),
        (".spec.template.metadata.annotations[\"kubectl.kubernetes.io/restartedAt\"]", "kubectl-rollout"),
        (".spec.template.spec.containers[name=\"debug\"]", "kubectl-edit"),
    ];
    assert_eq!(told, expected.map(|(path, manager)| (path.to_owned(), manager.to_owned())));

    stand.set_managed_fields(&live, claim_extras(&stand.rendered, &live, &human)).await;
    stand.apply().await;
    let value = stand.value().await;
    assert_eq!(value["metadata"]["labels"].get("team"), None);
    assert_eq!(value["metadata"]["annotations"]["controller"], "x", "a controller is no person");
    assert_eq!(value["spec"]["template"]["spec"]["containers"].as_array().map(Vec::len), Some(1));
    assert_eq!(value.pointer("/spec/template/metadata/annotations"), None::<&Value>);
    assert_eq!(extras(&stand.rendered, &stand.live().await, &human), []);
    assert_eq!(stand.cover().await, Cover::Covered);
}
