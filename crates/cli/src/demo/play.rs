//! The story from its first to its last step.

use std::cell::Cell;
use std::future::Future;
use std::time::Duration;

use anyhow::{Context, Result};
use lockstep_testkit::{Calls, ControlPlane, Daemon, GitWay, Names, Plane, Story, Told};

use super::daemons::{self, Daemons, REST};
use super::keep;
use super::programs::Programs;
use super::screen::Screen;
use crate::failure::Failure;

/// How long a step waits for each thing that must happen.
const PATIENCE: Duration = Duration::from_secs(120);

/// Prepares, plays, sums up. Sets `finished` once every step has happened.
pub(super) async fn all(keep: bool, screen: &mut Screen, finished: &Cell<bool>) -> Result<(), Failure> {
    let failed = |error: anyhow::Error| Failure::error(format!("{error:#}"));
    let programs = screen.prepare("programs", Programs::find()).await.map_err(failed)?;
    // Without a sign of life of ours: where it must be built, it tells by itself how that goes.
    Plane::find().await.map_err(failed)?;
    let plane = screen.prepare("control plane", control_plane()).await.map_err(failed)?;
    let story = screen.prepare("registry, Git", story(&plane)).await.map_err(failed)?;
    let played = play(keep, screen, finished, &programs, &story).await;
    played.map_err(|error| {
        let logs = programs.logs();
        let failure = failed(error);
        match keep::logs(&story, &logs) {
            Ok(()) => failure.next(format!("The logs of the daemons and the control plane are in {}", logs.display())),
            Err(error) => failure.next(format!("The logs could not be kept: {error:#}")),
        }
    })
}

async fn control_plane() -> Result<(ControlPlane, String)> {
    let plane = ControlPlane::start().await?;
    let what = format!("a Kubernetes API server with controllers and a node at {}", plane.server_url());
    Ok((plane, what))
}

async fn story(plane: &ControlPlane) -> Result<(Story<'_>, String)> {
    let names = Names { sync_namespace: "lockstep".into(), sync: "shop".into(), workloads: "shop".into() };
    let story = Story::begin(plane, names, GitWay::Https, PATIENCE).await?;
    let what = format!("images at {}, manifests at {}", story.registry().address(), story.git().http_url());
    Ok((story, what))
}

async fn play(
    keep: bool,
    screen: &mut Screen,
    finished: &Cell<bool>,
    programs: &Programs,
    story: &Story<'_>,
) -> Result<()> {
    let installation = story.installation();
    let daemons = screen.prepare("daemons", Daemons::start(installation, programs)).await?;

    screen.step("first sync", told(story.first_sync())).await?;
    let commit = screen.step("image push → commit", story.image_pushed("1.4.3")).await?;
    screen.step("commit → rollout", told(story.image_runs("1.4.3", &commit))).await?;
    screen.step("manual edit", told(story.manual_edit())).await?;
    screen.step("deletion", told(story.deletion())).await?;
    screen.step("removed from Git", told(story.removal())).await?;
    let commit = screen.step("almost all removed", story.mass_removal()).await?;
    screen.step("taken back", told(story.mass_removal_reverted(&commit))).await?;
    let commit = screen.step("bad image → commit", story.bad_image_pushed("bad-13")).await?;
    screen.step("failure → revert", told(story.bad_image_reverted(&commit))).await?;
    screen.step("it stays away", told(story.bad_image_stays_away("bad-13"))).await?;
    let daemons = screen.step("without its memory", forget(daemons, story, programs)).await?;
    screen.step("next good image", told(story.newer_image_goes_on("build-14"))).await?;

    sum_up(screen, story, &daemons).await?;
    finished.set(true);
    if keep {
        screen.lines(&keep::instructions(story, programs.own()))?;
        return std::future::pending().await;
    }
    daemons.stop().await
}

/// A step from which nothing but its telling is needed.
async fn told(step: impl Future<Output = Result<Told>>) -> Result<((), Told)> {
    Ok(((), step.await?))
}

async fn forget(daemons: Daemons, story: &Story<'_>, programs: &Programs) -> Result<(Daemons, Told)> {
    let installation = story.installation();
    let daemons = daemons.forgetful_automator(installation, programs).await?;
    let mut told = story.bad_image_stays_away("bad-13").await.context("after the automator lost its data")?;
    let data = installation.data(Daemon::Automator);
    let name = data.strip_prefix(installation.folder()).unwrap_or(&data).display();
    told.what = format!("automator stopped, {name} deleted, started again; {}", told.what);
    Ok((daemons, told))
}

async fn sum_up(screen: &mut Screen, story: &Story<'_>, daemons: &Daemons) -> Result<()> {
    let (steps, took) = screen.played();
    let prepared = screen.prepared();
    let (all, resting) = screen.waiting("looking at the daemons at rest", daemons::calls(story.plane())).await?;
    let (automator, synchronizer) = daemons.memory();
    screen.lines(&format!(
        "
all {steps} steps happened in {:.1} s, after {:.1} s to start everything
the synchronizer made {} in {} s at rest, and {} in the whole story, {} of them writes
memory: automator {}, synchronizer {}",
        took.as_secs_f64(),
        prepared.as_secs_f64(),
        api_calls(&resting.requests()),
        REST.as_secs(),
        all.requests().len(),
        all.writes().len(),
        mebibytes(automator),
        mebibytes(synchronizer),
    ))?;
    Ok(())
}

/// How many there were, and of which kinds if there were some.
fn api_calls(calls: &Calls) -> String {
    let kinds = calls.to_string();
    let kinds: Vec<String> = kinds.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    match kinds.as_slice() {
        [] => "no API call".to_owned(),
        kinds => format!("{} API calls ({})", calls.len(), kinds.join(", ")),
    }
}

fn mebibytes(bytes: Option<u64>) -> String {
    bytes.map_or("unknown".to_owned(), |bytes| format!("{} MiB", bytes.div_ceil(1024 * 1024)))
}
