//! What is measured, and how large.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

const USAGE: &str = "lockstep-bench [--sizes 1000,10000] [--memory 50000] [--syncs 1000] [--rest 600] [--write FILE]";

/// The words of the command line.
pub(crate) struct Arguments {
    /// All rows, with so many objects.
    pub(crate) sizes: Vec<usize>,
    /// Memory only, with so many objects.
    pub(crate) memory: Vec<usize>,
    /// So many Syncs of four objects; 0 leaves that row out.
    pub(crate) syncs: usize,
    /// How long the rest is.
    pub(crate) rest: Duration,
    /// Where the table goes as Markdown.
    pub(crate) write: Option<PathBuf>,
}

impl Arguments {
    pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let mut this =
            Self { sizes: vec![1000], memory: Vec::new(), syncs: 0, rest: Duration::from_secs(60), write: None };
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value; usage: {USAGE}"));
            match word.as_str() {
                "--sizes" => this.sizes = numbers(&value()?)?,
                "--memory" => this.memory = numbers(&value()?)?,
                "--syncs" => this.syncs = number(&value()?)?,
                "--rest" => this.rest = Duration::from_secs(number(&value()?)? as u64),
                "--write" => this.write = Some(value()?.into()),
                other => bail!("unknown argument {other}; usage: {USAGE}"),
            }
        }
        Ok(this)
    }
}

fn numbers(text: &str) -> Result<Vec<usize>> {
    text.split(',').filter(|part| !part.is_empty()).map(number).collect()
}

fn number(text: &str) -> Result<usize> {
    text.parse().with_context(|| format!("{text} is not a number; usage: {USAGE}"))
}
