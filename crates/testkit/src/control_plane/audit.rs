//! The audit log: which calls somebody made.

use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Display, Formatter};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::RangeBounds;
use std::path::Path;
use std::sync::PoisonError;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::Deserialize;

use super::ControlPlane;
use super::programs::AUDIT_LOG;

/// One call of the API server that was answered; of a watch, that it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Who, such as `administrator` or `system:serviceaccount:NAMESPACE:NAME`.
    pub user: String,
    /// Whom the call was made as, by impersonation; empty for the user itself.
    pub acting_as: String,
    /// The verb of RBAC: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, …
    pub verb: String,
    /// The resource's plural, or the path where the call was for no resource (`/version`).
    pub resource: String,
    /// The resource's API group; empty for core.
    pub group: String,
    /// `status`, `scale`, …; empty for none.
    pub subresource: String,
    /// Empty for a cluster-scoped object or all namespaces.
    pub namespace: String,
    /// Empty for a list or watch.
    pub name: String,
    /// The HTTP status of the answer.
    pub code: u16,
    /// When the call came in.
    pub time: Timestamp,
    /// The program that called.
    pub user_agent: String,
    /// The path and query.
    pub uri: String,
}

/// Calls in the order of the audit log. Shows as a table: verb, resource, how often.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls(Vec<Call>);

impl Calls {
    /// All but watches.
    #[must_use]
    pub fn requests(&self) -> Self {
        self.filter(|call| call.verb != "watch")
    }

    /// Watches that began. One that stays open is one call.
    #[must_use]
    pub fn watches(&self) -> Self {
        self.filter(|call| call.verb == "watch")
    }

    /// Those that change something.
    #[must_use]
    pub fn writes(&self) -> Self {
        self.filter(|call| !matches!(call.verb.as_str(), "get" | "list" | "watch"))
    }

    /// Those for which `keep` is true.
    #[must_use]
    pub fn filter(&self, keep: impl Fn(&Call) -> bool) -> Self {
        Self(self.0.iter().filter(|call| keep(call)).cloned().collect())
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Call> {
        self.0.iter()
    }
}

impl Display for Calls {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for call in &self.0 {
            let slash = if call.subresource.is_empty() { "" } else { "/" };
            let kind = format!("{} {}{slash}{}", call.verb, call.resource, call.subresource);
            *counts.entry(kind).or_default() += 1;
        }
        for (kind, count) in counts {
            writeln!(formatter, "{count:>6}  {kind}")?;
        }
        Ok(())
    }
}

impl ControlPlane {
    /// The calls that `user` made and that came in during `window` (any range of times, `..` for
    /// all). The log is written as a call is answered, so that the very last ones may be missing.
    ///
    /// # Errors
    ///
    /// When the log cannot be read.
    pub fn count_calls(&self, user: &str, window: impl RangeBounds<Timestamp>) -> Result<Calls> {
        let path = self.folder().join(AUDIT_LOG);
        let mut audit = self.audit.lock().unwrap_or_else(PoisonError::into_inner);
        audit.read_on(&path).with_context(|| format!("reading the audit log {}", path.display()))?;
        Ok(audit.calls(user, window))
    }
}

/// What was read of the log: each line once, however often somebody counts.
#[derive(Default)]
pub(super) struct Audit {
    read: u64,
    calls: HashMap<String, Vec<Call>>,
}

impl Audit {
    fn read_on(&mut self, path: &Path) -> io::Result<()> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(self.read))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        self.add(&text);
        Ok(())
    }

    /// Adds what was appended to the log.
    fn add(&mut self, text: &[u8]) {
        // The last line may be half written: it is read again, whole.
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        self.read += whole as u64;
        for line in text[..whole].split(|byte| *byte == b'\n') {
            let Ok(event) = serde_json::from_slice::<Event>(line) else { continue };
            // A watch ends when it ends; what counts is that it was begun.
            let stage = if event.verb == "watch" { "ResponseStarted" } else { "ResponseComplete" };
            let refused = event.stage == "ResponseComplete" && event.code() >= 400;
            if event.stage == stage || refused {
                let call = event.into_call();
                self.calls.entry(call.user.clone()).or_default().push(call);
            }
        }
    }

    fn calls(&self, user: &str, window: impl RangeBounds<Timestamp>) -> Calls {
        let all = self.calls.get(user).into_iter().flatten();
        Calls(all.filter(|call| window.contains(&call.time)).cloned().collect())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    stage: String,
    verb: String,
    user: User,
    #[serde(default)]
    impersonated_user: Option<User>,
    #[serde(default)]
    user_agent: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    #[serde(default)]
    object_ref: Option<ObjectRef>,
    #[serde(default)]
    response_status: Option<Status>,
    request_received_timestamp: Timestamp,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ObjectRef {
    resource: String,
    api_group: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    code: u16,
}

impl Event {
    fn code(&self) -> u16 {
        self.response_status.as_ref().map_or(0, |status| status.code)
    }

    fn into_call(self) -> Call {
        let code = self.code();
        let object = self.object_ref.unwrap_or_else(|| ObjectRef {
            resource: self.request_uri.split('?').next().unwrap_or_default().to_owned(),
            ..ObjectRef::default()
        });
        Call {
            user: self.user.username,
            acting_as: self.impersonated_user.map(|user| user.username).unwrap_or_default(),
            verb: self.verb,
            resource: object.resource,
            group: object.api_group,
            subresource: object.subresource,
            namespace: object.namespace,
            name: object.name,
            code,
            time: self.request_received_timestamp,
            user_agent: self.user_agent,
            uri: self.request_uri,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(stage: &str, verb: &str, user: &str, code: u16, second: u8) -> String {
        format!(
            r#"{{"stage":"{stage}","verb":"{verb}","user":{{"username":"{user}"}},"requestURI":"/api/v1/pods?watch=1","objectRef":{{"resource":"pods","namespace":"shop"}},"responseStatus":{{"metadata":{{}},"code":{code}}},"requestReceivedTimestamp":"2026-01-01T00:00:{second:02}.000001Z"}}"#
        )
    }

    #[test]
    fn counts_answers_of_one_user_in_a_window_and_watches_once() {
        let log = [
            line("ResponseComplete", "get", "a", 200, 1),
            line("ResponseComplete", "patch", "a", 200, 2),
            line("ResponseComplete", "patch", "b", 200, 2),
            line("ResponseStarted", "watch", "a", 200, 3),
            line("ResponseComplete", "watch", "a", 200, 3),
            line("ResponseComplete", "watch", "a", 403, 4),
            line("ResponseComplete", "get", "a", 200, 5),
        ]
        .join("\n");
        let (mut audit, half) = (Audit::default(), log.len() - 20);
        audit.add(&log.as_bytes()[..half]);
        let all = audit.calls("a", ..);
        assert_eq!((all.len(), all.requests().len(), all.watches().len()), (4, 2, 2));
        assert_eq!(all.writes().to_string(), "     1  patch pods\n");
        let from: Timestamp = "2026-01-01T00:00:02Z".parse().unwrap();
        assert_eq!(audit.calls("a", from..).requests().len(), 1);

        let end = format!("{log}\n");
        audit.add(&end.as_bytes()[audit.read as usize..]);
        assert_eq!(audit.calls("a", ..).len(), 5);
    }
}
