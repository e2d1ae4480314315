//! `get images`: every image in Git that the automator looks after.

use clap::Args;
use lockstep_api::v1::{self, ListImagesRequest, updates_client::UpdatesClient};
use lockstep_automator::PlaceState;
use lockstep_daemon::ExitCode;
use serde::Serialize;

use crate::connection::{AutomatorArguments, ask};
use crate::failure::Failure;
use crate::output::{self, Cell, DOUBTFUL, GOOD, ListFormat, Table};

const EXAMPLES: &str = "\
Examples:
  lockstep get images
  lockstep get images -n shop -o wide
  lockstep get images --automator https://automator.example:7400 --token-file token -o json";

/// `lockstep get images`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ListArguments {
    /// Only objects of this namespace [default: all]
    #[arg(short, long, value_name = "NAMESPACE", conflicts_with = "all_namespaces")]
    namespace: Option<String>,
    /// Objects of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// How to print them
    #[arg(short, long, value_enum, default_value_t = ListFormat::Table)]
    output: ListFormat,
    #[command(flatten)]
    automator: AutomatorArguments,
}

/// What is looked after, and what is refused and why.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) images: Vec<Image>,
    pub(super) problems: Vec<String>,
}

/// One place.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Image {
    pub(super) repository: String,
    pub(super) branch: String,
    pub(super) file: String,
    pub(super) line: u32,
    pub(super) object: String,
    pub(super) container: String,
    pub(super) current: String,
    pub(super) policy: String,
    pub(super) origin: String,
    pub(super) automated: bool,
    pub(super) selected: Option<String>,
    pub(super) held: Option<String>,
}

impl From<PlaceState> for Image {
    fn from(place: PlaceState) -> Self {
        Self {
            repository: String::new(),
            branch: String::new(),
            file: place.file,
            line: u32::try_from(place.line).unwrap_or(u32::MAX),
            object: named(place.object),
            container: place.container,
            current: place.current,
            policy: place.policy,
            origin: place.origin,
            automated: place.automated,
            selected: place.selected,
            held: place.held,
        }
    }
}

impl From<v1::Image> for Image {
    fn from(image: v1::Image) -> Self {
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        Self {
            repository: image.repository,
            branch: image.branch,
            file: image.file,
            line: image.line,
            object: named(image.object),
            container: image.container,
            current: image.current,
            policy: image.policy,
            origin: image.origin,
            automated: image.automated,
            selected: some(image.selected),
            held: some(image.held),
        }
    }
}

impl ListArguments {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let peer = self.automator.peer("read");
        let answer = ask(&peer, "listing images", async |channel| {
            UpdatesClient::new(channel).list_images(ListImagesRequest {}).await
        })?;
        let wanted = |image: &v1::Image| match &self.namespace {
            Some(namespace) => namespace_of(&image.object) == Some(namespace),
            None => true,
        };
        let images = answer.images.into_iter().filter(wanted).map(Image::from).collect();
        let report = Report { images, problems: answer.problems };
        if let Some(structured) = self.output.structured() {
            output::structured(structured, &report)?;
            return Ok(ExitCode::Done);
        }
        if report.images.is_empty() {
            output::note("no images found");
        } else {
            output::table(&tabulate(&report.images, self.output))?;
        }
        report.problems.iter().for_each(|problem| output::note(problem));
        Ok(ExitCode::Done)
    }
}

/// The object; empty for an image that belongs to none.
fn named(object: String) -> String {
    if object == "/" { String::new() } else { object }
}

/// Of `KIND/NAMESPACE/NAME`.
fn namespace_of(object: &str) -> Option<&str> {
    match object.split('/').collect::<Vec<_>>()[..] {
        [_, namespace, _] => Some(namespace),
        _ => None,
    }
}

pub(super) fn tabulate(images: &[Image], format: ListFormat) -> Table {
    let wide = format == ListFormat::Wide;
    let header = ["OBJECT", "CONTAINER", "CURRENT", "SELECTED", "AUTOMATED", "HELD"];
    let more: &[&str] = if wide { &["POLICY", "FROM", "REPOSITORY", "BRANCH", "PLACE"] } else { &[] };
    let mut table = Table::new(header.into_iter().chain(more.iter().copied()));
    for image in images {
        let selected = image.selected.clone().unwrap_or_default();
        let mut row: Vec<Cell> = vec![
            if image.object.is_empty() { &image.file } else { &image.object }.as_str().into(),
            image.container.as_str().into(),
            image.current.as_str().into(),
            Cell::styled(selected, GOOD),
            if image.automated { "true" } else { "false" }.into(),
            Cell::styled(image.held.clone().unwrap_or_default(), DOUBTFUL),
        ];
        if wide {
            row.push(image.policy.as_str().into());
            row.push(image.origin.as_str().into());
            row.push(image.repository.as_str().into());
            row.push(image.branch.as_str().into());
            row.push(format!("{}:{}", image.file, image.line).into());
        }
        table.row(row);
    }
    table
}
