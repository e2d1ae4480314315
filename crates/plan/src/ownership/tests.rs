use serde_json::json;

use super::*;

fn shop() -> Ownership {
    Ownership { sync: "shop".into(), sync_namespace: "lockstep".into() }
}

fn live(labels: serde_json::Value, annotations: serde_json::Value, owners: serde_json::Value) -> LiveMetadata {
    let id = ObjectId::new("", "ConfigMap", "a", "x");
    LiveMetadata::from_object(
        id,
        &json!({"metadata": {"labels": labels, "annotations": annotations, "ownerReferences": owners}}),
    )
}

#[test]
fn the_apply_set_id_is_the_one_of_kep_3659() {
    // printf shop.lockstep.Sync.lockstep.dev | openssl sha256 -binary | basenc --base64url | tr -d =
    assert_eq!(shop().apply_set_id(), "applyset-5z54kKY84daO--qqPJr-liyHJW4uCwlh88QMZJBiDQk-v1");
    assert!(shop().apply_set_id().len() <= LABEL_LENGTH);
}

#[test]
fn a_long_name_becomes_a_stable_label_value_of_its_own() {
    let long = "a".repeat(64);
    assert_eq!(label_value(&"a".repeat(63)), "a".repeat(63));
    assert_eq!(label_value(&long).len(), 63);
    assert_eq!(label_value(&long), label_value(&long));
    assert_ne!(label_value(&long), label_value(&"a".repeat(65)));
    assert!(
        label_value(&format!("{}.{}", "a".repeat(51), "b".repeat(30))).ends_with(|last: char| last.is_ascii_hexdigit())
    );
    assert!(label_value(&"ä".repeat(40)).len() <= 63);
    let sync = Ownership { sync: long, sync_namespace: "lockstep".into() };
    let mut object = live(json!(null), json!(null), json!(null));
    object.labels = sync.labels();
    assert!(sync.is_named_on(&object));
    assert_eq!(sync.owner_of(&object), Owner::This);
}

#[test]
fn owners_are_told_apart() {
    let ours = json!(shop().labels());
    let other = Ownership { sync: "blog".into(), sync_namespace: "lockstep".into() };
    let table = [
        (ours.clone(), json!({}), json!(null), Owner::This),
        // An object of ours that somebody gave an owner later is still ours; whether it may be pruned is another question.
        (ours, json!({}), json!([{"kind": "X"}]), Owner::This),
        (json!({SYNC_LABEL: "shop", SYNC_NAMESPACE_LABEL: "lockstep"}), json!({}), json!(null), Owner::This),
        (json!(other.labels()), json!({}), json!(null), Owner::Sync("lockstep/blog".into())),
        // One of the labels was taken away, or changed.
        (json!({SYNC_LABEL: "shop", PART_OF_LABEL: shop().apply_set_id()}), json!({}), json!(null), Owner::This),
        (json!({PART_OF_LABEL: shop().apply_set_id()}), json!({}), json!(null), Owner::This),
        (
            json!({SYNC_LABEL: "blog", SYNC_NAMESPACE_LABEL: "lockstep", PART_OF_LABEL: shop().apply_set_id()}),
            json!({}),
            json!(null),
            Owner::Sync("lockstep/blog".into()),
        ),
        (
            json!({SYNC_LABEL: "shop", SYNC_NAMESPACE_LABEL: "elsewhere"}),
            json!({}),
            json!(null),
            Owner::Sync("elsewhere/shop".into()),
        ),
        (json!({SYNC_LABEL: "shop"}), json!({}), json!(null), Owner::Sync("/shop".into())),
        (json!({PART_OF_LABEL: "applyset-x-v1"}), json!({}), json!(null), Owner::ApplySet("applyset-x-v1".into())),
        // Two shortened names may be equal; the ApplySet's id is a whole hash.
        (
            json!({SYNC_LABEL: "shop", SYNC_NAMESPACE_LABEL: "lockstep", PART_OF_LABEL: "applyset-x-v1"}),
            json!({}),
            json!(null),
            Owner::ApplySet("applyset-x-v1".into()),
        ),
        (json!({"kustomize.toolkit.fluxcd.io/name": "apps"}), json!({}), json!(null), Owner::Flux("apps".into())),
        (json!({"helm.toolkit.fluxcd.io/name": "redis"}), json!({}), json!(null), Owner::Flux("redis".into())),
        (
            json!({}),
            json!({"argocd.argoproj.io/tracking-id": "web:/ConfigMap:a/x"}),
            json!(null),
            Owner::ArgoCd("web:/ConfigMap:a/x".into()),
        ),
        (json!({"argocd.argoproj.io/instance": "web"}), json!({}), json!(null), Owner::ArgoCd("web".into())),
        (
            json!({"app.kubernetes.io/managed-by": "Helm"}),
            json!({"meta.helm.sh/release-name": "web"}),
            json!(null),
            Owner::Helm("web".into()),
        ),
        // A chart's output that was applied by hand has no release.
        (json!({"app.kubernetes.io/managed-by": "Helm"}), json!({}), json!(null), Owner::Nobody),
        (json!({}), json!({}), json!([{"kind": "Certificate"}]), Owner::Object),
        (json!({}), json!({}), json!(null), Owner::Nobody),
    ];
    for (labels, annotations, owners, expected) in table {
        let object = live(labels, annotations, owners);
        assert_eq!(shop().owner_of(&object), expected, "{object:?}");
    }
}

