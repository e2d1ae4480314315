//! Whose signature a commit must have: OpenSSH's file of allowed signers, read as `ssh-keygen -Y verify` reads it.
//!
//! The form is that of ssh-keygen(1), "ALLOWED SIGNERS". What cannot be read is an error: a line that is passed over could
//! be the one that restricts a key.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use ssh_key::public::KeyData;
use ssh_key::{Algorithm, HashAlg, PublicKey, SshSig};

use crate::clone::Repository;
use crate::error::RepositoryError;
use crate::ids::CommitId;
use crate::signing::{NAMESPACE, SigningKey};

/// The keys whose signatures count, and for whom, since when and until when.
#[derive(Debug, Clone)]
pub struct AllowedSigners(Vec<Signer>);

#[derive(Debug, Clone)]
struct Signer {
    principals: String,
    key: KeyData,
    limits: Limits,
}

#[derive(Debug, Clone, Default)]
struct Limits {
    /// Patterns; none means any.
    namespaces: Option<String>,
    valid_after: Option<Timestamp>,
    valid_before: Option<Timestamp>,
}

/// Why a file of allowed signers cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct AllowedSignersError {
    /// The line, counted from one; zero if it is about the whole file.
    pub line: usize,
    /// What is wrong there.
    pub problem: String,
}

impl AllowedSigners {
    /// Reads such a file.
    ///
    /// # Errors
    /// The first line that cannot be read. Certificate authorities are not supported, and a file without a key is wrong.
    pub fn parse(text: &str) -> Result<Self, AllowedSignersError> {
        let mut signers = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            signers.push(signer(line).map_err(|problem| AllowedSignersError { line: number + 1, problem })?);
        }
        if signers.is_empty() {
            return Err(AllowedSignersError { line: 0, problem: "the file names no key".to_owned() });
        }
        Ok(Self(signers))
    }

    /// Only what this key signs.
    #[must_use]
    pub fn only(key: &SigningKey) -> Self {
        let key = key.public().key_data().clone();
        Self(vec![Signer { principals: String::new(), key, limits: Limits::default() }])
    }

    /// Whether what `key` signs now counts.
    #[must_use]
    pub fn allow(&self, key: &SigningKey, now: Timestamp) -> bool {
        self.principals_of(key.public().key_data(), now).is_ok()
    }

    /// For whom a signature of `key` made at `time` counts.
    fn principals_of(&self, key: &KeyData, time: Timestamp) -> Result<&str, String> {
        let mut reason = "its key is not one of the allowed signers".to_owned();
        for signer in self.0.iter().filter(|signer| signer.key == *key) {
            match signer.limits.objection(time) {
                None => return Ok(&signer.principals),
                Some(objection) => reason = objection,
            }
        }
        Err(reason)
    }

    /// Who signed `signed` with the armoured `signature`.
    fn verify(&self, signed: &[u8], signature: &[u8], time: Timestamp) -> Result<&str, String> {
        if signature.starts_with(b"-----BEGIN PGP") {
            return Err("it is signed with PGP, and only signatures by SSH keys are understood".to_owned());
        }
        let signature = SshSig::from_pem(signature).map_err(|_| "its signature is not one by an SSH key".to_owned())?;
        let principals = self.principals_of(signature.public_key(), time)?;
        if signature.namespace() != NAMESPACE {
            return Err(format!("its signature was made for {:?}, not for Git", signature.namespace()));
        }
        let right = match signature.public_key() {
            KeyData::Rsa(_) => verify_rsa(signed, &signature),
            key => PublicKey::from(key.clone()).verify(NAMESPACE, signed, &signature).is_ok(),
        };
        if right {
            Ok(principals)
        } else {
            Err("its signature is wrong: it was changed after it was signed".to_owned())
        }
    }
}

impl Limits {
    fn objection(&self, time: Timestamp) -> Option<String> {
        if self.namespaces.as_deref().is_some_and(|patterns| !matches_list(patterns, NAMESPACE)) {
            return Some("its key is allowed, but not for the namespace git".to_owned());
        }
        if self.valid_after.is_some_and(|after| time < after) {
            return Some("its key was not valid yet".to_owned());
        }
        if self.valid_before.is_some_and(|before| time > before) {
            return Some("its key was valid no longer".to_owned());
        }
        None
    }
}

impl Repository {
    /// Who signed a commit, of those whose signatures count. Times are compared with the commit's own, as Git does.
    ///
    /// # Errors
    /// [`RepositoryError::Untrusted`] if nobody of them did; others if the commit cannot be read.
    pub fn signer(&self, commit: CommitId, allowed: &AllowedSigners) -> Result<String, RepositoryError> {
        let untrusted = |reason: String| RepositoryError::Untrusted { commit, reason };
        let local = self.local();
        let found = local.find_commit(commit.0).map_err(|error| self.unreadable(commit, error))?;
        let seconds = found.time().map_err(|error| self.unreadable(commit, error))?.seconds;
        let signature = found.signature().map_err(|error| self.unreadable(commit, error))?;
        let (signature, signed) = signature.ok_or_else(|| untrusted("it is not signed".to_owned()))?;
        let time = Timestamp::from_second(seconds).map_err(|error| self.unreadable(commit, error))?;
        allowed.verify(&signed.to_bstring(), &signature, time).map(str::to_owned).map_err(untrusted)
    }
}

