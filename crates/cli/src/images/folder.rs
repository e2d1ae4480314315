//! `images list`: what the automator would make of a folder, without the automator.

use camino::Utf8PathBuf;
use clap::Args;
use lockstep_automator::{Listing, Settings, preview};
use lockstep_daemon::{ExitCode, Sources};

use super::list::{Image, Report, tabulate};
use crate::connection::run;
use crate::failure::Failure;
use crate::output::{self, ListFormat};
use crate::render::manifest_files;

const EXAMPLES: &str = "\
Examples:
  lockstep images list .
  lockstep images list config -o wide --ask
  lockstep images list config --config automator.yaml --ask -o json

FOLDER is the root of a config repository. Without --ask nothing leaves the machine, and no newer tag is known. Git's history is not \
read: tags that were taken back are not known either. Exit code 5: something is refused or held; the reasons are shown.";

/// `lockstep images list`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct FolderArguments {
    /// The folder
    folder: Utf8PathBuf,
    /// The automator's settings, for what they say of registries and of the first repository
    #[arg(long, value_name = "FILE")]
    config: Option<Utf8PathBuf>,
    /// Ask the registries which tags there are
    #[arg(long)]
    ask: bool,
    /// How to print them
    #[arg(short, long, value_enum, default_value_t = ListFormat::Table)]
    output: ListFormat,
}

impl FolderArguments {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let mut settings = match self.config {
            Some(file) => Settings::load(&Sources::new().file(Some(file))).map_err(Failure::error)?,
            None => Settings::default(),
        };
        let data = tempfile::tempdir().map_err(|error| Failure::error(format!("cannot make a folder: {error}")))?;
        settings.data = Utf8PathBuf::from_path_buf(data.path().to_owned())
            .map_err(|path| Failure::error(format!("{} is not UTF-8", path.display())))?;
        let files = manifest_files(&self.folder)?;
        let listing = if self.ask { Listing::Asked } else { Listing::Assumed };
        let seen = run(async { preview(files, &settings, listing).await.map_err(Failure::error) })?;
        let report = Report {
            images: seen.places.into_iter().map(Image::from).collect(),
            problems: seen.problems.into_iter().map(|problem| problem.message).collect(),
        };
        match self.output.structured() {
            Some(structured) => output::structured(structured, &report)?,
            None if report.images.is_empty() => output::note("no image here has a policy"),
            None => output::table(&tabulate(&report.images, self.output))?,
        }
        if self.output.structured().is_none() {
            report.problems.iter().for_each(|problem| output::note(problem));
        }
        let held = !report.problems.is_empty() || report.images.iter().any(|image| image.held.is_some());
        Ok(if held { ExitCode::Held } else { ExitCode::Done })
    }
}
