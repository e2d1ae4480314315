//! What a bare client reaches on the same servers: the limit beside which every figure stands.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams, WatchEvent, WatchParams};
use serde_json::json;

use crate::stage::{BARE, Stage, body, name};

/// Calls in flight, as many as the synchronizer has by default.
const IN_FLIGHT: usize = 32;

/// Applies so many ConfigMaps that are not there yet.
pub(crate) async fn creates(maps: &Api<ConfigMap>, count: usize) -> Result<Duration> {
    let params = PatchParams::apply("bare").force();
    let start = Instant::now();
    stream::iter((0..count).map(|number| {
        let (name, params) = (name(number), &params);
        let body = body(BARE, &name, "first");
        async move { maps.patch(&name, params, &Patch::Apply(body)).await.map(drop) }
    }))
    .buffer_unordered(IN_FLIGHT)
    .try_collect::<()>()
    .await?;
    Ok(start.elapsed())
}

/// `git fetch` of a new commit into a bare clone, and one PATCH.
pub(crate) async fn fetch_and_patch(stage: &Stage, rounds: usize) -> Result<Vec<Duration>> {
    let folder = stage.human.work().join(".git").join("bare-client");
    let clone = folder.display().to_string();
    stage.human.git(&["clone", "--bare", "--quiet", &stage.git.repository().display().to_string(), &clone])?;
    let maps = stage.maps(BARE);
    let params = PatchParams::apply("bare").force();
    let mut times = Vec::new();
    for round in 0..rounds {
        stage.human.write("other/limit.txt", &format!("{round}\n"))?;
        stage.human.commit("Change a file outside")?;
        let start = Instant::now();
        stage.human.git(&["--git-dir", &clone, "fetch", "--quiet", "origin", "+main:main"])?;
        maps.patch(&name(0), &params, &Patch::Apply(body(BARE, &name(0), &format!("round {round}")))).await?;
        times.push(start.elapsed());
    }
    std::fs::remove_dir_all(&folder).context("removing the bare clone")?;
    Ok(times)
}

/// Lists the metadata of all ConfigMaps of a namespace, page by page.
pub(crate) async fn list(maps: &Api<ConfigMap>) -> Result<Duration> {
    let start = Instant::now();
    let mut params = ListParams::default().limit(500);
    loop {
        let page = maps.list_metadata(&params).await?;
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(start.elapsed()),
        }
    }
}

/// Somebody edits an object; a bare controller sees it on a watch and sends one PATCH back.
pub(crate) async fn see_and_patch(maps: &Api<ConfigMap>, rounds: usize) -> Result<Vec<Duration>> {
    let version = maps.list_metadata(&ListParams::default().limit(1)).await?.metadata.resource_version;
    let version = version.context("the list has no resourceVersion")?;
    let mut events = maps.watch_metadata(&WatchParams::default(), &version).await?.boxed();
    let params = PatchParams::apply("bare").force();
    let by_hand = Patch::Merge(json!({"data": {"other": "by hand"}}));
    let mut times = Vec::new();
    for round in 0..rounds {
        let name = name(round);
        maps.patch(&name, &PatchParams { field_manager: Some("kubectl-edit".into()), ..Default::default() }, &by_hand)
            .await?;
        let start = Instant::now();
        while let Some(event) = events.try_next().await? {
            if matches!(event, WatchEvent::Modified(map) if map.metadata.name.as_ref() == Some(&name)) {
                break;
            }
        }
        maps.patch(&name, &params, &Patch::Apply(body(BARE, &name, "first"))).await?;
        times.push(start.elapsed());
    }
    Ok(times)
}
