//! What people added to an object of ours by hand, beside what Git has: no drift, and yet worth knowing.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::cover::{ListNode, match_items};
use crate::fieldset::{unite, without};
use crate::live::{LiveMetadata, ManagedFields, is_own};
use crate::render::Rendered;

/// The names under which tools for people write: a name, or its beginning and a star.
const HUMANS: [&str; 13] = [
    "aptakube*",
    "dashboard*",
    "freelens*",
    "headlamp*",
    "k9s",
    "kubectl*",
    "kubernetes-dashboard*",
    "lens*",
    "mozilla*",
    "node-fetch", // Lens, by the library that it calls with.
    "oc",
    "octant*",
    "openlens*",
];

/// Field managers that stand for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HumanManagers(Vec<String>);

impl HumanManagers {
    /// The well-known tools and these: names, or beginnings of names with a star at the end.
    pub fn and(more: impl IntoIterator<Item = String>) -> Self {
        let known = HUMANS.iter().map(|name| (*name).to_owned());
        Self(known.chain(more.into_iter().map(|name| name.to_lowercase())).collect())
    }

    /// Whether this field manager stands for a person.
    pub fn include(&self, manager: &str) -> bool {
        let manager = manager.to_lowercase();
        self.0.iter().any(|name| match name.strip_suffix('*') {
            Some(beginning) => manager.starts_with(beginning),
            None => manager == *name,
        })
    }
}

impl Default for HumanManagers {
    fn default() -> Self {
        Self::and([])
    }
}

/// A field that a person added and that Git does not have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Extra {
    /// The field, such as `.metadata.annotations["team"]`.
    pub path: String,
    /// The field manager that stands for the person.
    pub manager: String,
    /// When that manager last wrote, as RFC 3339 text.
    pub time: Option<String>,
}

/// The fields that people added to an object and that Git neither has nor leaves to others. Writes through a subresource,
/// such as `kubectl scale`, are meant to be made by hand and do not count.
pub fn extras(rendered: &Rendered, live: &LiveMetadata, human: &HumanManagers) -> Vec<Extra> {
    // Most objects have no such entry, and need no body to be read.
    if !live.managed_fields.iter().any(|entry| is_by_hand(entry, human)) {
        return Vec::new();
    }
    found(&rendered.body.value(), live, human, &ignored(rendered))
}

/// The fields that Git leaves to others, as JSON pointers.
fn ignored(rendered: &Rendered) -> BTreeSet<String> {
    rendered.ignored().collect()
}

fn found(rendered: &Value, live: &LiveMetadata, human: &HumanManagers, ignored: &BTreeSet<String>) -> Vec<Extra> {
    let own = live.own_entry().map(|own| &own.fields);
    let mut all = Vec::new();
    for entry in live.managed_fields.iter().filter(|entry| is_by_hand(entry, human)) {
        let mut walk = Walk { ignored, found: Vec::new() };
        walk.split(&entry.fields, Some(rendered), own, &mut Place::default());
        let extra = |path| Extra { path, manager: entry.manager.clone(), time: entry.time.clone() };
        all.extend(walk.found.into_iter().map(extra));
    }
    all.sort();
    all.dedup_by(|left, right| left.path == right.path);
    all
}

/// The list of managed fields in which those fields are ours instead of a person's, so that the next apply removes them.
/// It is to be written with the resource version that it was read at. `None` when there is nothing to remove.
pub fn claim_extras(rendered: &Rendered, live: &LiveMetadata, human: &HumanManagers) -> Option<Vec<ManagedFields>> {
    if !live.managed_fields.iter().any(|entry| is_by_hand(entry, human)) {
        return None;
    }
    claimed(&rendered.body.value(), live, human, &ignored(rendered))
}

fn claimed(
    rendered: &Value,
    live: &LiveMetadata,
    human: &HumanManagers,
    ignored: &BTreeSet<String>,
) -> Option<Vec<ManagedFields>> {
    let own = live.own_entry()?;
    let mut claimed = own.fields.clone();
    let mut entries = Vec::new();
    for entry in &live.managed_fields {
        let mut walk = Walk { ignored, found: Vec::new() };
        let extra = if is_by_hand(entry, human) {
            walk.split(&entry.fields, Some(rendered), Some(&own.fields), &mut Place::default())
        } else {
            None
        };
        match extra {
            None => entries.push(entry.clone()),
            Some(extra) => {
                unite(&mut claimed, &extra);
                let rest = without(&entry.fields, &extra);
                entries.extend(rest.map(|fields| ManagedFields { fields, ..entry.clone() }));
            }
        }
    }
    if claimed == own.fields {
        return None;
    }
    if let Some(own) = entries.iter_mut().find(|entry| is_own(entry)) {
        own.fields = claimed;
    }
    Some(entries)
}

