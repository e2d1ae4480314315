//! Looking a field up through aliases and merge keys, remembering whether it is written once and for itself.

use crate::tree::{Key, Kind, NodeId, Style, Tree};

/// A node, reached from a document's root.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) node: NodeId,
    /// Set where other fields share the node's text, so that an edit of it would change them too.
    pub(crate) sharing: Option<Sharing>,
    /// It stands inside brackets or braces, where a plain scalar may hold less.
    pub(crate) flow: bool,
}

/// How a node comes to be shared, and at which line.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sharing {
    Alias(usize),
    Merge(usize),
    Anchor(usize),
}

impl Sharing {
    pub(crate) fn line(self) -> usize {
        match self {
            Sharing::Alias(line) | Sharing::Merge(line) | Sharing::Anchor(line) => line,
        }
    }

    pub(crate) fn reason(self) -> &'static str {
        match self {
            Sharing::Alias(_) => {
                "the value comes from an alias, and an edit of its anchor would change other places too; write the value out here"
            }
            Sharing::Merge(_) => {
                "the value comes from a merge key, and an edit of its source would change other places too; write the value out here"
            }
            Sharing::Anchor(_) => {
                "the value stands under an anchor that an alias names, and an edit would change that place too; write the value out there"
            }
        }
    }
}

impl Place {
    pub(crate) fn root(tree: &Tree<'_>, document: usize) -> Option<Place> {
        let node = *tree.documents.get(document)?;
        Some(Place::at(tree, node, None, false))
    }

    /// A node that is only read.
    pub(crate) fn plain(node: NodeId) -> Place {
        Place { node, sharing: None, flow: false }
    }

    fn at(tree: &Tree<'_>, id: NodeId, sharing: Option<Sharing>, flow: bool) -> Place {
        let here = tree.node(id);
        if let Kind::Alias(target) = here.kind {
            return Place { node: target, sharing: Some(Sharing::Alias(here.line())), flow };
        }
        let anchor = here.aliased.then(|| Sharing::Anchor(here.line()));
        Place { node: id, sharing: sharing.or(anchor), flow }
    }

    /// The field of that name, the last one where merge keys bring several, as the value has it.
    pub(crate) fn get(self, tree: &Tree<'_>, name: &str) -> Option<Place> {
        let mut found = None;
        let flow = self.flow || tree.is_flow(self.node);
        for (key, value) in tree.entries(self.node) {
            match tree.key(key) {
                Ok(Key::Name(key)) if key == name => {
                    found = Some(Place::at(tree, value, self.sharing, flow));
                }
                Ok(Key::Merge) => {
                    let sharing = Some(Sharing::Merge(tree.node(key).line()));
                    for node in tree.merged(value).unwrap_or_default() {
                        let source = Place { node, sharing, flow };
                        found = source.get(tree, name).or(found);
                    }
                }
                _ => {}
            }
        }
        found
    }

    pub(crate) fn index(self, tree: &Tree<'_>, index: usize) -> Option<Place> {
        let item = *tree.items(self.node).get(index)?;
        let flow = self.flow || tree.is_flow(self.node);
        Some(Place::at(tree, item, self.sharing, flow))
    }

    /// The items of a sequence.
    pub(crate) fn items<'p>(self, tree: &'p Tree<'_>) -> impl Iterator<Item = Place> + 'p {
        let flow = self.flow || tree.is_flow(self.node);
        tree.items(self.node).iter().map(move |item| Place::at(tree, *item, self.sharing, flow))
    }

    /// The fields that are written in a mapping itself, with their keys.
    pub(crate) fn own_fields<'p>(self, tree: &'p Tree<'_>) -> impl Iterator<Item = (NodeId, Place)> + 'p {
        let flow = self.flow || tree.is_flow(self.node);
        tree.entries(self.node).map(move |(key, value)| (key, Place::at(tree, value, self.sharing, flow)))
    }

    /// It stands somewhere else, where it is found too.
    pub(crate) fn is_alias(self) -> bool {
        matches!(self.sharing, Some(Sharing::Alias(_)))
    }

    /// Follows names from here.
    pub(crate) fn follow(self, tree: &Tree<'_>, names: &[&str]) -> Option<Place> {
        names.iter().try_fold(self, |place, name| place.get(tree, name))
    }

    /// Follows a JSON pointer (RFC 6901) from here, at most into a block scalar; what is left of it then points into the text.
    pub(crate) fn pointer<'p>(self, tree: &Tree<'_>, pointer: &'p str) -> Option<(Place, &'p str)> {
        let (mut place, mut rest) = (self, pointer);
        while !rest.is_empty() {
            if matches!(tree.node(place.node).kind, Kind::Scalar { style: Style::Block, .. }) {
                break;
            }
            let steps = rest.strip_prefix('/')?;
            let (step, behind) = steps.split_at(steps.find('/').unwrap_or(steps.len()));
            place = if tree.is_mapping(place.node) {
                place.get(tree, &step.replace("~1", "/").replace("~0", "~"))?
            } else {
                place.index(tree, step.parse().ok()?)?
            };
            rest = behind;
        }
        Some((place, rest))
    }
}
