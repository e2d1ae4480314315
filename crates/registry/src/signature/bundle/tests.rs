use serde_json::{Value, json};

use super::super::key::tests::{Signer, signers};
use super::*;

const HEX: &str = "410a07f17151ffffb513f942a01748dfdb921de915ea6427d61d60b0357c1dcd";

fn statement() -> Value {
    json!({
        "_type": STATEMENT,
        "subject": [{"name": "", "digest": {"sha256": HEX}}],
        "predicateType": SIGNED,
        "predicate": {},
    })
}

fn bundle(statement: &Value, signer: &Signer) -> Value {
    let payload = statement.to_string();
    let signature = signer.sign(&encoded(STATEMENT_TYPE, payload.as_bytes()));
    json!({
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": "abc"}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": STANDARD.encode(payload),
            "payloadType": STATEMENT_TYPE,
            "signatures": [{"sig": STANDARD.encode(signature)}],
        },
    })
}

#[test]
fn a_bundle_counts_if_the_key_signed_the_digest() {
    let digest = format!("sha256:{HEX}");
    for signer in signers() {
        let said = |bundle: Value, digest: &str| read(bundle.to_string().as_bytes(), digest, &signer.key);
        assert_eq!(said(bundle(&statement(), &signer), &digest), Said::Signed);

        let with = |pointer: &str, value: Value| {
            let mut changed = statement();
            *changed.pointer_mut(pointer).unwrap() = value;
            bundle(&changed, &signer)
        };
        let mut tampered = bundle(&statement(), &signer);
        let other = statement().to_string().replace(HEX, &HEX.replace("410a", "410b"));
        tampered["dsseEnvelope"]["payload"] = STANDARD.encode(other).into();
        let mut no_payload = bundle(&statement(), &signer);
        no_payload["dsseEnvelope"]["payload"] = "e30=".into();
        let mut untyped = bundle(&statement(), &signer);
        untyped["dsseEnvelope"]["payloadType"] = "text/plain".into();
        for (bundle, wanted) in [
            (with("/subject/0/digest/sha256", json!("00")), Said::Wrong("the signature is that of another image")),
            (with("/predicateType", json!("https://slsa.dev/provenance/v1")), Said::Else),
            (
                with("/_type", json!("https://in-toto.io/Statement/v9")),
                Said::Wrong("a bundle has a statement of an unknown version"),
            ),
            (untyped, Said::Wrong("a bundle has a statement of an unknown version")),
            (tampered, Said::Wrong("it is signed by another key")),
            (bundle(&statement(), &signers().remove(1)), Said::Wrong("it is signed by another key")),
            (no_payload, Said::Wrong("a bundle has no statement that can be read")),
            (json!({"mediaType": BUNDLE, "messageSignature": {}}), Said::Else),
            (json!([]), Said::Wrong("a bundle cannot be read")),
        ] {
            assert_eq!(said(bundle.clone(), &digest), wanted, "{bundle}");
        }
    }
}

/// The example of DSSE's protocol.md.
#[test]
fn the_encoding_is_that_of_dsse() {
    assert_eq!(
        encoded("http://example.com/HelloWorld", b"hello world"),
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    );
}
