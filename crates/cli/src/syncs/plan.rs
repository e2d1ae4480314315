//! `plan`: what a turn would do, object by object.

use std::collections::BTreeMap;
use std::time::Duration;

use anstyle::Style;
use clap::{Args, ValueEnum};
use lockstep_api::v1::{self, PlanRequest, PlanResponse, syncs_client::SyncsClient};
use lockstep_daemon::ExitCode;
use lockstep_synchronizer::inspect::PlanOptions;
use serde::Serialize;
use tonic::Request;

use super::look::{Held, Problem, called, invalid};
use super::target::{FolderArguments, folder, located};
use super::trigger::positive;
use crate::connection::{SynchronizerArguments, ask_within, run};
use crate::failure::Failure;
use crate::output::{self, BAD, Cell, DOUBTFUL, GOOD, ListFormat, Table};
use crate::progress::Progress;

const EXAMPLES: &str = "\
Examples:
  lockstep plan shop
  lockstep plan shop --commit 3f2a91c --dry-run=server
  lockstep plan ./clusters/prod --sync lockstep/shop --exit-code

A name is a Sync, planned by the synchronizer at a commit of its branch; a folder is written with a slash and is planned
here, with the rights of the kubeconfig. Nothing is changed. With --exit-code: exit code 3 when something would change,
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
    /// A Sync, or a folder of manifests such as ./clusters/prod
    #[arg(value_name = "NAME|DIR")]
    target: String,
    /// The Sync's namespace
    #[arg(short, long, value_name = "NAMESPACE", env = "LOCKSTEP_NAMESPACE", default_value = "lockstep")]
    namespace: String,
    /// A commit of the Sync's branch, in 7 digits or more [default: the head of the branch]
    #[arg(long, value_name = "COMMIT", default_value = "", hide_default_value = true)]
    commit: String,
    /// Whether the API server tries every apply without making it
    #[arg(long, value_enum, value_name = "WHERE", default_value_t = DryRun::None)]
    dry_run: DryRun,
    /// List the objects too that stay as they are
    #[arg(long)]
    all: bool,
    /// Tell by the exit code whether something would change
    #[arg(long)]
    exit_code: bool,
    /// How long to wait for the plan, such as 90s or 10m
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = positive)]
    timeout: Duration,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t = ListFormat::Table)]
    output: ListFormat,
    #[command(flatten)]
    folder: FolderArguments,
    #[command(flatten)]
    synchronizer: SynchronizerArguments,
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
        let mut answer = match folder(&self.target) {
            Some(path) => run(self.plan_folder(path))?,
            None => self.ask()?,
        };
        let place = folder(&self.target);
        for file in
            answer.steps.iter_mut().map(|step| &mut step.file).chain(answer.problems.iter_mut().map(|it| &mut it.file))
        {
            *file = located(place, std::mem::take(file));
        }
        let plan = Plan::from(answer);
        let name = called(plan.commit.as_deref().unwrap_or_default(), &self.target);
        match self.output.structured() {
            Some(structured) => output::structured(structured, &plan)?,
            None if plan.problems.is_empty() => plan.print(&name, self.output == ListFormat::Wide)?,
            None => {}
        }
        self.judge(&plan, &name)
    }

    fn ask(&self) -> Result<PlanResponse, Failure> {
        let Self { namespace, target, .. } = self;
        let request = PlanRequest {
            namespace: namespace.clone(),
            name: target.clone(),
            commit: self.commit.clone(),
            dry_run: self.dry_run == DryRun::Server,
            all: self.all,
        };
        let doing = format!("planning {namespace}/{target}");
        ask_within(&self.synchronizer.peer(), &doing, self.timeout, async |channel| {
            let mut request = Request::new(request.clone());
            request.set_timeout(self.timeout);
            SyncsClient::new(channel).plan(request).await
        })
    }

    async fn plan_folder(&self, path: &camino::Utf8Path) -> Result<PlanResponse, Failure> {
        if !self.commit.is_empty() {
            return Err(Failure::usage("--commit is for a Sync; a folder is planned as it is"));
        }
        let options = PlanOptions { dry_run: self.dry_run == DryRun::Server, all: self.all };
        let plan = self.folder.open(path).await?.plan(options);
        let progress = Progress::new(format!("planning {path}"));
        let (answer, exists) = progress
            .during(tokio::time::timeout(self.timeout, plan))
            .await
            .map_err(|_| Failure::error(format!("planning {path} took longer than {:?}", self.timeout)))?
            .map_err(|error| Failure::error(format!("planning {path}: {error}")))?;
        if !exists {
            output::note(&self.folder.unknown_sync());
        }
        Ok(answer)
    }

    fn judge(&self, plan: &Plan, name: &str) -> Result<ExitCode, Failure> {
        if !plan.problems.is_empty() {
            return Err(invalid(&plan.problems, name));
        }
        let refused: Vec<String> = plan
            .steps
            .iter()
            .filter_map(|step| {
                Some(format!("{}: the API server would refuse it: {}", step.object, step.refusal.as_ref()?))
            })
            .collect();
        if !refused.is_empty() {
            return Err(Failure::errors(refused));
        }
        if let Some(held) = &plan.held {
            let failure = Failure::held(held.sentence()).next(held.release(&self.namespace, &self.target));
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
