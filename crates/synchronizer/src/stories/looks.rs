//! Somebody looks at what a turn would do, and asks things of the Sync.

use std::sync::Arc;

use async_trait::async_trait;
use lockstep_api::v1::{
    AcknowledgeRequest, DiffRequest, DiffResponse, PlanRequest, PlanResponse, ResumeRequest, SuspendRequest,
    syncs_server::Syncs as _,
};
use lockstep_cluster::Kind;
use lockstep_daemon::Identity;
use lockstep_plan::Class;
use serde_json::json;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use super::{
    api_server::refusal,
    world::{World, config_map},
};
use crate::{
    auth::{Authorize, Verb},
    server::SyncsService,
};

const SECRET: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: a}\nstringData: {token: canary}\n";

/// Alice may do everything with Syncs, and read ConfigMaps and Secrets only.
struct Rules;

#[async_trait]
impl Authorize for Rules {
    async fn authorize(&self, caller: &Identity, _: Verb, _: &str, _: &str) -> Result<(), Status> {
        if caller.name == "alice" { Ok(()) } else { Err(Status::permission_denied("no")) }
    }

    async fn may_read(&self, _: &Identity, kind: &Kind, _: &str, _: &str) -> bool {
        matches!(kind.resource.plural.as_str(), "configmaps" | "secrets")
    }
}

fn by<T>(name: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let identity = Identity { name: name.into(), ..Identity::default() };
    request.extensions_mut().insert(identity);
    request
}

/// The word for programs in a refusal.
fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

impl World {
    fn service(&self) -> SyncsService {
        let inspector = self.inspector.clone().unwrap();
        SyncsService::new(inspector, self.mailboxes.clone(), Arc::new(Rules), self.shutdown.clone())
    }

    async fn plan(&self, commit: &str, dry_run: bool, all: bool) -> Result<PlanResponse, Status> {
        let (namespace, name, commit) = ("lockstep".to_owned(), "shop".to_owned(), commit.to_owned());
        let request = PlanRequest { namespace, name, commit, dry_run, all };
        Ok(self.service().plan(by("alice", request)).await?.into_inner())
    }

    async fn diff(&self, commit: &str) -> DiffResponse {
        let (namespace, name, commit) = ("lockstep".to_owned(), "shop".to_owned(), commit.to_owned());
        let request = DiffRequest { namespace, name, commit };
        self.service().diff(by("alice", request)).await.unwrap().into_inner()
    }

    async fn acknowledge(&self, commit: &str) -> Result<u32, Status> {
        let (namespace, name, commit) = ("lockstep".to_owned(), "shop".to_owned(), commit.to_owned());
        let request = AcknowledgeRequest { namespace, name, commit };
        Ok(self.service().acknowledge(by("alice", request)).await?.into_inner().would_prune)
    }
}

fn told(plan: &PlanResponse) -> Vec<String> {
    plan.steps.iter().map(|step| format!("{} {} {}:{}", step.verb, step.object, step.file, step.line)).collect()
}

