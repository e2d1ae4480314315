//! The `Link` header (RFC 8288): which page comes next.

/// The query of the page that comes next, as far as `headers` name one.
///
/// Scheme, host, port and path of the link are not used: Nexus loses the port, Artifactory a part of the path, and a hostile
/// registry could send us anywhere. `Err` says that there is a next page, but not which.
pub(crate) fn next_query<'a>(headers: impl IntoIterator<Item = &'a str>) -> Result<Option<String>, &'static str> {
    for header in headers {
        for (target, parameters) in links(header)? {
            if !is_next(parameters) {
                continue;
            }
            let query = target.split_once('?').map(|(_, query)| query.split('#').next().unwrap_or_default());
            return match query.filter(|query| !query.is_empty()) {
                Some(query) if query.len() <= 4096 => Ok(Some(query.to_owned())),
                Some(_) => Err("the link to the next page is too long"),
                None => Err("the link to the next page has no query"),
            };
        }
    }
    Ok(None)
}

/// Targets with the text of their parameters. A comma inside `<…>` or quotes parts nothing.
fn links(header: &str) -> Result<Vec<(&str, &str)>, &'static str> {
    const BROKEN: &str = "the Link header cannot be read";
    let mut found = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches(|c: char| c == ',' || c.is_ascii_whitespace());
        if rest.is_empty() {
            return Ok(found);
        }
        let inside = rest.strip_prefix('<').ok_or(BROKEN)?;
        let (target, behind) = inside.split_once('>').ok_or(BROKEN)?;
        let mut quoted = false;
        let end = behind
            .find(|c| {
                quoted ^= c == '"';
                c == ',' && !quoted
            })
            .unwrap_or(behind.len());
        found.push((target, &behind[..end]));
        rest = &behind[end..];
    }
}

fn is_next(parameters: &str) -> bool {
    parameters.split(';').filter_map(|parameter| parameter.split_once('=')).any(|(name, value)| {
        let relations = value.trim().trim_matches('"');
        name.trim().eq_ignore_ascii_case("rel")
            && relations.split_ascii_whitespace().any(|r| r.eq_ignore_ascii_case("next"))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_query_of_the_next_page_counts() {
        for (headers, expected) in [
            (vec![r#"</v2/a/tags/list?last=b&n=2>; rel="next""#], Ok(Some("last=b&n=2"))),
            (vec![r#"<https://elsewhere.example:1/other/path?last=b>; rel="next""#], Ok(Some("last=b"))),
            (vec!["<http://nexus/v2/a/tags/list?last=b&n=2>;rel=next"], Ok(Some("last=b&n=2"))),
            (vec![r#"<?last=b>; title="a, b"; REL="Next""#], Ok(Some("last=b"))),
            (vec![r#"</first?x=1>; rel="first", </v2?last=z>; rel="prev next""#], Ok(Some("last=z"))),
            (vec![r#"</first?x=1>; rel="first""#, r#"</v2?last=z>; rel="next""#], Ok(Some("last=z"))),
            (vec![r#"</v2?last=a,b>; rel="next""#], Ok(Some("last=a,b"))),
            (vec![r#"</v2?last=a#top>; rel="next""#], Ok(Some("last=a"))),
            (vec![r#"</v2?x=1>; rel="prev""#], Ok(None)),
            (vec![""], Ok(None)),
            (vec![], Ok(None)),
            (vec![r#"</v2/a/tags/list>; rel="next""#], Err("the link to the next page has no query")),
            (vec!["/v2?last=b; rel=next"], Err("the Link header cannot be read")),
            (vec!["</v2?last=b"], Err("the Link header cannot be read")),
        ] {
            assert_eq!(next_query(headers.clone()), expected.map(|q| q.map(str::to_owned)), "{headers:?}");
        }
    }

    proptest! {
        #[test]
        fn no_header_panics(header in ".{0,200}") {
            let _ = next_query([header.as_str()]);
        }

        #[test]
        fn nothing_made_of_the_grammar_panics(parts in proptest::collection::vec(prop::sample::select(vec!["<", ">", ";", ",", "\"", "rel=", "next", "?", "é", " "]), 0..40)) {
            let _ = next_query([parts.concat().as_str()]);
        }
    }
}
