//! What one Sync wants, and which of it is not as it was applied.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use lockstep_manifest::ObjectId;
use lockstep_plan::{
    APPLIED_ANNOTATION, ApplyMode, Cover, Extra, HumanManagers, ID_ANNOTATION, LiveMetadata, Owner, Ownership,
    Rendered, cover, extras,
};

use super::Drifted;
use crate::board::SyncKey;

/// What one Sync wants.
pub(super) struct Followed {
    pub(super) ownership: Ownership,
    /// The Sync as labels name it.
    pub(super) label: Arc<SyncKey>,
    pub(super) wanted: Arc<Vec<Rendered>>,
    pub(super) places: HashMap<ObjectId, usize>,
    /// A turn has brought `wanted` to the cluster; until then nothing of it can have drifted.
    pub(super) enforced: bool,
    /// What the last turn could not bring there.
    pub(super) open: HashSet<ObjectId>,
    /// Fields that the server does not keep, for the body of this hash.
    unkept: HashMap<ObjectId, (Arc<str>, BTreeSet<String>)>,
    pub(super) drifted: BTreeMap<ObjectId, Drifted>,
    /// Objects that another hand wrote without touching what we hold.
    pub(super) doubted: BTreeSet<ObjectId>,
    /// What people added.
    pub(super) extras: BTreeMap<ObjectId, Vec<Extra>>,
    human: Arc<HumanManagers>,
}

/// What a look at one object has shown.
pub(super) struct Look {
    pub(super) drifted: Option<Drifted>,
    /// What people added.
    pub(super) extras: Vec<Extra>,
    /// The hash of what was applied, if there is nothing more to know of the object.
    pub(super) settled: Option<Arc<str>>,
}

impl Followed {
    pub(super) fn new(ownership: &Ownership, label: Arc<SyncKey>, human: Arc<HumanManagers>) -> Self {
        Self {
            ownership: ownership.clone(),
            label,
            wanted: Arc::default(),
            places: HashMap::new(),
            enforced: false,
            open: HashSet::new(),
            unkept: HashMap::new(),
            drifted: BTreeMap::new(),
            doubted: BTreeSet::new(),
            extras: BTreeMap::new(),
            human,
        }
    }

    pub(super) fn want(&mut self, wanted: &Arc<Vec<Rendered>>) {
        if Arc::ptr_eq(&self.wanted, wanted) {
            return;
        }
        self.wanted = wanted.clone();
        self.places = wanted.iter().enumerate().map(|(place, rendered)| (rendered.object.id.clone(), place)).collect();
        let hash = |id: &ObjectId| self.places.get(id).map(|place| &self.wanted[*place].hash);
        self.unkept.retain(|id, (known, _)| hash(id) == Some(known));
    }

    pub(super) fn rendered(&self, id: &ObjectId) -> Option<&Rendered> {
        self.places.get(id).map(|place| &self.wanted[*place])
    }

    fn mode(&self, id: &ObjectId) -> ApplyMode {
        self.rendered(id).map_or(ApplyMode::Ignore, Rendered::apply_mode)
    }

    /// Whether a turn has brought the object to the cluster.
    fn is_enforced(&self, id: &ObjectId) -> bool {
        self.enforced && !self.open.contains(id) && self.places.contains_key(id)
    }

    /// Notes that another hand wrote an object of ours; says whether that is worth a look.
    pub(super) fn doubt(&mut self, live: &LiveMetadata) -> bool {
        let is_open = self.is_enforced(&live.id)
            && self.mode(&live.id) == ApplyMode::Always
            && !self.drifted.contains_key(&live.id)
            && !live.deleting;
        is_open && self.doubted.insert(live.id.clone())
    }

