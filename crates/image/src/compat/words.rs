//! What a tool's user wrote, by the tool's own keys.

use std::collections::BTreeMap;

use super::{CompatError, Tool};

/// Keys and values in a tool's own words. Keys are read with and without the tool's prefix, so annotations can be
/// given as they stand: `keel.sh/matchTag` is `matchTag`.
///
/// | tool | keys |
/// | --- | --- |
/// | `flux1` | `tag` |
/// | `flux2` | `semver.range`, `alphabetical.order`, `numerical.order`, `filterTags.pattern`, `filterTags.extract`: the paths of an ImagePolicy, with or without `spec.policy.` and `spec.` |
/// | `keel` | `policy`, `matchTag`, `matchPreRelease` |
/// | `argocd-image-updater` | `update-strategy`, `allow-tags`, `ignore-tags`, `platforms`, `constraint`, and `image`: a word of `image-list`, with its constraint behind the colon |
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    written: BTreeMap<String, String>,
}

/// The words of one tool, by its keys in one spelling.
pub(super) type Known<'a> = BTreeMap<&'static str, &'a str>;

impl Words {
    /// Reads one line or several: `KEY=VALUE` or `KEY: VALUE`, with spaces between them. What stands before the first key
    /// is the tool's main word, in short: `semver:~1.4` for `flux1` and `flux2`, `minor` for `keel`, `newest-build` or
    /// `semver:~1.4` for `argocd-image-updater`.
    pub fn read(tool: Tool, text: &str) -> Self {
        let mut written: BTreeMap<String, String> = BTreeMap::new();
        let mut key = String::new();
        for word in text.split_whitespace() {
            let parts = word.split_once('=').or_else(|| word.strip_suffix(':').map(|key| (key, "")));
            let (value, begins) = match parts.filter(|(key, _)| tool.key(key).is_some()) {
                Some((name, value)) => {
                    key = name.to_owned();
                    (value, true)
                }
                None => (word, false),
            };
            let known = written.entry(key.clone()).or_default();
            if !known.is_empty() && !begins {
                known.push(' ');
            }
            known.push_str(value);
        }
        if let Some(main) = written.remove("") {
            let (key, value) = tool.main(&main);
            written.entry(key.to_owned()).or_insert(value.to_owned());
            if let Some(constraint) = tool.short_constraint(&main) {
                written.insert("constraint".to_owned(), constraint.to_owned());
            }
        }
        Self { written }
    }

    /// The words under the tool's keys.
    pub(super) fn of(&self, tool: Tool) -> Result<Known<'_>, CompatError> {
        let mut known = Known::new();
        for (key, value) in &self.written {
            let Some(name) = tool.key(key) else {
                if tool.passes_over(key) {
                    continue;
                }
                return Err(CompatError::UnknownKey { tool, key: key.clone(), known: tool.keys().join(", ") });
            };
            if known.insert(name, value.trim()).is_some_and(|other| other != value.trim()) {
                return Err(tool.wrong(name, "it stands twice, with different values"));
            }
        }
        Ok(known)
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Words {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self { written: pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect() }
    }
}

impl Tool {
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Flux1 => &["tag"],
            Self::Flux2 => {
                &["semver.range", "alphabetical.order", "numerical.order", "filterTags.pattern", "filterTags.extract"]
            }
            Self::Keel => &["policy", "matchTag", "matchPreRelease"],
            Self::ImageUpdater => &["update-strategy", "allow-tags", "ignore-tags", "platforms", "constraint", "image"],
        }
    }

    /// The one spelling of a key.
    fn key(self, written: &str) -> Option<&'static str> {
        let name = match self {
            Self::Flux1 => {
                let rest = written.rsplit_once('/').map_or(written, |(_, rest)| rest);
                let filter = written.starts_with("filter.fluxcd.io/");
                if filter || rest == "tag" || rest.starts_with("tag.") { "tag" } else { rest }
            }
            Self::Flux2 => {
                let path = written.strip_prefix("spec.").unwrap_or(written);
                match path.strip_prefix("policy.").unwrap_or(path) {
                    "alphabetical" => "alphabetical.order",
                    "numerical" => "numerical.order",
                    path => path,
                }
            }
            Self::Keel => match written.rsplit_once('/').map_or(written, |(_, rest)| rest) {
                "match-tag" => "matchTag",
                rest => rest,
            },
            Self::ImageUpdater => {
                let rest = written.rsplit_once('/').map_or(written, |(_, rest)| rest);
                match rest.rsplit_once('.').map_or(rest, |(_, rest)| rest) {
                    "updateStrategy" => "update-strategy",
                    "allowTags" | "tag-match" => "allow-tags",
                    "ignoreTags" => "ignore-tags",
                    "imageName" | "image-list" => "image",
                    rest => rest,
                }
            }
        };
        self.keys().iter().find(|known| **known == name).copied()
    }

    /// Whether a key may stand beside the others and says nothing about which tag to choose: the rest of an ImagePolicy,
    /// and of an image in an ImageUpdater.
    fn passes_over(self, written: &str) -> bool {
        let path = written.strip_prefix("spec.").unwrap_or(written);
        let first = path.split('.').next().unwrap_or_default();
        match self {
            Self::Flux2 => {
                const OTHERS: [&str; 8] = [
                    "apiVersion",
                    "kind",
                    "metadata",
                    "status",
                    "imageRepositoryRef",
                    "digestReflectionPolicy",
                    "interval",
                    "suspend",
                ];
                OTHERS.contains(&first) || matches!(path, "policy" | "filterTags")
            }
            Self::ImageUpdater => matches!(first, "alias" | "manifestTargets") || path == "commonUpdateSettings",
            Self::Flux1 | Self::Keel => false,
        }
    }

    /// The key of a main word, and its value.
    fn main(self, word: &str) -> (&'static str, &str) {
        match self {
            Self::Flux1 => ("tag", word),
            Self::Flux2 => match word.split_once(':').unwrap_or((word, "")) {
                ("alphabetical", order) => ("alphabetical.order", order),
                ("numerical", order) => ("numerical.order", order),
                ("semver", range) => ("semver.range", range),
                _ => ("semver.range", word),
            },
            Self::Keel => ("policy", word),
            Self::ImageUpdater => ("update-strategy", word.split_once(':').map_or(word, |(strategy, _)| strategy)),
        }
    }

    /// What stands behind a strategy in short.
    fn short_constraint(self, word: &str) -> Option<&str> {
        if self == Self::ImageUpdater { word.split_once(':').map(|(_, constraint)| constraint) } else { None }
    }
}
