//! What plans and differences have in common: what is looked at, what is wrong with it, and what is held.

use std::fmt::Display;
use std::mem;
use std::time::Duration;

use camino::Utf8Path;
use clap::Args;
use lockstep_api::v1::{self, syncs_client::SyncsClient};
use lockstep_daemon::AuthenticatedChannel;
use lockstep_synchronizer::inspect::Folder;
use serde::Serialize;
use tonic::{Request, Response, Status};

use super::state::short;
use super::target::{FolderArguments, folder, located};
use super::trigger::positive;
use crate::connection::{SynchronizerArguments, ask_within, run};
use crate::failure::Failure;
use crate::output;
use crate::progress::Progress;

/// What is looked at, and how long that may take.
#[derive(Debug, Args)]
pub(super) struct LookArguments {
    /// A Sync, or a folder of manifests such as ./clusters/prod
    #[arg(value_name = "NAME|DIR")]
    target: String,
    /// The Sync's namespace
    #[arg(short, long, value_name = "NAMESPACE", env = "LOCKSTEP_NAMESPACE", default_value = "lockstep")]
    namespace: String,
    /// A commit of the Sync's branch, in 7 digits or more [default: the head of the branch]
    #[arg(long, value_name = "COMMIT", default_value = "", hide_default_value = true)]
    commit: String,
    /// How long to wait for the answer, such as 90s or 10m
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = positive)]
    timeout: Duration,
    #[command(flatten)]
    cluster: FolderArguments,
    #[command(flatten)]
    synchronizer: SynchronizerArguments,
}

impl LookArguments {
    /// Asks the synchronizer about a Sync, or looks at a folder `here`, where it is said too whether its Sync exists.
    pub(super) fn look<T, E: Display>(
        &self,
        doing: &str,
        ask: impl AsyncFn(SyncsClient<AuthenticatedChannel>) -> Result<Response<T>, Status>,
        here: impl AsyncFnOnce(Folder) -> Result<(T, bool), E>,
    ) -> Result<T, Failure> {
        let Self { namespace, target, timeout, .. } = self;
        let Some(path) = self.folder() else {
            let doing = format!("{doing} {namespace}/{target}");
            return ask_within(&self.synchronizer.peer(), &doing, *timeout, async |channel| {
                ask(SyncsClient::new(channel)).await
            });
        };
        if !self.commit.is_empty() {
            return Err(Failure::usage("--commit is for a Sync; a folder is looked at as it is"));
        }
        let doing = format!("{doing} {path}");
        let (answer, exists) = run(async {
            let look = here(self.cluster.open(path).await?);
            Progress::new(doing.clone())
                .during(tokio::time::timeout(*timeout, look))
                .await
                .map_err(|_| {
                    let late = Failure::error(format!("{doing} took longer than {timeout:?}"));
                    late.next("Wait longer with --timeout.")
                })?
                .map_err(|error| Failure::error(format!("{doing}: {error}")))
        })?;
        if !exists {
            output::note(&self.cluster.unknown_sync());
        }
        Ok(answer)
    }

    /// Namespace, name and commit of the Sync.
    pub(super) fn sync(&self) -> (String, String, String) {
        (self.namespace.clone(), self.target.clone(), self.commit.clone())
    }

    /// A request that says how long it is waited for.
    pub(super) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.timeout);
        request
    }

    /// A commit for people, or what stands in its place.
    pub(super) fn called(&self, commit: Option<&str>) -> String {
        commit.map_or_else(|| self.target.clone(), |commit| short(commit).to_owned())
    }

    /// Makes a file of the folder one that a person finds.
    pub(super) fn locate(&self, file: &mut String) {
        *file = located(self.folder(), mem::take(file));
    }

    pub(super) fn locate_problem(&self, problem: &mut Problem) {
        problem.file.iter_mut().for_each(|file| self.locate(file));
    }

    /// That deletions wait for a person, and how they are let go.
    pub(super) fn held(&self, held: &Held) -> Failure {
        Failure::held(held.sentence()).next(held.release(&self.namespace, &self.target))
    }

    fn folder(&self) -> Option<&Utf8Path> {
        folder(&self.target)
    }
}

#[derive(Serialize)]
pub(super) struct Problem {
    pub(super) object: Option<String>,
    pub(super) file: Option<String>,
    pub(super) line: Option<u32>,
    pub(super) message: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Held {
    pub(super) commit: String,
    pub(super) would_prune: u32,
    pub(super) reason: String,
    pub(super) objects: Vec<String>,
}

impl From<v1::Problem> for Problem {
    fn from(problem: v1::Problem) -> Self {
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        Self {
            object: some(problem.object),
            file: some(problem.file),
            line: Some(problem.line).filter(|line| *line > 0),
            message: problem.message,
        }
    }
}

impl From<v1::Held> for Held {
    fn from(held: v1::Held) -> Self {
        Self { commit: held.commit, would_prune: held.would_prune, reason: held.reason, objects: held.objects }
    }
}

impl Problem {
    fn sentence(&self) -> String {
        let place = match (&self.file, self.line) {
            (Some(file), Some(line)) => format!("{file}:{line}: "),
            (Some(file), None) => format!("{file}: "),
            (None, _) => String::new(),
        };
        let object = self.object.as_ref().map(|object| format!("{object}: ")).unwrap_or_default();
        // A message of the manifest crate may name the object by itself.
        if self.message.contains(object.trim_end_matches(": ")) {
            format!("{place}{}", self.message)
        } else {
            format!("{place}{object}{}", self.message)
        }
    }
}

/// That nothing of the commit can be applied, if there are problems.
pub(super) fn invalid(problems: &[Problem], of: &str) -> Result<(), Failure> {
    if problems.is_empty() {
        return Ok(());
    }
    Err(Failure::errors(problems.iter().map(Problem::sentence))
        .next(format!("Nothing of {of} would be applied. Correct it and look again.")))
}

/// Which objects the API server would refuse, and why.
pub(super) fn refused<'a>(objects: impl Iterator<Item = (&'a str, Option<&'a str>)>) -> Result<(), Failure> {
    let sentence = |(object, refusal): (&str, Option<&str>)| {
        Some(format!("{object}: the API server would refuse it: {}", refusal?))
    };
    let refused: Vec<String> = objects.filter_map(sentence).collect();
    if refused.is_empty() { Ok(()) } else { Err(Failure::errors(refused)) }
}

impl Held {
    /// What would be deleted, and why that waits.
    fn sentence(&self) -> String {
        let named = self.objects.join(", ");
        let more = (self.would_prune as usize).saturating_sub(self.objects.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let reason = if self.reason.is_empty() { "its deletions wait for a person" } else { &self.reason };
        if named.is_empty() { reason.to_owned() } else { format!("{reason}: {named}{more}") }
    }

    /// How a person lets it go.
    fn release(&self, namespace: &str, name: &str) -> String {
        if self.commit.is_empty() {
            return "Once it is a commit, it will wait for: lockstep acknowledge NAME --commit COMMIT".to_owned();
        }
        release(namespace, name, &self.commit)
    }
}

/// The command that lets the deletions of a commit go.
pub(super) fn release(namespace: &str, name: &str, commit: &str) -> String {
    format!("If the deletions are meant: lockstep acknowledge {name} -n {namespace} --commit {commit}")
}
