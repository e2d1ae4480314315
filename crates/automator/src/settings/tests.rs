use std::fs;

use camino::Utf8PathBuf;

use super::*;

fn loaded(text: &str) -> Result<Settings, SettingsErrors> {
    let folder = tempfile::tempdir().unwrap();
    let file = Utf8PathBuf::from_path_buf(folder.path().join("settings.yaml")).unwrap();
    fs::write(&file, text).unwrap();
    Settings::load(&Sources::new().file(Some(file)))
}

const LEAST: &str = "repositories: [{url: 'https://git.example/config.git'}]\n";

#[test]
fn the_documented_example_is_accepted_whole() {
    let document = include_str!("../../../../docs/configuration.md");
    let (_, section) = document.split_once("## `lockstep-automator`").unwrap();
    let example = section.split("```").nth(1).unwrap().strip_prefix("yaml").unwrap();
    let settings = loaded(example).unwrap();
    assert_eq!(settings.repositories[0].paths, ["clusters/prod"]);
    assert_eq!(settings.listen, Listen::default());
    assert_eq!(settings.intervals, Intervals::default());
    assert_eq!(settings.data, Settings::default().data);
}

#[test]
fn little_must_be_said() {
    let settings = loaded(LEAST).unwrap();
    assert_eq!(settings.repositories[0].branch, "main");
    assert_eq!(settings.repositories[0].author, Author::default());
}

#[test]
fn what_gives_up_a_protection_is_named() {
    let registries = "registries: [{host: a.example}, {host: b.example, dangerous-plain-http: true}]";
    assert_eq!(loaded(&format!("{LEAST}{registries}")).unwrap().dangerous(), ["registries.1.dangerous-plain-http"]);
    let repositories = "repositories: [{url: 'http://git.example/a', dangerous-plain-http: true}]";
    assert_eq!(loaded(repositories).unwrap().dangerous(), ["repositories.0.dangerous-plain-http"]);
}

/// What is wrong, as `line: key: message`, or nothing.
fn problems(text: &str) -> Vec<String> {
    let Err(SettingsErrors(problems)) = loaded(text) else { return Vec::new() };
    problems.iter().map(|problem| format!("{}: {}", problem.key, problem.message)).collect()
}

