use std::fmt::Write as _;

use lockstep_manifest::Object;
use serde_json::{Value, json};

use super::*;
use crate::cover::FieldLoss;
use crate::live::ManagedFields;
use crate::ownership::{APPLIED_ANNOTATION, ID_ANNOTATION, Owner};
use crate::render::render;

mod departing;
mod instructed;
mod pruning;
mod settled;
mod wanted;

const COMMIT: &str = "c0ffee";

fn shop() -> Ownership {
    Ownership { sync: "shop".into(), sync_namespace: "lockstep".into() }
}

fn blog() -> Ownership {
    Ownership { sync: "blog".into(), sync_namespace: "lockstep".into() }
}

fn rendered_as(id: &str, mut body: Value, ownership: &Ownership) -> Rendered {
    let id: ObjectId = id.parse().unwrap();
    body["apiVersion"] = json!("v1");
    body["kind"] = json!(id.kind);
    body["metadata"]["name"] = json!(id.name);
    let object = Object { id, api_version: "v1".into(), value: body, file: "a.yaml".into(), line: 1 };
    render(object.clone(), ownership).unwrap()
}

fn rendered(id: &str) -> Rendered {
    rendered_as(id, json!({"data": {"a": "Yg=="}}), &shop())
}

/// The entry for a body without lists.
fn fields_of(value: &Value) -> Value {
    match value {
        Value::Object(map) if !map.is_empty() => map
            .iter()
            .map(|(name, value)| (format!("f:{name}"), fields_of(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        _ => json!({}),
    }
}

/// The live object as it is right after its apply.
fn applied(rendered: &Rendered) -> LiveMetadata {
    let mut live = LiveMetadata::from_object(rendered.object.id.clone(), &rendered.body.value());
    live.uid = format!("uid of {}", live.id);
    live.resource_version = "7".into();
    live.managed_fields = vec![ManagedFields {
        manager: "lockstep".into(),
        operation: "Apply".into(),
        api_version: "v1".into(),
        fields: fields_of(&rendered.body.value()),
        ..ManagedFields::default()
    }];
    live
}

/// Somebody took the one field under `data`; the server keeps no empty node in an entry.
fn lose_data(live: &mut LiveMetadata) {
    live.managed_fields[0].fields.as_object_mut().unwrap().remove("f:data").unwrap();
}

/// What a plan is made from, with a place to change each part.
struct World {
    policy: SyncPolicy,
    acknowledged: Option<&'static str>,
    held_whole: Option<&'static str>,
    wanted: Vec<Rendered>,
    live: Vec<LiveMetadata>,
    settled: HashMap<ObjectId, Settled>,
    unlisted: BTreeSet<GroupKind>,
    /// Besides the kinds of what is there.
    listed_always: BTreeSet<GroupKind>,
    facts: BTreeMap<ObjectId, Fact>,
    unkept: BTreeMap<ObjectId, BTreeSet<String>>,
    protected: BTreeSet<ObjectId>,
    unready: BTreeMap<ObjectId, String>,
    occupied: BTreeMap<ObjectId, String>,
}

impl World {
    fn new(wanted: &[&str], live: &[&str]) -> Self {
        Self {
            policy: SyncPolicy::default(),
            acknowledged: None,
            held_whole: None,
            wanted: wanted.iter().map(|id| rendered(id)).collect(),
            live: live.iter().map(|id| applied(&rendered(id))).collect(),
            settled: HashMap::new(),
            unlisted: BTreeSet::new(),
            listed_always: BTreeSet::new(),
            facts: BTreeMap::new(),
            unkept: BTreeMap::new(),
            protected: BTreeSet::new(),
            unready: BTreeMap::new(),
            occupied: BTreeMap::new(),
        }
    }

    fn plan(&self) -> Plan {
        let live: Vec<&LiveMetadata> = self.live.iter().collect();
        let present = live.iter().map(|live| &live.id).chain(self.settled.keys()).map(GroupKind::of);
        let listed = present.chain(self.listed_always.clone()).filter(|kind| !self.unlisted.contains(kind)).collect();
        plan(&Input {
            ownership: &shop(),
            policy: &self.policy,
            commit: COMMIT,
            acknowledged: self.acknowledged,
            held_whole: self.held_whole,
            wanted: &self.wanted,
            live: &live,
            settled: &self.settled,
            listed: &listed,
            facts: &self.facts,
            unkept: &self.unkept,
            protected: &self.protected,
            unready: &self.unready,
            occupied: &self.occupied,
        })
    }

    fn text(&self) -> String {
        self.plan().to_string()
    }
}

/// Everything that the plan applies, reported as taken.
fn all_applied(plan: &Plan) -> ApplyOutcome {
    let mut outcome = ApplyOutcome::default();
    for step in plan.applies() {
        outcome.applied(&step.id, "new");
    }
    outcome
}

fn deleted(plan: &Plan) -> Vec<Vec<String>> {
    let waves = plan.prune_step(&all_applied(plan)).unwrap();
    waves.iter().map(|wave| wave.iter().map(|deletion| deletion.id().to_string()).collect()).collect()
}

fn lines(lines: &[&str]) -> String {
    lines.iter().fold(String::new(), |mut text, line| {
        writeln!(text, "{line}").unwrap();
        text
    })
}
