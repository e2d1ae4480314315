//! A commit that changes one of many objects.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use kube::api::{WatchEvent, WatchParams};

use crate::limit;
use crate::stage::{SHOP, Stage, file_with, name};
use crate::table::{Row, Table, middle, spread, told};

const COMMITS: usize = 20;

/// Push → object changed, with the hint that a webhook or the automator would give; its calls; its processor time.
pub(crate) async fn one_of_many(stage: &Stage, table: &mut Table) -> Result<()> {
    let bare = limit::fetch_and_patch(stage, COMMITS).await?;
    stage.trigger(true).await?;
    let quiet = Timestamp::now();
    stage.calls_since(quiet).await?;
    let maps = stage.maps(SHOP);
    let changed = stage.size / 2;
    let version = maps.get_metadata(&name(changed)).await?.metadata.resource_version.context("no resourceVersion")?;
    let only = WatchParams::default().fields(&format!("metadata.name={}", name(changed)));
    let mut events = maps.watch(&only, &version).await?.boxed();
    let (began, cpu) = (Timestamp::now(), stage.process()?.processor_time());
    let mut times = Vec::new();
    for turn in 0..COMMITS {
        let value = format!("turn{turn}");
        file_with(&stage.human, stage.size, changed, &value)?;
        stage.human.commit("Change one")?;
        let start = Instant::now();
        stage.trigger(false).await?;
        loop {
            match events.try_next().await?.context("the watch ended")? {
                WatchEvent::Modified(map) if map.data.as_ref().and_then(|data| data.get("value")) == Some(&value) => {
                    break;
                }
                WatchEvent::Error(error) => bail!("the watch failed: {error:?}"),
                _ => {}
            }
        }
        times.push(start.elapsed());
    }
    stage.trigger(true).await?;
    let calls = stage.calls_since(began).await?.requests();
    let after = stage.process()?.processor_time();
    let p50 = middle(&times);
    let per_turn = after.zip(cpu).map(|(after, before)| (after - before) / COMMITS as u32);
    let writes = calls.writes().filter(|call| call.resource == "configmaps").len();
    table.add(
        Row::new("a commit that changes 1 of N: hint → object changed, p50", stage.size)
            .value(p50)
            .limit(middle(&bare))
            .budget("300 ms", p50 < Duration::from_millis(300)),
    );
    table.add(Row::new("  all of them", stage.size).text(spread(&times)));
    table.add(
        Row::new("  writes of objects for one commit", stage.size)
            .text(format!("{writes} of {COMMITS} commits"))
            .budget("1", writes == COMMITS),
    );
    table.add(Row::new("  calls of all commits", stage.size).text(told(&calls)));
    if let Some(time) = per_turn {
        let met = time < Duration::from_millis(150);
        table.add(Row::new("  processor time of one commit", stage.size).value(time).budget("150 ms", met));
    }
    Ok(())
}
