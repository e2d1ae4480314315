//! The pull secrets of Kubernetes, as the kubelet reads them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::file::{read, secret};
use super::glob::RegistryPattern;
use super::{CredentialsSource, Login};
use crate::endpoint::Repository;

/// People write the `auth` of an entry with and without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A mounted Secret of the type `kubernetes.io/dockerconfigjson` or `kubernetes.io/dockercfg`: the path of the file.
///
/// It is read at each use, and matched with images as the kubelet does: every entry that matches is tried, the longest first.
#[derive(Debug, Clone)]
pub struct PullSecret(PathBuf);

impl PullSecret {
    /// The file need not exist yet.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self(path.as_ref().to_owned())
    }

    /// Whether the file can be used now.
    ///
    /// # Errors
    /// What is wrong with it, without any secret.
    pub fn check(&self) -> Result<(), String> {
        self.keyring().map(drop)
    }

    fn keyring(&self) -> Result<Keyring, String> {
        Keyring::parse(&read(&self.0)?).map_err(|problem| format!("{}: {problem}", self.0.display()))
    }
}

#[async_trait]
impl CredentialsSource for PullSecret {
    async fn logins(&self, repository: &Repository) -> Result<Vec<Login>, String> {
        Ok(self.keyring()?.matching(repository))
    }
}

/// Logins by pattern, in the order in which they are tried.
pub(super) struct Keyring(Vec<(RegistryPattern, Login)>);

/// One registry in a file of Docker's.
#[derive(Deserialize)]
pub(super) struct Entry {
    #[serde(default)]
    username: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    password: Option<SecretString>,
    #[serde(default, deserialize_with = "secret")]
    auth: Option<SecretString>,
    #[serde(default, deserialize_with = "secret", rename = "identitytoken")]
    identity_token: Option<SecretString>,
}

#[derive(Deserialize)]
struct WithAuths {
    auths: Option<BTreeMap<String, Entry>>,
}

impl Entry {
    /// The login, if the entry has one. `auth` wins over user name and password, an identity token over both.
    pub(super) fn login(self) -> Result<Option<Login>, &'static str> {
        if let Some(token) = self.identity_token.filter(|token| !token.expose_secret().is_empty()) {
            return Ok(Some(Login::IdentityToken(token)));
        }
        if let Some(auth) = self.auth.filter(|auth| !auth.expose_secret().is_empty()) {
            let decoded = BASE64.decode(auth.expose_secret().trim()).map_err(|_| "an \"auth\" is not base64")?;
            let decoded = String::from_utf8(decoded).map_err(|_| "an \"auth\" is not text")?;
            let (username, password) = decoded.split_once(':').ok_or("an \"auth\" has no colon in it")?;
            // Docker ends old ones with a zero byte.
            let password = password.trim_end_matches('\0');
            return Ok(Some(Login::of(username.to_owned(), password.to_owned().into())));
        }
        Ok(self.username.zip(self.password).map(|(username, password)| Login::of(username, password)))
    }
}

