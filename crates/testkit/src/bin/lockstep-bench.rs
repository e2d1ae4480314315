//! Measures the synchronizer as it is installed: a process of its own, under its shipped rights, on the real API server.
//!
//! ```text
//! cargo build --release -p lockstep-automator -p lockstep-synchronizer
//! cargo run --release -p lockstep-testkit --bin lockstep-bench -- [OBJECTS] [SECONDS OF REST]
//! ```
//!
//! Prints one row a figure; counts of calls are from the API server's audit log.
#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams, WatchEvent, WatchParams};
use lockstep_api::v1::{Outcome, TriggerRequest, syncs_client::SyncsClient};
use lockstep_testkit::{Calls, ControlPlane, Daemon, GitServer, GitWay, Human, Installation, Names, eventually};
use serde_json::json;

const USER: &str = "system:serviceaccount:lockstep:lockstep-synchronizer";
const SHOP: &str = "bench-shop";
const PATIENCE: Duration = Duration::from_secs(600);
const PER_FILE: usize = 10;
const COMMITS: usize = 20;
const EDITS: usize = 100;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let objects = arguments.next().map_or(Ok(1000), |text| text.parse()).context("OBJECTS must be a number")?;
    let rest = arguments.next().map_or(Ok(300), |text| text.parse()).context("SECONDS must be a number")?;

    let plane = ControlPlane::start().await?;
    let names =
        Names { sync_namespace: plane.fresh_namespace("bench").await?, sync: "bench".into(), workloads: SHOP.into() };
    let installation = Installation::prepare(names, GitWay::Https)?;
    let git = GitServer::start(installation.git_options())?;
    let registry = installation.start_registry().await?;
    installation.install(&plane, &registry, &git).await?;
    let human = git.human()?;
    write_all(&human, objects)?;
    let maps: Api<ConfigMap> = Api::namespaced(plane.admin_client().await?, SHOP);

    let automator = installation.spawn(Daemon::Automator, &program(Daemon::Automator)?).await?;
    let synchronizer = installation.spawn(Daemon::Synchronizer, &program(Daemon::Synchronizer)?).await?;

    let (began, start) = (Timestamp::now(), Instant::now());
    installation.create_sync(&plane, &git).await?;
    eventually(PATIENCE, "the first sync", async || value_of(&maps, objects - 1).await.is_some()).await?;
    trigger(&installation).await?;
    row(&format!("first sync of {objects} ConfigMaps"), &seconds(start.elapsed()));
    quiet(&plane).await?;
    row("  calls", &told(&plane.count_calls(USER, began..)?.requests()));

    let mut times = Vec::new();
    let began = Timestamp::now();
    for turn in 0..COMMITS {
        human.write("clusters/demo/one.yaml", &one("single", &format!("turn {turn}")))?;
        human.commit("Change one")?;
        let start = Instant::now();
        trigger(&installation).await?;
        times.push(start.elapsed());
    }
    quiet(&plane).await?;
    let calls = plane.count_calls(USER, began..)?;
    row(&format!("a commit that changes 1 of {objects}: trigger -> live"), &spread(times));
    row(&format!("  calls of {COMMITS} such commits"), &told(&calls.requests()));

    row("an owned field edited: edit answered -> repaired", &spread(edits(&maps, objects).await?));
    quiet(&plane).await?;

    let began = Timestamp::now();
    tokio::time::sleep(Duration::from_secs(rest)).await;
    let calls = plane.count_calls(USER, began..)?;
    row(&format!("{rest} s at rest: calls"), &told(&calls.requests()));
    row(&format!("{rest} s at rest: watches begun"), &calls.watches().len().to_string());
    row("memory now, synchronizer", &mebibytes(synchronizer.memory()));
    row("memory now, automator", &mebibytes(automator.memory()));
    Ok(())
}

fn program(daemon: Daemon) -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(daemon.program());
    if !path.exists() {
        bail!("{} is missing: build it with cargo build -p {} and the same profile", path.display(), daemon.program());
    }
    Ok(path)
}

