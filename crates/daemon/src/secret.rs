//! Secrets: always files, read when they are used, so that a rotation needs no restart.

use std::{fs, io, io::Read};

use camino::{Utf8Path, Utf8PathBuf};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// More than any token, password or certificate chain needs.
const LIMIT: u64 = 1024 * 1024;

/// The path of a file that holds a secret. Only the path is a setting; it may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretFile(Utf8PathBuf);

impl SecretFile {
    /// The secret in this file, which need not exist yet.
    pub fn new(path: impl Into<Utf8PathBuf>) -> Self {
        Self(path.into())
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &Utf8Path {
        &self.0
    }

    /// What the file holds now, without the newline at its end. A small read that blocks.
    ///
    /// # Errors
    /// If the file cannot be read, is empty, over 1 MiB or not UTF-8.
    pub fn read(&self) -> Result<SecretString, SecretFileError> {
        let bytes = read_capped(&self.0)?;
        let invalid = |reason| SecretFileError::Invalid { path: self.0.clone(), reason };
        let text = String::from_utf8(bytes).map_err(|_| invalid("it is not UTF-8"))?;
        let secret = text.strip_suffix('\n').map_or(&*text, |text| text.strip_suffix('\r').unwrap_or(text));
        if secret.is_empty() {
            return Err(invalid("it is empty"));
        }
        Ok(SecretString::from(secret.to_owned()))
    }
}

/// Why a secret could not be read. Never holds the secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// The file could not be read.
    #[error("cannot read the secret in {path}: {source}")]
    Read {
        /// The file.
        path: Utf8PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds no usable secret.
    #[error("the secret in {path} cannot be used: {reason}")]
    Invalid {
        /// The file.
        path: Utf8PathBuf,
        /// What is wrong with its content.
        reason: &'static str,
    },
}

/// The content of a file of credentials, certificates or tokens.
pub(crate) fn read_capped(path: &Utf8Path) -> Result<Vec<u8>, SecretFileError> {
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes))
        .map_err(|source| SecretFileError::Read { path: path.to_owned(), source })?;
    if bytes.len() as u64 > LIMIT {
        return Err(SecretFileError::Invalid { path: path.to_owned(), reason: "it is larger than 1 MiB" });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn only_the_final_newline_is_cut_and_only_the_path_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().join("token")).unwrap();
        let secret = SecretFile::new(path.clone());
        for (content, wanted) in [
            ("canary", Some("canary")),
            ("canary\n", Some("canary")),
            ("canary\r\n", Some("canary")),
            (" canary \n\n", Some(" canary \n")),
            ("rotated\n", Some("rotated")),
            ("", None),
            ("\n", None),
        ] {
            fs::write(&path, content).unwrap();
            let read = secret.read();
            assert!(!format!("{secret:?} {read:?}").contains("canary"));
            assert_eq!(read.ok().as_ref().map(ExposeSecret::expose_secret), wanted, "{content:?}");
        }
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(secret.read().unwrap_err().to_string().ends_with("it is not UTF-8"));
        fs::write(&path, vec![b'a'; LIMIT as usize + 1]).unwrap();
        assert!(secret.read().unwrap_err().to_string().ends_with("it is larger than 1 MiB"));
        fs::remove_file(&path).unwrap();
        assert!(matches!(secret.read(), Err(SecretFileError::Read { .. })));
    }
}
