use lockstep_plan::HoldReason;

use super::*;
use crate::ports::SourceError;

const COMMIT: &str = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";

#[test]
fn every_happening_is_a_sentence_with_what_to_do() {
    let text = |text: &str| text.to_owned();
    let many: Vec<String> = (0..7).map(|number| format!("ConfigMap/shop/c{number}")).collect();
    let loss = FieldLoss {
        path: text(".spec.replicas"),
        manager: Some(text("kubectl-edit")),
        subresource: None,
        time: None,
        git: text("3"),
    };
    for (happening, wanted) in [
        (
            Happening::Applied { commit: text(COMMIT), created: 2, changed: 1 },
            "Normal Applied: Applied c0ffee00c0: 2 created, 1 changed",
        ),
        (
            Happening::Claimed { claims: vec![text("lockstep/second wants ConfigMap/shop/c0")] },
            "Warning Claimed: lockstep/second wants ConfigMap/shop/c0, which belongs to this Sync; remove it there or here",
        ),
        (
            Happening::Pruned { commit: text(COMMIT), objects: many.clone() },
            "Normal Pruned: Deleted 7 objects that left Git with c0ffee00c0: ConfigMap/shop/c0; ConfigMap/shop/c1; ConfigMap/shop/c2; ConfigMap/shop/c3; ConfigMap/shop/c4; and 2 more",
        ),
        (
            Happening::Held {
                commit: text(COMMIT),
                would_prune: 4,
                reason: HoldReason::EveryObject,
                message: text("the commit would prune every object of the Sync, 4 in all"),
            },
            "Warning PruneHeld: the commit would prune every object of the Sync, 4 in all; nothing is deleted until the Sync is annotated with lockstep.dev/acknowledge=c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00",
        ),
        (
            Happening::Drifted { object: text("Deployment/shop/web"), fields: vec![loss.clone()], repaired: true },
            "Normal DriftRepaired: Deployment/shop/web changed at .spec.replicas (Git says 3) by kubectl-edit, and changed back",
        ),
        (
            Happening::Drifted { object: text("Deployment/shop/web"), fields: Vec::new(), repaired: false },
            "Warning DriftSeen: Deployment/shop/web was deleted",
        ),
        (
            Happening::Fighting {
                object: text("Deployment/shop/web"),
                fields: vec![FieldLoss { manager: Some(text("hpa")), ..loss }],
                pause: Duration::from_secs(8),
            },
            "Warning Fighting: hpa changes Deployment/shop/web at .spec.replicas (Git says 3) as often as it is changed back; the next repair waits 8s. Let one of the two own the field",
        ),
        (
            Happening::AdmissionRewrote {
                objects: vec![(
                    text("ConfigMap/shop/c0"),
                    vec![FieldChange { path: text(".data.v"), before: Some("b".into()), after: None }],
                )],
            },
            "Warning Rewritten: admission rewrites what is applied: ConfigMap/shop/c0 at .data.v is \"b\" (Git says nothing); it is left so. Change the webhook or policy, or write its value in Git",
        ),
        (
            Happening::FetchFailed(SourceError {
                category: "network",
                message: text("could not talk to https://git.example/c.git: refused"),
                transient: true,
            }),
            "Warning FetchFailed: could not talk to https://git.example/c.git: refused",
        ),
        (
            Happening::Orphaned { objects: 3 },
            "Warning Orphaned: The Sync was deleted; its 3 objects stay in the cluster",
        ),
    ] {
        let Notice { severity, reason, note, .. } = notice(&happening).unwrap();
        assert_eq!(format!("{severity:?} {reason}: {note}"), wanted);
    }
    assert_eq!(notice(&Happening::TurnEnded { took: Duration::ZERO, applied: 0, failed: 0 }), None);
}

#[test]
fn a_slow_api_server_holds_nobody_up() {
    let (sender, _receiver) = mpsc::channel(1);
    let queue = EventQueue { queue: sender };
    let key = crate::board::SyncKey { namespace: "lockstep".into(), name: "shop".into() };
    let sync = SyncRef { key, uid: "u".into() };
    for _ in 0..3 {
        queue.tell(&sync, &Happening::Healthy { commit: COMMIT.to_owned() });
    }
}
