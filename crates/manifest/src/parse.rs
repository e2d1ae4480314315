//! From text to a tree, within a budget, so that a hostile file costs milliseconds and not the process.

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, Span, StructureStyle};

use crate::error::ManifestError;
use crate::tree::{Comment, Kind, Node, NodeId, Style, Tag, Tree};

/// Bytes of one file.
pub(crate) const MAX_BYTES: usize = 10 << 20;
/// Documents of one file.
const MAX_DOCUMENTS: usize = 100_000;
/// Nodes of one file after its aliases are expanded.
const MAX_NODES: u64 = 1_000_000;
/// Bytes of scalars of one file after its aliases are expanded.
const MAX_EXPANDED_BYTES: u64 = 4 * MAX_BYTES as u64;
/// Levels of nesting after aliases are expanded.
const MAX_DEPTH: u32 = 200;

/// Whether the caller reads the comments; capturing them costs time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comments {
    Skipped,
    Kept,
}

pub(crate) fn parse<'t>(file: &str, text: &'t str, comments: Comments) -> Result<Tree<'t>, ManifestError> {
    let error =
        |line: usize, message: String| ManifestError { file: file.to_owned(), line, field: String::new(), message };
    if text.len() > MAX_BYTES {
        return Err(error(
            1,
            format!("the file has {} bytes, more than the {MAX_BYTES} allowed; split it", text.len()),
        ));
    }
    if let Some(at) = forbidden_character(text) {
        let line = 1 + text[..at].bytes().filter(|b| *b == b'\n').count();
        return Err(error(line, "a control character is not allowed in YAML".to_owned()));
    }
    let mut options = Options::default();
    options.emit_comments = comments == Comments::Kept;
    // The file's size bounds its comments already.
    options.max_buffered_comment_events = MAX_BYTES;
    let mut builder = Builder::new(text);
    for next in Parser::new_from_str_with_options(text, options) {
        let (event, span) = next.map_err(|scan| error(scan.marker().line(), syntax(&scan, text)))?;
        let line = span.start.line();
        builder.event(event, span).map_err(|message| error(line, message))?;
    }
    Ok(builder.tree)
}

fn syntax(scan: &ScanError, text: &str) -> String {
    let line = scan.marker().line();
    if text.lines().nth(line.saturating_sub(1)).is_some_and(|line| line.contains("{{")) {
        return "not YAML but a template ({{ stands here); render the file first".to_owned();
    }
    let hint = if text.lines().take(line).any(|line| line.contains("{{")) {
        " ({{ stands before it: a template must be rendered first)"
    } else {
        ""
    };
    // The parser's words name characters and constructs, never the text of a scalar.
    format!("not valid YAML: {}{hint}", scan.info())
}

/// Where a character stands that kubectl's reader refuses, if one does.
fn forbidden_character(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().find_map(|(at, byte)| {
        let forbidden = match byte {
            b'\t' | b'\n' | b'\r' => false,
            0..=0x1f | 0x7f => true,
            // U+0080 to U+009F but for U+0085, the next line.
            0xc2 => matches!(bytes.get(at + 1), Some(0x80..=0x84 | 0x86..=0x9f)),
            _ => false,
        };
        forbidden.then_some(at)
    })
}

/// What a node weighs once the aliases below it are expanded.
#[derive(Clone, Copy, Default)]
struct Weight {
    nodes: u64,
    bytes: u64,
    height: u32,
}

impl Weight {
    fn add(&mut self, below: Weight) {
        self.nodes = self.nodes.saturating_add(below.nodes);
        self.bytes = self.bytes.saturating_add(below.bytes);
        self.height = self.height.max(below.height.saturating_add(1));
    }
}

struct Frame {
    node: NodeId,
    anchor: usize,
    /// Where its children begin in the builder's pending list.
    children: usize,
    weight: Weight,
}

struct Builder<'t> {
    tree: Tree<'t>,
    frames: Vec<Frame>,
    pending: Vec<NodeId>,
    /// The anchors of the current document: their node, and their weight once it is closed.
    anchors: HashMap<usize, (NodeId, Option<Weight>)>,
    total: Weight,
}

impl<'t> Builder<'t> {
    fn new(text: &'t str) -> Self {
        Builder {
            tree: Tree {
                text,
                nodes: Vec::with_capacity(text.len() / 16),
                documents: Vec::new(),
                comments: Vec::new(),
            },
            frames: Vec::new(),
            pending: Vec::new(),
            anchors: HashMap::new(),
            total: Weight::default(),
        }
    }

