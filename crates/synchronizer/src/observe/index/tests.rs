//! Stories: what turns leave and watches tell, and what is reported then.

use std::sync::Arc;

use lockstep_manifest::Object;
use lockstep_plan::{APPLIED_ANNOTATION, Body, Rendered, Scope};
use serde_json::{Value, json};

use super::*;
use crate::board::Verdict;
use crate::observe::seen::PodSeen;

mod checks;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn sync() -> SyncKey {
    SyncKey { namespace: "lockstep".into(), name: "shop".into() }
}

fn web() -> ObjectId {
    "apps/Deployment/shop/web".parse().unwrap()
}

fn kind() -> GroupKind {
    GroupKind::of(&web())
}

/// What Git wants of the Deployment.
fn wanted(tag: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"namespace": "shop", "name": "web"},
        "spec": {
            "replicas": 2, "selector": {"matchLabels": {"app": "web"}},
            "template": {"spec": {"containers": [{"name": "web", "image": format!("shop/web:{tag}")}]}},
        },
    })
}

/// The Deployment in the cluster: `updated` of its two pods run the template, `available` of all serve.
fn live(tag: &str, updated: u32, available: u32) -> Value {
    let mut object = wanted(tag);
    object["metadata"]["annotations"] = json!({APPLIED_ANNOTATION: format!("hash-{tag}")});
    let finished = updated == 2 && available == 2;
    let progress = if finished { "NewReplicaSetAvailable" } else { "ReplicaSetUpdated" };
    object["status"] = json!({
        "replicas": if finished { 2 } else { 3 }, "updatedReplicas": updated,
        "availableReplicas": available, "readyReplicas": available,
        "conditions": [
            {"type": "Progressing", "status": "True", "reason": progress},
            {"type": "Available", "status": if available > 0 { "True" } else { "False" }},
        ],
    });
    object["spec"]["progressDeadlineSeconds"] = json!(600);
    object
}

fn pod(tag: &str, waiting: Option<&str>) -> Value {
    let state = waiting.map_or(json!({"running": {}}), |reason| json!({"waiting": {"reason": reason, "message": "m"}}));
    json!({
        "metadata": {"namespace": "shop", "name": format!("web-{tag}"), "creationTimestamp": at(0).to_string()},
        "spec": {"containers": [{"name": "web", "image": format!("shop/web:{tag}")}]},
        "status": {"phase": "Pending", "containerStatuses": [{"name": "web", "state": state}]},
    })
}

/// An index, and the tag that a turn applied last.
#[derive(Default)]
struct Story(Index);

impl Story {
    /// A turn ends at `now`; `changed`: it changed the Deployment.
    fn applied(&mut self, tag: &str, changed: bool, now: i64) -> Changes {
        self.0.applied(&sync(), &Self::enforced(tag, changed, now), at(now))
    }

    fn enforced(tag: &str, changed: bool, now: i64) -> Enforced {
        let object = Object {
            id: web(),
            api_version: "apps/v1".into(),
            value: wanted(tag),
            file: Arc::from("web.yaml"),
            line: 1,
        };
        let rendered =
            Rendered { object, body: Body::of(&wanted(tag)), hash: format!("hash-{tag}").into(), instructions: None };
        let resource = kube::core::ApiResource::erase::<k8s_openapi::api::apps::v1::Deployment>(&());
        Enforced {
            commit: format!("commit-{tag}"),
            at: at(now),
            timeout: Duration::from_secs(300),
            wanted: Arc::new(vec![rendered]),
            checks: HealthChecks::default(),
            kinds: [(kind(), Kind { resource, scope: Scope::Namespaced })].into(),
            changed: changed.then(|| (web(), at(now))).into_iter().collect(),
            failed: BTreeMap::new(),
            found: BTreeSet::new(),
        }
    }

