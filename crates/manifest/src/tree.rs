//! One tree of nodes for a whole file: what stands where, and how it is written.

use std::borrow::Cow;
use std::ops::Range;

use crate::scalar::{self, Scalar};

/// The index of a node in its tree.
pub(crate) type NodeId = u32;

/// A file, parsed once.
pub(crate) struct Tree<'t> {
    pub(crate) text: &'t str,
    pub(crate) nodes: Vec<Node<'t>>,
    /// The root of each document, empty ones included, so that a document's index is its place in the file.
    pub(crate) documents: Vec<NodeId>,
    /// Comments in the order of the file; collected only where asked for.
    pub(crate) comments: Vec<Comment>,
}

pub(crate) struct Comment {
    pub(crate) span: Range<usize>,
    pub(crate) line: usize,
}

pub(crate) struct Node<'t> {
    pub(crate) kind: Kind<'t>,
    start: u32,
    end: u32,
    line: u32,
    pub(crate) tag: Tag,
    /// It carries an anchor.
    pub(crate) anchored: bool,
    /// An alias points at it: what changes here changes there.
    pub(crate) aliased: bool,
}

pub(crate) enum Kind<'t> {
    Scalar {
        text: Cow<'t, str>,
        style: Style,
    },
    Sequence {
        items: Box<[NodeId]>,
        flow: bool,
    },
    /// Keys and values by turns.
    Mapping {
        entries: Box<[NodeId]>,
        flow: bool,
    },
    Alias(NodeId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Single,
    Double,
    Block,
}

/// The tag of a node as far as values depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag {
    None,
    /// `!!str`, `!`, and every tag that kubectl does not know: the text is the value.
    Text,
    Int,
    Float,
    Bool,
    Null,
    Binary,
}

/// A mapping key as kubectl reads it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Key<'k> {
    Merge,
    Name(Cow<'k, str>),
}

impl<'t> Node<'t> {
    pub(crate) fn new(kind: Kind<'t>, span: Range<usize>, line: usize) -> Self {
        // A file is at most some megabytes, so none of these saturates.
        let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Node {
            kind,
            start: small(span.start),
            end: small(span.end),
            line: small(line),
            tag: Tag::None,
            anchored: false,
            aliased: false,
        }
    }

    pub(crate) fn span(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    pub(crate) fn close_at(&mut self, end: usize) {
        self.end = u32::try_from(end).unwrap_or(u32::MAX);
    }

    pub(crate) fn line(&self) -> usize {
        self.line as usize
    }

    /// It is a scalar that kubectl reads as a text.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.scalar(), Some(Ok(Scalar::Text(_))))
    }

    /// The value of a scalar node, or what is wrong with it.
    pub(crate) fn scalar(&self) -> Option<Result<Scalar<'_>, &'static str>> {
        let Kind::Scalar { text, style } = &self.kind else {
            return None;
        };
        let text = text.as_ref();
        Some(match self.tag {
            Tag::None if *style == Style::Plain => Ok(scalar::resolve(text)),
            Tag::None | Tag::Text => Ok(Scalar::Text(text)),
            Tag::Binary => Err("the tag !!binary is not supported; write the text itself"),
            Tag::Int => match scalar::resolve(text) {
                value @ (Scalar::Int(_) | Scalar::Large(_)) => Ok(value),
                _ => Err("is not an integer, as its tag says"),
            },
            Tag::Float => match scalar::resolve(text) {
                value @ (Scalar::Int(_) | Scalar::Large(_) | Scalar::Float(_)) => Ok(value),
                _ => Err("is not a number, as its tag says"),
            },
            Tag::Bool => match scalar::resolve(text) {
                value @ Scalar::Bool(_) => Ok(value),
                _ => Err("is not a boolean, as its tag says"),
            },
            Tag::Null => match scalar::resolve(text) {
                Scalar::Null => Ok(Scalar::Null),
                _ => Err("is not null, as its tag says"),
            },
        })
    }
}

impl<'t> Tree<'t> {
    pub(crate) fn node(&self, id: NodeId) -> &Node<'t> {
        &self.nodes[id as usize]
    }

    /// The node itself, or the one that its alias names.
    pub(crate) fn target(&self, id: NodeId) -> NodeId {
        match self.node(id).kind {
            Kind::Alias(target) => target,
            _ => id,
        }
    }

    pub(crate) fn entries(&self, id: NodeId) -> impl DoubleEndedIterator<Item = (NodeId, NodeId)> {
        let entries: &[NodeId] = match &self.node(id).kind {
            Kind::Mapping { entries, .. } => entries,
            _ => &[],
        };
        entries.chunks_exact(2).map(|pair| (pair[0], pair[1]))
    }

    pub(crate) fn items(&self, id: NodeId) -> &[NodeId] {
        match &self.node(id).kind {
            Kind::Sequence { items, .. } => items,
            _ => &[],
        }
    }

    pub(crate) fn is_mapping(&self, id: NodeId) -> bool {
        matches!(self.node(id).kind, Kind::Mapping { .. })
    }

    pub(crate) fn is_flow(&self, id: NodeId) -> bool {
        matches!(self.node(id).kind, Kind::Mapping { flow: true, .. } | Kind::Sequence { flow: true, .. })
    }

    /// The key that a node stands for, or why it cannot be one.
    pub(crate) fn key(&self, id: NodeId) -> Result<Key<'_>, &'static str> {
        let node = self.node(self.target(id));
        let Kind::Scalar { text, style } = &node.kind else {
            return Err("a mapping or sequence cannot be a key");
        };
        if *style == Style::Plain && node.tag == Tag::None && text == "<<" {
            return Ok(Key::Merge);
        }
        match node.scalar() {
            Some(Ok(Scalar::Text(text))) => Ok(Key::Name(Cow::Borrowed(text))),
            Some(Ok(value)) => match scalar::key_of(value) {
                Some(name) => Ok(Key::Name(Cow::Owned(name))),
                None => Err("null and integers above 64 bits cannot be keys; put the key in quotes"),
            },
            Some(Err(reason)) => Err(reason),
            None => Err("a mapping or sequence cannot be a key"),
        }
    }

    /// The mappings that a merge key brings in, weakest first.
    pub(crate) fn merged(&self, value: NodeId) -> Result<Vec<NodeId>, &'static str> {
        const REASON: &str = "a merge key needs a mapping or a sequence of mappings";
        let target = self.target(value);
        let sources = match &self.node(target).kind {
            Kind::Mapping { .. } => vec![target],
            Kind::Sequence { items, .. } => items.iter().rev().map(|item| self.target(*item)).collect(),
            _ => return Err(REASON),
        };
        if sources.iter().all(|source| self.is_mapping(*source)) { Ok(sources) } else { Err(REASON) }
    }
}
