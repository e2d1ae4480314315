//! What would happen, and what people ask for, on the real API server.

use std::time::Duration;

use lockstep_api::v1::{
    AcknowledgeRequest, DiffRequest, DiffResponse, GetRequest, PlanRequest, ResumeRequest, SuspendRequest, SyncState,
    TriggerRequest, syncs_client::SyncsClient,
};
use lockstep_cluster::{Cluster, Connect, Options};
use lockstep_daemon::AuthenticatedChannel;
use lockstep_synchronizer::{
    board::SyncKey,
    inspect::{Folder, PlanOptions},
};
use lockstep_testkit::{GitServer, eventually};
use serde_json::json;
use tonic::Code;

use super::{Bed, SOON, account, code};
use crate::plane;

fn objects(namespace: &str, value: &str, token: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a, namespace: {namespace}}}\ndata: {{v: \"{value}\"}}\n---\n\
         apiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: {namespace}}}\nstringData: {{token: {token}}}\n"
    )
}

fn more(namespace: &str) -> String {
    let one =
        |name: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {namespace}}}\n");
    format!("{}---\n{}", one("b"), one("c"))
}

/// What the tests ask about one Sync.
struct Asker {
    client: SyncsClient<AuthenticatedChannel>,
    namespace: String,
}

impl Asker {
    async fn state(&mut self) -> Option<SyncState> {
        let request = GetRequest { namespace: self.namespace.clone(), name: "shop".into() };
        self.client.get(request).await.ok().map(tonic::Response::into_inner)
    }

    async fn until(&mut self, what: &str, condition: impl Fn(&SyncState) -> bool) {
        eventually(SOON, what, async || self.state().await.is_some_and(|state| condition(&state))).await.unwrap();
    }

    fn plan(&self, commit: &str) -> PlanRequest {
        let (namespace, commit) = (self.namespace.clone(), commit.to_owned());
        PlanRequest { namespace, name: "shop".into(), commit, dry_run: true, all: false }
    }

    async fn diff(&mut self) -> DiffResponse {
        let request = DiffRequest { namespace: self.namespace.clone(), name: "shop".into(), commit: String::new() };
        let diff = self.client.diff(request).await.unwrap().into_inner();
        assert!(!format!("{diff:?}").contains("canary"), "{diff:?}");
        diff
    }
}

/// `object path live after` of each field.
fn fields(diff: &DiffResponse) -> Vec<String> {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let lines = diff.objects.iter().flat_map(|object| {
        let kind = object.object.split('/').next().unwrap();
        object
            .fields
            .iter()
            .map(move |field| format!("{kind} {} {} {}", field.path, text(&field.live), text(&field.after)))
    });
    lines.collect()
}

