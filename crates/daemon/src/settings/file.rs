//! The settings file: YAML, with the line of every key.

use std::{fmt, fs};

use camino::Utf8Path;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};
use serde_saphyr::Spanned;

use super::{
    mask_urls,
    origin::{KeyPath, Origin, Origins, Problem},
};

/// Reads the file. An empty one holds no settings.
pub(super) fn read(file: &Utf8Path) -> Result<(Value, Origins), Problem> {
    let problem =
        |line, message| Problem { origin: Origin::File { file: file.to_owned(), line }, key: String::new(), message };
    let text = fs::read_to_string(file).map_err(|error| problem(0, format!("cannot read the settings: {error}")))?;
    // Without the snippet of the text around it, which may hold anything.
    let tree: Spanned<Option<Tree>> = serde_saphyr::from_str(&text).map_err(|error| {
        let error = error.without_snippet();
        let line = error.location().map_or(0, |location| location.line());
        problem(line, mask_urls(&error.to_string()))
    })?;

    let mut origins = Origins::default();
    origins.insert(KeyPath::default(), Origin::File { file: file.to_owned(), line: 0 });
    let value = match tree.value {
        None => Value::Object(Map::new()),
        Some(tree @ Tree::Map(_)) => tree.plant(file, &KeyPath::default(), &mut origins),
        Some(_) => return Err(problem(1, "the settings must be a mapping of keys to values".to_owned())),
    };
    Ok((value, origins))
}

/// A YAML value that remembers the lines of its keys and list entries.
enum Tree {
    Scalar(Value),
    List(Vec<Spanned<Tree>>),
    Map(Vec<(Spanned<String>, Tree)>),
}

impl Tree {
    /// The plain value; the lines go into `origins`.
    fn plant(self, file: &Utf8Path, path: &KeyPath, origins: &mut Origins) -> Value {
        let mut note = |path: &KeyPath, line: u64| {
            origins.insert(path.clone(), Origin::File { file: file.to_owned(), line });
        };
        match self {
            Self::Scalar(value) => value,
            Self::List(entries) => {
                let mut list = Vec::with_capacity(entries.len());
                for (index, entry) in entries.into_iter().enumerate() {
                    let path = path.then(index);
                    note(&path, entry.referenced.line());
                    list.push((path, entry.value));
                }
                list.into_iter().map(|(path, entry)| entry.plant(file, &path, origins)).collect()
            }
            Self::Map(entries) => {
                let mut map = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    let path = path.then(&key.value);
                    note(&path, key.referenced.line());
                    map.push((key.value, path, value));
                }
                Value::Object(
                    map.into_iter().map(|(key, path, value)| (key, value.plant(file, &path, origins))).collect(),
                )
            }
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Anything;

        impl<'de> Visitor<'de> for Anything {
            type Value = Tree;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a YAML value")
            }

            fn visit_unit<E>(self) -> Result<Tree, E> {
                Ok(Tree::Scalar(Value::Null))
            }

            fn visit_none<E>(self) -> Result<Tree, E> {
                Ok(Tree::Scalar(Value::Null))
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
                Tree::deserialize(deserializer)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }

            fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Tree, A::Error> {
                let mut list = Vec::new();
                while let Some(entry) = sequence.next_element()? {
                    list.push(entry);
                }
                Ok(Tree::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut mapping: A) -> Result<Tree, A::Error> {
                let mut map = Vec::new();
                while let Some(entry) = mapping.next_entry()? {
                    map.push(entry);
                }
                Ok(Tree::Map(map))
            }
        }

        deserializer.deserialize_any(Anything)
    }
}
