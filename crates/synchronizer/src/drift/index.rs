//! All objects with our label, and the Syncs that want them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use lockstep_manifest::ObjectId;
use lockstep_plan::{
    Cover, GroupKind, HumanManagers, LiveMetadata, Ownership, PackedMetadata, Rendered, Settled, cover, label_value,
};

use super::followed::Followed;
use super::known::{Known, State, named_on};
use super::traces::Traces;
use super::{Drifted, Version, Woken};
use crate::{board::SyncKey, ports::News};

mod hidden;
mod lists;

use lists::Listing;

/// All objects with our label, and what the Syncs want of them.
#[derive(Default)]
pub(crate) struct Index {
    kinds: BTreeMap<GroupKind, Listing>,
    objects: HashMap<ObjectId, Known>,
    syncs: BTreeMap<SyncKey, Followed>,
    /// The Syncs that labels name, and which of ours each is.
    labels: HashMap<Arc<SyncKey>, Option<SyncKey>>,
    traces: Traces,
    human: Arc<HumanManagers>,
}

/// What a plan of one Sync is made from.
#[derive(Default)]
pub(crate) struct View {
    /// The objects of which all metadata is known.
    pub(crate) live: Vec<LiveMetadata>,
    /// Those that are as the Sync applied them.
    pub(crate) settled: HashMap<ObjectId, Settled>,
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
                let version = Version::of(&live);
                let outlived = self.objects.get(&live.id).is_some_and(|known| known.version.is_newer_than(&version));
                if outlived { Woken::new() } else { self.gone(&live.id) }
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

    fn seen(&mut self, live: LiveMetadata) -> Woken {
        let version = Version::of(&live);
        let known = self.objects.get(&live.id);
        if known.is_some_and(|known| !version.is_newer_than(&known.version)) {
            return Woken::new(); // Our own write, or older than it.
        }
        let before = known.and_then(|known| known.named.clone());
        let is_doubtful = self.traces.seen(&live);
        let named = self.label_of(&live);
        let mut woken = Woken::new();
        let mut settled = None;
        let is_moved = before.is_some() && before != named;
        for label in named.iter().chain(before.iter().filter(|_| is_moved)) {
            let Some((key, followed)) = followed_by(&self.labels, &mut self.syncs, label) else { continue };
            let look = followed.look(&live);
            let has_news = followed.note(&live.id, look.drifted, look.extras);
            let is_doubted = is_doubtful && followed.doubt(&live);
            if has_news || is_doubted {
                woken.entry(key.clone()).or_default().insert(live.id.clone());
            }
            settled = settled.or(look.settled);
        }
        self.store(live, settled);
        woken
    }

    fn label_of(&mut self, live: &LiveMetadata) -> Option<Arc<SyncKey>> {
        let label = named_on(live)?;
        if let Some((known, _)) = self.labels.get_key_value(&label) {
            return Some(known.clone());
        }
        let label = Arc::new(label);
        self.labels.insert(label.clone(), None);
        Some(label)
    }

    fn store(&mut self, live: LiveMetadata, settled: Option<Arc<str>>) {
        let named = self.label_of(&live);
        let state = settled.map_or_else(|| State::Whole(PackedMetadata::of(&live)), State::Settled);
        let known = Known { uid: live.uid.as_str().into(), version: Version::of(&live), named, state };
        if let Some(place) = self.objects.get_mut(&live.id) {
            *place = known;
            return;
        }
        // The name that the Sync's own manifests hold already, where there is one.
        let label = known.named.as_ref();
        let wanted = label.and_then(|label| followed_by(&self.labels, &mut self.syncs, label));
        let shared = wanted.and_then(|(_, followed)| Some(followed.rendered(&live.id)?.object.id.clone()));
        self.objects.insert(shared.unwrap_or(live.id), known);
    }

    fn gone(&mut self, id: &ObjectId) -> Woken {
        let Some(known) = self.objects.remove(id) else { return Woken::new() };
        self.traces.gone(id);
        let mut woken = Woken::new();
        let owner = known.named.and_then(|label| followed_by(&self.labels, &mut self.syncs, &label));
        if let Some((key, followed)) = owner
            && followed.note(id, Some(Drifted::Gone), Vec::new())
        {
            woken.entry(key.clone()).or_default().insert(id.clone());
        }
        // An object that waited for the end of this one can be made now.
        for (key, followed) in self.syncs.iter().filter(|(_, followed)| followed.open.contains(id)) {
            if followed.places.contains_key(id) {
                woken.entry(key.clone()).or_default().insert(id.clone());
            }
        }
        woken
    }

