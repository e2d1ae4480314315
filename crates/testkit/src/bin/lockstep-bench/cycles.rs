//! Registry cycles: from nothing, with nothing new, and after a restart.

use anyhow::{Context, Result};
use lockstep_testkit::Served;

use crate::fleet::Fleet;
use crate::pages::Read;
use crate::table::{Row, Table, mebibytes};

const TAGS: usize = 1000;
const FEW_TAGS: usize = 10;
/// On one page: only such a listing has one `ETag`.
const TAGS_OF_A_PAGE: usize = 999;
const MOST_MEMORY: u64 = 64 << 20;

/// N repositories of a thousand tags, written into the real registry's folder.
pub(crate) async fn many_tags(size: usize, table: &mut Table) -> Result<()> {
    let mut fleet = Fleet::real(size, TAGS).await?;
    // The first reading fills the caches of the registry and of the system.
    fleet.bare.read_all().await?;
    let bare = fleet.bare.read_all().await?;

    let begin = fleet.answered()?;
    let took = fleet.start().await?;
    let served = fleet.served_since(begin)?;
    table.add(
        Row::new("registry cycle of N repositories × 1,000 tags, from the start of the process", size)
            .value(took)
            .limit(bare.took),
    );
    requests(table, size, &served, bare);
    let cpu = fleet.process()?.processor_time().context("no processor time")?;
    table.add(Row::new("  processor time of the first cycle, start included", size).value(cpu));

    again(&fleet, "1,000", bare, table).await?;
    memory(&fleet, "1,000", table)?;
    fleet.stop().await?;
    let begin = fleet.answered()?;
    let took = fleet.start().await?;
    table
        .add(Row::new("restart with everything recorded: start → all listed again", size).value(took).limit(bare.took));
    requests(table, size, &fleet.served_since(begin)?, bare);
    fleet.stop().await
}

/// A cycle in which no registry has anything new.
async fn again(fleet: &Fleet, tags: &str, bare: Read, table: &mut Table) -> Result<()> {
    let (begin, cpu) = (fleet.answered()?, fleet.process()?.processor_time());
    let took = fleet.cycle().await?;
    let after = fleet.process()?.processor_time();
    let figure = format!("registry cycle × {tags} tags with nothing new: asked → settled");
    table.add(Row::new(&figure, fleet.size).value(took).limit(bare.took));
    requests(table, fleet.size, &fleet.served_since(begin)?, bare);
    if let Some(time) = after.zip(cpu).map(|(after, before)| after - before) {
        let figure = format!("  processor time of a cycle × {tags} tags with nothing new");
        table.add(Row::new(&figure, fleet.size).value(time));
    }
    Ok(())
}

fn requests(table: &mut Table, size: usize, served: &[Served], bare: Read) {
    let bytes: u64 = served.iter().map(|request| request.bytes).sum();
    let odd = served.iter().find(|request| request.status != 200 || !request.uri.contains("/tags/list?"));
    let odd = odd.map(|odd| format!("; such as {} {} {}", odd.method, odd.uri, odd.status)).unwrap_or_default();
    let answered = served.iter().filter(|request| request.status == 200).count();
    // The first requests, all in flight at once, learn that a password is wanted.
    let refused = served.iter().take(4).filter(|request| request.status == 401).count();
    table.add(
        Row::new("  requests, beside those of the bare client", size)
            .text(format!("{}, {}{odd}", served.len(), bare.pages))
            .budget("1 a page, 4 refused at the start", served.len() - answered == refused && answered == bare.pages),
    );
    table.add(Row::new("  bytes, beside those of the bare client", size).text(format!("{bytes}, {}", bare.bytes)));
}

fn memory(fleet: &Fleet, tags: &str, table: &mut Table) -> Result<()> {
    let peak = fleet.process()?.peak_memory();
    let met = peak.is_some_and(|peak| peak < MOST_MEMORY);
    let what = format!("memory of the automator, peak, N repositories × {tags} tags");
    let row = Row::new(&what, fleet.size).text(mebibytes(peak)).figure(peak.unwrap_or_default() as f64);
    table.add(row.budget("64 MiB", met));
    table.add(Row::new("  memory after it", fleet.size).text(mebibytes(fleet.process()?.memory())));
    Ok(())
}

/// Many repositories of a few tags.
pub(crate) async fn many_repositories(size: usize, table: &mut Table) -> Result<()> {
    let mut fleet = Fleet::real(size, FEW_TAGS).await?;
    let bare = fleet.bare.read_all().await?;
    let took = fleet.start().await?;
    table.add(
        Row::new("registry cycle of N repositories × 10 tags, from the start of the process", size)
            .value(took)
            .limit(bare.took),
    );
    again(&fleet, "10", bare, table).await?;
    memory(&fleet, "10", table)?;
    fleet.stop().await
}

/// Pages of one long listing, and listings that the registry confirms by their `ETag`.
pub(crate) async fn scripted(size: usize, table: &mut Table) -> Result<()> {
    for count in [10_000, 100_000] {
        let mut fleet = Fleet::scripted(1, count).await?;
        let bare = fleet.bare.read_all().await?;
        let begin = fleet.answered()?;
        let took = fleet.start().await?;
        table.add(
            Row::new("one repository of N tags on pages of 1,000, from the start of the process", count)
                .value(took)
                .limit(bare.took),
        );
        requests(table, count, &fleet.served_since(begin)?, bare);
        table.add(Row::new("  memory of the automator, peak", count).text(mebibytes(fleet.process()?.peak_memory())));
        fleet.stop().await?;
    }
    let mut fleet = Fleet::scripted(size, TAGS_OF_A_PAGE).await?;
    let bare = fleet.bare.read_all().await?;
    fleet.start().await?;
    let (begin, cpu) = (fleet.answered()?, fleet.process()?.processor_time());
    let took = fleet.cycle().await?;
    let after = fleet.process()?.processor_time();
    let served = fleet.served_since(begin)?;
    let confirmed = served.iter().filter(|request| request.status == 304).count();
    let bytes: u64 = served.iter().map(|request| request.bytes).sum();
    table.add(
        Row::new("nothing new at a registry with ETags, 999 tags each: asked → settled", size)
            .value(took)
            .limit(bare.took),
    );
    table.add(
        Row::new("  requests, and how many were answered by 304", size)
            .text(format!("{}, {confirmed}; {bytes} bytes", served.len()))
            .budget("1 a repository, all by 304", served.len() == size && confirmed == size),
    );
    if let Some(time) = after.zip(cpu).map(|(after, before)| after - before) {
        table.add(Row::new("  processor time", size).value(time));
    }
    memory(&fleet, "999 (with ETags)", table)?;
    fleet.stop().await
}
