//! A daemon over fakes, and what a person can do to it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use lockstep_daemon::{Readiness, Shutdown};
use lockstep_manifest::ObjectId;
use lockstep_plan::{Health, Status};
use lockstep_repository::CommitId;
use serde_json::Value;
use tokio::task::JoinSet;

use super::{
    api_server::{Account, ApiServer},
    git::Git,
};
use crate::{
    board::{Board, SyncKey, WorkloadState},
    controller::{Controller, Options},
    inspect::Inspector,
    mailbox::Mailboxes,
    nudge::{Nudge, Nudges as _},
    ports::{Clock, Enforced, Happening, Observer, Ports, SyncRef, Witness},
    protected::Protected,
    resource::SyncStatus,
};

pub(super) struct World {
    pub(super) api: Arc<ApiServer>,
    pub(super) git: Arc<Git>,
    pub(super) health: Arc<Doctor>,
    pub(super) witness: Arc<Chronicle>,
    pub(super) board: Board,
    pub(super) mailboxes: Arc<Mailboxes>,
    pub(super) shutdown: Shutdown,
    pub(super) inspector: Option<Inspector>,
    pub(super) protected: Protected,
    running: JoinSet<()>,
}

#[derive(Default)]
pub(super) struct Doctor {
    /// A turn has told what to look at.
    looks: AtomicBool,
    sick: Mutex<BTreeMap<ObjectId, Health>>,
}

#[derive(Default)]
pub(super) struct Chronicle {
    happenings: Mutex<Vec<Happening>>,
}

struct Sundial;

impl Clock for Sundial {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }
}

impl Observer for Doctor {
    fn applied(&self, _: &SyncKey, _: &Enforced) {
        self.looks.store(true, Ordering::Relaxed);
    }

    fn unhealthy(&self, _: &SyncKey) -> BTreeMap<ObjectId, Health> {
        if self.looks.load(Ordering::Relaxed) { self.sick.lock().unwrap().clone() } else { BTreeMap::new() }
    }

    fn workloads(&self, _: &SyncKey) -> Vec<WorkloadState> {
        Vec::new()
    }

    fn forget(&self, _: &SyncKey) {}
}

impl Witness for Chronicle {
    fn happened(&self, _: &SyncRef, happening: &Happening) {
        self.happenings.lock().unwrap().push(happening.clone());
    }
}

impl Chronicle {
    pub(super) fn count(&self, matches: impl Fn(&Happening) -> bool) -> usize {
        self.happenings.lock().unwrap().iter().filter(|happening| matches(happening)).count()
    }
}

pub(super) fn key() -> SyncKey {
    SyncKey { namespace: "lockstep".into(), name: "shop".into() }
}

/// A ConfigMap with one value.
pub(super) fn config_map(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: a}}\ndata: {{v: \"{value}\"}}\n")
}

impl World {
    /// A daemon with one Sync, whose spec is the default one with these changes. Nothing is committed yet.
    pub(super) fn new(changes: Value) -> Self {
        let api = Arc::new(ApiServer::default());
        api.make_sync("shop", changes);
        Self {
            api,
            git: Arc::default(),
            health: Arc::default(),
            witness: Arc::default(),
            board: Board::default(),
            mailboxes: Arc::default(),
            shutdown: Shutdown::new(),
            inspector: None,
            protected: Protected::default(),
            running: JoinSet::new(),
        }
    }

    /// A daemon whose Sync has this many ConfigMaps `c0`, `c1`, … in files of their own, all applied.
    pub(super) async fn with_config_maps(changes: Value, count: usize) -> Self {
        let mut world = Self::new(changes);
        world.commit_config_maps(0..count, "1");
        world.start();
        world.until_ready().await;
        world.api.take_calls();
        world
    }