/// `principals [options] kind key [comment]`.
fn signer(line: &str) -> Result<Signer, String> {
    let (principals, rest) = word(line)?;
    let (first, after) = word(rest)?;
    let (limits, key) = if is_kind(first) { (Limits::default(), rest) } else { (limits(first)?, after) };
    let key = PublicKey::from_openssh(key).map_err(|_| "there is no public key that can be read".to_owned())?;
    match key.key_data() {
        KeyData::Ecdsa(_)
        | KeyData::Ed25519(_)
        | KeyData::Rsa(_)
        | KeyData::SkEcdsaSha2NistP256(_)
        | KeyData::SkEd25519(_) => {}
        _ => return Err(format!("keys of the kind {} are not supported", key.algorithm())),
    }
    Ok(Signer { principals: principals.trim_matches('"').to_owned(), key: key.key_data().clone(), limits })
}

fn is_kind(word: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-"].iter().any(|prefix| word.starts_with(prefix))
}

/// The text up to white space outside of quotes, and what follows it.
fn word(text: &str) -> Result<(&str, &str), String> {
    let mut quoted = false;
    let end = text.find(|letter: char| {
        quoted ^= letter == '"';
        !quoted && letter.is_whitespace()
    });
    match end {
        Some(end) => Ok((&text[..end], text[end..].trim_start())),
        None if quoted => Err("a quotation mark is not closed".to_owned()),
        None => Err("a key is missing: write PRINCIPALS [OPTIONS] KIND KEY".to_owned()),
    }
}

fn limits(options: &str) -> Result<Limits, String> {
    let mut limits = Limits::default();
    let mut quoted = false;
    let parts = options.split(|letter: char| {
        quoted ^= letter == '"';
        !quoted && letter == ','
    });
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let value = value.trim_matches('"');
        match name.to_ascii_lowercase().as_str() {
            "namespaces" => limits.namespaces = Some(value.to_owned()),
            "valid-after" => limits.valid_after = Some(time(value)?),
            "valid-before" => limits.valid_before = Some(time(value)?),
            "cert-authority" => return Err("certificate authorities are not supported; name the keys".to_owned()),
            _ => return Err(format!("the option {name:?} is not known")),
        }
    }
    Ok(limits)
}

/// `YYYYMMDD[HHMM[SS]][Z]`; what OpenSSH takes in the machine's time zone is UTC here.
fn time(text: &str) -> Result<Timestamp, String> {
    let wrong = || format!("{text:?} is not a time such as 20261231 or 20261231235959Z");
    let digits = text.strip_suffix('Z').unwrap_or(text);
    let whole = match digits.len() {
        8 => format!("{digits}000000"),
        12 => format!("{digits}00"),
        14 => digits.to_owned(),
        _ => return Err(wrong()),
    };
    let civil = DateTime::strptime("%Y%m%d%H%M%S", &whole).map_err(|_| wrong())?;
    Ok(civil.to_zoned(TimeZone::UTC).map_err(|_| wrong())?.timestamp())
}

/// OpenSSH's pattern lists: commas between, `*` and `?` within, `!` before what must not be.
fn matches_list(patterns: &str, text: &str) -> bool {
    let mut found = false;
    for pattern in patterns.split(',').map(str::trim) {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(pattern.as_bytes(), text.as_bytes()) => return false,
            Some(_) => {}
            None => found |= matches(pattern.as_bytes(), text.as_bytes()),
        }
    }
    found
}

fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => matches(rest, text) || (!text.is_empty() && matches(pattern, &text[1..])),
        ([b'?', pattern @ ..], [_, text @ ..]) => matches(pattern, text),
        ([one, pattern @ ..], [other, text @ ..]) => one == other && matches(pattern, text),
        _ => false,
    }
}

/// With SHA-2 only, as OpenSSH wants it for these signatures.
fn verify_rsa(signed: &[u8], signature: &SshSig) -> bool {
    let KeyData::Rsa(key) = signature.public_key() else { return false };
    let scheme = match signature.algorithm() {
        Algorithm::Rsa { hash: Some(HashAlg::Sha256) } => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rsa { hash: Some(HashAlg::Sha512) } => &RSA_PKCS1_2048_8192_SHA512,
        _ => return false,
    };
    let (Some(n), Some(e)) = (key.n().as_positive_bytes(), key.e().as_positive_bytes()) else { return false };
    let Ok(data) = SshSig::signed_data(NAMESPACE, signature.hash_alg(), signed) else { return false };
    RsaPublicKeyComponents { n, e }.verify(scheme, &data, signature.signature_bytes()).is_ok()
}

#[cfg(test)]
mod tests;
