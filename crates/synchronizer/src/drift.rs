//! What the watches have seen, and which objects no longer are as they were applied.
//!
//! [`Index`] is a reducer: the news of the watches and the answers to our own applies go in, the Syncs to wake come out.
//! It reads no clock and makes no call.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use lockstep_manifest::ObjectId;
use lockstep_plan::{Cover, FieldLoss, GroupKind, LiveMetadata, Owner, Ownership, Rendered, cover};

use crate::{
    board::SyncKey,
    ports::{ClusterError, News},
};

mod fights;
mod version;
mod watches;

pub(crate) use fights::{Fights, Verdict as FightVerdict};
pub(crate) use watches::Watches;

use version::is_newer;

/// Which objects of which Syncs changed their state.
pub(crate) type Woken = BTreeMap<SyncKey, BTreeSet<ObjectId>>;

/// How an object differs from what was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Drifted {
    /// It is gone, or its label is.
    Gone,
    /// Others have these fields now; or, without any, all of it.
    Fields(Vec<FieldLoss>),
    /// Only the API server can tell whether these empty fields were changed.
    Doubtful(Vec<FieldLoss>),
}

impl Drifted {
    /// The fields, and who has them.
    pub(crate) fn fields(&self) -> Vec<FieldLoss> {
        match self {
            Self::Gone => Vec::new(),
            Self::Fields(fields) | Self::Doubtful(fields) => fields.clone(),
        }
    }
}

/// Where the fields are.
pub(crate) fn paths(fields: &[FieldLoss]) -> Vec<&str> {
    fields.iter().map(|loss| loss.path.as_str()).collect()
}

/// Who has the first of the fields of which that is known; empty when unknown.
pub(crate) fn manager(fields: &[FieldLoss]) -> String {
    fields.iter().find_map(|loss| loss.manager.clone()).unwrap_or_default()
}

/// All objects with our label, and what the Syncs want of them.
#[derive(Default)]
pub(crate) struct Index {
    kinds: BTreeMap<GroupKind, Listing>,
    live: BTreeMap<ObjectId, Arc<LiveMetadata>>,
    syncs: BTreeMap<SyncKey, Followed>,
}

/// How far the list of a kind can be trusted.
#[derive(Default)]
struct Listing {
    /// All objects are known.
    complete: bool,
    /// The objects seen or written since a new list began.
    running: Option<HashSet<ObjectId>>,
    failure: Option<ClusterError>,
}

/// What one Sync wants.
struct Followed {
    ownership: Ownership,
    wanted: Arc<Vec<Rendered>>,
    places: HashMap<ObjectId, usize>,
    /// The objects that are in the cluster as wanted, as far as the last turn knew.
    settled: HashSet<ObjectId>,
    /// Fields that the server does not keep, for the body of this hash.
    unkept: HashMap<ObjectId, (Arc<str>, BTreeSet<String>)>,
    drifted: BTreeMap<ObjectId, Drifted>,
}

impl Index {
    /// Takes in what the watch of a kind tells.
    pub(crate) fn news(&mut self, kind: &GroupKind, news: News<LiveMetadata>) -> Woken {
        match news {
            News::Restarted => {
                self.listing(kind).running = Some(HashSet::new());
                Woken::new()
            }
            News::Applied(live) => {
                if let Some(running) = &mut self.listing(kind).running {
                    running.insert(live.id.clone());
                }
                self.seen(live)
            }
            News::ListComplete => self.complete(kind),
            News::Deleted(live) => {
                let known = self.live.get(&live.id).is_some_and(|known| is_newer(known, &live));
                if known { Woken::new() } else { self.gone(&live.id) }
            }
            News::Failed(error) => {
                let listing = self.listing(kind);
                // A broken connection leaves what is known as it is; a refusal makes it worthless as proof.
                if !error.is_passing() {
                    listing.complete = false;
                }
                listing.failure = Some(error);
                Woken::new()
            }
        }
    }

    fn listing(&mut self, kind: &GroupKind) -> &mut Listing {
        self.kinds.entry(kind.clone()).or_default()
    }

    fn seen(&mut self, live: LiveMetadata) -> Woken {
        if self.live.get(&live.id).is_some_and(|known| !is_newer(&live, known)) {
            return Woken::new(); // Our own write, or older than it.
        }
        let id = live.id.clone();
        self.live.insert(id.clone(), Arc::new(live));
        self.judge_everywhere(&id)
    }

    fn gone(&mut self, id: &ObjectId) -> Woken {
        if self.live.remove(id).is_none() {
            return Woken::new();
        }
        let mut woken = self.judge_everywhere(id);
        // An object that waited for the end of this one can be made now.
        for (key, followed) in &self.syncs {
            if followed.places.contains_key(id) && !followed.settled.contains(id) {
                woken.entry(key.clone()).or_default().insert(id.clone());
            }
        }
        woken
    }

