//! What the types of the settings cannot say.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use camino::Utf8Path;
use lockstep_daemon::{ListenAddress, SecretFile};
use lockstep_image::compat::Tool;
use lockstep_repository::{PlainHttp, RemoteUrl, check_branch, check_path};

use crate::policy;

use super::{GitCredentials, PlaceRule, RepositorySettings, Settings};

/// Looking more often than this is an attack on the server.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

/// Keys and messages, in the order in which they were found.
#[derive(Default)]
pub(super) struct Problems(Vec<(String, String)>);

impl Problems {
    pub(super) fn add(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.0.push((key.into(), message.into()));
    }

    /// Whether something is wrong with `key` already.
    pub(super) fn names(&self, key: &str) -> bool {
        self.0.iter().any(|(known, _)| known == key)
    }
}

/// Everything that is wrong.
pub(super) fn problems(settings: &Settings) -> Vec<(String, String)> {
    let mut problems = Problems::default();
    if settings.repositories.is_empty() {
        problems.add("repositories", "names none: at least one config repository is needed");
    }
    let (mut branches, mut proposing) = (BTreeMap::new(), BTreeMap::new());
    for (index, repository) in settings.repositories.iter().enumerate() {
        let key = format!("repositories.{index}");
        repository_problems(repository, &key, &mut problems);
        let name = crate::repository_name::normalised(&repository.url);
        if let Some(first) = branches.insert((name.clone(), &repository.branch), index) {
            problems.add(&key, format!("is the branch of repositories.{first} once more; keep one of them"));
        }
        let Some(requests) = &repository.pull_requests else { continue };
        // One repository may have several addresses; its project has one name.
        let project = format!("{} {}", requests.api().unwrap_or_default(), requests.project).to_lowercase();
        let before = [proposing.insert(name, index), proposing.insert(project, index)].into_iter().flatten().next();
        if let Some(first) = before {
            let message = format!(
                "and repositories.{first}.pull-requests are about one Git repository (branches {} and {}), where both would write the branch lockstep/updates: keep one of them, or let one push",
                repository.branch, settings.repositories[first].branch
            );
            problems.add(format!("{key}.pull-requests"), message);
        }
    }
    let mut hosts = BTreeMap::new();
    for (index, registry) in settings.registries.iter().enumerate() {
        let key = format!("registries.{index}");
        for (name, problem) in registry.problems() {
            problems.add(format!("{key}.{name}"), problem);
        }
        if let Some(first) = hosts.insert(&registry.host, index) {
            problems.add(format!("{key}.host"), format!("is that of registries.{first} once more; keep one of them"));
        }
    }
    for (index, credentials) in settings.registry_credentials.iter().enumerate() {
        for (name, problem) in credentials.problems() {
            let key = format!("registry-credentials.{index}.{name}");
            problems.add(key.trim_end_matches('.'), problem);
        }
    }
    webhook_problems(settings, &mut problems);
    for (index, glob) in settings.allow_repositories.iter().enumerate() {
        if glob.is_empty() || glob.contains(char::is_whitespace) {
            let message = "is not a glob of image repositories; write one as in ghcr.io/acme/*";
            problems.add(format!("allow-repositories.{index}"), message);
        }
    }
    for (key, period) in [("registries", settings.intervals.registries), ("git", settings.intervals.git)] {
        if period.get() < SHORTEST_INTERVAL {
            problems.add(format!("intervals.{key}"), format!("must be at least {SHORTEST_INTERVAL:?}, not {period}"));
        }
    }
    if settings.data.as_str().is_empty() {
        problems.add("data", "is empty; name a folder");
    }
    if settings.shutdown_grace.get().is_zero() {
        problems.add("shutdown-grace", "must be longer than nothing");
    }
    super::verify::problems(&settings.verify, &mut problems);
    address_problems(settings, &mut problems);
    problems.0
}

