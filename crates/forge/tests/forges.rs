//! One contract over the three APIs, against a forge that knows their published shapes and nothing else.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by panicking")]

#[path = "forges/scripted.rs"]
mod scripted;

use std::sync::Arc;

use lockstep_forge::{Forge, ForgeError, ForgeKind, ForgeSettings, NewRequest};
use tokio::task::JoinSet;

use scripted::{Kept, Scripted, TOKEN};

const KINDS: [ForgeKind; 3] = [ForgeKind::GitHub, ForgeKind::GitLab, ForgeKind::Gitea];

fn settings(kind: ForgeKind, api: &str) -> ForgeSettings {
    let token = Arc::new(|| Ok(TOKEN.into()));
    ForgeSettings { kind, api: api.to_owned(), project: "acme/config".to_owned(), token, ca_pem: None }
}

fn kept(branch: &str) -> Kept {
    Kept { branch: branch.to_owned(), base: "main".to_owned(), title: branch.to_owned(), ..Kept::default() }
}

#[tokio::test]
async fn a_request_lives_through_its_life_on_every_forge() {
    for kind in KINDS {
        let mut servers = JoinSet::new();
        let scripted = Scripted::start(kind, &mut servers).await;
        let forge = Forge::new(settings(kind, &scripted.api)).unwrap();
        let new = NewRequest { branch: "lockstep/updates", base: "main", title: "Update web", body: "Because." };
        let made = forge.create(&new).await.unwrap();
        assert_eq!((made.number, made.branch.as_str(), made.body.as_str()), (1, "lockstep/updates", "Because."));
        forge.rewrite(&made, "Update two", "Both.").await.unwrap();
        forge.label(&made, &["images".to_owned()]).await.unwrap();
        forge.merge_when_ready(&made, "5b7d").await.unwrap();

        let open = forge.open("main", "lockstep/").await.unwrap();
        let [request] = open.as_slice() else { panic!("{kind:?}: {open:?}") };
        assert_eq!((request.title.as_str(), request.body.as_str()), ("Update two", "Both."));
        assert_eq!((request.labels.as_slice(), request.closed_at), (&["images".to_owned()][..], None));
        assert_ne!(request.merges_itself, Some(false));
        let calls = scripted.inside().calls.len();
        forge.label(request, &["images".to_owned()]).await.unwrap();
        assert_eq!(scripted.inside().calls.len(), calls, "a label that is there is not added");

        forge.close(request, "Moot.").await.unwrap();
        assert_eq!(forge.open("main", "lockstep/").await.unwrap(), []);
        let closed = forge.closed("main", "lockstep/").await.unwrap();
        assert_eq!((closed[0].number, closed[0].body.as_str()), (1, "Moot."));
        assert_eq!(closed[0].closed_at, "2026-11-20T10:00:00Z".parse().ok());

        let inside = scripted.inside();
        assert_eq!(inside.requests[0].merges_itself.as_deref(), Some("5b7d"));
        assert_eq!(inside.wrong, Vec::<String>::new(), "{kind:?}");
    }
}

#[tokio::test]
async fn only_requests_from_our_own_branches_are_listed_and_all_of_them() {
    for kind in KINDS {
        let mut servers = JoinSet::new();
        let scripted = Scripted::start(kind, &mut servers).await;
        let forge = Forge::new(settings(kind, &scripted.api)).unwrap();
        scripted.inside().requests = vec![
            kept("lockstep/one"),
            kept("feature"),
            Kept { from_fork: true, ..kept("lockstep/fork") },
            Kept { base: "staging".to_owned(), ..kept("lockstep/staging") },
            kept("lockstep/two"),
            Kept { merged: true, ..kept("lockstep/merged") },
            Kept { closed: true, ..kept("lockstep/closed") },
            Kept { closed: true, from_fork: true, ..kept("lockstep/closed-fork") },
        ];
        let branches = |requests: Vec<lockstep_forge::Request>| {
            let mut branches: Vec<String> = requests.into_iter().map(|request| request.branch).collect();
            branches.sort();
            branches
        };
        let open = branches(forge.open("main", "lockstep/").await.unwrap());
        assert_eq!(open, ["lockstep/one", "lockstep/two"], "{kind:?}");
        assert_eq!(branches(forge.closed("main", "lockstep/").await.unwrap()), ["lockstep/closed"], "{kind:?}");
        assert_eq!(scripted.inside().wrong, Vec::<String>::new(), "{kind:?}");
    }
}

