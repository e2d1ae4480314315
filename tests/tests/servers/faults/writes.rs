//! Writes that the API server refuses, delays, or does without saying so.

use std::time::Duration;

use lockstep_testkit::{Answer, Fault, Requests, Times};

use super::bed::{Bed, condition};
use crate::plane::api;

fn patches() -> Requests {
    Requests::with(&["patch"]).of("configmaps")
}

/// A1: connections are refused in mid-apply.
#[tokio::test(flavor = "multi_thread")]
async fn a1_an_outage_in_mid_apply_is_sat_out() {
    let (bed, first) = Bed::with_maps("a1", 2).await;
    let before = bed.patches().len();
    for number in 2..8 {
        bed.write(&format!("c{number}"), "1");
    }
    bed.remove("c0");
    let held = bed.proxy.inject(patches(), Times::After(3), Fault::Hold);
    let second = bed.commit("Add six, remove one");
    let answered = || bed.patches()[before..].iter().filter(|seen| seen.code.is_some()).count();
    bed.wait("three applies", async || held.hits() == 3 && answered() == 3).await;
    bed.proxy.stop();
    held.lift();
    let lost = async || bed.metric("applies_total", &["failed"]).await >= 3.0;
    bed.wait("the applies to be given up", lost).await;
    bed.admin("live").await;
    assert_eq!((bed.status().await["applied"]["commit"].as_str(), bed.deletions().len()), (Some(first.as_str()), 0));
    bed.proxy.resume().unwrap();

    bed.until_ready(&second).await;
    let made: Vec<_> = bed.patches().split_off(before).into_iter().filter(|seen| seen.code.is_some()).collect();
    assert_eq!(made.len(), 6, "each object is applied once: {made:#?}");
    assert!(made.iter().all(|seen| seen.code == Some(201)));
    let deleted = bed.proxy.seen(&Requests::with(&["delete"]));
    assert!(deleted.iter().all(|seen| made.iter().all(|made| made.ended < Some(seen.began))));
    bed.finish(&second, &["c0"]).await;
}

/// A2: no answer comes for longer than anybody waits.
#[tokio::test(flavor = "multi_thread")]
async fn a2_what_is_not_answered_is_given_up_and_named() {
    let mut bed = Bed::make("a2").await;
    bed.settings.concurrency = 2;
    bed.settings.request_timeout = "200ms".parse().unwrap();
    for number in 0..3 {
        bed.write(&format!("c{number}"), "1");
    }
    let commit = bed.commit("Open the shop");
    let slow = bed.proxy.inject(patches(), Times::Always, Fault::Delay(Duration::from_secs(20)));
    bed.start().await;
    let status = bed.until_reason("ApplyFailed").await;
    assert!(status["failures"].to_string().contains("no answer"), "{status:#}");
    assert_eq!(status["failures"]["first"][0]["file"], "maps/c0.yaml");
    bed.admin("live").await;
    assert!(bed.proxy.most_at_once(&patches()) <= 2);
    assert!(bed.metric("applies_total", &["failed"]).await > 0.0);
    slow.lift();
    bed.finish(&commit, &[]).await;
}

/// A3: half of the writes are refused with the request to wait.
#[tokio::test(flavor = "multi_thread")]
async fn a3_what_is_refused_for_a_while_is_sent_after_that_while() {
    let mut bed = Bed::make("a3").await;
    bed.settings.concurrency = 3;
    for number in 0..6 {
        bed.write(&format!("c{number}"), "1");
    }
    let commit = bed.commit("Open the shop");
    let answer = Answer::status(429, "TooManyRequests", "too many requests, please try again later").retry_after(1);
    let refused = bed.proxy.inject(patches(), Times::Every(2), Fault::Answer(answer));
    bed.start().await;
    bed.until_ready(&commit).await;
    assert!(refused.hits() >= 3);
    let all = bed.patches();
    for (position, seen) in all.iter().enumerate().filter(|(_, seen)| seen.code == Some(429)) {
        let again = all[position + 1..].iter().find(|later| later.asked.name == seen.asked.name).unwrap();
        assert!(again.began - seen.ended.unwrap() >= Duration::from_secs(1), "{again:?} comes too early");
    }
    assert!(bed.proxy.most_at_once(&patches()) <= 3);
    assert_eq!(bed.metric("applies_total", &["failed"]).await, 0.0);
    refused.lift();
    bed.finish(&commit, &[]).await;
}

