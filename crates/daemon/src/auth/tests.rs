use std::fs;

use tonic::Code;

use super::*;

const ROLES: &[&str] = &["vote", "read"];

fn file(text: &str) -> (tempfile::TempDir, Utf8PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(folder.path().join("tokens.yaml")).unwrap();
    fs::write(&path, text).unwrap();
    (folder, path)
}

fn entry(name: &str, token: &str) -> String {
    format!("- {{name: {name}, sha256: {}, roles: [read]}}\n", TokenFile::hash(&token.into()))
}

async fn caller(tokens: &TokenFile, token: &str) -> Result<String, Code> {
    tokens.authenticate(Some(&token.into()), "/x/Y").await.map(|who| who.name).map_err(|status| status.code())
}

#[test]
fn a_hash_is_the_sha256_in_hex() {
    assert_eq!(TokenFile::hash(&"test".into()), "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08");
}

#[tokio::test]
async fn only_known_tokens_come_in() {
    let (_folder, path) = file(&(entry("a", "token-a") + &entry("b", "token-b")));
    let tokens = TokenFile::open(&path, ROLES).unwrap();
    assert_eq!(caller(&tokens, "token-a").await, Ok("a".to_owned()));
    assert_eq!(caller(&tokens, "token-b").await, Ok("b".to_owned()));
    for wrong in ["", "token-c", "token-a ", &TokenFile::hash(&"token-a".into())] {
        assert_eq!(caller(&tokens, wrong).await, Err(Code::Unauthenticated), "{wrong:?}");
    }
    assert_eq!(tokens.authenticate(None, "/x/Y").await.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn tokens_change_without_a_restart_and_a_broken_file_changes_nothing() {
    let (_folder, path) = file(&entry("a", "token-a"));
    let tokens = TokenFile::open(&path, ROLES).unwrap();
    fs::write(&path, entry("b", "token-b")).unwrap();
    assert_eq!(caller(&tokens, "token-a").await, Err(Code::Unauthenticated));
    assert_eq!(caller(&tokens, "token-b").await, Ok("b".to_owned()));
    fs::write(&path, "- {name: c").unwrap();
    assert_eq!(caller(&tokens, "token-b").await, Ok("b".to_owned()));
    fs::remove_file(&path).unwrap();
    assert_eq!(caller(&tokens, "token-b").await, Err(Code::Unavailable));
    fs::write(&path, "").unwrap();
    assert_eq!(caller(&tokens, "token-b").await, Err(Code::Unauthenticated));
}

#[tokio::test]
async fn a_token_stands_as_long_as_it_is_what_it_was() {
    let (_folder, path) = file(&entry("a", "token-a"));
    let tokens = TokenFile::open(&path, ROLES).unwrap();
    let bearer = SecretString::from("token-a");
    let who = tokens.authenticate(Some(&bearer), "/x/Y").await.unwrap();
    let voter = entry("a", "token-a").replace("[read]", "[vote]");
    for (text, stands, voters) in [
        (Some(entry("a", "token-a")), true, vec![]),
        (Some(entry("a", "another")), false, vec![]),
        (Some(voter), false, vec!["a"]),
        (Some(entry("b", "token-b")), false, vec![]),
        (None, true, vec!["unreadable"]),
    ] {
        match &text {
            Some(text) => fs::write(&path, text).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        assert_eq!(tokens.stands(Some(&bearer), &who).await, stands, "{text:?}");
        let named = tokens.named("vote").map_or(vec!["unreadable".to_owned()], |names| names.into_iter().collect());
        assert_eq!(named, voters, "{text:?}");
    }
}

#[test]
fn files_that_are_not_valid_are_refused_without_repeating_them() {
    let hash = TokenFile::hash(&"x".into());
    for (text, wanted) in [
        ("canary".to_owned(), "line 1: expected a list"),
        (format!("- {{name: a, sha256: {hash}, roles: [], token: canary}}"), "line 1: expected a list"),
        ("- {name: a, sha256: canary, roles: []}".to_owned(), "the sha256 of a is not 64 hex digits"),
        (format!("- {{name: a, sha256: {hash}, roles: [vot]}}"), "a has the unknown role vot; there are read, vote"),
        (
            format!("- {{name: a, sha256: {hash}, roles: [], repositories: []}}"),
            "the repositories of a are an empty list",
        ),
        (format!("- {{name: a, sha256: {hash}, roles: [], paths: []}}"), "the paths of a are an empty list"),
        (entry("a", "x") + &entry("b", "x"), "b and a have the same name or token"),
        (entry("a", "x") + &entry("a", "y"), "a and a have the same name or token"),
    ] {
        let (_folder, path) = file(&text);
        let error = TokenFile::open(&path, ROLES).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(wanted), "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}

#[test]
fn roles_and_repositories_bound_an_identity() {
    let strings = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<BTreeSet<_>>();
    let mut who = Identity { name: "a".to_owned(), roles: strings(&["read"]), ..Identity::default() };
    assert!(who.require("read").is_ok());
    assert_eq!(who.require("vote").unwrap_err().code(), Code::PermissionDenied);
    assert!(who.may_see("https://git.example/a.git"));
    who.repositories = Some(strings(&["https://git.example/a.git"]));
    assert!(who.may_see("https://git.example/a.git") && !who.may_see("https://git.example/b.git"));
    assert!(who.may_touch("clusters/prod/web.yaml"));
    who.paths = Some(strings(&["clusters/prod/", "apps"]));
    for (path, allowed) in [
        ("clusters/prod/web.yaml", true),
        ("clusters/prod", true),
        ("apps/x/y.yaml", true),
        ("clusters/production/web.yaml", false),
        ("clusters", false),
        ("", false),
    ] {
        assert_eq!(who.may_touch(path), allowed, "{path}");
    }
    who.paths = Some(strings(&["/"]));
    assert!(who.may_touch("") && who.may_touch("anything"));
    let mut request = tonic::Request::new(());
    assert_eq!(Identity::of(&request).unwrap_err().code(), Code::Unauthenticated);
    request.extensions_mut().insert(who.clone());
    assert_eq!(Identity::of(&request).unwrap(), &who);
}
