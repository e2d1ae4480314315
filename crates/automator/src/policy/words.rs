//! Everything that was written about one place, by whoever it was: for each key the word that wins.

use std::collections::BTreeMap;
use std::fmt;

use lockstep_manifest::{Form, ObjectId, PlaceComment};
use lockstep_registry::Repository;

use super::said::Problems;
use super::{PREFIX, Wrong};
use crate::settings::PlaceRule;

/// Where a word about a place stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// In the settings of the repository: `rules[2]`.
    Rule(usize),
    /// In Git: `FILE:LINE`.
    Line(String, usize),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(index) => write!(f, "rules[{index}]"),
            Self::Line(file, line) => write!(f, "{file}:{line}"),
        }
    }
}

/// One word about a place.
#[derive(Clone, Debug)]
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    /// The key as it is written there.
    pub(super) key: String,
    pub(super) origin: Origin,
}

/// The object that an image belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) file: &'a str,
    pub(crate) object: &'a ObjectId,
    pub(crate) line: usize,
    pub(crate) annotations: &'a BTreeMap<String, String>,
    pub(crate) annotation_lines: &'a BTreeMap<String, usize>,
    pub(crate) labels: &'a BTreeMap<String, String>,
}

impl Subject<'_> {
    /// Where an annotation stands.
    pub(super) fn origin(&self, key: &str) -> Origin {
        Origin::Line(self.file.to_owned(), self.annotation_lines.get(key).copied().unwrap_or(self.line))
    }
}

impl Origin {
    /// The line, if it is one in Git.
    pub(super) fn line(&self) -> Option<usize> {
        match self {
            Self::Line(_, line) => Some(*line),
            Self::Rule(_) => None,
        }
    }
}

/// One of its images.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Container<'a> {
    pub(crate) name: &'a str,
    /// If it can be told.
    pub(crate) repository: Option<&'a Repository>,
    /// The tag that it has now.
    pub(crate) tag: Option<&'a str>,
    pub(crate) form: Form,
    /// A comment of ours.
    pub(crate) comment: Option<&'a PlaceComment>,
    /// A setter of Flux v2.
    pub(crate) setter: Option<&'a PlaceComment>,
    /// There is a scalar for a digest.
    pub(crate) takes_digest: bool,
}

/// The words about one place, by key.
#[derive(Clone, Debug, Default)]
pub(super) struct Words<'a>(BTreeMap<&'a str, Word<'a>>);

impl<'a> Words<'a> {
    /// From the weakest to the strongest: the rules of the settings in their order, the annotations of the object, those
    /// with the container's name, the comment.
    pub(super) fn about(subject: &Subject<'a>, container: &Container<'a>, rules: &'a [PlaceRule]) -> Self {
        let mut words = Self::default();
        let Subject { file, object, annotations, .. } = *subject;
        for (index, rule) in rules.iter().enumerate() {
            if rule.matches(file, &object.kind, container.repository, container.name) {
                for (key, text) in rule.words() {
                    words.put(key, text, format!("rules[{index}].{key}"), Origin::Rule(index));
                }
            }
        }
        let here = |line| Origin::Line(file.to_owned(), line);
        let (plain, own): (Vec<_>, Vec<_>) = keys(annotations).partition(|(_, container, _)| container.is_none());
        for (key, of, text) in plain.into_iter().chain(own) {
            if of.is_none_or(|of| of == container.name) {
                let written = of.map_or(format!("{PREFIX}{key}"), |of| format!("{PREFIX}{key}.{of}"));
                let origin = subject.origin(&written);
                words.put(key, text, written, origin);
            }
        }
        if let Some(PlaceComment { policy, options, line }) = container.comment {
            words.put("automated", "true", "the comment".to_owned(), here(*line));
            words.put("policy", policy, "the comment".to_owned(), here(*line));
            for (key, text) in options {
                words.put(key, text, format!("the comment's {key}"), here(*line));
            }
        }
        // The object's own lock is everybody's.
        if let Some(reason) = annotations.get(&format!("{PREFIX}locked")) {
            let written = format!("{PREFIX}locked");
            let origin = subject.origin(&written);
            words.put("locked", reason, written, origin);
        }
        words
    }

    fn put(&mut self, key: &'a str, text: &'a str, written: String, origin: Origin) {
        self.0.insert(key, Word { text, key: written, origin });
    }

    pub(super) fn get(&self, key: &str) -> Option<&Word<'a>> {
        self.0.get(key)
    }

    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        self.0.get(key).map(|word| word.text)
    }

    /// What is wrong with words, where they stand.
    pub(super) fn wrong(&self, problems: Problems) -> Vec<Wrong> {
        let wrong = |(key, problem): (&'static str, String)| {
            let word = self.get(key);
            let key = word.map_or_else(|| format!("{PREFIX}{key}"), |word| word.key.clone());
            Wrong { line: word.and_then(|word| word.origin.line()), message: format!("{key}: {problem}") }
        };
        problems.into_iter().map(wrong).collect()
    }

    /// Where the policy stands; where there is none, what made the place one: its `automated`, or else any other word.
    pub(super) fn origin(&self) -> Option<&Origin> {
        let first = self.get("policy").or_else(|| self.get("automated")).or_else(|| self.0.values().next());
        first.map(|word| &word.origin)
    }
}

/// The keys of annotations of ours: the key, the container it is for, and the value.
pub(super) fn keys(annotations: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, Option<&str>, &str)> {
    annotations.iter().filter_map(|(name, value)| {
        let name = name.strip_prefix(PREFIX)?;
        let (key, container) = name.split_once('.').map_or((name, None), |(key, container)| (key, Some(container)));
        Some((key, container, value.as_str()))
    })
}
