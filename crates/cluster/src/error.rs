//! What a call to the API server can end with, without any value that the server echoed.

use std::{fmt, time::Duration};

use lockstep_plan::{Class, classify};
use serde::Deserialize;

/// A call that did not do what it was for.
///
/// `message` never holds the value of a field: the API server quotes offending values, and those can be secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// What was being done: `apply`, `delete`, `list`.
    pub doing: &'static str,
    /// To what: `Deployment shop/web`.
    pub target: Box<str>,
    /// The HTTP status; `None` when no answer came.
    pub code: Option<u16>,
    /// The API server's machine-readable reason; often empty.
    pub reason: String,
    /// The API server's or the connection's words, masked.
    pub message: String,
    /// How long the server asked to be left alone.
    pub retry_after: Option<Duration>,
    /// What it means for the next try.
    pub class: Class,
    /// The name of the object that the API server says is missing; empty when the path itself is unknown to it.
    pub(crate) missing: Box<str>,
}

/// The API server's error answer; the parts that are used.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Status {
    pub(crate) kind: String,
    pub(crate) message: String,
    pub(crate) reason: String,
    pub(crate) details: Option<StatusDetails>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct StatusDetails {
    pub(crate) name: String,
    pub(crate) retry_after_seconds: u32,
}

impl CallError {
    /// The call ended without an answer.
    pub(crate) fn unanswered(doing: &'static str, target: &str, message: String) -> Self {
        Self::new(doing, target, None, String::new(), message, Class::Transient)
    }

    /// The call may not be sent, or was broken off, since this daemon is not sure any more to be the one who writes.
    pub(crate) fn fenced(doing: &'static str, target: &str) -> Self {
        let message =
            "this daemon does not hold the lease, or could not renew it in time, and writes nothing".to_owned();
        Self::new(doing, target, None, "Fenced".into(), message, Class::Transient)
    }

    /// The call cannot even be sent.
    pub(crate) fn unsendable(doing: &'static str, target: &str, message: String) -> Self {
        Self::new(doing, target, None, "Unsendable".into(), message, Class::Invalid)
    }

    /// The server answered with success, but not with what was asked for. `error` is not quoted: its text can hold values.
    pub(crate) fn unreadable(doing: &'static str, target: &str, error: &serde_json::Error) -> Self {
        let message = format!("the answer is not the expected JSON at line {} column {}", error.line(), error.column());
        Self::new(doing, target, None, "Unreadable".into(), message, Class::Transient)
    }

    /// The server refused: `body` is its answer, a `Status` or whatever a proxy in between sent.
    pub(crate) fn refused(
        doing: &'static str,
        target: &str,
        code: u16,
        body: &[u8],
        retry_after: Option<Duration>,
    ) -> Self {
        let status: Status = serde_json::from_slice(body).unwrap_or_default();
        let asked = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
        let message = if status.message.is_empty() {
            "the answer names no cause".to_owned()
        } else {
            mask(target, &status.message)
        };
        let class = classify(code, &status.reason, &status.message);
        let mut error = Self::new(doing, target, Some(code), status.reason.clone(), message, class);
        error.retry_after = retry_after.or((asked > 0).then(|| Duration::from_secs(asked.into())));
        if code == 404 && status.kind == "Status" && error.reason == "NotFound" {
            error.missing = status.details.unwrap_or_default().name.into();
        }
        error
    }

    /// The same from kube's form of a refusal.
    pub(crate) fn with_status(doing: &'static str, target: &str, status: &kube::core::Status) -> Self {
        let class = classify(status.code, &status.reason, &status.message);
        let asked = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
        let message = mask(target, &status.message);
        let mut error = Self::new(doing, target, Some(status.code), status.reason.clone(), message, class);
        error.retry_after = (asked > 0).then(|| Duration::from_secs(asked.into()));
        error
    }

    fn new(
        doing: &'static str,
        target: &str,
        code: Option<u16>,
        reason: String,
        message: String,
        class: Class,
    ) -> Self {
        Self { doing, target: target.into(), code, reason, message, retry_after: None, class, missing: Box::default() }
    }

