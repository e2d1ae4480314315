//! Others edit and delete what was applied.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, WatchEvent, WatchParams};
use serde_json::json;

use crate::limit;
use crate::stage::{BARE, SHOP, Stage, name};
use crate::table::{Row, Table, last_percent, middle, spread};

/// Each on another object: more on one would count as a fight.
const ROUNDS: usize = 200;

/// Edit answered → edit undone.
pub(crate) async fn edits(stage: &Stage, table: &mut Table) -> Result<()> {
    let rounds = ROUNDS.min(stage.size);
    let bare = limit::see_and_patch(&stage.maps(BARE), rounds).await?;
    let maps = stage.maps(SHOP);
    let mut events = watch(&maps).await?;
    let edit = PatchParams { field_manager: Some("kubectl-edit".into()), ..PatchParams::default() };
    let by_hand = Patch::Merge(json!({"data": {"other": "by hand"}}));
    let mut times = Vec::new();
    for number in 0..rounds {
        let name = name(number);
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
    told(stage, table, "an owned field edited → repaired", &times, Some(&bare));
    Ok(())
}

/// Deletion answered → object made again.
pub(crate) async fn deletions(stage: &Stage, table: &mut Table) -> Result<()> {
    let maps = stage.maps(SHOP);
    let mut events = watch(&maps).await?;
    let mut times = Vec::new();
    for number in 0..ROUNDS.min(stage.size) {
        let name = name(stage.size - 1 - number);
        maps.delete(&name, &DeleteParams::default()).await?;
        let start = Instant::now();
        while let Some(event) = events.try_next().await? {
            if matches!(event, WatchEvent::Added(map) if map.metadata.name.as_ref() == Some(&name)) {
                break;
            }
        }
        times.push(start.elapsed());
    }
    told(stage, table, "an object deleted → made again", &times, None);
    Ok(())
}

async fn watch(maps: &Api<ConfigMap>) -> Result<BoxStream<'static, kube::Result<WatchEvent<ConfigMap>>>> {
    let version = maps.list_metadata(&ListParams::default().limit(1)).await?.metadata.resource_version;
    let version = version.context("the list has no resourceVersion")?;
    Ok(maps.watch(&WatchParams::default(), &version).await?.boxed())
}

fn told(stage: &Stage, table: &mut Table, what: &str, times: &[Duration], limit: Option<&[Duration]>) {
    let (p50, p99) = (middle(times), last_percent(times));
    let mut row = Row::new(&format!("{what}, p50"), stage.size).value(p50);
    if let Some(limit) = limit.map(middle) {
        let met = p50.as_secs_f64() <= 1.5 * limit.as_secs_f64();
        row = row.limit(limit).budget("1.5 × the limit", met);
    }
    table.add(row);
    let met = p99 < Duration::from_millis(100);
    table.add(Row::new(&format!("{what}, p99"), stage.size).value(p99).budget("100 ms", met));
    table.add(Row::new("  all of them", stage.size).text(spread(times)));
}
