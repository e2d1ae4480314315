//! From nothing: the start of a process, the first apply of everything, and what it takes.

use std::time::{Duration, Instant};

use anyhow::Result;
use jiff::Timestamp;
use kube::api::ListParams;
use lockstep_testkit::{Daemon, eventually};

use crate::limit;
use crate::stage::{BARE, SHOP, Stage, name, program};
use crate::table::{Row, Table, mebibytes, told};

const PATIENCE: Duration = Duration::from_secs(900);

/// Process start → ready, for both daemons; and the size of their programs.
pub(crate) async fn start(stage: &mut Stage, table: &mut Table) -> Result<()> {
    let automator = program(Daemon::Automator)?;
    let begin = Instant::now();
    let process = stage.installation.spawn(Daemon::Automator, &automator).await?;
    let took = begin.elapsed();
    table.add(
        Row::new("cold start of the automator → ready", stage.size)
            .value(took)
            .budget("300 ms", took.as_millis() <= 300),
    );
    process.stop().await?;
    let took = stage.start_synchronizer().await?;
    table.add(
        Row::new("cold start of the synchronizer → ready", stage.size)
            .value(took)
            .budget("500 ms + first list", took.as_millis() <= 500),
    );
    for daemon in [Daemon::Automator, Daemon::Synchronizer] {
        let bytes = program(daemon)?.metadata()?.len();
        let size = mebibytes(Some(bytes));
        table.add(
            Row::new(&format!("size of {}", daemon.program()), stage.size)
                .text(size)
                .budget("30 MB", bytes <= 30_000_000),
        );
    }
    Ok(())
}

/// The Sync is made → the last object is there.
pub(crate) async fn apply(stage: &mut Stage, table: &mut Table) -> Result<()> {
    let bare = limit::creates(&stage.maps(BARE), stage.size).await?;
    let began = Timestamp::now();
    let took = first_sync(stage).await?;
    let ratio = took.as_secs_f64() / bare.as_secs_f64();
    table.add(
        Row::new("cold apply of N ConfigMaps", stage.size)
            .value(took)
            .limit(bare)
            .budget("1.25 × the limit", ratio <= 1.25),
    );
    stage.trigger(true).await?;
    let calls = stage.calls_since(began).await?.requests();
    table.add(Row::new("calls of the cold apply", stage.size).text(told(&calls)));
    peak(stage, table)
}

/// Memory alone, at a size that is too large for everything else.
pub(crate) async fn memory(stage: &mut Stage, table: &mut Table) -> Result<()> {
    let took = first_sync(stage).await?;
    stage.trigger(true).await?;
    table.add(Row::new("cold apply of N ConfigMaps", stage.size).value(took));
    peak(stage, table)
}

async fn first_sync(stage: &Stage) -> Result<Duration> {
    let maps = stage.maps(SHOP);
    let last = name(stage.size - 1);
    let start = Instant::now();
    stage.installation.create_sync(&stage.plane, &stage.git).await?;
    eventually(PATIENCE, "the last object", async || maps.get_metadata_opt(&last).await.is_ok_and(|map| map.is_some()))
        .await?;
    let all = ListParams::default().limit(1);
    // The applies that were sent beside the last one end within moments.
    eventually(PATIENCE, "all objects", async || {
        maps.list_metadata(&all)
            .await
            .is_ok_and(|page| page.items.len() + page.metadata.remaining_item_count.unwrap_or(0) as usize >= stage.size)
    })
    .await?;
    Ok(start.elapsed())
}

fn peak(stage: &Stage, table: &mut Table) -> Result<()> {
    let peak = stage.process()?.peak_memory();
    let now = stage.process()?.memory();
    let budget = 48 * 1024 * 1024 + 4096 * stage.size as u64;
    let limit = mebibytes(Some(budget));
    table.add(
        Row::new("memory of the synchronizer, peak, cold apply included", stage.size)
            .text(mebibytes(peak))
            .figure(peak.unwrap_or_default() as f64)
            .budget(&format!("48 MiB + 4 KiB an object = {limit}"), peak.is_some_and(|peak| peak <= budget)),
    );
    table.add(Row::new("memory of the synchronizer, after it", stage.size).text(mebibytes(now)));
    Ok(())
}