fn is_by_hand(entry: &ManagedFields, human: &HumanManagers) -> bool {
    entry.subresource.is_none() && !is_own(entry) && human.include(&entry.manager)
}

/// Where the walk is: for a person, and as a JSON pointer.
#[derive(Default)]
struct Place {
    path: String,
    pointer: String,
}

impl Place {
    fn below<T>(&mut self, path: &str, pointer: &str, walk: impl FnOnce(&mut Self) -> T) -> T {
        let lengths = (self.path.len(), self.pointer.len());
        self.path.push_str(path);
        self.pointer.push_str(pointer);
        let done = walk(self);
        self.path.truncate(lengths.0);
        self.pointer.truncate(lengths.1);
        done
    }
}

struct Walk<'a> {
    ignored: &'a BTreeSet<String>,
    found: Vec<String>,
}

impl Walk<'_> {
    /// The part of a set of fields that Git does not have.
    fn split(&mut self, node: &Value, git: Option<&Value>, own: Option<&Value>, place: &mut Place) -> Option<Value> {
        let map = node.as_object()?;
        if self.ignored.contains(&place.pointer) {
            return None;
        }
        let git = git.filter(|git| !git.is_null());
        if map.is_empty() || (map.len() == 1 && map.contains_key(".")) {
            return git.is_none().then(|| self.extra(node, place));
        }
        let mut items = Items::new(git, own);
        let mut extra = Map::new();
        for (name, child) in map {
            let found = match name.split_at_checked(2) {
                _ if name == "." => git.is_none().then(|| child.clone()),
                Some(("f:", field)) => place.below(&in_path(field), &in_pointer(field), |place| {
                    let below = own.and_then(|own| own.get(name));
                    self.split(child, git.and_then(|git| git.get(field)), below, place)
                }),
                Some(("k:" | "v:", key)) => match items.take(name) {
                    Some(index) => place.below(&bracketed(key), &format!("/{index}"), |place| {
                        let item = git.and_then(|git| git.get(index));
                        self.split(child, item, own.and_then(|own| own.get(name)), place)
                    }),
                    None => place.below(&bracketed(key), "/-", |place| Some(self.extra(child, place))),
                },
                _ => None,
            };
            extra.extend(found.map(|found| (name.clone(), found)));
        }
        // That a map or list exists is nothing to tell; it goes with what is in it.
        let is_bare = extra.keys().all(|name| name == ".");
        (!is_bare).then_some(Value::Object(extra))
    }

    fn extra(&mut self, node: &Value, place: &Place) -> Value {
        self.found.push(place.path.clone());
        node.clone()
    }
}

/// The items of a list in Git, and which of them are known by which key.
struct Items<'a> {
    items: &'a [Value],
    known: Vec<Option<&'a str>>,
    own: ListNode<'a>,
}

static NOTHING: Value = Value::Null;

impl<'a> Items<'a> {
    fn new(git: Option<&'a Value>, own: Option<&'a Value>) -> Self {
        let items = git.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let own = ListNode::read(own.unwrap_or(&NOTHING));
        let known = match_items(items, &own).into_iter().map(|key| key.map(|key| key.raw)).collect();
        Self { items, known, own }
    }

    /// The item that a node of a person's entry stands for: the one that our own entry has under that name, or one that
    /// we have lost. An item of ours under another name is not it, though it may lack the field in which they differ.
    fn take(&mut self, name: &str) -> Option<usize> {
        if let Some(index) = self.known.iter().position(|known| *known == Some(name)) {
            return Some(index);
        }
        let alone = serde_json::json!({name: {}});
        let wanted = ListNode::read(&alone);
        let fits = |(index, item): &(usize, &Value)| {
            self.known[*index].is_none() && self.own.member(item).is_none() && wanted.name_of(item).is_some()
                || wanted.member(item).is_some()
        };
        self.items.iter().enumerate().find(fits).map(|(index, _)| index)
    }
}

fn in_path(field: &str) -> String {
    let plain =
        !field.is_empty() && field.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-".contains(letter));
    if plain { format!(".{field}") } else { format!("[{field:?}]") }
}

fn in_pointer(field: &str) -> String {
    format!("/{}", field.replace('~', "~0").replace('/', "~1"))
}

fn bracketed(key: &str) -> String {
    match serde_json::from_str(key) {
        Ok(Value::Object(fields)) => {
            let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("[{}]", pairs.join(","))
        }
        _ => format!("[={key}]"),
    }
}

#[cfg(test)]
mod tests;