    fn event(&mut self, event: Event<'t>, span: Span) -> Result<(), String> {
        match event {
            Event::DocumentStart(..) => {
                self.anchors.clear();
                if self.tree.documents.len() >= MAX_DOCUMENTS {
                    return Err(format!("more than {MAX_DOCUMENTS} documents in one file; split it"));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let range = span.byte_range().unwrap_or_default();
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted => Style::Single,
                    ScalarStyle::DoubleQuoted => Style::Double,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                };
                // The parser writes `~` for a value that is not there.
                let text = if style == Style::Plain && range.is_empty() { Cow::Borrowed("") } else { text };
                let weight = Weight { nodes: 1, bytes: text.len() as u64, height: 0 };
                let line = match style {
                    Style::Block => self.header_line(range.start, span.start.line()),
                    _ => span.start.line(),
                };
                let mut node = Node::new(Kind::Scalar { text, style }, range, line);
                node.tag = tag.as_deref().map_or(Tag::None, known_tag);
                let id = self.push(node, anchor);
                self.finish(id, anchor, weight)?;
            }
            Event::Alias(anchor) => {
                let Some((target, weight)) = self.anchors.get(&anchor).copied() else {
                    return Err("an alias names an anchor that does not stand before it".to_owned());
                };
                let Some(weight) = weight else {
                    return Err("an alias stands inside the node that it names".to_owned());
                };
                self.tree.nodes[target as usize].aliased = true;
                let range = span.byte_range().unwrap_or_default();
                let id = self.push(Node::new(Kind::Alias(target), range, span.start.line()), 0);
                self.finish(id, 0, weight)?;
            }
            Event::SequenceStart(style, anchor, _) => {
                let flow = style == StructureStyle::Flow;
                let items = Box::default();
                self.open(Kind::Sequence { items, flow }, anchor, span)?;
            }
            Event::MappingStart(style, anchor, _) => {
                let flow = style == StructureStyle::Flow;
                let entries = Box::default();
                self.open(Kind::Mapping { entries, flow }, anchor, span)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span)?,
            Event::Comment(..) => self
                .tree
                .comments
                .push(Comment { span: span.byte_range().unwrap_or_default(), line: span.start.line() }),
            _ => {}
        }
        Ok(())
    }

    /// The line of a block scalar's `|` or `>`: its span begins at the first line of its text.
    fn header_line(&self, start: usize, line: usize) -> usize {
        let before = &self.tree.text[..start];
        let blank = &before[before.trim_end().len()..];
        line.saturating_sub(blank.matches('\n').count()).max(1)
    }

    fn push(&mut self, mut node: Node<'t>, anchor: usize) -> NodeId {
        node.anchored = anchor != 0;
        let id = NodeId::try_from(self.tree.nodes.len()).unwrap_or(NodeId::MAX);
        self.tree.nodes.push(node);
        if anchor != 0 {
            self.anchors.insert(anchor, (id, None));
        }
        id
    }

    fn open(&mut self, kind: Kind<'t>, anchor: usize, span: Span) -> Result<(), String> {
        if self.frames.len() >= MAX_DEPTH as usize {
            return Err(too_deep());
        }
        let start = span.start.byte_offset().unwrap_or(0);
        let node = self.push(Node::new(kind, start..start, span.start.line()), anchor);
        self.frames.push(Frame {
            node,
            anchor,
            children: self.pending.len(),
            weight: Weight { nodes: 1, bytes: 0, height: 0 },
        });
        Ok(())
    }

    fn close(&mut self, span: Span) -> Result<(), String> {
        let Some(frame) = self.frames.pop() else {
            return Ok(());
        };
        let children: Box<[NodeId]> = self.pending[frame.children..].into();
        self.pending.truncate(frame.children);
        let node = &mut self.tree.nodes[frame.node as usize];
        node.close_at(span.end.byte_offset().unwrap_or(0));
        match &mut node.kind {
            Kind::Sequence { items, .. } => *items = children,
            Kind::Mapping { entries, .. } => *entries = children,
            Kind::Scalar { .. } | Kind::Alias(_) => {}
        }
        self.finish(frame.node, frame.anchor, frame.weight)
    }

    /// Hands a complete node to its parent, or makes it the root of its document.
    fn finish(&mut self, id: NodeId, anchor: usize, weight: Weight) -> Result<(), String> {
        if anchor != 0 {
            self.anchors.insert(anchor, (id, Some(weight)));
        }
        let whole = if let Some(parent) = self.frames.last_mut() {
            parent.weight.add(weight);
            self.pending.push(id);
            parent.weight
        } else {
            self.tree.documents.push(id);
            self.total.add(weight);
            self.total
        };
        if whole.height > MAX_DEPTH {
            return Err(too_deep());
        }
        if whole.nodes > MAX_NODES || self.tree.nodes.len() as u64 > MAX_NODES {
            return Err(format!("more than {MAX_NODES} values in one file, its aliases expanded; split it"));
        }
        if whole.bytes > MAX_EXPANDED_BYTES {
            return Err(format!("more than {MAX_EXPANDED_BYTES} bytes of text in one file, its aliases expanded"));
        }
        Ok(())
    }
}

fn too_deep() -> String {
    format!("nested deeper than {MAX_DEPTH} levels")
}

fn known_tag(tag: &granit_parser::Tag) -> Tag {
    match tag.suffix_in_namespace("tag:yaml.org,2002:").as_deref() {
        Some("int") => Tag::Int,
        Some("float") => Tag::Float,
        Some("bool") => Tag::Bool,
        Some("null") => Tag::Null,
        Some("binary") => Tag::Binary,
        _ => Tag::Text,
    }
}
