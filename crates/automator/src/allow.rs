//! Which image repositories may be contacted at all.

use std::collections::BTreeSet;

use lockstep_registry::Repository;

use crate::glob;

/// The public registries that need no setting.
const PUBLIC: [&str; 5] = ["docker.io", "ghcr.io", "quay.io", "gcr.io", "registry.k8s.io"];

/// Patterns of image repositories, or the registries that are allowed where there is no pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedRepositories {
    patterns: Vec<String>,
    hosts: BTreeSet<String>,
}

impl AllowedRepositories {
    /// `patterns` match `HOST/NAME` as a whole; `*` stands for any text, slashes included. Without a pattern all repositories
    /// of the configured registries and of docker.io, ghcr.io, quay.io, gcr.io and registry.k8s.io are allowed.
    pub fn new(
        patterns: impl IntoIterator<Item = String>,
        configured_registries: impl IntoIterator<Item = String>,
    ) -> Self {
        let public = PUBLIC.iter().map(|host| (*host).to_owned());
        Self {
            patterns: patterns.into_iter().collect(),
            hosts: public.chain(configured_registries.into_iter().map(|host| host.to_owned())).collect(),
        }
    }

    /// Whether this repository may be contacted.
    pub fn allows(&self, repository: &Repository) -> bool {
        if self.patterns.is_empty() {
            return self.hosts.contains(&repository.host);
        }
        let name = repository.to_string();
        self.patterns.iter().any(|pattern| glob::matches(pattern, &name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, expected) in [
            ("ghcr.io/acme/*", "ghcr.io/acme/web", true),
            ("ghcr.io/acme/*", "ghcr.io/acme/team/web", true),
            ("ghcr.io/acme/*", "ghcr.io/acme-evil/web", false),
            ("ghcr.io/acme/*", "evil.example/ghcr.io/acme/web", false),
            ("*/web", "ghcr.io/acme/web", true),
            ("*/web", "ghcr.io/acme/web2", false),
            ("*a*b*", "docker.io/xaxxb", true),
            ("docker.io/library/nginx", "docker.io/library/nginx", true),
            ("docker.io/library/ngin", "docker.io/library/nginx", false),
            ("*", "docker.io/library/nginx", true),
        ] {
            let (host, rest) = name.split_once('/').unwrap();
            let repository = Repository { host: host.to_owned(), name: rest.to_owned() };
            let allowed = AllowedRepositories::new([pattern.to_owned()], ["docker.io".to_owned()]);
            assert_eq!(allowed.allows(&repository), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn without_a_pattern_the_known_registries_are_allowed() {
        let allowed = AllowedRepositories::new([], ["127.0.0.1:5000".to_owned()]);
        for (host, expected) in [("docker.io", true), ("127.0.0.1:5000", true), ("169.254.169.254", false)] {
            let repository = Repository { host: host.to_owned(), name: "a".to_owned() };
            assert_eq!(allowed.allows(&repository), expected, "{host}");
        }
    }
}