    /// Takes in the answer to an apply of ours. Fields that are not ours right after it are not kept by the server: they
    /// are remembered, and named if they were not before.
    pub(crate) fn applied(&mut self, sync: &SyncKey, rendered: &Rendered, live: LiveMetadata) -> Vec<String> {
        let Some(followed) = self.syncs.get_mut(sync) else { return Vec::new() };
        let id = &rendered.object.id;
        let cover = cover(&rendered.body.value(), &live);
        let lost: BTreeSet<String> = match &cover {
            Cover::Drift { fields } | Cover::Doubtful { fields } => {
                fields.iter().map(|loss| loss.path.clone()).collect()
            }
            _ => BTreeSet::new(),
        };
        let new = followed.not_kept(rendered, lost);
        if let Some(running) = self.kinds.get_mut(&GroupKind::of(id)).and_then(|listing| listing.running.as_mut()) {
            running.insert(id.clone());
        }
        // The watch may have told of this very state already, and could not know what was applied.
        if self.objects.get(id).is_none_or(|known| !known.version.is_newer_than(&Version::of(&live))) {
            followed.doubted.remove(id);
            self.traces.wrote(&live);
            let settled = followed.weigh(cover, rendered, &live).settled;
            self.store(live, settled);
        }
        new
    }

    /// Remembers that the server does not keep these fields of this very body; names those that are new.
    pub(crate) fn not_kept(&mut self, sync: &SyncKey, rendered: &Rendered, fields: BTreeSet<String>) -> Vec<String> {
        self.syncs.get_mut(sync).map(|followed| followed.not_kept(rendered, fields)).unwrap_or_default()
    }

    /// Takes in that an object is gone by our doing.
    pub(crate) fn deleted(&mut self, live: &LiveMetadata) {
        if self.objects.get(&live.id).is_some_and(|known| *known.uid == *live.uid) {
            self.objects.remove(&live.id);
            self.traces.gone(&live.id);
        }
    }

    /// Makes the Sync known, with nothing that it wants yet.
    pub(crate) fn introduce(&mut self, sync: &SyncKey, ownership: &Ownership) {
        let label = SyncKey { namespace: label_value(&ownership.sync_namespace), name: label_value(&ownership.sync) };
        let label = self.labels.get_key_value(&label).map_or_else(|| Arc::new(label), |(known, _)| known.clone());
        self.labels.insert(label.clone(), Some(sync.clone()));
        self.syncs.entry(sync.clone()).or_insert_with(|| Followed::new(ownership, label, self.human.clone()));
    }

    /// The Sync is about to bring these to the cluster. After a start this makes the first lists cheap: what is there
    /// already as wanted is settled at once.
    pub(crate) fn anticipate(&mut self, sync: &SyncKey, wanted: &Arc<Vec<Rendered>>) {
        if let Some(followed) = self.syncs.get_mut(sync).filter(|followed| !followed.enforced) {
            followed.want(wanted);
        }
    }

    /// From now on these are the Sync's objects; all but `unsettled` are as wanted. Says which of them drifted already.
    pub(crate) fn follow(
        &mut self,
        sync: &SyncKey,
        wanted: &Arc<Vec<Rendered>>,
        unsettled: &BTreeSet<ObjectId>,
    ) -> BTreeSet<ObjectId> {
        let Some(followed) = self.syncs.get_mut(sync) else { return BTreeSet::new() };
        followed.want(wanted);
        followed.enforced = true;
        followed.open = unsettled.iter().filter(|id| followed.places.contains_key(*id)).cloned().collect();
        followed.drifted.clear();
        followed.extras.clear();
        let judged = wanted.iter().filter(|rendered| judge(followed, &self.kinds, &mut self.objects, rendered));
        judged.map(|rendered| rendered.object.id.clone()).collect()
    }

    /// One object is as wanted now, or not. Says whether it drifted in the meantime.
    pub(crate) fn settle(&mut self, sync: &SyncKey, id: &ObjectId, settled: bool) -> bool {
        let Some(followed) = self.syncs.get_mut(sync) else { return false };
        followed.drifted.remove(id);
        if !settled {
            followed.open.insert(id.clone());
            return false;
        }
        followed.open.remove(id);
        let wanted = followed.wanted.clone();
        let rendered = followed.places.get(id).and_then(|place| wanted.get(*place));
        rendered.is_some_and(|rendered| judge(followed, &self.kinds, &mut self.objects, rendered))
    }

    /// The Sync is gone.
    pub(crate) fn forget(&mut self, sync: &SyncKey) {
        if let Some(followed) = self.syncs.remove(sync) {
            self.labels.insert(followed.label, None);
        }
    }

