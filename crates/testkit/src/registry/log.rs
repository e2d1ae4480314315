//! What the registry was asked, by its own access log.

use std::fs;

use anyhow::{Context, Result};

use super::Registry;

/// A request that the registry has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// `GET`, `HEAD` and so on.
    pub method: String,
    /// Path and query.
    pub uri: String,
    /// The status of the answer.
    pub status: u16,
    /// How long its body was.
    pub bytes: u64,
    /// What the client calls itself.
    pub agent: String,
}

impl Registry {
    /// Every request that was answered since the process started, in order.
    ///
    /// # Errors
    ///
    /// When its log cannot be read.
    pub fn served(&self) -> Result<Vec<Served>> {
        let path = self.folder.path().join("registry.log");
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        Ok(text.lines().filter_map(read).collect())
    }
}

/// A line of the combined log format; the registry's own words between them are none.
fn read(line: &str) -> Option<Served> {
    let mut parts = line.split('"');
    let (_, request, numbers, _, _, agent) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let mut words = request.split(' ');
    let (method, uri) = (words.next()?, words.next()?);
    words.next().filter(|protocol| protocol.starts_with("HTTP/"))?;
    let mut numbers = numbers.split_whitespace();
    let (status, bytes) = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
    Some(Served { method: method.into(), uri: uri.into(), status, bytes, agent: agent.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_of_the_access_log_are_requests() {
        let line = r#"127.0.0.1 - robot [23/Nov/2026:08:00:00 +0000] "GET /v2/a/b/tags/list?n=1000 HTTP/1.1" 200 4711 "" "lockstep/0.1.0""#;
        let served = read(line).unwrap();
        assert_eq!((served.method.as_str(), served.uri.as_str()), ("GET", "/v2/a/b/tags/list?n=1000"));
        assert_eq!((served.status, served.bytes, served.agent.as_str()), (200, 4711, "lockstep/0.1.0"));
        for other in
            ["", r#"time="2026-11-23T08:00:00Z" level=info msg="listening on 127.0.0.1:5000""#, "\"\"\"\"\"\"\""]
        {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