fn is_ready(state: &SyncState, commit: &str) -> bool {
    let ready = state.conditions.iter().any(|condition| condition.r#type == "Ready" && condition.status == "True");
    ready && state.applied_commit == commit
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_looked_at_before_it_is_applied_and_its_deletions_are_let_go() {
    let plane = plane::defined().await;
    let ours = plane.fresh_namespace("looks").await.unwrap();
    let git = GitServer::start(Default::default()).unwrap();
    let human = git.human().unwrap();
    human.write("a.yaml", &objects(&ours, "1", "canary-one")).unwrap();
    human.write("b.yaml", &more(&ours)).unwrap();
    let first = human.commit("first").unwrap();
    let bed = Bed::synchronizer(plane, &ours, "").await;
    let sync = json!({
        "apiVersion": "lockstep.dev/v1alpha1", "kind": "Sync", "metadata": {"name": "shop", "namespace": ours},
        "spec": {"source": {"repository": git.http_url()}, "interval": "1s", "prune": {"maxObjects": 1, "maxPercent": 1}},
    });
    plane.apply_yaml(&sync.to_string()).await.unwrap();
    let operator = account(plane, &ours, Some("lockstep-operator")).await;
    let viewer = account(plane, &ours, Some("lockstep-viewer")).await;
    let mut asker = Asker { client: bed.syncs(Some(&operator)), namespace: ours.clone() };
    asker.until("the first commit", |state| is_ready(state, &first)).await;

    // Suspended: what comes is seen and not done.
    let named = |namespace: &str| SuspendRequest { namespace: namespace.to_owned(), name: "shop".to_owned() };
    assert_eq!(code(bed.syncs(Some(&viewer)).suspend(named(&ours)).await), Code::PermissionDenied);
    let answer = asker.client.suspend(named(&ours)).await.unwrap().into_inner();
    assert_eq!(answer.warning, "");
    asker.until("the suspension", |state| state.suspended).await;
    human.write("a.yaml", &objects(&ours, "2", "canary-two")).unwrap();
    human.remove("b.yaml").unwrap();
    let second = human.commit("second").unwrap();
    let plan = asker.client.plan(asker.plan(&second[..8])).await.unwrap().into_inner();
    assert_eq!((plan.commit.as_str(), plan.suspended), (second.as_str(), true));
    assert_eq!((plan.counts.get("update"), plan.counts.get("prune")), (Some(&2), Some(&2)), "{plan:?}");
    assert!(plan.steps.iter().all(|step| step.refusal.is_empty()), "{plan:?}");
    assert_eq!(plan.held.as_ref().map(|held| held.would_prune), Some(2));
    let back = bed.syncs(Some(&viewer)).plan(asker.plan(&first)).await.unwrap().into_inner();
    assert_eq!(back.counts.get("unchanged"), Some(&4), "an older commit, by somebody who may only look: {back:?}");
    let strange = asker.client.plan(asker.plan("c0ffee0")).await;
    assert_eq!(code(strange), Code::FailedPrecondition);

    // The right to look at a Sync is not the right to read its objects.
    let masked = fields(&asker.diff().await);
    assert!(masked.contains(&"ConfigMap .data.v \"*** (before)\" \"*** (after)\"".to_owned()), "{masked:?}");
    let reader = format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: reader}}\n\
         rules: [{{apiGroups: [\"\"], resources: [configmaps, secrets], verbs: [get]}}]\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: reader}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}}\n\
         subjects: [{{kind: ServiceAccount, name: lockstep-viewer, namespace: {ours}}}]\n"
    );
    plane.apply_yaml_in(&ours, &reader).await.unwrap();
    let mut seeing = Asker { client: bed.syncs(Some(&viewer)), namespace: ours.clone() };
    let wanted = "ConfigMap .data.v \"1\" \"2\"".to_owned();
    let mut seen = Vec::new();
    eventually(SOON, "the right to read", async || {
        seen = fields(&seeing.diff().await);
        seen.contains(&wanted)
    })
    .await
    .unwrap();
    assert!(seen.contains(&"Secret .data.token \"*** (before)\" \"*** (after)\"".to_owned()), "{seen:?}");
    assert!(!seen.iter().any(|line| line.contains("lockstep.dev/")), "our own marks are no difference: {seen:?}");
    assert_eq!(asker.state().await.unwrap().applied_commit, first, "nothing of it was done");

    // A folder before the same cluster.
    let kubeconfig = plane.kubeconfig_for("lockstep", "lockstep-synchronizer").await.unwrap();
    let folder = async |name: &str, value: &str| {
        let connect = Connect::Kubeconfig { path: Some(kubeconfig.clone()), context: None };
        let cluster = Cluster::connect(connect, Options::default()).await.unwrap();
        let files = vec![
            ("a.yaml".to_owned(), objects(&ours, value, "canary-one").into_bytes()),
            ("b.yaml".to_owned(), more(&ours).into_bytes()),
        ];
        Folder { cluster, sync: SyncKey { namespace: ours.clone(), name: name.to_owned() }, files }
    };
    let (plan, exists) = folder("shop", "3").await.plan(PlanOptions::default()).await.unwrap();
    assert!(exists);
    assert_eq!((plan.counts.get("update"), plan.counts.get("unchanged")), (Some(&1), Some(&3)), "{plan:?}");
    let (diff, _) = folder("shop", "3").await.diff().await.unwrap();
    assert_eq!(fields(&diff), ["ConfigMap .data.v \"1\" \"3\""]);
    let (plan, exists) = folder("other", "3").await.plan(PlanOptions::default()).await.unwrap();
    assert_eq!((exists, plan.counts.get("blocked")), (false, Some(&4)), "they belong to another Sync: {plan:?}");

    // Resumed: the deletions are held until somebody acknowledges this very commit.
    let resume = ResumeRequest { namespace: ours.clone(), name: "shop".into() };
    asker.client.resume(resume).await.unwrap();
    asker.until("the hold", |state| state.held.as_ref().is_some_and(|held| held.commit == second)).await;
    let held = asker.state().await.unwrap().held.unwrap();
    assert_eq!(held.would_prune, 2, "{held:?}");
    let acknowledge =
        |commit: &str| AcknowledgeRequest { namespace: ours.clone(), name: "shop".into(), commit: commit.to_owned() };
    assert_eq!(code(asker.client.acknowledge(acknowledge(&first)).await), Code::FailedPrecondition);
    let answer = asker.client.acknowledge(acknowledge(&second[..10])).await.unwrap().into_inner();
    assert_eq!((answer.commit.as_str(), answer.would_prune), (second.as_str(), 2));
    asker
        .until("the second commit", |state| is_ready(state, &second) && state.objects.is_some_and(|o| o.total == 2))
        .await;
    let waited = TriggerRequest { namespace: ours.clone(), name: "shop".into(), wait: true, commit: second.clone() };
    let mut late = tonic::Request::new(waited);
    late.set_timeout(Duration::from_secs(60));
    asker.client.trigger(late).await.unwrap();
    let (plan, _) = folder("shop", "2").await.plan(PlanOptions::default()).await.unwrap();
    assert_eq!(plan.counts.get("create"), Some(&2), "the held deletions were made: {plan:?}");
    bed.stop().await;
}
