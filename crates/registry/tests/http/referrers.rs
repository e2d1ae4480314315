//! Signatures that the referrers API names, a page at a time. The distribution registry has no such API.

use std::collections::HashMap;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lockstep_registry::{Verification, VerificationKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::scripted::{Asked, Reply, Scripted};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const UNTYPED: &str = "application/vnd.oci.empty.v1+json";
const NEXT: &str = r#"<https://elsewhere.example/v2/other/referrers/x?page=2>; rel="next""#;

fn digest(content: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(content)))
}

fn key_pair() -> (Ed25519KeyPair, VerificationKey) {
    let pair = Ed25519KeyPair::generate().unwrap();
    let der = STANDARD.encode(pair.public_key().as_der().unwrap().as_ref());
    let key = VerificationKey::parse(&format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n"));
    (pair, key.unwrap())
}

/// A bundle that says that `of` is signed by `pair`.
fn bundle(of: &str, pair: &Ed25519KeyPair) -> String {
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": of.trim_start_matches("sha256:")}}],
        "predicateType": "https://sigstore.dev/cosign/sign/v1",
    });
    let (payload, kind) = (statement.to_string(), "application/vnd.in-toto+json");
    let message = format!("DSSEv1 {} {kind} {} {payload}", kind.len(), payload.len());
    json!({"mediaType": BUNDLE, "dsseEnvelope": {
        "payload": STANDARD.encode(&payload),
        "payloadType": kind,
        "signatures": [{"sig": STANDARD.encode(pair.sign(message.as_bytes()).as_ref())}],
    }})
    .to_string()
}

/// What a registry holds by digest.
#[derive(Default)]
struct Store(HashMap<String, String>);

impl Store {
    fn put(&mut self, content: String) -> String {
        let digest = digest(&content);
        self.0.insert(digest.clone(), content);
        digest
    }

    /// A manifest with these bundles, as a page of referrers names it.
    fn referrer(&mut self, artifact_type: Option<&str>, bundles: &[String]) -> Value {
        let layers: Vec<Value> =
            bundles.iter().map(|bundle| json!({"mediaType": BUNDLE, "digest": self.put(bundle.clone())})).collect();
        let digest = self.put(json!({"layers": layers, "config": {"mediaType": UNTYPED}}).to_string());
        json!({"digest": digest, "artifactType": artifact_type})
    }

    fn get(&self, asked: &Asked) -> Reply {
        let wanted = asked.target.rsplit('/').next().unwrap();
        self.0.get(wanted).map_or_else(|| Reply::new(404, ""), |content| Reply::new(200, content.clone()))
    }
}

fn page(referrers: &[Value]) -> Reply {
    Reply::new(200, json!({"manifests": referrers}).to_string())
}

#[tokio::test]
async fn every_page_of_referrers_is_looked_at_until_a_signature_holds() {
    let (pair, key) = key_pair();
    let (stranger, _) = key_pair();
    let image = digest("an image");
    for artifact_type in [Some(BUNDLE), Some(UNTYPED), None] {
        let mut store = Store::default();
        let sbom = json!({"digest": digest("never read"), "artifactType": "application/spdx+json"});
        let wrong = store.referrer(Some(BUNDLE), &[bundle(&image, &stranger)]);
        let right = store.referrer(artifact_type, &[bundle(&image, &pair)]);
        let path = format!("/v2/team/app/referrers/{image}");
        let registry = Scripted::start(move |asked, _| match asked.target.strip_prefix(&path) {
            Some("?page=2") => page(std::slice::from_ref(&right)),
            Some(_) => page(&[sbom.clone(), wrong.clone()]).header("link", NEXT),
            None => store.get(asked),
        })
        .await;
        let found = registry.client(|_| {}).verify(&registry.repository(), &image, &key).await.unwrap();
        assert_eq!(found, Verification::Signed, "{artifact_type:?}");
        let asked = registry.targets();
        let filter = "artifactType=application%2Fvnd.dev.sigstore.bundle.v0.3%2Bjson";
        assert_eq!(asked[1], format!("/v2/team/app/referrers/{image}?{filter}"));
        assert_eq!(asked[2], format!("/v2/team/app/referrers/{image}?page=2"), "our own origin and path");
        assert_eq!(asked.len(), 7, "two manifests and two bundles: {asked:?}");
    }
}

#[tokio::test]
async fn referrers_that_cannot_be_read_to_their_end_are_not_taken_for_none() {
    let (_, key) = key_pair();
    let image = digest("an image");
    type Script = fn(usize) -> Reply;
    let scripts: [(&str, Script); 4] = [
        ("a broken link", |_| page(&[]).header("link", "next please")),
        ("no end", |before| page(&[]).header("link", format!("<?page={before}>; rel=\"next\""))),
        ("a lost page", |before| if before == 1 { page(&[]).header("link", NEXT) } else { Reply::new(404, "") }),
        ("no JSON", |_| Reply::new(200, "<html>")),
    ];
    for (name, script) in scripts {
        let registry = Scripted::start(move |asked, before| match asked.target.contains("/referrers/") {
            true => script(before),
            false => Reply::new(404, ""),
        })
        .await;
        let found = registry.client(|_| {}).verify(&registry.repository(), &image, &key).await;
        assert!(found.is_err(), "{name}: {found:?}");
        assert!(registry.targets().len() <= 11, "{name}");
    }
}

#[tokio::test]
async fn a_flood_of_signatures_is_not_looked_at_whole() {
    let (_, key) = key_pair();
    let (stranger, _) = key_pair();
    let image = digest("an image");
    let mut store = Store::default();
    let many = store.referrer(Some(BUNDLE), &vec![bundle(&image, &stranger); 1000]);
    let registry = Scripted::start(move |asked, _| match asked.target.contains("/referrers/") {
        true => page(&vec![many.clone(); 1000]),
        false => store.get(asked),
    })
    .await;
    let client = registry.client(|settings| settings.requests_per_second = std::num::NonZeroU32::new(10_000));
    let found = client.verify(&registry.repository(), &image, &key).await.unwrap();
    assert!(matches!(&found, Verification::Wrong(reason) if reason.contains("too many signatures")), "{found:?}");
    assert!(registry.targets().len() < 110, "{}", registry.targets().len());
}
