//! Looking past the managed fields: objects that another hand wrote, and every object once in a long while, are compared
//! with Git by a dry run; and what people added is removed where the policy says so.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    time::Duration,
};

use lockstep_cluster::Kind;
use lockstep_manifest::ObjectId;
use lockstep_plan::{ApplyMode, DriftMode, Extra, FieldLoss, GroupKind, LiveMetadata, Rendered};
use tokio::time::Instant;

use super::{Actor, desk};
use crate::{
    confirm::{Again, Finding, apply_anyway, confirm, remove_extras},
    ports::{ClusterError, Happening},
    render::Manifests,
    turn::Desk,
};

/// Commits and repairs do not wait for longer while objects are compared one after the other.
const LONGEST_LOOK: Duration = Duration::from_secs(10);

impl Actor {
    /// Objects of kinds that are defined anew are confirmed once: in another schema our managed fields may mean something
    /// else (a list that was one value has keys now).
    pub(super) fn doubt_kinds(&mut self, definitions: &BTreeSet<String>) {
        let defined = |kind: &Kind| definitions.contains(&format!("{}.{}", kind.resource.plural, kind.resource.group));
        let kinds = self.memory.kinds.iter().filter(|(_, kind)| defined(kind));
        let kinds: BTreeSet<&GroupKind> = kinds.map(|(name, _)| name).collect();
        if kinds.is_empty() {
            return;
        }
        let (wanted, now) = (self.memory.wanted(), Instant::now());
        for rendered in wanted.iter().filter(|rendered| kinds.contains(&GroupKind::of(&rendered.object.id))) {
            self.memory.doubts.raise(&rendered.object.id, now);
        }
    }

    /// Does what is due of it. Suspended Syncs are not looked at.
    pub(super) async fn confirm(&mut self) {
        let Some(manifests) = self.memory.manifests.clone() else { return };
        let now = Instant::now();
        let (doubted, extras, human) = {
            let mut index = self.common.watches.index();
            (index.take_doubted(&self.key), index.extras(&self.key), index.people())
        };
        for id in &doubted {
            self.memory.doubts.raise(id, now);
        }
        let strict = self.setting.policy.drift == DriftMode::Strict;
        let extras_due = if strict { self.due_extras(&extras, now) } else { BTreeSet::new() };
        self.memory.extras = extras;

        let total = manifests.wanted.len();
        if !(self.memory.hidden.is_empty() && self.memory.rewritten.is_empty()) {
            let hashes: BTreeMap<&ObjectId, &std::sync::Arc<str>> =
                manifests.wanted.iter().map(|rendered| (&rendered.object.id, &rendered.hash)).collect();
            self.memory.hidden.retain(|id, (hash, _)| hashes.get(id) == Some(&&*hash));
            self.memory.rewritten.retain(|id, now| hashes.get(id) == Some(&&now.hash));
        }
        if self.memory.audit.next().is_none() {
            let seconds = self.common.ports.clock.now().as_second();
            self.memory.audit.begin_at(usize::try_from(seconds).unwrap_or_default());
        }
        self.memory.audit.plan(Duration::from(self.setting.spec.audit), total, now);
        let mut due = self.memory.doubts.due(now);
        let audited = self.memory.audit.due(total, now);
        due.extend(audited.into_iter().filter_map(|place| Some(manifests.wanted.get(place)?.object.id.clone())));
        if due.is_empty() && extras_due.is_empty() {
            return;
        }
        let (setting, common) = (self.setting.clone(), self.common.clone());
        let account = setting.spec.service_account_name.as_deref();
        // Without a client there is nothing to ask with; the next turn says so.
        let Ok(objects) = common.ports.cluster.objects(&self.key, account) else { return };
        let desk = desk(&common, &setting, objects);
        let mut changed = BTreeMap::new();
        let chosen = |rendered: &&Rendered| extras_due.contains(&rendered.object.id);
        for rendered in manifests.wanted.iter().filter(chosen) {
            let removed = remove_extras(&desk, &manifests, rendered, &human).await;
            self.note_removal(rendered, removed, &mut changed);
        }
        let drifted = common.watches.index().drifted(&self.key);
        let asked: HashSet<&ObjectId> = due.iter().collect();
        let is_asked = |rendered: &&Rendered| asked.contains(&rendered.object.id);
        let wanted: HashMap<&ObjectId, &Rendered> =
            manifests.wanted.iter().filter(is_asked).map(|rendered| (&rendered.object.id, rendered)).collect();
        for id in &due {
            if common.shutdown.is_requested() {
                break;
            }
            if now.elapsed() >= LONGEST_LOOK {
                self.memory.doubts.put_back(id.clone(), Instant::now());
                continue;
            }
            let Some(rendered) = wanted.get(id).filter(|_| !drifted.contains_key(id)) else { continue };
            if rendered.apply_mode() == ApplyMode::Always && !self.memory.unsettled().contains(id) {
                self.confirm_one(&desk, &manifests, rendered, &mut changed).await;
            }
        }
        if !changed.is_empty() {
            self.expect_health_of(&changed);
            self.enforced(changed);
        }
    }