/// A4: errors of etcd, and a write that was made though nobody said so.
#[tokio::test(flavor = "multi_thread")]
async fn a4_a_write_is_repeated_and_counts_once() {
    let mut bed = Bed::make("a4").await;
    for number in 0..4 {
        bed.write(&format!("c{number}"), "1");
    }
    let policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: closed, namespace: SHOP}\n\
                  spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]}\n";
    bed.human.write("policy.yaml", &policy.replace("SHOP", &bed.shop)).unwrap();
    let commit = bed.commit("Open the shop");
    let mut faults = Vec::new();
    for (name, fault) in [
        ("c0", Fault::status(500, "InternalError", "etcdserver: leader changed")),
        ("c1", Fault::status(500, "", "etcdserver: request timed out")),
        ("c2", Fault::status(504, "Timeout", "request did not complete within requested timeout")),
        ("c3", Fault::Drop),
    ] {
        faults.push(bed.proxy.inject(patches().named(name), Times::First(2), fault));
    }
    let policies = Requests::with(&["patch"]).of("networkpolicies");
    faults.push(bed.proxy.inject(policies.clone(), Times::First(2), Fault::LoseAnswer));
    bed.start().await;
    bed.until_ready(&commit).await;
    assert!(faults.iter().all(|fault| fault.hits() == 2));
    assert_eq!(bed.proxy.seen(&policies).len(), 3);
    let policy =
        api(&bed.client, "networking.k8s.io", "v1", "NetworkPolicy", Some(&bed.shop)).get("closed").await.unwrap();
    assert_eq!(policy.metadata.generation, Some(1));
    assert_eq!(bed.metric("applies_total", &["failed"]).await, 0.0);
    bed.finish(&commit, &[]).await;
}

/// A14: an admission webhook cannot be reached; the API server itself says so.
#[tokio::test(flavor = "multi_thread")]
async fn a14_a_webhook_that_is_down_is_waited_for() {
    let (bed, first) = Bed::with_maps("a14", 2).await;
    let webhook = format!(
        "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {{name: {0}}}\nwebhooks:\n\
         - name: down.example.com\n  sideEffects: None\n  admissionReviewVersions: [v1]\n  timeoutSeconds: 1\n  \
         clientConfig: {{url: \"https://127.0.0.1:1/\"}}\n  \
         namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {0}}}}}\n  \
         rules: [{{apiGroups: [\"\"], apiVersions: [v1], resources: [configmaps], operations: [UPDATE, CREATE]}}]\n",
        bed.shop
    );
    bed.plane.apply_yaml(&webhook).await.unwrap();
    let refuses = async || {
        let params = kube::api::PatchParams::default();
        bed.maps().patch("foreign", &params, &kube::api::Patch::Merge(serde_json::json!({}))).await.is_err()
    };
    bed.wait("the webhook to be asked", refuses).await;
    bed.write("c0", "2");
    bed.remove("c1");
    let second = bed.commit("Change one, remove one");
    let status = bed.until_reason("ApplyFailed").await;
    assert_eq!(condition(&status, "Stalled").0, "False", "it passes: {status:#}");
    assert!(status["failures"].to_string().contains("down.example.com"), "{status:#}");
    assert_eq!((&status["applied"]["commit"], bed.deletions().len()), (&first.as_str().into(), 0));
    assert!(bed.metric("applies_total", &["failed"]).await > 0.0);
    let webhooks = api(&bed.client, "admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration", None);
    webhooks.delete(&bed.shop, &Default::default()).await.unwrap();
    bed.finish(&second, &["c1"]).await;
}

/// A17: the record of the Sync was written by somebody else in between.
#[tokio::test(flavor = "multi_thread")]
async fn a17_a_conflict_about_the_record_is_read_again_and_written_again() {
    let mut bed = Bed::make("a17").await;
    bed.write("c0", "1");
    let first = bed.commit("A map");
    let conflict = || {
        Fault::status(409, "Conflict", "the object has been modified; please apply your changes to the latest version")
    };
    let syncs = || Requests::with(&["patch"]).of("syncs");
    let record = bed.proxy.inject(syncs(), Times::First(2), conflict());
    let status = bed.proxy.inject(syncs().subresource("status"), Times::First(2), conflict());
    bed.start().await;
    bed.until_ready(&first).await;
    assert_eq!((record.hits(), status.hits()), (2, 2));
    let made = bed.patches();
    let recorded = bed.proxy.seen(&syncs()).into_iter().find(|seen| seen.code == Some(200)).unwrap();
    assert!(
        made.iter().all(|made| made.began > recorded.ended.unwrap()),
        "nothing is applied before its kind is recorded"
    );

    // Made anew under the same name, it is another record: what was meant for the old one is not written to it.
    let held = bed.proxy.inject(syncs().subresource("status"), Times::First(1), Fault::Hold);
    bed.write("c0", "2");
    bed.commit("Change the map");
    bed.wait("the status to be written", async || held.hits() == 1).await;
    bed.syncs().delete("shop", &Default::default()).await.unwrap();
    bed.sync(serde_json::json!({"suspend": true})).await;
    held.lift();
    let refused = async || {
        let seen = bed.proxy.seen(&syncs().subresource("status"));
        seen.iter().any(|seen| seen.fault.as_deref() == Some("Hold") && seen.code == Some(422))
    };
    bed.wait("the old status to be refused", refused).await;
    bed.until_reason("Suspended").await;
    bed.sync(serde_json::json!({"suspend": false})).await;
    bed.write("c1", "1");
    let last = bed.commit("Another map");
    bed.finish(&last, &[]).await;
}
