//! The story with both daemons in this process, each by its own `start`: what is pushed runs, what others change is put
//! back, what cannot run is reverted, and each daemon works while the other is away.

use std::time::Duration;

use futures::stream;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams};
use lockstep_daemon::{Sources, TaskError, Tasks};
use lockstep_testkit::{Daemon, GitWay, Installation, Names, Story, eventually, shared};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// How long a step waits for each thing that must happen; usually it is there in a second or two.
const PATIENCE: Duration = Duration::from_secs(120);

/// A daemon of this process.
struct Running {
    stop: oneshot::Sender<()>,
    task: JoinSet<Result<(), TaskError>>,
}

impl Running {
    async fn start(daemon: Daemon, installation: &Installation) -> Self {
        let file = camino::Utf8PathBuf::from_path_buf(installation.settings(daemon)).unwrap();
        let sources = Sources::new().file(Some(file));
        let mut task = JoinSet::new();
        let (stop, stopped) = oneshot::channel();
        let signal = stream::once(async { drop(stopped.await) });
        match daemon {
            Daemon::Automator => {
                let settings = lockstep_automator::Settings::load(&sources).unwrap();
                let grace = settings.shutdown_grace.get();
                let mut tasks = Tasks::new();
                lockstep_automator::start(settings, &mut tasks).await.unwrap();
                task.spawn(async move { tasks.run_until(signal, grace).await.map(drop) });
            }
            Daemon::Synchronizer => {
                let settings = lockstep_synchronizer::Settings::load(&sources).unwrap();
                let started = lockstep_synchronizer::Synchronizer::start(settings).await.unwrap();
                task.spawn(async move { started.run_until(signal).await.map(drop) });
            }
        }
        let mut ended = None;
        eventually(PATIENCE, "a daemon to be ready", async || {
            ended = task.try_join_next();
            ended.is_some() || installation.is_ready(daemon).await
        })
        .await
        .unwrap();
        assert!(ended.is_none(), "{} ended by itself: {ended:?}", daemon.program());
        Self { stop, task }
    }

    /// Ends it in good order.
    async fn stop(mut self) {
        self.stop.send(()).unwrap();
        self.task.join_next().await.unwrap().unwrap().unwrap();
    }
}

async fn begin(name: &str, way: GitWay) -> Story<'static> {
    let plane = shared().await.unwrap();
    let sync_namespace = plane.fresh_namespace(name).await.unwrap();
    let workloads = format!("{sync_namespace}-shop");
    let names = Names { sync_namespace, sync: "shop".to_owned(), workloads };
    Story::begin(plane, names, way, PATIENCE).await.unwrap()
}

async fn both(story: &Story<'_>) -> (Running, Running) {
    let automator = Running::start(Daemon::Automator, story.installation()).await;
    (automator, Running::start(Daemon::Synchronizer, story.installation()).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pushed_runs_and_what_others_change_is_put_back() {
    let story = begin("day", GitWay::Https).await;
    let _daemons = both(&story).await;
    story.first_sync().await.unwrap();
    let (commit, _) = story.image_pushed("1.4.3").await.unwrap();
    story.image_runs("1.4.3", &commit).await.unwrap();
    story.manual_edit().await.unwrap();
    story.deletion().await.unwrap();
    story.removal().await.unwrap();
    let (commit, told) = story.mass_removal().await.unwrap();
    assert!(told.evidence.join("\n").contains("lockstep.dev/acknowledge"), "{told:?}");
    story.mass_removal_reverted(&commit).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_release_is_reverted_once_and_stays_away_whatever_is_lost() {
    let story = begin("bad", GitWay::Https).await;
    let (automator, _synchronizer) = both(&story).await;
    story.first_sync().await.unwrap();
    let (commit, _) = story.bad_image_pushed("bad-13").await.unwrap();
    story.bad_image_reverted(&commit).await.unwrap();
    story.bad_image_stays_away("bad-13").await.unwrap();

    automator.stop().await;
    story.installation().forget(Daemon::Automator).unwrap();
    let _automator = Running::start(Daemon::Automator, story.installation()).await;
    story.bad_image_stays_away("bad-13").await.unwrap();
    story.newer_image_goes_on("build-14").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_daemon_works_while_the_other_is_away() {
    let story = begin("alone", GitWay::Https).await;
    let (automator, synchronizer) = both(&story).await;
    story.first_sync().await.unwrap();

    automator.stop().await;
    story.removal().await.unwrap();
    story.manual_edit().await.unwrap();

    synchronizer.stop().await;
    let automator = Running::start(Daemon::Automator, story.installation()).await;
    let (commit, _) = story.image_pushed("1.4.3").await.unwrap();

    automator.stop().await;
    story.installation().forget(Daemon::Synchronizer).unwrap();
    let _synchronizer = Running::start(Daemon::Synchronizer, story.installation()).await;
    story.image_runs("1.4.3", &commit).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn git_over_ssh_carries_the_story_too() {
    let story = begin("ssh", GitWay::Ssh).await;
    let _daemons = both(&story).await;
    story.first_sync().await.unwrap();
    let (commit, _) = story.image_pushed("1.4.3").await.unwrap();
    story.image_runs("1.4.3", &commit).await.unwrap();
    let (commit, _) = story.bad_image_pushed("bad-13").await.unwrap();
    story.bad_image_reverted(&commit).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_read_again_when_it_does_not_work_and_only_then() {
    let story = begin("secret", GitWay::Https).await;
    let (plane, names) = (story.plane(), story.installation().names());
    let secrets: Api<Secret> = Api::namespaced(plane.admin_client().await.unwrap(), &names.sync_namespace);
    let good = secrets.get("git-credentials").await.unwrap().data.unwrap().remove("password").unwrap();
    let set = async |password: &ByteString| {
        let change = Patch::Merge(json!({"data": {"password": password}}));
        secrets.patch("git-credentials", &PatchParams::default(), &change).await.unwrap()
    };
    set(&ByteString(b"of yesterday".to_vec())).await;
    let _synchronizer = Running::start(Daemon::Synchronizer, story.installation()).await;
    story.installation().create_sync(plane, story.git()).await.unwrap();
    let refused = |status: &Value| status["conditions"].to_string().contains("refused access");
    story.sync_is("Git to refuse the wrong password", refused).await.unwrap();

    set(&good).await;
    story.first_sync().await.unwrap();
    let start = Timestamp::now();
    story.removal().await.unwrap(); // At least one fetch more.
    let user = "system:serviceaccount:lockstep:lockstep-synchronizer";
    let calls = plane.count_calls(user, start..).unwrap();
    let reads = calls.filter(|call| call.resource == "secrets" && call.namespace == names.sync_namespace);
    assert!(reads.is_empty(), "{reads}");
}
