//! Calls to the daemons, and what to do when one does not answer as hoped.

use std::error::Error;
use std::time::Duration;

use camino::Utf8PathBuf;
use clap::Args;
use jiff::Timestamp;
use lockstep_api::seconds_and_nanos;
use lockstep_daemon::{AuthenticatedChannel, Endpoint, SecretFile, connect};
use tonic::{Code, Response, Status};

use crate::failure::Failure;
use crate::progress::Progress;

/// For calls that answer at once.
const TIMEOUT: Duration = Duration::from_secs(30);

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
    call: impl AsyncFnOnce(AuthenticatedChannel) -> Result<Response<T>, Status>,
) -> Result<T, Failure> {
    ask_within(peer, doing, TIMEOUT, call)
}

/// One call that may take so long.
pub(crate) fn ask_within<T>(
    peer: &Peer,
    doing: &str,
    limit: Duration,
    call: impl AsyncFnOnce(AuthenticatedChannel) -> Result<Response<T>, Status>,
) -> Result<T, Failure> {
    run(async {
        let channel = peer.channel()?;
        let progress = Progress::new(format!("{doing} at the {}", peer.name));
        match progress.during(tokio::time::timeout(limit, call(channel))).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(peer.explain(doing, &status)),
            Err(_) => Err(Failure::error(format!(
                "{doing}: the {} at {} did not answer within {limit:?}",
                peer.name, peer.endpoint
            ))
            .next(peer.unreachable)),
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

    /// A refused call, with what to do about it.
    pub(crate) fn explain(&self, doing: &str, status: &Status) -> Failure {
        let Self { endpoint, name, .. } = self;
        let said = status.message();
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

/// The cause of the cause, which is what the system said.
fn innermost(status: &Status) -> Option<String> {
    let mut cause = status.source()?;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    Some(cause.to_string())
}