#[test]
fn each_mistake_is_named() {
    let repository = |more: &str| format!("repositories: [{{url: 'https://git.example/config.git', {more}}}]");
    let ssh = |more: &str| format!("repositories: [{{url: 'ssh://git@git.example/config.git', {more}}}]");
    let with = |more: &str| format!("{LEAST}{more}");
    for (text, wanted) in [
        (String::new(), "repositories: names none"),
        ("repositories: [{branch: main}]".into(), "repositories.0.url: is required and not set"),
        (
            "repositories: [{url: 'http://git.example/a'}]".into(),
            "repositories.0.url: http:// to git.example is refused",
        ),
        (
            "repositories: [{url: 'https://me:canary@git.example/a'}]".into(),
            "repositories.0.url: the repository's URL holds",
        ),
        ("repositories: [{url: 'file:///etc'}]".into(), "repositories.0.url: the scheme"),
        (
            "repositories: [{url: 'https://git.example/a'}, {url: 'https://git.example/a.git'}]".into(),
            "repositories.1: is the branch of repositories.0 once more",
        ),
        (
            "repositories: [{url: 'https://git.example/a', pull-requests: {forge: github, project: a/b, token-file: c}}, {url: 'git@git.example:a.git', branch: prod, credentials: {identity-file: d, known-hosts-file: e}, pull-requests: {forge: github, project: a/c, token-file: c}}]".into(),
            "repositories.1.pull-requests: and repositories.0.pull-requests are about one Git repository (branches prod and main)",
        ),
        (
            "repositories: [{url: 'https://git.example/a', pull-requests: {forge: github, project: a/b, token-file: c}}, {url: 'https://mirror.example/a', branch: prod, pull-requests: {forge: github, project: A/b, token-file: c}}]".into(),
            "repositories.1.pull-requests: and repositories.0.pull-requests are about one Git repository",
        ),
        (repository("branch: --force"), "repositories.0.branch: "),
        (repository("paths: [ok, ../etc]"), "repositories.0.paths.1: "),
        (repository("author: {name: \"a\\nb\", email: x}"), "repositories.0.author.name: "),
        (repository("author: {email: ' '}"), "repositories.0.author.email: "),
        (repository("committer: {name: '<'}"), "repositories.0.committer.name: "),
        (repository("message: '{{ nobody }}'"), "repositories.0.message: \"nobody\" is not a variable"),
        (repository("message: '{{ summary'"), "repositories.0.message: cannot be used: syntax error"),
        (repository("verify-head: {allowed-signers-file: a}"), "repositories.0.verify-head: needs signing.key-file"),
        (
            repository("pull-requests: {forge: svn, project: a/b, token-file: c}"),
            "repositories.0.pull-requests.forge: ",
        ),
        (
            repository("pull-requests: {forge: forgejo, project: a/b, token-file: c}"),
            "repositories.0.pull-requests.api: is required for gitea and forgejo",
        ),
        (
            repository("pull-requests: {forge: gitea, api: 'http://git.example/api/v1', project: a/b, token-file: c}"),
            "repositories.0.pull-requests: the forge of a/b cannot be used: the API's URL must begin with https://",
        ),
        (
            repository("pull-requests: {forge: github, project: b, token-file: c}"),
            "repositories.0.pull-requests: the forge of b cannot be used: write the project as OWNER/NAME",
        ),
        (
            repository("pull-requests: {forge: github, project: a/b, token-file: c, title: '{{ who }}'}"),
            "repositories.0.pull-requests.title: \"who\" is not a variable",
        ),
        (
            repository("pull-requests: {forge: github, project: a/b, token-file: c, labels: ['a,b']}"),
            "repositories.0.pull-requests.labels.0: is empty or has a comma",
        ),
        (repository("signing: {}"), "repositories.0.signing.key-file: is required and not set"),
        (repository("compat: [flux3]"), "repositories.0.compat.0: \"flux3\" is no tool"),
        (repository("rules: [{path: a, policy: 'semver:nope'}]"), "repositories.0.rules.0.policy: the policy"),
        (repository("rules: [{path: '', policy: 'glob:*'}]"), "repositories.0.rules.0.path: is empty"),
        (repository("rules: [{path: a}]"), "repositories.0.rules.0: says nothing"),
        (repository("rules: [{window: Mon, polisy: x}]"), "repositories.0.rules.0.window: \"Mon\" is not a window"),
        (repository("rules: [{polisy: x}]"), "repositories.0.rules.0.polisy: there is no such setting"),
        (repository("credentials: {}"), "repositories.0.credentials: must have exactly one"),
        (
            repository("credentials: {username: a, password-file: b, bearer-token-file: c}"),
            "repositories.0.credentials: must have exactly one",
        ),
        (
            repository("credentials: {username: a}"),
            "repositories.0.credentials.password-file: is required beside username",
        ),
        (repository("credentials: {password-file: a}"), "repositories.0.credentials.username: is required beside"),
        (
            repository("credentials: {username: 'a:b', password-file: c}"),
            "repositories.0.credentials.username: must not",
        ),
        (
            repository("credentials: {identity-file: a, known-hosts-file: b}"),
            "repositories.0.credentials: is an SSH key",
        ),
        (ssh(""), "repositories.0.credentials: is required and not set"),
        (ssh("credentials: {bearer-token-file: a}"), "repositories.0.credentials: is for HTTP"),
        (ssh("credentials: {identity-file: a}"), "repositories.0.credentials.known-hosts-file: is required"),
        (
            ssh("credentials: {identity-file: a, known-hosts-file: b}, ca-file: c"),
            "repositories.0.ca-file: is for https:// only",
        ),
        (with("registries: [{host: 'https://ghcr.io'}]"), "registries.0.host: "),
        (with("registries: [{host: ghcr.io}, {host: ghcr.io}]"), "registries.1.host: is that of registries.0"),
        (with("registries: [{host: ghcr.io, username: a}]"), "registries.0.password-file: is required beside"),
        (with("registries: [{host: ghcr.io, password-file: a}]"), "registries.0.username: is required beside"),
        (with("allow-repositories: ['', a]"), "allow-repositories.0: is not a glob"),
        (with("intervals: {git: 1ms}"), "intervals.git: must be at least 100ms, not 1ms"),
        (with("intervals: {registries: soon}"), "intervals.registries: "),
        (with("shutdown-grace: 0s"), "shutdown-grace: must be longer"),
        (with("data: ''"), "data: is empty"),
        (
            with("listen: {admin: '127.0.0.1:7402'}\nwebhooks: [{kind: harbor, secret-file: a}]"),
            "listen.webhook: is 127.0.0.1:7402, as",
        ),
        (with("listen: {grpc: '0.0.0.0:1'}\ntokens-file: a"), "tls: is required because listen.grpc is 0.0.0.0:1,"),
        (
            with("listen: {webhook: '0.0.0.0:1'}\nwebhooks: [{kind: harbor, secret-file: a}]"),
            "tls: is required because listen.webhook",
        ),
        (with("tls: {key-file: a}"), "tls.certificate-file: is required and not set"),
        (with("verify: {keys: {release: {}}}"), "verify.keys.release.file: is required and not set"),
        (with("verify: {keys: {'a b': {file: a}}}"), "verify.keys.a b: is no name for a key"),
        (with("webhook: {secret-file: canary}"), "webhook: is called webhooks now and is a list"),
        (with("webhooks: [{kind: harbor, secret: canary}]"), "webhooks.0.secret-file: is required and not set"),
        (with("webhooks: [{kind: nobody, secret-file: a}]"), "webhooks.0.kind: "),
        (with("webhooks: [{kind: gar}]"), "webhooks.0.token: is required where there is no secret-file"),
        (with("webhooks: [{kind: gar, token: {audience: a}}]"), "webhooks.0.token.email: is required and not set"),
        (with("webhooks: [{kind: gar, token: {audience: '', email: b}}]"), "webhooks.0.token.audience: is empty"),
        (
            with("webhooks: [{kind: gar, secret-file: a, token: {audience: a, email: b}}]"),
            "webhooks.0: must have either secret-file or token",
        ),
        (with("webhooks: [{kind: quay, token: {audience: a, email: b}}]"), "webhooks.0.token: is for the kind gar"),
        (
            with("webhooks: [{kind: gar, token: {audience: a, email: b, keys-url: 'http://keys.example/'}}]"),
            "webhooks.0.token.keys-url: must begin with https://",
        ),
        (with("webhooks: [{kind: acr, path: 'x', secret-file: a}]"), "webhooks.0.path: \"x\" is not a path"),
        (with("webhooks: [{kind: acr, path: '/{x}', secret-file: a}]"), "webhooks.0.path: "),
        (with("webhooks: [{kind: acr, path: '/x?token=1', secret-file: a}]"), "webhooks.0.path: "),
        (
            with("webhooks: [{kind: acr, secret-file: a}, {kind: gar, path: /webhooks/acr, secret-file: a}]"),
            "webhooks.1.path: is that of webhooks.0",
        ),
        (with("registries: [{host: ghcr.io, requests-per-second: 0}]"), "registries.0.requests-per-second: "),
        (with("registry-credentials: [{}]"), "registry-credentials.0: must have exactly one"),
        (
            with("registry-credentials: [{pull-secret-file: a, docker-config-file: b}]"),
            "registry-credentials.0: must have exactly one",
        ),
        (
            with("registry-credentials: [{pull-secret-file: a, helpers-folder: b}]"),
            "registry-credentials.0.helpers-folder: is for docker-config-file",
        ),
        (
            with("registry-credentials: [{plugins-config-file: a}]"),
            "registry-credentials.0.plugins-folder: is required beside",
        ),
        (
            with("registry-credentials: [{docker-config-file: a, environment: ['A=1']}]"),
            "registry-credentials.0.environment: ",
        ),
        (with("interval: 5m"), "interval: there is no such setting"),
    ] {
        let found = problems(&text);
        assert!(found.iter().any(|found| found.starts_with(wanted)), "{text}\n{found:?}");
        assert!(!found.concat().contains("canary"), "{found:?}");
    }
}

