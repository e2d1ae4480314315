//! What an image runs on.

use std::fmt;
use std::str::FromStr;

/// An operating system, an architecture and its variant, as an image index names them: `linux/arm64/v8`.
///
/// Two spellings of one platform are equal: `arm64` is `arm64/v8`, `arm` is `arm/v7` and `x86_64` is `amd64`, as in containerd.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    os: String,
    architecture: String,
    variant: String,
}

/// A text is no platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no platform; write OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT, as in linux/arm64")]
pub struct PlatformError {
    text: String,
}

impl Platform {
    /// The platform of these words, in its one spelling. `None` where the operating system or the architecture is not
    /// named, or named "unknown", as an attestation's is.
    #[must_use]
    pub fn new(os: &str, architecture: &str, variant: &str) -> Option<Self> {
        let [os, architecture, variant] = [os, architecture, variant].map(str::to_ascii_lowercase);
        let named = |text: &str| !text.is_empty() && text != "unknown" && is_word(text);
        if !named(&os) || !named(&architecture) || !(variant.is_empty() || is_word(&variant)) {
            return None;
        }
        let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
            ("x86_64" | "x86-64", _) => ("amd64".to_owned(), variant),
            ("amd64", "v1") => (architecture, String::new()),
            ("aarch64", "" | "v8") | ("arm64", "8" | "v8") => ("arm64".to_owned(), String::new()),
            ("arm" | "armhf", "" | "7") => ("arm".to_owned(), "v7".to_owned()),
            ("armel", "") => ("arm".to_owned(), "v6".to_owned()),
            ("arm", "5" | "6" | "8") => (architecture, format!("v{variant}")),
            ("i386", _) => ("386".to_owned(), variant),
            _ => (architecture, variant),
        };
        Some(Self { os, architecture, variant })
    }
}

fn is_word(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || PlatformError { text: text.to_owned() };
        let mut words = text.trim().split('/');
        let (os, architecture) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let variant = words.next();
        if words.next().is_some() || variant == Some("") {
            return Err(wrong());
        }
        Self::new(os, architecture, variant.unwrap_or_default()).ok_or_else(wrong)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { os, architecture, variant } = self;
        write!(f, "{os}/{architecture}")?;
        if variant.is_empty() { Ok(()) } else { write!(f, "/{variant}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_platform_has_one_spelling() {
        for (text, expected) in [
            ("linux/amd64", Some("linux/amd64")),
            ("Linux/x86_64", Some("linux/amd64")),
            ("linux/arm64", Some("linux/arm64")),
            ("linux/arm64/v8", Some("linux/arm64")),
            ("linux/aarch64", Some("linux/arm64")),
            ("linux/arm64/v9", Some("linux/arm64/v9")),
            ("linux/arm", Some("linux/arm/v7")),
            ("linux/arm/v6", Some("linux/arm/v6")),
            ("windows/amd64", Some("windows/amd64")),
            (" linux/riscv64 ", Some("linux/riscv64")),
            ("unknown/unknown", None),
            ("linux", None),
            ("linux/", None),
            ("/amd64", None),
            ("linux/amd64/", None),
            ("linux/arm/v7/x", None),
            ("linux/amd 64", None),
            ("", None),
        ] {
            let read = text.parse::<Platform>().ok().map(|platform| platform.to_string());
            assert_eq!(read.as_deref(), expected, "{text:?}");
        }
    }
}
