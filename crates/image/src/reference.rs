//! The name of an image, as Docker's grammar has it.

use std::fmt;
use std::str::FromStr;

use crate::tag;

/// The registry that is meant where a reference names none.
const DEFAULT_HOST: &str = "docker.io";
/// The longest repository path, without the host.
const LONGEST_PATH: usize = 255;

/// An image reference: `[HOST[:PORT]/]PATH[:TAG][@DIGEST]`.
///
/// The grammar and the reading of short names are those of the `distribution/reference` Go package. What was parsed is
/// kept byte for byte, so `to_string` gives back what was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    text: String,
    /// Length of the host as written, 0 if there is none.
    host: usize,
    /// Length of the name: host and path.
    name: usize,
    /// Where the digest begins (behind the `@`), if there is one.
    digest: Option<usize>,
}

/// Why a text is not an image reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an image reference: {problem}")]
pub struct ReferenceError {
    text: String,
    problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Problem {
    #[error("it is empty")]
    Empty,
    #[error("the registry host {0:?} is not a domain name, an address or [IPv6], with an optional :PORT")]
    Host(String),
    #[error("the repository {0:?} must be lower case")]
    UpperCase(String),
    #[error(
        "the repository {0:?} is not made of parts of a-z and 0-9, joined by `.`, `_`, `__` or dashes, between slashes"
    )]
    Path(String),
    #[error("the repository is longer than 255 characters")]
    TooLong,
    #[error("64 hexadecimal digits are an image id, not a name")]
    Identifier,
    #[error("the tag {0:?} is not a letter, digit or `_`, followed by at most 127 of those, `.` and `-`")]
    Tag(String),
    #[error(
        "the digest {0:?} is not sha256:, sha384: or sha512: with its full number of lower-case hexadecimal digits"
    )]
    Digest(String),
}

impl Reference {
    /// The registry: `docker.io` where none is written.
    pub fn host(&self) -> &str {
        match &self.text[..self.host] {
            "" | "index.docker.io" => DEFAULT_HOST,
            host => host,
        }
    }

    /// The path within the registry, with the `library/` that Docker Hub adds to a single word.
    pub fn repository(&self) -> String {
        let path = self.path();
        if self.host() == DEFAULT_HOST && !path.contains('/') { format!("library/{path}") } else { path.to_owned() }
    }

    /// The name as written, without tag and digest.
    pub fn name(&self) -> &str {
        &self.text[..self.name]
    }

    /// The tag as written.
    pub fn tag(&self) -> Option<&str> {
        let end = self.digest.map_or(self.text.len(), |digest| digest - 1);
        self.text[self.name..end].strip_prefix(':')
    }

    /// The digest as written, `sha256:…`.
    pub fn digest(&self) -> Option<&str> {
        self.digest.map(|digest| &self.text[digest..])
    }

    /// The same name with another tag. A digest is dropped: it would name the old image.
    ///
    /// # Errors
    /// If the tag is not a tag.
    pub fn with_tag(&self, tag: &str) -> Result<Self, ReferenceError> {
        format!("{}:{tag}", self.name()).parse()
    }

    /// The same name and tag with this digest.
    ///
    /// # Errors
    /// If the digest is not a digest.
    pub fn with_digest(&self, digest: &str) -> Result<Self, ReferenceError> {
        let end = self.digest.map_or(self.text.len(), |digest| digest - 1);
        format!("{}@{digest}", &self.text[..end]).parse()
    }

    fn path(&self) -> &str {
        let path = &self.text[self.host..self.name];
        path.strip_prefix('/').unwrap_or(path)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        split(text).map_err(|problem| ReferenceError { text: text.to_owned(), problem })
    }
}

fn split(text: &str) -> Result<Reference, Problem> {
    if text.is_empty() {
        return Err(Problem::Empty);
    }
    let (tagged, digest) = match text.split_once('@') {
        Some((tagged, digest)) => (tagged, Some(digest)),
        None => (text, None),
    };
    let host = match tagged.split_once('/') {
        Some((first, _)) if is_domain(first) => first,
        _ => "",
    };
    let after_host = if host.is_empty() { tagged } else { &tagged[host.len() + 1..] };
    let (path, tag) = match after_host.split_once(':') {
        Some((path, tag)) => (path, Some(tag)),
        None => (after_host, None),
    };
    if !host.is_empty() && !is_host(host) {
        return Err(Problem::Host(host.to_owned()));
    }
    check_path(path)?;
    if host.is_empty() && path.len() == 64 && path.bytes().all(is_lower_hex) {
        return Err(Problem::Identifier);
    }
    if let Some(tag) = tag.filter(|tag| !tag::is_valid(tag)) {
        return Err(Problem::Tag(tag.to_owned()));
    }
    if let Some(digest) = digest.filter(|digest| !is_digest(digest)) {
        return Err(Problem::Digest(digest.to_owned()));
    }
    Ok(Reference {
        text: text.to_owned(),
        host: host.len(),
        name: tagged.len() - tag.map_or(0, |tag| tag.len() + 1),
        digest: digest.map(|digest| text.len() - digest.len()),
    })
}

/// Whether the part before the first slash is a registry and not the first part of a path.
fn is_domain(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, rest)) => {
                let address =
                    !address.is_empty() && address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':');
                return address && (rest.is_empty() || rest.strip_prefix(':').is_some_and(crate::number::is_digits));
            }
            None => return false,
        },
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    host.split('.').all(label) && port.is_none_or(crate::number::is_digits)
}

fn check_path(path: &str) -> Result<(), Problem> {
    if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(Problem::UpperCase(path.to_owned()));
    }
    if !path.split('/').all(is_path_part) {
        return Err(Problem::Path(path.to_owned()));
    }
    if path.len() > LONGEST_PATH {
        return Err(Problem::TooLong);
    }
    Ok(())
}

/// Runs of letters and digits, joined by `.`, `_`, `__` or any number of `-`.
fn is_path_part(part: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut rest = part;
    loop {
        let end = rest.bytes().position(|byte| !word(byte)).unwrap_or(rest.len());
        if end == 0 {
            return false;
        }
        rest = &rest[end..];
        if rest.is_empty() {
            return true;
        }
        let end = rest.bytes().position(word).unwrap_or(rest.len());
        let separator = &rest[..end];
        if !(matches!(separator, "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-')) {
            return false;
        }
        rest = &rest[end..];
    }
}

fn is_digest(text: &str) -> bool {
    let Some((algorithm, digits)) = text.split_once(':') else { return false };
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return false,
    };
    digits.len() == length && digits.bytes().all(is_lower_hex)
}

fn is_lower_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

#[cfg(test)]
mod tests;
