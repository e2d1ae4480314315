//! Files and programs of credentials, with programs that run.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use lockstep_registry::{CredentialPlugins, CredentialsSource, DockerConfig, Login, PullSecret, Repository};
use secrecy::ExposeSecret as _;
use serde_json::json;

const HELPER: &str = r#"#!/bin/sh
read -r server
case "$1 $server" in
"get https://index.docker.io/v1/") echo '{"ServerURL":"x","Username":"hub","Secret":"s1"}' ;;
"get tokens.example") echo '{"Username":"<token>","Secret":"s2"}' ;;
"get env.example") echo "{\"Username\":\"${HOME:-none}${USER:-none}\",\"Secret\":\"$GIVEN\"}" ;;
"get garbage.example") echo canary ;;
"get failing.example") echo canary; echo canary >&2; exit 3 ;;
*) echo "credentials not found in native keychain"; exit 1 ;;
esac
"#;

const PLUGIN: &str = r#"#!/bin/sh
read -r request
echo "$request" >> "$LOG"
case "$request" in
*garbage*) echo canary; exit 0 ;;
*failing*) echo canary >&2; exit 4 ;;
*other-version*) version=credentialprovider.kubelet.k8s.io/v1beta1 ;;
*) version=credentialprovider.kubelet.k8s.io/v1 ;;
esac
echo "{\"kind\":\"CredentialProviderResponse\",\"apiVersion\":\"$version\",\"cacheKeyType\":\"$KEY\",\"cacheDuration\":\"$LIFE\",
  \"auth\":{\"*.example/team\":{\"username\":\"$1\",\"password\":\"${HOME:-none}\"},\"*.example\":{\"username\":\"all\",\"password\":\"p\"}}}"
"#;

/// All programs, written before any test starts a process: a file that is open for writing cannot be run.
static PROGRAMS: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("docker-credential-fake", HELPER), ("plugin", PLUGIN)] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
});

fn repository(image: &str) -> Repository {
    let (host, name) = image.split_once('/').unwrap();
    Repository { host: host.into(), name: name.into() }
}

async fn logins(source: &dyn CredentialsSource, image: &str) -> Result<String, String> {
    let shown = |login: Login| match login {
        Login::Basic(basic) => format!("{}:{}", basic.username, basic.password.expose_secret()),
        Login::IdentityToken(token) => format!("token {}", token.expose_secret()),
    };
    Ok(source.logins(&repository(image)).await?.into_iter().map(shown).collect::<Vec<_>>().join(" "))
}

#[tokio::test]
async fn a_pull_secret_is_read_again_at_each_use() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".dockerconfigjson");
    let secret = PullSecret::new(&path);
    assert!(secret.check().unwrap_err().contains(".dockerconfigjson"));
    std::fs::write(&path, json!({"auths": {"ghcr.io": {"auth": "YTpi"}}}).to_string()).unwrap();
    assert_eq!(logins(&secret, "ghcr.io/acme/web").await.unwrap(), "a:b");
    std::fs::write(&path, json!({"ghcr.io/acme": {"username": "c", "password": "d"}}).to_string()).unwrap();
    assert_eq!(logins(&secret, "ghcr.io/acme/web").await.unwrap(), "c:d", "rotated, and the old type");
    std::fs::remove_file(&path).unwrap();
    assert!(logins(&secret, "ghcr.io/acme/web").await.is_err(), "an error is not an empty list");
}

#[tokio::test]
async fn docker_config_with_its_helpers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    let given = vec![("GIVEN".to_owned(), "given".to_owned())];
    let source = DockerConfig::new(&path, Some(PROGRAMS.path().to_owned()), given);
    let write = |config: serde_json::Value| std::fs::write(&path, config.to_string()).unwrap();

    let auths = json!({"https://index.docker.io/v1/": {"auth": "YTpi"}, "https://quay.io": {"auth": "Yzpk"}, "r.example:5000": {"username": "e", "password": "f"}});
    write(json!({"auths": auths}));
    for (image, expected) in [
        ("docker.io/library/nginx", "a:b"),
        ("quay.io/x", "c:d"),
        ("r.example:5000/x", "e:f"),
        ("r.example/x", ""),
        ("eu.quay.io/x", ""),
    ] {
        assert_eq!(logins(&source, image).await.unwrap(), expected, "{image}");
    }

    let helpers = json!({"tokens.example": "fake", "env.example": "fake", "garbage.example": "fake", "failing.example": "fake",
        "docker.io": "fake", "gone.example": "gone", "odd.example": "../fake"});
    write(json!({"auths": auths, "credHelpers": helpers}));
    source.check().unwrap_err();
    for (image, expected) in [
        ("docker.io/library/nginx", Ok("hub:s1")),
        ("tokens.example/x", Ok("token s2")),
        ("env.example/x", Ok("nonenone:given")),
        ("quay.io/x", Ok("c:d")),
        ("garbage.example/x", Err("printed no credentials")),
        ("failing.example/x", Err("failed (exit status: 3)")),
        ("gone.example/x", Err("cannot run")),
        ("odd.example/x", Err("is not the name of a credential helper")),
    ] {
        match (logins(&source, image).await, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{image}"),
            (Err(problem), Err(expected)) => {
                assert!(problem.contains(expected) && !problem.contains("canary"), "{image}: {problem}");
            }
            (found, _) => panic!("{image}: {found:?}"),
        }
    }

    write(json!({"credsStore": "fake", "auths": auths}));
    source.check().unwrap();
    assert_eq!(logins(&source, "quay.io/x").await.unwrap(), "", "the store has none; Docker looks no further");
    assert_eq!(logins(&source, "docker.io/x").await.unwrap(), "hub:s1");
    let without = DockerConfig::new(&path, None, Vec::new());
    assert!(without.check().unwrap_err().contains("helpers-folder"));
    write(json!({"auths": {"ghcr.io": {"auth": "canary"}}}));
    let problem = source.check().unwrap_err();
    assert!(problem.contains("config.json") && !problem.contains("canary"), "{problem}");
}

