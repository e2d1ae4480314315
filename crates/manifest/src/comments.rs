//! Comments beside values: where a policy stands that no annotation could hold.

use std::collections::HashMap;

use crate::error::ManifestError;
use crate::parse::{Comments, parse};
use crate::tree::{Key, Kind, NodeId, Style, Tree};
use crate::value::check;

/// A comment that ends a line on which something else stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineComment {
    /// What follows the `#`, trimmed.
    pub text: String,
    /// The line, from 1.
    pub line: usize,
    /// The value that ends on the line: a plain or quoted scalar on one line, outside brackets and braces. `None` where the
    /// line has no such value.
    pub beside: Option<CommentedScalar>,
}

/// The value that a comment stands beside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommentedScalar {
    /// The document's index in the file, from 0, empty ones counted.
    pub document: usize,
    /// The JSON pointer of the value in its document.
    pub pointer: String,
    /// The value as written, without quotes: `1.10` stays `1.10`.
    pub text: String,
}

/// The comments of a file that stand behind something on their line and contain `word`.
///
/// # Errors
///
/// All that is wrong in the file, as [`crate::objects`], except for how objects are named.
pub fn comments(file: &str, text: &str, word: &str) -> Result<Vec<LineComment>, Vec<ManifestError>> {
    let tree = parse(file, text, Comments::Kept).map_err(|error| vec![error])?;
    let errors = check(file, &tree);
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut scalars = HashMap::new();
    if tree.comments.iter().any(|comment| text[comment.span.clone()].contains(word)) {
        for (document, root) in tree.documents.iter().enumerate() {
            collect(&tree, document, *root, &mut String::new(), &mut scalars);
        }
    }
    let mut found = Vec::new();
    for comment in &tree.comments {
        let content = &text[comment.span.clone()];
        let line_start = text[..comment.span.start].rfind(['\n', '\r']).map_or(0, |at| at + 1);
        let before = text[line_start..comment.span.start].trim_start_matches('\u{feff}');
        if content.contains(word) && !before.trim().is_empty() {
            found.push(LineComment {
                text: content.trim_start_matches('#').trim().to_owned(),
                line: comment.line,
                beside: scalars.get(&comment.line).cloned(),
            });
        }
    }
    Ok(found)
}

fn collect(
    tree: &Tree<'_>,
    document: usize,
    id: NodeId,
    pointer: &mut String,
    scalars: &mut HashMap<usize, CommentedScalar>,
) {
    let node = tree.node(id);
    let length = pointer.len();
    match &node.kind {
        Kind::Scalar { text, style } if *style != Style::Block => {
            let span = node.span();
            if !span.is_empty() && !tree.text[span].contains(['\n', '\r']) {
                let scalar = CommentedScalar { document, pointer: pointer.clone(), text: text.clone().into_owned() };
                scalars.insert(node.line(), scalar);
            }
        }
        Kind::Sequence { items, flow: false } => {
            for (index, item) in items.iter().enumerate() {
                pointer.push_str(&format!("/{index}"));
                collect(tree, document, *item, pointer, scalars);
                pointer.truncate(length);
            }
        }
        Kind::Mapping { flow: false, .. } => {
            for (key, value) in tree.entries(id) {
                if let Ok(Key::Name(name)) = tree.key(key) {
                    pointer.push('/');
                    pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
                    collect(tree, document, value, pointer, scalars);
                    pointer.truncate(length);
                }
            }
        }
        _ => {}
    }
}
