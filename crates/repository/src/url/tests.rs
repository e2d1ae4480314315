use super::{PlainHttp, RemoteUrl, Scheme, UrlError};

fn parse(text: &str) -> Result<RemoteUrl, UrlError> {
    RemoteUrl::parse(text, PlainHttp::LoopbackOnly)
}

#[test]
fn urls_that_can_be_fetched_from() {
    let cases = [
        ("https://git.example/config.git", Scheme::Https, None, "git.example", None, "/config.git"),
        ("https://git.example:8443/a/b", Scheme::Https, None, "git.example", Some(8443), "/a/b"),
        ("http://127.0.0.1:3000/a.git", Scheme::Http, None, "127.0.0.1", Some(3000), "/a.git"),
        ("http://localhost/a.git", Scheme::Http, None, "localhost", None, "/a.git"),
        ("http://[::1]:80/a.git", Scheme::Http, None, "::1", Some(80), "/a.git"),
        ("ssh://git@git.example:22/a.git", Scheme::Ssh, Some("git"), "git.example", Some(22), "/a.git"),
        ("ssh://git.example/~/a.git", Scheme::Ssh, None, "git.example", None, "/~/a.git"),
        ("git@git.example:team/a.git", Scheme::Ssh, Some("git"), "git.example", None, "team/a.git"),
    ];
    for (text, scheme, user, host, port, path) in cases {
        let url = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let parts = (url.scheme, url.user.as_deref(), url.host.as_str(), url.port, url.path.as_str());
        assert_eq!(parts, (scheme, user, host, port, path), "{text}");
        assert_eq!(url.to_string(), text);
    }
}

#[test]
fn what_is_no_url_of_a_repository_is_refused() {
    for text in [
        "",
        "config.git",
        "/srv/config.git",
        "file:///srv/config.git",
        "git://git.example/a.git",
        "ext::sh -c id",
        "ext::id",
        "ssh://-oProxyCommand=id/a.git",
        "ssh://-l@git.example/a.git",
        "-oProxyCommand=id@git.example:a.git",
        "git@-oProxyCommand=id:a.git",
        "git@git.example:-a.git",
        "ssh://git@git.example/a'b",
        "ssh://git@git.example/$(id)",
        "https://git.example",
        "https://git.example/",
        "https://git.example:port/a",
        "https:///a",
        "https://git.example/a\nb",
        "https://git.example/a?sas=token",
        "fd::17/foo",
        "https://169.254.169.254/latest/meta-data",
        "https://2852039166/a.git",
        "https://[::ffff:169.254.169.254]/a.git",
        "ssh://git@[fe80::1]/a.git",
        "git@169.254.0.1:a.git",
        "https://metadata.google.internal/a.git",
    ] {
        assert!(parse(text).is_err(), "{text:?} was taken");
    }
}

#[test]
fn plain_http_to_elsewhere_needs_the_dangerous_setting() {
    let text = "http://git.example/a.git";
    assert_eq!(parse(text), Err(UrlError::PlainHttp("git.example".to_owned())));
    assert!(RemoteUrl::parse(text, PlainHttp::Allowed).is_ok());
    assert!(parse("http://127.0.0.1.example/a.git").is_err());
}

#[test]
fn no_error_repeats_a_password() {
    for text in [
        "https://user:canary@git.example/a.git",
        "https://canary@git.example/a.git",
        "ssh://git:canary@git.example/a.git",
        "git:canary@git.example:a.git",
        "https://git.example/a?token=canary",
        "http://user:canary@git.example/a.git",
        "ftp://user:canary@git.example/a.git",
    ] {
        let error = parse(text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"), "{text}: {error}");
    }
}
