//! The verbs, and what each one is called with.

use std::ffi::OsString;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use lockstep_daemon::ExitCode;

use crate::changes::{
    AutomateArguments, DeautomateArguments, LockArguments, POLICY_VERB_EXAMPLES, PolicyVerb, ReleaseArguments,
    UnlockArguments,
};
use crate::failure::Failure;
use crate::health::HealthArguments;
use crate::history::HistoryArguments;
use crate::images::{ExplainArguments, FolderArguments, ListArguments, SelectArguments, SetArguments};
use crate::output::{self, Format};
use crate::render::RenderArguments;
use crate::syncs::{
    AcknowledgeArguments, DiffArguments, DriftArguments, GetArguments, PlanArguments, ResumeArguments,
    SuspendArguments, TriggerArguments,
};

const PROGRAM: &str = "lockstep";

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 error; 2 usage; 3 differences found; 4 not healthy (in time); 5 held, a person is needed.
Colour and progress appear on a terminal only; NO_COLOR turns colour off.";

/// Images, Git and clusters in lockstep.
#[derive(Debug, Parser)]
#[command(name = PROGRAM, version, after_help = EXIT_CODES, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show what the daemons know
    #[command(subcommand, after_help = GET_EXAMPLES)]
    Get(Get),
    /// Start a turn of a Sync now, and wait for its end if asked to
    Sync(TriggerArguments),
    /// Show what a turn would do with a commit or a folder, object by object
    Plan(PlanArguments),
    /// Show what a turn would change, field by field
    Diff(DiffArguments),
    /// Let the deletions of a held commit go
    Acknowledge(AcknowledgeArguments),
    /// Stop a Sync: nothing is fetched, applied, repaired or pruned
    Suspend(SuspendArguments),
    /// Let a suspended Sync go on
    Resume(ResumeArguments),
    /// Commit a tag that you choose, in your name
    Release(ReleaseArguments),
    /// Stop automatic changes of an object's images
    Lock(LockArguments),
    /// Let automatic changes go on
    Unlock(UnlockArguments),
    /// Let updates of an object's images be committed
    Automate(AutomateArguments),
    /// Let updates be shown and not committed
    Deautomate(DeautomateArguments),
    /// Say which tags an object's images may get
    #[command(subcommand, after_help = POLICY_VERB_EXAMPLES)]
    Policy(PolicyVerb),
    /// Show who changed which image when
    History(HistoryArguments),
    /// Choose, write and explain image tags
    #[command(subcommand, after_help = IMAGES_EXAMPLES)]
    Images(Images),
    /// Judge the health of objects in files, without a cluster
    Health(HealthArguments),
    /// Print the objects of a folder as they would be applied, in order
    Render(RenderArguments),
    /// Play the whole story on real servers of this machine
    #[cfg(feature = "demo")]
    Demo(crate::demo::DemoArguments),
    /// Print a script that completes this program's words in a shell
    #[command(after_help = COMPLETION_EXAMPLES)]
    Completion {
        /// The shell
        shell: Shell,
    },
    /// Print the version
    #[command(after_help = VERSION_EXAMPLES)]
    Version {
        /// How to print it
        #[arg(short, long, value_enum, default_value_t = Format::Table)]
        output: Format,
    },
}

#[derive(Debug, Subcommand)]
enum Get {
    /// Syncs and their state
    #[command(visible_alias = "sync")]
    Syncs(GetArguments),
    /// What others changed or added on objects of Syncs
    Drift(DriftArguments),
    /// Images in Git and what was decided for each
    #[command(visible_alias = "image")]
    Images(ListArguments),
}

#[derive(Debug, Subcommand)]
enum Images {
    /// Show every image of a folder, its policy and what would be chosen, without a daemon
    List(FolderArguments),
    /// Tell for every tag which rule kept or dropped it, as the automator decides
    Explain(ExplainArguments),
    /// Tell which tag a place would get under a policy
    Select(SelectArguments),
    /// Set the image of one container in a file, and change no other byte
    Set(SetArguments),
}

