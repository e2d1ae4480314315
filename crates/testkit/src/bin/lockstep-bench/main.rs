//! Measures the synchronizer as it is installed: a process of its own, under its shipped rights, on the real API server.
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
mod cold;
mod commits;
mod drifts;
mod limit;
mod many;
mod pure;
mod rest;
mod stage;
mod table;

use anyhow::Result;

use arguments::Arguments;
use stage::Stage;
use table::Table;

const NOTES: &str = "\n## Notes\n";

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::read(std::env::args().skip(1))?;
    let mut table = Table::new();
    pure::parse(&mut table)?;
    pure::edit(&mut table)?;
    for &size in &arguments.sizes {
        let mut stage = Stage::set(size).await?;
        cold::start(&mut stage, &mut table).await?;
        cold::apply(&mut stage, &mut table).await?;
        commits::one_of_many(&stage, &mut table).await?;
        drifts::edits(&stage, &mut table).await?;
        drifts::deletions(&stage, &mut table).await?;
        rest::restart(&mut stage, &mut table).await?;
        rest::rest(&stage, &mut table, arguments.rest).await?;
    }
    for &size in &arguments.memory {
        let mut stage = Stage::set(size).await?;
        stage.start_synchronizer().await?;
        cold::memory(&mut stage, &mut table).await?;
    }
    if arguments.syncs > 0 {
        many::syncs(arguments.syncs, &mut table).await?;
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
