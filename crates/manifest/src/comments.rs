//! Comments and the values that they stand beside.

use std::collections::HashMap;

use crate::tree::{Key, Kind, NodeId, Style, Tree};

/// A comment of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LineComment<'t> {
    /// What follows the `#`, trimmed.
    pub(crate) text: &'t str,
    /// The line, from 1.
    pub(crate) line: usize,
    /// The value that ends on the line: a plain or quoted scalar on one line, outside brackets and braces. `None` where the
    /// line has no such value.
    pub(crate) beside: Option<CommentedScalar>,
}

/// The value that a comment stands beside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommentedScalar {
    /// The document's index in the file, from 0, empty ones counted.
    pub(crate) document: usize,
    /// The JSON pointer of the value in its document.
    pub(crate) pointer: String,
    /// The mapping that it is in.
    pub(crate) parent: Option<NodeId>,
    /// The value as written, without quotes: `1.10` stays `1.10`.
    pub(crate) text: String,
}

/// The comments of a tree that kept them, as far as their texts are wanted.
pub(crate) fn comments<'t>(tree: &Tree<'t>, wanted: impl Fn(&str) -> bool) -> Vec<LineComment<'t>> {
    let text = tree.text;
    let trimmed = |comment: &crate::tree::Comment| text[comment.span.clone()].trim_start_matches('#').trim();
    let mut found: Vec<LineComment<'t>> = tree
        .comments
        .iter()
        .map(|comment| LineComment { text: trimmed(comment), line: comment.line, beside: None })
        .filter(|comment| wanted(comment.text))
        .collect();
    if found.is_empty() {
        return found;
    }
    let mut scalars = HashMap::new();
    for (document, root) in tree.documents.iter().enumerate() {
        collect(tree, document, *root, None, &mut String::new(), &mut scalars);
    }
    for comment in &mut found {
        comment.beside = scalars.get(&comment.line).cloned();
    }
    found
}

fn collect(
    tree: &Tree<'_>,
    document: usize,
    id: NodeId,
    parent: Option<NodeId>,
    pointer: &mut String,
    scalars: &mut HashMap<usize, CommentedScalar>,
) {
    let node = tree.node(id);
    let length = pointer.len();
    match &node.kind {
        Kind::Scalar { text, style } if *style != Style::Block => {
            let span = node.span();
            if !span.is_empty() && !tree.text[span].contains(['\n', '\r']) {
                let (pointer, text) = (pointer.clone(), text.clone().into_owned());
                let scalar = CommentedScalar { document, pointer, parent, text };
                scalars.insert(node.line(), scalar);
            }
        }
        Kind::Sequence { items, flow: false } => {
            for (index, item) in items.iter().enumerate() {
                pointer.push_str(&format!("/{index}"));
                collect(tree, document, *item, None, pointer, scalars);
                pointer.truncate(length);
            }
        }
        Kind::Mapping { flow: false, .. } => {
            for (key, value) in tree.entries(id) {
                if let Ok(Key::Name(name)) = tree.key(key) {
                    pointer.push('/');
                    pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
                    collect(tree, document, value, Some(id), pointer, scalars);
                    pointer.truncate(length);
                }
            }
        }
        _ => {}
    }
}