    fn complete(&mut self, kind: &GroupKind) -> Woken {
        let listing = self.listing(kind);
        let seen = listing.running.take();
        listing.complete = true;
        listing.failure = None;
        let Some(seen) = seen else { return Woken::new() };
        let missing: Vec<ObjectId> = self.of_kind(kind).filter(|id| !seen.contains(*id)).cloned().collect();
        let mut woken = Woken::new();
        for (key, ids) in missing.iter().flat_map(|id| self.gone(id)) {
            woken.entry(key).or_default().extend(ids);
        }
        woken
    }

    fn of_kind<'a>(&'a self, kind: &'a GroupKind) -> impl Iterator<Item = &'a ObjectId> {
        let first = ObjectId::new(kind.group.clone(), kind.kind.clone(), "", "");
        let same = |id: &&ObjectId| id.group == kind.group && id.kind == kind.kind;
        self.live.range(first..).map(|(id, _)| id).take_while(same)
    }

    /// Judges one object for every Sync that wants it, and names those for which the verdict changed.
    fn judge_everywhere(&mut self, id: &ObjectId) -> Woken {
        let live = self.live.get(id).map(Arc::as_ref);
        let mut woken = Woken::new();
        for (key, followed) in &mut self.syncs {
            if followed.judge(id, live) {
                woken.entry(key.clone()).or_default().insert(id.clone());
            }
        }
        woken
    }

    /// Takes in the answer to an apply of ours. Fields that are not ours right after it are not kept by the server: they
    /// are remembered, and named if they were not before.
    pub(crate) fn applied(&mut self, sync: &SyncKey, rendered: &Rendered, live: LiveMetadata) -> Vec<String> {
        let id = &rendered.object.id;
        let lost: BTreeSet<String> = match cover(&rendered.body.value(), &live) {
            Cover::Drift { fields } | Cover::Doubtful { fields } => fields.into_iter().map(|loss| loss.path).collect(),
            _ => BTreeSet::new(),
        };
        let new = self.not_kept(sync, rendered, lost);
        if let Some(running) = self.kinds.get_mut(&GroupKind::of(id)).and_then(|listing| listing.running.as_mut()) {
            running.insert(id.clone());
        }
        if self.live.get(id).is_none_or(|known| is_newer(&live, known)) {
            self.live.insert(id.clone(), Arc::new(live));
        }
        new
    }

    /// Remembers that the server does not keep these fields of this very body; names those that are new.
    pub(crate) fn not_kept(&mut self, sync: &SyncKey, rendered: &Rendered, fields: BTreeSet<String>) -> Vec<String> {
        let Some(followed) = self.syncs.get_mut(sync) else { return Vec::new() };
        let id = &rendered.object.id;
        let before = followed.unkept.remove(id).filter(|(hash, _)| *hash == rendered.hash);
        let known = before.map(|(_, fields)| fields).unwrap_or_default();
        let new = fields.difference(&known).cloned().collect();
        let all: BTreeSet<String> = known.union(&fields).cloned().collect();
        if !all.is_empty() {
            followed.unkept.insert(id.clone(), (rendered.hash.clone(), all));
        }
        new
    }

    /// Takes in that an object is gone by our doing.
    pub(crate) fn deleted(&mut self, live: &LiveMetadata) {
        if self.live.get(&live.id).is_some_and(|known| known.uid == live.uid) {
            self.live.remove(&live.id);
        }
    }

    /// Makes the Sync known, with nothing that it wants yet.
    pub(crate) fn introduce(&mut self, sync: &SyncKey, ownership: &Ownership) {
        self.syncs.entry(sync.clone()).or_insert_with(|| Followed {
            ownership: ownership.clone(),
            wanted: Arc::default(),
            places: HashMap::new(),
            settled: HashSet::new(),
            unkept: HashMap::new(),
            drifted: BTreeMap::new(),
        });
    }

    /// From now on these are the Sync's objects; all but `unsettled` are as wanted. Says which of them drifted already.
    pub(crate) fn follow(
        &mut self,
        sync: &SyncKey,
        wanted: &Arc<Vec<Rendered>>,
        unsettled: &BTreeSet<ObjectId>,
    ) -> BTreeSet<ObjectId> {
        let Some(followed) = self.syncs.get_mut(sync) else { return BTreeSet::new() };
        if !Arc::ptr_eq(&followed.wanted, wanted) {
            followed.wanted = wanted.clone();
            followed.places =
                wanted.iter().enumerate().map(|(place, rendered)| (rendered.object.id.clone(), place)).collect();
            let hash = |id: &ObjectId| followed.places.get(id).map(|place| &followed.wanted[*place].hash);
            followed.unkept.retain(|id, (known, _)| hash(id) == Some(known));
        }
        followed.settled = followed.places.keys().filter(|id| !unsettled.contains(*id)).cloned().collect();
        followed.drifted.clear();
        let ids: Vec<ObjectId> = followed.settled.iter().cloned().collect();
        let live = &self.live;
        ids.into_iter().filter(|id| followed.judge(id, live.get(id).map(Arc::as_ref))).collect()
    }