#[test]
fn argo_cds_label_of_old_counts_only_where_argo_cd_wrote() {
    let owner = |labels: serde_json::Value, manager: &str, subresource: Option<&str>| {
        let mut object = live(labels, json!({}), json!(null));
        let entry = ManagedFields { manager: manager.into(), operation: "Update".into(), ..ManagedFields::default() };
        object.managed_fields = vec![ManagedFields { subresource: subresource.map(str::to_owned), ..entry }];
        shop().owner_of(&object)
    };
    let web = json!({"app.kubernetes.io/instance": "web"});
    for manager in ["argocd-controller", "argocd-application-controller"] {
        assert_eq!(owner(web.clone(), manager, None), Owner::ArgoCd("web".into()));
        assert_eq!(owner(web.clone(), manager, Some("status")), Owner::Nobody);
        assert_eq!(owner(json!({}), manager, None), Owner::Nobody);
    }
    for manager in ["helm", "kubectl-client-side-apply"] {
        assert_eq!(owner(web.clone(), manager, None), Owner::Nobody, "{manager}");
    }
    let mut ours = json!(shop().labels());
    ours["app.kubernetes.io/instance"] = json!("web");
    assert_eq!(owner(ours, "argocd-controller", None), Owner::This, "what we took over stays ours");
}

#[test]
fn the_parent_remembers_kinds_and_namespaces() {
    let kinds = BTreeSet::from([
        GroupKind { group: "apps".into(), kind: "Deployment".into() },
        GroupKind { group: String::new(), kind: "ConfigMap".into() },
    ]);
    let namespaces = BTreeSet::from(["".to_owned(), "b".to_owned(), "lockstep".to_owned(), "a".to_owned()]);
    let parent = shop().parent(&kinds, &namespaces);
    assert_eq!(parent.labels[PARENT_ID_LABEL], shop().apply_set_id());
    assert_eq!(parent.annotations[GROUP_KINDS_ANNOTATION], "ConfigMap,Deployment.apps");
    assert_eq!(parent.annotations[NAMESPACES_ANNOTATION], "a,b");
    assert!(parent.annotations[TOOLING_ANNOTATION].starts_with("lockstep/v"));
    assert_eq!(GroupKind::parse_list(&parent.annotations[GROUP_KINDS_ANNOTATION]), kinds);
    assert_eq!(GroupKind::parse_list(" , "), BTreeSet::new());
    assert!(!shop().parent(&kinds, &BTreeSet::new()).annotations.contains_key(NAMESPACES_ANNOTATION));
}

#[test]
fn only_what_has_every_mark_is_proven_to_be_ours() {
    let with = |labels: serde_json::Value, id: &str, owners| {
        let mut object = live(labels, json!({}), owners);
        let id = if id.is_empty() { object.id.to_string() } else { id.to_owned() };
        object.annotations.insert(ID_ANNOTATION.to_owned(), id);
        shop().is_proven_on(&object)
    };
    let ours = json!(shop().labels());
    assert!(with(ours.clone(), "", json!(null)));
    assert!(!with(ours.clone(), "/ConfigMap/a/original", json!(null)), "a copy");
    assert!(!with(ours, "", json!([{"kind": "X"}])));
    assert!(!with(json!({PART_OF_LABEL: shop().apply_set_id()}), "", json!(null)));
}

#[test]
fn groups_of_kubernetes_itself_are_told_from_those_that_can_have_definitions() {
    for group in ["", "apps", "extensions", "networking.k8s.io", "rbac.authorization.k8s.io", "metrics.k8s.io"] {
        assert!(GroupKind::is_built_in(group), "{group}");
    }
    for group in ["example.com", "keda.sh", "gateway.networking.k8s.io", "snapshot.storage.k8s.io", "lockstep.dev"] {
        assert!(!GroupKind::is_built_in(group), "{group}");
    }
}
