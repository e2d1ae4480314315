use super::super::key::tests::{Signer, signers};
use super::*;

const DIGEST: &str = "sha256:410a07f17151ffffb513f942a01748dfdb921de915ea6427d61d60b0357c1dcd";

fn payload(digest: &str, kind: &str) -> String {
    format!(
        r#"{{"critical":{{"identity":{{"docker-reference":"ghcr.io/acme/web"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"{kind}"}},"optional":null}}"#
    )
}

#[test]
fn only_the_signed_digest_is_signed() {
    for signer in signers() {
        let Signer { key, .. } = &signer;
        let good = payload(DIGEST, TYPE);
        let signature = STANDARD.encode(signer.sign(good.as_bytes()));
        assert_eq!(check(good.as_bytes(), &signature, DIGEST, key), Ok(()));
        assert_eq!(check(good.as_bytes(), &format!("{signature}\n"), DIGEST, key), Ok(()));

        let other = DIGEST.replace("410a", "410b");
        let elsewhere = signers().remove(0);
        let signed = |text: &str| STANDARD.encode(signer.sign(text.as_bytes()));
        let of = |digest: &str, kind: &str| payload(digest, kind);
        for (payload, signature, wanted) in [
            (good.clone(), signature.clone(), "the signature is that of another image"),
            (of(&other, TYPE), signature.clone(), "it is signed by another key"),
            (good.clone(), STANDARD.encode(elsewhere.sign(good.as_bytes())), "it is signed by another key"),
            (good.clone(), "???".to_owned(), "a signature is not Base64"),
            (good.clone(), String::new(), "it is signed by another key"),
            (
                of(&other, "atomic container signature"),
                signed(&of(&other, "atomic container signature")),
                "what is signed is not an image",
            ),
            ("{}".to_owned(), signed("{}"), "what is signed is not simple signing"),
        ] {
            assert_eq!(check(payload.as_bytes(), &signature, &other, key), Err(wanted), "{payload}");
        }
    }
}