#[test]
fn what_is_fine_is_not_complained_about() {
    for more in [
        "listen: {grpc: 'unix:/run/lockstep.sock'}\ntokens-file: a",
        "listen: {grpc: '0.0.0.0:1'}\ntokens-file: a\ntls: {certificate-file: a, key-file: b}",
        // Ports that are not served need no certificate.
        "listen: {grpc: '0.0.0.0:1', webhook: '0.0.0.0:2'}",
        "listen: {grpc: '127.0.0.1:0', admin: '127.0.0.1:0', webhook: '127.0.0.1:0'}\ntokens-file: a\nwebhooks: [{kind: generic, path: /x/y, secret-file: b}]",
        "intervals: {registries: 12h, git: 500ms, batch: 0s}",
        "intervals: {registries: 1s, registries-longest: 1s}",
    ] {
        assert_eq!(problems(&format!("{LEAST}{more}")), Vec::<String>::new(), "{more}");
    }
    // Of two branches of one repository one may propose.
    let two = "repositories: [{url: 'https://git.example/a', pull-requests: {forge: github, project: a/b, token-file: c}}, {url: 'https://git.example/a', branch: prod}]";
    assert_eq!(problems(two), Vec::<String>::new());
}

#[test]
fn all_problems_come_at_once() {
    let found = problems("repositories: [{url: x, branch: -f}]\nintervals: {git: 0s}\nnonsense: 1\n");
    for wanted in ["repositories.0.url", "repositories.0.branch", "intervals.git", "nonsense"] {
        assert!(found.iter().any(|problem| problem.starts_with(wanted)), "{wanted}: {found:?}");
    }
}

