//! Where a registry is, and where its answers may send us.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

use crate::resolver;
use crate::settings::PlainHttp;

/// A repository of a registry: `docker.io` and `library/nginx`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    /// The host as image references name it.
    pub host: String,
    /// The name within the registry.
    pub name: String,
}

impl From<&lockstep_image::Reference> for Repository {
    fn from(reference: &lockstep_image::Reference) -> Self {
        Self { host: reference.host().to_owned(), name: reference.repository().to_owned() }
    }
}

impl Repository {
    /// Whether the name can stand in a path as it is (the grammar of the distribution specification, a little wider).
    pub(crate) fn has_plain_name(&self) -> bool {
        let plain = |part: &str| !part.is_empty() && part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        self.name.len() <= 255
            && self.name.split('/').all(plain)
            && self.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte))
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.name)
    }
}

/// The base URL of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    base: Url,
    plain_http: PlainHttp,
}

impl Endpoint {
    /// The endpoint of `host`; the error says what is wrong with the name.
    pub(crate) fn of(host: &str, plain_http: PlainHttp, has_ca: bool) -> Result<Self, String> {
        let real = match host {
            "docker.io" | "index.docker.io" => "registry-1.docker.io",
            other => other,
        };
        let wrong = || format!("{host:?} is not HOST or HOST:PORT");
        if real.is_empty()
            || real.contains(|c: char| {
                matches!(c, '/' | '@' | '?' | '#' | '\\' | '%') || c.is_whitespace() || c.is_control()
            })
        {
            return Err(wrong());
        }
        let https = Url::parse(&format!("https://{real}/")).map_err(|_| wrong())?;
        let plain = match plain_http {
            PlainHttp::Dangerous => true,
            PlainHttp::LoopbackOnly => is_loopback(&https) && !has_ca,
        };
        let base = if plain { Url::parse(&format!("http://{real}/")).map_err(|_| wrong())? } else { https };
        Ok(Self { base, plain_http })
    }

    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(&self.base)
    }

    /// `path` below `/v2/`; the name of a repository has no character that a path would have to escape.
    pub(crate) fn url(&self, path: &str, query: Option<&str>) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("/v2/{path}"));
        url.set_query(query);
        url
    }

    /// Whether `url` is this very registry, so that credentials may go along.
    pub(crate) fn is_origin_of(&self, url: &Url) -> bool {
        self.base.origin() == url.origin()
    }

    /// The rules for every address that an answer of the registry names: a token service, a redirect.
    pub(crate) fn check_target(&self, url: &Url) -> Result<(), String> {
        let host = url.host_str().unwrap_or_default();
        if !url.username().is_empty() || url.password().is_some() {
            return Err(format!("the registry names an address at {host} with a user name in it"));
        }
        match url.scheme() {
            "https" => {}
            "http" if self.base.scheme() == "http" && (is_loopback(url) || self.plain_http == PlainHttp::Dangerous) => {
            }
            scheme => {
                return Err(format!(
                    "the registry names an address at {host} by {scheme:?}, which is not as safe as the registry itself"
                ));
            }
        }
        if self.base.host_str() != url.host_str() && (is_reserved(url) || (is_loopback(url) && !self.is_loopback())) {
            return Err(format!(
                "the registry names the address {host}, which is reserved for this machine or its cloud"
            ));
        }
        Ok(())
    }
}

fn ip_of(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    let ip: IpAddr = host.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
    Some(ip.to_canonical())
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    match ip_of(url) {
        Some(ip) => ip.is_loopback(),
        None => url.host_str().is_some_and(|host| host == "localhost" || host.ends_with(".localhost")),
    }
}

