//! The way of a request through the proxy.

use std::net::TcpListener;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderName, Request, Response, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::record::{Entry, Record};
use super::request::Asked;
use super::rule::{Fault, Rules};
use super::watches::Watches;
use crate::ControlPlane;

/// Headers that are about one connection, or that the next one makes anew.
const OF_THE_CONNECTION: [HeaderName; 5] =
    [header::CONNECTION, header::CONTENT_LENGTH, header::HOST, header::TRANSFER_ENCODING, header::UPGRADE];

/// The API server, and everything that is known and wanted about the requests to it.
pub(super) struct Upstream {
    url: String,
    authority: reqwest::Certificate,
    pub(super) rules: Rules,
    pub(super) record: Arc<Record>,
    pub(super) watches: Arc<Watches>,
}

impl Upstream {
    pub(super) fn new(plane: &ControlPlane) -> Result<Self> {
        let authority = reqwest::Certificate::from_pem(plane.ca_pem().as_bytes())?;
        let url = plane.server_url().to_owned();
        Ok(Self { url, authority, rules: Rules::default(), record: Arc::default(), watches: Arc::default() })
    }

    /// A client for one run of the server: its connections belong to the runtime that opened them.
    pub(super) fn client(&self) -> Result<reqwest::Client> {
        let builder = reqwest::Client::builder().no_proxy().tls_certs_only([self.authority.clone()]);
        builder.build().context("making the client of a proxy")
    }
}

/// Serves until it is dropped, and every connection with it.
pub(super) async fn serve(
    listener: TcpListener,
    certificate: Arc<rustls::ServerConfig>,
    upstream: Arc<Upstream>,
    client: reqwest::Client,
) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let acceptor = TlsAcceptor::from(certificate);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                connections.spawn(connection(stream, acceptor.clone(), upstream.clone(), client.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, upstream: Arc<Upstream>, client: reqwest::Client) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let service = service_fn(move |request| {
        let (upstream, client) = (upstream.clone(), client.clone());
        // hyper breaks the connection off when there is no answer.
        async move { answer(&upstream, &client, request).await.map_err(std::io::Error::other) }
    });
    // However it ends, it has ended.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(upstream: &Upstream, client: &reqwest::Client, request: Request<Incoming>) -> Result<Response<Body>> {
    let (parts, body) = request.into_parts();
    let asked = Asked::read(&parts.method, &parts.uri);
    let body = body.collect().await?.to_bytes();
    let entry = upstream.record.begin(asked.clone(), &body);
    let call = Call { upstream, client, parts, body, asked };
    let Some(rule) = upstream.rules.of(&call.asked) else { return call.forward(entry).await };
    entry.met(format!("{:?}", rule.fault));
    match &rule.fault {
        Fault::Delay(pause) => tokio::time::sleep(*pause).await,
        Fault::Hold => rule.until_lifted().await,
        Fault::Drop => bail!("the proxy drops the request"),
        Fault::Answer(answer) => {
            entry.answered(answer.code());
            return Ok(answer.response()?);
        }
        Fault::LoseAnswer => {
            call.send().await?.bytes().await?;
            bail!("the proxy drops the answer");
        }
        Fault::Edit(change) => return call.edited(&entry, change.as_ref()).await,
    }
    call.forward(entry).await
}

/// A request on its way to the API server.
struct Call<'a> {
    upstream: &'a Upstream,
    client: &'a reqwest::Client,
    parts: Parts,
    body: Bytes,
    asked: Asked,
}

impl Call<'_> {
    async fn send(&self) -> Result<reqwest::Response> {
        let path = self.parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut headers = self.parts.headers.clone();
        for name in OF_THE_CONNECTION {
            headers.remove(name);
        }
        let request = self.client.request(self.parts.method.clone(), format!("{}{path}", self.upstream.url));
        request.headers(headers).body(self.body.clone()).send().await.context("forwarding a request")
    }

    async fn forward(self, entry: Entry) -> Result<Response<Body>> {
        let answer = self.send().await?;
        entry.answered(answer.status().as_u16());
        let response = head(&answer);
        let is_stream = self.asked.verb == "watch" && answer.status().is_success();
        let body = if is_stream {
            self.upstream.watches.body(self.asked, entry, Box::pin(answer.bytes_stream()))
        } else {
            Body::from(answer.bytes().await?)
        };
        Ok(response.body(body)?)
    }

    async fn edited(self, entry: &Entry, change: &(dyn Fn(&mut Value) + Send + Sync)) -> Result<Response<Body>> {
        let answer = self.send().await?;
        entry.answered(answer.status().as_u16());
        let response = head(&answer);
        let mut value = serde_json::from_slice(&answer.bytes().await?).context("an answer to edit is not JSON")?;
        change(&mut value);
        Ok(response.body(Body::from(value.to_string()))?)
    }
}

/// The answer's status and headers.
fn head(answer: &reqwest::Response) -> axum::http::response::Builder {
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers().iter().filter(|(name, _)| !OF_THE_CONNECTION.contains(name)) {
        response = response.header(name, value);
    }
    response
}