    /// One object is as wanted now, or not. Says whether it drifted in the meantime.
    pub(crate) fn settle(&mut self, sync: &SyncKey, id: &ObjectId, settled: bool) -> bool {
        let Some(followed) = self.syncs.get_mut(sync) else { return false };
        followed.drifted.remove(id);
        if !settled {
            followed.settled.remove(id);
            return false;
        }
        followed.settled.insert(id.clone());
        followed.judge(id, self.live.get(id).map(Arc::as_ref))
    }

    /// The Sync is gone.
    pub(crate) fn forget(&mut self, sync: &SyncKey) {
        self.syncs.remove(sync);
    }

    /// The objects of a Sync that are not as they were applied.
    pub(crate) fn drifted(&self, sync: &SyncKey) -> BTreeMap<ObjectId, Drifted> {
        self.syncs.get(sync).map(|followed| followed.drifted.clone()).unwrap_or_default()
    }

    /// Everything with our label.
    pub(crate) fn live(&self) -> Vec<Arc<LiveMetadata>> {
        self.live.values().cloned().collect()
    }

    /// One object with our label.
    pub(crate) fn get(&self, id: &ObjectId) -> Option<Arc<LiveMetadata>> {
        self.live.get(id).cloned()
    }

    /// The fields that the server does not keep, of those of these bodies.
    pub(crate) fn unkept(&self, sync: &SyncKey, wanted: &[Rendered]) -> BTreeMap<ObjectId, BTreeSet<String>> {
        let Some(followed) = self.syncs.get(sync).filter(|followed| !followed.unkept.is_empty()) else {
            return BTreeMap::new();
        };
        let known = |rendered: &Rendered| {
            let (hash, fields) = followed.unkept.get(&rendered.object.id)?;
            (*hash == rendered.hash).then(|| (rendered.object.id.clone(), fields.clone()))
        };
        wanted.iter().filter_map(known).collect()
    }

    /// The kinds of which every object is known.
    pub(crate) fn listed(&self) -> BTreeSet<GroupKind> {
        self.kinds.iter().filter(|(_, listing)| listing.complete).map(|(kind, _)| kind.clone()).collect()
    }

    /// Whether the first list of a kind has ended, one way or the other.
    pub(crate) fn is_answered(&self, kind: &GroupKind) -> bool {
        self.kinds.get(kind).is_some_and(|listing| listing.complete || listing.failure.is_some())
    }

    /// Why a kind is not watched.
    pub(crate) fn unwatched(&self, kind: &GroupKind) -> Option<ClusterError> {
        let listing = self.kinds.get(kind)?;
        if listing.complete { None } else { listing.failure.clone() }
    }
}

impl Followed {
    /// Judges one object anew; says whether the verdict is another than before.
    fn judge(&mut self, id: &ObjectId, live: Option<&LiveMetadata>) -> bool {
        if !self.settled.contains(id) {
            return false;
        }
        let verdict = self.places.get(id).and_then(|place| self.verdict(&self.wanted[*place], live));
        let before = match &verdict {
            Some(drifted) => self.drifted.insert(id.clone(), drifted.clone()),
            None => self.drifted.remove(id),
        };
        before != verdict
    }

    fn verdict(&self, rendered: &Rendered, live: Option<&LiveMetadata>) -> Option<Drifted> {
        let Some(live) = live else { return Some(Drifted::Gone) };
        let none = BTreeSet::new();
        let unkept = self.unkept.get(&live.id).filter(|(hash, _)| *hash == rendered.hash);
        let unkept = unkept.map_or(&none, |(_, fields)| fields);
        match cover(&rendered.body.value(), live).without(unkept) {
            Cover::Deleting => None,
            Cover::Covered if self.ownership.owner_of(live) == Owner::This => None,
            Cover::Drift { fields } => Some(Drifted::Fields(fields)),
            Cover::Doubtful { fields } => Some(Drifted::Doubtful(fields)),
            Cover::Covered | Cover::OtherVersion { .. } | Cover::NotOurs | Cover::Cleared => {
                Some(Drifted::Fields(Vec::new()))
            }
        }
    }
}

#[cfg(test)]
mod tests;
