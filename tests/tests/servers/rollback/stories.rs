//! All stories at once, on one branch.

use std::collections::BTreeMap;

use super::bed::Bed;
use super::shop;

/// The tags of all workloads where they are not this one.
fn others(tags: &BTreeMap<String, String>, usual: &str) -> String {
    let others = tags.iter().filter(|(_, tag)| *tag != usual);
    others.map(|(workload, tag)| format!("{workload}={tag}")).collect::<Vec<_>>().join(" ")
}

/// Pushes a tag of these images.
async fn publish(bed: &Bed, tag: &str, images: &[&str]) {
    for image in images {
        bed.registry.push_image(&format!("shop/{image}"), tag, None).await.unwrap();
    }
}

/// How often each place was reverted by us, by `CLUSTER/NAME`.
fn reverts(bed: &Bed) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for entry in bed.human.log().unwrap() {
        let message = bed.human.message(entry.split(' ').next().unwrap()).unwrap();
        if !message.contains("\nLockstep-Change: revert\n") {
            continue;
        }
        for workload in &shop::ALL {
            let place = workload.place(bed.cluster(workload.cluster));
            if message.contains(&format!("\nLockstep-Place: {place} ")) {
                *counts.entry(format!("{}/{}", workload.cluster, workload.name)).or_default() += 1;
            }
        }
    }
    counts
}

async fn run(bed: &Bed, tag: &str, workloads: &[&str]) -> bool {
    for named in workloads {
        let (cluster, name) = named.split_once('/').unwrap();
        let workload = shop::ALL.iter().find(|one| (one.cluster, one.name) == (cluster, name)).unwrap();
        let image = workload.image(&bed.registry.address(), tag);
        if !bed.cluster(cluster).runs(workload.kind, name, &image).await {
            return false;
        }
    }
    true
}

