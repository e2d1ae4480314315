//! Which repositories share a token: twenty of a service cost one request, not twenty.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::TokenService;

/// So many fit into one request to any token service.
const MOST_TOGETHER: usize = 20;
/// Beyond so many the groups are made anew; that costs some tokens.
const MOST_SCOPES: usize = 20_000;

/// Scopes that are asked for together, by service and login. Not all services honour more than the first: those are asked for
/// one at a time, from their first refusal on.
#[derive(Default)]
pub(super) struct ScopeGroups(Mutex<State>);

#[derive(Default)]
struct State {
    alone: Vec<TokenService>,
    groups: HashMap<(TokenService, Option<[u8; 32]>), Groups>,
    scopes: usize,
}

#[derive(Default)]
struct Groups {
    groups: Vec<Vec<String>>,
    group_of: HashMap<String, usize>,
}

impl ScopeGroups {
    /// The scopes to ask for when `scope` is needed; it is one of them.
    pub(super) fn together(&self, service: &TokenService, login: Option<[u8; 32]>, scope: &str) -> Vec<String> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.alone.contains(service) || !is_pull_of_one(scope) {
            return scope.split_ascii_whitespace().map(str::to_owned).collect();
        }
        if state.scopes >= MOST_SCOPES {
            state.groups.clear();
            state.scopes = 0;
        }
        let groups = state.groups.entry((service.clone(), login)).or_default();
        if let Some(&group) = groups.group_of.get(scope) {
            return groups.groups[group].clone();
        }
        if groups.groups.last().is_none_or(|group| group.len() >= MOST_TOGETHER) {
            groups.groups.push(Vec::new());
        }
        let last = groups.groups.len() - 1;
        groups.groups[last].push(scope.to_owned());
        groups.group_of.insert(scope.to_owned(), last);
        let together = groups.groups[last].clone();
        state.scopes += 1;
        together
    }

    pub(super) fn ask_alone(&self, service: &TokenService) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.alone.contains(service) {
            state.groups.retain(|(other, _), _| other != service);
            state.alone.push(service.clone());
        }
    }
}

/// `repository:NAME:pull` and nothing else.
fn is_pull_of_one(scope: &str) -> bool {
    scope.starts_with("repository:") && scope.ends_with(":pull") && !scope.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(realm: &str) -> TokenService {
        TokenService { realm: realm.parse().unwrap(), service: None }
    }

    #[test]
    fn twenty_repositories_share_a_token_until_the_service_refuses() {
        let groups = ScopeGroups::default();
        let (one, other) = (service("https://a.example/token"), service("https://b.example/token"));
        let scope = |n: usize| format!("repository:team/app{n}:pull");
        for n in 0..25 {
            assert_eq!(groups.together(&one, None, &scope(n)).len(), n % 20 + 1);
        }
        assert_eq!(groups.together(&one, None, &scope(0)).len(), 20);
        assert_eq!(groups.together(&one, None, &scope(24)).len(), 5);
        assert_eq!(groups.together(&one, Some([1; 32]), &scope(0)).len(), 1, "another login");
        assert_eq!(groups.together(&other, None, &scope(0)).len(), 1, "another service");
        for odd in ["*", "repository:a:pull repository:b:pull", "repository:a:pull,push", "registry:catalog:*"] {
            assert_eq!(groups.together(&one, None, odd).join(" "), odd);
        }
        groups.ask_alone(&one);
        assert_eq!(groups.together(&one, None, &scope(0)), [scope(0)]);
        groups.together(&other, None, &scope(1));
        assert_eq!(groups.together(&other, None, &scope(0)).len(), 2, "the other is not affected");
    }
}