fn repository_problems(repository: &RepositorySettings, key: &str, problems: &mut Problems) {
    let plain = if repository.dangerous_plain_http { PlainHttp::Allowed } else { PlainHttp::LoopbackOnly };
    let url = RemoteUrl::parse(&repository.url, plain);
    if let Err(error) = &url {
        problems.add(format!("{key}.url"), error.to_string());
    }
    if let Err(error) = check_branch(&repository.branch) {
        problems.add(format!("{key}.branch"), error.to_string());
    }
    for (index, path) in repository.paths.iter().enumerate() {
        if let Err(error) = check_path(path) {
            problems.add(format!("{key}.paths.{index}"), error.to_string());
        }
    }
    for (index, name) in repository.compat.iter().enumerate() {
        if let Err(error) = name.parse::<Tool>() {
            problems.add(format!("{key}.compat.{index}"), error.to_string());
        }
    }
    for (index, rule) in repository.rules.iter().enumerate() {
        rule_problems(rule, &format!("{key}.rules.{index}"), problems);
    }
    super::commits::problems(repository, key, problems);
    super::pull_requests::problems(repository, key, problems);
    let over_http = repository.url.starts_with("http");
    if repository.ca_file.is_some() && !over_http {
        problems.add(format!("{key}.ca-file"), "is for https:// only; SSH has credentials.known-hosts-file");
    }
    match &repository.credentials {
        Some(credentials) => credentials_problems(credentials, over_http, &format!("{key}.credentials"), problems),
        // A URL that cannot be read is told above, and says nothing about what it needs.
        None if over_http || url.is_err() => {}
        None => problems
            .add(format!("{key}.credentials"), "is required and not set: SSH needs identity-file and known-hosts-file"),
    }
}

fn rule_problems(rule: &PlaceRule, key: &str, problems: &mut Problems) {
    for (part, glob) in rule.globs() {
        if glob.is_empty() {
            problems.add(format!("{key}.{part}"), "is empty and matches nothing; leave it out to match all");
        }
    }
    for (part, problem) in policy::problems(rule.words()) {
        problems.add(format!("{key}.{part}"), problem);
    }
    if rule.words().next().is_none() {
        problems.add(key, "says nothing; give it a policy, or another key of docs/annotations.md");
    }
}

fn credentials_problems(credentials: &GitCredentials, over_http: bool, key: &str, problems: &mut Problems) {
    let GitCredentials { username, password_file, bearer_token_file, identity_file, known_hosts_file } = credentials;
    let basic = username.is_some() || password_file.is_some();
    let bearer = bearer_token_file.is_some();
    let ssh = identity_file.is_some() || known_hosts_file.is_some();
    if [basic, bearer, ssh].into_iter().filter(|form| *form).count() != 1 {
        let forms = "username and password-file, or bearer-token-file, or identity-file and known-hosts-file";
        problems.add(key, format!("must have exactly one of the three forms: {forms}"));
        return;
    }
    let pairs = [
        ("username", username.is_some(), "password-file", password_file.is_some()),
        ("identity-file", identity_file.is_some(), "known-hosts-file", known_hosts_file.is_some()),
    ];
    for (first, has_first, second, has_second) in pairs {
        if has_first != has_second {
            let (there, missing) = if has_first { (first, second) } else { (second, first) };
            problems.add(format!("{key}.{missing}"), format!("is required beside {there} and not set"));
        }
    }
    if let Some(username) = username
        && (username.is_empty() || username.contains(|letter: char| letter.is_control() || letter == ':'))
    {
        problems.add(format!("{key}.username"), "must not be empty and must not hold a colon");
    }
    if over_http == ssh {
        let needed = if over_http {
            "is an SSH key, but the URL is http: use username and password-file, or bearer-token-file"
        } else {
            "is for HTTP, but the URL is SSH: use identity-file and known-hosts-file"
        };
        problems.add(key, needed);
    }
}

fn webhook_problems(settings: &Settings, problems: &mut Problems) {
    if settings.webhook.is_some() {
        let message = "is called webhooks now and is a list: write webhooks: [{kind: distribution, secret-file: …}]";
        problems.add("webhook", message);
    }
    let mut paths = BTreeMap::new();
    for (index, webhook) in settings.webhooks.iter().enumerate() {
        let key = format!("webhooks.{index}");
        for (name, problem) in webhook.problems() {
            problems.add(format!("{key}.{name}").trim_end_matches('.'), problem);
        }
        if let Some(first) = paths.insert(webhook.path(), index) {
            problems
                .add(format!("{key}.path"), format!("is that of webhooks.{first} once more; give one of them another"));
        }
    }
}

