//! `WWW-Authenticate`: all schemes of all headers (RFC 9110, section 11.6.1).

/// One scheme that a server offers, with its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// The scheme in lower case: `basic`, `bearer`.
    pub(crate) scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// The first parameter of that name (lower case) that has a value.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }
}

/// A header longer than this is nobody's challenge.
const LONGEST_HEADER: usize = 16 * 1024;

/// Reads every challenge of one header value. What cannot be read is skipped: a server may offer schemes that nobody knows.
pub(crate) fn challenges(header: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    if header.len() > LONGEST_HEADER {
        return found;
    }
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches(|c: char| c == ',' || c.is_ascii_whitespace());
        let word = token(rest);
        if word.is_empty() {
            // Neither a scheme nor a parameter: go on behind the next comma.
            match rest.find(',') {
                Some(comma) => rest = &rest[comma..],
                None => return found,
            }
            continue;
        }
        let after = &rest[word.len()..];
        let spaceless = after.trim_start_matches([' ', '\t']);
        if let Some(value) = spaceless.strip_prefix('=').filter(|_| !found.is_empty()) {
            let (value, behind) = parameter_value(value.trim_start_matches([' ', '\t']));
            if let Some(challenge) = found.last_mut() {
                challenge.parameters.push((word.to_ascii_lowercase(), value));
            }
            rest = behind;
        } else {
            found.push(Challenge { scheme: word.to_ascii_lowercase(), parameters: Vec::new() });
            rest = after;
        }
    }
}

fn token(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))).unwrap_or(text.len());
    &text[..end]
}

/// A quoted string, or everything up to the next comma or blank (servers forget the quotes around URLs).
fn parameter_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|c: char| c == ',' || c.is_ascii_whitespace()).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(header: &str) -> String {
        let one = |c: &Challenge| {
            let parameters: Vec<_> = c.parameters.iter().map(|(k, v)| format!("{k}={v}")).collect();
            format!("{}[{}]", c.scheme, parameters.join(" "))
        };
        challenges(header).iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn challenges_of_real_servers_and_odd_ones() {
        for (header, expected) in [
            (
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#,
                "bearer[realm=https://auth.docker.io/token service=registry.docker.io scope=repository:a/b:pull,push]",
            ),
            (r#"Basic realm="a registry""#, "basic[realm=a registry]"),
            (r#"BEARER Realm=https://x/token , SERVICE = "s""#, "bearer[realm=https://x/token service=s]"),
            (
                r#"Bearer realm="https://x",service="s",scope="*",Basic realm="y""#,
                "bearer[realm=https://x service=s scope=*] basic[realm=y]",
            ),
            (r#"Basic realm="x", Bearer realm="y""#, "basic[realm=x] bearer[realm=y]"),
            (r#"Negotiate, Basic realm="x""#, "negotiate[] basic[realm=x]"),
            (r#"Negotiate abc==, Basic realm="x""#, "negotiate[abc==] basic[realm=x]"),
            (r#"Basic realm="a \"quoted\" one, with comma""#, r#"basic[realm=a "quoted" one, with comma]"#),
            (r#"Basic realm="never closed"#, "basic[realm=never closed]"),
            ("Basic", "basic[]"),
            ("", ""),
            (",,,", ""),
            ("=x", ""),
        ] {
            assert_eq!(shown(header), expected, "{header}");
        }
    }

    proptest! {
        #[test]
        fn no_header_panics_or_hangs(header in ".{0,200}") {
            challenges(&header);
        }

        #[test]
        fn nothing_made_of_the_grammar_panics(parts in proptest::collection::vec(prop::sample::select(vec!["Bearer", " ", ",", "=", "\"", "\\", "realm", "é", "\t", "x"]), 0..40)) {
            challenges(&parts.concat());
        }

        #[test]
        fn what_is_quoted_is_read_back(realm in "[ -~]{1,40}") {
            let quoted = realm.replace('\\', "\\\\").replace('"', "\\\"");
            let read = challenges(&format!("Bearer realm=\"{quoted}\""));
            prop_assert_eq!(read[0].parameter("realm"), Some(realm.as_str()));
        }
    }
}