const GET_EXAMPLES: &str = "\
Examples:
  lockstep get syncs -A
  lockstep get syncs shop -n lockstep -o yaml
  lockstep get drift shop
  lockstep get images -o wide";

const IMAGES_EXAMPLES: &str = "\
Examples:
  lockstep images list .
  lockstep images explain shop/deployment/web
  lockstep images select --policy 'semver:~1.4' --current 1.4.2 --tags-file tags.txt
  lockstep images set deploy.yaml --object deployment/web --container web --image ghcr.io/acme/web:1.4.3 --write";

const COMPLETION_EXAMPLES: &str = "\
Examples:
  lockstep completion bash > ~/.local/share/bash-completion/completions/lockstep
  lockstep completion zsh > \"${fpath[1]}/_lockstep\"
  lockstep completion fish > ~/.config/fish/completions/lockstep.fish
  lockstep completion powershell >> $PROFILE";

const VERSION_EXAMPLES: &str = "\
Examples:
  lockstep version
  lockstep version -o json";

/// Does what the words of a command line ask for; the first word is the program's name.
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let verb = match Arguments::try_parse_from(words) {
        Ok(arguments) => arguments.verb,
        Err(error) => return output::parse_error(&error),
    };
    match perform(verb) {
        Ok(code) => code,
        Err(failure) => {
            output::failure(&failure);
            failure.code()
        }
    }
}

fn perform(verb: Verb) -> Result<ExitCode, Failure> {
    match verb {
        Verb::Get(Get::Syncs(arguments)) => arguments.run(),
        Verb::Get(Get::Drift(arguments)) => arguments.run(),
        Verb::Get(Get::Images(arguments)) => arguments.run(),
        Verb::Sync(arguments) => arguments.run(),
        Verb::Plan(arguments) => arguments.run(),
        Verb::Diff(arguments) => arguments.run(),
        Verb::Acknowledge(arguments) => arguments.run(),
        Verb::Suspend(arguments) => arguments.run(),
        Verb::Resume(arguments) => arguments.run(),
        Verb::Release(arguments) => arguments.run(),
        Verb::Lock(arguments) => arguments.run(),
        Verb::Unlock(arguments) => arguments.run(),
        Verb::Automate(arguments) => arguments.run(),
        Verb::Deautomate(arguments) => arguments.run(),
        Verb::Policy(verb) => verb.run(),
        Verb::History(arguments) => arguments.run(),
        Verb::Images(Images::List(arguments)) => arguments.run(),
        Verb::Images(Images::Explain(arguments)) => arguments.run(),
        Verb::Images(Images::Select(arguments)) => arguments.run(),
        Verb::Images(Images::Set(arguments)) => arguments.run(),
        Verb::Health(arguments) => arguments.run(),
        Verb::Render(arguments) => arguments.run(),
        #[cfg(feature = "demo")]
        Verb::Demo(arguments) => arguments.run(),
        Verb::Completion { shell } => completion(shell),
        Verb::Version { output } => version(output),
    }
}

fn completion(shell: Shell) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), PROGRAM, &mut script);
    output::bytes(&script)?;
    Ok(ExitCode::Done)
}

fn version(format: Format) -> Result<ExitCode, Failure> {
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    match format.structured() {
        Some(structured) => output::structured(structured, &serde_json::json!({ "version": VERSION }))?,
        None => output::line(&format!("{PROGRAM} {VERSION}"))?,
    }
    Ok(ExitCode::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_every_verb_has_examples() {
        let mut command = Arguments::command();
        command.build();
        command.clone().debug_assert();
        let mut open: Vec<&clap::Command> = command.get_subcommands().collect();
        let mut seen = 0;
        while let Some(verb) = open.pop() {
            if verb.get_name() == "help" {
                continue;
            }
            seen += 1;
            let examples = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(examples.starts_with("Examples:\n  ") && examples.contains("lockstep "), "{}", verb.get_name());
            open.extend(verb.get_subcommands());
        }
        assert_eq!(seen, if cfg!(feature = "demo") { 28 } else { 27 });
    }
}
