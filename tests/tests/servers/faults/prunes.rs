//! Deletions that must not be made, or not yet.

use kube::api::{DeleteParams, PostParams};
use lockstep_testkit::{Fault, Requests, Times};

use super::bed::{Bed, condition, version};

/// A12: whether an object that left Git is still there cannot be read, and it cannot be deleted.
#[tokio::test(flavor = "multi_thread")]
async fn a12_only_not_found_means_gone() {
    let (bed, _) = Bed::with_maps("a12", 4).await;
    let mut faults = Vec::new();
    for (name, code, reason) in [("c1", 403, "Forbidden"), ("c2", 500, "InternalError")] {
        let fault = Fault::status(code, reason, &format!("configmaps {name:?}: no answer for you"));
        faults.push(bed.proxy.inject(
            Requests::with(&["get", "delete"]).of("configmaps").named(name),
            Times::Always,
            fault,
        ));
    }
    for name in ["c1", "c2", "c3"] {
        bed.remove(name);
    }
    let commit = bed.commit("Remove three");
    let status = bed.until("both objects to be named", |status| {
        let text = status.to_string();
        text.contains("/c1") && text.contains("/c2")
    });
    let status = status.await;
    assert_ne!(condition(&status, "Ready").0, "True", "{status:#}");
    assert_eq!((bed.value("c1").await.as_deref(), bed.value("c2").await.as_deref()), (Some("1"), Some("1")));
    faults.iter().for_each(|fault| fault.lift());
    bed.until_ready(&commit).await;
    assert_eq!((bed.value("c1").await, bed.value("c2").await, bed.value("c3").await), (None, None, None));
    let mut asked = bed.deletions();
    asked.sort();
    asked.dedup();
    assert_eq!(asked, ["c1", "c2", "c3"]);
    bed.finish_after_deletions(&commit).await;
}

/// A18: an object is made anew by somebody else while the request to delete the old one is on its way.
#[tokio::test(flavor = "multi_thread")]
async fn a18_what_was_made_anew_is_not_deleted() {
    let (bed, _) = Bed::with_maps("a18", 3).await;
    let held = bed.proxy.inject(Requests::with(&["delete"]).of("configmaps"), Times::Always, Fault::Hold);
    bed.remove("c1");
    let commit = bed.commit("Remove one");
    bed.wait("the deletion", async || held.hits() == 1).await;
    let mut theirs = bed.maps().get("c1").await.unwrap();
    bed.maps().delete("c1", &DeleteParams::default()).await.unwrap();
    theirs.metadata = kube::core::ObjectMeta { name: Some("c1".into()), ..Default::default() };
    let theirs = bed.maps().create(&PostParams::default(), &theirs).await.unwrap();
    held.lift();
    bed.until_ready(&commit).await;
    let answered = bed.proxy.seen(&Requests::with(&["delete"]));
    assert_eq!(answered.iter().map(|seen| seen.code).collect::<Vec<_>>(), [Some(409)]);
    assert_eq!(version(&bed.maps().get("c1").await.unwrap()), version(&theirs));
    bed.finish_after_deletions(&commit).await;
}

/// An object is given to somebody else, by its label, while the request to delete it is on its way.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_relabelled_is_not_deleted() {
    let (bed, _) = Bed::with_maps("relabel", 3).await;
    let held = bed.proxy.inject(Requests::with(&["delete"]).of("configmaps"), Times::Always, Fault::Hold);
    bed.remove("c1");
    let commit = bed.commit("Remove one");
    bed.wait("the deletion", async || held.hits() == 1).await;
    let theirs = serde_json::json!({"metadata": {"labels": {"lockstep.dev/sync": "another"}}});
    bed.maps().patch("c1", &Default::default(), &kube::api::Patch::Merge(theirs)).await.unwrap();
    held.lift();
    bed.until_ready(&commit).await;
    let answered = bed.proxy.seen(&Requests::with(&["delete"]));
    assert_eq!(answered.iter().map(|seen| seen.code).collect::<Vec<_>>(), [Some(409)]);
    assert_eq!(bed.value("c1").await.as_deref(), Some("1"));
    bed.finish_after_deletions(&commit).await;
}
