use std::collections::BTreeMap;

use lockstep_plan::Class;

use super::*;
use crate::ports::ClusterError;
use Verdict::{Failed, Inconclusive, Progressing};

const NEW: &str = "shop/web:2";

/// A Deployment in the middle of a rollout to `NEW` that began well, before its deadline.
struct Case {
    before: Option<Verdict>,
    failure: Option<ObjectFailure>,
    absent: bool,
    workload: Workload,
    health: Health,
    stale: bool,
    healthy_before: bool,
    pod: Option<PodFailure>,
    late: bool,
    all_is_unwell: bool,
}

impl Case {
    fn rollout() -> Self {
        let references = BTreeMap::from([("web".to_owned(), NEW.to_owned())]);
        Self {
            before: None,
            failure: None,
            absent: false,
            workload: Workload { references, available: true, ..Workload::default() },
            health: health(Status::InProgress, "LessUpdated"),
            stale: false,
            healthy_before: true,
            pod: None,
            late: false,
            all_is_unwell: false,
        }
    }

    fn verdict(&self) -> (Verdict, String) {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        judge(&Question {
            container: "web",
            reference: NEW,
            before: self.before,
            failure: self.failure.as_ref(),
            live: (!self.absent).then_some(Live {
                workload: &self.workload,
                health: &self.health,
                cannot_create: self.workload.cannot_create.as_deref(),
                stale: self.stale,
                healthy_before: self.healthy_before,
                pod: self.pod.as_ref(),
            }),
            since: at(0),
            deadline: at(300),
            now: at(if self.late { 301 } else { 100 }),
            all_is_unwell: self.all_is_unwell,
        })
    }
}

fn health(status: Status, reason: &str) -> Health {
    Health { status, reason: reason.to_owned(), message: format!("{reason} it says") }
}

fn pod(container: &str, reason: &str, trouble: Trouble) -> Option<PodFailure> {
    let (pod, container, reason) = ("web-1".to_owned(), container.to_owned(), reason.to_owned());
    Some(PodFailure { pod, container, reason, message: "no such tag".to_owned(), trouble })
}

fn refused(class: Class) -> Option<ObjectFailure> {
    let message = "apply Deployment shop/web: spec.replicas is wrong (HTTP 422 Invalid)".to_owned();
    Some(ObjectFailure::Refused(ClusterError { class, code: Some(422), message, retry_after: None }))
}

fn running(reference: &str, case: Case) -> Workload {
    Workload { references: [("web".to_owned(), reference.to_owned())].into(), ..case.workload }
}

type Change = fn(&mut Case);

