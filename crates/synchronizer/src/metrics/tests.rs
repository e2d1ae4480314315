use std::time::Duration;

use lockstep_plan::FieldLoss;
use prometheus_client::encoding::text::encode;
use serde_json::json;

use super::*;
use crate::board::SyncKey;

fn snapshot(name: &str, spec: serde_json::Value, status: serde_json::Value) -> SyncSnapshot {
    let mut all = json!({"source": {"repository": "https://git.example/c.git"}});
    all.as_object_mut().unwrap().extend(spec.as_object().cloned().unwrap_or_default());
    SyncSnapshot {
        key: SyncKey { namespace: "lockstep".into(), name: name.into() },
        spec: serde_json::from_value(all).unwrap(),
        status: serde_json::from_value(status).unwrap(),
        previous_commit: None,
        workloads: Vec::new(),
        turns: 1,
    }
}

#[test]
fn a_scrape_shows_the_board_and_what_happened() {
    let board = Board::default();
    let ready = json!([{"type": "Ready", "status": "True", "reason": "", "message": "", "lastTransitionTime": "2027-01-01T00:00:00Z"}]);
    board.publish(snapshot(
        "shop",
        json!({}),
        json!({
            "conditions": ready, "objects": {"total": 3, "healthy": 2, "drifted": 1, "failed": 0, "extras": 4},
            "fights": [{"object": "ConfigMap/a/c", "manager": "rival", "fields": [".data.v"]}],
            "applied": {"commit": "c", "at": "2027-01-01T00:00:00Z"},
        }),
    ));
    board.publish(snapshot("asleep", json!({"suspend": true}), json!({})));
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry, board, crate::lease::Lead::alone());
    let key = SyncKey { namespace: "lockstep".into(), name: "shop".into() };
    let sync = SyncRef { key, uid: "u".into() };
    metrics.count(&sync, &Happening::TurnEnded { took: Duration::from_millis(300), applied: 2, failed: 1 });
    metrics.count(&sync, &Happening::Pruned { commit: "c".into(), objects: vec!["a".into(), "b".into()] });
    metrics.count(&sync, &Happening::Drifted { object: "a".into(), fields: Vec::new(), repaired: true });

    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    for line in [
        "lockstep_synchronizer_syncs{state=\"ready\"} 1",
        "lockstep_synchronizer_syncs{state=\"suspended\"} 1",
        "lockstep_synchronizer_syncs{state=\"held\"} 0",
        "lockstep_synchronizer_objects{namespace=\"lockstep\",name=\"shop\",state=\"healthy\"} 2",
        "lockstep_synchronizer_objects{namespace=\"lockstep\",name=\"shop\",state=\"extras\"} 4",
        "lockstep_synchronizer_fighting{namespace=\"lockstep\",name=\"shop\",object=\"ConfigMap/a/c\",manager=\"rival\",field=\".data.v\"} 1",
        "lockstep_synchronizer_drifts_total{namespace=\"lockstep\",name=\"shop\",manager=\"\",repaired=\"true\"} 1",
        "lockstep_synchronizer_last_applied_timestamp_seconds{namespace=\"lockstep\",name=\"shop\"} 1798761600",
        "lockstep_synchronizer_applies_total{namespace=\"lockstep\",name=\"shop\",result=\"failed\"} 1",
        "lockstep_synchronizer_prunes_total{namespace=\"lockstep\",name=\"shop\"} 2",
        "lockstep_synchronizer_turn_duration_seconds_count{namespace=\"lockstep\",name=\"shop\"} 1",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[test]
fn names_that_anybody_can_choose_do_not_pile_up() {
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry, Board::default(), crate::lease::Lead::alone());
    let sync = SyncRef { key: SyncKey { namespace: "lockstep".into(), name: "shop".into() }, uid: "u".into() };
    for number in 0..MANAGERS + 50 {
        let (path, git) = (".data.v".to_owned(), "1".to_owned());
        let loss = FieldLoss { path, manager: Some(format!("m{number}")), subresource: None, time: None, git };
        metrics.count(&sync, &Happening::Drifted { object: "a".into(), fields: vec![loss], repaired: true });
    }
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    assert_eq!(
        text.lines().filter(|line| line.starts_with("lockstep_synchronizer_drifts_total")).count(),
        MANAGERS + 1
    );
    assert!(text.contains("manager=\"(others)\",repaired=\"true\"} 50"), "{text}");
}