impl Keyring {
    /// Reads either form: `{"auths": {…}}`, or the bare map of old.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        // The messages of serde show what they found, and that may be a password.
        let broken = |error: serde_json::Error| {
            format!("it is no Docker configuration in JSON at line {}; write {{\"auths\": {{…}}}}", error.line())
        };
        let entries = match serde_json::from_slice::<WithAuths>(bytes).map_err(broken)? {
            WithAuths { auths: Some(auths) } => auths,
            WithAuths { auths: None } => serde_json::from_slice(bytes).map_err(broken)?,
        };
        let mut logins = Vec::new();
        for (key, entry) in entries {
            let login = entry.login().map_err(|problem| format!("{problem}, for {key:?}"))?;
            logins.extend(login.map(|login| (key, login)));
        }
        Ok(Self::new(logins))
    }

    pub(super) fn new(logins: impl IntoIterator<Item = (String, Login)>) -> Self {
        let mut logins: Vec<_> = logins.into_iter().map(|(key, login)| (RegistryPattern::new(&key), login)).collect();
        logins.sort_by(|one, other| other.0.cmp(&one.0));
        Self(logins)
    }

    /// The logins to try for `repository`.
    pub(super) fn matching(&self, repository: &Repository) -> Vec<Login> {
        let of = |wanted: &dyn Fn(&RegistryPattern) -> bool| -> Vec<Login> {
            self.0.iter().filter(|(pattern, _)| wanted(pattern)).map(|(_, login)| login.clone()).collect()
        };
        let found = of(&|pattern| pattern.matches(repository));
        // Docker writes its own registry as https://index.docker.io/v1/.
        let is_docker = matches!(repository.host.as_str(), "docker.io" | "index.docker.io" | "registry-1.docker.io");
        if found.is_empty() && is_docker { of(&|pattern| pattern.text() == "index.docker.io") } else { found }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Basic;
    use super::*;

    /// `user:password` of the logins for an image.
    fn logins(config: &str, image: &str) -> Result<String, String> {
        let (host, name) = image.split_once('/').unwrap();
        let repository = Repository { host: host.into(), name: name.into() };
        let shown = |login: Login| match login {
            Login::Basic(Basic { username, password }) => format!("{username}:{}", password.expose_secret()),
            Login::IdentityToken(token) => format!("token {}", token.expose_secret()),
        };
        Ok(Keyring::parse(config.as_bytes())?
            .matching(&repository)
            .into_iter()
            .map(shown)
            .collect::<Vec<_>>()
            .join(" "))
    }

    #[test]
    fn both_types_of_secret_and_every_form_of_entry() {
        for (config, image, expected) in [
            (r#"{"auths":{"ghcr.io":{"auth":"YTpi"}}}"#, "ghcr.io/x", "a:b"),
            (r#"{"ghcr.io":{"auth":"YTpi","email":"x@example.com"}}"#, "ghcr.io/x", "a:b"),
            (r#"{"auths":{"ghcr.io":{"auth":"YTpiOmM"}}}"#, "ghcr.io/x", "a:b:c"),
            (r#"{"auths":{"ghcr.io":{"auth":"YTpiOmM="}}}"#, "ghcr.io/x", "a:b:c"),
            (r#"{"auths":{"ghcr.io":{"username":"u","password":"p"}}}"#, "ghcr.io/x", "u:p"),
            (r#"{"auths":{"ghcr.io":{"username":"u","password":"p","auth":"YTpi"}}}"#, "ghcr.io/x", "a:b"),
            (r#"{"auths":{"x.azurecr.io":{"auth":"YTpi","identitytoken":"t"}}}"#, "x.azurecr.io/x", "token t"),
            (r#"{"auths":{"ghcr.io":{}}}"#, "ghcr.io/x", ""),
            (r#"{"auths":{"ghcr.io":{"username":"u"}}}"#, "ghcr.io/x", ""),
            (r#"{"auths":{"ghcr.io":{"auth":"YTpi"}}}"#, "quay.io/x", ""),
            (r#"{"auths":{"https://index.docker.io/v1/":{"auth":"YTpi"}}}"#, "docker.io/library/nginx", "a:b"),
            (
                r#"{"auths":{"docker.io":{"auth":"YTpi"},"index.docker.io":{"auth":"Yzpk"}}}"#,
                "docker.io/library/nginx",
                "a:b",
            ),
            (r#"{"auths":{}}"#, "ghcr.io/x", ""),
            ("{}", "ghcr.io/x", ""),
        ] {
            assert_eq!(logins(config, image).as_deref(), Ok(expected), "{config}");
        }
    }

    #[test]
    fn every_entry_that_matches_is_tried_the_longest_first() {
        let config = r#"{"auths":{"r.io":{"auth":"MTox"},"r.io/team":{"auth":"Mjoy"},"r.io/team/app":{"auth":"Mzoz"},"*.io":{"auth":"NDo0"}}}"#;
        assert_eq!(logins(config, "r.io/team/app").unwrap(), "3:3 2:2 1:1 4:4");
        assert_eq!(logins(config, "r.io/other").unwrap(), "1:1 4:4");
    }

    #[test]
    fn a_broken_file_is_told_without_showing_it() {
        for config in [
            "",
            "canary",
            r#"{"auths":{"ghcr.io":{"auth":"canary!"}}}"#,
            r#"{"auths":{"ghcr.io":{"auth":"Y2FuYXJ5"}}}"#,
            r#"{"auths":{"ghcr.io":"canary"}}"#,
            r#"{"auths":{"ghcr.io":{"password":["canary"]}}}"#,
        ] {
            let problem = logins(config, "ghcr.io/x").unwrap_err();
            assert!(!problem.contains("canary"), "{problem}");
        }
    }
}
