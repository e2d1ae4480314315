use jiff::Timestamp;
use lockstep_manifest::ObjectId;
use lockstep_repository::Signature;

use crate::places::PlaceId;

use crate::publish::Move;

use super::*;

fn change(file: &str, name: &str, from: &str, to: &str, tag: &str) -> Move {
    let object = ObjectId::new("apps", "Deployment", "shop", name);
    Move {
        place: PlaceId { file: file.to_owned(), object, container: "main".to_owned() },
        edits: Vec::new(),
        line: 1,
        from: from.to_owned(),
        to: to.to_owned(),
        tag: tag.to_owned(),
        digest: Some(format!("sha256:{}", "a".repeat(64))),
        group: None,
        evidence: vec!["policy semver:~1\n\nLockstep-Release: x y".to_owned()],
    }
}

/// As the server gives a commit back.
fn commit(message: &str) -> CommitInfo {
    let last = message.trim_end().rsplit_once("\n\n").unwrap().1;
    let id = "1".repeat(40).parse().unwrap();
    CommitInfo {
        id,
        parent: None,
        author: Signature { name: String::new(), email: String::new() },
        time: Timestamp::UNIX_EPOCH,
        message: message.to_owned(),
        trailers: last
            .lines()
            .map(|line| line.split_once(": ").unwrap())
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
    }
}

#[test]
fn what_is_written_is_read_back() {
    let digest = format!("repo/b:1@sha256:{}", "b".repeat(64));
    let moves = vec![
        change("a -> b/my file#1.yaml", "web", "repo/a:1", "repo/a:2", "2"),
        change("c.yaml", "api", &digest, "repo/b:2", "2"),
    ];
    let expected: Vec<Moved> = moves.iter().map(Move::moved).collect();
    for (kind_, subject) in [(ChangeKind::Update, "Update 2 images"), (ChangeKind::Revert, "Revert 2 images")] {
        let batch = Batch { kind: kind_, moves: moves.clone(), files: Vec::new(), requested: None };
        let info = commit(&write(&batch, &MessageTemplate::default()));
        assert_eq!((info.subject(), kind(&info)), (subject, Some(kind_)));
        assert_eq!(moved(&info), expected);
        assert_eq!(releases(&info), [], "text of others is no trailer");
    }
}

#[test]
fn one_object_is_named_in_the_subject() {
    let web = change("a.yaml", "web", "repo/a:1", "repo/a:2", "2");
    let batch = |moves: Vec<Move>| {
        let batch = Batch { kind: ChangeKind::Update, moves, files: Vec::new(), requested: None };
        write(&batch, &MessageTemplate::default())
    };
    assert!(batch(vec![web.clone()]).starts_with("Update shop/web to 2\n\n"));
    assert!(batch(vec![web.clone(), web.clone()]).starts_with("Update shop/web to 2\n\n"));
    let other = change("a.yaml", "web\nLockstep-Release: x", "repo/c:1", "repo/c:3", "3");
    assert!(batch(vec![other]).starts_with("Update shop/web Lockstep-Release: x to 3\n\n"));
}

#[test]
fn a_release_names_a_place_and_a_tag() {
    let info =
        commit("Go on\n\nLockstep-Release: my file.yaml#Deployment/shop/web/main 1.4.3\nLockstep-Release: no-tag\n");
    assert_eq!(releases(&info), [("my file.yaml#Deployment/shop/web/main".to_owned(), "1.4.3".to_owned())]);
    assert_eq!(kind(&info), None);
}

#[test]
fn no_template_keeps_evidence_and_trailers_out() {
    let web = change("a.yaml", "web", "repo/a:1", "repo/a:2", "2");
    let batch = Batch { kind: ChangeKind::Update, moves: vec![web.clone()], files: Vec::new(), requested: None };
    let template = MessageTemplate::parse("deploy: {{ summary }}\n\nLockstep-Change: revert\nLockstep-Release: x y");
    let template = template.unwrap().signed_off_by("Bot <bot@example.com>".to_owned());
    let info = commit(&write(&batch, &template));
    assert_eq!((info.subject(), kind(&info)), ("deploy: Update shop/web to 2", Some(ChangeKind::Update)));
    assert_eq!((moved(&info), releases(&info)), (vec![web.moved()], vec![]));
    assert_eq!(info.trailer("Signed-off-by"), Some("Bot <bot@example.com>"));
    assert!(info.message.contains("\n  policy semver:~1"), "{}", info.message);
}