#[tokio::test]
async fn refusals_say_what_the_forge_said_and_never_the_token() {
    for kind in KINDS {
        let mut servers = JoinSet::new();
        let scripted = Scripted::start(kind, &mut servers).await;
        let forge = Forge::new(settings(kind, &scripted.api)).unwrap();
        let new = NewRequest { branch: "lockstep/updates", base: "main", title: "Update", body: "" };
        for (status, body, category, said) in [
            (401, r#"{"message":"Bad credentials"}"#, "unauthorised", "Bad credentials"),
            (403, r#"{"message":"Resource not accessible"}"#, "unauthorised", "the right to write"),
            (409, r#"{"message":["Another open merge request already exists"]}"#, "refused", "already exists"),
            (422, r#"{"message":"Validation Failed","errors":[{"message":"No commits"}]}"#, "refused", "No commits"),
            (404, "<html>", "refused", "404"),
            (429, "", "unavailable", "tried again"),
            (502, "<html>", "unavailable", "502"),
            (302, "", "refused", "302"),
            (200, "{", "malformed", "cannot be used"),
            (200, "", "malformed", "cannot be used"),
        ] {
            scripted.inside().next_answer = Some((status, body.to_owned()));
            let error = forge.create(&new).await.unwrap_err();
            let text = error.to_string();
            assert!(error.category() == category && text.contains(said), "{kind:?} {status}: {error:?}");
            assert!(text.contains("acme/config") && !text.contains(TOKEN) && !format!("{forge:?}").contains(TOKEN));
        }
    }
}

#[tokio::test]
async fn a_token_that_calls_too_often_is_not_told_to_have_no_right() {
    let mut servers = JoinSet::new();
    let scripted = Scripted::start(ForgeKind::GitHub, &mut servers).await;
    let forge = Forge::new(settings(ForgeKind::GitHub, &scripted.api)).unwrap();
    for (header, category) in [
        (Some(("x-ratelimit-remaining", "0")), "unavailable"),
        (Some(("retry-after", "60")), "unavailable"),
        (Some(("x-ratelimit-remaining", "17")), "unauthorised"),
        (None, "unauthorised"),
    ] {
        scripted.inside().next_answer = Some((403, r#"{"message":"API rate limit exceeded"}"#.to_owned()));
        scripted.inside().next_header = header;
        let error = forge.open("main", "lockstep/").await.unwrap_err();
        assert_eq!(error.category(), category, "{header:?}: {error}");
    }
}

#[tokio::test]
async fn what_a_forge_cannot_do_is_told() {
    let mut servers = JoinSet::new();
    let gitea = Scripted::start(ForgeKind::Gitea, &mut servers).await;
    let forge = Forge::new(settings(ForgeKind::Gitea, &gitea.api)).unwrap();
    let new = NewRequest { branch: "lockstep/updates", base: "main", title: "Update", body: "" };
    let made = forge.create(&new).await.unwrap();
    let error = forge.label(&made, &["nobody".to_owned()]).await.unwrap_err();
    assert!(error.to_string().contains("there is no label \"nobody\""), "{error}");

    gitea.inside().next_answer = Some((409, r#"{"message":"already scheduled"}"#.to_owned()));
    forge.merge_when_ready(&made, "5b7d").await.unwrap();

    let github = Scripted::start(ForgeKind::GitHub, &mut servers).await;
    let forge = Forge::new(settings(ForgeKind::GitHub, &github.api)).unwrap();
    let made = forge.create(&new).await.unwrap();
    let denied = r#"{"data":null,"errors":[{"message":"Auto merge is not allowed for this repository"}]}"#;
    github.inside().next_answer = Some((200, denied.to_owned()));
    let error = forge.merge_when_ready(&made, "5b7d").await.unwrap_err();
    assert!(error.to_string().contains("Auto merge is not allowed"), "{error}");
    // What may be merged at once is merged at once.
    let clean = r#"{"data":null,"errors":[{"message":"Pull request Pull request is in clean status"}]}"#;
    github.inside().next_answer = Some((200, clean.to_owned()));
    forge.merge_when_ready(&made, "5b7e").await.unwrap();
    assert_eq!(github.inside().calls.last().unwrap(), "PUT /repos/acme/config/pulls/1/merge");
    assert_eq!(github.inside().requests[0].merges_itself.as_deref(), Some("5b7e"));
    assert!(github.inside().wrong.is_empty());
    github.inside().next_answer = Some((200, r#"{"data":{}}"#.to_owned()));
    // GitHub Enterprise Server has its GraphQL beside its REST API.
    let server = Forge::new(settings(ForgeKind::GitHub, &format!("{}/api/v3/", github.api))).unwrap();
    server.merge_when_ready(&made, "5b7d").await.unwrap();
    assert_eq!(github.inside().calls.last().unwrap(), "POST /api/graphql");
}

#[test]
fn settings_that_cannot_be_used_are_refused() {
    for (kind, api, project, wanted) in [
        (ForgeKind::GitHub, "https://api.github.com", "acme/config", ""),
        (ForgeKind::GitLab, "https://gitlab.com/api/v4/", "acme/team/config", ""),
        (ForgeKind::GitHub, "https://api.github.com", "acme/team/config", "OWNER/NAME"),
        (ForgeKind::GitHub, "https://api.github.com", "config", "OWNER/NAME"),
        (ForgeKind::GitHub, "https://api.github.com", "acme/..", "OWNER/NAME"),
        (ForgeKind::GitHub, "https://api.github.com", "acme/a?b", "OWNER/NAME"),
        (ForgeKind::Gitea, "http://git.example/api/v1", "acme/config", "must begin with https://"),
        (ForgeKind::Gitea, "https://me:canary@git.example", "acme/config", "may have no user"),
        (ForgeKind::Gitea, "git.example", "acme/config", "is none"),
    ] {
        let settings = ForgeSettings { project: project.to_owned(), ..settings(kind, api) };
        let problem = match Forge::new(settings) {
            Ok(_) => String::new(),
            Err(ForgeError::Settings { problem, .. }) => problem,
            Err(other) => panic!("{other}"),
        };
        assert!(problem.contains(wanted) && problem.is_empty() == wanted.is_empty(), "{api} {project}: {problem}");
        assert!(!problem.contains("canary"));
    }
}
