//! What people do by hand to objects of the commit, and to copies of them.

use std::collections::BTreeSet;

use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    core::DynamicObject,
};
use serde_json::{Value, json};

use super::{
    dice::Dice,
    oracle::{Declared, place},
    stand::Stand,
};

/// The person with `kubectl`.
#[derive(Default)]
pub(crate) struct Edits {
    /// Objects that lost the marks of their owner: what is proven no more is not deleted any more.
    pub(crate) unmarked: BTreeSet<String>,
    /// Objects whose managed fields were cleared: nobody knows what Git once said of them.
    pub(crate) blurred: BTreeSet<String>,
    copies: usize,
}

impl Edits {
    /// One edit of one object; says what was done, and with what success.
    pub(crate) async fn step(&mut self, stand: &mut Stand, declared: &Declared, dice: &mut Dice) -> String {
        let editable: Vec<&Value> = declared.values().filter(|object| object["kind"] != "Namespace").collect();
        if editable.is_empty() {
            return "nothing to edit".to_owned();
        }
        let object = (*dice.pick(&editable)).clone();
        let place = place(&object);
        let is_definition = object["kind"] == "CustomResourceDefinition";
        let api = stand.of(&object);
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let (what, done) = match dice.below(16) {
            0..=2 if !is_definition || dice.once_in(3) => {
                ("delete", api.delete(&name, &DeleteParams::default()).await.map(drop))
            }
            3 if !is_definition => {
                self.unmarked.insert(place.clone());
                ("strip the marks of", merge(&api, &name, unmarked(dice)).await)
            }
            4 => {
                self.blurred.insert(place.clone());
                ("clear the managed fields of", merge(&api, &name, json!({"metadata": {"managedFields": [{}]}})).await)
            }
            5 => {
                let labels = json!({"by-hand": dice.below(1000).to_string()});
                ("label", merge(&api, &name, json!({"metadata": {"labels": labels}})).await)
            }
            6 | 7 if object["kind"] == "ConfigMap" => ("copy", self.copy(stand, &api, &object).await),
            8 if object["kind"] == "Deployment" => {
                let scale = Patch::Merge(json!({"spec": {"replicas": dice.below(4)}}));
                ("scale", api.patch_scale(&name, &manager("kubectl"), &scale).await.map(drop))
            }
            _ => match change(&object, dice) {
                Some(change) => ("change", merge(&api, &name, change).await),
                None => ("look at", Ok(())),
            },
        };
        match done {
            Ok(()) => format!("{what} {place}"),
            Err(error) => format!("{what} {place}: {}", error.to_string().chars().take(120).collect::<String>()),
        }
    }

    /// `kubectl get -o yaml`, another name, `kubectl create`.
    async fn copy(&mut self, stand: &mut Stand, api: &Api<DynamicObject>, object: &Value) -> kube::Result<()> {
        self.copies += 1;
        let mut live = api.get(object["metadata"]["name"].as_str().unwrap()).await?;
        let name = format!("copy-{}", self.copies);
        let metadata = std::mem::take(&mut live.metadata);
        live.metadata.name = Some(name.clone());
        live.metadata.labels = metadata.labels;
        live.metadata.annotations = metadata.annotations;
        api.create(&PostParams { field_manager: Some("kubectl-create".into()), ..PostParams::default() }, &live)
            .await?;
        let mut copy = object.clone();
        copy["metadata"]["name"] = json!(name);
        stand.leave_alone(copy).await;
        Ok(())
    }
}

fn manager(name: &str) -> PatchParams {
    PatchParams { field_manager: Some(name.to_owned()), ..PatchParams::default() }
}

async fn merge(api: &Api<DynamicObject>, name: &str, change: Value) -> kube::Result<()> {
    api.patch(name, &manager("kubectl-edit"), &Patch::Merge(change)).await.map(drop)
}

/// All marks, or one of them.
fn unmarked(dice: &mut Dice) -> Value {
    let labels = ["lockstep.dev/sync", "lockstep.dev/sync-namespace", "applyset.kubernetes.io/part-of"];
    match dice.below(3) {
        0 => json!({"metadata": {"labels": {(*dice.pick(&labels)): null}}}),
        1 => json!({"metadata": {"annotations": {"lockstep.dev/id": null}}}),
        _ => {
            let labels: serde_json::Map<String, Value> =
                labels.map(|label| (label.to_owned(), Value::Null)).into_iter().collect();
            json!({"metadata": {"labels": labels, "annotations": {"lockstep.dev/id": null, "lockstep.dev/applied": null}}})
        }
    }
}

/// Another value for something that Git says too, or something that Git does not have.
fn change(object: &Value, dice: &mut Dice) -> Option<Value> {
    let number = dice.below(1000);
    Some(match object["kind"].as_str()? {
        "ConfigMap" if number.is_multiple_of(4) => json!({"data": {"by-hand": number.to_string()}}),
        "ConfigMap" if number % 4 == 1 => json!({"data": {"v": null}}),
        "ConfigMap" => json!({"data": {"v": format!("by hand {number}")}}),
        "Secret" => json!({"data": {"k": "aGFuZA=="}}),
        "Service" if number.is_multiple_of(2) => {
            json!({"spec": {"ports": [{"name": "dns", "port": 53, "protocol": "UDP"}]}})
        }
        "Service" => json!({"spec": {"selector": {"app": "by-hand"}}}),
        "Deployment" => {
            let containers = json!([{"name": "web", "image": format!("registry.example/by-hand:{number}")}]);
            json!({"spec": {"template": {"spec": {"containers": containers}}}})
        }
        "NetworkPolicy" => json!({"spec": {"podSelector": {"matchLabels": {"app": "by-hand"}}}}),
        "Widget" if number.is_multiple_of(2) => json!({"spec": {"size": null}}),
        "Widget" => json!({"spec": {"size": 10_000 + number, "colour": "by-hand"}}),
        _ => return None,
    })
}
