//! Custom kinds whose health is watched: one that is known, and one that the Sync brings expressions for.

use kube::{
    api::{Api, Patch, PatchParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::{Value, json};

use super::bed::{Bed, condition};

/// A definition whose objects have a status that their controller writes.
fn definition(group: &str, kind: &str, plural: &str) -> Value {
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let version = json!({"name": "v1", "served": true, "storage": true, "subresources": {"status": {}}, "schema": {"openAPIV3Schema": schema}});
    let names = json!({"kind": kind, "plural": plural});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
    })
}

fn right(shop: &str, groups: &[&str]) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": format!("manages-{shop}"), "labels": {"lockstep.dev/aggregate-to-manages": "true"}},
        "rules": [{"apiGroups": groups, "resources": ["*"], "verbs": ["get", "list", "watch", "create", "patch", "delete"]}],
    })
}

/// What the controller of a kind says of its object.
async fn report(objects: &Api<DynamicObject>, status: Value) {
    let patch = Patch::Merge(json!({"status": status}));
    objects.patch_status("x", &PatchParams::default(), &patch).await.unwrap();
}

fn is(status: &Value, kind: &str, wanted: &str) -> bool {
    condition(status, kind).0 == wanted
}

#[tokio::test(flavor = "multi_thread")]
async fn custom_kinds_are_as_healthy_as_their_controllers_say() {
    let mut bed = Bed::make("health").await;
    let shop = bed.shop.clone();
    let group = format!("{shop}.example.com");
    let own = format!("{group}/v1");
    bed.plane.apply_yaml(&right(&shop, &[&group, "cert-manager.io"]).to_string()).await.unwrap();
    let object = |version: &str, kind: &str| json!({"apiVersion": version, "kind": kind, "metadata": {"name": "x", "namespace": shop}, "spec": {"size": 1}});
    for (file, object) in [
        ("shop.yaml", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": shop}})),
        ("widgets.yaml", definition(&group, "Widget", "widgets")),
        ("certificates.yaml", definition("cert-manager.io", "Certificate", "certificates")),
        ("widget.yaml", object(&own, "Widget")),
        ("certificate.yaml", object("cert-manager.io/v1", "Certificate")),
    ] {
        bed.human.write(file, &object.to_string()).unwrap();
    }
    let commit = bed.human.commit("Two kinds with a health of their own").unwrap();
    bed.check(json!([{
        "apiVersion": own,
        "kind": "Widget",
        "failed": "has(status.phase) && status.phase == 'Broken'",
        "current": "has(status.phase) && status.phase == 'Up' && status.size == spec.size",
    }]))
    .await;
    bed.start().await;
    // Neither controller has said anything yet.
    let status = bed.until("the apply", |status| status["applied"]["commit"] == commit).await;
    assert!(!is(&status, "Ready", "True"), "{status:#}");

    let api = |group: &str, kind: &str| {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
        Api::<DynamicObject>::namespaced_with(bed.client(), &shop, &resource)
    };
    let (widgets, certificates) = (api(&group, "Widget"), api("cert-manager.io", "Certificate"));
    report(&widgets, json!({"phase": "Broken"})).await;
    let certificate = |value: &str, reason: &str| json!({"conditions": [{"type": "Ready", "status": value, "reason": reason, "message": "of the issuer", "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
    report(&certificates, certificate("True", "Ready")).await;
    let status = bed
        .until("the broken widget", |status| {
            let text = status["failures"].to_string() + &status["conditions"].to_string();
            is(status, "Healthy", "False") && text.contains("Widget/") && !text.contains("Certificate/")
        })
        .await;
    assert!(!is(&status, "Ready", "True"), "{status:#}");

    report(&widgets, json!({"phase": "Up", "size": 1})).await;
    bed.until_ready(&commit).await;
    report(&certificates, certificate("False", "Expired")).await;
    bed.until("the certificate", |status| {
        is(status, "Healthy", "False")
            && (status["failures"].to_string() + &status["conditions"].to_string()).contains("Certificate/")
    })
    .await;
    report(&certificates, certificate("True", "Ready")).await;
    bed.until_ready(&commit).await;
    bed.stop().await;
}
