//! Git's smart HTTP: `git http-backend` as a CGI program behind a small server.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::git_server::git;
use crate::tls_listener::TlsListener;

const LARGEST_PUSH: usize = 256 << 20;

/// What is served, and to whom.
pub(crate) struct Settings {
    pub(crate) root: PathBuf,
    pub(crate) basic: Option<(String, SecretString)>,
    pub(crate) bearer: Option<SecretString>,
    /// How many requests were answered, refusals included.
    pub(crate) answered: AtomicUsize,
}

/// Serves until it is dropped.
pub(crate) async fn serve(
    listener: TcpListener,
    certificate: Option<Arc<rustls::ServerConfig>>,
    settings: Arc<Settings>,
) {
    let router = Router::new().fallback(answer).with_state(settings);
    let served = async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        match certificate {
            None => axum::serve(listener, router).await,
            Some(config) => axum::serve(TlsListener::new(listener, config), router).await,
        }
    };
    if let Err(error) = served.await {
        tracing::error!(%error, "the Git server over HTTP ended");
    }
}

async fn answer(State(settings): State<Arc<Settings>>, request: Request) -> Response {
    let response = answer_uncounted(&settings, request).await;
    settings.answered.fetch_add(1, Ordering::Relaxed);
    response
}

async fn answer_uncounted(settings: &Settings, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Some(user) = settings.user(&parts.headers) else {
        let scheme = if settings.basic.is_some() { "Basic realm=\"git\"" } else { "Bearer" };
        let challenge = [(header::WWW_AUTHENTICATE, scheme)];
        return (StatusCode::UNAUTHORIZED, challenge, "who are you?\n").into_response();
    };
    let Ok(body) = to_bytes(body, LARGEST_PUSH).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    match backend(settings, &user, &parts, body).await {
        Ok(response) => response,
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")).into_response(),
    }
}

impl Settings {
    /// The user that the request is from; none if it is not let in.
    fn user(&self, headers: &HeaderMap) -> Option<String> {
        if self.basic.is_none() && self.bearer.is_none() {
            return Some("anybody".to_owned());
        }
        let given = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        if let Some((user, password)) = &self.basic {
            let pair = STANDARD.encode(format!("{user}:{}", password.expose_secret()));
            if given.strip_prefix("Basic ") == Some(&pair) {
                return Some(user.clone());
            }
        }
        let token = self.bearer.as_ref()?.expose_secret();
        (given.strip_prefix("Bearer ") == Some(token)).then(|| "bearer".to_owned())
    }
}

/// Runs the CGI program for one request (RFC 3875).
async fn backend(settings: &Settings, user: &str, parts: &Parts, body: Bytes) -> Result<Response> {
    let mut command = Command::from(git(&settings.root));
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", &settings.root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GATEWAY_INTERFACE", "CGI/1.1")
        .env("SERVER_PROTOCOL", "HTTP/1.1")
        .env("REMOTE_USER", user)
        .env("REMOTE_ADDR", "127.0.0.1")
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("PATH_INFO", parts.uri.path())
        .env("QUERY_STRING", parts.uri.query().unwrap_or_default())
        .env("CONTENT_LENGTH", body.len().to_string());
    for (name, variable) in [
        ("content-type", "CONTENT_TYPE"),
        ("content-encoding", "HTTP_CONTENT_ENCODING"),
        ("git-protocol", "GIT_PROTOCOL"),
    ] {
        if let Some(value) = parts.headers.get(name) {
            command.env(variable, value.to_str()?);
        }
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("starting git http-backend")?;
    let mut input = child.stdin.take().context("git http-backend has no input")?;
    let feed = async {
        // It may answer, and go, without reading everything.
        let _ = input.write_all(&body).await;
        drop(input);
    };
    let ((), output) = tokio::join!(feed, child.wait_with_output());
    let output = output?;
    if output.stdout.is_empty() {
        bail!("git http-backend: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    response(&output.stdout)
}

/// Turns the program's answer (header lines, an empty line, a body) into HTTP's.
fn response(output: &[u8]) -> Result<Response> {
    let end = output
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .context("git http-backend answered without a header")?;
    let head = std::str::from_utf8(&output[..end])?;
    let mut builder = Response::builder();
    for line in head.split("\r\n") {
        let (name, value) = line.split_once(':').context("a header line without a colon")?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("status") {
            let code = value.split(' ').next().unwrap_or_default();
            builder = builder.status(code.parse::<u16>()?);
        } else {
            builder = builder.header(name, value);
        }
    }
    Ok(builder.body(Body::from(output[end + 4..].to_vec()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_answer_becomes_https() {
        let answer = response(b"Status: 404 Not Found\r\nX-A: b\r\n\r\nbody").unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        assert_eq!(answer.headers()["x-a"], "b");
        assert_eq!(response(b"X-A: b\r\n\r\n").unwrap().status(), StatusCode::OK);
        assert!(response(b"no header").is_err());
    }
}
