//! Lines of a text, whatever ends them.

/// Where a line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LineEnd<'t> {
    /// The end of what is on the line.
    pub(crate) content_end: usize,
    /// The start of the next line, or the end of the text.
    pub(crate) next: usize,
    /// What stands between; empty at the end of a text without a final line end.
    pub(crate) ending: &'t str,
}

/// The start of the line that has the byte `at`.
pub(crate) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind(['\n', '\r']).map_or(0, |end| end + 1)
}

/// The end of the line that has the byte `at`.
pub(crate) fn line_after(text: &str, at: usize) -> LineEnd<'_> {
    let Some(length) = text[at..].find(['\n', '\r']) else {
        return LineEnd { content_end: text.len(), next: text.len(), ending: "" };
    };
    let content_end = at + length;
    let ending = if text[content_end..].starts_with("\r\n") { "\r\n" } else { &text[content_end..=content_end] };
    LineEnd { content_end, next: content_end + ending.len(), ending }
}

/// The text with a new line below the one that has the byte `at`, ended as that one is.
pub(crate) fn with_line_after(text: &str, at: usize, line: &str) -> String {
    let end = line_after(text, at);
    if end.ending.is_empty() {
        let usual = line_after(text, 0).ending;
        let usual = if usual.is_empty() { "\n" } else { usual };
        return format!("{text}{usual}{line}");
    }
    format!("{}{line}{}{}", &text[..end.next], end.ending, &text[end.next..])
}

/// The text without the lines from that of `first` to that of `last`; what ended the text ends it still.
pub(crate) fn without_lines(text: &str, first: usize, last: usize) -> String {
    let start = line_start(text, first);
    let end = line_after(text, last);
    if end.ending.is_empty() {
        let kept = &text[..start];
        let kept = kept.strip_suffix("\r\n").or_else(|| kept.strip_suffix(['\n', '\r'])).unwrap_or(kept);
        return kept.to_owned();
    }
    format!("{}{}", &text[..start], &text[end.next..])
}
