//! The objects of a file: documents and lists taken apart, each object named.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::error::ManifestError;
use crate::identity::ObjectId;
use crate::parse::{Comments, parse};
use crate::place::Place;
use crate::scalar::Scalar;
use crate::tree::{Key, Kind, NodeId, Tree};
use crate::value::{check, to_value};

/// One object of a file, as it would be sent to a cluster.
#[derive(Debug, Clone)]
pub struct Object {
    /// What it is called.
    pub id: ObjectId,
    /// Its `apiVersion`, as written.
    pub api_version: String,
    /// All of it, aliases and merge keys expanded, scalars read as kubectl reads them.
    pub value: Value,
    /// The file, as the caller named it.
    pub file: Arc<str>,
    /// The line on which it begins, from 1.
    pub line: usize,
}

/// Every object of a file of YAML documents: lists are taken apart, empty documents ignored.
///
/// # Errors
///
/// All that is wrong in the file, not the first thing only; then no object is returned.
pub fn objects(file: &str, text: &str) -> Result<Vec<Object>, Vec<ManifestError>> {
    let tree = parsed(file, text)?;
    let (found, errors) = find(file, &tree);
    if errors.is_empty() { Ok(values(file, &tree, &found)) } else { Err(errors) }
}

/// Every document of a file with the line on which it begins, as kubectl reads it, empty ones ignored. Nothing is asked of what
/// is in them: for objects that a server made, which need no name to be looked at.
///
/// # Errors
///
/// All that cannot be read in the file.
pub fn documents(file: &str, text: &str) -> Result<Vec<(usize, Value)>, Vec<ManifestError>> {
    let tree = parsed(file, text)?;
    let document = |root: &NodeId| (tree.node(*root).line(), to_value(&tree, *root));
    Ok(tree.documents.iter().map(document).filter(|(_, value)| !value.is_null()).collect())
}

/// Parses and checks.
pub(crate) fn parsed<'t>(file: &str, text: &'t str) -> Result<Tree<'t>, Vec<ManifestError>> {
    let tree = parse(file, text, Comments::Skipped).map_err(|error| vec![error])?;
    let errors = check(file, &tree);
    if errors.is_empty() { Ok(tree) } else { Err(errors) }
}

pub(crate) fn values(file: &str, tree: &Tree<'_>, found: &[Found]) -> Vec<Object> {
    let file: Arc<str> = Arc::from(file);
    let object = |found: &Found| Object {
        id: found.id.clone(),
        api_version: found.api_version.clone(),
        value: to_value(tree, found.place.node),
        file: Arc::clone(&file),
        line: found.line,
    };
    found.iter().map(object).collect()
}

/// An object in the tree.
pub(crate) struct Found {
    pub(crate) id: ObjectId,
    pub(crate) api_version: String,
    pub(crate) annotations: Arc<BTreeMap<String, String>>,
    pub(crate) annotation_lines: Arc<BTreeMap<String, usize>>,
    pub(crate) labels: Arc<BTreeMap<String, String>>,
    pub(crate) line: usize,
    pub(crate) place: Place,
    pub(crate) document: usize,
    /// From the document's root: empty, or `/items/0` in a list.
    pub(crate) pointer: String,
}

/// Every object that can be told by kind and name, and everything that is wrong with how objects are named.
pub(crate) fn find(file: &str, tree: &Tree<'_>) -> (Vec<Found>, Vec<ManifestError>) {
    find_in(file, tree, 0..tree.documents.len())
}

/// As [`find`], in these documents alone.
pub(crate) fn find_in(
    file: &str,
    tree: &Tree<'_>,
    documents: impl IntoIterator<Item = usize>,
) -> (Vec<Found>, Vec<ManifestError>) {
    let mut finder = Finder { file, tree, found: Vec::new(), errors: Vec::new() };
    for document in documents {
        if let Some(root) = Place::root(tree, document)
            && !matches!(tree.node(root.node).scalar(), Some(Ok(Scalar::Null)))
        {
            finder.object(root, document, String::new(), "", None);
        }
    }
    finder.errors.sort_by_key(|error| error.line);
    (finder.found, finder.errors)
}

struct Finder<'f, 't> {
    file: &'f str,
    tree: &'f Tree<'t>,
    found: Vec<Found>,
    errors: Vec<ManifestError>,
}

/// What the items of a typed list (`DeploymentList`) are where they do not say so.
#[derive(Clone, Copy)]
struct Typed<'l> {
    api_version: &'l str,
    kind: &'l str,
}

impl Finder<'_, '_> {
    fn error(&mut self, node: NodeId, field: String, message: &str) {
        self.errors.push(ManifestError {
            file: self.file.to_owned(),
            line: self.tree.node(node).line(),
            field,
            message: message.to_owned(),
        });
    }