/// `path live after` of every field of every object.
fn fields(diff: &DiffResponse) -> Vec<String> {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
    let line =
        |field: &lockstep_api::v1::FieldDiff| format!("{} {} {}", field.path, text(&field.live), text(&field.after));
    diff.objects.iter().flat_map(|object| object.fields.iter().map(line)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_shown_and_nothing_is_done() {
    let mut world =
        World::with_config_maps(json!({"suspend": false, "prune": {"maxObjects": 1, "maxPercent": 1}}), 3).await;
    world.api.change_sync(|sync| sync.spec.suspend = true);
    world.pass(60).await;
    let first = world.plan("", false, false).await.unwrap();
    assert_eq!((told(&first), first.counts["unchanged"], first.suspended), (vec![], 3, true));
    assert_eq!(world.plan("", false, true).await.unwrap().steps.len(), 3);
    world.api.take_calls();

    let changed = config_map("c0", "2");
    let next = world.git.commit(&[("a.yaml", &changed), ("sub/new.yaml", &config_map("new", "1"))]).to_string();
    let plan = world.plan(&next[..36], false, false).await.unwrap();
    assert_eq!(plan.commit, next);
    let mut steps = told(&plan);
    steps.sort();
    let wanted = [
        "create ConfigMap/a/new sub/new.yaml:1",
        "prune ConfigMap/a/c1 :0",
        "prune ConfigMap/a/c2 :0",
        "update ConfigMap/a/c0 a.yaml:1",
    ];
    assert_eq!(steps, wanted);
    assert_eq!(plan.counts["prune"], 2);
    let held = plan.held.unwrap();
    assert_eq!((held.commit.as_str(), held.would_prune, held.objects.len()), (next.as_str(), 2, 2));
    assert!(held.reason.contains("2 of 3"), "{}", held.reason);
    let calls = world.object_calls();
    assert!(calls.iter().all(|call| call.starts_with("lookup")), "{calls:?}");
    assert_eq!(world.api.value("/ConfigMap/a/c0", "/data/v"), Some(json!("1")));
    assert_eq!(world.status().applied.unwrap().commit, first.commit, "the actor was not disturbed");

    world.api.refuse("dry-run ConfigMap/a/new", refusal(403, Class::Denied, "the webhook says no"));
    let tried = world.plan(&next, true, false).await.unwrap();
    let refused: Vec<_> = tried.steps.iter().filter(|step| !step.refusal.is_empty()).collect();
    assert_eq!((refused.len(), refused[0].object.as_str()), (1, "ConfigMap/a/new"), "{tried:?}");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_cannot_be_planned_says_why() {
    let mut world = World::with_config_maps(json!({}), 1).await;
    for (commit, code, why) in [
        ("c0ffee0", Code::FailedPrecondition, "COMMIT_NOT_ON_BRANCH"),
        ("c0ffee", Code::InvalidArgument, "COMMIT_MALFORMED"),
        ("main", Code::InvalidArgument, "COMMIT_MALFORMED"),
        ("0000000", Code::InvalidArgument, "COMMIT_AMBIGUOUS"),
    ] {
        if why == "COMMIT_AMBIGUOUS" {
            world.git.commit(&[("a.yaml", &config_map("c0", "2"))]);
        }
        let status = world.plan(commit, false, false).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (code, why), "{commit}: {status}");
    }
    world.git.commit(&[("a.yaml", "kind: ["), ("b.yaml", &config_map("c0", "2"))]);
    let plan = world.plan("", false, false).await.unwrap();
    assert_eq!((plan.steps.len(), plan.problems[0].file.as_str()), (0, "a.yaml"), "{plan:?}");
    assert_eq!(world.diff("").await.problems, plan.problems);
    world.git.set_down(true);
    assert_eq!(world.plan("", false, false).await.unwrap_err().code(), Code::Unavailable);
    let service = world.service();
    let request = PlanRequest { namespace: "lockstep".into(), name: "shop".into(), ..Default::default() };
    let stranger = service.plan(by("eve", request));
    assert_eq!(stranger.await.unwrap_err().code(), Code::PermissionDenied);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_diff_tells_fields_and_no_secret() {
    let mut world = World::new(json!({"suspend": true}));
    let text = format!("{}---\n{SECRET}", config_map("c0", "1"));
    world.git.commit(&[("a.yaml", &text)]);
    world.start();
    world.until_reason("Suspended").await;
    let diff = world.diff("").await;
    let lines = fields(&diff);
    assert!(lines.contains(&".data.v - \"1\"".to_owned()), "{lines:?}");
    assert!(lines.contains(&".data.token - \"***\"".to_owned()), "{lines:?}");

    world.api.change_sync(|sync| sync.spec.suspend = false);
    world.until_ready().await;
    world.api.change_sync(|sync| sync.spec.suspend = true);
    world.pass(60).await;
    let text = format!("{}---\n{}", config_map("c0", "2"), SECRET.replace("canary", "kanarie"));
    let web = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: w, namespace: a}\nspec: {replicas: 3}\n";
    world.git.commit(&[("a.yaml", &text), ("w.yaml", web)]);
    let diff = world.diff("").await;
    let lines = fields(&diff);
    assert!(lines.contains(&".data.v \"1\" \"2\"".to_owned()), "{lines:?}");
    assert!(lines.contains(&".data.token \"*** (before)\" \"*** (after)\"".to_owned()), "{lines:?}");
    assert!(
        lines.contains(&".spec.replicas - \"*** (after)\"".to_owned()),
        "what alice may not read is masked: {lines:?}"
    );
    assert!(!format!("{diff:?}").contains("canary") && !format!("{diff:?}").contains("kanarie"), "{diff:?}");

    world.api.refuse("preview ConfigMap/a/c0", refusal(422, Class::Immutable, "field is immutable"));
    let diff = world.diff("").await;
    let refused = diff.objects.iter().find(|object| object.object == "ConfigMap/a/c0").unwrap();
    assert_eq!((refused.fields.len(), refused.refusal.as_str()), (0, "field is immutable"));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_sync_is_suspended_and_resumed() {
    let mut world = World::with_config_maps(json!({}), 1).await;
    let (namespace, name) = ("lockstep".to_owned(), "shop".to_owned());
    let suspend = SuspendRequest { namespace: namespace.clone(), name: name.clone() };
    let answer = world.service().suspend(by("alice", suspend.clone())).await.unwrap().into_inner();
    assert_eq!(answer.warning, "");
    world.until_reason("Suspended").await;
    world.service().suspend(by("alice", suspend.clone())).await.unwrap();
    let requests = world.api.take_calls().iter().filter(|call| call.starts_with("request")).count();
    assert_eq!(requests, 1, "it was suspended already");
    assert_eq!(world.service().suspend(by("eve", suspend)).await.unwrap_err().code(), Code::PermissionDenied);

    world.api.change_sync(|sync| {
        sync.metadata.labels = Some([("kustomize.toolkit.fluxcd.io/name".to_owned(), "infra".to_owned())].into());
    });
    world.pass(1).await;
    let answer = world.service().resume(by("alice", ResumeRequest { namespace, name })).await.unwrap().into_inner();
    assert!(answer.warning.starts_with("Flux (infra) manages this Sync"), "{}", answer.warning);
    world.until_ready().await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn only_the_held_commit_can_be_acknowledged() {
    let prune = json!({"prune": {"maxObjects": 1, "maxPercent": 1}});
    let mut world = World::with_config_maps(prune, 4).await;
    let status = world.acknowledge("c0ffee0").await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "NOTHING_HELD"));
    let commit = world.commit_config_maps(0..1, "1").to_string();
    world.look();
    world.until_reason("PruneHeld").await;
    let status = world.acknowledge("c0ffee0").await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "ANOTHER_COMMIT_HELD"));
    assert_eq!(world.acknowledge("c0f").await.unwrap_err().code(), Code::InvalidArgument);
    assert!(world.api.has("/ConfigMap/a/c3"));
    assert_eq!(world.acknowledge(&commit[..12]).await.unwrap(), 3);
    world.until_ready().await;
    assert!(!world.api.has("/ConfigMap/a/c3"));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn replicas_that_stay_with_an_autoscaler_are_no_difference() {
    let mut world = World::new(json!({"audit": "0s", "drift": "report"}));
    let web = |image: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: a}}\nspec: {{replicas: 3, image: {image}}}\n"
        )
    };
    world.git.commit(&[("d.yaml", &web("one"))]);
    world.start();
    world.until_ready().await;
    let id = "apps/Deployment/a/web";
    world.api.edit(id, "kube-controller-manager/scale", &["spec", "replicas"], Some(json!(10)));
    world.pass(1).await;
    let next = world.git.commit(&[("d.yaml", &web("two"))]).to_string();
    let of_image = |diff: DiffResponse| {
        let paths = diff.objects.iter().flat_map(|object| object.fields.iter().map(|field| field.path.clone()));
        paths.filter(|path| path.starts_with(".spec")).collect::<Vec<_>>()
    };
    assert_eq!(of_image(world.diff(&next).await), [".spec.image"]);
    world.api.edit(id, "kubectl-label", &["metadata", "labels", "lockstep.dev/sync"], None);
    world.pass(1).await;
    assert_eq!(of_image(world.diff(&next).await), [".spec.image"], "without our label, too");
}
