//! What the settings say about the places of a repository, for those that say less themselves.

use std::collections::BTreeSet;

use lockstep_image::compat::Tool;
use lockstep_registry::Repository;
use serde::{Deserialize, Serialize};

use crate::glob;

/// What the settings say of the places of a repository.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlaceSettings {
    /// In the order of the settings.
    pub rules: Vec<PlaceRule>,
    /// The tools whose words are acted on.
    pub compat: BTreeSet<Tool>,
    /// People merge every change.
    pub reviewed: bool,
}

/// Which places a rule is about, and what it says of them: the keys of the annotations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct PlaceRule {
    /// A glob of the file, from the root of the repository.
    pub path: Option<String>,
    /// A glob of the object's kind.
    pub kind: Option<String>,
    /// A glob of the image repository, as in `ghcr.io/acme/*`.
    pub image: Option<String>,
    /// A glob of the container.
    pub container: Option<String>,
    /// Updates may be committed.
    pub automated: Option<bool>,
    /// Which tags a place may get.
    pub policy: Option<String>,
    /// Which tags are looked at.
    pub tags: Option<String>,
    /// Which are not.
    pub skip_tags: Option<String>,
    /// How old a tag must be.
    pub min_age: Option<String>,
    /// How a digest is written.
    pub pin: Option<String>,
    /// What an image must run on.
    pub platforms: Option<String>,
    /// Whose signature an image must have.
    pub verify: Option<String>,
    /// Why no automatic change is made.
    pub locked: Option<String>,
    /// What happens when a cluster proves that an update does not run.
    pub on_failure: Option<String>,
    /// What chooses and moves as one.
    pub group: Option<String>,
    /// When updates may be committed.
    pub window: Option<String>,
    /// Lifts "never down".
    pub allow_downgrade: Option<bool>,
}

impl PlaceRule {
    /// Whether it is about this place.
    pub(crate) fn matches(&self, file: &str, kind: &str, image: Option<&Repository>, container: &str) -> bool {
        let fits = |pattern: &Option<String>, text: &str| {
            pattern.as_deref().is_none_or(|pattern| glob::matches(pattern, text))
        };
        fits(&self.path, file)
            && fits(&self.kind, kind)
            && fits(&self.container, container)
            && match image {
                Some(image) => fits(&self.image, &image.to_string()),
                None => self.image.is_none(),
            }
    }

    /// Whether it may be about places in this file, and makes places of images that nothing else governs.
    pub(crate) fn opens(&self, file: &str) -> bool {
        self.opens_places() && self.path.as_deref().is_none_or(|pattern| glob::matches(pattern, file))
    }

    /// A rule without policy says something of the places that others made.
    pub(crate) fn opens_places(&self) -> bool {
        self.policy.is_some() || self.automated == Some(true)
    }

    /// Its globs, by key.
    pub(crate) fn globs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let globs =
            [("path", &self.path), ("kind", &self.kind), ("image", &self.image), ("container", &self.container)];
        globs.into_iter().filter_map(|(key, glob)| Some((key, glob.as_deref()?)))
    }

    /// What it says, by key, as annotations would.
    pub(crate) fn words(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let switch = |value: Option<bool>| value.map(|on| if on { "true" } else { "false" });
        [
            ("automated", switch(self.automated)),
            ("policy", self.policy.as_deref()),
            ("tags", self.tags.as_deref()),
            ("skip-tags", self.skip_tags.as_deref()),
            ("min-age", self.min_age.as_deref()),
            ("pin", self.pin.as_deref()),
            ("platforms", self.platforms.as_deref()),
            ("verify", self.verify.as_deref()),
            ("locked", self.locked.as_deref()),
            ("on-failure", self.on_failure.as_deref()),
            ("group", self.group.as_deref()),
            ("window", self.window.as_deref()),
            ("allow-downgrade", switch(self.allow_downgrade)),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
    }
}
