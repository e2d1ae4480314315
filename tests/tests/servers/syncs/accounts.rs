//! A Sync with a `serviceAccountName` touches its objects as that account only.

use lockstep_testkit::Call;
use serde_json::json;

use super::town::Town;

/// An account that may do everything with ConfigMaps of the shop.
fn account(town: &Town) -> String {
    let (hall, shop) = (&town.hall, &town.shop);
    format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: robot, namespace: {hall}}}\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: robot, namespace: {shop}}}\n\
         rules: [{{apiGroups: [\"\"], resources: [configmaps], verbs: [get, list, create, patch, delete]}}]\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: robot, namespace: {shop}}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: robot}}\n\
         subjects: [{{kind: ServiceAccount, name: robot, namespace: {hall}}}]\n"
    )
}

/// What the daemon may do as itself.
fn is_its_own_business(call: &Call) -> bool {
    match (call.group.as_str(), call.resource.as_str()) {
        ("lockstep.dev", "syncs") | ("events.k8s.io", "events") => true,
        ("", "serviceaccounts") => call.verb == "get",
        // Which kinds there are: metadata only.
        ("apiextensions.k8s.io", "customresourcedefinitions") => matches!(call.verb.as_str(), "list" | "watch"),
        (_, path) if path.starts_with("/api") => true, // discovery
        _ => call.verb == "watch" || call.uri.contains("labelSelector=lockstep.dev%2Fsync"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_about_objects_is_made_as_the_account_of_the_sync() {
    let mut town = Town::make("accounts").await;
    for name in ["a", "b", "c"] {
        town.human.write(&format!("shop/{name}.yaml"), &town.config_map(name, "1")).unwrap();
    }
    let first = town.human.commit("three").unwrap();
    town.sync("shop", "shop", json!({"serviceAccountName": "robot", "deletionPolicy": "wait"})).await;
    town.start().await;
    town.until("the missing account to be named", async || {
        super::town::ready(&town.status("shop").await).1 == "AccountMissing"
    })
    .await;
    assert!(!town.has("a").await);

    town.plane.apply_yaml(&account(&town)).await.unwrap();
    town.until_ready("shop", &first).await;
    town.finalize("b", &["example.com/elsewhere"]).await;
    town.maps().delete("c", &Default::default()).await.unwrap();
    town.until("a repair", async || town.has("c").await).await;
    town.human.remove("shop/c.yaml").unwrap();
    town.human.write("shop/a.yaml", &town.config_map("a", "2")).unwrap();
    let second = town.human.commit("one changes, one goes").unwrap();
    town.until_ready("shop", &second).await;
    assert!(!town.has("c").await);
    town.delete_sync("shop").await;
    town.until("what is left to be named", async || {
        super::town::ready(&town.status("shop").await).2.contains("1 on their way out: ConfigMap/")
    })
    .await;
    town.finalize("b", &[]).await;
    town.until_gone("shop").await;

    let calls = town.calls();
    let (own, acting): (Vec<&Call>, Vec<&Call>) = calls.iter().partition(|call| call.acting_as.is_empty());
    let strange: Vec<_> = own.iter().filter(|call| !is_its_own_business(call)).collect();
    assert!(strange.is_empty(), "{strange:#?}");
    let robot = format!("system:serviceaccount:{}:robot", town.hall);
    assert!(acting.iter().all(|call| call.acting_as == robot && call.resource == "configmaps"), "{acting:#?}");
    for verb in ["get", "patch", "delete"] {
        assert!(acting.iter().any(|call| call.verb == verb), "no {verb}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_names_no_account_never_has_the_rights_of_the_daemon_where_there_is_a_default() {
    let mut town = Town::make("default-account").await;
    town.human.write("shop/a.yaml", &town.config_map("a", "1")).unwrap();
    let commit = town.human.commit("one").unwrap();
    town.settings.default_service_account = Some("robot".to_owned());
    town.sync("shop", "shop", json!({})).await;
    town.start().await;
    town.until("the missing account to be named", async || {
        super::town::ready(&town.status("shop").await).1 == "AccountMissing"
    })
    .await;
    assert!(!town.has("a").await);

    town.plane.apply_yaml(&account(&town)).await.unwrap();
    town.until_ready("shop", &commit).await;
    let robot = format!("system:serviceaccount:{}:robot", town.hall);
    let calls = town.calls();
    let own: Vec<_> = calls.iter().filter(|call| call.acting_as != robot && !is_its_own_business(call)).collect();
    assert!(own.is_empty(), "{own:#?}");
}
