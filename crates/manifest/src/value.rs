//! From nodes to the values that a cluster would be sent, and everything that forbids it.

use std::collections::HashMap;
use std::fmt;

use serde_json::{Map, Number, Value};

use crate::error::ManifestError;
use crate::scalar::Scalar;
use crate::tree::{Key, Kind, NodeId, Tree};

/// The way from a document's root to a field, kept on the stack until an error needs it in words.
#[derive(Clone, Copy)]
pub(crate) enum Path<'p> {
    Root,
    Key(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Index(above, index) => write!(f, "{above}[{index}]"),
            Path::Key(above, key) if key.contains(['.', '/', ' ']) => write!(f, "{above}[{key}]"),
            Path::Key(Path::Root, key) => f.write_str(key),
            Path::Key(above, key) => write!(f, "{above}.{key}"),
        }
    }
}

/// Everything in the file that has no value under kubectl's rules, or two: duplicate keys, keys that are not scalars,
/// merge keys of anything but mappings, numbers that JSON lacks, tags that do not fit.
pub(crate) fn check(file: &str, tree: &Tree<'_>) -> Vec<ManifestError> {
    let mut checker = Checker { file, tree, errors: Vec::new() };
    for root in &tree.documents {
        checker.node(*root, Path::Root);
    }
    checker.errors
}

struct Checker<'c, 't> {
    file: &'c str,
    tree: &'c Tree<'t>,
    errors: Vec<ManifestError>,
}

/// Above so many entries a hash finds duplicates faster than a comparison of each with each.
const SMALL: usize = 12;

impl Checker<'_, '_> {
    fn error(&mut self, node: NodeId, path: Path<'_>, message: String) {
        self.errors.push(ManifestError {
            file: self.file.to_owned(),
            line: self.tree.node(node).line(),
            field: path.to_string(),
            message,
        });
    }

    fn node(&mut self, id: NodeId, path: Path<'_>) {
        let tree = self.tree;
        match &tree.node(id).kind {
            Kind::Alias(_) => {}
            Kind::Scalar { .. } => match tree.node(id).scalar() {
                Some(Ok(Scalar::Float(value))) if !value.is_finite() => {
                    self.error(
                        id,
                        path,
                        "infinity and NaN have no JSON value; put it in quotes if it is a text".to_owned(),
                    );
                }
                Some(Err(reason)) => self.error(id, path, reason.to_owned()),
                _ => {}
            },
            Kind::Sequence { items, .. } => {
                for (index, item) in items.iter().enumerate() {
                    self.node(*item, Path::Index(&path, index));
                }
            }
            Kind::Mapping { entries, .. } => self.mapping(id, entries.len() / 2, path),
        }
    }

    fn mapping(&mut self, id: NodeId, entries: usize, path: Path<'_>) {
        let tree = self.tree;
        let mut small: Vec<(Key<'_>, usize)> = Vec::new();
        let mut large: HashMap<Key<'_>, usize> = HashMap::new();
        for (key_node, value) in tree.entries(id) {
            let key = match tree.key(key_node) {
                Ok(key) => key,
                Err(reason) => {
                    let message = if self.is_template(key_node) {
                        "not a value but a template ({{ stands here); render the file first"
                    } else {
                        reason
                    };
                    self.error(key_node, path, message.to_owned());
                    continue;
                }
            };
            let name = match &key {
                Key::Merge => "<<",
                Key::Name(name) => name.as_ref(),
            };
            if key == Key::Merge
                && let Err(reason) = tree.merged(value)
            {
                self.error(value, path, reason.to_owned());
            }
            let below = Path::Key(&path, name);
            self.node(value, below);
            let line = tree.node(key_node).line();
            let first = if entries > SMALL {
                large.get(&key).copied()
            } else {
                small.iter().find(|(other, _)| *other == key).map(|(_, line)| *line)
            };
            if let Some(first) = first {
                let message =
                    format!("the key `{name}` stands twice in one mapping, first at line {first}; remove one");
                self.error(key_node, below, message);
            } else if entries > SMALL {
                large.insert(key, line);
            } else {
                small.push((key, line));
            }
        }
    }

    fn is_template(&self, key: NodeId) -> bool {
        // `{{ .Values.x }}` reads as a mapping whose key is a mapping.
        let span = self.tree.node(key).span();
        span.start > 0
            && self.tree.text[..span.start].trim_end().ends_with('{')
            && self.tree.text[span.start..].starts_with('{')
    }
}

/// The value of a node in a tree that `check` found nothing wrong with, aliases and merge keys expanded.
pub(crate) fn to_value(tree: &Tree<'_>, id: NodeId) -> Value {
    let id = tree.target(id);
    let node = tree.node(id);
    match &node.kind {
        Kind::Scalar { .. } | Kind::Alias(_) => match node.scalar() {
            Some(Ok(scalar)) => scalar_value(scalar),
            _ => Value::Null,
        },
        Kind::Sequence { items, .. } => items.iter().map(|item| to_value(tree, *item)).collect(),
        Kind::Mapping { .. } => {
            let mut map = Map::new();
            fill(tree, id, &mut map);
            Value::Object(map)
        }
    }
}

/// Puts the entries in by turns, so that a merge key overrides what stands before it, as in go-yaml v2.
fn fill(tree: &Tree<'_>, mapping: NodeId, map: &mut Map<String, Value>) {
    for (key, value) in tree.entries(mapping) {
        match tree.key(key) {
            Ok(Key::Merge) => {
                for source in tree.merged(value).unwrap_or_default() {
                    fill(tree, source, map);
                }
            }
            Ok(Key::Name(name)) => {
                map.insert(name.into_owned(), to_value(tree, value));
            }
            Err(_) => {}
        }
    }
}

/// What kubectl makes of a scalar on its way through JSON: whole numbers that fit become integers.
fn scalar_value(scalar: Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Bool(value) => Value::Bool(value),
        Scalar::Int(value) => Value::from(value),
        #[allow(clippy::cast_precision_loss, reason = "kubectl reads integers above 63 bits as floating point too")]
        Scalar::Large(value) => Value::from(value as f64),
        Scalar::Float(value) if value.fract() == 0.0 && value.abs() < 1e21 => match value.to_string().parse::<i64>() {
            Ok(whole) => Value::from(whole),
            Err(_) => Value::from(value),
        },
        Scalar::Float(value) => Number::from_f64(value).map_or(Value::Null, Value::Number),
        Scalar::Text(text) => Value::from(text),
    }
}