    /// The objects of a Sync that are not as they were applied.
    pub(crate) fn drifted(&self, sync: &SyncKey) -> BTreeMap<ObjectId, Drifted> {
        self.syncs.get(sync).map(|followed| followed.drifted.clone()).unwrap_or_default()
    }

    /// All metadata of an object with our label; `None` also for one of which no more than a hash is kept.
    pub(crate) fn metadata(&self, id: &ObjectId) -> Option<LiveMetadata> {
        self.objects.get(id)?.whole(id)
    }

    /// The last state of an object with our label that was seen or written.
    pub(crate) fn version(&self, id: &ObjectId) -> Option<Version> {
        self.objects.get(id).map(|known| known.version.clone())
    }

    /// Whether nothing newer is known than the state in which the object was looked at.
    pub(crate) fn is_still(&self, id: &ObjectId, uid: &str, resource_version: &str) -> bool {
        let looked_at = Version::read(resource_version);
        let still = |known: &Known| *known.uid == *uid && !known.version.is_newer_than(&looked_at);
        self.objects.get(id).is_some_and(still)
    }

    /// What there is to know for a plan: the objects that the labels give to this Sync, and those that it wants.
    pub(crate) fn view(&self, sync: &SyncKey, wanted: &[Rendered]) -> View {
        let Some(followed) = self.syncs.get(sync) else { return View::default() };
        let wanted: HashSet<&ObjectId> = wanted.iter().map(|rendered| &rendered.object.id).collect();
        let mut view = View::default();
        for (id, known) in &self.objects {
            let is_own = known.named.as_ref() == Some(&followed.label);
            match known.settled() {
                Some(settled) if is_own => drop(view.settled.insert(id.clone(), settled)),
                // Another Sync's, in good order: to be looked up if it is wanted here too.
                Some(_) => {}
                None if is_own || wanted.contains(id) => view.live.extend(known.whole(id)),
                None => {}
            }
        }
        view
    }

    /// The same for a repair of these objects.
    pub(crate) fn view_of(&self, sync: &SyncKey, ids: &BTreeSet<ObjectId>) -> View {
        let label = self.syncs.get(sync).map(|followed| &followed.label);
        let mut view = View::default();
        for (id, known) in ids.iter().filter_map(|id| Some((id, self.objects.get(id)?))) {
            match known.settled() {
                Some(settled) if known.named.as_ref() == label => drop(view.settled.insert(id.clone(), settled)),
                Some(_) => {}
                None => view.live.extend(known.whole(id)),
            }
        }
        view
    }

    /// The objects that the labels give to a Sync.
    pub(crate) fn named(&self, sync: &SyncKey) -> Vec<ObjectId> {
        let Some(followed) = self.syncs.get(sync) else { return Vec::new() };
        let is_own = |known: &Known| known.named.as_ref() == Some(&followed.label);
        self.objects.iter().filter(|(_, known)| is_own(known)).map(|(id, _)| id.clone()).collect()
    }

    /// The fields that the server does not keep, of those of these bodies.
    pub(crate) fn unkept(&self, sync: &SyncKey, wanted: &[Rendered]) -> BTreeMap<ObjectId, BTreeSet<String>> {
        self.syncs.get(sync).map(|followed| followed.unkept(wanted)).unwrap_or_default()
    }
}

/// The Sync of ours that a label names.
fn followed_by<'a>(
    labels: &'a HashMap<Arc<SyncKey>, Option<SyncKey>>,
    syncs: &'a mut BTreeMap<SyncKey, Followed>,
    label: &Arc<SyncKey>,
) -> Option<(&'a SyncKey, &'a mut Followed)> {
    let key = labels.get(label)?.as_ref()?;
    Some((key, syncs.get_mut(key)?))
}

/// Judges one wanted object anew; says whether the verdict is another than before.
fn judge(
    followed: &mut Followed,
    kinds: &BTreeMap<GroupKind, Listing>,
    objects: &mut HashMap<ObjectId, Known>,
    rendered: &Rendered,
) -> bool {
    let id = &rendered.object.id;
    let changed = || Some(Drifted::Fields(Vec::new()));
    let mut extras = Vec::new();
    let drifted = match objects.get_mut(id) {
        None => kinds.get(&GroupKind::of(id)).is_some_and(|listing| listing.complete).then_some(Drifted::Gone),
        Some(known) => match &known.state {
            State::Settled(hash) if *hash == rendered.hash && known.named.as_ref() == Some(&followed.label) => None,
            State::Settled(_) => changed(),
            State::Whole(packed) => {
                let look = followed.compare(rendered, &packed.open(id.clone()));
                if let Some(hash) = look.settled {
                    known.state = State::Settled(hash);
                }
                extras = look.extras;
                look.drifted
            }
        },
    };
    followed.note(id, drifted, extras)
}
