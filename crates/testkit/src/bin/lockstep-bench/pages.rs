//! The limit of a registry cycle: a bare client that reads every page of every listing and keeps nothing.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use lockstep_testkit::{Installation, Registry};
use reqwest::Client;

/// Listings in flight, as many as the automator has for one registry.
const IN_FLIGHT: usize = 4;

/// A client of one registry.
pub(crate) struct BareClient {
    client: Client,
    origin: String,
    login: Option<(String, String)>,
    names: Vec<String>,
}

/// What it took to read all pages.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Read {
    pub(crate) took: Duration,
    pub(crate) pages: usize,
    pub(crate) bytes: usize,
}

impl BareClient {
    pub(crate) fn of(installation: &Installation, registry: &Registry, names: Vec<String>) -> Result<Self> {
        let pem = registry.ca_pem().context("the registry has no certificate")?;
        let authority = reqwest::Certificate::from_pem(pem.as_bytes())?;
        let client = Client::builder().no_proxy().user_agent("bare").tls_certs_only([authority]).build()?;
        let password = std::fs::read_to_string(installation.registry_password_file())?;
        let origin = format!("https://{}", registry.address());
        Ok(Self { client, origin, login: Some(("robot".to_owned(), password)), names })
    }

    pub(crate) fn plain(origin: String, names: Vec<String>) -> Result<Self> {
        Ok(Self { client: Client::builder().no_proxy().user_agent("bare").build()?, origin, login: None, names })
    }

    /// Reads every page of every repository.
    pub(crate) async fn read_all(&self) -> Result<Read> {
        let start = Instant::now();
        let each = stream::iter(&self.names).map(|name| self.read_one(name)).buffer_unordered(IN_FLIGHT);
        let sum = |sum: Read, one: Read| async move {
            Ok(Read { pages: sum.pages + one.pages, bytes: sum.bytes + one.bytes, ..sum })
        };
        let read = each.try_fold(Read::default(), sum).await?;
        Ok(Read { took: start.elapsed(), ..read })
    }

    async fn read_one(&self, name: &str) -> Result<Read> {
        let mut read = Read::default();
        let mut next = format!("/v2/{name}/tags/list?n=1000");
        loop {
            let request = self.client.get(format!("{}{next}", self.origin));
            let request = match &self.login {
                Some((user, password)) => request.basic_auth(user, Some(password)),
                None => request,
            };
            let answer = request.send().await?;
            if !answer.status().is_success() {
                bail!("{next} answered {}", answer.status());
            }
            let link = answer.headers().get(reqwest::header::LINK).and_then(|link| link.to_str().ok());
            let link = link.and_then(|link| Some(link.split_once('<')?.1.split_once('>')?.0.to_owned()));
            read.bytes += answer.bytes().await?.len();
            read.pages += 1;
            match link {
                Some(link) => next = link,
                None => return Ok(read),
            }
        }
    }
}