    fn object(&mut self, place: Place, document: usize, pointer: String, prefix: &str, typed: Option<Typed<'_>>) {
        let tree = self.tree;
        if !tree.is_mapping(place.node) {
            let message = "not an object: a mapping with apiVersion, kind and metadata belongs here";
            return self.error(place.node, prefix.trim_end_matches('.').to_owned(), message);
        }
        let api_version =
            self.text(place, place, prefix, "apiVersion", typed.map(|t| t.api_version)).unwrap_or_default();
        let kind = self.text(place, place, prefix, "kind", typed.map(|t| t.kind));
        if let Some(item_kind) = kind.as_deref().and_then(|kind| kind.strip_suffix("List")) {
            let items = place.get(tree, "items");
            let listed = items.filter(|items| matches!(tree.node(items.node).kind, Kind::Sequence { .. }));
            if let Some(items) = listed {
                let typed = (!item_kind.is_empty()).then_some(Typed { api_version: &api_version, kind: item_kind });
                for index in 0..tree.items(items.node).len() {
                    if let Some(item) = items.index(tree, index) {
                        let pointer = format!("{pointer}/items/{index}");
                        self.object(item, document, pointer, &format!("{prefix}items[{index}]."), typed);
                    }
                }
                return;
            }
            if item_kind.is_empty() {
                if let Some(items) = items
                    && !matches!(tree.node(items.node).scalar(), Some(Ok(Scalar::Null)))
                {
                    self.error(items.node, format!("{prefix}items"), "must be a sequence of objects");
                }
                return;
            }
        }
        let metadata = self.metadata(place, prefix);
        let (Some(kind), Some(metadata)) = (kind, metadata) else {
            return;
        };
        let name_prefix = format!("{prefix}metadata.");
        let annotations = self.string_map(metadata, &name_prefix, "annotations");
        let labels = self.string_map(metadata, &name_prefix, "labels");
        let namespace = if self.is_absent(metadata, "namespace") {
            Some(String::new())
        } else {
            self.text(metadata, metadata, &name_prefix, "namespace", None)
        };
        if self.is_absent(metadata, "name")
            && let Some(generate) = metadata.get(tree, "generateName")
        {
            let message = "an object that Git declares needs a fixed metadata.name: under generateName each sync would create another";
            return self.error(generate.node, format!("{name_prefix}generateName"), message);
        }
        let name = self.text(metadata, place, &name_prefix, "name", None);
        let (Some(name), Some(namespace)) = (name, namespace) else {
            return;
        };
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        self.found.push(Found {
            id: ObjectId::new(group, kind, namespace, name),
            api_version,
            annotations: Arc::new(annotations),
            annotation_lines: Arc::new(self.lines(metadata, "annotations")),
            labels: Arc::new(labels),
            line: tree.node(place.node).line(),
            place,
            document,
            pointer,
        });
    }

    fn metadata(&mut self, place: Place, prefix: &str) -> Option<Place> {
        match place.get(self.tree, "metadata") {
            Some(metadata) if self.tree.is_mapping(metadata.node) => Some(metadata),
            Some(metadata) => {
                self.error(metadata.node, format!("{prefix}metadata"), "must be a mapping");
                None
            }
            None => {
                self.error(place.node, format!("{prefix}metadata.name"), "is missing");
                None
            }
        }
    }

    fn is_absent(&self, place: Place, name: &str) -> bool {
        place
            .get(self.tree, name)
            .is_none_or(|value| matches!(self.tree.node(value.node).scalar(), Some(Ok(Scalar::Null))))
    }

    /// A field that must be a text which can stand in a name.
    fn text(&mut self, place: Place, blamed: Place, prefix: &str, name: &str, default: Option<&str>) -> Option<String> {
        let field = || format!("{prefix}{name}");
        let value = place.get(self.tree, name);
        if let Some(default) = default
            && self.is_absent(place, name)
        {
            return Some(default.to_owned());
        }
        let Some(value) = value else {
            self.error(blamed.node, field(), "is missing");
            return None;
        };
        let message = match self.tree.node(value.node).scalar() {
            Some(Ok(Scalar::Text(text))) => {
                let slashes = text.matches('/').count();
                let allowed = usize::from(name == "apiVersion");
                if text.contains("{{") {
                    "not a value but a template ({{ stands here); render the file first"
                } else if text.is_empty() {
                    "is empty"
                } else if slashes > allowed || text.contains(char::is_whitespace) {
                    "has a character that no API server accepts here"
                } else {
                    return Some(text.to_owned());
                }
            }
            Some(Ok(Scalar::Null)) => "is empty",
            Some(_) => "must be a string; put it in quotes",
            None => "must be a string",
        };
        self.error(value.node, field(), message);
        None
    }

    /// Labels or annotations: a mapping of strings.
    fn string_map(&mut self, metadata: Place, prefix: &str, name: &str) -> BTreeMap<String, String> {
        let tree = self.tree;
        let mut map = BTreeMap::new();
        let Some(place) = metadata.get(tree, name) else {
            return map;
        };
        if self.is_absent(metadata, name) {
            return map;
        }
        if !tree.is_mapping(place.node) {
            self.error(place.node, format!("{prefix}{name}"), "must be a mapping of strings");
            return map;
        }
        self.strings(place.node, &format!("{prefix}{name}"), &mut map);
        map
    }

    /// The line of each key that is written there itself.
    fn lines(&self, metadata: Place, name: &str) -> BTreeMap<String, usize> {
        let tree = self.tree;
        let mapping = metadata.get(tree, name).filter(|place| tree.is_mapping(place.node));
        let keys = mapping.into_iter().flat_map(|mapping| tree.entries(mapping.node)).map(|(key, _)| key);
        let line = |key: NodeId| match tree.key(key) {
            Ok(Key::Name(name)) => Some((name.into_owned(), tree.node(key).line())),
            _ => None,
        };
        keys.filter_map(line).collect()
    }

    fn strings(&mut self, mapping: NodeId, field: &str, map: &mut BTreeMap<String, String>) {
        let tree = self.tree;
        for (key, value) in tree.entries(mapping) {
            match tree.key(key) {
                Ok(Key::Merge) => {
                    for source in tree.merged(value).unwrap_or_default() {
                        self.strings(source, field, map);
                    }
                }
                Ok(Key::Name(name)) => match tree.node(tree.target(value)).scalar() {
                    Some(Ok(Scalar::Text(text))) => {
                        map.insert(name.into_owned(), text.to_owned());
                    }
                    Some(_) => self.error(value, format!("{field}[{name}]"), "must be a string; put it in quotes"),
                    None => self.error(value, format!("{field}[{name}]"), "must be a string"),
                },
                Err(_) => {}
            }
        }
    }
}