/// Each line of the meaning: what is different from a rollout that goes its way, and what that makes of it.
const TABLE: [(&str, Change, Verdict, &str); 36] = [
    ("on its way", |_| {}, Progressing, "LessUpdated"),
    ("healthy", |case| case.health = health(Status::Current, ""), Verdict::Live, ""),
    (
        "live is final",
        |case| {
            case.before = Some(Verdict::Live);
            case.pod = pod("web", "CrashLoopBackOff", Trouble::Failed);
        },
        Verdict::Live,
        "",
    ),
    (
        "cannot pull",
        |case| case.pod = pod("web", "ImagePullBackOff", Trouble::Failed),
        Failed,
        "pod web-1, container web: ImagePullBackOff: no such tag",
    ),
    ("a name that is no image", |case| case.pod = pod("web", "InvalidImageName", Trouble::Failed), Failed, "web-1"),
    (
        "one pull that failed",
        |case| case.pod = pod("web", "ErrImagePull", Trouble::Failed),
        Progressing,
        "ErrImagePull",
    ),
    ("crash loop", |case| case.pod = pod("web", "CrashLoopBackOff", Trouble::Failed), Failed, "CrashLoopBackOff"),
    (
        "another container crashes",
        |case| case.pod = pod("proxy", "CrashLoopBackOff", Trouble::Failed),
        Inconclusive,
        "another container fails",
    ),
    (
        "deadline of its controller",
        |case| case.health = health(Status::Failed, "ProgressDeadlineExceeded"),
        Failed,
        "ProgressDeadlineExceeded",
    ),
    ("too late", |case| case.late = true, Failed, "LessUpdated"),
    (
        "late, but something else kept it until then",
        |case| {
            case.before = Some(Inconclusive);
            case.late = true;
        },
        Inconclusive,
        "LessUpdated",
    ),
    (
        "late for another reason, and then it crashes",
        |case| {
            case.before = Some(Inconclusive);
            case.late = true;
            case.pod = pod("web", "CrashLoopBackOff", Trouble::Failed);
        },
        Failed,
        "CrashLoopBackOff",
    ),
    (
        "a secret is missing, not yet late",
        |case| case.pod = pod("web", "CreateContainerConfigError", Trouble::Failed),
        Progressing,
        "CreateContainerConfigError",
    ),
    (
        "a refused patch",
        |case| {
            case.failure = refused(Class::Invalid);
            case.workload.references = [("web".to_owned(), "shop/web:1".to_owned())].into();
            case.health = health(Status::Current, "");
        },
        Failed,
        "HTTP 422",
    ),
    (
        "a patch refused to an unhealthy workload",
        |case| {
            case.failure = refused(Class::Invalid);
            case.workload.references = [("web".to_owned(), "shop/web:1".to_owned())].into();
            case.workload.available = false;
        },
        Inconclusive,
        "HTTP 422",
    ),
    (
        "a patch that may succeed later",
        |case| {
            case.failure = refused(Class::Denied);
            case.workload.references = [("web".to_owned(), "shop/web:1".to_owned())].into();
            case.health = health(Status::Current, "");
        },
        Inconclusive,
        "HTTP 422",
    ),
    (
        "a refused patch that was not about the image",
        |case| {
            case.failure = refused(Class::Invalid);
            case.health = health(Status::Current, "");
        },
        Verdict::Live,
        "",
    ),
    (
        "somebody else's",
        |case| case.failure = Some(ObjectFailure::Blocked("it belongs to Flux (shop)".to_owned())),
        Inconclusive,
        "belongs to Flux",
    ),
    (
        "not healthy before",
        |case| {
            case.healthy_before = false;
            case.pod = pod("web", "ImagePullBackOff", Trouble::Failed);
        },
        Inconclusive,
        "not healthy before",
    ),
    ("not healthy before, on its way", |case| case.healthy_before = false, Progressing, "LessUpdated"),
    (
        "not healthy before, healthy now",
        |case| {
            case.healthy_before = false;
            case.health = health(Status::Current, "");
        },
        Verdict::Live,
        "",
    ),
    (
        "no room on any node",
        |case| {
            case.pod = pod("", "Unschedulable", Trouble::Inconclusive);
            case.late = true;
        },
        Inconclusive,
        "pod web-1: Unschedulable",
    ),
    ("node lost", |case| case.pod = pod("", "NodeLost", Trouble::Inconclusive), Inconclusive, "NodeLost"),
    (
        "quota",
        |case| {
            case.workload.cannot_create = Some("exceeded quota".to_owned());
            case.late = true;
        },
        Inconclusive,
        "exceeded quota",
    ),
    (
        "zero replicas",
        |case| {
            case.workload.idle = Some("it is scaled to zero");
            case.health = health(Status::Current, "");
        },
        Inconclusive,
        "scaled to zero",
    ),
    ("paused", |case| case.workload.idle = Some("the Deployment is paused"), Inconclusive, "paused"),
    (
        "on delete",
        |case| {
            case.workload.idle = Some("pods are replaced on deletion only");
            case.health = health(Status::Current, "");
        },
        Inconclusive,
        "on deletion only",
    ),
    ("suspended", |case| case.health = health(Status::Suspended, "JobSuspended"), Inconclusive, "JobSuspended"),
    (
        "a schedule that has not come",
        |case| {
            case.workload.scheduled = true;
            case.health = health(Status::Current, "");
        },
        Inconclusive,
        "has not run",
    ),
    (
        "a schedule that came",
        |case| {
            case.workload.scheduled = true;
            case.workload.succeeded = Timestamp::from_second(50).ok();
            case.health = health(Status::Current, "");
        },
        Verdict::Live,
        "",
    ),
    (
        "most of the rest is unwell",
        |case| {
            case.all_is_unwell = true;
            case.pod = pod("web", "CrashLoopBackOff", Trouble::Failed);
        },
        Inconclusive,
        "most objects",
    ),
    ("not seen yet", |case| case.stale = true, Progressing, "not been seen"),
    ("not there yet", |case| case.absent = true, Progressing, "not in the cluster"),
    (
        "not there",
        |case| {
            case.absent = true;
            case.late = true;
        },
        Inconclusive,
        "not in the cluster",
    ),
    ("failed stays while pods come and go", |case| case.before = Some(Failed), Failed, ""),
    (
        "failed and then healthy after all",
        |case| {
            case.before = Some(Failed);
            case.health = health(Status::Current, "");
        },
        Verdict::Live,
        "",
    ),
];

#[test]
fn every_line_of_the_meaning() {
    for (name, change, wanted, words) in TABLE {
        let mut case = Case::rollout();
        change(&mut case);
        let (verdict, message) = case.verdict();
        assert_eq!(verdict, wanted, "{name}: {message}");
        assert!(message.contains(words), "{name}: {message}");
    }
}

#[test]
fn what_runs_counts_and_not_what_is_wanted() {
    let mut case = Case::rollout();
    case.workload = running("shop/web:1", Case::rollout());
    case.health = health(Status::Current, "");
    assert_eq!(case.verdict(), (Progressing, "the cluster runs shop/web:1".to_owned()));
    case.late = true;
    assert_eq!(case.verdict(), (Inconclusive, "the cluster runs shop/web:1".to_owned()));
}
