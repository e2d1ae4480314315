//! Random documents: comments, quotes, braces, anchors, aliases, block texts, CRLF and byte-order marks. Editing any value
//! changes its bytes alone, or is refused where that cannot be.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use lockstep_manifest::{ImagePlace, ScalarEdit, documents, edit, images};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;

#[derive(Debug, Clone)]
enum Node {
    Plain(String),
    Single(String),
    Double(String),
    Literal(String),
    Empty,
    /// Names the anchored value before it, if there is one.
    Alias,
    Anchored(Box<Node>),
    Map {
        flow: bool,
        entries: Vec<(String, Node, &'static str)>,
    },
    Seq {
        flow: bool,
        items: Vec<(Node, &'static str)>,
    },
}

/// A value that may be edited, and where its bytes are.
#[derive(Debug, Clone)]
struct Leaf {
    pointer: String,
    start: usize,
    end: usize,
    /// The anchor that it stands under.
    anchor: Option<usize>,
    refused: bool,
}

struct Writer {
    text: String,
    newline: &'static str,
    leaves: Vec<Leaf>,
    anchors: usize,
    /// The anchors that an alias names.
    named: Vec<usize>,
    anchor: Option<usize>,
}

impl Writer {
    fn put(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn line_end(&mut self, comment: &str) {
        self.put(comment);
        self.put(self.newline);
    }

    fn leaf(&mut self, pointer: &str, source: &str, refused: bool) {
        let start = self.text.len();
        self.put(source);
        let anchor = self.anchor.take();
        // What looks like a template is left to people.
        let refused = refused || source.contains("{{");
        self.leaves.push(Leaf { pointer: pointer.to_owned(), start, end: self.text.len(), anchor, refused });
    }

    /// A value in one line: a scalar, or a collection in brackets.
    fn inline(&mut self, node: &Node, pointer: &str) {
        match node {
            Node::Plain(text) => self.leaf(pointer, text, false),
            Node::Single(text) => self.leaf(pointer, &format!("'{}'", text.replace('\'', "''")), false),
            Node::Double(text) | Node::Literal(text) => {
                let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                self.leaf(pointer, &format!("\"{escaped}\""), false);
            }
            Node::Empty => self.leaf(pointer, "~", false),
            Node::Alias if self.anchors == 0 => self.leaf(pointer, "none", false),
            Node::Alias => {
                self.named.push(self.anchors);
                let alias = format!("*a{} ", self.anchors);
                self.leaf(pointer, &alias, true);
            }
            Node::Anchored(inner) => {
                if matches!(**inner, Node::Plain(_) | Node::Single(_) | Node::Double(_)) {
                    self.anchors += 1;
                    self.put(&format!("&a{} ", self.anchors));
                    self.anchor = Some(self.anchors);
                }
                self.inline(inner, pointer);
            }
            Node::Map { entries, .. } => {
                self.put("{");
                for (number, (key, value, _)) in entries.iter().enumerate() {
                    self.put(if number > 0 { ", " } else { "" });
                    self.put(&format!("{key}: "));
                    self.inline(value, &format!("{pointer}/{key}"));
                }
                self.put("}");
            }
            Node::Seq { items, .. } => {
                self.put("[");
                for (number, (value, _)) in items.iter().enumerate() {
                    self.put(if number > 0 { ", " } else { "" });
                    self.inline(value, &format!("{pointer}/{number}"));
                }
                self.put("]");
            }
        }
    }

    /// What follows `KEY:` or `-`, up to the end of its last line.
    fn value(&mut self, node: &Node, pointer: &str, indent: usize, comment: &str) {
        match node {
            Node::Map { flow: false, entries } if !entries.is_empty() => {
                self.line_end(comment);
                self.map(entries, pointer, indent + 2);
            }
            Node::Seq { flow: false, items } if !items.is_empty() => {
                self.line_end(comment);
                for (number, (item, comment)) in items.iter().enumerate() {
                    self.put(&format!("{}-", " ".repeat(indent)));
                    self.value(item, &format!("{pointer}/{number}"), indent + 1, comment);
                }
            }
            Node::Literal(text) => {
                let lines = text.lines().map(|line| format!("{}{line}{}", " ".repeat(indent + 2), self.newline));
                let block = format!(" |{}{}", self.newline, lines.collect::<String>());
                self.leaf(pointer, &block, true);
            }
            Node::Empty => {
                self.leaf(pointer, "", true);
                self.line_end(comment);
            }
            inline => {
                self.put(" ");
                self.inline(inline, pointer);
                self.line_end(comment);
            }
        }
    }

    fn map(&mut self, entries: &[(String, Node, &'static str)], pointer: &str, indent: usize) {
        for (key, value, comment) in entries {
            if comment.contains("own line") {
                self.put(&" ".repeat(indent));
                self.line_end(comment.trim_start());
            }
            self.put(&format!("{}{key}:", " ".repeat(indent)));
            self.value(value, &format!("{pointer}/{key}"), indent, comment);
        }
    }
}

fn node() -> impl Strategy<Value = Node> {
    let words = || select(vec!["ghcr.io/a/b:1.0", "1.10", "true", "web", "a b", "0x1", "2024-01-02", "x:y", "é🦀"]);
    let leaf = prop_oneof![
        4 => words().prop_map(|text| Node::Plain(text.to_owned())),
        2 => "[ -~é]{0,8}".prop_map(Node::Single),
        2 => "[ -~é\n]{0,8}".prop_map(Node::Double),
        1 => "([a-z#:'\"]{1,6}( [a-z]{1,3})?\n){1,3}".prop_map(Node::Literal),
        1 => Just(Node::Empty),
        1 => Just(Node::Alias),
        1 => words().prop_map(|text| Node::Anchored(Box::new(Node::Plain(text.to_owned())))),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let comment = || select(vec!["", "", " # comment", "\t# x: 'y", " # own line {"]);
        let entries = proptest::collection::vec((inner.clone(), comment()), 0..4).prop_map(|values| {
            let named = values.into_iter().enumerate();
            named.map(|(number, (value, comment))| (format!("k{number}"), value, comment)).collect()
        });
        let items = proptest::collection::vec((inner, comment()), 0..4);
        prop_oneof![
            3 => (any::<bool>(), entries).prop_map(|(flow, entries)| Node::Map { flow, entries }),
            2 => (any::<bool>(), items).prop_map(|(flow, items)| Node::Seq { flow, items }),
        ]
    })
}

fn document() -> impl Strategy<Value = (String, Vec<Leaf>)> {
    let values = proptest::collection::vec(node(), 1..5);
    (values, select(vec!["\n", "\r\n"]), any::<bool>(), any::<bool>()).prop_map(|(values, newline, mark, starts)| {
        let mut writer =
            Writer { text: String::new(), newline, leaves: Vec::new(), anchors: 0, named: Vec::new(), anchor: None };
        writer.put(if mark { "\u{feff}" } else { "" });
        if starts {
            writer.line_end("--- # begin");
        }
        let entries: Vec<_> = values.into_iter().enumerate().map(|(n, value)| (format!("top{n}"), value, "")).collect();
        writer.map(&entries, "", 0);
        let named = writer.named;
        for leaf in &mut writer.leaves {
            leaf.refused |= leaf.anchor.is_some_and(|anchor| named.contains(&anchor));
        }
        (writer.text, writer.leaves)
    })
}

/// The only document of a file.
fn value(text: &str) -> Value {
    documents("f.yaml", text).unwrap_or_else(|errors| panic!("{errors:?}\n{text}")).remove(0).1
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_edit_changes_one_value_or_nothing(
        (text, leaves) in document(),
        which in any::<Index>(),
        new in prop_oneof![select(vec!["1.10", "on", "v2", "1e3", "", "~", "- x", "a: b", "a #b", "{", "0b1", "12:30"]).prop_map(str::to_owned), "[ -~é]{0,10}"],
    ) {
        // As a rejection it would end a long run early.
        if leaves.is_empty() {
            return Ok(());
        }
        let leaf = which.get(&leaves);
        let change = ScalarEdit { document: 0, pointer: leaf.pointer.clone(), new: new.clone() };
        let edited = match edit("f.yaml", &text, &[change]) {
            Ok(edited) => edited,
            Err(error) => {
                prop_assert!(leaf.refused, "refused: {error}\n{text}\n{leaf:?}");
                return Ok(());
            }
        };
        let mut expected = value(&text);
        let unchanged = expected.pointer(&leaf.pointer).and_then(Value::as_str) == Some(&new) && edited == text;
        prop_assert!(!leaf.refused || unchanged, "not refused: {leaf:?}\n{text}");
        prop_assert!(edited.starts_with(&text[..leaf.start]) && edited.ends_with(&text[leaf.end..]), "{text}\n{edited}");
        // `1.10` as a number becomes the text "1.10" only where the text is another one.
        if edited != text {
            *expected.pointer_mut(&leaf.pointer).unwrap() = Value::from(new);
        }
        prop_assert_eq!(value(&edited), expected, "{}\n{}", text, edited);
    }
}

/// A mapping that is an image in the values of a chart, as it reads, and what it becomes.
#[derive(Debug, Clone)]
struct Written {
    before: String,
    after: String,
    text: String,
}

fn image(tag: &'static str, digest: Option<char>) -> impl Strategy<Value = Written> {
    let quote = || select(vec!["", "'", "\""]);
    let shape = (0..4_u8, any::<bool>(), quote(), quote(), select(vec!["", " # c", " # lockstep: semver:*"]));
    shape.prop_map(move |(shape, flow, quoted, other, comment)| {
        let digest = digest.map(|letter| format!("sha256:{}", letter.to_string().repeat(64)));
        let comment = if flow { "" } else { comment };
        let behind = digest.as_ref().map_or(String::new(), |digest| format!("@{digest}"));
        let name = "ghcr.io/a/b";
        let fields = |tag: &str, digest: &str| -> Vec<(&str, String)> {
            let digest_behind = if digest.is_empty() { String::new() } else { format!("@{digest}") };
            match shape {
                0 => vec![("image", format!("{quoted}{name}:{tag}{digest_behind}{quoted}"))],
                1 => vec![
                    ("repository", format!("{other}{name}{other}")),
                    ("tag", format!("{quoted}{tag}{digest_behind}{quoted}")),
                ],
                2 if digest.is_empty() => {
                    vec![("tag", format!("{quoted}{tag}{quoted}")), ("repository", name.to_owned())]
                }
                2 => vec![
                    ("tag", format!("{quoted}{tag}{quoted}")),
                    ("repository", name.to_owned()),
                    ("digest", format!("{other}{digest}{other}")),
                ],
                _ => vec![
                    ("registry", "ghcr.io".to_owned()),
                    ("repository", "a/b".to_owned()),
                    ("tag", format!("{quoted}{tag}{digest_behind}{quoted}")),
                ],
            }
        };
        let write = |fields: Vec<(&str, String)>| {
            if flow {
                let inside: Vec<_> = fields.iter().map(|(key, value)| format!("{key}: {value}")).collect();
                return format!("image: {{{}}}\n", inside.join(", "));
            }
            let commented =
                fields.iter().position(|(_, value)| value.contains(":v") || value.contains('v')).unwrap_or(0);
            let lines = fields.iter().enumerate().map(|(number, (key, value))| {
                format!("  {key}: {value}{}\n", if number == commented { comment } else { "" })
            });
            format!("image:\n{}", lines.collect::<String>())
        };
        let new_digest = digest.as_ref().map(|_| format!("sha256:{}", "f".repeat(64))).unwrap_or_default();
        Written {
            before: write(fields(tag, digest.as_deref().unwrap_or_default())),
            after: write(fields("v9.1", &new_digest)),
            text: format!("{name}:{tag}{behind}"),
        }
    })
}

fn moved(file: &str, text: &str, wanted: &str) -> Result<String, String> {
    let places = images(file, text).map_err(|errors| format!("{errors:?}"))?;
    let place: &ImagePlace = places.iter().find(|place| place.text == wanted).ok_or(format!("{places:?}"))?;
    let digest = format!("sha256:{}", "f".repeat(64));
    let edits = place.rewrite("v9.1", wanted.contains('@').then_some(digest.as_str()))?;
    edit(file, text, &edits).map_err(|error| error.to_string())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_image_among_other_values_is_moved_alone(
        (text, _) in document(),
        written in prop_oneof![image("v1.0", None), image("v1.0", Some('a'))],
        first in any::<bool>(),
    ) {
        let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let with = |image: &str| {
            let image = image.replace('\n', newline);
            let begin = text.find("top0").unwrap();
            if first { format!("{}{image}{}", &text[..begin], &text[begin..]) } else { format!("{text}{image}") }
        };
        let edited = moved("values.yaml", &with(&written.before), &written.text);
        prop_assert_eq!(edited, Ok(with(&written.after)));
    }
}
