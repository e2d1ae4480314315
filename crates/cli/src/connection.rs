//! Calls to the daemons, and what to do when one does not answer as hoped.

use std::error::Error;
use std::time::Duration;

use camino::Utf8PathBuf;
use clap::Args;
use jiff::Timestamp;
use lockstep_api::seconds_and_nanos;
use lockstep_daemon::{AuthenticatedChannel, Endpoint, SecretFile, connect};
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

use crate::failure::Failure;
use crate::progress::Progress;

/// For calls that answer at once.
const TIMEOUT: Duration = Duration::from_secs(30);
/// So often another connection is tried when the daemon that answers stands by: behind one address there may be several,
/// and who takes over needs about two seconds.
const RETRIES: usize = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// Where the synchronizer is.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct SynchronizerArguments {
    /// The synchronizer: https://HOST:PORT, http:// on loopback, unix:/PATH
    #[arg(long, value_name = "ADDRESS", env = "LOCKSTEP_SERVER", default_value = "http://127.0.0.1:7410")]
    server: String,
    #[command(flatten)]
    credentials: CredentialArguments,
}

/// Where the automator is.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct AutomatorArguments {
    /// The automator: https://HOST:PORT, http:// on loopback, unix:/PATH
    #[arg(long, value_name = "ADDRESS", env = "LOCKSTEP_AUTOMATOR", default_value = "http://127.0.0.1:7400")]
    automator: String,
    #[command(flatten)]
    credentials: CredentialArguments,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
struct CredentialArguments {
    /// A file with the bearer token to show
    #[arg(long, value_name = "FILE", env = "LOCKSTEP_TOKEN_FILE")]
    token_file: Option<Utf8PathBuf>,
    /// A file with the authorities to trust instead of the system's, in PEM
    #[arg(long, value_name = "FILE", env = "LOCKSTEP_CA_FILE")]
    ca_file: Option<Utf8PathBuf>,
}

/// A daemon, and what to do when it cannot be called.
pub(crate) struct Peer {
    endpoint: Endpoint,
    name: &'static str,
    unreachable: &'static str,
    unknown: &'static str,
    forbidden: &'static str,
}

impl SynchronizerArguments {
    pub(crate) fn peer(&self) -> Peer {
        Peer {
            endpoint: self.credentials.endpoint(&self.server),
            name: "synchronizer",
            unreachable: "\
Say where it is with --server or LOCKSTEP_SERVER. If it runs in a cluster, open a way to it:
  kubectl -n lockstep port-forward service/lockstep-synchronizer 7410
and use --server https://localhost:7410 --ca-file CA --token-file TOKEN.",
            unknown: "\
Get a token that the cluster knows, and name its file with --token-file or LOCKSTEP_TOKEN_FILE:
  kubectl create token SERVICEACCOUNT > token",
            forbidden: "Reading needs the ClusterRole lockstep-viewer, everything else lockstep-operator: bind it to the token's account.",
        }
    }
}

impl AutomatorArguments {
    /// For calls that need this role.
    pub(crate) fn peer(&self, role: &'static str) -> Peer {
        Peer {
            endpoint: self.credentials.endpoint(&self.automator),
            name: "automator",
            unreachable: "\
Say where it is with --automator or LOCKSTEP_AUTOMATOR. If it runs in a cluster, open a way to it:
  kubectl -n lockstep port-forward service/lockstep-automator 7400
and use --automator https://localhost:7400 --ca-file CA --token-file TOKEN.",
            unknown: "\
Name a file with a token of the automator's tokens-file with --token-file or LOCKSTEP_TOKEN_FILE.",
            forbidden: match role {
                "release" => "The token needs the role release, and the folder, in the automator's tokens-file.",
                _ => "The token needs the role read in the automator's tokens-file.",
            },
        }
    }
}

impl CredentialArguments {
    fn endpoint(&self, address: &str) -> Endpoint {
        Endpoint {
            address: address.to_owned(),
            token_file: self.token_file.clone().map(SecretFile::new),
            ca_file: self.ca_file.clone(),
        }
    }
}

/// One call that answers at once.
pub(crate) fn ask<T>(
    peer: &Peer,
    doing: &str,
    call: impl AsyncFn(AuthenticatedChannel) -> Result<Response<T>, Status>,
) -> Result<T, Failure> {
    ask_within(peer, doing, TIMEOUT, call)
}