    fn listed(&mut self, object: Value, now: i64) -> Changes {
        let mut changes = Changes::new();
        for told in [Told::Restarted, Told::Applied(web(), object), Told::ListComplete] {
            for (sync, ids) in self.0.kind_told(&kind(), told, at(now)) {
                changes.entry(sync).or_default().extend(ids);
            }
        }
        changes
    }

    fn seen(&mut self, object: Value, now: i64) -> Changes {
        self.0.kind_told(&kind(), Told::Applied(web(), object), at(now))
    }

    fn pod(&mut self, pod: Value, now: i64) -> Changes {
        let id = "/Pod/shop/web".parse().unwrap();
        self.0.pods_told(&PodsOf::Workload(web(), "app=web".into()), Told::Applied(id, pod), at(now))
    }

    fn health(&self) -> (Status, String) {
        let unhealthy = self.0.unhealthy(&sync());
        unhealthy.get(&web()).map_or((Status::Current, String::new()), |health| (health.status, health.reason.clone()))
    }

    fn verdict(&self) -> (String, Verdict) {
        let all = self.0.workloads(&sync());
        assert_eq!(all.len(), 1);
        (all[0].reference.clone(), all[0].verdict)
    }

    /// Tag 1 runs well, as this daemon has seen.
    fn well() -> Self {
        let mut story = Self::default();
        story.applied("1", true, 0);
        story.listed(live("1", 2, 2), 1);
        assert_eq!(story.verdict(), ("shop/web:1".to_owned(), Verdict::Live));
        story
    }
}

fn word(reason: &str) -> String {
    reason.to_owned()
}

#[test]
fn nothing_is_healthy_before_the_watch_has_seen_it() {
    let mut story = Story::default();
    assert!(!story.applied("1", true, 0).is_empty());
    assert_eq!(story.health(), (Status::InProgress, word("NotObserved")));
    assert_eq!(story.0.kinds_to_watch().len(), 1);
    story.listed(live("1", 0, 0), 1);
    assert_eq!(story.health(), (Status::InProgress, word("LessUpdated")));
    assert!(!story.seen(live("1", 2, 2), 2).is_empty());
    assert_eq!(story.health().0, Status::Current);

    story.applied("2", true, 10);
    assert_eq!(story.health(), (Status::InProgress, word("NotObserved")), "what is seen is the state before the turn");
    story.seen(live("2", 0, 2), 11);
    assert_eq!(story.health(), (Status::InProgress, word("LessUpdated")));
    assert!(story.seen(live("2", 0, 2), 12).is_empty(), "nothing new, nobody is woken");
}

#[test]
fn an_image_that_cannot_be_pulled_fails_and_the_way_back_is_live() {
    let mut story = Story::well();
    story.applied("bad", true, 10);
    story.seen(live("bad", 1, 2), 11);
    assert_eq!(story.verdict(), ("shop/web:bad".to_owned(), Verdict::Progressing));
    assert_eq!(story.0.pods_to_watch().len(), 1);
    story.pod(pod("1", Some("ImagePullBackOff")), 12);
    assert_eq!(story.verdict().1, Verdict::Progressing, "a pod of the old template says nothing about the new one");
    story.pod(pod("bad", Some("ErrImagePull")), 12);
    assert_eq!(story.verdict().1, Verdict::Progressing, "one pull may fail");
    assert!(!story.pod(pod("bad", Some("ImagePullBackOff")), 13).is_empty());
    assert_eq!(story.health(), (Status::Failed, word("ImagePullBackOff")));
    assert_eq!(story.verdict(), ("shop/web:bad".to_owned(), Verdict::Failed));
    story.pod(pod("bad", Some("ErrImagePull")), 14);
    assert_eq!(story.verdict().1, Verdict::Failed, "between two attempts it is as bad as before");

    story.applied("1", true, 20);
    story.seen(live("1", 2, 2), 21);
    assert_eq!(story.verdict(), ("shop/web:1".to_owned(), Verdict::Live));
    assert_eq!(story.health().0, Status::Current);
    assert!(story.0.pods_to_watch().is_empty());
}

