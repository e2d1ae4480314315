//! Setting and removing annotations of one object: whole entries come and go, and no other byte changes.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::edit::{ScalarEdit, edit_tree, first, refusal};
use crate::error::EditError;
use crate::identity::ObjectId;
use crate::lines::{line_after, line_start, with_line_after, without_lines};
use crate::object::{Found, find, parsed};
use crate::place::Place;
use crate::quote::source;
use crate::tree::{Key, Kind, NodeId, Style, Tag, Tree};
use crate::value::to_value;

/// The text with these annotations of the object set, or removed where they are `None`; nothing where the object has them
/// so already.
///
/// A new annotation gets a line of its own after the others; the block is created, and removed with its last entry.
///
/// # Errors
///
/// The edit is refused where the object is not in the file exactly once, where its annotations come from an alias or a merge
/// key, where an entry goes over several lines, and where the result, parsed again, differs in anything else.
///
/// ```
/// use lockstep_manifest::{ObjectId, annotate};
///
/// let text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web # ours\n";
/// let set = [("lockstep.dev/locked".to_owned(), Some("on fire".to_owned()))].into();
/// let edited = annotate("web.yaml", text, &ObjectId::new("", "Pod", "", "web"), &set)?;
/// assert_eq!(edited.unwrap(), format!("{text}  annotations:\n    lockstep.dev/locked: on fire\n"));
/// # Ok::<(), lockstep_manifest::EditError>(())
/// ```
pub fn annotate(
    file: &str,
    text: &str,
    object: &ObjectId,
    set: &BTreeMap<String, Option<String>>,
) -> Result<Option<String>, EditError> {
    let mut edited: Option<String> = None;
    for (key, value) in set {
        let now = edited.as_deref().unwrap_or(text);
        if let Some(next) = annotate_one(file, now, object, key, value.as_deref())? {
            edited = Some(next);
        }
    }
    Ok(edited)
}

fn annotate_one(
    file: &str,
    text: &str,
    object: &ObjectId,
    key: &str,
    value: Option<&str>,
) -> Result<Option<String>, EditError> {
    let tree = parsed(file, text).map_err(|errors| first(file, errors))?;
    let found = the_object(file, &tree, object)?;
    for text in [Some(key), value].into_iter().flatten() {
        if text.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
            return Err(refusal(
                file,
                found.line,
                "an annotation must not have a control character or a line break in it",
            ));
        }
    }
    if found.annotations.get(key).map(String::as_str) == value {
        return Ok(None);
    }
    let result = Editor { file, tree: &tree, found: &found }.change(key, value)?;
    prove(file, &tree, &found, key, value, &result)?;
    Ok(Some(result))
}

fn the_object(file: &str, tree: &Tree<'_>, object: &ObjectId) -> Result<Found, EditError> {
    let (found, errors) = find(file, tree);
    let mut matching: Vec<Found> = found.into_iter().filter(|found| found.id == *object).collect();
    match (matching.pop(), matching.last()) {
        (Some(found), None) => Ok(found),
        (Some(_), Some(other)) => {
            Err(refusal(file, other.line, format!("{} stands more than once in this file; keep one", object.short())))
        }
        (None, _) if !errors.is_empty() => Err(first(file, errors)),
        (None, _) => Err(refusal(file, 1, format!("{} is not in this file", object.short()))),
    }
}

struct Editor<'e, 't> {
    file: &'e str,
    tree: &'e Tree<'t>,
    found: &'e Found,
}

/// An entry of a mapping that is written there, not merged in.
#[derive(Clone, Copy)]
struct Entry {
    key: NodeId,
    value: NodeId,
}

impl Editor<'_, '_> {
    fn refuse<T>(&self, node: NodeId, reason: &str) -> Result<T, EditError> {
        Err(refusal(self.file, self.tree.node(node).line(), reason))
    }

