//! `release`, `lock`, `unlock`, `automate`, `deautomate`, `policy set`: commits that the automator makes in a person's name.

use clap::{Args, Subcommand};
use lockstep_api::v1::change_request::Change;
use lockstep_api::v1::updates_client::UpdatesClient;
use lockstep_api::v1::{self, ChangeRequest, ChangeResponse};
use lockstep_daemon::ExitCode;
use serde::Serialize;

use crate::connection::{AutomatorArguments, ask};
use crate::failure::Failure;
use crate::output::{self, Format};
use crate::subject::SubjectArguments;

const RELEASE_EXAMPLES: &str = "\
Examples:
  lockstep release shop/deployment/web 1.4.3
  lockstep release shop/deployment/web 1.4.1 -c web
  lockstep release shop/deployment/web 1.4.3 --force

The registry must have the tag. An older one than the present is a step back: what was there does not come back by itself.";

const LOCK_EXAMPLES: &str = "\
Examples:
  lockstep lock shop/deployment/web --reason 'audit until May'
  lockstep lock shop/statefulset/db -c db --reason 'waits for the migration'";

const UNLOCK_EXAMPLES: &str = "\
Examples:
  lockstep unlock shop/deployment/web
  lockstep unlock shop/statefulset/db -c db";

const AUTOMATE_EXAMPLES: &str = "\
Examples:
  lockstep policy set shop/deployment/web 'semver:~1.4'
  lockstep automate shop/deployment/web";

const DEAUTOMATE_EXAMPLES: &str = "\
Examples:
  lockstep deautomate shop/deployment/web
  lockstep deautomate shop/deployment/web -c proxy";

const POLICY_EXAMPLES: &str = "\
Examples:
  lockstep policy set shop/deployment/web 'semver:~1.4'
  lockstep policy set shop/deployment/web 'glob:main-*' -c web";

/// What is common to all of them.
#[derive(Debug, Args)]
struct Common {
    /// How to print the commit
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
    #[command(flatten)]
    automator: AutomatorArguments,
}

/// `lockstep release`.
#[derive(Debug, Args)]
#[command(after_help = RELEASE_EXAMPLES)]
pub(crate) struct ReleaseArguments {
    #[command(flatten)]
    subject: SubjectArguments,
    /// The tag
    tag: String,
    /// Also where it is locked, lacks the signature or a platform that is asked for
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    common: Common,
}

/// `lockstep lock`.
#[derive(Debug, Args)]
#[command(after_help = LOCK_EXAMPLES)]
pub(crate) struct LockArguments {
    #[command(flatten)]
    subject: SubjectArguments,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    common: Common,
}

/// `lockstep unlock`.
#[derive(Debug, Args)]
#[command(after_help = UNLOCK_EXAMPLES)]
pub(crate) struct UnlockArguments {
    #[command(flatten)]
    subject: SubjectArguments,
    #[command(flatten)]
    common: Common,
}

/// `lockstep automate`.
#[derive(Debug, Args)]
#[command(after_help = AUTOMATE_EXAMPLES)]
pub(crate) struct AutomateArguments {
    #[command(flatten)]
    subject: SubjectArguments,
    #[command(flatten)]
    common: Common,
}

/// `lockstep deautomate`.
#[derive(Debug, Args)]
#[command(after_help = DEAUTOMATE_EXAMPLES)]
pub(crate) struct DeautomateArguments {
    #[command(flatten)]
    subject: SubjectArguments,
    #[command(flatten)]
    common: Common,
}

/// `lockstep policy`.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyVerb {
    /// Write the policy of an object or of one container
    Set(PolicyArguments),
}

/// `lockstep policy set`.
#[derive(Debug, Args)]
#[command(after_help = POLICY_EXAMPLES)]
pub(crate) struct PolicyArguments {
    #[command(flatten)]
    subject: SubjectArguments,
    /// semver:RANGE, calver:FORMAT, glob:PATTERN, regexp:RE, numerical:RE, alphabetical:RE or digest:TAG
    policy: String,
    #[command(flatten)]
    common: Common,
}

pub(crate) const POLICY_VERB_EXAMPLES: &str = POLICY_EXAMPLES;

impl ReleaseArguments {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let Self { subject, tag, force, common } = self;
        let doing = format!("releasing {tag}");
        common.ask(&subject, &doing, Change::Release(v1::Release { tag, force }))
    }
}

impl LockArguments {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let Self { subject, reason, common } = self;
        common.ask(&subject, "locking", Change::Lock(v1::Lock { reason }))
    }
}

impl UnlockArguments {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        self.common.ask(&self.subject, "unlocking", Change::Unlock(v1::Unlock {}))
    }
}

impl AutomateArguments {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        self.common.ask(&self.subject, "automating", Change::Automate(v1::Automate {}))
    }
}

impl DeautomateArguments {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        self.common.ask(&self.subject, "deautomating", Change::Deautomate(v1::Deautomate {}))
    }
}

impl PolicyVerb {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let Self::Set(PolicyArguments { subject, policy, common }) = self;
        common.ask(&subject, "setting the policy", Change::SetPolicy(v1::SetPolicy { policy }))
    }
}

#[derive(Serialize)]
struct Report {
    repository: String,
    branch: String,
    commit: Option<String>,
    summary: String,
    requested: bool,
}

impl Common {
    fn ask(&self, subject: &SubjectArguments, doing: &str, change: Change) -> Result<ExitCode, Failure> {
        let request = ChangeRequest { subject: Some(subject.subject()), change: Some(change) };
        let doing = format!("{doing} ({})", subject.name());
        let answer = ask(&self.automator.peer("release"), &doing, async |channel| {
            UpdatesClient::new(channel).change(request.clone()).await
        })?;
        let ChangeResponse { repository, branch, commit, summary, requested } = answer;
        let commit = Some(commit).filter(|commit| !commit.is_empty());
        let report = Report { repository, branch, commit, summary, requested };
        match (self.output.structured(), &report.commit) {
            (Some(structured), _) => output::structured(structured, &report)?,
            (None, Some(commit)) => {
                let Report { summary, branch, repository, .. } = &report;
                output::line(&format!("{summary}: commit {commit} on {branch} of {repository}"))?;
            }
            (None, None) if report.requested => {
                output::line(&format!("{}: a change request is open for it", report.summary))?;
            }
            (None, None) => output::note(&format!("{}: it is so already, nothing was committed", report.summary)),
        }
        Ok(ExitCode::Done)
    }
}
