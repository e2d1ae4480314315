//! Changing scalars in place: byte for byte, or not at all.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use crate::error::EditError;
use crate::object::parsed;
use crate::parse::{Comments, parse};
use crate::place::Place;
use crate::quote::source;
use crate::tree::{Kind, NodeId, Style, Tag, Tree};

/// A scalar and the text that it shall have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalarEdit {
    /// The document's index in the file, from 0, empty ones counted.
    pub document: usize,
    /// The JSON pointer of the scalar in its document. It may go on into a block scalar that has a YAML document as its text.
    pub pointer: String,
    /// The new text, without quotes.
    pub new: String,
}

/// The text with these scalars changed and not one other byte: quotes, comments, anchors, indentation and line ends stay.
/// Quotes are added only where the new text would not be read back as a string.
///
/// # Errors
///
/// The edit is refused where its bytes would not be its own (aliases, merge keys, anchors in use), where the scalar is not
/// on one line, where nothing stands at the pointer, where the file has anything wrong in it, and where the result,
/// parsed again, differs in anything but the intended values.
///
/// ```
/// use lockstep_manifest::{ScalarEdit, edit};
///
/// let text = "images:\n- name: web\n  newTag: v1 # the tag\n";
/// let tag = ScalarEdit { document: 0, pointer: "/images/0/newTag".into(), new: "1.10".into() };
/// let edited = edit("kustomization.yaml", text, &[tag])?;
/// assert_eq!(edited, "images:\n- name: web\n  newTag: \"1.10\" # the tag\n");
/// # Ok::<(), lockstep_manifest::EditError>(())
/// ```
pub fn edit(file: &str, text: &str, edits: &[ScalarEdit]) -> Result<String, EditError> {
    let tree = parsed(file, text).map_err(|errors| first(file, errors))?;
    edit_tree(file, &tree, edits)
}

/// The first of the errors, and how many more there are.
pub(crate) fn first(file: &str, errors: Vec<crate::ManifestError>) -> EditError {
    let more = errors.len().saturating_sub(1);
    let Some(error) = errors.into_iter().min_by_key(|error| error.line) else {
        return refusal(file, 1, "the file could not be read");
    };
    let mut error = EditError::from(error);
    if more > 0 {
        error.reason = format!("{} (and {more} more errors)", error.reason);
    }
    error
}

pub(crate) fn refusal(file: &str, line: usize, reason: impl Into<String>) -> EditError {
    EditError { file: file.to_owned(), line, reason: reason.into() }
}

/// One span of the old text, and what takes its place.
struct Replacement {
    node: NodeId,
    span: Range<usize>,
    value: String,
    source: String,
}

pub(crate) fn edit_tree(file: &str, tree: &Tree<'_>, edits: &[ScalarEdit]) -> Result<String, EditError> {
    let mut replacements = Vec::with_capacity(edits.len());
    let mut inner: BTreeMap<NodeId, Vec<ScalarEdit>> = BTreeMap::new();
    for edit in edits {
        match target(file, tree, edit)? {
            (place, "") => replacements.extend(replacement(file, tree, edit, place)?),
            (place, rest) => {
                let edit = ScalarEdit { document: 0, pointer: rest.to_owned(), new: edit.new.clone() };
                inner.entry(place.node).or_default().push(edit);
            }
        }
    }
    for (node, edits) in inner {
        replacements.extend(inside_block(file, tree, node, &edits)?);
    }
    replacements.sort_by_key(|replacement: &Replacement| replacement.span.start);
    if let Some(twice) = replacements.windows(2).find(|pair| pair[0].node == pair[1].node) {
        let line = tree.node(twice[0].node).line();
        return Err(refusal(file, line, "two edits of one call change the same scalar"));
    }
    if replacements.is_empty() {
        return Ok(tree.text.to_owned());
    }
    let mut result = String::with_capacity(tree.text.len() + 64 * replacements.len());
    let mut done = 0;
    for replacement in &replacements {
        result.push_str(&tree.text[done..replacement.span.start]);
        result.push_str(&replacement.source);
        done = replacement.span.end;
    }
    result.push_str(&tree.text[done..]);
    prove(file, tree, &result, &replacements)?;
    Ok(result)
}

/// The scalar that an edit is for; a block scalar may have a YAML text in it, into which the rest of the pointer goes.
fn target<'e>(file: &str, tree: &Tree<'_>, edit: &'e ScalarEdit) -> Result<(Place, &'e str), EditError> {
    let nothing = || {
        let count = tree.documents.len();
        let reason = format!("nothing stands at {} in document {} (of {count}, from 0)", edit.pointer, edit.document);
        let line = tree.documents.get(edit.document).map_or(1, |root| tree.node(*root).line());
        refusal(file, line, reason)
    };
    let root = Place::root(tree, edit.document).ok_or_else(nothing)?;
    let (place, rest) = root.pointer(tree, &edit.pointer).ok_or_else(nothing)?;
    match place.sharing {
        Some(sharing) => Err(refusal(file, sharing.line(), sharing.reason())),
        None => Ok((place, rest)),
    }
}

