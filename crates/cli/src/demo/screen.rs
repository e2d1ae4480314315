//! What the audience sees: one line for each step, and a sign of life while it lasts.

use std::future::Future;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};

use lockstep_testkit::Told;

use crate::output::{BAD, GOOD, harmless};
use crate::progress::Progress;

const DIM: Style = AnsiColor::BrightBlack.on_default();

/// How often a step that lasts says so where no line can move.
const HEARTBEAT: Duration = Duration::from_secs(10);

const TITLE: usize = 22;

/// Standard output of the demo.
pub(super) struct Screen {
    steps: usize,
    played: Duration,
    prepared: Duration,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self { steps: 0, played: Duration::ZERO, prepared: Duration::ZERO }
    }

    /// How many steps of the story happened, and how long they took.
    pub(super) fn played(&self) -> (usize, Duration) {
        (self.steps, self.played)
    }

    /// How long everything before the story took.
    pub(super) fn prepared(&self) -> Duration {
        self.prepared
    }

    /// What must be there before the story begins.
    pub(super) async fn prepare<T>(
        &mut self,
        title: &str,
        work: impl Future<Output = anyhow::Result<(T, String)>>,
    ) -> anyhow::Result<T> {
        let start = Instant::now();
        let (value, what) = lasting(title, work).await?;
        let took = start.elapsed();
        self.prepared += took;
        entry(None, title, took, &Told { what, evidence: Vec::new() })?;
        Ok(value)
    }

    /// A step of the story.
    pub(super) async fn step<T>(
        &mut self,
        title: &str,
        work: impl Future<Output = anyhow::Result<(T, Told)>>,
    ) -> anyhow::Result<T> {
        let start = Instant::now();
        let number = self.steps + 1;
        let (value, told) = lasting(title, work)
            .await
            .map_err(|error| error.context(format!("step {number}, {title}, did not happen")))?;
        let took = start.elapsed();
        self.steps = number;
        self.played += took;
        entry(Some(number), title, took, &told)?;
        Ok(value)
    }

    /// Something that is no step.
    #[allow(clippy::unused_self, reason = "whoever shows that it lasts must have the screen")]
    pub(super) async fn waiting<T>(&mut self, title: &str, work: impl Future<Output = T>) -> T {
        lasting(title, work).await
    }

    /// Lines as they are.
    #[allow(clippy::unused_self, reason = "whoever prints must have the screen")]
    pub(super) fn lines(&mut self, text: &str) -> io::Result<()> {
        let mut stdout = anstream::stdout().lock();
        writeln!(stdout, "{}", harmless(text))?;
        stdout.flush()
    }
}

fn entry(number: Option<usize>, title: &str, took: Duration, told: &Told) -> io::Result<()> {
    let mut stdout = anstream::stdout().lock();
    let number = number.map_or("·".to_owned(), |number| number.to_string());
    let seconds = took.as_secs_f64();
    let bold = Style::new().bold();
    let what = harmless(&told.what);
    writeln!(stdout, "{GOOD}{number:>3}{GOOD:#}  {bold}{title:<TITLE$}{bold:#} {DIM}{seconds:>7.2} s{DIM:#}  {what}")?;
    for line in &told.evidence {
        let style = match line.chars().next() {
            Some('+') => GOOD,
            Some('-') => BAD,
            _ => DIM,
        };
        writeln!(stdout, "{:38}{style}{}{style:#}", "", harmless(line))?;
    }
    stdout.flush()
}

/// Waits for `work`. From the first second on a terminal shows that something is being done; where
/// there is none, a line says so now and then.
async fn lasting<T>(title: &str, work: impl Future<Output = T>) -> T {
    let start = Instant::now();
    let heartbeat = async {
        if io::stderr().is_terminal() {
            return std::future::pending::<()>().await;
        }
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            let _ = writeln!(io::stderr(), "     {title}: {} s", start.elapsed().as_secs());
        }
    };
    let progress = Progress::new(title);
    tokio::select! {
        done = progress.during(work) => done,
        () = heartbeat => std::future::pending().await,
    }
}
