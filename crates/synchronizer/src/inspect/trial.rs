//! What the API server says to the steps of a plan, by dry runs.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use lockstep_api::v1::{FieldDiff, ObjectDiff};
use lockstep_manifest::ObjectId;
use lockstep_plan::{Action, FieldChange, GroupKind, Rendered, Step, differences};
use serde_json::Value;

use super::{
    CONCURRENCY, Sight,
    show::{Room, cut},
};
use crate::{
    apply::{body_for, target},
    ports::{ClusterError, Target},
    turn::{Desk, Prepared},
};

/// So many objects are compared.
const OBJECTS: usize = 500;
/// So many fields of one object are told.
const FIELDS: usize = 200;
/// About so many characters of a text are.
const LONGEST_TEXT: usize = 2000;

/// A plan before the API server.
pub(super) struct Trials<'a> {
    desk: &'a Desk<'a>,
    prepared: &'a Prepared,
    wanted: HashMap<&'a ObjectId, &'a Rendered>,
    /// Namespaces that the plan makes: nothing can be tried in them before.
    new_namespaces: BTreeSet<&'a str>,
}

impl<'a> Trials<'a> {
    pub(super) fn of(desk: &'a Desk<'a>, prepared: &'a Prepared) -> Self {
        let wanted = prepared.manifests.wanted.iter().map(|rendered| (&rendered.object.id, rendered)).collect();
        let is_new = |step: &&Step| step.action == Action::Create && step.id.kind == "Namespace";
        let new_namespaces = prepared.plan.steps().iter().filter(is_new).map(|step| step.id.name.as_str()).collect();
        Self { desk, prepared, wanted, new_namespaces }
    }

    /// Why the API server would refuse applies of the plan.
    pub(super) async fn refusals(&self) -> BTreeMap<ObjectId, String> {
        let applies = self.prepared.plan.steps().iter().filter(|step| step.action.is_apply());
        let asked: Vec<BoxFuture<'_, _>> = applies.map(|step| self.refusal(step).boxed()).collect();
        stream::iter(asked).buffer_unordered(self.concurrency()).filter_map(std::future::ready).collect().await
    }

    async fn refusal(&self, step: &Step) -> Option<(ObjectId, String)> {
        let rendered = self.wanted.get(&step.id)?;
        let target = self.target(step).filter(|_| self.can_be_tried(step))?;
        let error = self.desk.objects.dry_run(&target, &rendered.body).await.err()?;
        Some((step.id.clone(), error.to_string()))
    }

    /// The objects that differ, and how many more there are.
    pub(super) async fn differences(&self, sight: &dyn Sight) -> (Vec<ObjectDiff>, u32) {
        let differs =
            |step: &&Step| step.action.is_apply() || matches!(step.action, Action::Drifted(_) | Action::Prune);
        let steps: Vec<&Step> = self.prepared.plan.steps().iter().filter(differs).collect();
        let compared = &steps[..steps.len().min(OBJECTS)];
        let asked: Vec<BoxFuture<'_, _>> = compared.iter().map(|step| self.difference(step, sight).boxed()).collect();
        let mut answers = stream::iter(asked).buffered(self.concurrency());
        let (mut objects, mut room) = (Vec::new(), Room::new());
        while let Some(object) = answers.next().await {
            if room.takes(&object) {
                objects.push(object);
            }
        }
        let left_out = steps.len() - objects.len();
        (objects, u32::try_from(left_out).unwrap_or(u32::MAX))
    }

    async fn difference(&self, step: &Step, sight: &dyn Sight) -> ObjectDiff {
        let mut told = ObjectDiff {
            object: step.id.short(),
            group: step.id.group.clone(),
            verb: step.verb().to_owned(),
            reason: cut(step.reason()),
            ..ObjectDiff::default()
        };
        let Some(target) = self.target(step) else {
            told.fields = self.as_in_git(step, false);
            return told;
        };
        let visible = sight.may_read(&target.kind, &target.namespace, &target.name).await;
        match self.states(step, &target).await {
            Ok((live, after)) => {
                let changes = differences(live.as_ref(), after.as_ref());
                told.left_out = u32::try_from(changes.len().saturating_sub(FIELDS)).unwrap_or(u32::MAX);
                told.fields = fields(changes, visible);
            }
            Err(error) => {
                told.refusal = error.to_string();
                told.fields = self.as_in_git(step, visible);
            }
        }
        told
    }

    /// The object as it is and as it would be.
    async fn states(&self, step: &Step, target: &Target) -> Result<(Option<Value>, Option<Value>), ClusterError> {
        let objects = &self.desk.objects;
        let Some(rendered) = self.wanted.get(&step.id) else { return Ok((objects.read(target).await?, None)) };
        if step.action == Action::Create {
            if self.can_be_tried(step) {
                objects.dry_run(target, &rendered.body).await?;
            }
            // What the API server adds to it by itself would only hide what Git says.
            return Ok((None, Some(rendered.body.value())));
        }
        let (is_seen, metadata) = {
            let index = self.desk.watches.index();
            (index.version(&step.id).is_some(), index.metadata(&step.id))
        };
        let metadata = if is_seen { metadata } else { objects.lookup(target).await? };
        let body = body_for(rendered, metadata.as_ref());
        let (live, after) = futures::join!(objects.read(target), objects.preview(target, &body));
        Ok((live?, Some(after?)))
    }

    /// The fields of an object that is to be made, if nobody could say more.
    fn as_in_git(&self, step: &Step, visible: bool) -> Vec<FieldDiff> {
        match self.wanted.get(&step.id) {
            Some(rendered) if step.action == Action::Create => {
                fields(differences(None, Some(&rendered.body.value())), visible)
            }
            _ => Vec::new(),
        }
    }

    /// The step's object as a call names it; `None` while its kind is not served.
    fn target(&self, step: &Step) -> Option<Target> {
        let kind = match self.wanted.get(&step.id) {
            Some(rendered) => self.prepared.manifests.kind_of(&rendered.object),
            None => self.prepared.kinds.get(&GroupKind::of(&step.id)),
        };
        Some(target(kind?, &step.id))
    }

    fn can_be_tried(&self, step: &Step) -> bool {
        step.action != Action::Create || !self.new_namespaces.contains(step.id.namespace.as_str())
    }

    fn concurrency(&self) -> usize {
        self.desk.concurrency.clamp(1, CONCURRENCY)
    }
}

fn fields(changes: Vec<FieldChange>, visible: bool) -> Vec<FieldDiff> {
    let told = |change: FieldChange| {
        let change = if visible { change.shortened(LONGEST_TEXT) } else { change.masked() };
        let text = |value: Option<Value>| value.map(|value| value.to_string());
        FieldDiff { path: change.path, live: text(change.before), after: text(change.after) }
    };
    changes.into_iter().take(FIELDS).map(told).collect()
}
