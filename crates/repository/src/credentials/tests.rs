use std::collections::BTreeMap;

use secrecy::ExposeSecret;

use super::{Authentication, Credentials, CredentialsError};

fn read(pairs: &[(&str, &str)]) -> Result<Credentials, CredentialsError> {
    let data: BTreeMap<_, _> =
        pairs.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect();
    Credentials::from_secret_data(&data)
}

#[test]
fn every_form_of_secret() {
    let basic = read(&[("username", "u"), ("password", "p\n"), ("ca.crt", "PEM"), ("other", "ignored")]).unwrap();
    assert_eq!(basic.authorization().unwrap().expose_secret(), "Basic dTpw");
    assert_eq!(basic.ca_pem.as_deref(), Some("PEM"));
    let bearer = read(&[("bearerToken", "t")]).unwrap();
    assert_eq!(bearer.authorization().unwrap().expose_secret(), "Bearer t");
    let ssh = read(&[("identity", "KEY"), ("known_hosts", "host ssh-ed25519 AAAA")]).unwrap();
    assert!(matches!(ssh.authentication, Authentication::Ssh { .. }));
    assert!(ssh.authorization().is_none());
    assert!(matches!(read(&[("ca.crt", "PEM")]).unwrap().authentication, Authentication::None));
}

#[test]
fn missing_and_contradictory_keys_are_named() {
    let missing = |present, missing| CredentialsError::Missing { present, missing };
    let cases: &[(&[(&str, &str)], CredentialsError)] = &[
        (&[("username", "u")], missing("username", "password")),
        (&[("password", "p")], missing("password", "username")),
        (&[("identity", "KEY")], missing("identity", "known_hosts")),
        (&[("known_hosts", "h")], missing("known_hosts", "identity")),
        (
            &[("username", "u"), ("password", "p"), ("bearerToken", "t")],
            CredentialsError::Contradiction("username", "bearerToken"),
        ),
        (&[("bearerToken", "t"), ("identity", "KEY")], CredentialsError::Contradiction("bearerToken", "identity")),
        (&[("bearerToken", " ")], CredentialsError::Value { key: "bearerToken", reason: "is empty" }),
        (&[("other", "x")], CredentialsError::Nothing),
        (&[], CredentialsError::Nothing),
    ];
    for (pairs, expected) in cases {
        assert_eq!(&read(pairs).unwrap_err(), expected, "{pairs:?}");
    }
}

#[test]
fn a_second_line_cannot_become_a_second_header() {
    let error = read(&[("bearerToken", "t\r\nX-Other: canary")]).unwrap_err();
    assert!(!error.to_string().contains("canary"));
}

#[test]
fn printing_shows_no_secret() {
    for pairs in [
        &[("username", "u"), ("password", "canary")][..],
        &[("bearerToken", "canary")],
        &[("identity", "canary"), ("known_hosts", "h")],
    ] {
        assert!(!format!("{:?}", read(pairs).unwrap()).contains("canary"));
    }
}