#[test]
fn every_file_that_cannot_be_read_is_named_with_its_key() {
    let settings = loaded(
        "repositories:\n\
         - {url: 'https://git.example/a', ca-file: /absent/ca, signing: {key-file: /absent/key}, verify-head: {allowed-signers-file: /absent/signers}, credentials: {username: a, password-file: /absent/password}}\n\
         - {url: 'git@git.example:b', credentials: {identity-file: /absent/identity, known-hosts-file: /absent/known}}\n\
         registries: [{host: ghcr.io, username: a, password-file: /absent/registry}]\n\
         verify: {keys: {release: {file: /absent/release}}}\n\
         registry-credentials: [{pull-secret-file: /absent/pull}, {docker-config-file: /absent/docker}, {plugins-config-file: /absent/plugins, plugins-folder: /absent}]\n\
         webhooks: [{kind: quay, secret-file: /absent/webhook}, {kind: gar, token: {audience: a, email: b, keys-file: /absent/keys}}]\n",
    )
    .unwrap();
    let keys: Vec<String> = settings.unreadable_files().into_iter().map(|(key, _)| key).collect();
    assert_eq!(
        keys,
        [
            "repositories.0.ca-file",
            "repositories.0.signing.key-file",
            "repositories.0.verify-head.allowed-signers-file",
            "repositories.0.credentials.password-file",
            "repositories.1.credentials.identity-file",
            "repositories.1.credentials.known-hosts-file",
            "registries.0.password-file",
            "webhooks.0.secret-file",
            "webhooks.1.token.keys-file",
            "registry-credentials.0.pull-secret-file",
            "registry-credentials.1.docker-config-file",
            "registry-credentials.2.plugins-config-file",
            "verify.keys.release.file",
        ]
    );
}

const ADA: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

#[test]
fn keys_and_signers_that_are_none_are_named_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (key, signers) = (file("key", "canary"), file("signers", &format!("ada {ADA}\nbob\n")));
    let settings = loaded(&format!(
        "repositories: [{{url: 'https://git.example/a', signing: {{key-file: {key}}}, verify-head: {{allowed-signers-file: {signers}}}}}]"
    ));
    let found = settings.unwrap().unreadable_files();
    let [(first, key_problem), (second, signers_problem)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(
        (first.as_str(), second.as_str()),
        ("repositories.0.signing.key-file", "repositories.0.verify-head.allowed-signers-file")
    );
    assert!(key_problem.contains("no private key in OpenSSH's form") && !key_problem.contains("canary"));
    assert!(signers_problem.contains("line 2: a key is missing"), "{signers_problem}");
}
