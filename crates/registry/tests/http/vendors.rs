//! Registries as they are: one contract, and what each of them makes of the protocol.

mod contract;
mod quirks;
mod server;

use std::sync::Arc;

use lockstep_registry::{Basic, Credentials, CredentialsSource, Login, Registries, RegistrySettings, Repository};
use lockstep_testkit::RegistryOptions;

use self::contract::{Shelf, World, contract};
use self::quirks::{Auth, vendors};
use self::server::Server;

impl World for Server {
    fn name(&self) -> &str {
        self.vendor().name
    }

    fn client(&self) -> Registries {
        let mut settings = RegistrySettings::new(self.address());
        settings.requests_per_second = std::num::NonZeroU32::new(10_000);
        settings.credentials = Some(Credentials::Source(Arc::new(Rotating(self.clone()))));
        Registries::new(vec![settings]).unwrap()
    }

    fn repository(&self, name: &str) -> Repository {
        Repository { host: self.address(), name: name.to_owned() }
    }

    async fn move_tag(&self, tag: &str, digest: &str) {
        self.point(tag, digest);
    }

    async fn expire(&self) {
        Server::expire(self);
    }

    fn requests(&self) -> Option<usize> {
        Some(self.asked().len())
    }
}

/// The login of the moment: it changes when everything expires.
struct Rotating(Server);

#[async_trait::async_trait]
impl CredentialsSource for Rotating {
    async fn logins(&self, _: &Repository) -> Result<Vec<Login>, String> {
        let Some((username, password)) = self.0.login() else { return Ok(Vec::new()) };
        Ok(vec![match self.0.vendor().auth {
            Auth::Exchange => Login::IdentityToken(password.into()),
            _ => Login::Basic(Basic { username, password: password.into() }),
        }])
    }
}

#[tokio::test]
async fn every_registry_keeps_the_contract() {
    for vendor in vendors() {
        let server = Server::start(vendor, Shelf::new()).await;
        contract(&server, &Shelf::new()).await;
        server.vendor().check(&server.asked());
    }
}

#[tokio::test]
async fn googles_listing_says_when_tags_were_pushed() {
    let google = vendors().into_iter().find(|vendor| vendor.says_times).unwrap();
    let server = Server::start(google, Shelf::new()).await;
    let listing = server.client().tags(&server.repository("team/app")).await.unwrap();
    assert_eq!(listing.pushed.len(), listing.tags.len());
    assert_eq!(listing.pushed["0.0.0"].as_second(), 1_700_000_000);
}

/// The distribution registry itself, version 3.
struct Real(lockstep_testkit::Registry);

impl World for Real {
    fn name(&self) -> &str {
        "the real distribution registry"
    }

    fn client(&self) -> Registries {
        let mut settings = RegistrySettings::new(self.0.address());
        settings.requests_per_second = std::num::NonZeroU32::new(10_000);
        Registries::new(vec![settings]).unwrap()
    }

    fn repository(&self, name: &str) -> Repository {
        Repository { host: self.0.address(), name: name.to_owned() }
    }

    async fn move_tag(&self, tag: &str, digest: &str) {
        let shelf = Shelf::new();
        self.put("manifests", tag, shelf.contents[digest].clone()).await;
    }

    async fn expire(&self) {}

    fn requests(&self) -> Option<usize> {
        None
    }
}

impl Real {
    async fn put(&self, what: &str, reference: &str, body: String) {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let kind = Shelf::media_type(&body);
        let url = format!("http://{}/v2/team/app/{what}/{reference}", self.0.address());
        let answer = http.put(url).header("content-type", kind).body(body).send().await.unwrap();
        assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    }

    /// Puts a whole shelf in.
    async fn fill(&self, shelf: &Shelf) {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        for (digest, content) in shelf.blobs() {
            let begin = format!("http://{}/v2/team/app/blobs/uploads/", self.0.address());
            let begun = http.post(begin).send().await.unwrap();
            let location = begun.headers()["location"].to_str().unwrap().to_owned();
            let url = reqwest::Url::parse_with_params(&location, [("digest", digest)]).unwrap();
            assert_eq!(http.put(url).body(content.clone()).send().await.unwrap().status(), 201);
        }
        for (digest, manifest) in shelf.manifests() {
            self.put("manifests", digest, manifest.clone()).await;
        }
        let put = |(tag, digest): &(String, String)| {
            let url = format!("http://{}/v2/team/app/manifests/{tag}", self.0.address());
            let body = shelf.contents[digest].clone();
            http.put(url).header("content-type", Shelf::media_type(&body)).body(body).send()
        };
        let answers: Vec<_> = futures::StreamExt::collect(futures::StreamExt::buffer_unordered(
            futures::stream::iter(shelf.tags.iter().map(put)),
            8,
        ))
        .await;
        assert!(answers.into_iter().all(|answer| answer.unwrap().status() == 201));
    }
}

#[tokio::test]
async fn the_real_registry_keeps_the_contract() {
    let shelf = Shelf::new();
    let real = Real(lockstep_testkit::Registry::start(RegistryOptions::default()).await.unwrap());
    real.fill(&shelf).await;
    contract(&real, &shelf).await;
}
