//! An image is pushed; how soon the commit is on the branch, and how soon the cluster has it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams, WatchEvent, WatchParams};
use lockstep_testkit::Daemon;
use secrecy::ExposeSecret as _;

use crate::limit;
use crate::select::manifest;
use crate::stage::{BARE, SHOP, Stage, body, name, program};
use crate::table::{Row, Table, middle, spread};

/// Each has an image of its own, so that no place moves so often that it is held.
const WORKLOADS: usize = 20;
/// A little more than the default of `intervals.batch`: after a commit, changes are gathered for so long.
const APART: Duration = Duration::from_millis(10_500);
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(1);

/// Pushes images one after the other, under default settings; beside each, bare clients push a commit, fetch it and send one
/// PATCH.
pub(crate) async fn pushed(rounds: usize, table: &mut Table) -> Result<()> {
    let mut stage = Stage::set(1).await?;
    let repository = |number: usize| format!("bench/app-{number}");
    for number in 0..WORKLOADS {
        stage.registry.push_image(&repository(number), "1.0.0", None).await?;
        let image = format!("{}/{}:1.0.0", stage.registry.address(), repository(number));
        stage.human.write(&format!("clusters/demo/app-{number}.yaml"), &manifest(number, "semver:^1", &image))?;
    }
    stage.human.commit("Write the workloads")?;
    stage.installation.change_settings(Daemon::Automator, |settings| {
        settings.as_object_mut().map(|settings| settings.remove("intervals"));
    })?;
    let automator = stage.installation.spawn(Daemon::Automator, &program(Daemon::Automator)?).await?;
    stage.installation.create_sync(&stage.plane, &stage.git).await?;
    stage.start_synchronizer().await?;
    stage.trigger(true).await?;
    stage.use_default_interval().await?;
    limit::creates(&stage.maps(BARE), 1).await?;

    let bare = Bare::prepare(&stage)?;
    let (asked, cpu) = (stage.registry.served()?.len(), automator.processor_time());
    let (mut commits, mut lives, mut pushes, mut limits) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let (number, tag) = (round % WORKLOADS, format!("1.0.{}", round + 1));
        let (before, mut events) = (head(&stage)?, watch(&stage).await?);
        stage.registry.push_image(&repository(number), &tag, None).await?;
        let start = Instant::now();
        let committed = async {
            while head(&stage)? == before {
                if start.elapsed() > PATIENCE {
                    bail!("no commit for {}:{tag}", repository(number));
                }
                tokio::time::sleep(LOOK).await;
            }
            anyhow::Ok(start.elapsed())
        };
        let suffix = format!("/{}:{tag}", repository(number));
        let (committed, live) = tokio::try_join!(committed, live(&mut events, &suffix, start))?;
        commits.push(committed);
        lives.push(live);
        let (push, all) = bare.round(&stage, round).await?;
        pushes.push(push);
        limits.push(all);
        tokio::time::sleep((committed + APART).saturating_sub(start.elapsed())).await;
    }
    let (p50, limit) = (middle(&commits), middle(&pushes));
    table.add(
        Row::new("image pushed → commit on main, p50; beside a bare push", rounds)
            .value(p50)
            .limit(limit)
            .budget("250 ms", p50 < Duration::from_millis(250)),
    );
    table.add(Row::new("  all of them", rounds).text(spread(&commits)));
    let (p50, limit) = (middle(&lives), middle(&limits));
    table.add(
        Row::new("image pushed → live, p50; beside a bare push, fetch and PATCH", rounds)
            .value(p50)
            .limit(limit)
            .budget("500 ms", p50 < Duration::from_millis(500)),
    );
    table.add(Row::new("  all of them", rounds).text(spread(&lives)));
    let asked = stage.registry.served()?.split_off(asked);
    let ours = asked.iter().filter(|request| request.agent.starts_with("lockstep/")).count();
    table.add(Row::new("  requests to the registry for all of them", rounds).text(ours.to_string()));
    if let Some(time) = automator.processor_time().zip(cpu).map(|(after, before)| after - before) {
        table.add(Row::new("  processor time of the automator for each", rounds).value(time / u32::try_from(rounds)?));
    }
    automator.stop().await?;
    Ok(())
}

