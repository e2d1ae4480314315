use lockstep_manifest::objects;
use lockstep_plan::{Class, FieldChange, HoldReason, Ownership, Scope, place, render};

use super::*;
use crate::board::SyncKey;

const COMMIT: &str = "c0ffee0000000000000000000000000000000000";
const OLDER: &str = "0ld0000000000000000000000000000000000000";

/// Everything that a picture borrows; the default is a Sync where all is well.
struct Scene {
    key: SyncKey,
    fetched: Option<At>,
    applied: Option<At>,
    wanted: Vec<Rendered>,
    suspended: bool,
    applying: Option<usize>,
    obstacle: Option<Obstacle>,
    fetch_error: Option<SourceError>,
    invalid: Option<Vec<Failure>>,
    failed: BTreeMap<ObjectId, ObjectFailure>,
    waiting: BTreeMap<ObjectId, String>,
    held: Option<Held>,
    unhealthy: BTreeMap<ObjectId, Health>,
    unwatched: BTreeMap<GroupKind, ClusterError>,
    late: bool,
    drifted: usize,
    rewritten: BTreeMap<ObjectId, Rewritten>,
}

fn at(commit: &str) -> At {
    At { commit: commit.to_owned(), at: Timestamp::UNIX_EPOCH }
}

fn id(name: &str) -> ObjectId {
    format!("/ConfigMap/a/{name}").parse().unwrap()
}

fn refused(class: Class) -> ClusterError {
    ClusterError { class, code: Some(422), message: "apply ConfigMap a/x: no".into(), retry_after: None }
}

fn health(status: Status) -> BTreeMap<ObjectId, Health> {
    BTreeMap::from([(id("x"), Health { status, reason: "Because".into(), message: "it is so".into() })])
}

fn rewritten() -> BTreeMap<ObjectId, Rewritten> {
    let fields = vec![FieldChange { path: ".data.v".into(), before: Some("b".into()), after: Some("a".into()) }];
    BTreeMap::from([(id("x"), Rewritten { hash: "h".into(), fields })])
}

impl Default for Scene {
    fn default() -> Self {
        let ownership = Ownership { sync: "shop".into(), sync_namespace: "lockstep".into() };
        let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: a}\n---\n\
                    apiVersion: v1\nkind: ConfigMap\nmetadata: {name: z, namespace: a}\n";
        let wanted = objects("maps.yaml", text).unwrap();
        let wanted =
            wanted.iter().map(|object| render(place(object.clone(), Scope::Namespaced).object, &ownership).unwrap());
        Self {
            key: SyncKey { namespace: "lockstep".into(), name: "shop".into() },
            fetched: Some(at(COMMIT)),
            applied: Some(at(COMMIT)),
            wanted: wanted.collect(),
            suspended: false,
            applying: None,
            obstacle: None,
            fetch_error: None,
            invalid: None,
            failed: BTreeMap::new(),
            waiting: BTreeMap::new(),
            held: None,
            unhealthy: BTreeMap::new(),
            unwatched: BTreeMap::new(),
            late: false,
            drifted: 0,
            rewritten: BTreeMap::new(),
        }
    }
}

impl Scene {
    fn status(&self, previous: &SyncStatus, now: i64) -> SyncStatus {
        let nothing = BTreeMap::new();
        let picture = Picture {
            key: &self.key,
            now: Timestamp::from_second(now).unwrap(),
            generation: Some(3),
            suspended: self.suspended,
            outdated: false,
            spec_invalid: false,
            fetched: self.fetched.as_ref(),
            fault: None,
            leaving: None,
            obstacle: self.obstacle.as_ref(),
            applied: self.applied.as_ref(),
            commit: Some(COMMIT),
            wanted: &self.wanted,
            path_missing: None,
            applying: self.applying.map(|objects| (COMMIT, objects)),
            fetch_error: self.fetch_error.as_ref(),
            cluster_error: None,
            invalid: self.invalid.as_deref().map(|failures| (COMMIT, failures)),
            failed: &self.failed,
            waiting: &self.waiting,
            undeleted: &nothing,
            unwatched: &self.unwatched,
            held: self.held.as_ref(),
            withheld: None,
            unhealthy: &self.unhealthy,
            late: self.late,
            drifted: self.drifted,
            rewritten: &self.rewritten,
            drift: &[],
            fights: BTreeMap::new(),
            claims: &BTreeSet::new(),
            extras: &BTreeMap::new(),
        };
        status(&picture, previous)
    }

    /// Reason of `Ready`, then which of `Ready`, `Reconciling`, `Stalled` is true, then `Healthy`.
    fn said(&self) -> (String, Vec<String>, String, String) {
        let status = self.status(&SyncStatus::default(), 100);
        let find = |kind: &str| status.conditions.iter().find(|condition| condition.type_ == kind).unwrap();
        let progress = ["Ready", "Reconciling", "Stalled"].into_iter().filter(|kind| find(kind).status == "True");
        let ready = find("Ready");
        let healthy = find("Healthy").status.clone();
        (ready.reason.clone(), progress.map(str::to_owned).collect(), healthy, ready.message.clone())
    }
}

