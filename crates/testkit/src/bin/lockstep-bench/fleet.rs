//! Many image repositories and as many workloads: the automator as a process of its own, with a registry and Git.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use lockstep_api::v1::{ScanRequest, updates_client::UpdatesClient};
use lockstep_testkit::{Daemon, DaemonProcess, GitServer, GitWay, Installation, Names, Registry, Served};

use crate::pages::BareClient;
use crate::scripted::Scripted;
use crate::select::manifest;
use crate::stage::{SHOP, program};

/// Workloads in a file.
const PER_FILE: usize = 10;
/// Some rate is always kept; this one holds nobody up.
const NO_LIMIT: u32 = 1_000_000;

/// A kind of tags, with the policy that orders them. The last one is the newest.
struct Shelf {
    policy: &'static str,
    tags: Vec<String>,
}

fn shelves(tags: usize) -> Vec<Shelf> {
    let shelf = |policy, tag: &dyn Fn(usize) -> String| Shelf { policy, tags: (0..tags).map(tag).collect() };
    vec![
        shelf("semver:^1", &|number| format!("1.{}.{}", number / 25, number % 25)),
        shelf(r"numerical:^build-(?P<key>\d+)$", &|number| format!("build-{number}")),
        shelf("calver:YYYY.0M.0D", &|number| {
            format!("{}.{:02}.{:02}", 2000 + number / 336, number / 28 % 12 + 1, number % 28 + 1)
        }),
        shelf("alphabetical:^main-", &|number| format!("main-{number:06}-{:07x}", (number * 2_654_435) & 0xfff_ffff)),
        shelf("semver:*", &|number| format!("v{}.{}.0-alpine", number / 40, number % 40)),
    ]
}

/// Where the tags are.
enum Source {
    Real(Box<Registry>),
    Scripted(Scripted),
}

impl Source {
    fn address(&self) -> String {
        match self {
            Self::Real(registry) => registry.address(),
            Self::Scripted(scripted) => scripted.address.clone(),
        }
    }

    fn served(&self) -> Result<Vec<Served>> {
        match self {
            Self::Real(registry) => registry.served(),
            Self::Scripted(scripted) => Ok(scripted.served()),
        }
    }
}

/// The servers, the repositories in them, and the automator.
pub(crate) struct Fleet {
    pub(crate) size: usize,
    pub(crate) bare: BareClient,
    installation: Installation,
    source: Source,
    automator: Option<DaemonProcess>,
    _git: GitServer,
}

impl Fleet {
    /// So many repositories with so many tags each, written into the folder of the real registry.
    pub(crate) async fn real(size: usize, tags: usize) -> Result<Self> {
        let installation = prepare()?;
        let registry = installation.start_registry().await?;
        let shelves = shelves(tags);
        let stock: Vec<Vec<String>> = shelves.iter().map(|shelf| shelf.tags.clone()).collect();
        registry.stock(&names(size), &stock).await?;
        let git = GitServer::start(installation.git_options())?;
        installation.install_automator(&registry, &git)?;
        installation.change_settings(Daemon::Automator, |settings| {
            settings["registries"][0]["requests-per-second"] = NO_LIMIT.into();
            settings["intervals"] = serde_json::json!({"registries": "1h", "git": "1h"});
        })?;
        let bare = BareClient::of(&installation, &registry, names(size))?;
        Self::with(size, installation, Source::Real(Box::new(registry)), git, bare, &shelves)
    }

    /// The same with a registry by script, whose repositories all have the same tags.
    pub(crate) async fn scripted(size: usize, tags: usize) -> Result<Self> {
        let installation = prepare()?;
        let real = installation.start_registry().await?;
        let tags: Vec<String> = (0..tags).map(|number| format!("main-{number:06}")).collect();
        let scripted = Scripted::start(tags.clone()).await?;
        let git = GitServer::start(installation.git_options())?;
        installation.install_automator(&real, &git)?;
        installation.change_settings(Daemon::Automator, |settings| {
            settings["registries"] = serde_json::json!([{"host": scripted.address, "requests-per-second": NO_LIMIT}]);
            settings["intervals"] = serde_json::json!({"registries": "1h", "git": "1h"});
        })?;
        let bare = BareClient::plain(format!("http://{}", scripted.address), names(size))?;
        let shelf = Shelf { policy: "alphabetical:^main-", tags };
        Self::with(size, installation, Source::Scripted(scripted), git, bare, &[shelf])
    }

