//! What is measured, and how large.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

const USAGE: &str = "lockstep-bench [--only pure,synchronizer,automator] [--sizes 1000,10000] [--memory 50000] \
    [--syncs 1000] [--rest 600] [--repositories 100,1000] [--recorded 10000] [--rounds 20] [--write FILE]";

/// A part of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Functions that ask nobody.
    Pure,
    /// The synchronizer on a control plane.
    Synchronizer,
    /// The automator with a registry and Git, and the way of an image into the cluster.
    Automator,
}

/// The words of the command line.
pub(crate) struct Arguments {
    /// These rows.
    pub(crate) only: Vec<Part>,
    /// All rows of the synchronizer, with so many objects.
    pub(crate) sizes: Vec<usize>,
    /// Memory only, with so many objects.
    pub(crate) memory: Vec<usize>,
    /// So many Syncs of four objects; 0 leaves that row out.
    pub(crate) syncs: usize,
    /// How long the rest is.
    pub(crate) rest: Duration,
    /// A registry cycle over so many repositories of a thousand tags.
    pub(crate) repositories: Vec<usize>,
    /// Memory of the automator only, with so many repositories of a few tags.
    pub(crate) recorded: Vec<usize>,
    /// So many images are pushed and followed into the cluster; 0 leaves that row out.
    pub(crate) rounds: usize,
    /// Where the table goes as Markdown.
    pub(crate) write: Option<PathBuf>,
}

impl Arguments {
    pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let mut this = Self {
            only: vec![Part::Pure, Part::Synchronizer, Part::Automator],
            sizes: vec![1000],
            memory: Vec::new(),
            syncs: 0,
            rest: Duration::from_secs(60),
            repositories: vec![100, 1000],
            recorded: vec![10_000],
            rounds: 20,
            write: None,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value; usage: {USAGE}"));
            match word.as_str() {
                "--only" => this.only = value()?.split(',').map(part).collect::<Result<_>>()?,
                "--sizes" => this.sizes = numbers(&value()?)?,
                "--memory" => this.memory = numbers(&value()?)?,
                "--syncs" => this.syncs = number(&value()?)?,
                "--rest" => this.rest = Duration::from_secs(number(&value()?)? as u64),
                "--repositories" => this.repositories = numbers(&value()?)?,
                "--recorded" => this.recorded = numbers(&value()?)?,
                "--rounds" => this.rounds = number(&value()?)?,
                "--write" => this.write = Some(value()?.into()),
                other => bail!("unknown argument {other}; usage: {USAGE}"),
            }
        }
        Ok(this)
    }
}

fn part(text: &str) -> Result<Part> {
    match text {
        "pure" => Ok(Part::Pure),
        "synchronizer" => Ok(Part::Synchronizer),
        "automator" => Ok(Part::Automator),
        other => bail!("unknown part {other}; usage: {USAGE}"),
    }
}

fn numbers(text: &str) -> Result<Vec<usize>> {
    text.split(',').filter(|part| !part.is_empty()).map(number).collect()
}

fn number(text: &str) -> Result<usize> {
    text.parse().with_context(|| format!("{text} is not a number; usage: {USAGE}"))
}