#[test]
fn each_trouble_has_its_word() {
    let source = |transient| SourceError { category: "network", message: "the server is down".into(), transient };
    let held = Held { would_prune: 42, objects: Vec::new(), reason: HoldReason::EveryObject };
    let file = Failure { file: "a.yaml".into(), line: 7, message: "kind: is missing".into(), ..Failure::default() };
    let kind = GroupKind { group: String::new(), kind: "Secret".into() };
    let scene = Scene::default;
    let blocked = ObjectFailure::Blocked("it belongs to Flux (apps)".into());
    let table = [
        (scene(), "Succeeded", "Ready", "True", "c0ffee0000"),
        (
            Scene { rewritten: rewritten(), ..scene() },
            "Succeeded",
            "Ready",
            "True",
            "rewrites 1 of them, ConfigMap/a/x",
        ),
        (Scene { suspended: true, ..scene() }, "Suspended", "", "True", "suspended"),
        (Scene { applying: Some(2), ..scene() }, "Applying", "Reconciling", "True", "2 objects"),
        (Scene { fetch_error: Some(source(true)), ..scene() }, "FetchFailed", "Reconciling", "True", "network"),
        (Scene { fetch_error: Some(source(false)), ..scene() }, "FetchFailed", "Stalled", "True", "is kept"),
        (
            Scene { invalid: Some(vec![file.clone()]), ..scene() },
            "InvalidManifests",
            "Stalled",
            "True",
            "a.yaml:7: kind",
        ),
        (
            Scene { failed: [(id("z"), ObjectFailure::Refused(refused(Class::Invalid)))].into(), ..scene() },
            "ApplyFailed",
            "Stalled",
            "True",
            "maps.yaml:5: ConfigMap/a/z",
        ),
        (
            Scene { failed: [(id("x"), ObjectFailure::Refused(refused(Class::Transient)))].into(), ..scene() },
            "ApplyFailed",
            "Reconciling",
            "True",
            "1 of 2 objects",
        ),
        (Scene { failed: [(id("x"), blocked)].into(), ..scene() }, "ApplyFailed", "Stalled", "True", "Flux (apps)"),
        (Scene { held: Some(held), ..scene() }, "PruneHeld", "Stalled", "True", "acknowledge=c0ffee"),
        (
            Scene { waiting: [(id("x"), "it goes".into())].into(), ..scene() },
            "Waiting",
            "Reconciling",
            "True",
            "it goes",
        ),
        (
            Scene { unwatched: [(kind, refused(Class::Forbidden))].into(), ..scene() },
            "WatchFailed",
            "Reconciling",
            "True",
            "Secret",
        ),
        (
            Scene { unhealthy: health(Status::InProgress), ..scene() },
            "Progressing",
            "Reconciling",
            "False",
            "ConfigMap/a/x: Because: it is so",
        ),
        (
            Scene { unhealthy: health(Status::InProgress), late: true, ..scene() },
            "Unhealthy",
            "Stalled",
            "False",
            "maps.yaml:1: ConfigMap/a/x: Because",
        ),
        (Scene { unhealthy: health(Status::Failed), ..scene() }, "Unhealthy", "Stalled", "False", "it is so"),
        (Scene { unhealthy: health(Status::Suspended), ..scene() }, "Succeeded", "Ready", "True", ""),
        (Scene { drifted: 2, ..scene() }, "Drifted", "Stalled", "True", "2 objects"),
        (Scene { fetched: Some(at(OLDER)), ..scene() }, "Pending", "Reconciling", "True", "0ld"),
        (Scene { applied: None, ..scene() }, "Pending", "Reconciling", "True", "nothing"),
        (Scene { applied: Some(at(OLDER)), ..scene() }, "Pending", "Reconciling", "True", "nothing"),
    ];
    for (scene, reason, progress, healthy, words) in table {
        let said = scene.said();
        let progress: Vec<&str> = progress.split_whitespace().collect();
        assert_eq!(
            (said.0.as_str(), said.1, said.2.as_str()),
            (reason, progress.iter().map(|word| (*word).to_owned()).collect(), healthy),
            "{}",
            said.3
        );
        assert!(said.3.contains(words), "{}: {words}", said.3);
    }
}

#[test]
fn a_condition_keeps_its_time_until_its_status_changes() {
    let first = Scene::default().status(&SyncStatus::default(), 100);
    assert_eq!(Scene::default().status(&first, 200), first, "nothing changed, so nothing is written");
    let second = Scene { drifted: 1, ..Scene::default() }.status(&first, 300);
    let times: Vec<i64> =
        second.conditions.iter().map(|condition| condition.last_transition_time.0.as_second()).collect();
    assert_eq!(times, [300, 100, 300, 100], "Ready and Stalled changed, Reconciling and Healthy did not");
}

#[test]
fn however_much_fails_the_status_stays_small() {
    let failed = (0..13_000).map(|number| {
        let error = ClusterError { message: "x".repeat(5000), ..refused(Class::Invalid) };
        (id(&format!("c{number}")), ObjectFailure::Refused(error))
    });
    let status = Scene { failed: failed.collect(), ..Scene::default() }.status(&SyncStatus::default(), 100);
    let failures = status.failures.clone().unwrap();
    assert_eq!((failures.total, failures.first.len()), (13_000, SHOWN));
    assert!(serde_json::to_string(&status).unwrap().len() < 32 * 1024);
}

#[test]
fn counts_tell_what_is_well_and_what_is_not() {
    let scene = Scene { unhealthy: health(Status::Failed), ..Scene::default() };
    let counts = scene.status(&SyncStatus::default(), 100).objects.unwrap();
    assert_eq!(counts, ObjectCounts { total: 2, healthy: 1, drifted: 0, failed: 1, waiting: 0, extras: 0 });
}