/// Opens the shops: every workload runs 1.4.2 in its cluster. The automator is not there yet.
async fn open() -> Bed {
    let mut bed = Bed::new().await;
    let mut images: Vec<&str> = shop::ALL.iter().map(|workload| workload.image).collect();
    images.extend(["side"]);
    publish(&bed, "1.4.2", &images).await;
    for workload in &shop::ALL {
        let namespace = &bed.cluster(workload.cluster).shop;
        let text = workload.manifest(namespace, &bed.registry.address(), "1.4.2");
        bed.human.write(&workload.file(), &text).unwrap();
    }
    let begin = bed.human.commit("Open the shops").unwrap();
    let (plane, url) = (bed.plane, bed.git.http_url());
    for cluster in &mut bed.clusters {
        cluster.start(plane, &url).await;
    }
    for cluster in ["eu", "us", "guest"] {
        bed.until(&format!("{cluster} to run 1.4.2"), async |bed| bed.cluster(cluster).is_ready(&begin).await).await;
    }
    bed
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_releases_are_taken_back_once_whenever_the_automator_is_killed() {
    let mut bed = open().await;
    a_release_that_many_cannot_run(&mut bed).await;
    what_was_taken_back_runs_again(&mut bed).await;
    a_person_takes_back_and_gives_again(&mut bed).await;
    newer_releases_go_on(&mut bed).await;
    assert!(bed.kills >= 8, "{}", bed.kills);
}

async fn a_release_that_many_cannot_run(bed: &mut Bed) {
    let begin = bed.human.head().unwrap();
    let all = ["bad", "ten", "side", "duo", "changed", "port", "crawl", "noted", "db", "hold", "guest"];
    publish(bed, "1.4.3", &all).await;
    publish(bed, "1.4.4", &["crawl"]).await;
    bed.start();
    let mut update = begin.clone();
    lockstep_testkit::eventually(super::bed::SOON, "the update", async || {
        update = bed.human.head().unwrap();
        update != begin
    })
    .await
    .unwrap();
    bed.kill();
    assert_eq!(others(&bed.tags(), "1.4.3"), "eu/crawl=1.4.4 eu/person=1.4.2", "all in one commit");
    // A person is faster than whoever could say that it does not run.
    let changed = "clusters/eu/changed.yaml";
    bed.human.pull().unwrap();
    let text = bed.human.read(changed).unwrap().replace("replicas: 1", "replicas: 2");
    bed.human.write(changed, &text).unwrap();
    bed.human.commit("Two of them").unwrap();
    bed.start();

    let taken_back = "eu/bad=1.4.2 eu/crawl=1.4.2 eu/duo=1.4.2 eu/noted=1.4.2 eu/person=1.4.2 eu/ten-7=1.4.2 \
                      us/bad=1.4.2 us/db=1.4.2 us/duo=1.4.2";
    bed.until("what cannot run to be taken back", async |bed| others(&bed.tags(), "1.4.3") == taken_back).await;
    assert_eq!(bed.look().await, Vec::<String>::new());
    assert_eq!(others(&bed.tags(), "1.4.3"), taken_back);
    let side = format!("{}/shop/side:1.4.2", bed.registry.address());
    assert!(bed.human.show("clusters/eu/ten-7.yaml").unwrap().contains(&side), "the whole object");
    let reverts = reverts(bed);
    assert!(reverts.values().all(|count| *count == 1), "{reverts:?}");
    assert_eq!(reverts.len(), 8, "{reverts:?}");

    let log = bed.human.log().unwrap();
    let messages: Vec<String> =
        log.iter().map(|entry| bed.human.message(entry.split(' ').next().unwrap()).unwrap()).collect();
    let revert =
        messages.iter().find(|message| message.contains("eu/bad.yaml") && message.starts_with("Revert")).unwrap();
    for part in [&format!("takes back what commit {update} wrote"), "failed in eu, Sync", "ImagePullBackOff"] {
        assert!(revert.contains(part), "{part}\n{revert}");
    }
    let changed = bed.image("eu", "changed").await.unwrap();
    assert!(changed.held.contains("failed in eu") && changed.held.contains("needs a person"), "{changed:?}");
    let held = bed.image("eu", "hold").await.unwrap().held;
    assert!(held.contains("failed in eu") && held.contains("revert it by hand"), "{held}");
    assert!(!run(bed, "1.4.3", &["eu/port"]).await, "the new pod has no room");
    assert_eq!(bed.image("eu", "port").await.unwrap().held, "", "no room proves nothing");
    assert!(!run(bed, "1.4.3", &["guest/guest"]).await, "the new pod crashes");
    assert_eq!(bed.image("guest", "guest").await.unwrap().held, "", "who may not vote says nothing");
    let metrics = bed.metrics().await;
    assert!(metrics.contains("decision=\"person\"} 1"), "{metrics}");
}

async fn what_was_taken_back_runs_again(bed: &mut Bed) {
    let back = ["eu/bad", "us/bad", "eu/crawl", "eu/duo", "us/duo", "eu/noted", "eu/ten-7"];
    bed.until("what was taken back to run", async |bed| run(bed, "1.4.2", &back).await).await;
    let ten = ["ten-0", "ten-1", "ten-2", "ten-3", "ten-4", "ten-5", "ten-6", "ten-8", "ten-9"];
    let ten: Vec<String> = ten.iter().map(|name| format!("eu/{name}")).collect();
    let ten: Vec<&str> = ten.iter().map(String::as_str).collect();
    bed.until("the other nine to run", async |bed| run(bed, "1.4.3", &ten).await).await;
    bed.until("the pod to delete to be told", async |bed| {
        let told = bed.cluster("us").status().await.to_string();
        told.contains("PodToDelete") || told.contains("delete pod db-0")
    })
    .await;
    bed.cluster("us").delete_pod("db-0").await;
    bed.until("the database to run again", async |bed| run(bed, "1.4.2", &["us/db"]).await).await;
}

async fn a_person_takes_back_and_gives_again(bed: &mut Bed) {
    publish(bed, "1.4.3", &["person"]).await;
    let tag = |bed: &Bed| bed.tags()["eu/person"].clone();
    bed.until("the update of person", async |bed| tag(bed) == "1.4.3").await;
    let update = bed.human.head().unwrap();
    let revert = bed.human.revert(&update).unwrap();
    assert_eq!((bed.look().await, tag(bed)), (Vec::new(), "1.4.2".to_owned()), "a person's revert sticks");
    bed.human.revert(&revert).unwrap();
    assert_eq!((bed.look().await, tag(bed)), (Vec::new(), "1.4.3".to_owned()), "and so does the revert of that");
    bed.until("what the person wants to run", async |bed| run(bed, "1.4.3", &["eu/person"]).await).await;
}

async fn newer_releases_go_on(bed: &mut Bed) {
    // A person insists on what does not run: it is theirs now.
    let noted = "clusters/eu/noted.yaml";
    bed.human.pull().unwrap();
    let text = bed.human.read(noted).unwrap().replace(":1.4.2", ":1.4.3");
    bed.human.write(noted, &text).unwrap();
    bed.human.commit("It must").unwrap();
    // The ten stay as they are: where most of what is left alone is unwell too, no failure proves anything.
    publish(bed, "1.4.4", &["bad", "duo", "hold", "person"]).await;
    publish(bed, "1.4.5", &["crawl"]).await;
    let expected = "eu/bad=1.4.4 eu/crawl=1.4.2 eu/duo=1.4.4 eu/hold=1.4.4 eu/person=1.4.4 eu/ten-7=1.4.2 us/bad=1.4.4 \
                    us/db=1.4.2 us/duo=1.4.4";
    bed.until("newer releases", async |bed| {
        others(&bed.tags(), "1.4.3") == expected && reverts(bed).get("eu/crawl") == Some(&2)
    })
    .await;
    let well = ["eu/bad", "us/bad", "eu/duo", "us/duo", "eu/hold", "eu/person"];
    bed.until("newer releases to run", async |bed| run(bed, "1.4.4", &well).await).await;
    bed.until("the person to be told that it does not run", async |bed| {
        let image = bed.image("eu", "noted").await;
        image.is_some_and(|image| image.held.contains("not written by an update of Lockstep"))
    })
    .await;
    assert_eq!(bed.look().await, Vec::<String>::new());
    assert_eq!(others(&bed.tags(), "1.4.3"), expected);
    assert!(!run(bed, "1.4.3", &["eu/port"]).await && !run(bed, "1.4.3", &["guest/guest"]).await);
    let mut reverts = reverts(bed);
    assert_eq!(reverts.remove("eu/crawl"), Some(2));
    assert!(reverts.len() == 7 && reverts.values().all(|count| *count == 1), "{reverts:?}");
}
