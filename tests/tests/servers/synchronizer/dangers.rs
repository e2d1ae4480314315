//! Broken commits, mass removals, objects of others.

use super::bed::{Bed, condition, config_map};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_others_own_or_nobody_meant_is_lost() {
    let mut bed = Bed::make("danger").await;
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {}}}\n", bed.shop);
    bed.plane.apply_yaml(&namespace).await.unwrap();
    let foreign = config_map(&bed.shop, "theirs", "theirs")
        .replace("name: theirs,", "name: theirs, labels: {kustomize.toolkit.fluxcd.io/name: apps},");
    bed.plane.apply_yaml(&foreign).await.unwrap();
    bed.plane.apply_yaml(&config_map(&bed.shop, "adopted", "before")).await.unwrap();
    for number in 0..12 {
        bed.human.write(&format!("maps/c{number}.yaml"), &config_map(&bed.shop, &format!("c{number}"), "1")).unwrap();
    }
    bed.human.write("adopted.yaml", &config_map(&bed.shop, "adopted", "after")).unwrap();
    let good = bed.human.commit("Twelve maps, and one that is there already").unwrap();
    bed.start().await;
    bed.until_ready(&good).await;
    assert_eq!(bed.value("adopted").await.as_deref(), Some("after"));

    // What another tool owns is refused, and the rest of the commit is applied.
    bed.human.write("theirs.yaml", &config_map(&bed.shop, "theirs", "ours")).unwrap();
    bed.human.write("maps/c0.yaml", &config_map(&bed.shop, "c0", "2")).unwrap();
    bed.human.commit("Take what is not ours").unwrap();
    let status = bed.until_reason("ApplyFailed").await;
    assert_eq!(bed.value("theirs").await.as_deref(), Some("theirs"));
    assert_eq!(bed.value("c0").await.as_deref(), Some("2"));
    assert_eq!(status["failures"]["first"][0]["file"], "theirs.yaml");

    // A broken file: nothing of the commit happens, whatever else is in it, and the last good one is kept.
    bed.human.remove("theirs.yaml").unwrap();
    bed.human.write("maps/c1.yaml", &config_map(&bed.shop, "c1", "3")).unwrap();
    bed.human.write("maps/c2.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c2\n name: x\n").unwrap();
    bed.human.commit("Break a file").unwrap();
    let status = bed.until_reason("InvalidManifests").await;
    assert_eq!(condition(&status, "Stalled").0, "True");
    assert_eq!(status["failures"]["first"][0]["file"], "maps/c2.yaml");
    bed.edit("c3", "hand-made").await;
    bed.until("the repair", |status| status["drift"][0]["object"].as_str().is_some_and(|name| name.ends_with("/c3")))
        .await;
    assert_eq!((bed.value("c1").await.as_deref(), bed.value("c3").await.as_deref()), (Some("1"), Some("1")));

    // Most of it goes: the rest is applied, the deletions wait for a person.
    for number in 1..12 {
        bed.human.remove(&format!("maps/c{number}.yaml")).unwrap();
    }
    bed.human.write("maps/c0.yaml", &config_map(&bed.shop, "c0", "4")).unwrap();
    let mass = bed.human.commit("Remove nearly all").unwrap();
    let status = bed.until_reason("PruneHeld").await;
    assert_eq!((&status["held"]["commit"], &status["held"]["wouldPrune"]), (&mass.as_str().into(), &11.into()));
    assert_eq!((bed.value("c0").await.as_deref(), bed.value("c5").await.as_deref()), (Some("4"), Some("1")));
    bed.acknowledge(&mass).await;
    bed.until_ready(&mass).await;
    assert_eq!((bed.value("c5").await, bed.value("theirs").await.as_deref()), (None, Some("theirs")));

    // An emptied folder prunes nothing.
    bed.human.remove("maps/c0.yaml").unwrap();
    bed.human.remove("adopted.yaml").unwrap();
    bed.human.commit("Nothing is left").unwrap();
    bed.until_reason("PruneHeld").await;
    assert_eq!(bed.value("c0").await.as_deref(), Some("4"));
    bed.stop().await;
}