    /// The field of a mapping, which must be written here and for itself.
    fn own(&self, place: Place, name: &str) -> Result<Option<(Place, Entry)>, EditError> {
        let Some(field) = place.get(self.tree, name) else { return Ok(None) };
        if let Some(sharing) = field.sharing {
            return Err(refusal(self.file, sharing.line(), sharing.reason()));
        }
        let named = |id: NodeId| matches!(self.tree.key(id), Ok(Key::Name(key)) if key == name);
        let entry = self.tree.entries(place.node).find(|(key, _)| named(*key));
        Ok(entry.map(|(key, value)| (field, Entry { key, value })))
    }

    fn change(&self, key: &str, value: Option<&str>) -> Result<String, EditError> {
        let missing = || refusal(self.file, self.found.line, "the object has no metadata of its own");
        let (metadata, of_metadata) = self.own(self.found.place, "metadata")?.ok_or_else(missing)?;
        let Some((annotations, of_annotations)) = self.own(metadata, "annotations")? else {
            return match value {
                Some(value) => self.add_block(metadata, of_metadata, key, value),
                None => self.refuse(metadata.node, "there is no such annotation"),
            };
        };
        if !self.tree.is_mapping(annotations.node) {
            return self.fill_empty(of_metadata, of_annotations, key, value);
        }
        match (self.own(annotations, key)?, value) {
            (Some(_), Some(value)) => self.replace(key, value),
            (Some((_, entry)), None) if annotations.flow || self.tree.is_flow(annotations.node) => {
                self.remove_from_flow(annotations.node, entry)
            }
            (Some((_, entry)), None) => self.remove_line(annotations.node, of_annotations, entry),
            (None, Some(value)) if self.tree.is_flow(annotations.node) => {
                let quoted = self.begins_quoted(annotations.node);
                self.add_to_flow(annotations.node, &self.entry(key, value, true, quoted))
            }
            (None, Some(value)) => self.add_line(annotations.node, of_annotations, key, value),
            (None, None) => self.refuse(annotations.node, "there is no such annotation"),
        }
    }

    fn entry(&self, key: &str, value: &str, flow: bool, quoted: bool) -> String {
        let style = if quoted { Style::Double } else { Style::Plain };
        format!("{}: {}", source(key, style, Tag::None, flow), source(value, style, Tag::None, flow))
    }

    fn replace(&self, key: &str, value: &str) -> Result<String, EditError> {
        let Found { document, pointer, .. } = self.found;
        let key = key.replace('~', "~0").replace('/', "~1");
        let pointer = format!("{pointer}/metadata/annotations/{key}");
        edit_tree(self.file, self.tree, &[ScalarEdit { document: *document, pointer, new: value.to_owned() }])
    }

    /// `annotations:` with nothing behind it.
    fn fill_empty(
        &self,
        metadata: Entry,
        annotations: Entry,
        key: &str,
        value: Option<&str>,
    ) -> Result<String, EditError> {
        let empty = self.tree.node(annotations.value);
        let Some(value) = value.filter(|_| empty.span().is_empty() && !self.tree.is_flow(metadata.value)) else {
            return self.refuse(annotations.key, "the annotations are null here; write the first one by hand");
        };
        let column = self.column(annotations.key);
        let step = column.saturating_sub(self.column(metadata.key)).max(1);
        let line = format!("{}{}", " ".repeat(column + step), self.entry(key, value, false, false));
        Ok(with_line_after(self.tree.text, self.tree.node(annotations.key).span().end, &line))
    }

