//! The first lines of a commit's message, as the settings want them.
//!
//! A template is tried when it is read: on updates and reverts, of one place and of several, each name that it uses must be
//! there. What it writes can be no trailer, because the trailers follow in a paragraph of their own.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use lockstep_manifest::ObjectId;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, Error, UndefinedBehavior};
use serde::Serialize;

use super::one_line;
use crate::places::PlaceId;
use crate::publish::{Batch, ChangeKind, Move};

const NAME: &str = "message";
const DEFAULT: &str = "{{ summary }}";
/// A longer text is not meant to be the beginning of a message.
const LONGEST: usize = 4000;
/// Steps of the engine, of which each of a batch's places needs some dozens.
const MOST_STEPS: u64 = 1_000_000;

/// How commits begin, and who signs them off.
#[derive(Clone)]
pub struct MessageTemplate {
    environment: Arc<Environment<'static>>,
    sign_off: Option<String>,
}

/// What a template can name.
#[derive(Serialize)]
struct Variables {
    kind: &'static str,
    verb: &'static str,
    summary: String,
    count: usize,
    changes: Vec<Change>,
}

#[derive(Serialize)]
struct Change {
    file: String,
    line: usize,
    kind: String,
    namespace: String,
    name: String,
    object: String,
    container: String,
    from: String,
    to: String,
    tag: String,
    digest: String,
}

impl MessageTemplate {
    /// Reads a template in Jinja's syntax.
    ///
    /// # Errors
    /// A sentence about what cannot be read, or about a name that is not known.
    pub fn parse(text: &str) -> Result<Self, String> {
        let template = Self::compile(text).map_err(|error| told(&error))?;
        let read = template.environment.get_template(NAME).map_err(|error| told(&error))?;
        let known = BTreeSet::from(["kind", "verb", "summary", "count", "changes"]);
        let unknown: BTreeSet<String> =
            read.undeclared_variables(false).into_iter().filter(|name| !known.contains(name.as_str())).collect();
        if let Some(name) = unknown.first() {
            return Err(format!("{name:?} is not a variable; there are kind, verb, summary, count and changes"));
        }
        for batch in examples() {
            let text = template.try_render(&batch).map_err(|error| told(&error))?;
            if text.is_empty() {
                return Err("writes nothing; a commit needs a subject".to_owned());
            }
        }
        Ok(template)
    }

    /// The same, with the trailer `Signed-off-by`.
    #[must_use]
    pub fn signed_off_by(self, who: String) -> Self {
        Self { sign_off: Some(who), ..self }
    }

    pub(crate) fn sign_off(&self) -> Option<&str> {
        self.sign_off.as_deref()
    }

    fn compile(text: &str) -> Result<Self, Error> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(MOST_STEPS));
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.add_template_owned(NAME, text.to_owned())?;
        Ok(Self { environment: Arc::new(environment), sign_off: None })
    }

    /// The beginning of the message of a batch. Where the template fails on it, the default stands in.
    pub(crate) fn render(&self, batch: &Batch) -> String {
        match self.try_render(batch) {
            Ok(text) if !text.is_empty() => text,
            Ok(_) => summary(batch),
            Err(error) => {
                tracing::warn!(error = told(&error), "the message template failed on a commit; its default is used");
                summary(batch)
            }
        }
    }

    fn try_render(&self, batch: &Batch) -> Result<String, Error> {
        let variables = Value::from(Serde(variables(batch)));
        let text = self.environment.get_template(NAME)?.render(variables)?;
        let lines: Vec<String> = text.trim().lines().map(|line| one_line(line.trim_end())).collect();
        Ok(lines.join("\n").chars().take(LONGEST).collect::<String>().trim_end().to_owned())
    }
}

impl Default for MessageTemplate {
    fn default() -> Self {
        // The default is a template that can be read; without one, nothing is rendered and the summary stands.
        Self::compile(DEFAULT).unwrap_or_else(|_| Self { environment: Arc::new(Environment::new()), sign_off: None })
    }
}

impl fmt::Debug for MessageTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageTemplate").field("sign_off", &self.sign_off).finish_non_exhaustive()
    }
}

fn told(error: &Error) -> String {
    let line = error.line().map(|line| format!(" in its line {line}")).unwrap_or_default();
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    format!("cannot be used: {}{detail}{line}", error.kind())
}

fn variables(batch: &Batch) -> Variables {
    let changes: Vec<Change> = batch.moves.iter().map(change).collect();
    let (kind, verb) = (batch.kind.as_str(), verb(batch.kind));
    Variables { kind, verb, summary: summary(batch), count: changes.len(), changes }
}

fn verb(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Update => "Update",
        ChangeKind::Revert => "Revert",
        ChangeKind::Request => "Set",
    }
}

fn change(change: &Move) -> Change {
    let PlaceId { file, object, container } = &change.place;
    Change {
        file: one_line(file),
        line: change.line,
        kind: object.kind.clone(),
        namespace: object.namespace.clone(),
        name: one_line(&object.name),
        object: one_line(&named(object)),
        container: one_line(container),
        from: change.from.clone(),
        to: change.to.clone(),
        tag: change.tag.clone(),
        digest: change.digest.clone().unwrap_or_default(),
    }
}

fn named(object: &ObjectId) -> String {
    match object.namespace.as_str() {
        "" => object.name.clone(),
        namespace => format!("{namespace}/{}", object.name),
    }
}

/// `Update NAMESPACE/NAME to TAG`, or how many images there are.
fn summary(batch: &Batch) -> String {
    let verb = verb(batch.kind);
    let mut subjects: Vec<(String, &str)> =
        batch.moves.iter().map(|change| (named(&change.place.object), change.tag.as_str())).collect();
    subjects.dedup();
    match subjects.as_slice() {
        [(object, tag)] => format!("{verb} {} to {tag}", one_line(object)),
        _ => format!("{verb} {} images", batch.moves.len()),
    }
}

/// What a template is tried on.
pub(crate) fn examples() -> impl Iterator<Item = Batch> {
    let one = |name: &str| Move {
        place: PlaceId {
            file: "clusters/prod/web.yaml".to_owned(),
            object: ObjectId::new("apps", "Deployment", "shop", name),
            container: "web".to_owned(),
        },
        edits: Vec::new(),
        line: 21,
        from: "ghcr.io/acme/web:1.4.2".to_owned(),
        to: "ghcr.io/acme/web:1.5.0".to_owned(),
        tag: "1.5.0".to_owned(),
        digest: None,
        group: None,
        evidence: Vec::new(),
    };
    let batches = [vec![one("web")], vec![one("web"), one("api")]];
    batches.into_iter().flat_map(|moves| {
        [ChangeKind::Update, ChangeKind::Revert, ChangeKind::Request].map(|kind| Batch {
            kind,
            moves: moves.clone(),
            files: Vec::new(),
            requested: None,
        })
    })
}

#[cfg(test)]
mod tests;
