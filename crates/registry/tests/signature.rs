//! Signatures of images in the registry of the distribution project, laid down as cosign lays them down.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lockstep_registry::{Registries, RegistrySettings, Repository, Verification, VerificationKey};
use lockstep_testkit::{Registry, RegistryOptions};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const SIMPLE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

struct Scene {
    registry: Registry,
    http: reqwest::Client,
    client: Registries,
    repository: Repository,
}

fn hash(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

fn key_pair() -> (Ed25519KeyPair, VerificationKey) {
    let pair = Ed25519KeyPair::generate().unwrap();
    let der = STANDARD.encode(pair.public_key().as_der().unwrap().as_ref());
    let key = VerificationKey::parse(&format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n"));
    (pair, key.unwrap())
}

impl Scene {
    async fn start() -> Self {
        let registry = Registry::start(RegistryOptions::default()).await.unwrap();
        let repository = Repository { host: registry.address(), name: "shop/web".into() };
        let client = Registries::new(vec![RegistrySettings::new(registry.address())]).unwrap();
        Self { http: reqwest::Client::builder().no_proxy().build().unwrap(), registry, client, repository }
    }

    fn url(&self, rest: &str) -> String {
        format!("http://{}/v2/shop/web/{rest}", self.registry.address())
    }

    /// Uploads a blob in one piece and answers its descriptor.
    async fn blob(&self, kind: &str, bytes: &[u8]) -> Value {
        let begun = self.http.post(self.url("blobs/uploads/")).send().await.unwrap();
        let location = begun.headers()["location"].to_str().unwrap().to_owned();
        let target = format!("{location}&digest={}", hash(bytes));
        let put = self.http.put(target).body(bytes.to_vec()).send().await.unwrap();
        assert_eq!(put.status(), 201);
        json!({"mediaType": kind, "digest": hash(bytes), "size": bytes.len()})
    }

    async fn manifest(&self, reference: &str, kind: &str, manifest: &Value) -> Value {
        let bytes = manifest.to_string().into_bytes();
        let reference = if reference.is_empty() { hash(&bytes) } else { reference.to_owned() };
        let put = self.http.put(self.url(&format!("manifests/{reference}"))).header("content-type", kind);
        assert_eq!(put.body(bytes.clone()).send().await.unwrap().status(), 201);
        json!({"mediaType": kind, "digest": hash(&bytes), "size": bytes.len()})
    }

    /// As `cosign sign` up to version 2.
    async fn sign_simply(&self, digest: &str, of: &str, pair: &Ed25519KeyPair) {
        let payload = json!({"critical": {
            "identity": {"docker-reference": "shop/web"},
            "image": {"docker-manifest-digest": of},
            "type": "cosign container image signature",
        }, "optional": null});
        let payload = payload.to_string();
        let mut layer = self.blob(SIMPLE, payload.as_bytes()).await;
        let signature = STANDARD.encode(pair.sign(payload.as_bytes()).as_ref());
        layer["annotations"] = json!({"dev.cosignproject.cosign/signature": signature});
        let config = self.blob("application/vnd.oci.image.config.v1+json", b"{}").await;
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
        self.manifest(&format!("{}.sig", digest.replace(':', "-")), MANIFEST, &manifest).await;
    }

    /// As `cosign sign` of version 3, where the registry has no referrers API.
    async fn sign_by_bundle(&self, digest: &str, pair: &Ed25519KeyPair) {
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"digest": {"sha256": digest.trim_start_matches("sha256:")}}],
            "predicateType": "https://sigstore.dev/cosign/sign/v1",
            "predicate": {},
        });
        let (payload, kind) = (statement.to_string(), "application/vnd.in-toto+json");
        let message = format!("DSSEv1 {} {kind} {} {payload}", kind.len(), payload.len());
        let bundle = json!({
            "mediaType": BUNDLE,
            "verificationMaterial": {"publicKey": {"hint": ""}},
            "dsseEnvelope": {
                "payload": STANDARD.encode(&payload),
                "payloadType": kind,
                "signatures": [{"sig": STANDARD.encode(pair.sign(message.as_bytes()).as_ref())}],
            },
        });
        let layer = self.blob(BUNDLE, bundle.to_string().as_bytes()).await;
        let config = self.blob("application/vnd.oci.empty.v1+json", b"{}").await;
        let subject = json!({"mediaType": MANIFEST, "digest": digest, "size": 1});
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": BUNDLE,
            "config": config, "layers": [layer], "subject": subject,
        });
        let mut referrer = self.manifest("", MANIFEST, &manifest).await;
        referrer["artifactType"] = BUNDLE.into();
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [referrer]});
        self.manifest(&digest.replace(':', "-"), INDEX, &index).await;
    }

    async fn verify(&self, digest: &str, key: &VerificationKey) -> Verification {
        self.client.verify(&self.repository, digest, key).await.unwrap()
    }
}

#[tokio::test]
async fn signatures_of_both_forms_are_found_and_proved() {
    let scene = Scene::start().await;
    let (pair, key) = key_pair();
    let (_, other) = key_pair();
    let [one, two, three] = ["1.0.0", "2.0.0", "3.0.0"];
    let push = async |tag: &str| {
        let time = Some(format!("2026-01-0{}T00:00:00Z", &tag[..1]).parse().unwrap());
        scene.registry.push_image("shop/web", tag, time).await.unwrap()
    };
    let (one, two, three) = (push(one).await, push(two).await, push(three).await);

    assert_eq!(scene.verify(&one, &key).await, Verification::NotSigned);
    scene.sign_simply(&one, &one, &pair).await;
    assert_eq!(scene.verify(&one, &key).await, Verification::Signed);
    let by_another = Verification::Wrong("it is signed by another key".to_owned());
    assert_eq!(scene.verify(&one, &other).await, by_another);

    scene.sign_by_bundle(&two, &pair).await;
    assert_eq!(scene.verify(&two, &key).await, Verification::Signed);
    assert_eq!(scene.verify(&two, &other).await, by_another);

    // The signature of one image under the name of another one.
    scene.sign_simply(&three, &one, &pair).await;
    let of_another = Verification::Wrong("the signature is that of another image".to_owned());
    assert_eq!(scene.verify(&three, &key).await, of_another);
    scene.sign_by_bundle(&three, &pair).await;
    assert_eq!(scene.verify(&three, &key).await, Verification::Signed, "one that holds is enough");

    scene.registry.stop();
    assert!(scene.client.verify(&scene.repository, &one, &key).await.is_err(), "no answer is not \"not signed\"");
}
