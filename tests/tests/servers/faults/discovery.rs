//! What the API server serves, when it does not know or does not say.

use lockstep_testkit::{Fault, Requests, Times};
use serde_json::json;

use super::bed::{Bed, condition, version};
use crate::plane::api;

fn groups() -> Requests {
    Requests::with(&["get"]).path("/apis")
}

/// Makes the versions of a group as the API server tells them while what serves them does not answer.
fn stale(group: &str) -> Fault {
    let group = group.to_owned();
    Fault::edit(move |found| {
        for item in found["items"].as_array_mut().unwrap().iter_mut().filter(|item| item["metadata"]["name"] == *group)
        {
            for version in item["versions"].as_array_mut().unwrap() {
                *version = json!({"version": version["version"], "freshness": "Stale"});
            }
        }
    })
}

/// A8: an aggregated API is down, and nothing of it is used.
#[tokio::test(flavor = "multi_thread")]
async fn a8_a_group_that_nobody_uses_disturbs_nobody() {
    let mut bed = Bed::make("a8").await;
    let down = Fault::edit(|found| {
        let metrics =
            json!({"metadata": {"name": "metrics.k8s.io"}, "versions": [{"version": "v1beta1", "freshness": "Stale"}]});
        found["items"].as_array_mut().unwrap().push(metrics);
    });
    let down = bed.proxy.inject(groups(), Times::Always, down);
    bed.write("c0", "1");
    bed.write("c1", "1");
    bed.commit("Two maps");
    bed.start().await;
    bed.remove("c1");
    let commit = bed.commit("One map");
    bed.until_ready(&commit).await;
    assert!(down.hits() > 0);
    let deleted: &[&str] = if bed.deletions().is_empty() { &[] } else { &["c1"] };
    bed.finish(&commit, deleted).await;
}

const WIDGETS: &str = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: widgets.GROUP}\n\
    spec:\n  group: GROUP\n  scope: Namespaced\n  names: {kind: Widget, plural: widgets}\n  versions:\n  - name: v1\n    served: true\n    storage: true\n    \
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}}\n---\n\
    apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\n\
    metadata: {name: manages-GROUP, labels: {lockstep.dev/aggregate-to-manages: \"true\"}}\n\
    rules: [{apiGroups: [GROUP], resources: [widgets], verbs: [get, list, watch, create, patch, delete]}]\n";
const WIDGET: &str = "apiVersion: GROUP/v1\nkind: Widget\nmetadata: {name: w, namespace: SHOP}\nspec: {size: 1}\n";

/// A9: the group of an object that was applied is unknown for a while, and the object leaves Git in that while.
#[tokio::test(flavor = "multi_thread")]
async fn a9_what_cannot_be_seen_is_not_gone() {
    let mut bed = Bed::make("a9").await;
    let group = format!("{}.example.com", bed.namespace);
    let shop = bed.shop.clone();
    let fill = |text: &str| text.replace("GROUP", &group).replace("SHOP", &shop);
    bed.plane.apply_yaml(&fill(WIDGETS)).await.unwrap();
    bed.human.write("widget.yaml", &fill(WIDGET)).unwrap();
    bed.human.write("kept.yaml", &fill(WIDGET).replace("name: w,", "name: kept,")).unwrap();
    bed.write("c0", "1");
    bed.write("c1", "1");
    let first = bed.commit("A widget and two maps");
    bed.start().await;
    bed.until_ready(&first).await;
    bed.stop().await;
    let widgets = api(&bed.client, &group, "v1", "Widget", Some(&bed.shop));
    let before = version(&widgets.get("w").await.unwrap());
    let syncs = bed.syncs();
    let remembered = async || syncs.get("shop").await.unwrap().metadata.annotations.unwrap();
    let kind = format!("Widget.{group}");
    assert!(remembered().await["applyset.kubernetes.io/contains-group-kinds"].contains(&kind));

    let down = bed.proxy.inject(groups(), Times::Always, stale(&group));
    let gone = Fault::status(503, "ServiceUnavailable", "service unavailable");
    let refused = bed.proxy.inject(Requests::all().of("widgets"), Times::Always, gone);
    bed.human.remove("widget.yaml").unwrap();
    bed.write("c0", "2");
    let second = bed.commit("Remove the widget, change a map");
    bed.start().await;
    bed.until_value("c0", "2").await;
    bed.edit("c1", "hand-made").await;
    bed.until_value("c1", "1").await;
    bed.until_looked_at(2).await;
    let status = bed.status().await;
    assert_ne!(condition(&status, "Ready").0, "True", "{status:#}");
    assert!(status.to_string().contains(&group), "{status:#}");
    assert!(status["failures"].to_string().contains("Widget"), "{status:#}");
    assert_eq!(version(&widgets.get("w").await.unwrap()), before);
    assert!(remembered().await["applyset.kubernetes.io/contains-group-kinds"].contains(&kind));

    down.lift();
    refused.lift();
    bed.until_ready(&second).await;
    assert!(widgets.get_opt("w").await.unwrap().is_none() && widgets.get_opt("kept").await.unwrap().is_some());
    bed.finish(&second, &["w"]).await;
}

/// A10: the API server does not say what it serves, or says that it serves nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a10_without_discovery_nothing_is_done() {
    let (mut bed, first) = Bed::with_maps("a10", 3).await;
    bed.stop().await;
    let before = bed.patches().len();
    bed.write("c0", "2");
    bed.remove("c1");
    let second = bed.commit("Change one, remove one");
    let faults: [(&str, Fault); 2] = [
        ("503", Fault::status(503, "ServiceUnavailable", "the server is currently unable to handle the request")),
        ("empty", Fault::edit(|found| found["items"] = json!([]))),
    ];
    for (what, fault) in faults {
        let fault = bed.proxy.inject(groups(), Times::Always, fault);
        bed.start().await;
        bed.until_reason("ClusterUnavailable").await;
        bed.wait("another try", async || fault.hits() > 2).await;
        let status = bed.status().await;
        assert_eq!(status["applied"]["commit"], *first, "{what}");
        assert_eq!((bed.patches().len(), bed.deletions().len()), (before, 0), "{what}");
        if what == "503" {
            bed.stop().await;
        }
        fault.lift();
    }
    bed.until_ready(&second).await;
    bed.finish(&second, &["c1"]).await;
}
