//! Settings of a process: defaults ← file ← environment ← flags, with every problem at once.
//!
//! The types of the settings live in the daemons: plain serde structs with kebab-case keys and
//! `#[serde(default)]`. They do not say `deny_unknown_fields` (which would stop at the first
//! problem), and they have no flattened or untagged parts (whose keys serde hides from us).
//! A secret is never a setting: the settings hold the path of its file ([`crate::SecretFile`]).

mod decode;
mod file;
mod origin;
mod period;
mod print;

use camino::Utf8PathBuf;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use origin::{Origin, Problem, SettingsErrors};
pub use period::Period;
pub(crate) use print::mask_urls;
pub use print::printed;

use origin::{KeyPath, Origins};

/// Each environment variable that starts with this is a setting: `LOCKSTEP__GRPC__LISTEN_ON` is
/// `grpc.listen-on`.
const PREFIX: &str = "LOCKSTEP__";

/// Where settings come from; later ones win.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    file: Option<Utf8PathBuf>,
    environment: Vec<(String, String)>,
    flags: Vec<(String, String, String)>,
}

impl Sources {
    /// Only the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The YAML file, which must exist if it is named.
    #[must_use]
    pub fn file(mut self, file: Option<Utf8PathBuf>) -> Self {
        self.file = file;
        self
    }

    /// The environment, usually [`std::env::vars`]; only names that start with `LOCKSTEP__` count.
    #[must_use]
    pub fn environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment = variables.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
        self.environment.sort();
        self
    }

    /// A flag of the command line that stands for `key` (as in `grpc.listen-on`), if it was given.
    #[must_use]
    pub fn flag(mut self, flag: &str, key: &str, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            self.flags.push((flag.to_owned(), key.to_owned(), value.to_string()));
        }
        self
    }
}

/// Loads the settings of a daemon. `check` says what the types cannot: pairs of a key and a message.
///
/// # Errors
/// Everything that is wrong, each with its key and the file and line, variable or flag it came from.
pub fn load<T: DeserializeOwned>(
    sources: &Sources,
    check: impl FnOnce(&T) -> Vec<(String, String)>,
) -> Result<T, SettingsErrors> {
    let mut problems = Vec::new();
    let mut origins = Origins::default();
    let mut value = Value::Object(serde_json::Map::new());

    if let Some(file) = &sources.file {
        match file::read(file) {
            Ok(read) => (value, origins) = read,
            Err(problem) => problems.push(problem),
        }
    }
    for (name, text) in &sources.environment {
        let path = KeyPath::of_variable(&name[PREFIX.len()..]);
        put(&mut value, &path, text);
        origins.insert(path, Origin::Environment { variable: name.clone() });
    }
    for (flag, key, text) in &sources.flags {
        let path = KeyPath::of_key(key);
        put(&mut value, &path, text);
        origins.insert(path, Origin::Flag { flag: flag.clone() });
    }

    let settings: Option<T> = decode::decode(value, &origins, &mut problems);
    if let Some(settings) = &settings {
        problems.extend(check(settings).into_iter().map(|(key, message)| {
            let path = KeyPath::of_key(&key);
            Problem { origin: origins.of(&path), key, message: mask_urls(&message) }
        }));
    }
    match settings {
        Some(settings) if problems.is_empty() => Ok(settings),
        _ => Err(SettingsErrors(problems)),
    }
}

/// Sets a key to a text; whether the text means a number or a list is seen when it is decoded.
fn put(value: &mut Value, path: &KeyPath, text: &str) {
    let mut place = value;
    for segment in path.segments() {
        if !place.is_object() {
            *place = Value::Object(serde_json::Map::new());
        }
        let Value::Object(map) = place else { return };
        place = map.entry(segment.clone()).or_insert(Value::Null);
    }
    *place = Value::String(text.to_owned());
}

#[cfg(test)]
mod tests;