/// A configuration of one plugin, and the file that it notes its requests in.
fn plugins(folder: &Path, key: &str, life: &str) -> (CredentialPlugins, PathBuf) {
    let (config, log) = (folder.join("config.yaml"), folder.join("log"));
    let text = format!(
        "apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\nproviders:\n- name: plugin\n  \
         matchImages: ['*.example', 'other.io/team']\n  defaultCacheDuration: 10m\n  apiVersion: credentialprovider.kubelet.k8s.io/v1\n  \
         args: [one]\n  env: [{{name: LOG, value: '{}'}}, {{name: KEY, value: {key}}}, {{name: LIFE, value: {life}}}]\n",
        log.display()
    );
    std::fs::write(&config, text).unwrap();
    (CredentialPlugins::open(&config, PROGRAMS.path(), &[]).unwrap(), log)
}

#[tokio::test]
async fn the_plugins_of_the_kubelet_are_asked_as_the_kubelet_asks() {
    for (key, life, runs) in [("Image", "1h", 4), ("Registry", "1h", 3), ("Global", "1h", 1), ("Global", "0s", 5)] {
        let folder = tempfile::tempdir().unwrap();
        let (plugins, log) = plugins(folder.path(), key, life);
        for (image, expected) in [
            ("a.example/team/x", "one:none all:p"),
            ("a.example/team/x", "one:none all:p"),
            ("a.example/y", "all:p"),
            ("b.example/y", "all:p"),
            ("other.io/team/x", ""),
            ("other.io/x", ""),
        ] {
            assert_eq!(logins(&plugins, image).await.unwrap(), expected, "{image}");
        }
        let log = std::fs::read_to_string(log).unwrap();
        assert_eq!(log.lines().count(), runs, "{key} {life}");
        let first: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
        let expected = json!({"apiVersion": "credentialprovider.kubelet.k8s.io/v1", "kind": "CredentialProviderRequest", "image": "a.example/team/x"});
        assert_eq!(first, expected);
    }
}

#[tokio::test]
async fn a_plugin_that_fails_is_told_and_shows_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (plugins, _) = plugins(folder.path(), "Image", "1h");
    for (image, expected) in [
        ("garbage.example/x", "printed no CredentialProviderResponse"),
        ("failing.example/x", "failed (exit status: 4)"),
        ("other-version.example/x", "another version"),
    ] {
        let problem = logins(&plugins, image).await.unwrap_err();
        assert!(problem.contains(expected) && !problem.contains("canary"), "{problem}");
    }
}

#[test]
fn configurations_of_plugins_that_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    let provider = |name: &str, life: &str, version: &str, more: &str| {
        format!(
            "kind: CredentialProviderConfig\nproviders: [{{name: '{name}', matchImages: [x.io], defaultCacheDuration: '{life}', apiVersion: '{version}'{more}}}]"
        )
    };
    let v1 = "credentialprovider.kubelet.k8s.io/v1";
    for (text, expected) in [
        ("kind: Pod".to_owned(), "not a CredentialProviderConfig"),
        ("kind: [canary".to_owned(), "at line"),
        (provider("../sh", "1h", v1, ""), "is not the name of a program"),
        (provider("-x", "1h", v1, ""), "is not the name of a program"),
        (provider("x", "soon", v1, ""), "is no duration"),
        (provider("x", "1h", "v7", ""), "known are"),
        (provider("x", "1h", v1, ", tokenAttributes: {requireServiceAccount: true}"), "tokenAttributes"),
    ] {
        std::fs::write(&path, &text).unwrap();
        let problem = CredentialPlugins::open(&path, folder.path(), &[]).err().unwrap().to_string();
        assert!(
            problem.contains(expected) && problem.contains("config.yaml") && !problem.contains("canary"),
            "{problem}"
        );
    }
    std::fs::write(&path, provider("x", "1h", v1, "")).unwrap();
    assert!(CredentialPlugins::open(&path, folder.path(), &[]).is_ok());
}
