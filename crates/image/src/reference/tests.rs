use super::Reference;

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[test]
fn reads_and_keeps_every_byte() {
    let digested = format!("ghcr.io/acme/app:1.2@{DIGEST}");
    let only_digest = format!("nginx@{DIGEST}");
    let cases = [
        // text, host, repository, name, tag
        ("nginx", "docker.io", "library/nginx", "nginx", None),
        ("docker.io/nginx:1", "docker.io", "library/nginx", "docker.io/nginx", Some("1")),
        ("index.docker.io/acme/app", "docker.io", "acme/app", "index.docker.io/acme/app", None),
        ("acme/app:v1", "docker.io", "acme/app", "acme/app", Some("v1")),
        ("localhost/app", "localhost", "app", "localhost/app", None),
        ("localhost:5000", "docker.io", "library/localhost", "localhost", Some("5000")),
        ("localhost:5000/app:1", "localhost:5000", "app", "localhost:5000/app", Some("1")),
        ("Registry/app", "Registry", "app", "Registry/app", None),
        ("registry:5000/a/b__c", "registry:5000", "a/b__c", "registry:5000/a/b__c", None),
        ("[2001:db8::1]:5000/app:1", "[2001:db8::1]:5000", "app", "[2001:db8::1]:5000/app", Some("1")),
        ("10.0.0.1/app", "10.0.0.1", "app", "10.0.0.1/app", None),
        ("a/b---c.d_e:_x.y-z", "docker.io", "a/b---c.d_e", "a/b---c.d_e", Some("_x.y-z")),
        (&digested, "ghcr.io", "acme/app", "ghcr.io/acme/app", Some("1.2")),
        (&only_digest, "docker.io", "library/nginx", "nginx", None),
    ];
    for (text, host, repository, name, tag) in cases {
        let reference: Reference = text.parse().unwrap();
        assert_eq!(reference.to_string(), text);
        assert_eq!((reference.host(), reference.repository().as_str()), (host, repository), "{text}");
        assert_eq!((reference.name(), reference.tag()), (name, tag), "{text}");
        assert_eq!(reference.digest().is_some(), text.contains('@'), "{text}");
    }
}

#[test]
fn refuses_what_docker_refuses_and_says_what_is_wrong() {
    let long = format!("a/{}", "b".repeat(254));
    let identifier = "a".repeat(64);
    let long_tag = format!("a:{}", "b".repeat(129));
    let cases = [
        ("", "empty"),
        (":tag", "repository"),
        ("/a", "repository"),
        ("a/", "repository"),
        ("a//b", "repository"),
        ("a:", "tag"),
        ("a:-x", "tag"),
        ("a:b:c", "tag"),
        ("acme/App", "lower case"),
        ("App", "lower case"),
        ("a..b", "repository"),
        ("a___b", "repository"),
        ("a-", "repository"),
        ("-a.b/c", "host"),
        ("a.b:x/c", "host"),
        ("a.b:/c", "host"),
        ("[::1/c", "host"),
        ("[::g]/c", "host"),
        ("https://a.b/c", "host"),
        ("a@sha256:abc", "digest"),
        ("a@md5:0123456789abcdef0123456789abcdef", "digest"),
        ("a b", "repository"),
        ("a=b", "repository"),
        (&long, "255"),
        (&identifier, "image id"),
        (&long_tag, "tag"),
    ];
    for (text, word) in cases {
        let error = text.parse::<Reference>().expect_err(text).to_string();
        assert!(error.contains(word), "{text}: {error}");
    }
}

#[test]
fn changes_the_tag_and_drops_the_digest_of_the_old_image() {
    let reference: Reference = format!("localhost:5000/app:1@{DIGEST}").parse().unwrap();
    let moved = reference.with_tag("2").unwrap();
    assert_eq!(moved.to_string(), "localhost:5000/app:2");
    assert_eq!(moved.with_digest(DIGEST).unwrap().to_string(), format!("localhost:5000/app:2@{DIGEST}"));
    assert!(reference.with_tag("a b").is_err());
    assert!(reference.with_tag("").is_err());
    assert!(reference.with_digest("sha256:0").is_err());
}
