//! Reading files of credentials.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

/// More than any file of credentials needs.
const MOST_BYTES: u64 = 1 << 20;

/// What the file holds now. A small read that blocks.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("{} is larger than 1 MiB", path.display()));
    }
    Ok(bytes)
}

/// A member that nobody may see.
pub(crate) fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(SecretString::from))
}