    pub(super) fn commit_config_maps(&self, numbers: impl IntoIterator<Item = usize>, value: &str) -> CommitId {
        let files: Vec<(String, String)> = numbers
            .into_iter()
            .map(|number| (format!("c{number:03}.yaml"), config_map(&format!("c{number}"), value)))
            .collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        self.git.commit(&files)
    }

    pub(super) fn ports(&self) -> Ports {
        Ports {
            source: self.git.clone(),
            cluster: Arc::new(Account::daemon(&self.api)),
            observer: self.health.clone(),
            witness: self.witness.clone(),
            clock: Arc::new(Sundial),
        }
    }

    pub(super) fn start(&mut self) {
        let ports = self.ports();
        self.health.looks.store(false, Ordering::Relaxed);
        self.mailboxes = Arc::default();
        self.board = Board::default();
        self.shutdown = Shutdown::new();
        let options = Options { concurrency: 4, turns: 2, protected: self.protected.clone(), human: Arc::default() };
        let controller = Controller::new(ports, self.board.clone(), self.mailboxes.clone(), options);
        let ready = Readiness::new().wait_for("syncs");
        let shutdown = self.shutdown.clone();
        self.inspector = Some(controller.inspector(shutdown.clone()));
        self.running.spawn(async move { controller.run(ready, shutdown).await.unwrap() });
    }

    pub(super) async fn stop(&mut self) {
        self.shutdown.request();
        while self.running.join_next().await.is_some() {}
    }

    pub(super) fn look(&self) {
        self.mailboxes.nudge(&key(), Nudge::Fetch);
    }

    /// Lets the daemon work for so long.
    pub(super) async fn pass(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    pub(super) async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        for _ in 0..10_000 {
            if condition(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let (calls, status) = (self.api.take_calls(), self.status());
        panic!("{what} did not happen; calls {calls:?}, status {status:#?}");
    }

    /// The same, to the millisecond: for what happens within a turn.
    pub(super) async fn until_exactly(&self, condition: impl Fn(&Self) -> bool) {
        for _ in 0..100_000 {
            if condition(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("it did not happen; calls {:?}", self.api.take_calls());
    }

    pub(super) async fn until_ready(&self) {
        self.until("Ready", |world| world.reason() == "Succeeded").await;
    }

    pub(super) async fn until_reason(&self, reason: &str) {
        self.until(reason, |world| world.reason() == reason).await;
    }

    pub(super) fn status(&self) -> SyncStatus {
        self.status_of("shop")
    }

    pub(super) fn status_of(&self, name: &str) -> SyncStatus {
        self.api.state().syncs.get(name).and_then(|sync| sync.status.clone()).unwrap_or_default()
    }

    /// Status, reason and message of a condition.
    pub(super) fn condition(&self, kind: &str) -> (String, String, String) {
        self.condition_of("shop", kind)
    }

    pub(super) fn condition_of(&self, name: &str, kind: &str) -> (String, String, String) {
        let status = self.status_of(name);
        let found = status.conditions.iter().find(|condition| condition.type_ == kind);
        found.map(|found| (found.status.clone(), found.reason.clone(), found.message.clone())).unwrap_or_default()
    }

    pub(super) fn reason(&self) -> String {
        self.condition("Ready").1
    }

    /// Calls about objects, without status and watches.
    pub(super) fn object_calls(&self) -> Vec<String> {
        let is_about_objects = |call: &String| !call.starts_with("status") && !call.starts_with("watch");
        self.api.take_calls().into_iter().filter(is_about_objects).collect()
    }

    pub(super) fn set_health(&self, id: &str, status: Option<Status>) {
        let id: ObjectId = id.parse().unwrap();
        match status {
            Some(status) => {
                let health = Health { status, reason: "Because".into(), message: "it is so".into() };
                self.health.sick.lock().unwrap().insert(id.clone(), health);
            }
            None => drop(self.health.sick.lock().unwrap().remove(&id)),
        }
        self.mailboxes.nudge(&key(), Nudge::Health(BTreeSet::from([id])));
    }
}