/// One call that may take so long.
pub(crate) fn ask_within<T>(
    peer: &Peer,
    doing: &str,
    limit: Duration,
    call: impl AsyncFn(AuthenticatedChannel) -> Result<Response<T>, Status>,
) -> Result<T, Failure> {
    run(async {
        let channel = peer.channel()?;
        let progress = Progress::new(format!("{doing} at the {}", peer.name));
        match progress.during(tokio::time::timeout(limit, peer.at_the_leader(channel, call))).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(peer.explain(doing, &status)),
            Err(_) => {
                let late = format!("{doing}: the {} at {} did not answer within {limit:?}", peer.name, peer.endpoint);
                let next = match limit {
                    TIMEOUT => peer.unreachable.to_owned(),
                    _ => format!("Wait longer with --timeout, if it can be reached:\n{}", peer.unreachable),
                };
                Err(Failure::error(late).next(next))
            }
        }
    })
}

/// Runs what needs the network, on this thread.
pub(crate) fn run<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::error(format!("cannot start: {error}")))?.block_on(work)
}

impl Peer {
    pub(crate) fn channel(&self) -> Result<AuthenticatedChannel, Failure> {
        connect(&self.endpoint).map_err(Failure::usage)
    }

    /// Makes a call, and makes it again on other connections while those who answer stand by.
    pub(crate) async fn at_the_leader<T>(
        &self,
        channel: AuthenticatedChannel,
        call: impl AsyncFn(AuthenticatedChannel) -> Result<Response<T>, Status>,
    ) -> Result<Response<T>, Status> {
        let mut answer = call(channel).await;
        for _ in 0..RETRIES {
            if answer.as_ref().err().and_then(leader).is_none() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
            let Ok(channel) = connect(&self.endpoint) else { break };
            answer = call(channel).await;
        }
        answer
    }

    /// A refused call, with what to do about it.
    pub(crate) fn explain(&self, doing: &str, status: &Status) -> Failure {
        let Self { endpoint, name, .. } = self;
        let said = status.message();
        if let Some(leader) = leader(status) {
            return Failure::error(format!("{doing}: the {name} at {endpoint}: {said}")).next(way_to(&leader));
        }
        match status.code() {
            Code::Unavailable => {
                let cause = innermost(status).unwrap_or_else(|| said.to_owned());
                Failure::error(format!("{doing}: cannot reach the {name} at {endpoint}: {cause}"))
                    .next(self.unreachable)
            }
            Code::Unauthenticated => {
                Failure::error(format!("{doing}: the {name} at {endpoint} does not know who asks: {said}"))
                    .next(self.unknown)
            }
            Code::PermissionDenied => {
                Failure::error(format!("{doing}: the {name} at {endpoint} refuses: {said}")).next(self.forbidden)
            }
            Code::Unimplemented => Failure::error(format!("{doing}: the {name} at {endpoint} cannot do that: {said}"))
                .next("Compare its version with that of lockstep version."),
            Code::NotFound | Code::InvalidArgument | Code::FailedPrecondition => {
                Failure::error(format!("{doing}: {said}"))
            }
            code => {
                let said = if said.is_empty() { code.description() } else { said };
                Failure::error(format!("{doing}: the {name} at {endpoint}: {said}"))
                    .next(format!("The {name}'s log may say more."))
            }
        }
    }
}

/// A point in time as it was received; none if it is out of this world.
pub(crate) fn time(timestamp: &prost_types::Timestamp) -> Option<Timestamp> {
    let (seconds, nanos) = seconds_and_nanos(timestamp);
    Timestamp::new(seconds, nanos).ok()
}

/// Who leads in place of the one that answered; empty when nobody knows, `None` when it is not about that.
fn leader(status: &Status) -> Option<String> {
    let info = status.get_details_error_info()?;
    (info.domain == "lockstep.dev" && info.reason == "STANDING_BY")
        .then(|| info.metadata.get("leader").cloned().unwrap_or_default())
}

/// How to reach the one that leads. A holder is called as its pod, with a mark of its own behind it.
fn way_to(leader: &str) -> String {
    match leader.rsplit_once('_') {
        Some((pod, _)) => format!(
            "\
Only the synchronizer that leads answers. Open a way to its pod:
  kubectl -n lockstep port-forward pod/{pod} 7410
and ask there."
        ),
        None => "\
Only the synchronizer that leads answers. See who that is, and open a way to its pod:
  kubectl -n lockstep get lease lockstep-synchronizer
  kubectl -n lockstep port-forward pod/POD 7410"
            .to_owned(),
    }
}

/// The cause of the cause, which is what the system said.
fn innermost(status: &Status) -> Option<String> {
    let mut cause = status.source()?;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    Some(cause.to_string())
}