/// An address, or a name, of the metadata of this machine.
pub(crate) fn is_reserved(url: &Url) -> bool {
    const METADATA: [&str; 2] = ["metadata.google.internal", "metadata.goog"];
    match ip_of(url) {
        Some(ip) => resolver::is_reserved(ip),
        None => url.host_str().is_some_and(|host| METADATA.contains(&host.trim_end_matches('.'))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(host: &str, plain_http: PlainHttp, has_ca: bool) -> String {
        Endpoint::of(host, plain_http, has_ca)
            .map_or_else(|e| e, |endpoint| endpoint.url("a/b/tags/list", Some("n=1")).to_string())
    }

    #[test]
    fn the_scheme_and_the_real_host_of_a_registry() {
        use PlainHttp::{Dangerous, LoopbackOnly};
        for (host, plain, ca, expected) in [
            ("docker.io", LoopbackOnly, false, "https://registry-1.docker.io/v2/a/b/tags/list?n=1"),
            ("ghcr.io", LoopbackOnly, false, "https://ghcr.io/v2/a/b/tags/list?n=1"),
            ("127.0.0.1:5000", LoopbackOnly, false, "http://127.0.0.1:5000/v2/a/b/tags/list?n=1"),
            ("127.0.0.1:5000", LoopbackOnly, true, "https://127.0.0.1:5000/v2/a/b/tags/list?n=1"),
            ("[::1]:5000", LoopbackOnly, false, "http://[::1]:5000/v2/a/b/tags/list?n=1"),
            ("localhost", LoopbackOnly, false, "http://localhost/v2/a/b/tags/list?n=1"),
            ("10.0.0.1:5000", LoopbackOnly, false, "https://10.0.0.1:5000/v2/a/b/tags/list?n=1"),
            ("registry.example", Dangerous, true, "http://registry.example/v2/a/b/tags/list?n=1"),
            ("user@ghcr.io", LoopbackOnly, false, "\"user@ghcr.io\" is not HOST or HOST:PORT"),
            ("ghcr.io/acme", LoopbackOnly, false, "\"ghcr.io/acme\" is not HOST or HOST:PORT"),
            ("", LoopbackOnly, false, "\"\" is not HOST or HOST:PORT"),
        ] {
            assert_eq!(base(host, plain, ca), expected, "{host}");
        }
    }

    #[test]
    fn only_plain_names_become_paths() {
        for (name, plain) in [
            ("library/nginx", true),
            ("a__b/c-d.e/f", true),
            ("_catalog", true),
            ("", false),
            ("/a", false),
            ("a//b", false),
            ("a/../b", false),
            ("a?n=1", false),
            ("a b", false),
            ("é", false),
        ] {
            assert_eq!(Repository { host: "r.example".into(), name: name.into() }.has_plain_name(), plain, "{name:?}");
        }
    }

    #[test]
    fn where_a_registry_may_send_us() {
        use PlainHttp::{Dangerous, LoopbackOnly};
        for (host, plain, target, allowed) in [
            ("docker.io", LoopbackOnly, "https://auth.docker.io/token", true),
            ("docker.io", LoopbackOnly, "http://auth.docker.io/token", false),
            ("docker.io", LoopbackOnly, "https://me:secret@auth.docker.io/token", false),
            ("docker.io", LoopbackOnly, "ftp://auth.docker.io/token", false),
            ("docker.io", LoopbackOnly, "https://169.254.169.254/latest", false),
            ("docker.io", LoopbackOnly, "https://[::ffff:169.254.169.254]/latest", false),
            ("docker.io", LoopbackOnly, "https://[fe80::1]/", false),
            ("docker.io", LoopbackOnly, "https://0.0.0.0/", false),
            ("docker.io", LoopbackOnly, "https://127.0.0.1/", false),
            ("docker.io", LoopbackOnly, "https://metadata.google.internal/", false),
            ("registry.corp", LoopbackOnly, "https://10.0.0.5/token", true),
            ("169.254.1.1", LoopbackOnly, "https://169.254.1.1/token", true),
            ("127.0.0.1:5000", LoopbackOnly, "http://127.0.0.1:5001/token", true),
            ("127.0.0.1:5000", LoopbackOnly, "http://auth.example/token", false),
            ("127.0.0.1:5000", LoopbackOnly, "https://auth.example/token", true),
            ("registry.corp", Dangerous, "http://auth.corp/token", true),
        ] {
            let endpoint = Endpoint::of(host, plain, false).unwrap();
            let checked = endpoint.check_target(&Url::parse(target).unwrap());
            assert_eq!(checked.is_ok(), allowed, "{host} to {target}: {checked:?}");
            if let Err(problem) = checked {
                assert!(!problem.contains("secret"), "{problem}");
            }
        }
    }
}
