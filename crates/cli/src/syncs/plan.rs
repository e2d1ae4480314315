//! `plan`: what a turn would do, object by object.

use std::collections::BTreeMap;

use anstyle::Style;
use clap::{Args, ValueEnum};
use lockstep_api::v1::{self, PlanRequest, PlanResponse};
use lockstep_daemon::ExitCode;
use lockstep_synchronizer::inspect::PlanOptions;
use serde::Serialize;

use super::look::{Held, LookArguments, Problem, invalid, refused};
use crate::failure::Failure;
use crate::output::{self, BAD, Cell, DOUBTFUL, GOOD, ListFormat, Table};

const EXAMPLES: &str = "\
Examples:
  lockstep plan shop
  lockstep plan shop --commit 3f2a91c --dry-run=server
  lockstep plan ./clusters/prod --sync lockstep/shop --exit-code

A name is a Sync, planned by the synchronizer at a commit of its branch; a folder is written with a slash and is planned \
here, with the rights of the kubeconfig. Nothing is changed. With --exit-code: exit code 3 when something would change, \
5 when its deletions would wait for a person.";

/// Verbs in the order in which they are told, and whether they change something.
const VERBS: [(&str, bool, Style); 11] = [
    ("create", true, GOOD),
    ("update", true, DOUBTFUL),
    ("replace", true, BAD),
    ("adopt", true, DOUBTFUL),
    ("prune", true, BAD),
    ("release", true, DOUBTFUL),
    ("drifted", false, DOUBTFUL),
    ("blocked", false, BAD),
    ("skip", false, Style::new()),
    ("leave", false, Style::new()),
    ("unchanged", false, Style::new()),
];

/// `lockstep plan`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PlanArguments {
    /// Whether the API server tries every apply without making it
    #[arg(long, value_enum, value_name = "WHERE", default_value_t = DryRun::None)]
    dry_run: DryRun,
    /// List the objects too that stay as they are
    #[arg(long)]
    all: bool,
    /// Tell by the exit code whether something would change
    #[arg(long)]
    exit_code: bool,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t = ListFormat::Table)]
    output: ListFormat,
    #[command(flatten)]
    look: LookArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DryRun {
    /// Nowhere
    None,
    /// At the API server, admission and all
    Server,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Plan {
    commit: Option<String>,
    suspended: bool,
    counts: BTreeMap<String, u32>,
    steps: Vec<Step>,
    left_out: u32,
    held: Option<Held>,
    problems: Vec<Problem>,
}

#[derive(Serialize)]
struct Step {
    verb: String,
    object: String,
    group: String,
    reason: Option<String>,
    file: Option<String>,
    line: Option<u32>,
    refusal: Option<String>,
}

impl PlanArguments {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let (dry_run, all) = (self.dry_run == DryRun::Server, self.all);
        let answer = self.look.look(
            "planning",
            async |mut syncs| {
                let (namespace, name, commit) = self.look.sync();
                syncs.plan(self.look.request(PlanRequest { namespace, name, commit, dry_run, all })).await
            },
            async |folder| folder.plan(PlanOptions { dry_run, all }).await,
        )?;
        let mut plan = Plan::from(answer);
        for file in plan.steps.iter_mut().filter_map(|step| step.file.as_mut()) {
            self.look.locate(file);
        }
        plan.problems.iter_mut().for_each(|problem| self.look.locate_problem(problem));
        let name = self.look.called(plan.commit.as_deref());
        match self.output.structured() {
            Some(structured) => output::structured(structured, &plan)?,
            None if plan.problems.is_empty() => plan.print(&name, self.output == ListFormat::Wide)?,
            None => {}
        }
        invalid(&plan.problems, &name)?;
        refused(plan.steps.iter().map(|step| (step.object.as_str(), step.refusal.as_deref())))?;
        if let Some(held) = &plan.held {
            let failure = self.look.held(held);
            if self.exit_code {
                return Err(failure);
            }
            output::failure(&failure);
        }
        Ok(if self.exit_code && plan.changes() { ExitCode::Differences } else { ExitCode::Done })
    }
}

impl From<PlanResponse> for Plan {
    fn from(answer: PlanResponse) -> Self {
        Self {
            commit: Some(answer.commit).filter(|commit| !commit.is_empty()),
            suspended: answer.suspended,
            counts: answer.counts.into_iter().collect(),
            steps: answer.steps.into_iter().map(Step::from).collect(),
            left_out: answer.left_out,
            held: answer.held.map(Held::from),
            problems: answer.problems.into_iter().map(Problem::from).collect(),
        }
    }
}

impl From<v1::PlanStep> for Step {
    fn from(step: v1::PlanStep) -> Self {
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        Self {
            verb: step.verb,
            object: step.object,
            group: step.group,
            reason: some(step.reason),
            file: some(step.file),
            line: Some(step.line).filter(|line| *line > 0),
            refusal: some(step.refusal),
        }
    }
}

impl Plan {
    fn changes(&self) -> bool {
        VERBS.iter().any(|(verb, changes, _)| *changes && self.counts.get(*verb).is_some_and(|count| *count > 0))
    }

    fn print(&self, name: &str, wide: bool) -> Result<(), Failure> {
        if !self.steps.is_empty() {
            let group: &[&str] = if wide { &["GROUP"] } else { &[] };
            let header = ["ACTION", "OBJECT"].iter().chain(group).chain(&["PLACE", "WHY"]);
            let mut table = Table::new(header.copied());
            for step in &self.steps {
                let mut row: Vec<Cell> =
                    vec![Cell::styled(step.verb.as_str(), style(&step.verb)), step.object.as_str().into()];
                if wide {
                    row.push(step.group.as_str().into());
                }
                let line = step.line.map(|line| format!(":{line}")).unwrap_or_default();
                row.push(step.file.as_ref().map(|file| format!("{file}{line}")).unwrap_or_default().into());
                row.push(match &step.refusal {
                    Some(refusal) => Cell::styled(format!("refused: {refusal}"), BAD),
                    None => step.reason.clone().unwrap_or_default().into(),
                });
                table.row(row);
            }
            output::table(&table)?;
        }
        if self.left_out > 0 {
            output::note(&format!("{} more steps are not listed", self.left_out));
        }
        if self.suspended {
            output::note("the Sync is suspended: nothing of this happens before it is resumed");
        }
        output::line(&format!("{name}: {}", self.summary()))
    }

    fn summary(&self) -> String {
        let count = |verb: &str| self.counts.get(verb).copied().unwrap_or_default();
        let known = VERBS.iter().map(|(verb, ..)| (*verb).to_owned());
        let others = self.counts.keys().filter(|verb| VERBS.iter().all(|(known, ..)| known != verb)).cloned();
        let told: Vec<String> =
            known.chain(others).filter(|verb| count(verb) > 0).map(|verb| format!("{} {verb}", count(&verb))).collect();
        if told.is_empty() { "nothing to do".to_owned() } else { told.join(", ") }
    }
}

pub(super) fn style(verb: &str) -> Style {
    VERBS.iter().find(|(known, ..)| *known == verb).map_or(Style::new(), |(_, _, style)| *style)
}
