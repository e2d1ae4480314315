//! `sync`: a turn now, and what became of it.

use std::convert::Infallible;
use std::future;
use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;
use lockstep_api::v1::{Outcome, TriggerRequest, TriggerResponse, WatchRequest, syncs_client::SyncsClient};
use lockstep_daemon::{AuthenticatedChannel, ExitCode};
use lockstep_image::parse_duration;
use serde::Serialize;
use tonic::Code;

use super::look::release;
use super::state::{State, short};
use crate::connection::{Peer, SynchronizerArguments, ask, run};
use crate::failure::Failure;
use crate::output::{self, Format};
use crate::progress::Progress;

const EXAMPLES: &str = "\
Examples:
  lockstep sync shop
  lockstep sync shop -n lockstep --wait --timeout 5m
  lockstep sync shop --wait --commit $(git rev-parse HEAD)

With --wait: exit code 0 when the commit is applied and healthy, 1 when it could not be applied, 4 when it is not healthy \
in time, 5 when it is held or the Sync is suspended.";

/// `lockstep sync`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TriggerArguments {
    /// The Sync
    name: String,
    /// Its namespace
    #[arg(short, long, value_name = "NAMESPACE", env = "LOCKSTEP_NAMESPACE", default_value = "lockstep")]
    namespace: String,
    /// Wait until the commit is live, failed or held
    #[arg(long)]
    wait: bool,
    /// How long to wait, such as 90s or 10m
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = positive, requires = "wait")]
    timeout: Duration,
    /// Wait for this commit or a later one [default: the head of the branch]
    #[arg(long, value_name = "COMMIT", default_value = "", hide_default_value = true, requires = "wait")]
    commit: String,
    /// How to print what became of it
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
    #[command(flatten)]
    synchronizer: SynchronizerArguments,
}

pub(super) fn positive(text: &str) -> Result<Duration, String> {
    let span: SignedDuration = parse_duration(text).map_err(|error| error.to_string())?;
    Duration::try_from(span).ok().filter(|span| !span.is_zero()).ok_or_else(|| "it must be longer than nothing".into())
}

#[derive(Serialize)]
struct Report<'a> {
    outcome: String,
    state: &'a State,
}

impl TriggerArguments {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let peer = self.synchronizer.peer();
        let request = TriggerRequest {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            wait: self.wait,
            commit: self.commit.clone(),
        };
        let doing = format!("syncing {}/{}", self.namespace, self.name);
        let answer = if self.wait {
            run(wait(&peer, &doing, request, self.timeout))?
        } else {
            ask(&peer, &doing, async |channel| SyncsClient::new(channel).trigger(request.clone()).await)?
        };
        let outcome = answer.outcome();
        let state = State::from(answer.state.unwrap_or_default());
        match self.output.structured() {
            Some(structured) => {
                output::structured(structured, &Report { outcome: outcome.to_string(), state: &state })?
            }
            None => {
                if let Some(sentence) = success(outcome, &state, &self.name) {
                    output::line(&sentence)?;
                }
            }
        }
        self.judge(outcome, &state)
    }

    fn judge(&self, outcome: Outcome, state: &State) -> Result<ExitCode, Failure> {
        let Self { namespace, name, .. } = self;
        let sync = format!("Sync {namespace}/{name}");
        let message = if state.message().is_empty() { "it does not say why" } else { state.message() };
        match outcome {
            Outcome::Started | Outcome::Ready => Ok(ExitCode::Done),
            Outcome::Failed => Err(Failure::error(format!("{sync} failed: {message}")).next(format!(
                "Correct the commit and push, or look closer: kubectl -n {namespace} describe sync {name}"
            ))),
            Outcome::Unhealthy => Err(Failure::unhealthy(format!("{sync}: {message}")).next(format!(
                "It is applied ({}/{} objects healthy); look closer: kubectl -n {namespace} describe sync {name}",
                state.objects.healthy, state.objects.total
            ))),
            Outcome::Held => {
                let commit = state.held.as_ref().map_or("COMMIT", |held| held.commit.as_str());
                Err(Failure::held(format!("{sync}: {message}")).next(release(namespace, name, commit)))
            }
            Outcome::Suspended => Err(Failure::held(format!("{sync} is suspended, so nothing was done"))
                .next(format!("To resume it: lockstep resume {name} -n {namespace}"))),
            Outcome::Unspecified => Err(Failure::error(format!("{sync}: the synchronizer gave an unknown outcome"))
                .next("Compare its version with that of lockstep version.")),
        }
    }
}

fn success(outcome: Outcome, state: &State, name: &str) -> Option<String> {
    match outcome {
        Outcome::Started => Some(format!("sync/{name} started")),
        Outcome::Ready => Some(format!(
            "sync/{name} ready at {} ({}/{} objects healthy)",
            short(state.applied_commit.as_deref().unwrap_or("no commit")),
            state.objects.healthy,
            state.objects.total
        )),
        _ => None,
    }
}

/// Waits for the end of the turn, and says meanwhile how far it is.
async fn wait(
    peer: &Peer,
    doing: &str,
    request: TriggerRequest,
    timeout: Duration,
) -> Result<TriggerResponse, Failure> {
    let channel = peer.channel()?;
    let progress = Progress::new(doing);
    let (namespace, name) = (request.namespace.clone(), request.name.clone());
    let watching = WatchRequest { namespace: namespace.clone(), name: name.clone() };
    let followed = follow(channel.clone(), watching, doing, &progress);
    let trigger = async |channel| SyncsClient::new(channel).trigger(request.clone()).await;
    let turn = tokio::time::timeout(timeout, peer.at_the_leader(channel, trigger));
    let answer = progress.during(async {
        tokio::select! {
            answer = turn => answer,
            never = followed => match never {},
        }
    });
    match answer.await {
        Ok(Ok(answer)) => Ok(answer.into_inner()),
        Ok(Err(status)) if status.code() != Code::DeadlineExceeded => Err(peer.explain(doing, &status)),
        _ => Err(Failure::unhealthy(format!("Sync {namespace}/{name} did not end its turn within {timeout:?}")).next(
            format!("Look at it with: lockstep get syncs {name} -n {namespace} -o wide; or wait longer with --timeout"),
        )),
    }
}

/// Tells each state that the watch brings. Without a watch there is less to tell, and no more harm.
async fn follow(channel: AuthenticatedChannel, request: WatchRequest, doing: &str, progress: &Progress) -> Infallible {
    if let Ok(answer) = SyncsClient::new(channel).watch(request).await {
        let mut states = answer.into_inner();
        while let Ok(Some(state)) = states.message().await {
            let state = State::from(state);
            let objects = &state.objects;
            let commit = short(state.applied_commit.as_deref().unwrap_or("nothing"));
            progress.tell(&format!(
                "{doing}: {commit} applied, {}/{} healthy; {}",
                objects.healthy,
                objects.total,
                state.message()
            ));
        }
    }
    future::pending().await
}