    /// Notes how an object differs and what people added to it, if a turn has brought it to the cluster; says whether that
    /// is news.
    pub(super) fn note(&mut self, id: &ObjectId, drifted: Option<Drifted>, extras: Vec<Extra>) -> bool {
        if !self.is_enforced(id) {
            return false;
        }
        // What is left alone cannot drift; what was only to be created can be missing.
        let (drifted, extras) = match self.mode(id) {
            ApplyMode::Always => (drifted, extras),
            ApplyMode::CreateOnly => (drifted.filter(|drifted| *drifted == Drifted::Gone), Vec::new()),
            ApplyMode::Ignore => (None, Vec::new()),
        };
        let known = if extras.is_empty() { self.extras.remove(id) } else { self.extras.insert(id.clone(), extras) };
        let is_added = known.as_ref() != self.extras.get(id);
        let before = match &drifted {
            Some(drifted) => self.drifted.insert(id.clone(), drifted.clone()),
            None => self.drifted.remove(id),
        };
        is_added || before != drifted
    }

    /// Looks at an object that is there.
    pub(super) fn look(&self, live: &LiveMetadata) -> Look {
        match self.rendered(&live.id) {
            Some(rendered) => self.compare(rendered, live),
            None => Look { drifted: None, extras: Vec::new(), settled: None },
        }
    }

    /// Looks at an object as if this was wanted of it.
    pub(super) fn compare(&self, rendered: &Rendered, live: &LiveMetadata) -> Look {
        self.weigh(cover(&rendered.body.value(), live), rendered, live)
    }

    /// The same when the cover is known.
    pub(super) fn weigh(&self, cover: Cover, rendered: &Rendered, live: &LiveMetadata) -> Look {
        let cover = match self.unkept.get(&live.id).filter(|(hash, _)| *hash == rendered.hash) {
            Some((_, unkept)) => cover.without(unkept),
            None => cover,
        };
        let is_ours = self.ownership.owner_of(live) == Owner::This;
        let settled = cover == Cover::Covered && is_ours && is_plain(rendered, live);
        let drifted = match cover {
            Cover::Deleting => None,
            Cover::Covered if is_ours => None,
            Cover::Drift { fields } => Some(Drifted::Fields(fields)),
            Cover::Doubtful { fields } => Some(Drifted::Doubtful(fields)),
            Cover::Covered | Cover::OtherVersion { .. } | Cover::NotOurs | Cover::Cleared => {
                Some(Drifted::Fields(Vec::new()))
            }
        };
        let extras = extras(rendered, live, &self.human);
        Look { drifted, extras, settled: settled.then(|| rendered.hash.clone()) }
    }

    /// Remembers that the server does not keep these fields of this very body; names those that are new.
    pub(super) fn not_kept(&mut self, rendered: &Rendered, fields: BTreeSet<String>) -> Vec<String> {
        let id = &rendered.object.id;
        let before = self.unkept.remove(id).filter(|(hash, _)| *hash == rendered.hash);
        let known = before.map(|(_, fields)| fields).unwrap_or_default();
        let new = fields.difference(&known).cloned().collect();
        let all: BTreeSet<String> = known.union(&fields).cloned().collect();
        if !all.is_empty() {
            self.unkept.insert(id.clone(), (rendered.hash.clone(), all));
        }
        new
    }

    /// The fields that the server does not keep, of those of these bodies.
    pub(super) fn unkept(&self, wanted: &[Rendered]) -> BTreeMap<ObjectId, BTreeSet<String>> {
        if self.unkept.is_empty() {
            return BTreeMap::new();
        }
        let known = |rendered: &Rendered| {
            let (hash, fields) = self.unkept.get(&rendered.object.id)?;
            (*hash == rendered.hash).then(|| (rendered.object.id.clone(), fields.clone()))
        };
        wanted.iter().filter_map(known).collect()
    }
}

/// Whether an object that our entry covers has all marks of this body, and nothing of anybody else's.
fn is_plain(rendered: &Rendered, live: &LiveMetadata) -> bool {
    let has = |name: &str, value: &str| live.annotations.get(name).is_some_and(|found| found == value);
    has(APPLIED_ANNOTATION, &rendered.hash)
        && has(ID_ANNOTATION, &live.id.to_string())
        && !live.has_owner()
        && !live.has_other_writers()
}
