//! Where a setting came from, and what is wrong with it.

use std::{collections::BTreeMap, fmt};

use camino::Utf8PathBuf;

/// Where a setting came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A line of the settings file, counted from 1; 0 is the file as a whole.
    File {
        /// The file.
        file: Utf8PathBuf,
        /// The line.
        line: u64,
    },
    /// A variable of the environment.
    Environment {
        /// Its name.
        variable: String,
    },
    /// A flag of the command line.
    Flag {
        /// The flag, with its dashes.
        flag: String,
    },
    /// Nobody set it.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line: 0 } => write!(f, "{file}"),
            Self::File { file, line } => write!(f, "{file}:{line}"),
            Self::Environment { variable } => write!(f, "environment variable {variable}"),
            Self::Flag { flag } => f.write_str(flag),
            Self::Default => f.write_str("settings"),
        }
    }
}

/// One thing that is wrong with the settings. It never holds the value of a setting that is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where the value came from.
    pub origin: Origin,
    /// The key, as in `grpc.listen-on`; empty for the file as a whole.
    pub key: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => write!(f, "{}: {}", self.origin, self.message),
            key => write!(f, "{}: {key}: {}", self.origin, self.message),
        }
    }
}

/// Everything that is wrong with the settings, one problem on a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsErrors(pub Vec<Problem>);

impl fmt::Display for SettingsErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the settings are not valid:")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for SettingsErrors {}

/// The place of a value: the keys and list indexes that lead to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyPath(Vec<String>);

impl KeyPath {
    /// `GRPC__LISTEN_ON` is `grpc.listen-on`.
    pub(crate) fn of_variable(name: &str) -> Self {
        Self(name.split("__").map(|part| part.to_lowercase().replace('_', "-")).collect())
    }

    pub(crate) fn of_key(key: &str) -> Self {
        Self(key.split('.').filter(|part| !part.is_empty()).map(str::to_owned).collect())
    }

    pub(crate) fn segments(&self) -> &[String] {
        &self.0
    }

    pub(crate) fn then(&self, segment: impl ToString) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment.to_string());
        Self(segments)
    }

    pub(crate) fn parent(&self) -> Option<Self> {
        let (_, rest) = self.0.split_last()?;
        Some(Self(rest.to_vec()))
    }

    pub(crate) fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

/// The origin of each value that somebody set.
#[derive(Debug, Default)]
pub(crate) struct Origins(BTreeMap<KeyPath, Origin>);

impl Origins {
    pub(crate) fn insert(&mut self, path: KeyPath, origin: Origin) {
        self.0.insert(path, origin);
    }

    /// The origin of the value, or of the nearest one around it.
    pub(crate) fn of(&self, path: &KeyPath) -> Origin {
        let mut place = Some(path.clone());
        while let Some(path) = place {
            if let Some(origin) = self.0.get(&path) {
                return origin.clone();
            }
            place = path.parent();
        }
        Origin::Default
    }
}