fn address_problems(settings: &Settings, problems: &mut Problems) {
    let grpc = match &settings.listen.grpc {
        ListenAddress::Tcp(address) if settings.tokens_file.is_some() => Some(*address),
        _ => None,
    };
    let webhook = (!settings.webhooks.is_empty()).then_some(settings.listen.webhook);
    let named = [("listen.grpc", grpc), ("listen.webhook", webhook)];
    let exposed: Vec<String> = named
        .iter()
        .filter_map(|(key, address)| {
            address.filter(|address| !address.ip().is_loopback()).map(|at| format!("{key} is {at}"))
        })
        .collect();
    if settings.tls.is_none() && !exposed.is_empty() {
        let exposed = exposed.join(" and ");
        let message = format!("is required because {exposed}, not loopback: set certificate-file and key-file");
        problems.add("tls", message);
    }
    let all = [named[0], ("listen.admin", Some(settings.listen.admin)), named[1]];
    let mut taken: BTreeMap<SocketAddr, &str> = BTreeMap::new();
    for (key, address) in all {
        if let Some(address) = address.filter(|address| address.port() != 0)
            && let Some(first) = taken.insert(address, key)
        {
            problems.add(key, format!("is {address}, as {first} is; each port needs its own"));
        }
    }
}

/// The files that the settings name and that cannot be read now. Later they are read at each use.
pub(super) fn unreadable_files(settings: &Settings) -> Vec<(String, String)> {
    let mut problems = Problems::default();
    let mut look = |key: String, path: Option<&Utf8Path>| {
        if let Some(path) = path
            && let Err(error) = SecretFile::new(path).read()
        {
            problems.add(key, error.to_string());
        }
    };
    for (index, repository) in settings.repositories.iter().enumerate() {
        let key = |name: &str| format!("repositories.{index}.{name}");
        look(key("ca-file"), repository.ca_file.as_deref());
        look(key("signing.key-file"), repository.signing.as_ref().map(|signing| signing.key_file.path()));
        look(
            key("verify-head.allowed-signers-file"),
            repository.verify_head.as_ref().map(|verify| verify.allowed_signers_file.as_path()),
        );
        look(
            key("pull-requests.token-file"),
            repository.pull_requests.as_ref().map(|requests| requests.token_file.path()),
        );
        let Some(credentials) = &repository.credentials else { continue };
        look(key("credentials.password-file"), credentials.password_file.as_ref().map(SecretFile::path));
        look(key("credentials.bearer-token-file"), credentials.bearer_token_file.as_ref().map(SecretFile::path));
        look(key("credentials.identity-file"), credentials.identity_file.as_ref().map(SecretFile::path));
        look(key("credentials.known-hosts-file"), credentials.known_hosts_file.as_deref());
    }
    for (index, registry) in settings.registries.iter().enumerate() {
        look(format!("registries.{index}.password-file"), registry.password_file.as_ref().map(SecretFile::path));
        look(format!("registries.{index}.ca-file"), registry.ca_file.as_deref());
    }
    for (index, webhook) in settings.webhooks.iter().enumerate() {
        look(format!("webhooks.{index}.secret-file"), webhook.secret_file.as_ref().map(SecretFile::path));
    }
    for (index, webhook) in settings.webhooks.iter().enumerate() {
        let tokens = webhook.token.as_ref().and_then(|token| token.tokens().ok());
        if let Some(Err(problem)) = tokens.map(|tokens| tokens.check_file()) {
            problems.add(format!("webhooks.{index}.token.keys-file"), problem);
        }
    }
    for (index, credentials) in settings.registry_credentials.iter().enumerate() {
        if let Err(problem) = credentials.source() {
            problems.add(format!("registry-credentials.{index}.{}", credentials.key()), problem);
        }
    }
    super::commits::unusable_files(settings, &mut problems);
    super::verify::unusable_files(settings, &mut problems);
    problems.0
}
