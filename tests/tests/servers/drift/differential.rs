//! The cover check against the server's own verdict: would our apply change anything?

use lockstep_plan::Cover;
use serde_json::{Value, json};

use super::{
    dice::Dice,
    generated::{WIDGETS, edit, manifest},
    stand::{Change, Stand, connect},
};

/// The edits that the server must have accepted, over all kinds, for the test to mean something.
const ENOUGH: usize = 200;
const OBJECTS: u64 = 7;
const EDITS: usize = 14;

#[derive(Default)]
struct Tally {
    accepted: usize,
    drifted: usize,
    doubtful: usize,
    differences: Vec<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cover_check_agrees_with_the_server() {
    let plane = lockstep_testkit::shared().await.unwrap();
    plane.apply_yaml(WIDGETS).await.unwrap();
    let cluster = connect(plane).await;
    let namespace = plane.fresh_namespace("differential").await.unwrap();
    let kinds = ["ConfigMap", "Service", "Deployment", "Widget"];
    let runs = kinds.map(|kind| {
        let (cluster, namespace) = (cluster.clone(), namespace.clone());
        async move {
            let mut tally = Tally::default();
            let mut known = None;
            for seed in 0..OBJECTS {
                let mut dice = Dice::new(seed * 7 + kind.len() as u64);
                let text = manifest(&mut dice, kind, &format!("{}-{seed}", kind.to_lowercase()), &namespace);
                let stand = match known.clone() {
                    Some(kind) => Stand::of(&cluster, kind, &text.to_string()),
                    None => Stand::new(&cluster, &text.to_string()).await,
                };
                known = Some(stand.kind.clone());
                run(&mut dice, &stand, seed, &mut tally).await;
            }
            tally
        }
    });
    let mut accepted = 0;
    for (kind, tally) in kinds.iter().zip(futures::future::join_all(runs).await) {
        println!("{kind}: {} accepted, {} drift, {} doubtful", tally.accepted, tally.drifted, tally.doubtful);
        assert_eq!(tally.differences, [""; 0], "{kind}");
        assert!(tally.drifted > 5 && tally.drifted < tally.accepted, "{kind}: some edits are drift and some are not");
        accepted += tally.accepted;
    }
    assert!(accepted >= ENOUGH, "{accepted} edits were accepted");
}

async fn run(dice: &mut Dice, stand: &Stand, seed: u64, tally: &mut Tally) {
    let applied = stand.apply().await;
    // What the server does not keep is known from the answer to the apply.
    let kept = lockstep_plan::cover(&stand.rendered.body.value(), &applied.live);
    if kept != Cover::Covered {
        tally
            .differences
            .push(format!("seed {seed}: {kept:?} right after the apply of {}", stand.rendered.body.value()));
        return;
    }
    let mut edits = Vec::new();
    for _ in 0..EDITS {
        let Some(what) = change(dice, stand).await else { continue };
        edits.push(what);
        tally.accepted += 1;
        let (verdict, answer) = (stand.cover().await, stand.would_change().await);
        let truth = *answer.as_ref().unwrap_or(&Change::Value);
        let agrees = match &verdict {
            // An empty map in Git that somebody filled would be ours again, and what is in it would stay.
            Cover::Covered => truth != Change::Value,
            Cover::Doubtful { .. } => {
                tally.doubtful += 1;
                true
            }
            // A field that somebody took and set back himself has the right value and is not ours.
            _ => truth != Change::Nothing,
        };
        tally.drifted += usize::from(truth == Change::Value);
        if !agrees {
            let (git, live) = (stand.rendered.body.value(), stand.value().await);
            tally.differences.push(format!(
                "seed {seed}: {edits:?}: {verdict:?}, but the server says {truth:?}; Git {git}, live {live}"
            ));
            return;
        }
        if answer.is_err() {
            return; // What others made of the object and what Git says cannot be had together.
        }
        if truth != Change::Nothing && dice.once_in(2) {
            stand.apply().await;
            edits.clear();
        }
    }
}

/// One change by another hand; `None` when the server refuses it, or it changes nothing.
async fn change(dice: &mut Dice, stand: &Stand) -> Option<String> {
    let manager = *dice.pick(&["kubectl-edit", "some-controller", "k9s"]);
    let before = stand.whole().await;
    let mut value = serde_json::to_value(&before).unwrap();
    let (what, after) = match dice.below(12) {
        0 => {
            let after = stand.patch(manager, json!({"metadata": {"managedFields": [{}]}})).await.ok()?;
            ("managed fields cleared".to_owned(), after)
        }
        1 => {
            let mut body = stand.rendered.body.value();
            let what = edit(dice, &mut body);
            (format!("applied with {what}"), stand.apply_as("second-applier", &body).await.ok()?)
        }
        _ => {
            let what = edit(dice, &mut value);
            let object = serde_json::from_value(value).ok()?;
            (what, stand.replace(manager, &object).await.ok()?)
        }
    };
    let changed = |object: &kube::core::DynamicObject| -> Value { json!(object.metadata.resource_version) };
    (changed(&before) != changed(&after)).then(|| format!("{manager}: {what}"))
}