    fn add_block(&self, metadata: Place, of_metadata: Entry, key: &str, value: &str) -> Result<String, EditError> {
        if self.tree.is_flow(metadata.node) {
            let quoted = self.begins_quoted(metadata.node);
            let name = if quoted { "\"annotations\"" } else { "annotations" };
            return self.add_to_flow(metadata.node, &format!("{name}: {{{}}}", self.entry(key, value, true, quoted)));
        }
        let Some((sibling, _)) = self.tree.entries(metadata.node).next() else {
            return self.refuse(metadata.node, "the metadata is empty");
        };
        let column = self.indentation(sibling)?;
        let step = column.saturating_sub(self.column(of_metadata.key)).max(1);
        let named = |name: &str| {
            let entry =
                self.tree.entries(metadata.node).find(|(key, _)| self.tree.key(*key) == Ok(Key::Name(name.into())));
            entry.filter(|(key, value)| self.is_one_line(Entry { key: *key, value: *value })).map(|(key, _)| key)
        };
        let names = [named("name"), named("namespace")].into_iter().flatten();
        let above = names.max_by_key(|key| self.tree.node(*key).line()).unwrap_or(of_metadata.key);
        let entry = self.entry(key, value, false, false);
        let head = format!("{}annotations:", " ".repeat(column));
        let at = self.tree.node(above).span().end;
        let with_head = with_line_after(self.tree.text, at, &head);
        Ok(with_line_after(
            &with_head,
            line_after(&with_head, at).next,
            &format!("{}{entry}", " ".repeat(column + step)),
        ))
    }

    fn add_line(
        &self,
        annotations: NodeId,
        of_annotations: Entry,
        key: &str,
        value: &str,
    ) -> Result<String, EditError> {
        let Some((last, of_last)) = self.tree.entries(annotations).last() else {
            return self.refuse(annotations, "the annotations are empty");
        };
        let column = self.indentation(last)?;
        let above = if self.is_one_line(Entry { key: last, value: of_last }) { last } else { of_annotations.key };
        let line = format!("{}{}", " ".repeat(column), self.entry(key, value, false, false));
        Ok(with_line_after(self.tree.text, self.tree.node(above).span().end, &line))
    }

    fn remove_line(&self, annotations: NodeId, of_annotations: Entry, entry: Entry) -> Result<String, EditError> {
        if !self.is_one_line(entry) {
            return self.refuse(entry.key, "the annotation goes over several lines; remove it by hand");
        }
        self.indentation(entry.key)?;
        let text = self.tree.text;
        let at = self.tree.node(entry.key).span().start;
        if self.tree.entries(annotations).count() > 1 {
            return Ok(without_lines(text, at, at));
        }
        let head = self.tree.node(of_annotations.key).span();
        let below = line_after(text, head.end);
        let nothing_else = text[head.end..below.content_end].trim() == ":" && below.next == line_start(text, at);
        if nothing_else && text[line_start(text, head.start)..head.start].trim().is_empty() {
            return Ok(without_lines(text, head.start, at));
        }
        let Some(colon) = text[head.end..below.content_end].find(':') else {
            return self
                .refuse(of_annotations.key, "the annotations are written in a way that only a person should change");
        };
        let colon = head.end + colon + 1;
        Ok(without_lines(&format!("{} {{}}{}", &text[..colon], &text[colon..]), at + 3, at + 3))
    }

    /// Puts an entry in front of the others between the braces, spaced as they are.
    fn add_to_flow(&self, mapping: NodeId, entry: &str) -> Result<String, EditError> {
        let text = self.tree.text;
        let start = self.tree.node(mapping).span().start;
        if !text[start..].starts_with('{') {
            return self.refuse(mapping, "the braces are not where they are looked for; edit by hand");
        }
        let inside = &text[start + 1..];
        let before = match self.tree.entries(mapping).next() {
            None => {
                let rest = inside.trim_start();
                return Ok(format!("{}{entry}{rest}", &text[..=start]));
            }
            Some((key, _)) => &text[start + 1..self.tree.node(key).span().start],
        };
        let (space, comma) = match before {
            "" => ("", ", "),
            blank if blank.trim().is_empty() => (blank, ","),
            _ => return self.refuse(mapping, "something else stands behind the brace; edit by hand"),
        };
        Ok(format!("{}{space}{entry}{comma}{inside}", &text[..=start]))
    }

