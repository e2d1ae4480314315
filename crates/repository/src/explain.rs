//! From what transports and programs say to what went wrong.

use std::io;

use crate::error::RepositoryError;

/// What gix says of an answer that is none of Git, for example a redirect.
const NO_ADVERTISEMENT: &str = "'smart' protocol";
/// As much of a foreign message is repeated.
const MAX_DETAIL: usize = 600;

/// Phrases of ssh and git in the C locale, by what they mean; the first that occurs decides.
const PHRASES: &[(&str, Meaning)] = &[
    ("Host key verification failed", Meaning::HostKey),
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", Meaning::HostKey),
    ("host key is known for", Meaning::HostKey),
    ("Permission denied (", Meaning::Authentication),
    ("Too many authentication failures", Meaning::Authentication),
    ("invalid format", Meaning::Authentication),
    ("error in libcrypto", Meaning::Authentication),
    ("Authentication failed", Meaning::Authentication),
    ("could not read Username", Meaning::Authentication),
    ("could not read Password", Meaning::Authentication),
    ("The requested URL returned error: 401", Meaning::Authentication),
    ("The requested URL returned error: 403", Meaning::Authentication),
    ("The requested URL returned error: 404", Meaning::NotARepository),
    ("Connection timed out", Meaning::Timeout),
    ("Operation timed out", Meaning::Timeout),
    ("Operation too slow", Meaning::Timeout),
    ("Timeout, server", Meaning::Timeout),
    ("does not appear to be a git repository", Meaning::NotARepository),
    ("not a git repository", Meaning::NotARepository),
    ("epository not found", Meaning::NotARepository),
    ("' not found", Meaning::NotARepository),
    ("not valid: is this a git repository?", Meaning::NotARepository),
];

#[derive(Clone, Copy)]
enum Meaning {
    HostKey,
    Authentication,
    NotARepository,
    Timeout,
    Network,
}

impl Meaning {
    fn error(self, url: &str, detail: String, limit: std::time::Duration) -> RepositoryError {
        let url = url.to_owned();
        match self {
            Self::HostKey => RepositoryError::HostKey { url, detail },
            Self::Authentication => RepositoryError::Authentication { url, detail },
            Self::NotARepository => RepositoryError::NotARepository { url, detail },
            Self::Timeout => RepositoryError::Timeout { url, after: limit },
            Self::Network => RepositoryError::Network { url, detail },
        }
    }
}

/// What a failed program's words mean; words that are not known are trouble with the network.
pub(crate) fn words(url: &str, said: &str, limit: std::time::Duration) -> RepositoryError {
    let known = PHRASES.iter().find(|(phrase, _)| said.contains(phrase));
    known.map_or(Meaning::Network, |(_, meaning)| *meaning).error(url, tidy(said), limit)
}

/// What a failed transport's chain of errors means.
pub(crate) fn chain(url: &str, error: &gix::Error, limit: std::time::Duration) -> RepositoryError {
    let mut texts: Vec<String> = Vec::new();
    for cause in error.iter_errors() {
        let text = cause.to_string();
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    let said = texts.join(": ");
    let http = error.downcast_any_ref::<reqwest::Error>();
    let status = http.and_then(reqwest::Error::status).map(|status| status.as_u16());
    let timed_out = |error: &io::Error| error.kind() == io::ErrorKind::TimedOut;
    let meaning = if error.is_unauthenticated() || matches!(status, Some(401 | 403)) {
        Meaning::Authentication
    } else if said.contains(NO_ADVERTISEMENT) {
        let detail =
            format!("{}; a redirect is not followed: name the address to which it leads, often with .git", tidy(&said));
        return Meaning::NotARepository.error(url, detail, limit);
    } else if matches!(status, Some(404 | 410)) {
        Meaning::NotARepository
    } else if http.is_some_and(reqwest::Error::is_timeout)
        || error.downcast_any_ref::<io::Error>().is_some_and(timed_out)
    {
        Meaning::Timeout
    } else {
        Meaning::Network
    };
    meaning.error(url, tidy(&said), limit)
}

/// One line without control characters, not too long.
pub(crate) fn tidy(said: &str) -> String {
    let lines: Vec<_> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let line = lines.join("; ");
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_DETAIL).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{tidy, words};

    #[test]
    fn the_words_of_ssh_and_git_are_understood() {
        for (said, category) in [
            ("Host key verification failed.\r\nfatal: Could not read from remote repository.", "host-key"),
            ("git@h: Permission denied (publickey).", "authentication"),
            ("fatal: Authentication failed for 'https://h/a.git/'", "authentication"),
            ("fatal: could not read Username for 'https://h': terminal prompts disabled", "authentication"),
            ("fatal: repository 'https://h/a.git/' not found", "not-a-repository"),
            ("fatal: '/a.git' does not appear to be a git repository", "not-a-repository"),
            ("ssh: connect to host h port 22: Connection timed out", "timeout"),
            ("ssh: connect to host h port 22: Connection refused", "network"),
            ("", "network"),
        ] {
            assert_eq!(words("https://h/a.git", said, Duration::from_secs(1)).category(), category, "{said}");
        }
    }

    #[test]
    fn foreign_text_is_tamed() {
        assert_eq!(tidy("a\r\n\n  b\x1b[31m\n"), "a; b [31m");
        assert_eq!(tidy(&"x".repeat(5000)).len(), 600);
    }
}