#[test]
fn a_rollout_is_judged_by_its_own_timeout() {
    let mut story = Story::well();
    story.applied("2", true, 10);
    story.seen(live("2", 1, 2), 11);
    assert_eq!(story.0.next_tick(at(11)), Some(at(310)));
    assert!(story.0.ticked(at(309)).is_empty());
    assert!(!story.0.ticked(at(310)).is_empty());
    assert_eq!(story.verdict().1, Verdict::Failed);
    assert_eq!(story.0.next_tick(at(310)), None, "time changes nothing any more");
}

#[test]
fn after_a_restart_the_cluster_says_whether_it_was_healthy_before() {
    for (available, wanted) in [(2, Verdict::Failed), (0, Verdict::Inconclusive)] {
        let mut story = Story::default();
        story.applied("bad", false, 100);
        story.listed(live("bad", 1, available), 101);
        story.pod(pod("bad", Some("ImagePullBackOff")), 102);
        assert_eq!(story.verdict().1, wanted, "{available} old pods serve");
    }
}

#[test]
fn a_workload_that_never_ran_has_nothing_to_go_back_to() {
    let mut story = Story::default();
    story.applied("bad", true, 0);
    story.listed(live("bad", 2, 0), 1);
    story.pod(pod("bad", Some("ImagePullBackOff")), 2);
    assert_eq!(story.verdict().1, Verdict::Inconclusive);
    assert_eq!(story.health(), (Status::Failed, word("ImagePullBackOff")));
}

#[test]
fn a_second_bad_image_in_a_row_is_not_blamed() {
    let mut story = Story::well();
    story.applied("bad", true, 10);
    story.seen(live("bad", 1, 2), 11);
    story.pod(pod("bad", Some("ImagePullBackOff")), 12);
    assert_eq!(story.verdict().1, Verdict::Failed);
    story.applied("worse", true, 20);
    story.seen(live("worse", 1, 2), 21);
    story.pod(pod("worse", Some("ImagePullBackOff")), 22);
    assert_eq!(story.verdict(), ("shop/web:worse".to_owned(), Verdict::Inconclusive));
}

#[test]
fn what_was_live_last_is_told_until_something_else_is() {
    let mut story = Story::well();
    let last_live = |story: &Story| story.0.workloads(&sync())[0].last_live.clone();
    assert_eq!(last_live(&story).as_deref(), Some("shop/web:1"));
    for (tag, now) in [("2", 10), ("3", 20)] {
        story.applied(tag, true, now);
        story.seen(live(tag, 1, 2), now + 1);
        assert_eq!(last_live(&story).as_deref(), Some("shop/web:1"), "{tag} is on its way");
    }
    story.seen(live("3", 2, 2), 22);
    assert_eq!((story.verdict().1, last_live(&story).as_deref()), (Verdict::Live, Some("shop/web:3")));
}

#[test]
fn a_pod_without_a_node_counts_after_fifteen_seconds() {
    let mut story = Story::well();
    story.applied("2", true, 0);
    story.seen(live("2", 1, 2), 1);
    let mut unscheduled = pod("2", None);
    unscheduled["status"] = json!({"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no room"},
    ]});
    story.pod(unscheduled, 2);
    assert_eq!(story.verdict().1, Verdict::Progressing);
    assert_eq!(story.0.next_tick(at(2)), Some(at(15)));
    assert!(!story.0.ticked(at(15)).is_empty());
    assert_eq!(story.verdict().1, Verdict::Inconclusive);
}

