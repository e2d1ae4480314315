//! `suspend`, `resume`, `acknowledge`: what a person asks of a Sync.

use clap::Args;
use lockstep_api::v1::{AcknowledgeRequest, ResumeRequest, SuspendRequest, syncs_client::SyncsClient};
use lockstep_daemon::ExitCode;

use super::state::short;
use crate::connection::{SynchronizerArguments, ask};
use crate::failure::Failure;
use crate::output;

const SUSPEND_EXAMPLES: &str = "\
Examples:
  lockstep suspend shop
  lockstep suspend shop -n apps

It sets spec.suspend of the Sync: from then on nothing is fetched, applied, repaired or pruned. A turn in hand is finished.";

const RESUME_EXAMPLES: &str = "\
Examples:
  lockstep resume shop
  lockstep resume shop && lockstep sync shop --wait";

const ACKNOWLEDGE_EXAMPLES: &str = "\
Examples:
  lockstep plan shop
  lockstep acknowledge shop --commit 3f2a91c

It lets the deletions of the held commit go, of that commit and of no other. See first what they are: lockstep plan NAME.";

/// Which Sync.
#[derive(Debug, Args)]
struct Sync {
    /// The Sync
    name: String,
    /// Its namespace
    #[arg(short, long, value_name = "NAMESPACE", env = "LOCKSTEP_NAMESPACE", default_value = "lockstep")]
    namespace: String,
    #[command(flatten)]
    synchronizer: SynchronizerArguments,
}

/// `lockstep suspend`.
#[derive(Debug, Args)]
#[command(after_help = SUSPEND_EXAMPLES)]
pub(crate) struct SuspendArguments {
    #[command(flatten)]
    sync: Sync,
}

/// `lockstep resume`.
#[derive(Debug, Args)]
#[command(after_help = RESUME_EXAMPLES)]
pub(crate) struct ResumeArguments {
    #[command(flatten)]
    sync: Sync,
}

/// `lockstep acknowledge`.
#[derive(Debug, Args)]
#[command(after_help = ACKNOWLEDGE_EXAMPLES)]
pub(crate) struct AcknowledgeArguments {
    /// The held commit, in 7 digits or more
    #[arg(long, value_name = "COMMIT")]
    commit: String,
    #[command(flatten)]
    sync: Sync,
}

impl SuspendArguments {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let Sync { name, namespace, synchronizer } = self.sync;
        let request = SuspendRequest { namespace: namespace.clone(), name: name.clone() };
        let doing = format!("suspending {namespace}/{name}");
        let answer = ask(&synchronizer.peer(), &doing, async |channel| {
            SyncsClient::new(channel).suspend(request.clone()).await
        })?;
        tell(&format!("sync/{name} suspended"), &answer.warning)
    }
}

impl ResumeArguments {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let Sync { name, namespace, synchronizer } = self.sync;
        let request = ResumeRequest { namespace: namespace.clone(), name: name.clone() };
        let doing = format!("resuming {namespace}/{name}");
        let answer =
            ask(&synchronizer.peer(), &doing, async |channel| SyncsClient::new(channel).resume(request.clone()).await)?;
        tell(&format!("sync/{name} resumed"), &answer.warning)
    }
}

impl AcknowledgeArguments {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let Sync { name, namespace, synchronizer } = self.sync;
        let request = AcknowledgeRequest { namespace: namespace.clone(), name: name.clone(), commit: self.commit };
        let doing = format!("acknowledging a commit of {namespace}/{name}");
        let answer = ask(&synchronizer.peer(), &doing, async |channel| {
            SyncsClient::new(channel).acknowledge(request.clone()).await
        })?;
        let (commit, count) = (short(&answer.commit), answer.would_prune);
        tell(&format!("sync/{name} acknowledged {commit}: {count} objects that left Git are deleted now"), "")
    }
}

fn tell(done: &str, warning: &str) -> Result<ExitCode, Failure> {
    output::line(done)?;
    if !warning.is_empty() {
        output::note(warning);
    }
    Ok(ExitCode::Done)
}