    /// A closed set of words for metric labels and event reasons.
    pub fn category(&self) -> &'static str {
        match (self.code, self.reason.as_str()) {
            (None, "Fenced") => "fenced",
            (None, "Unsendable") => "unsendable",
            (None, "Unreadable") => "unreadable",
            (None, _) => "unanswered",
            (Some(_), _) => self.class.category(),
        }
    }

    /// The resourceVersion or uid sent is no longer that of the object.
    pub fn is_conflict(&self) -> bool {
        self.code == Some(409)
    }

    /// The API server knows the kind and says that it has no object of this name. A 404 for a kind that is not served
    /// (now) says nothing about objects, and is not this.
    pub(crate) fn says_absent(&self, name: &str) -> bool {
        !name.is_empty() && &*self.missing == name
    }

    /// A pause of seconds can help, so the call is worth sending again within the same turn.
    pub(crate) fn is_worth_another_attempt(&self) -> bool {
        let passing = matches!(self.class, Class::Transient | Class::Throttled);
        passing && !matches!(self.reason.as_str(), "Unreadable" | "Fenced")
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.doing, self.target, self.message)?;
        match (self.code, self.reason.as_str()) {
            (Some(code), "") => write!(f, " (HTTP {code})"),
            (Some(code), reason) => write!(f, " (HTTP {code} {reason})"),
            (None, _) => Ok(()),
        }
    }
}

impl std::error::Error for CallError {}

/// Takes the values of the object out of an error text: those of a Secret everywhere, of other kinds where a type is
/// wrong, because there the API server quotes whatever part of the object it holds.
pub(crate) fn mask(target: &str, message: &str) -> String {
    const WRONG_TYPE: &str = ", got";
    let message = message.find(WRONG_TYPE).map_or(message, |at| &message[..at]);
    if target.starts_with("Secret ") { mask_rejected(message) } else { message.to_owned() }
}

/// `data: Invalid value: "v": must be y` without `"v"`: the words after it help.
fn mask_rejected(message: &str) -> String {
    const QUOTES: [&str; 2] = ["Invalid value:", "Unsupported value:"];
    let Some((at, quote)) = QUOTES.iter().filter_map(|quote| Some((message.find(quote)?, quote))).min() else {
        return message.to_owned();
    };
    let (head, tail) = message.split_at(at + quote.len());
    match end_of_value(tail) {
        Some(end) => format!("{head} (hidden){}", mask_rejected(&tail[end..])),
        None => format!("{head} (hidden)"),
    }
}

/// Where a value ends that stands at the start of `text`: only a quoted scalar ends at a place that can be trusted.
fn end_of_value(text: &str) -> Option<usize> {
    let body = text.strip_prefix(" \"")?;
    let mut escaped = false;
    for (at, character) in body.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at + 3),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_lose_the_values_they_quote() {
        for (target, text, masked) in [
            (
                "Widget a",
                ".spec.x: expected string, got &value.valueUnstructured{Value:hunter2}",
                ".spec.x: expected string",
            ),
            (
                "Secret a/b",
                r#"Secret "a" is invalid: type: Unsupported value: "hunter2": supported values: "Opaque""#,
                r#"Secret "a" is invalid: type: Unsupported value: (hidden): supported values: "Opaque""#,
            ),
            (
                "Secret a/b",
                r#"a: Invalid value: "x\"hunter2": too long, b: Invalid value: {"hunter2":1}: no"#,
                "a: Invalid value: (hidden): too long, b: Invalid value: (hidden)",
            ),
            (
                "Service a/b",
                r#"spec.type: Unsupported value: "Odd": supported values: "ClusterIP""#,
                r#"spec.type: Unsupported value: "Odd": supported values: "ClusterIP""#,
            ),
        ] {
            assert_eq!(mask(target, text), masked);
        }
    }

    #[test]
    fn a_page_of_a_proxy_is_not_quoted() {
        let error = CallError::refused("apply", "Secret a/b", 502, b"<html>hunter2</html>", None);
        assert_eq!(error.to_string(), "apply Secret a/b: the answer names no cause (HTTP 502)");
        assert_eq!(error.category(), "transient");
    }

    #[test]
    fn the_wait_that_the_body_asks_for_counts() {
        let body = br#"{"kind":"Status","message":"slow down","details":{"retryAfterSeconds":3}}"#;
        let error = CallError::refused("apply", "a", 429, body, None);
        assert_eq!(error.retry_after, Some(Duration::from_secs(3)));
        assert!(error.is_worth_another_attempt());
    }
}
