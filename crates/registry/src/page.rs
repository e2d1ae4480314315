//! One page of a listing, read while it arrives: only the tags are kept.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::json_stream::{JsonStream, Nest, Token};

/// The tags of one page, as the registry orders them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) tags: Vec<String>,
    /// When a tag's manifest was pushed. Only Google's registries say so in a listing: `manifest.DIGEST.timeUploadedMs`.
    pub(crate) pushed: BTreeMap<String, Timestamp>,
    /// How long the text was.
    pub(crate) bytes: usize,
}

/// A page that arrives.
pub(crate) struct PageReader {
    stream: JsonStream,
    found: Found,
}

#[derive(Default)]
struct Found {
    page: Page,
    /// The containers that we are in, and the name of the member that we are in, for each of them.
    path: Vec<(Nest, String)>,
    manifest_tags: Vec<String>,
    manifest_time: Option<Timestamp>,
}

impl PageReader {
    pub(crate) fn new() -> Self {
        Self { stream: JsonStream::new(), found: Found::default() }
    }

    /// Reads on.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        let Self { stream, found } = self;
        stream.feed(bytes, &mut |token| found.take(token))
    }

    /// The page, if it was whole: an object, whose list of tags may be missing or `null`.
    pub(crate) fn whole(self, bytes: usize) -> Result<Page, &'static str> {
        let Self { mut stream, mut found } = self;
        stream.end(&mut |token| found.take(token))?;
        Ok(Page { bytes, ..found.page })
    }
}

impl Found {
    fn take(&mut self, token: Token<'_>) {
        match token {
            Token::Open(nest) => self.path.push((nest, String::new())),
            Token::Key(key) => {
                if let Some((_, name)) = self.path.last_mut() {
                    name.clear();
                    name.push_str(key);
                }
            }
            Token::Close => {
                self.path.pop();
                if matches!(self.names().as_deref(), Some(["manifest", _])) {
                    self.manifest_ends();
                }
            }
            Token::Text(text) => self.text(text),
            Token::Word => {}
        }
    }

    fn text(&mut self, text: &str) {
        let in_list = matches!(self.path.last(), Some((Nest::Array, _)));
        match self.names().as_deref() {
            Some(["tags", _]) if in_list => self.page.tags.push(text.to_owned()),
            Some(["manifest", _, "tag", _]) if in_list => self.manifest_tags.push(text.to_owned()),
            Some(["manifest", _, "timeUploadedMs"]) => {
                self.manifest_time = text.parse().ok().and_then(|time| Timestamp::from_millisecond(time).ok());
            }
            _ => {}
        }
    }

    /// The names of the members that we are in, unless that is deeper than anything of interest.
    fn names(&self) -> Option<Vec<&str>> {
        (self.path.len() <= 4).then(|| self.path.iter().map(|(_, name)| name.as_str()).collect())
    }

    fn manifest_ends(&mut self) {
        let time = self.manifest_time.take();
        let tags = self.manifest_tags.drain(..);
        if let Some(time) = time {
            self.page.pushed.extend(tags.map(|tag| (tag, time)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, size: usize) -> Result<Page, &'static str> {
        let mut page = PageReader::new();
        for chunk in text.as_bytes().chunks(size) {
            page.feed(chunk)?;
        }
        page.whole(text.len())
    }

    #[test]
    fn only_the_list_of_tags_counts() {
        for (text, expected) in [
            (r#"{"name":"a/b","tags":["1.0","v\u0031"]}"#, Some("1.0 v1")),
            (r#"{"tags":null}"#, Some("")),
            (r#"{"tags":[]}"#, Some("")),
            (r#"{"name":"a/b"}"#, Some("")),
            (r#"{"tags":["a",null,7,["b"],{"tags":["c"]},"d"]}"#, Some("a d")),
            (r#"{"other":{"tags":["a"]},"child":["b"],"tags":["c"]}"#, Some("c")),
            (r#"{"tags":"a"}"#, Some("")),
            (r#"{"tags":["a""#, None),
            ("<html>", None),
        ] {
            for size in [1, 3, 1000] {
                let found = read(text, size).ok().map(|page| page.tags.join(" "));
                assert_eq!(found.as_deref(), expected, "{text}");
            }
        }
    }

    #[test]
    fn googles_registries_say_when_a_tag_was_pushed() {
        let text = r#"{"child":[],"manifest":{
            "sha256:aa":{"imageSizeBytes":"1","tag":["1.0","latest"],"timeCreatedMs":"0","timeUploadedMs":"1700000000000"},
            "sha256:bb":{"tag":[],"timeUploadedMs":"1700000001000"},
            "sha256:cc":{"tag":["2.0"],"timeUploadedMs":"soon"},
            "sha256:dd":{"timeUploadedMs":"1700000002000","tag":["3.0"]}},
            "name":"p/r","tags":["1.0","2.0","3.0","latest"]}"#;
        let page = read(text, 5).unwrap();
        assert_eq!(page.tags, ["1.0", "2.0", "3.0", "latest"]);
        let pushed: Vec<_> = page.pushed.iter().map(|(tag, time)| format!("{tag}={}", time.as_second())).collect();
        assert_eq!(pushed, ["1.0=1700000000", "3.0=1700000002", "latest=1700000000"]);
    }
}