/// Where the branch is: the server keeps it in this file.
fn head(stage: &Stage) -> Result<String> {
    let file = stage.git.repository().join("refs/heads/main");
    std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))
}

type Events = BoxStream<'static, kube::Result<WatchEvent<Deployment>>>;

async fn watch(stage: &Stage) -> Result<Events> {
    let deployments: Api<Deployment> = Api::namespaced(stage.client.clone(), SHOP);
    let version = deployments.list_metadata(&ListParams::default().limit(1)).await?.metadata.resource_version;
    let version = version.context("the list has no resourceVersion")?;
    Ok(deployments.watch(&WatchParams::default(), &version).await?.boxed())
}

/// When the cluster has a Deployment with that image.
async fn live(events: &mut Events, image: &str, start: Instant) -> Result<Duration> {
    let wait = async {
        while let Some(event) = events.try_next().await? {
            let WatchEvent::Modified(deployment) = event else { continue };
            let pod = deployment.spec.and_then(|spec| spec.template.spec);
            let mut containers = pod.into_iter().flat_map(|pod| pod.containers);
            if containers.any(|container| container.image.is_some_and(|known| known.ends_with(image))) {
                return Ok(start.elapsed());
            }
        }
        bail!("the watch ended");
    };
    tokio::time::timeout(PATIENCE, wait).await.with_context(|| format!("{image} is not live"))?
}

/// `git` over HTTPS as the daemons use it, on a branch of its own.
struct Bare {
    url: String,
    settings: Vec<String>,
    clone: String,
}

impl Bare {
    fn prepare(stage: &Stage) -> Result<Self> {
        let folder = stage.human.work().join(".git");
        let ca = folder.join("ca.pem");
        std::fs::write(&ca, stage.git.ca_pem().context("Git has no certificate")?)?;
        let (user, password) = stage.installation.git_options().basic.context("Git wants no password")?;
        let login = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{}", password.expose_secret()));
        let settings = [
            "-c".to_owned(),
            format!("http.sslCAInfo={}", ca.display()),
            "-c".to_owned(),
            format!("http.extraHeader=Authorization: Basic {login}"),
        ];
        let clone = folder.join("bare-client").display().to_string();
        stage.human.git(&["clone", "--bare", "--quiet", &stage.git.repository().display().to_string(), &clone])?;
        Ok(Self { url: stage.git.http_url(), settings: settings.to_vec(), clone })
    }

    /// How long a push takes, and how long push, fetch and PATCH.
    async fn round(&self, stage: &Stage, round: usize) -> Result<(Duration, Duration)> {
        stage.human.write("bare.txt", &format!("{round}\n"))?;
        stage.human.git(&["add", "bare.txt"])?;
        let tree = stage.human.git(&["write-tree"])?;
        let commit = stage.human.git(&["commit-tree", tree.trim(), "-p", "HEAD", "-m", "Change a file"])?;
        let start = Instant::now();
        self.git(stage, &["push", "--quiet", &self.url, &format!("+{}:refs/heads/bare", commit.trim())])?;
        let push = start.elapsed();
        self.git(
            stage,
            &["--git-dir", &self.clone, "fetch", "--quiet", &self.url, "+refs/heads/bare:refs/heads/bare"],
        )?;
        let params = PatchParams::apply("bare").force();
        let patch = Patch::Apply(body(BARE, &name(0), &format!("round {round}")));
        stage.maps(BARE).patch(&name(0), &params, &patch).await?;
        Ok((push, start.elapsed()))
    }

    fn git(&self, stage: &Stage, arguments: &[&str]) -> Result<()> {
        let all: Vec<&str> = self.settings.iter().map(String::as_str).chain(arguments.iter().copied()).collect();
        stage.human.git(&all).map(drop)
    }
}
