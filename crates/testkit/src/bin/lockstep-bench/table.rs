//! Figures beside their limits and budgets, as a table.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;
use lockstep_testkit::Calls;

/// One figure at one size.
#[derive(Clone)]
pub(crate) struct Row {
    what: String,
    size: usize,
    shown: String,
    /// In seconds or bytes, where the growth of it means something.
    figure: Option<f64>,
    limit: Option<Duration>,
    budget: Option<(String, bool)>,
}

impl Row {
    pub(crate) fn new(what: &str, size: usize) -> Self {
        Self { what: what.to_owned(), size, shown: String::new(), figure: None, limit: None, budget: None }
    }

    pub(crate) fn value(mut self, time: Duration) -> Self {
        self.shown = seconds(time);
        self.figure = Some(time.as_secs_f64());
        self
    }

    pub(crate) fn text(mut self, text: String) -> Self {
        self.shown = text;
        self
    }

    pub(crate) fn figure(mut self, figure: f64) -> Self {
        self.figure = Some(figure);
        self
    }

    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    pub(crate) fn budget(mut self, budget: &str, met: bool) -> Self {
        self.budget = Some((budget.to_owned(), met));
        self
    }

    /// Size, figure, limit, ratio, budget.
    fn cells(&self) -> [String; 6] {
        let seconds_of = |time: Duration| time.as_secs_f64();
        let ratio = self.figure.zip(self.limit).map(|(figure, limit)| format!("{:.2}", figure / seconds_of(limit)));
        let budget = self.budget.as_ref();
        let budget =
            budget.map(|(text, met)| if *met { format!("{text}: met") } else { format!("{text}: **missed**") });
        [
            self.what.trim_start().to_owned(),
            self.size.to_string(),
            self.shown.clone(),
            self.limit.map(seconds).unwrap_or_default(),
            ratio.unwrap_or_default(),
            budget.unwrap_or_default(),
        ]
    }
}

/// All figures of a run.
pub(crate) struct Table {
    rows: Vec<Row>,
}

impl Table {
    pub(crate) fn new() -> Self {
        Self { rows: Vec::new() }
    }

    /// Adds a row, and prints it: a run takes minutes.
    pub(crate) fn add(&mut self, row: Row) {
        let [_, size, shown, limit, ratio, budget] = row.cells();
        let limit = if limit.is_empty() { limit } else { format!("limit {limit}, ratio {ratio}") };
        println!("{:<58} {size:>6}  {shown:<28} {limit:<32} {budget}", row.what);
        self.rows.push(row);
    }

    /// How each figure grows from one size to the next: 1 is in proportion.
    pub(crate) fn print_exponents(&self) {
        for line in self.exponents() {
            println!("{line}");
        }
    }

    fn exponents(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (place, row) in self.rows.iter().enumerate() {
            let Some(figure) = row.figure else { continue };
            let later = self.rows[place + 1..].iter().find(|other| other.what == row.what && other.size > row.size);
            let Some((other, next)) = later.and_then(|other| Some((other, other.figure?))) else { continue };
            let exponent = (next / figure).ln() / (other.size as f64 / row.size as f64).ln();
            let what = row.what.trim_start();
            lines.push(format!("{what}: from {} to {} it grows with exponent {exponent:.2}", row.size, other.size));
        }
        lines
    }

    /// The page for the documentation.
    pub(crate) fn as_markdown(&self) -> Result<String> {
        let mut text = String::from("# Benchmarks\n\n");
        writeln!(
            text,
            "Written by `just bench` (`lockstep-bench`, a part of the test kit). Every time stands beside its limit: what a bare client"
        )?;
        writeln!(
            text,
            "reaches on the same servers in the same run. Counts of calls come from the API server's audit log.\n"
        )?;
        writeln!(text, "{}\n", machine())?;
        writeln!(text, "| figure | N | value | limit | ratio | budget |\n| --- | ---: | --- | --- | --- | --- |")?;
        for row in &self.rows {
            writeln!(text, "| {} |", row.cells().join(" | "))?;
        }
        writeln!(text, "\n## Growth\n")?;
        for line in self.exponents() {
            writeln!(text, "- {line}")?;
        }
        Ok(text)
    }
}

fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, model)| model);
    let memory = read("/proc/meminfo");
    let memory: u64 = memory.lines().next().and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0);
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    format!(
        "{}, Lockstep {} ({profile}), {cpus} cores of {model}, {} GiB; the control plane (Kubernetes 1.36, etcd) and Git on the same cores.",
        Timestamp::now().strftime("%Y-%m-%d"),
        env!("CARGO_PKG_VERSION"),
        memory / (1 << 20),
    )
}

pub(crate) fn told(calls: &Calls) -> String {
    let mut text = calls.len().to_string();
    for line in calls.to_string().lines() {
        let _ = write!(text, "; {}", line.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    text
}

pub(crate) fn seconds(time: Duration) -> String {
    match time.as_secs_f64() {
        short if short < 1.0 => format!("{:.1} ms", short * 1000.0),
        long => format!("{long:.2} s"),
    }
}

pub(crate) fn mebibytes(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "unknown".into(), |bytes| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)))
}

fn at(times: &[Duration], percent: usize) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get(times.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default()
}

pub(crate) fn middle(times: &[Duration]) -> Duration {
    at(times, 50)
}

pub(crate) fn last_percent(times: &[Duration]) -> Duration {
    at(times, 99)
}

pub(crate) fn spread(times: &[Duration]) -> String {
    let [p50, p99, max] = [50, 99, 100].map(|percent| seconds(at(times, percent)));
    format!("p50 {p50}, p99 {p99}, max {max} of {}", times.len())
}
