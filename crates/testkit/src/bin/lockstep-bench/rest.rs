//! Nothing to do: a restart with nothing changed, and rest.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use jiff::Timestamp;

use crate::limit;
use crate::stage::{BARE, Stage};
use crate::table::{Row, Table, told};

/// Stops the synchronizer and starts it again: no write, and hardly more than one list of each kind.
pub(crate) async fn restart(stage: &mut Stage, table: &mut Table) -> Result<()> {
    let bare = limit::list(&stage.maps(BARE)).await?;
    stage.calls_since(Timestamp::now()).await?;
    stage.synchronizer.take().context("the synchronizer does not run")?.stop().await?;
    let (began, start) = (Timestamp::now(), Instant::now());
    stage.start_synchronizer().await?;
    stage.trigger(true).await?;
    let took = start.elapsed();
    let calls = stage.calls_since(began).await?;
    let is_write = |call: &lockstep_testkit::Call| {
        // Reviews of the one who calls the gRPC service are creates of nothing.
        !call.resource.ends_with("reviews") && !call.resource.is_empty()
    };
    let writes = calls.writes().filter(is_write);
    let ratio = took.as_secs_f64() / bare.as_secs_f64();
    table.add(
        Row::new("restart with nothing changed: start → Ready", stage.size)
            .value(took)
            .limit(bare)
            .budget("1.5 × the limit", ratio <= 1.5),
    );
    table.add(Row::new("  writes", stage.size).text(told(&writes)).budget("0", writes.is_empty()));
    table.add(Row::new("  all calls", stage.size).text(told(&calls)));
    Ok(())
}

/// Calls and processor time while nothing happens.
pub(crate) async fn rest(stage: &Stage, table: &mut Table, period: Duration) -> Result<()> {
    stage.use_default_interval().await?;
    stage.calls_since(Timestamp::now()).await?;
    let (began, cpu) = (Timestamp::now(), stage.process()?.processor_time());
    tokio::time::sleep(period).await;
    let after = stage.process()?.processor_time();
    let calls = stage.plane.count_calls(crate::stage::USER, began..)?;
    let seconds = period.as_secs();
    table.add(
        Row::new(&format!("{seconds} s at rest: calls beyond watches"), stage.size)
            .text(told(&calls.requests()))
            .budget("0 but the audit", calls.requests().filter(|call| !call.uri.contains("dryRun")).is_empty()),
    );
    table.add(
        Row::new(&format!("{seconds} s at rest: watches begun"), stage.size).text(calls.watches().len().to_string()),
    );
    if let Some(time) = after.zip(cpu).map(|(after, before)| after - before) {
        let share = time.as_secs_f64() / period.as_secs_f64() * 100.0;
        table.add(
            Row::new(&format!("{seconds} s at rest: processor"), stage.size)
                .text(format!("{share:.2} % of a core"))
                .budget("0.2 %", share < 0.2),
        );
    }
    Ok(())
}