    /// Takes an entry out from between its commas.
    fn remove_from_flow(&self, mapping: NodeId, entry: Entry) -> Result<String, EditError> {
        let text = self.tree.text;
        let (mut start, mut end) = (self.tree.node(entry.key).span().start, self.tree.node(entry.value).span().end);
        let behind = text[end..].trim_start();
        if let Some(rest) = behind.strip_prefix(',') {
            // What follows the comma takes the entry's place.
            end = text.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
        } else if let Some(rest) = text[..start].trim_end().strip_suffix(',') {
            start = rest.len();
        } else if behind.starts_with('}') && self.tree.entries(mapping).count() == 1 {
            start = self.tree.node(mapping).span().start + 1;
            end = text.len() - behind.len();
        } else {
            return self.refuse(entry.key, "something else stands beside the annotation; remove it by hand");
        }
        Ok(format!("{}{}", &text[..start], &text[end..]))
    }

    fn begins_quoted(&self, mapping: NodeId) -> bool {
        match self.tree.entries(mapping).next() {
            Some((key, _)) => matches!(self.tree.node(key).kind, Kind::Scalar { style: Style::Double, .. }),
            None => {
                let text = self.tree.text[..self.tree.node(mapping).span().start].trim_end();
                text.strip_suffix(':').is_some_and(|before| before.trim_end().ends_with('"'))
            }
        }
    }

    /// Whether key and value stand on one line, which ends with them.
    fn is_one_line(&self, entry: Entry) -> bool {
        let value = self.tree.node(entry.value);
        let scalar = match &value.kind {
            Kind::Scalar { style, .. } => *style != Style::Block,
            Kind::Alias(_) => true,
            _ => false,
        };
        let from = self.tree.node(entry.key).span().start;
        scalar && !self.tree.text[from..value.span().end.max(from)].contains(['\n', '\r'])
    }

    fn column(&self, key: NodeId) -> usize {
        let at = self.tree.node(key).span().start;
        self.tree.text[line_start(self.tree.text, at)..at].trim_start_matches('\u{feff}').chars().count()
    }

    /// The indentation of a key that begins its line.
    fn indentation(&self, key: NodeId) -> Result<usize, EditError> {
        let at = self.tree.node(key).span().start;
        let before = &self.tree.text[line_start(self.tree.text, at)..at];
        if before.bytes().all(|byte| byte == b' ') {
            return Ok(before.len());
        }
        self.refuse(key, "the line is written in a way that only a person should change; edit by hand")
    }
}

/// Parses the result and refuses it unless it is the old file with this one annotation changed.
fn prove(
    file: &str,
    old: &Tree<'_>,
    found: &Found,
    key: &str,
    value: Option<&str>,
    result: &str,
) -> Result<(), EditError> {
    let new = parsed(file, result).map_err(|errors| {
        let error = first(file, errors);
        refusal(file, error.line, format!("the edited file would not be right ({}); edit it by hand", error.reason))
    })?;
    let differs = || refusal(file, found.line, "the edit would change more than the annotation; edit it by hand");
    if old.documents.len() != new.documents.len() {
        return Err(differs());
    }
    for (index, (before, after)) in old.documents.iter().zip(&new.documents).enumerate() {
        let (mut before, mut after) = (to_value(old, *before), to_value(&new, *after));
        if index == found.document {
            let was = metadata_of(&mut before, &found.pointer).ok_or_else(differs)?;
            let mut annotations = match was.remove("annotations") {
                Some(Value::Object(annotations)) => annotations,
                _ => serde_json::Map::new(),
            };
            match value {
                Some(value) => annotations.insert(key.to_owned(), Value::from(value)),
                None => annotations.remove(key),
            };
            let is = metadata_of(&mut after, &found.pointer).and_then(|metadata| metadata.remove("annotations"));
            let same = match is {
                Some(Value::Object(is)) => is == annotations,
                Some(Value::Null) | None => annotations.is_empty(),
                Some(_) => false,
            };
            if !same {
                return Err(differs());
            }
        }
        if before != after {
            return Err(differs());
        }
    }
    Ok(())
}

fn metadata_of<'v>(document: &'v mut Value, object: &str) -> Option<&'v mut serde_json::Map<String, Value>> {
    document.pointer_mut(&format!("{object}/metadata"))?.as_object_mut()
}
