//! Docker's credential helpers: `docker-credential-NAME get`, the server on its standard input.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::Deserialize;

use super::Login;
use super::child::Child;
use super::file::secret;

/// What helpers say, and exit with an error, when they have nothing (docker-credential-helpers, `credentials/error.go`).
const NOTHING: &str = "credentials not found in native keychain";

/// One helper program.
pub(super) struct Helper {
    program: PathBuf,
    environment: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Username")]
    username: String,
    #[serde(rename = "Secret", deserialize_with = "secret")]
    secret: Option<SecretString>,
}

impl Helper {
    /// The helper of that name in `folder`. The name is no path and no option.
    pub(super) fn find(folder: &Path, name: &str, environment: &[(String, String)]) -> Result<Self, String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || name.starts_with(['-', '.']) || !name.bytes().all(plain) {
            return Err(format!("{name:?} is not the name of a credential helper"));
        }
        let program = folder.join(format!("docker-credential-{name}"));
        Ok(Self { program, environment: environment.to_vec() })
    }

    /// The login for a server, if it has one.
    pub(super) async fn get(&self, server: &str) -> Result<Option<Login>, String> {
        let child = Child { program: &self.program, arguments: &["get".to_owned()], environment: &self.environment };
        let ended = child.run(server.as_bytes()).await?;
        if !ended.succeeded {
            let nothing = String::from_utf8_lossy(&ended.output).trim() == NOTHING;
            return if nothing {
                Ok(None)
            } else {
                Err(format!("{} failed ({})", self.program.display(), ended.status))
            };
        }
        let answer: Answer = serde_json::from_slice(&ended.output)
            .map_err(|_| format!("{} printed no credentials in JSON", self.program.display()))?;
        Ok(answer.secret.map(|secret| Login::of(answer.username, secret)))
    }
}
