//! What others change is seen by the watches and changed back without a look at Git.

use serde_json::json;

use super::{api_server::refusal, world::World};
use crate::{drift::manager, ports::Happening};

#[tokio::test(start_paused = true)]
async fn a_changed_field_is_changed_back_and_its_taker_named() {
    let world = World::with_config_maps(json!({}), 3).await;
    let fetches = world.git.fetches();
    world.api.edit("/ConfigMap/a/c1", "kubectl-edit", &["data", "v"], Some(json!("9")));
    world.until("repair", |world| world.api.value("/ConfigMap/a/c1", "/data/v") == Some(json!("1"))).await;
    world.until("report", |world| !world.status().drift.is_empty()).await;
    assert_eq!(world.object_calls(), ["apply ConfigMap/a/c1"]);
    assert_eq!(world.git.fetches(), fetches);
    let seen = &world.status().drift[0];
    assert_eq!((seen.object.as_str(), seen.manager.as_str(), seen.repaired), ("ConfigMap/a/c1", "kubectl-edit", true));
    let fields: Vec<_> = seen.fields.iter().map(|field| (field.path.as_str(), field.git.as_str())).collect();
    assert_eq!(fields, [(".data.v", "\"1\"")]);
    let is_it = |it: &Happening| matches!(it, Happening::Drifted { fields, repaired: true, .. } if manager(fields) == "kubectl-edit");
    assert_eq!(world.witness.count(is_it), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_object_is_made_again() {
    let world = World::with_config_maps(json!({}), 3).await;
    world.api.remove("/ConfigMap/a/c1");
    world.until("repair", |world| world.api.has("/ConfigMap/a/c1")).await;
    assert_eq!(world.object_calls(), ["lookup ConfigMap/a/c1", "apply ConfigMap/a/c1"]);
    world
        .until("report", |world| world.status().drift.iter().any(|seen| seen.fields.is_empty() && seen.repaired))
        .await;
}

#[tokio::test(start_paused = true)]
async fn stripped_labels_come_back_and_foreign_ones_stay() {
    let world = World::with_config_maps(json!({}), 2).await;
    let label = |name: &'static str| ["metadata", "labels", name];
    world.api.edit("/ConfigMap/a/c0", "kubectl-label", &label("team"), Some(json!("red")));
    world.pass(60).await;
    assert_eq!(world.object_calls(), ["preview ConfigMap/a/c0"], "one look, and then it is nobody's business");
    let extra = world.status().extras.remove(0);
    assert_eq!((extra.path.as_str(), extra.manager.as_str()), (".metadata.labels.team", "kubectl-label"));
    world.api.edit("/ConfigMap/a/c0", "kubectl-label", &label("lockstep.dev/sync"), None);
    let pointer = "/metadata/labels/lockstep.dev~1sync";
    world.until("repair", |world| world.api.value("/ConfigMap/a/c0", pointer) == Some(json!("shop"))).await;
    assert_eq!(world.api.value("/ConfigMap/a/c0", "/metadata/labels/team"), Some(json!("red")));
}

#[tokio::test(start_paused = true)]
async fn drift_during_downtime_is_repaired_at_the_start() {
    let mut world = World::with_config_maps(json!({}), 3).await;
    world.stop().await;
    world.api.edit("/ConfigMap/a/c2", "kubectl-edit", &["data", "v"], Some(json!("9")));
    world.api.take_calls();
    world.start();
    world.until("repair", |world| world.api.value("/ConfigMap/a/c2", "/data/v") == Some(json!("1"))).await;
    assert_eq!(world.object_calls(), ["apply ConfigMap/a/c2"]);
    world.until("report", |world| world.status().drift.iter().any(|seen| seen.manager == "kubectl-edit")).await;
}

#[tokio::test(start_paused = true)]
async fn under_report_drift_is_said_and_left() {
    let world = World::with_config_maps(json!({"drift": "report"}), 3).await;
    world.api.edit("/ConfigMap/a/c1", "kubectl-edit", &["data", "v"], Some(json!("9")));
    world.until_reason("Drifted").await;
    world.pass(120).await;
    assert_eq!(world.object_calls(), Vec::<String>::new());
    assert_eq!(world.status().objects.unwrap().drifted, 1);
    assert!(world.condition("Ready").2.contains("kubectl-edit"));
    assert_eq!(world.witness.count(|it| matches!(it, Happening::Drifted { .. })), 1);
}

#[tokio::test(start_paused = true)]
async fn a_fight_slows_down_and_names_the_opponent() {
    let world = World::with_config_maps(json!({}), 1).await;
    for round in 0..120 {
        world.api.edit("/ConfigMap/a/c0", "rival", &["data", "v"], Some(json!(round.to_string())));
        world.pass(1).await;
    }
    let repairs = world.object_calls().len();
    assert!((6..=20).contains(&repairs), "{repairs} repairs in two minutes");
    let fight = world.status().fights.remove(0);
    assert_eq!((fight.object.as_str(), fight.manager.as_str()), ("ConfigMap/a/c0", "rival"));
    assert_eq!(fight.fields, [".data.v"]);
    assert!(
        world.witness.count(|it| matches!(it, Happening::Fighting { fields, .. } if manager(fields) == "rival")) > 0
    );
    world.pass(600).await;
    world.until("peace", |world| world.api.value("/ConfigMap/a/c0", "/data/v") == Some(json!("1"))).await;
    world.until("no fight", |world| world.status().fights.is_empty()).await;
    world.until_ready().await;
}

#[tokio::test(start_paused = true)]
async fn a_change_that_no_managed_field_tells_is_found_by_its_event() {
    let world = World::with_config_maps(json!({"audit": "0s"}), 2).await;
    world.api.sneak("/ConfigMap/a/c0", &["data", "v"], json!("9"));
    world.until("repair", |world| world.api.value("/ConfigMap/a/c0", "/data/v") == Some(json!("1"))).await;
    world.pass(60).await;
    let name = "ConfigMap/a/c0";
    let asked = ["preview", "read", "apply", "read", "preview"].map(|verb| format!("{verb} {name}"));
    assert_eq!(world.object_calls(), asked, "one look, what differs, one apply, and whether that was kept");
    let seen = &world.status().drift[0];
    assert_eq!((seen.object.as_str(), seen.repaired), (name, true));
    assert_eq!((seen.fields[0].path.as_str(), seen.fields[0].git.as_str()), (".data.v", "\"1\""));
    world.pass(600).await;
    assert_eq!(world.object_calls(), Vec::<String>::new(), "our own write raises no doubt");
}

#[tokio::test(start_paused = true)]
async fn under_report_a_hidden_change_is_said_once_and_left_until_it_is_gone() {
    let world = World::with_config_maps(json!({"drift": "report", "audit": "0s"}), 1).await;
    world.api.sneak("/ConfigMap/a/c0", &["data", "v"], json!("9"));
    world.until_reason("Drifted").await;
    world.pass(300).await;
    assert!(world.object_calls().iter().all(|call| !call.starts_with("apply")));
    assert_eq!(world.witness.count(|it| matches!(it, Happening::Drifted { repaired: false, .. })), 1);
    world.api.sneak("/ConfigMap/a/c0", &["data", "v"], json!("1"));
    world.until_ready().await;
}

#[tokio::test(start_paused = true)]
async fn the_audit_finds_what_no_event_told_and_is_spread_over_its_period() {
    let mut world = World::with_config_maps(json!({"audit": "10m"}), 10).await;
    world.stop().await;
    world.api.sneak("/ConfigMap/a/c4", &["data", "v"], json!("9"));
    world.api.take_calls();
    world.start();
    world.until_ready().await;
    world.pass(30).await;
    assert_eq!(world.object_calls(), Vec::<String>::new(), "nothing in the time after a start");
    let mut looks = Vec::new();
    for _ in 0..12 {
        world.pass(60).await;
        looks.push(world.object_calls().iter().filter(|call| call.starts_with("preview")).count());
    }
    let all: usize = looks.iter().sum();
    assert!((9..=14).contains(&all) && looks.iter().all(|looks| *looks <= 3), "{looks:?}");
    assert_eq!(world.api.value("/ConfigMap/a/c4", "/data/v"), Some(json!("1")));
}

#[tokio::test(start_paused = true)]
async fn the_audit_goes_on_while_something_fails_again_and_again() {
    let world = World::with_config_maps(json!({"audit": "10m"}), 5).await;
    world.set_health("/ConfigMap/a/c0", Some(lockstep_plan::Status::InProgress));
    world.api.refuse("apply ConfigMap/a/c1", refusal(422, lockstep_plan::Class::Invalid, "no"));
    world.commit_config_maps(0..5, "2");
    world.look();
    world.until_reason("ApplyFailed").await;
    world.pass(60).await;
    world.object_calls();
    world.pass(900).await;
    let looks = world.object_calls().iter().filter(|call| call.starts_with("preview")).count();
    assert!(looks >= 3, "{looks}");
}

fn tells_rewriting(happening: &Happening) -> bool {
    matches!(happening, Happening::AdmissionRewrote { .. })
}

#[tokio::test(start_paused = true)]
async fn what_is_rewritten_at_each_apply_is_told_once_and_left() {
    let world = World::with_config_maps(json!({"audit": "0s"}), 1).await;
    world.api.rewrite("/ConfigMap/a/c0", &["data", "v"], None);
    world.api.sneak("/ConfigMap/a/c0", &["data", "v"], json!("9"));
    world.until("the warning", |world| world.witness.count(tells_rewriting) == 1).await;
    world.api.take_calls();
    for _ in 0..5 {
        world.api.edit("/ConfigMap/a/c0", "kubectl-label", &["metadata", "labels", "team"], Some(json!("red")));
        world.pass(120).await;
    }
    assert!(world.object_calls().iter().all(|call| !call.starts_with("apply")), "no loop");
    assert_eq!(world.witness.count(tells_rewriting), 1);
}

#[tokio::test(start_paused = true)]
async fn what_admission_always_makes_of_a_field_is_told_by_the_apply_and_no_reason_to_try_again() {
    let mut world = World::new(json!({"audit": "10m"}));
    world.api.rewrite("/ConfigMap/a/c0", &["data", "v"], Some(json!("as the policy says")));
    world.commit_config_maps(0..2, "1");
    world.start();
    world.until_ready().await;
    let status = world.status();
    let told = &status.drift[0];
    assert_eq!((told.object.as_str(), told.manager.as_str(), told.repaired), ("ConfigMap/a/c0", "(admission)", false));
    assert_eq!((told.fields[0].path.as_str(), told.fields[0].git.as_str()), (".data.v", "\"1\""));
    assert_eq!((status.drift.len(), status.objects.unwrap().drifted), (1, 1));
    let message = world.condition("Ready").2;
    assert!(message.ends_with("; admission rewrites 1 of them, ConfigMap/a/c0 first, at .data.v"), "{message}");
    world.api.take_calls();
    world.pass(1200).await;
    assert!(world.object_calls().iter().all(|call| !call.starts_with("apply")), "no loop");
    assert_eq!(world.witness.count(tells_rewriting), 1);

    // A restart forgets it, and the audit finds it again.
    world.stop().await;
    world.start();
    world.until("the audit", |world| world.witness.count(tells_rewriting) == 2).await;
    world.until("the count", |world| world.status().objects.unwrap().drifted == 1).await;
    assert_eq!(world.status().drift.len(), 1);

    // Admission lets it through now: the audit sees that an apply would bring it.
    world.api.rewrite_nothing();
    world.until("Git's value", |world| world.api.value("/ConfigMap/a/c0", "/data/v") == Some(json!("1"))).await;
    world.until("the count", |world| world.status().objects.unwrap().drifted == 0).await;
    assert!(world.status().drift.iter().all(|seen| seen.manager != "(admission)"));
}

#[tokio::test(start_paused = true)]
async fn what_admission_only_would_rewrite_is_left_as_it_is() {
    let world = World::with_config_maps(json!({"audit": "10m"}), 1).await;
    world.api.rewrite("/ConfigMap/a/c0", &["data", "v"], Some(json!("as the policy says")));
    world.pass(1800).await;
    assert!(world.object_calls().iter().all(|call| !call.starts_with("apply")));
    assert_eq!(world.api.value("/ConfigMap/a/c0", "/data/v"), Some(json!("1")));
    assert_eq!(world.witness.count(tells_rewriting), 0, "it is as Git says");
    assert_eq!(world.status().objects.unwrap().drifted, 0);
}

#[tokio::test(start_paused = true)]
async fn what_people_add_is_listed_and_removed_only_under_strict() {
    for (drift, stays) in [("repair", true), ("report", true), ("strict", false)] {
        let world = World::with_config_maps(json!({"drift": drift, "audit": "0s"}), 1).await;
        let path = ["metadata", "labels", "team"];
        world.api.edit("/ConfigMap/a/c0", "kubectl-label", &path, Some(json!("red")));
        world.api.edit("/ConfigMap/a/c0", "some-controller", &["metadata", "labels", "owner"], Some(json!("x")));
        if stays {
            world.until("the extra", |world| world.status().objects.is_some_and(|objects| objects.extras == 1)).await;
        } else {
            let gone = |world: &World| world.api.value("/ConfigMap/a/c0", "/metadata/labels/team").is_none();
            world.until("the removal", gone).await;
            world.until("the report", |world| !world.status().drift.is_empty()).await;
            assert_eq!(world.status().drift[0].manager, "kubectl-label");
        }
        world.pass(60).await;
        let value = |name: &str| world.api.value("/ConfigMap/a/c0", &format!("/metadata/labels/{name}"));
        assert_eq!((value("team").is_some(), value("owner").is_some()), (stays, true), "{drift}");
        assert_eq!(world.status().extras.len(), usize::from(stays), "{drift}");
    }
}

#[tokio::test(start_paused = true)]
async fn replicas_stay_with_an_autoscaler_when_somebody_takes_our_label_away() {
    let mut world = World::new(json!({"audit": "0s"}));
    world.git.commit(&[(
        "d.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: a}\nspec: {replicas: 3, paused: false}\n",
    )]);
    world.start();
    world.until_ready().await;
    let web = "apps/Deployment/a/web";
    world.api.edit(web, "kube-controller-manager/scale", &["spec", "replicas"], Some(json!(10)));
    world.pass(10).await;
    world.api.edit(web, "kubectl-label", &["metadata", "labels", "lockstep.dev/sync"], None);
    let label = "/metadata/labels/lockstep.dev~1sync";
    world.until("repair", |world| world.api.value(web, label) == Some(json!("shop"))).await;
    world.until_ready().await;
    assert_eq!(world.api.value(web, "/spec/replicas"), Some(json!(10)));
}
