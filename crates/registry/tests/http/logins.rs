//! Several logins for one repository, several repositories for one token, and tokens for tokens.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use lockstep_registry::{Basic, Credentials, CredentialsSource, Login, RegistrySettings, Repository};

use crate::scripted::{Asked, Reply, Scripted, page};

struct These(Vec<Login>);

#[async_trait]
impl CredentialsSource for These {
    async fn logins(&self, _: &Repository) -> Result<Vec<Login>, String> {
        Ok(self.0.clone())
    }
}

fn user(name: &str) -> Login {
    Login::Basic(Basic { username: name.into(), password: "p".into() })
}

fn with(logins: Vec<Login>) -> impl FnOnce(&mut RegistrySettings) {
    move |settings| settings.credentials = Some(Credentials::Source(Arc::new(These(logins))))
}

/// A registry that challenges with a token service of its own; `answer` sees all other requests.
async fn with_service(
    token: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static,
    answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
) -> Scripted {
    let own = Arc::new(OnceLock::<String>::new());
    let address = Arc::clone(&own);
    let registry = Scripted::start(move |asked, before| {
        if asked.target.starts_with("/token") {
            return token(asked, before);
        }
        match &asked.authorization {
            Some(_) => answer(asked),
            None => {
                let name = asked.target.trim_start_matches("/v2/").split("/tags/").next().unwrap();
                let realm = format!("http://{}/token", address.get().unwrap());
                let challenge = format!(r#"Bearer realm="{realm}",service="s",scope="repository:{name}:pull""#);
                Reply::new(401, "").header("www-authenticate", challenge)
            }
        }
    })
    .await;
    own.set(registry.address.clone()).unwrap();
    registry
}

fn named(registry: &Scripted, name: &str) -> Repository {
    Repository { host: registry.address.clone(), name: name.into() }
}

/// A token that says for what it is.
fn granted(scopes: &[&str]) -> Reply {
    Reply::new(200, format!(r#"{{"token":"{}","expires_in":300}}"#, scopes.join("+")))
}

fn scopes_of(asked: &Asked) -> Vec<&str> {
    let query = asked.target.split_once('?').map_or("", |(_, query)| query);
    query
        .split('&')
        .filter_map(|pair| pair.strip_prefix("scope=repository%3A"))
        .filter_map(|s| s.strip_suffix("%3Apull"))
        .collect()
}

#[tokio::test]
async fn each_login_is_tried_and_the_one_that_opens_is_remembered() {
    let registry = Scripted::start(|asked, _| match asked.authorization.as_deref() {
        // two:p in base64
        Some("Basic dHdvOnA=") => page(&["1"]),
        Some(_) => Reply::new(403, ""),
        None => Reply::new(401, "").header("www-authenticate", "Basic"),
    })
    .await;
    let client = registry.client(with(vec![user("one"), user("two"), user("three")]));
    for _ in 0..2 {
        assert_eq!(*client.tags(&registry.repository()).await.unwrap().tags, ["1"]);
    }
    assert_eq!(registry.asked().len(), 4, "asked, one, two; and then two at once");

    let wrong = registry.client(with(vec![user("one"), user("three")]));
    assert_eq!(wrong.tags(&registry.repository()).await.unwrap_err().category(), "refused");
}

#[tokio::test]
async fn repositories_share_a_token_where_the_service_allows() {
    let service = |asked: &Asked, _| granted(&scopes_of(asked));
    let registry = with_service(service, |asked| {
        let token = asked.authorization.as_deref().unwrap();
        let name =
            asked.target.trim_start_matches("/v2/team%2F").trim_start_matches("/v2/team/").split('/').next().unwrap();
        if token.contains(name) { page(&["1"]) } else { Reply::new(401, "").header("www-authenticate", "Bearer") }
    })
    .await;
    let client = registry.client(with(vec![user("one")]));
    let tokens = || registry.targets().iter().filter(|target| target.starts_with("/token")).count();
    for name in ["team/a", "team/b", "team/c"] {
        client.tags(&named(&registry, name)).await.unwrap();
    }
    assert_eq!(tokens(), 3, "each new repository joins the next token");
    for name in ["team/a", "team/b", "team/c"] {
        client.tags(&named(&registry, name)).await.unwrap();
    }
    assert_eq!(tokens(), 3, "and the last token opens all");
}

#[tokio::test]
async fn a_service_that_honours_one_scope_is_asked_for_one() {
    // Only the first scope counts; or several are refused outright.
    for refuses in [false, true] {
        let service = move |asked: &Asked, _| match scopes_of(asked).as_slice() {
            [_, _, ..] if refuses => Reply::new(403, ""),
            scopes => granted(&scopes[..1]),
        };
        let registry = with_service(service, |asked| {
            let token = asked.authorization.as_deref().unwrap();
            let name = asked.target.trim_start_matches("/v2/team/").split('/').next().unwrap();
            if token.ends_with(&format!("%2F{name}")) { page(&["1"]) } else { Reply::new(403, "") }
        })
        .await;
        let client = registry.client(with(vec![user("one")]));
        for name in ["team/a", "team/b", "team/c", "team/a", "team/b", "team/c"] {
            assert_eq!(*client.tags(&named(&registry, name)).await.unwrap().tags, ["1"], "{name} {refuses}");
        }
        let shared = registry.asked().iter().filter(|asked| scopes_of(asked).len() > 1).count();
        assert_eq!(shared, 1, "tried once");
    }
}

#[tokio::test]
async fn a_shared_token_that_is_refused_later_is_replaced_by_one_for_the_repository() {
    let refuses = Arc::new(AtomicBool::new(false));
    let now_refuses = Arc::clone(&refuses);
    let registry = with_service(
        |asked, _| granted(&scopes_of(asked)),
        move |asked| {
            let is_shared = asked.authorization.as_deref().unwrap().contains('+');
            if is_shared && now_refuses.load(Ordering::SeqCst) { Reply::new(403, "") } else { page(&["1"]) }
        },
    )
    .await;
    let client = registry.client(with(vec![user("one")]));
    for refuse in [false, true] {
        refuses.store(refuse, Ordering::SeqCst);
        for name in ["team/a", "team/b"] {
            assert_eq!(*client.tags(&named(&registry, name)).await.unwrap().tags, ["1"], "{name} {refuse}");
        }
    }
}

#[tokio::test]
async fn an_identity_token_is_exchanged_and_never_in_an_address() {
    for old in [false, true] {
        let service = move |asked: &Asked, _| match (asked.method.as_str(), old) {
            ("POST", false) => granted(&["x"]),
            ("POST", true) => Reply::new(405, ""),
            _ => granted(&["y"]),
        };
        let registry = with_service(service, |_| page(&["1"])).await;
        let client = registry.client(with(vec![Login::IdentityToken("canary token".into())]));
        client.tags(&registry.repository()).await.unwrap();
        let asked = registry.asked();
        assert_eq!((asked[1].method.as_str(), asked[1].target.as_str()), ("POST", "/token"));
        assert_eq!(
            asked[1].body,
            "grant_type=refresh_token&refresh_token=canary+token&client_id=lockstep&scope=repository%3Ateam%2Fapp%3Apull&service=s"
        );
        assert!(asked.iter().all(|asked| !asked.target.contains("canary")));
        if old {
            // <token>:canary token in base64
            assert_eq!(asked[2].authorization.as_deref(), Some("Basic PHRva2VuPjpjYW5hcnkgdG9rZW4="));
        }
    }
    let registry = Scripted::start(|_, _| Reply::new(401, "").header("www-authenticate", "Basic")).await;
    let client = registry.client(with(vec![Login::IdentityToken("canary".into())]));
    let error = client.tags(&registry.repository()).await.unwrap_err();
    assert!(error.to_string().contains("identity token") && !error.to_string().contains("canary"), "{error}");
}

#[tokio::test]
async fn sources_for_all_registries_stand_behind_the_registrys_own() {
    let registry = Scripted::start(|asked, _| match asked.authorization.as_deref() {
        Some("Basic dHdvOnA=") => page(&["1"]),
        _ => Reply::new(401, "").header("www-authenticate", "Basic"),
    })
    .await;
    let sources = || {
        vec![
            Credentials::Source(Arc::new(These(vec![user("one")]))),
            Credentials::Source(Arc::new(These(vec![user("two")]))),
        ]
    };
    let client = registry.client(|_| {}).asking(sources());
    client.tags(&registry.repository()).await.unwrap();
    let client = registry.client(with(vec![user("three")])).asking(sources());
    assert_eq!(client.tags(&registry.repository()).await.unwrap_err().category(), "unauthorised");
}

#[tokio::test]
async fn a_registry_that_wants_a_password_is_asked_with_it_at_once_for_every_other_repository() {
    let registry = Scripted::start(|asked, _| match asked.authorization.as_deref() {
        // one:p in base64
        Some("Basic b25lOnA=") if !asked.target.contains("/other/") => page(&["1"]),
        // two:p
        Some("Basic dHdvOnA=") => page(&["2"]),
        _ => Reply::new(401, "").header("www-authenticate", "Basic"),
    })
    .await;
    let client = registry.client(with(vec![user("one"), user("two")]));
    for (name, expected, requests) in [
        ("team/a", "1", 2),
        ("team/b", "1", 3),
        ("other/a", "2", 5),
        ("other/b", "2", 6),
        // What was learnt of the repository itself is stronger.
        ("team/a", "1", 7),
    ] {
        assert_eq!(*client.tags(&named(&registry, name)).await.unwrap().tags, [expected], "{name}");
        assert_eq!(registry.asked().len(), requests, "{name}");
    }
}