fn write_all(human: &Human, objects: usize) -> Result<()> {
    human.write(
        "clusters/demo/namespace.yaml",
        &format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {SHOP}}}\n"),
    )?;
    for first in (0..objects).step_by(PER_FILE) {
        let text = file(first, (first + PER_FILE).min(objects), "first");
        human.write(&format!("clusters/demo/maps-{first}.yaml"), &text)?;
    }
    human.write("clusters/demo/one.yaml", &one("single", "first"))?;
    human.commit("Write all")?;
    Ok(())
}

fn file(first: usize, last: usize, value: &str) -> String {
    (first..last).map(|number| one(&format!("c{number}"), value)).collect()
}

fn one(name: &str, value: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {SHOP}}}\ndata: {{value: {value}, other: fixed}}\n"
    )
}

async fn value_of(maps: &Api<ConfigMap>, number: usize) -> Option<String> {
    maps.get_opt(&format!("c{number}")).await.ok()??.data?.get("value").cloned()
}

/// Starts a turn, and returns when the branch's head is applied and healthy.
async fn trigger(installation: &Installation) -> Result<()> {
    let names = installation.names();
    let request = TriggerRequest {
        namespace: names.sync_namespace.clone(),
        name: names.sync.clone(),
        wait: true,
        commit: String::new(),
    };
    let mut syncs = SyncsClient::new(installation.channel(Daemon::Synchronizer)?);
    let answer = syncs.trigger(request).await?.into_inner();
    if answer.outcome() != Outcome::Ready {
        bail!("the turn ended as {}: {:?}", answer.outcome(), answer.state);
    }
    Ok(())
}

/// Edits one object after the other (each once: more would count as a fight), and sees on a watch when the edit is undone.
async fn edits(maps: &Api<ConfigMap>, objects: usize) -> Result<Vec<Duration>> {
    let version = maps.list_metadata(&ListParams::default().limit(1)).await?.metadata.resource_version;
    let version = version.context("the list has no resourceVersion")?;
    let mut events = maps.watch(&WatchParams::default(), &version).await?.boxed();
    let edit = PatchParams { field_manager: Some("kubectl-edit".into()), ..PatchParams::default() };
    let by_hand = Patch::Merge(json!({"data": {"other": "by hand"}}));
    let mut times = Vec::new();
    for number in 0..objects.min(EDITS) {
        let name = format!("c{number}");
        maps.patch(&name, &edit, &by_hand).await?;
        let start = Instant::now();
        let mut edited = false;
        while let Some(event) = events.try_next().await? {
            let WatchEvent::Modified(map) = event else { continue };
            if map.metadata.name.as_ref() != Some(&name) {
                continue;
            }
            let is_fixed = map.data.is_some_and(|data| data.get("other").is_some_and(|value| value == "fixed"));
            if edited && is_fixed {
                break;
            }
            edited |= !is_fixed;
        }
        times.push(start.elapsed());
    }
    Ok(times)
}

/// Waits until the daemon has asked nothing for two seconds.
async fn quiet(plane: &ControlPlane) -> Result<()> {
    let mut last = (Instant::now(), plane.count_calls(USER, ..)?.len());
    eventually(PATIENCE, "the daemon to rest", async || {
        let count = plane.count_calls(USER, ..).map_or(0, |calls| calls.len());
        if count != last.1 {
            last = (Instant::now(), count);
        }
        last.0.elapsed() > Duration::from_secs(2)
    })
    .await
}

fn row(what: &str, figure: &str) {
    println!("{what:<66} {figure}");
}

fn told(calls: &Calls) -> String {
    let mut text = calls.len().to_string();
    for line in calls.to_string().lines() {
        let _ = write!(text, "; {}", line.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    text
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

fn mebibytes(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "unknown".into(), |bytes| format!("{} MiB", bytes / (1 << 20)))
}

fn spread(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |percent: usize| times.get((times.len() - 1) * percent / 100).copied().unwrap_or_default();
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    format!(
        "p50 {:.0} ms, p99 {:.0} ms, max {:.0} ms of {}",
        milliseconds(at(50)),
        milliseconds(at(99)),
        milliseconds(at(100)),
        times.len()
    )
}
