//! Measures the daemons as they are installed: processes of their own, under their shipped rights, on the real servers.
//!
//! ```text
//! cargo build --release -p lockstep-automator -p lockstep-synchronizer
//! cargo run --release -p lockstep-testkit --bin lockstep-bench -- --sizes 1000,10000 --write docs/benchmarks.md
//! ```
//!
//! Every time stands beside its limit, which a bare client reaches in the same run on the same servers; counts of calls
//! are from the API server's audit log; memory and processor time are the kernel's.
#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

mod arguments;
mod chain;
mod cold;
mod commits;
mod cycles;
mod drifts;
mod fleet;
mod limit;
mod many;
mod pages;
mod pure;
mod rest;
mod scripted;
mod select;
mod stage;
mod table;

use anyhow::Result;

use arguments::{Arguments, Part};
use stage::Stage;
use table::Table;

const NOTES: &str = "\n## Notes\n";

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::read(std::env::args().skip(1))?;
    let mut table = Table::new();
    for part in &arguments.only {
        match part {
            Part::Pure => measure_pure(&mut table)?,
            Part::Synchronizer => measure_synchronizer(&arguments, &mut table).await?,
            Part::Automator => measure_automator(&arguments, &mut table).await?,
        }
    }
    table.print_exponents();
    if let Some(path) = &arguments.write {
        // What people wrote below the figures stays.
        let before = std::fs::read_to_string(path).unwrap_or_default();
        let notes = before.find(NOTES).map(|at| &before[at..]).unwrap_or_default();
        std::fs::write(path, table.as_markdown()? + notes)?;
    }
    Ok(())
}

fn measure_pure(table: &mut Table) -> Result<()> {
    pure::parse(table)?;
    pure::edit(table)?;
    select::policies(table)?;
    select::scan(table)
}

async fn measure_synchronizer(arguments: &Arguments, table: &mut Table) -> Result<()> {
    for &size in &arguments.sizes {
        let mut stage = Stage::set(size).await?;
        cold::start(&mut stage, table).await?;
        cold::apply(&mut stage, table).await?;
        commits::one_of_many(&stage, table).await?;
        drifts::edits(&stage, table).await?;
        drifts::deletions(&stage, table).await?;
        rest::restart(&mut stage, table).await?;
        rest::rest(&stage, table, arguments.rest).await?;
    }
    for &size in &arguments.memory {
        let mut stage = Stage::set(size).await?;
        stage.start_synchronizer().await?;
        cold::memory(&mut stage, table).await?;
    }
    if arguments.syncs > 0 {
        many::syncs(arguments.syncs, table).await?;
    }
    Ok(())
}

async fn measure_automator(arguments: &Arguments, table: &mut Table) -> Result<()> {
    for &size in &arguments.repositories {
        cycles::many_tags(size, table).await?;
    }
    if let Some(&size) = arguments.repositories.iter().max() {
        cycles::scripted(size, table).await?;
    }
    for &size in &arguments.recorded {
        cycles::many_repositories(size, table).await?;
    }
    if arguments.rounds > 0 {
        chain::pushed(arguments.rounds, table).await?;
    }
    Ok(())
}
