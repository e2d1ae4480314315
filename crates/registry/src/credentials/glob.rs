//! How the kubelet matches the name of an image with a pattern of registries.

use crate::endpoint::Repository;

/// `HOST[:PORT][/PATH]`, where each part of the host between dots may be a glob (kubernetes
/// `pkg/credentialprovider/keyring.go`: `URLsMatch`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RegistryPattern {
    text: String,
}

impl RegistryPattern {
    /// Any spelling: with or without a scheme, with the `/v1/` or `/v2/` that Docker writes.
    pub(crate) fn new(text: &str) -> Self {
        let text = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
        let (host, path) = text.split_once('/').unwrap_or((text, ""));
        let path = match path.split_once('/').unwrap_or((path, "")) {
            ("v1" | "v2", rest) => rest,
            _ => path,
        };
        let path = path.trim_end_matches('/');
        Self { text: if path.is_empty() { host.to_owned() } else { format!("{host}/{path}") } }
    }

    /// The pattern as it is compared.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it stands for `repository`. A star never spans a dot, the port is compared as text, the path is a mere prefix.
    pub(crate) fn matches(&self, repository: &Repository) -> bool {
        let (authority, path) = self.text.split_once('/').unwrap_or((&self.text, ""));
        let (host, port) = port_of(authority);
        let (wanted_host, wanted_port) = port_of(&repository.host);
        port == wanted_port
            && (host == wanted_host || are_matches(host, wanted_host))
            && repository.name.starts_with(path)
    }
}

fn are_matches(host: &str, wanted: &str) -> bool {
    host.split('.').count() == wanted.split('.').count()
        && host.split('.').zip(wanted.split('.')).all(|(glob, part)| is_match(glob.as_bytes(), part.as_bytes()))
}

fn port_of(authority: &str) -> (&str, &str) {
    // An IPv6 address has its colons in brackets.
    let after_brackets = authority.rfind(']').unwrap_or(0);
    match authority[after_brackets..].rfind(':') {
        Some(colon) => (&authority[..after_brackets + colon], &authority[after_brackets + colon + 1..]),
        None => (authority, ""),
    }
}

/// Go's `path.Match` on one part of a host: `*`, `?`, `[a-z]`, `[^a-z]`, `\x`. A pattern that is broken matches nothing.
fn is_match(glob: &[u8], text: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    // Where to go on after the last star, should the rest not match.
    let mut star: Option<(usize, usize)> = None;
    loop {
        let step = match (glob.get(at), text.get(seen)) {
            (None, None) => return true,
            (Some(b'*'), _) => {
                star = Some((at + 1, seen));
                at += 1;
                continue;
            }
            (Some(_), Some(&byte)) => one(&glob[at..], byte),
            (_, None) | (None, _) => None,
        };
        match (step, star) {
            (Some(length), _) => (at, seen) = (at + length, seen + 1),
            (None, Some((behind, from))) if from < text.len() => {
                star = Some((behind, from + 1));
                (at, seen) = (behind, from + 1);
            }
            (None, _) => return false,
        }
    }
}

/// The length of the first item of `glob`, if it matches `byte`.
fn one(glob: &[u8], byte: u8) -> Option<usize> {
    match glob {
        [b'?', ..] => Some(1),
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [b'[', class @ ..] => {
            let end = class.iter().skip(1).position(|&b| b == b']')? + 1;
            let (negated, items) = match &class[..end] {
                [b'^', items @ ..] => (true, items),
                items => (false, items),
            };
            let mut found = false;
            let mut rest = items;
            while let [first, tail @ ..] = rest {
                (found, rest) = match tail {
                    [b'-', last, tail @ ..] => (found || (*first..=*last).contains(&byte), tail),
                    _ => (found || *first == byte, tail),
                };
            }
            (found != negated).then_some(end + 2)
        }
        [literal, ..] => (*literal == byte).then_some(1),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, image: &str) -> bool {
        let (host, name) = image.split_once('/').unwrap();
        RegistryPattern::new(pattern).matches(&Repository { host: host.into(), name: name.into() })
    }

    #[test]
    fn patterns_as_the_kubelet_reads_them() {
        for (pattern, image, expected) in [
            ("registry.io", "registry.io/a", true),
            ("https://registry.io/v1/", "registry.io/a", true),
            ("http://registry.io/v2/", "registry.io/a", true),
            ("registry.io/v1", "registry.io/a", true),
            ("registry.io/", "registry.io/a", true),
            ("*.registry.io", "eu.registry.io/a", true),
            ("*.registry.io", "registry.io/a", false),
            ("*.registry.io", "a.b.registry.io/a", false),
            ("*.*.registry.io", "a.b.registry.io/a", true),
            ("*.dkr.ecr.*.amazonaws.com", "123.dkr.ecr.eu-west-1.amazonaws.com/a", true),
            ("*.dkr.ecr.*.amazonaws.com", "123.dkr.ecr.eu-west-1.amazonaws.com.cn/a", false),
            ("registry-?.io", "registry-1.io/a", true),
            ("registry-[0-5].io", "registry-1.io/a", true),
            ("registry-[^0-5].io", "registry-1.io/a", false),
            ("registry-[.io", "registry-1.io/a", false),
            ("registry.io:5000", "registry.io:5000/a", true),
            ("registry.io", "registry.io:5000/a", false),
            ("registry.io:*", "registry.io:5000/a", false),
            ("registry.io/foo", "registry.io/foo", true),
            ("registry.io/foo", "registry.io/foobar", true),
            ("registry.io/foo/", "registry.io/foobar", true),
            ("registry.io/foo", "registry.io/bar/foo", false),
            ("registry.io/*", "registry.io/foo", false),
            ("[::1]:5000", "[::1]:5000/a", true),
            ("", "registry.io/a", false),
        ] {
            assert_eq!(matches(pattern, image), expected, "{pattern} {image}");
        }
    }

    proptest! {
        #[test]
        fn no_pattern_panics_or_hangs(glob in "[a*?\\[\\]^\\\\-]{0,12}", text in "[a-c]{0,12}") {
            is_match(glob.as_bytes(), text.as_bytes());
        }

        #[test]
        fn a_name_matches_itself(text in "[a-z0-9-]{0,12}") {
            prop_assert!(is_match(text.as_bytes(), text.as_bytes()));
        }
    }
}
