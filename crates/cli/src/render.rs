//! `render`: a folder's objects as the synchronizer would apply them, in its order.

use camino::Utf8PathBuf;
use clap::Args;
use lockstep_daemon::ExitCode;
use lockstep_manifest::Object;
use lockstep_plan::{
    APPLIED_ANNOTATION, Body, ID_ANNOTATION, Ownership, PART_OF_LABEL, Rendered, SYNC_LABEL, SYNC_NAMESPACE_LABEL,
    check_order, check_unique, leave_to_autoscalers, mask, place, render, waves,
};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::{self, Cell, ListFormat, Structured, Table};

mod folder;
mod scope;

pub(crate) use folder::contents as manifest_files;
use scope::Scopes;

const EXAMPLES: &str = "\
Examples:
  lockstep render clusters/prod
  lockstep render clusters/prod --sync lockstep/shop -o json
  lockstep render clusters/prod --show-secrets | kubectl diff --server-side -f -

Every *.yaml, *.yml and *.json below the folder is read, names that begin with a dot excepted. If one file is wrong \
nothing is printed, and every error is told with file and line. Whether a kind lives in namespaces is known for the kinds \
of Kubernetes and for those whose definition is in the folder; other objects keep the namespace that they name.";

/// `lockstep render`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RenderArguments {
    /// A folder of manifests, or one file
    folder: Utf8PathBuf,
    /// Print the labels and annotations too by which this Sync would own the objects
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = ownership)]
    sync: Option<Ownership>,
    /// Print the values of Secrets instead of ***
    #[arg(long)]
    show_secrets: bool,
    /// How to print the objects
    #[arg(short, long, value_enum, default_value_t = ListFormat::Yaml)]
    output: ListFormat,
}

fn ownership(text: &str) -> Result<Ownership, String> {
    match text.split('/').collect::<Vec<_>>()[..] {
        [namespace, name] if !namespace.is_empty() && !name.is_empty() => {
            Ok(Ownership { sync: name.to_owned(), sync_namespace: namespace.to_owned() })
        }
        _ => Err("write NAMESPACE/NAME".to_owned()),
    }
}

impl RenderArguments {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let found = folder::objects(&self.folder)?;
        let rendered = render_all(found, self.sync.as_ref())?;
        if rendered.is_empty() {
            output::note(&format!("there is no object in {}", self.folder));
        }
        let ordered: Vec<&Rendered> = waves(&rendered).into_iter().flatten().collect();
        let bodies = ordered.iter().map(|rendered| {
            let body = rendered.body.value();
            let mut body = if self.show_secrets { body } else { mask(&body) };
            body.sort_all_objects();
            body
        });
        match self.output {
            ListFormat::Table | ListFormat::Wide => output::table(&tabulate(&ordered))?,
            ListFormat::Json => {
                let list = json!({ "apiVersion": "v1", "items": bodies.collect::<Vec<_>>(), "kind": "List" });
                output::structured(Structured::Json, &list)?;
            }
            ListFormat::Yaml => output::yaml_documents(bodies)?,
        }
        Ok(ExitCode::Done)
    }
}

/// Every object in its place and as it would be sent, or all that stands in the way.
fn render_all(found: Vec<Object>, sync: Option<&Ownership>) -> Result<Vec<Rendered>, Failure> {
    let scopes = Scopes::with_definitions(&found);
    let mut placed = Vec::with_capacity(found.len());
    for object in found {
        match scopes.of(&object.id) {
            Some(scope) => {
                let now = place(object, scope);
                if let Some(warning) = now.warning {
                    output::note(&warning);
                }
                placed.push(now.object);
            }
            None => placed.push(object),
        }
    }
    let mut problems = Vec::new();
    if let Err(errors) = check_unique(&placed) {
        problems.extend(errors);
    }
    // Without a Sync to name, the marks are made for nobody and taken off again.
    let nobody = Ownership { sync: String::new(), sync_namespace: String::new() };
    let mut rendered = Vec::with_capacity(placed.len());
    for object in placed {
        match render(object, sync.unwrap_or(&nobody)) {
            Ok(made) => rendered.push(made),
            Err(error) => problems.push(error),
        }
    }
    if problems.is_empty()
        && let Err(errors) = check_order(&rendered)
    {
        problems.extend(errors);
    }
    if !problems.is_empty() {
        return Err(Failure::errors(problems));
    }
    leave_to_autoscalers(&mut rendered);
    if sync.is_none() {
        rendered.iter_mut().for_each(|made| made.body = without_marks(&made.body));
    }
    Ok(rendered)
}

fn without_marks(body: &Body) -> Body {
    let mut body = body.value();
    take_marks_off(&mut body);
    Body::of(&body)
}

fn take_marks_off(body: &mut Value) {
    let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    for (map, marks) in [
        ("labels", &[SYNC_LABEL, SYNC_NAMESPACE_LABEL, PART_OF_LABEL][..]),
        ("annotations", &[ID_ANNOTATION, APPLIED_ANNOTATION]),
    ] {
        if let Some(entries) = metadata.get_mut(map).and_then(Value::as_object_mut) {
            entries.retain(|name, _| !marks.contains(&name.as_str()));
            if entries.is_empty() {
                metadata.remove(map);
            }
        }
    }
}

fn tabulate(ordered: &[&Rendered]) -> Table {
    let mut table = Table::new(["KIND", "NAMESPACE", "NAME", "FILE"]);
    for Rendered { object, .. } in ordered {
        let kind = match object.id.group.as_str() {
            "" => object.id.kind.clone(),
            group => format!("{}.{group}", object.id.kind),
        };
        let cells: [Cell; 4] = [
            kind.into(),
            object.id.namespace.as_str().into(),
            object.id.name.as_str().into(),
            format!("{}:{}", object.file, object.line).into(),
        ];
        table.row(cells);
    }
    table
}