    /// Commits a workload for each repository; each has the newest tag already.
    fn with(
        size: usize,
        installation: Installation,
        source: Source,
        git: GitServer,
        bare: BareClient,
        shelves: &[Shelf],
    ) -> Result<Self> {
        let human = git.human()?;
        let names = names(size);
        for first in (0..size).step_by(PER_FILE) {
            let mut text = String::new();
            for (number, name) in names.iter().enumerate().take((first + PER_FILE).min(size)).skip(first) {
                let Shelf { policy, tags } = &shelves[number % shelves.len()];
                let newest = tags.last().context("a shelf without tags")?;
                text.push_str("---\n");
                text.push_str(&manifest(number, policy, &format!("{}/{name}:{newest}", source.address())));
            }
            human.write(&format!("clusters/demo/apps-{first:05}.yaml"), &text)?;
        }
        human.commit("Write all")?;
        Ok(Self { size, bare, installation, source, automator: None, _git: git })
    }

    /// Starts the automator, and waits until its first cycle is over: no place is held for want of a listing any more.
    pub(crate) async fn start(&mut self) -> Result<Duration> {
        let program = program(Daemon::Automator)?;
        let start = Instant::now();
        self.automator = Some(self.installation.spawn(Daemon::Automator, &program).await?);
        while !has_no_held(&self.installation.metrics(Daemon::Automator).await?) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(start.elapsed())
    }

    pub(crate) async fn stop(&mut self) -> Result<()> {
        self.automator.take().context("the automator does not run")?.stop().await?;
        Ok(())
    }

    pub(crate) fn process(&self) -> Result<&DaemonProcess> {
        self.automator.as_ref().context("the automator does not run")
    }

    /// One cycle over everything. It must find every place in order, and have nothing to do.
    pub(crate) async fn cycle(&self) -> Result<Duration> {
        let mut updates = UpdatesClient::new(self.installation.channel(Daemon::Automator)?);
        let start = Instant::now();
        let answer = updates.scan(ScanRequest { image: String::new() }).await?.into_inner();
        let took = start.elapsed();
        if answer.places as usize != self.size || !answer.errors.is_empty() || !answer.commits.is_empty() {
            let first = answer.errors.first();
            bail!(
                "{} of {} places, {} commits, first error: {first:?}",
                answer.places,
                self.size,
                answer.commits.len()
            );
        }
        Ok(took)
    }

    /// What the registry has answered so far; a later count begins behind it.
    pub(crate) fn answered(&self) -> Result<usize> {
        Ok(self.source.served()?.len())
    }

    /// What it has answered the automator since.
    pub(crate) fn served_since(&self, begin: usize) -> Result<Vec<Served>> {
        let served = self.source.served()?.split_off(begin);
        Ok(served.into_iter().filter(|request| request.agent.starts_with("lockstep/")).collect())
    }
}

fn has_no_held(metrics: &str) -> bool {
    let places = metrics.lines().filter(|line| line.starts_with("lockstep_automator_places{"));
    places.filter_map(|line| line.split_once("state=\"held\"")).any(|(_, value)| value == "} 0")
}

fn names(size: usize) -> Vec<String> {
    (0..size).map(|number| format!("fleet/r{number:05}")).collect()
}

/// Settings, ports and passwords; there is no cluster.
fn prepare() -> Result<Installation> {
    let names = Names { sync_namespace: "bench".into(), sync: "bench".into(), workloads: SHOP.into() };
    Installation::prepare(names, GitWay::Https)
}