#[test]
fn what_left_git_or_the_cluster_is_reported_so() {
    let mut story = Story::well();
    story.0.kind_told(&kind(), Told::Deleted(web()), at(5));
    assert_eq!(story.health(), (Status::InProgress, word("NotFound")));
    assert_eq!(story.verdict().1, Verdict::Live, "a later failure is not the release's");
    story.0.kind_told(&kind(), Told::Failed("forbidden".into()), at(6));
    assert_eq!(story.health(), (Status::InProgress, word("NotWatched")));
    story.0.forget(&sync());
    assert!(story.0.unhealthy(&sync()).is_empty() && story.0.kinds_to_watch().is_empty());
}

#[test]
fn many_workloads_of_a_namespace_share_one_watch_of_pods() {
    let mut story = Story::well();
    story.applied("bad", true, 10);
    story.seen(live("bad", 1, 2), 11);
    story.pod(pod("bad", Some("ImagePullBackOff")), 12);
    let own = story.0.pods_to_watch();
    assert!(matches!(own.first(), Some(PodsOf::Workload(..))));
    let all = PodsOf::Namespace("shop".into());
    story.0.pods.known.insert(all.clone(), Known::default());
    assert_eq!(story.0.pods_to_watch().len(), 2, "its own watch goes on until the list is complete");

    let mut of_web = pod("bad", Some("ImagePullBackOff"));
    of_web["metadata"]["labels"] = json!({"pod-template-hash": "6d4b"});
    of_web["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-6d4b", "controller": true}]);
    let id: ObjectId = "/Pod/shop/web".parse().unwrap();
    for told in [Told::Restarted, Told::Applied(id.clone(), of_web), Told::ListComplete] {
        story.0.pods_told(&all, told, at(13));
    }
    assert_eq!(story.0.pods_to_watch(), BTreeSet::from([all.clone()]));
    own.iter().for_each(|own| story.0.pods_forgotten(own));
    assert_eq!(story.health(), (Status::Failed, word("ImagePullBackOff")));
    assert!(!story.0.pods_told(&all, Told::Deleted(id), at(14)).is_empty());
    assert_eq!(story.health(), (Status::InProgress, word("LessUpdated")));
}

#[test]
fn a_statefulset_that_waits_for_a_broken_pod_of_before_says_which_one_to_delete() {
    let stuck = |kind: &str, runs: &str, waiting: Option<&str>| {
        let id: ObjectId = format!("apps/{kind}/shop/web").parse().unwrap();
        let mut object = live("good", 1, 1);
        object["kind"] = json!(kind);
        let seen = Seen::of(&id, object, false, at(0));
        let selector = seen.workload.as_ref().and_then(|workload| workload.selector.clone()).unwrap();
        let mut known = Known::default();
        let of = PodSeen::of(&pod(runs, waiting));
        known.objects.insert("/Pod/shop/web-0".parse().unwrap(), of);
        let mut pods = Pods::default();
        pods.known.insert(PodsOf::Workload(id.clone(), selector), known);
        stuck_pod(&id, &seen, &pods, at(60))
    };
    let told = stuck("StatefulSet", "bad", Some("CrashLoopBackOff")).unwrap();
    assert!(
        told.contains("CrashLoopBackOff") && told.ends_with("kubectl --namespace shop delete pod web-bad"),
        "{told}"
    );
    assert_eq!(stuck("StatefulSet", "bad", None), None, "it runs");
    assert_eq!(stuck("StatefulSet", "good", Some("CrashLoopBackOff")), None, "it is of the present template");
    assert_eq!(stuck("Deployment", "bad", Some("CrashLoopBackOff")), None, "which a Deployment replaces by itself");
}

#[test]
fn what_is_there_without_our_label_is_not_missed() {
    for (found, expected) in [(BTreeSet::new(), "NotFound"), (BTreeSet::from([web()]), "")] {
        let mut story = Story::default();
        let enforced = Enforced { found, ..Story::enforced("1", false, 0) };
        story.0.applied(&sync(), &enforced, at(0));
        for told in [Told::Restarted, Told::ListComplete] {
            story.0.kind_told(&kind(), told, at(1));
        }
        assert_eq!(story.health().1, expected);
    }
}
