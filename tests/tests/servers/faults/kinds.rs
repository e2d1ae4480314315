//! Kinds and their versions, which come and go under the objects.

use kube::{Api, api::DeleteParams, core::DynamicObject};
use lockstep_testkit::{Fault, Requests, Times};
use serde_json::Value;

use super::bed::{Bed, condition, version};
use crate::plane::api;

/// A kind of its own for each test, whose objects the daemon may manage.
struct Widgets {
    group: String,
    shop: String,
}

impl Widgets {
    /// With the right to manage them, which takes a moment to be known.
    async fn of(bed: &Bed) -> Self {
        let widgets = Self { group: format!("{}.example.com", bed.namespace), shop: bed.shop.clone() };
        bed.plane.apply_yaml(&widgets.right()).await.unwrap();
        widgets
    }

    fn right(&self) -> String {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\n\
             metadata: {{name: manages-{0}, labels: {{lockstep.dev/aggregate-to-manages: \"true\"}}}}\n\
             rules: [{{apiGroups: [{0}], resources: [widgets], verbs: [get, list, watch, create, patch, delete]}}]\n",
            self.group
        )
    }

    /// Versions, and whether each is served; the last is the one that is stored.
    fn definition(&self, versions: &[(&str, bool)]) -> String {
        let one = |(at, (name, served)): (usize, &(&str, bool))| {
            let stored = at + 1 == versions.len();
            format!(
                "  - {{name: {name}, served: {served}, storage: {stored}, schema: {{openAPIV3Schema: {{type: object, \
                 properties: {{spec: {{type: object, properties: {{size: {{type: integer}}}}}}}}}}}}}}\n"
            )
        };
        let versions: String = versions.iter().enumerate().map(one).collect();
        format!(
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: widgets.{0}}}\n\
             spec:\n  group: {0}\n  scope: Namespaced\n  names: {{kind: Widget, plural: widgets}}\n  versions:\n{versions}",
            self.group
        )
    }

    fn widget(&self, version: &str, name: &str, size: u32) -> String {
        format!(
            "apiVersion: {}/{version}\nkind: Widget\nmetadata: {{name: {name}, namespace: {}}}\nspec: {{size: {size}}}\n",
            self.group, self.shop
        )
    }

    fn served(&self, bed: &Bed, version: &str) -> Api<DynamicObject> {
        api(&bed.client, &self.group, version, "Widget", Some(&self.shop))
    }
}

fn definitions(bed: &Bed) -> Api<DynamicObject> {
    api(&bed.client, "apiextensions.k8s.io", "v1", "CustomResourceDefinition", None)
}

fn told(status: &Value) -> String {
    format!("{} {}", status["waiting"], status["failures"])
}

/// B11: a version is no longer served. A11: the whole kind is gone, and comes back.
#[tokio::test(flavor = "multi_thread")]
async fn b11_a11_a_version_goes_then_the_kind_and_the_kind_comes_back() {
    let mut bed = Bed::make("a11").await;
    let widgets = Widgets::of(&bed).await;
    bed.plane.apply_yaml(&widgets.definition(&[("v1beta1", true)])).await.unwrap();
    for name in ["gone", "kept"] {
        bed.human.write(&format!("{name}.yaml"), &widgets.widget("v1beta1", name, 1)).unwrap();
    }
    bed.write("c0", "1");
    bed.write("c1", "1");
    let first = bed.commit("Two widgets and two maps");
    bed.start().await;
    bed.until_ready(&first).await;

    bed.plane.apply_yaml(&widgets.definition(&[("v1beta1", false), ("v1", true)])).await.unwrap();
    let current = widgets.served(&bed, "v1");
    let old = widgets.served(&bed, "v1beta1");
    let changed = async || current.get_opt("kept").await.is_ok_and(|it| it.is_some()) && old.get("kept").await.is_err();
    bed.wait("the change of versions", changed).await;
    let before = version(&current.get("kept").await.unwrap());
    // Git still says the version that is gone: nothing is lost by it.
    bed.write("c0", "2");
    bed.commit("Change a map");
    bed.until_value("c0", "2").await;
    bed.human.remove("gone.yaml").unwrap();
    bed.human.write("kept.yaml", &widgets.widget("v1", "kept", 2)).unwrap();
    let second = bed.commit("Follow the version, and remove one");
    bed.until_ready(&second).await;
    let kept = current.get("kept").await.unwrap();
    assert_eq!((&kept.data["spec"]["size"], kept.metadata.uid), (&2.into(), Some(before.0)));
    assert!(current.get_opt("gone").await.unwrap().is_none());
    assert_eq!(bed.deletions(), ["gone"]);

    definitions(&bed).delete(&format!("widgets.{}", widgets.group), &DeleteParams::default()).await.unwrap();
    let status = bed.until("the kind to be missed", |status| told(status).contains("Widget")).await;
    assert_ne!(condition(&status, "Ready").0, "True", "{status:#}");
    bed.edit("c1", "hand-made").await;
    bed.until_value("c1", "1").await;
    bed.wait("the definition to be gone", async || {
        definitions(&bed).get_opt(&format!("widgets.{}", widgets.group)).await.unwrap().is_none()
    })
    .await;
    bed.plane.apply_yaml(&widgets.definition(&[("v1", true)])).await.unwrap();
    bed.wait("the widget to be back", async || current.get("kept").await.is_ok()).await;
    bed.finish(&second, &["gone"]).await;
}

/// Whether the Sync's record knows a kind of this group.
async fn recorded(bed: &Bed, group: &str) -> bool {
    let sync = bed.syncs().get("shop").await.unwrap();
    sync.metadata.annotations.unwrap()["applyset.kubernetes.io/contains-group-kinds"].contains(group)
}

/// A11: a kind that Git wants no more is forgotten when its definition is proven to be gone, and not before.
#[tokio::test(flavor = "multi_thread")]
async fn a11_a_lost_kind_leaves_the_record_only_when_its_definition_is_gone() {
    let mut bed = Bed::make("a11-record").await;
    let widgets = Widgets::of(&bed).await;
    bed.plane.apply_yaml(&widgets.definition(&[("v1", true)])).await.unwrap();
    bed.human.write("w.yaml", &widgets.widget("v1", "w", 1)).unwrap();
    bed.write("c0", "1");
    bed.write("c1", "1");
    let first = bed.commit("A widget and two maps");
    bed.start().await;
    bed.until_ready(&first).await;
    assert!(recorded(&bed, &widgets.group).await);

    // The group does not answer, and the widget leaves Git: nothing is known, so nothing is forgotten.
    bed.stop().await;
    let name = format!("widgets.{}", widgets.group);
    let lists = Requests::with(&["list"]).of("customresourcedefinitions");
    let silent = bed.proxy.inject(lists, Times::Always, Fault::status(503, "ServiceUnavailable", "try again"));
    definitions(&bed).delete(&name, &DeleteParams::default()).await.unwrap();
    bed.wait("the definition to be gone", async || definitions(&bed).get_opt(&name).await.unwrap().is_none()).await;
    bed.human.remove("w.yaml").unwrap();
    bed.write("c0", "2");
    let second = bed.commit("Remove the widget");
    bed.start().await;
    bed.until_ready(&second).await;
    assert!(recorded(&bed, &widgets.group).await, "an error is no proof");

    silent.lift();
    bed.write("c0", "3");
    let third = bed.commit("Change a map");
    bed.until_ready(&third).await;
    bed.wait("the kind to be forgotten", async || !recorded(&bed, &widgets.group).await).await;
    bed.wait("the Event", async || {
        bed.events().await.iter().any(|event| event.starts_with("KindLost") && event.contains("Widget"))
    })
    .await;
    bed.finish(&third, &[]).await;
}

/// A22: the rights to one kind are taken away, while the daemon runs and when it starts.
#[tokio::test(flavor = "multi_thread")]
async fn a22_a_right_that_is_taken_away_isolates_its_kind() {
    let mut bed = Bed::make("a22").await;
    let widgets = Widgets::of(&bed).await;
    bed.plane.apply_yaml(&widgets.definition(&[("v1", true)])).await.unwrap();
    for name in ["gone", "kept"] {
        bed.human.write(&format!("{name}.yaml"), &widgets.widget("v1", name, 1)).unwrap();
    }
    bed.write("c0", "1");
    bed.write("c1", "1");
    let first = bed.commit("Two widgets and two maps");
    bed.start().await;
    bed.until_ready(&first).await;

    let roles = api(&bed.client, "rbac.authorization.k8s.io", "v1", "ClusterRole", None);
    roles.delete(&format!("manages-{}", widgets.group), &DeleteParams::default()).await.unwrap();
    let daemon = bed.plane.client_as(&bed.namespace, "daemon").await.unwrap();
    let as_daemon = api(&daemon, &widgets.group, "v1", "Widget", Some(&bed.shop));
    bed.wait("the right to be gone", async || as_daemon.get("kept").await.is_err()).await;
    let live = widgets.served(&bed, "v1");
    let before = version(&live.get("gone").await.unwrap());
    bed.human.remove("gone.yaml").unwrap();
    bed.human.write("kept.yaml", &widgets.widget("v1", "kept", 2)).unwrap();
    bed.write("c0", "2");
    bed.remove("c1");
    let second = bed.commit("Change and remove one of each");
    let named = |status: &Value| status["failures"].to_string().contains("/kept") && told(status).contains("forbidden");
    bed.until("the refusal", named).await;
    bed.until_value("c0", "2").await;
    // What cannot be listed is not an empty list.
    bed.stop().await;
    bed.start().await;
    let refused = |status: &Value| status["failures"].to_string().contains(&widgets.group);
    bed.until("the refusal again", refused).await;
    bed.edit("c0", "hand-made").await;
    bed.until_value("c0", "2").await;
    assert_eq!(version(&live.get("gone").await.unwrap()), before);
    assert_eq!((bed.deletions(), bed.status().await["applied"]["commit"].as_str()), (vec![], Some(first.as_str())));

    bed.plane.apply_yaml(&widgets.right()).await.unwrap();
    bed.until_ready(&second).await;
    assert!(live.get_opt("gone").await.unwrap().is_none());
    assert_eq!(live.get("kept").await.unwrap().data["spec"]["size"], 2);
    let mut deleted = bed.finish_after_deletions(&second).await;
    deleted.sort();
    assert_eq!(deleted, ["c1", "gone"]);
}

const EVENT: &str = "type: Normal\nreason: Opened\naction: Open\neventTime: \"2024-01-01T00:00:00.000000Z\"\nreportingInstance: shop-0\n";

/// B3: a definition leaves Git, and an object of its kind does not. B10: one object has two names, in two API groups.
#[tokio::test(flavor = "multi_thread")]
async fn b3_b10_definitions_outlive_their_objects_and_one_object_stays_one() {
    let mut bed = Bed::make("b3").await;
    let widgets = Widgets::of(&bed).await;
    let right = widgets.right().replace("manages-", "manages-events-").replace(
        &format!("apiGroups: [{}], resources: [widgets]", widgets.group),
        "apiGroups: [\"\", events.k8s.io], resources: [events]",
    );
    bed.plane.apply_yaml(&right).await.unwrap();
    let about = format!("{{apiVersion: v1, kind: ConfigMap, name: c0, namespace: {}}}", bed.shop);
    let place = format!("metadata: {{name: opened, namespace: {}}}\nkind: Event\n{EVENT}", bed.shop);
    let old = format!(
        "apiVersion: v1\n{place}reportingComponent: example.com/shop\nmessage: open\ninvolvedObject: {about}\n"
    );
    let new = format!(
        "apiVersion: events.k8s.io/v1\n{place}reportingController: example.com/shop\nnote: open\nregarding: {about}\n"
    );
    bed.human.write("event.yaml", &old).unwrap();
    bed.human.write("definition.yaml", &widgets.definition(&[("v1", true)])).unwrap();
    bed.human.write("widget.yaml", &widgets.widget("v1", "w", 1)).unwrap();
    bed.write("c0", "1");
    bed.write("c1", "1");
    bed.write("c2", "1");
    let first = bed.commit("A kind, a widget, maps and an event");
    bed.start().await;
    bed.until_ready(&first).await;
    let name = format!("widgets.{}", widgets.group);
    let events = api(&bed.client, "events.k8s.io", "v1", "Event", Some(&bed.shop));
    let uid = async || events.get("opened").await.unwrap().metadata.uid;
    let (event, definition) = (uid().await, version(&definitions(&bed).get(&name).await.unwrap()).0);

    bed.human.remove("definition.yaml").unwrap();
    bed.human.write("event.yaml", &new).unwrap();
    bed.write("c0", "2");
    let second = bed.commit("Remove the definition, rename the event's group");
    let refused = |status: &Value| status["waiting"].to_string().contains(&format!("Widget/{}/w along", bed.shop));
    let status = bed.until("the refusal", refused).await;
    assert!(status["waiting"].to_string().contains(&name), "{status:#}");
    bed.until_value("c0", "2").await;
    bed.until("the event", |status| status["applied"]["commit"] == second.as_str()).await;
    bed.until_looked_at(2).await;
    assert_eq!((bed.deletions(), uid().await), (vec![], event.clone()));
    assert_eq!(version(&definitions(&bed).get(&name).await.unwrap()).0, definition);
    assert!(widgets.served(&bed, "v1").get_opt("w").await.unwrap().is_some());

    bed.human.remove("widget.yaml").unwrap();
    let third = bed.commit("Remove the widget, too");
    bed.until_ready(&third).await;
    assert_eq!(uid().await, event);
    bed.finish(&third, &["w", &name]).await;
}
