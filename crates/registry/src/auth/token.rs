//! Fetching a token (distribution specification, "token authentication" and its OAuth2 form).

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Response, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::{Doing, Token, TokenKey, basic_header, header_value};
use crate::client::{asked_pause, read_body, reason};
use crate::credentials::{Basic, Login, secret};
use crate::error::RegistryError;

/// The longest token answer that is read.
const TOKEN_BYTES: usize = 1 << 20;
/// A token that names no lifetime lives this long (the distribution token specification).
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);
/// However long a token says that it lives.
const LONGEST_LIFETIME: Duration = Duration::from_secs(12 * 3600);

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default, deserialize_with = "secret")]
    token: Option<SecretString>,
    #[serde(default, deserialize_with = "secret")]
    access_token: Option<SecretString>,
    #[serde(default)]
    expires_in: Option<f64>,
}

/// Gets a token. The service counts as a part of its registry: what asks it for patience is left alone as a whole.
pub(super) async fn fetch(doing: Doing<'_>, key: &TokenKey, login: Option<&Login>) -> Result<Token, RegistryError> {
    let response = match login {
        None => by_get(doing, key, None).await?,
        Some(Login::Basic(basic)) => by_get(doing, key, Some(basic)).await?,
        Some(Login::IdentityToken(token)) => {
            let response = by_post(doing, key, token).await?;
            // A service of the old kind: there the token stands for a password.
            let stand_in = Basic { username: "<token>".to_owned(), password: token.clone() };
            let is_old = matches!(response.status().as_u16(), 404 | 405);
            if is_old { by_get(doing, key, Some(&stand_in)).await? } else { response }
        }
    };
    read(doing, key, login.is_some(), response).await
}

async fn by_get(doing: Doing<'_>, key: &TokenKey, basic: Option<&Basic>) -> Result<Response, RegistryError> {
    let mut url = key.service.realm.clone();
    {
        let mut query = url.query_pairs_mut();
        query.extend_pairs(key.service.service.as_ref().map(|service| ("service", service)));
        query.extend_pairs(key.scopes.iter().map(|scope| ("scope", scope)));
    }
    let mut request = doing.host.http.get(url);
    if let Some(header) = basic.and_then(basic_header) {
        request = request.header(AUTHORIZATION, header);
    }
    doing.host.observe("token");
    request.send().await.map_err(|error| unreachable(doing, key, error))
}

async fn by_post(doing: Doing<'_>, key: &TokenKey, token: &SecretString) -> Result<Response, RegistryError> {
    // Only the query of this URL is used, as the body: the fields are written in one way in both.
    let mut form = key.service.realm.clone();
    form.set_query(None);
    form.query_pairs_mut()
        .append_pair("grant_type", "refresh_token")
        .append_pair("refresh_token", token.expose_secret())
        .append_pair("client_id", "lockstep")
        .append_pair("scope", &key.scopes.join(" "))
        .extend_pairs(key.service.service.as_ref().map(|service| ("service", service)));
    let body = form.query().unwrap_or_default().to_owned();
    let mut url = key.service.realm.clone();
    url.set_fragment(None);
    let request = doing.host.http.post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
    doing.host.observe("token");
    request.send().await.map_err(|error| unreachable(doing, key, error))
}

async fn read(doing: Doing<'_>, key: &TokenKey, with_login: bool, response: Response) -> Result<Token, RegistryError> {
    let service = name_of(&key.service.realm);
    let status = response.status();
    let (repository, pause) = (doing.repository.to_string(), asked_pause(response.headers()));
    if status.as_u16() == 429 {
        let pause = doing.host.manners.complaint(pause);
        return Err(RegistryError::RateLimited { repository, doing: doing.doing, pause });
    }
    if status.is_server_error() {
        doing.host.manners.failed();
        return Err(RegistryError::Unavailable { repository, doing: doing.doing, status: status.as_u16(), pause });
    }
    if !status.is_success() {
        let credentials =
            if with_login { "check user name and password" } else { "configure credentials for this registry" };
        let problem = format!("the token service {service} answers {}; {credentials}", status.as_u16());
        return Err(doing.unauthorised(&problem));
    }
    let malformed = |problem: &str| RegistryError::Malformed {
        repository: doing.repository.to_string(),
        doing: doing.doing,
        problem: format!("{problem} from the token service {service}"),
    };
    let body = read_body(response, TOKEN_BYTES).await.map_err(|error| unreachable(doing, key, error))?;
    let body = body.ok_or_else(|| malformed("too long a token"))?;
    let answer: TokenAnswer = serde_json::from_slice(&body).map_err(|_| malformed("no token"))?;
    let token =
        [answer.token, answer.access_token].into_iter().flatten().find(|token| !token.expose_secret().is_empty());
    let token = token.ok_or_else(|| malformed("an empty token"))?;
    let header =
        header_value(&format!("Bearer {}", token.expose_secret())).ok_or_else(|| malformed("an unusable token"))?;
    Ok(Token { header, lifetime: usable_for(answer.expires_in) })
}

fn unreachable(doing: Doing<'_>, key: &TokenKey, error: reqwest::Error) -> RegistryError {
    doing.host.manners.failed();
    RegistryError::Unreachable {
        host: name_of(&key.service.realm),
        repository: doing.repository.to_string(),
        doing: doing.doing,
        problem: reason(error),
    }
}

fn name_of(realm: &Url) -> String {
    realm.host_str().unwrap_or_default().to_owned()
}

/// The lifetime less what the way there and a slow clock may cost.
fn usable_for(expires_in: Option<f64>) -> Duration {
    let lifetime =
        expires_in.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).filter(|lifetime| !lifetime.is_zero());
    let lifetime = lifetime.unwrap_or(DEFAULT_LIFETIME).min(LONGEST_LIFETIME);
    let margin = (lifetime / 10).max(Duration::from_secs(10));
    lifetime.saturating_sub(margin).max(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_used_for_less_than_it_lives() {
        for (expires_in, expected) in [
            (None, 50),
            (Some(0.0), 50),
            (Some(-5.0), 50),
            (Some(f64::NAN), 50),
            (Some(5.0), 1),
            (Some(300.0), 270),
            (Some(1e12), 38_880),
        ] {
            assert_eq!(usable_for(expires_in), Duration::from_secs(expected), "{expires_in:?}");
        }
    }
}
