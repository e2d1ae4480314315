//! The tokens of Google's Pub/Sub: OpenID Connect, signed by RS256 under keys that the issuer publishes.
//!
//! The forms are those of RFC 7515 (compact), RFC 7517 and RFC 7519, as far as Google uses them
//! (cloud.google.com/pubsub/docs/authenticate-push-subscriptions).

mod keys;

use aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{AUTHORIZATION, HeaderMap};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use keys::KeySource;

pub use keys::KeysFrom;

/// Google's tokens have about a thousand letters.
const LONGEST_TOKEN: usize = 8 << 10;
/// Clocks differ by this at most.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(60);

/// What a token must say to be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRules {
    /// Who made it: `https://accounts.google.com`.
    pub issuer: String,
    /// For whom it was made, as the subscription says.
    pub audience: String,
    /// The service account of the subscription.
    pub email: String,
}

/// Checks the tokens of one sender.
pub struct PushTokens {
    rules: TokenRules,
    keys: KeySource,
}

/// What came of checking a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The sender is who it should be.
    Admitted,
    /// It is not, or does not show it: why.
    Refused(String),
    /// Nobody can say, because there are no keys to check with: why.
    Unknown(String),
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: String,
    #[serde(default)]
    crit: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    email: String,
    #[serde(default)]
    email_verified: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// A token whose signature nobody has checked yet.
struct Unchecked<'a> {
    header: Header,
    claims: Claims,
    signed: &'a str,
    signature: Vec<u8>,
}

impl PushTokens {
    /// Nothing is read or sent yet.
    ///
    /// # Errors
    /// If the keys cannot be got from there: what is wrong with the address.
    pub fn new(rules: TokenRules, keys: &KeysFrom) -> Result<Self, String> {
        Ok(Self { rules, keys: KeySource::new(keys)? })
    }

    /// Whether the keys can be read now, where they are in a file.
    ///
    /// # Errors
    /// Why not.
    pub fn check_file(&self) -> Result<(), String> {
        self.keys.check_file()
    }

    /// Whether the header `Authorization` holds a token that says at `now` what it must say.
    pub async fn admit(&self, headers: &HeaderMap, now: Timestamp) -> Admission {
        let token = match headers.get(AUTHORIZATION).map(|value| value.as_bytes()).and_then(bearer).map(read) {
            Some(Ok(token)) => token,
            Some(Err(problem)) => return Admission::Refused(problem.to_owned()),
            None => return Admission::Refused("it has no bearer token".to_owned()),
        };
        let keys = match self.keys.keys(&token.header.kid).await {
            Ok(keys) => keys,
            Err(problem) => return Admission::Unknown(problem),
        };
        let Some(key) = keys.get(&token.header.kid) else {
            return Admission::Refused("its token is signed by a key that the issuer does not publish".to_owned());
        };
        let right = key.verify(&RSA_PKCS1_2048_8192_SHA256, token.signed.as_bytes(), &token.signature);
        if right.is_err() {
            return Admission::Refused("the signature of its token is wrong".to_owned());
        }
        self.rules.objection(&token.claims, now).map_or(Admission::Admitted, Admission::Refused)
    }
}

impl TokenRules {
    /// What is wrong with claims that the issuer has signed.
    fn objection(&self, claims: &Claims, now: Timestamp) -> Option<String> {
        let at = |seconds| Timestamp::from_second(seconds).unwrap_or(Timestamp::MIN);
        let named = match &claims.aud {
            Audience::One(one) => *one == self.audience,
            Audience::Several(several) => several.contains(&self.audience),
        };
        let bare = |issuer: &str| issuer.trim_start_matches("https://").to_owned();
        if bare(&claims.iss) != bare(&self.issuer) {
            return Some(format!("its token is not from {}", self.issuer));
        }
        if !named {
            return Some(format!("its token is not for the audience {}", self.audience));
        }
        if !claims.email_verified || claims.email != self.email {
            return Some(format!("its token is not that of {}", self.email));
        }
        if now.saturating_sub(CLOCK_SKEW).is_ok_and(|now| at(claims.exp) <= now) {
            return Some("its token has expired".to_owned());
        }
        if let (Some(nbf), Ok(latest)) = (claims.nbf, now.saturating_add(CLOCK_SKEW))
            && at(nbf) > latest
        {
            return Some("its token is not valid yet".to_owned());
        }
        None
    }
}

fn bearer(value: &[u8]) -> Option<&str> {
    let (scheme, token) = value.split_at_checked(7)?;
    std::str::from_utf8(token).ok().filter(|_| scheme.eq_ignore_ascii_case(b"bearer "))
}

/// Takes a token apart. Of algorithms there is one, whatever the token says.
fn read(token: &str) -> Result<Unchecked<'_>, &'static str> {
    const BROKEN: &str = "its token cannot be read";
    if token.len() > LONGEST_TOKEN {
        return Err("its token is too long");
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(BROKEN)?;
    let (header, claims) = signed.split_once('.').ok_or(BROKEN)?;
    let header: Header = part(header).ok_or(BROKEN)?;
    if header.alg != "RS256" || header.crit.is_some() {
        return Err("its token is signed in a way that is not known");
    }
    let claims = part(claims).ok_or(BROKEN)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| BROKEN)?;
    Ok(Unchecked { header, claims, signed, signature })
}

fn part<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

#[cfg(test)]
mod tests;