    async fn confirm_one(
        &mut self,
        desk: &Desk<'_>,
        manifests: &Manifests,
        rendered: &Rendered,
        changed: &mut BTreeMap<ObjectId, jiff::Timestamp>,
    ) {
        let id = &rendered.object.id;
        let unkept = self.common.watches.index().unkept(&self.key, std::slice::from_ref(rendered));
        let is_kept = |loss: &FieldLoss| !unkept.get(id).is_some_and(|paths| paths.contains(&loss.path));
        let look = match confirm(desk, manifests, rendered).await {
            Ok(Some(look)) => look,
            Ok(None) => return drop(self.memory.hidden.remove(id)),
            Err(error) => {
                tracing::debug!(object = %id.short(), %error, "cannot be compared with Git now; will try again");
                self.memory.doubts.raise(id, Instant::now());
                return;
            }
        };
        self.note_rewritten(id, rendered.hash.clone(), look.rewritten);
        match look.finding {
            Finding::Same => drop(self.memory.hidden.remove(id)),
            Finding::Restless => self.note_restless(rendered),
            Finding::Differs(fields) => {
                let fields: Vec<FieldLoss> = fields.into_iter().filter(is_kept).collect();
                if fields.is_empty() {
                    self.memory.hidden.remove(id);
                    return;
                }
                self.memory.doubts.confirmed(id);
                self.undo_hidden(desk, manifests, rendered, fields, changed).await;
            }
        }
    }

    /// Changes back, or reports, what no managed field told.
    async fn undo_hidden(
        &mut self,
        desk: &Desk<'_>,
        manifests: &Manifests,
        rendered: &Rendered,
        fields: Vec<FieldLoss>,
        changed: &mut BTreeMap<ObjectId, jiff::Timestamp>,
    ) {
        let id = &rendered.object.id;
        let is_report = self.setting.policy.drift == DriftMode::Report;
        if is_report || !self.may_repair(id, &fields, Instant::now()) {
            let now = (rendered.hash.clone(), fields.clone());
            if self.memory.hidden.insert(id.clone(), now.clone()) != Some(now) {
                self.note_drift(id, fields, false);
            }
            if !is_report {
                self.memory.doubts.raise(id, Instant::now());
            }
            return;
        }
        match apply_anyway(desk, manifests, rendered).await {
            Ok(None) => {}
            Ok(Some(Again { live, rewritten, restless })) => {
                let lost = {
                    let mut index = self.common.watches.index();
                    let mut lost = index.applied(&self.key, rendered, live);
                    lost.extend(index.not_kept(&self.key, rendered, restless.into_iter().collect()));
                    index.settle(&self.key, id, true);
                    lost
                };
                self.note_rewritten(id, rendered.hash.clone(), rewritten);
                changed.insert(id.clone(), self.common.ports.clock.steady());
                self.memory.hidden.remove(id);
                self.note_drift(id, fields, true);
                if !lost.is_empty() {
                    self.tell(&Happening::NotKept { object: id.short(), fields: lost });
                }
            }
            Err(error) => {
                tracing::warn!(object = %id.short(), %error, "cannot change back what differs; will retry");
                self.memory.hidden.insert(id.clone(), (rendered.hash.clone(), fields));
                self.memory.doubts.raise(id, Instant::now());
            }
        }
    }

    fn due_extras(&mut self, extras: &BTreeMap<ObjectId, Vec<Extra>>, now: Instant) -> BTreeSet<ObjectId> {
        let unsettled = self.memory.unsettled();
        let open = extras.iter().filter(|(id, _)| !unsettled.contains(*id));
        let open: Vec<(ObjectId, Vec<FieldLoss>)> = open.map(|(id, all)| (id.clone(), losses(all))).collect();
        open.into_iter().filter(|(id, fields)| self.may_repair(id, fields, now)).map(|(id, _)| id).collect()
    }

    fn note_removal(
        &mut self,
        rendered: &Rendered,
        removed: Result<Option<LiveMetadata>, ClusterError>,
        changed: &mut BTreeMap<ObjectId, jiff::Timestamp>,
    ) {
        let id = &rendered.object.id;
        match removed {
            Ok(Some(live)) => {
                {
                    let mut index = self.common.watches.index();
                    index.applied(&self.key, rendered, live);
                    index.settle(&self.key, id, true);
                }
                changed.insert(id.clone(), self.common.ports.clock.steady());
                let fields = self.memory.extras.remove(id).map(|all| losses(&all)).unwrap_or_default();
                self.note_drift(id, fields, true);
            }
            Ok(None) => {}
            // The next event of the object, or the next look at the branch, tries again.
            Err(error) => tracing::warn!(object = %id.short(), %error, "cannot remove what people added; will retry"),
        }
    }

    /// Says once for each content that an apply of it is never a no-op.
    fn note_restless(&mut self, rendered: &Rendered) {
        let id = &rendered.object.id;
        let told = self.memory.restless.insert(id.clone(), rendered.hash.clone());
        if told.as_ref() != Some(&rendered.hash) {
            tracing::warn!(object = %id.short(), "each apply of this object is stored anew though it changes nothing; leave empty lists out of Git");
        }
    }
}

/// Extras as fields that Git does not have.
fn losses(extras: &[Extra]) -> Vec<FieldLoss> {
    let loss = |extra: &Extra| FieldLoss {
        path: extra.path.clone(),
        manager: Some(extra.manager.clone()),
        subresource: None,
        time: extra.time.clone(),
        git: "nothing".to_owned(),
    };
    extras.iter().map(loss).collect()
}