/// What edits of the YAML text in a block scalar change.
fn inside_block(
    file: &str,
    tree: &Tree<'_>,
    node: NodeId,
    edits: &[ScalarEdit],
) -> Result<Option<Replacement>, EditError> {
    let block = tree.node(node);
    let Kind::Scalar { text, .. } = &block.kind else { return Ok(None) };
    let value = edit(file, text, edits).map_err(|error| EditError { line: error.line + block.line(), ..error })?;
    if *text == value {
        return Ok(None);
    }
    let span = block.span();
    match with_lines(&tree.text[span.clone()], text, &value) {
        Some(source) => Ok(Some(Replacement { node, span, value, source })),
        None => Err(refusal(file, block.line(), "the lines of the text are folded; write it behind a | and not a >")),
    }
}

/// The indented lines of a block scalar with `old` as its text, when the text becomes `new`, which has as many lines.
fn with_lines(written: &str, old: &str, new: &str) -> Option<String> {
    let mut lines = old.split('\n').zip(new.split('\n')).peekable();
    let mut result = String::with_capacity(written.len());
    for line in written.split_inclusive('\n') {
        let content = line.trim_end_matches(['\n', '\r']);
        if !content.trim().is_empty() {
            // Blank lines before the first may be no part of what is written.
            while lines.next_if(|(old, new)| old.is_empty() && new.is_empty()).is_some() {}
        }
        let (old, new) = if content.trim().is_empty() {
            lines.next_if(|(old, new)| old.trim().is_empty() && old == new).unwrap_or_default()
        } else {
            lines.next()?
        };
        let indentation =
            content.strip_suffix(old).filter(|indentation| indentation.bytes().all(|byte| byte == b' '))?;
        result.extend([indentation, new, &line[content.len()..]]);
    }
    lines.all(|(old, new)| old == new).then_some(result)
}

/// What an edit changes; nothing where the scalar has the text already.
fn replacement(file: &str, tree: &Tree<'_>, edit: &ScalarEdit, place: Place) -> Result<Option<Replacement>, EditError> {
    let node = tree.node(place.node);
    let refuse = |reason: &str| Err(refusal(file, node.line(), reason));
    let Kind::Scalar { text, style } = &node.kind else {
        return refuse("a mapping or sequence stands there, not one value");
    };
    let span = node.span();
    let written = &tree.text[span.clone()];
    if text.contains("{{") {
        return refuse("not a value but a template ({{ stands here); edit it by hand");
    }
    if *style == Style::Block {
        return refuse("a block scalar (| or >) stands there; write the value on one line");
    }
    if span.is_empty() {
        return refuse("no value stands there; write the first one by hand");
    }
    if written.contains(['\n', '\r']) {
        return refuse("the value goes over several lines; write it on one");
    }
    if !matches!(node.tag, Tag::None | Tag::Text) {
        return refuse("the value has a tag that does not fit a text; remove the tag");
    }
    if edit.new.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        return refuse("the new value has a control character or a line break in it");
    }
    if *text == edit.new {
        return Ok(None);
    }
    let source = source(&edit.new, *style, node.tag, place.flow);
    let value = edit.new.clone();
    Ok(Some(Replacement { node: place.node, span, value, source }))
}

/// Parses the result and refuses it unless it is the old tree with these scalars changed.
fn prove(file: &str, old: &Tree<'_>, result: &str, replacements: &[Replacement]) -> Result<(), EditError> {
    let new = parse(file, result, Comments::Skipped).map_err(|error| {
        let reason = format!("the edited file would not parse ({}); edit it by hand", error.message);
        refusal(file, error.line, reason)
    })?;
    let differs = |line: usize| refusal(file, line, "the edit would change more than the one value; edit it by hand");
    if old.nodes.len() != new.nodes.len() || old.documents != new.documents {
        return Err(differs(replacements.first().map_or(1, |r| old.node(r.node).line())));
    }
    let changed: HashMap<usize, &Replacement> = replacements.iter().map(|r| (r.node as usize, r)).collect();
    for (index, (before, after)) in old.nodes.iter().zip(&new.nodes).enumerate() {
        let same = before.line() == after.line()
            && before.tag == after.tag
            && before.anchored == after.anchored
            && before.aliased == after.aliased;
        let same = same
            && match (&before.kind, &after.kind) {
                (Kind::Scalar { text: old_text, style: old_style }, Kind::Scalar { text, style }) => {
                    match changed.get(&index) {
                        None => old_text == text && old_style == style && before.span().len() == after.span().len(),
                        Some(replacement) => {
                            *text == replacement.value
                                && result.get(after.span()) == Some(replacement.source.as_str())
                                && after.is_text()
                        }
                    }
                }
                (Kind::Sequence { items: a, flow: f }, Kind::Sequence { items: b, flow: g })
                | (Kind::Mapping { entries: a, flow: f }, Kind::Mapping { entries: b, flow: g }) => a == b && f == g,
                (Kind::Alias(a), Kind::Alias(b)) => a == b,
                _ => false,
            };
        if !same {
            return Err(differs(before.line()));
        }
    }
    Ok(())
}
