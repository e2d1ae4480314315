//! The keys that images must be signed with.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use lockstep_daemon::SecretFile;
use lockstep_registry::VerificationKey;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use super::Settings;
use super::check::Problems;
use crate::ports::PortError;

/// What signatures of images are checked with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Verify {
    /// By the name that `cosign:NAME` says.
    pub keys: BTreeMap<String, KeyFile>,
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct KeyFile {
    /// In PEM form: ECDSA on P-256, or Ed25519.
    pub file: Utf8PathBuf,
}

impl Verify {
    /// The key of that name, as its file holds it now.
    pub(crate) fn key(&self, name: &str) -> Result<VerificationKey, PortError> {
        let failed = |message: String| PortError { category: "settings", message };
        let key = self.keys.get(name);
        let key = key.ok_or_else(|| failed(format!("there is no key {name:?}: add it to verify.keys")))?;
        let file = SecretFile::new(key.file.clone());
        let text = file.read().map_err(|error| failed(error.to_string()))?;
        let wrong = |error| failed(format!("the key in {} cannot be used: {error}", key.file));
        VerificationKey::parse(text.expose_secret()).map_err(wrong)
    }
}

pub(super) fn problems(verify: &Verify, problems: &mut Problems) {
    for name in verify.keys.keys() {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        if name.is_empty() || !name.chars().all(plain) {
            problems.add(format!("verify.keys.{name}"), "is no name for a key: use letters, digits, - _ and .");
        }
    }
}

/// Keys that cannot be read, or are none.
pub(super) fn unusable_files(settings: &Settings, problems: &mut Problems) {
    for name in settings.verify.keys.keys() {
        if let Err(error) = settings.verify.key(name) {
            problems.add(format!("verify.keys.{name}.file"), error.message);
        }
    }
}
