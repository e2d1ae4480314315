//! The real program against fakes of both daemons.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by panicking")]

mod fakes;
mod program;

use std::fs;
use std::net::TcpListener;

use fakes::{COMMIT, Daemons};
use program::{Answer, lockstep};
use serde_json::{Value, json};

/// The verbs that the automator answers, beside those about images.
const AUTOMATOR: [&str; 7] = ["release", "lock", "unlock", "automate", "deautomate", "policy", "history"];

fn ask(daemons: &Daemons, words: &[&str]) -> Answer {
    let address: &[&str] = if words.contains(&"images") || AUTOMATOR.contains(&words[0]) {
        &["--automator", &daemons.address]
    } else {
        &["--server", &daemons.address]
    };
    let folder = tempfile::tempdir().unwrap();
    lockstep(folder.path(), &[words, address].concat(), b"")
}

#[test]
fn listings_for_people() {
    let daemons = Daemons::start();
    let syncs = "\
NAME     READY   STATUS      COMMIT       AGE   OBJECTS   MESSAGE
failed   False   Reason      c0ffee00c0   -     2/3       cannot apply Deployment/shop/web: \u{fffd}[31mforbidden
new      False   Waiting 1   -            -     2/3       Reason
ready    True    Reason      c0ffee00c0   -     3/3       applied and healthy
";
    let everywhere = "\
NAMESPACE   NAME    READY   STATUS    COMMIT       AGE   OBJECTS   MESSAGE
apps        held    False   Held 42   c0ffee00c0   -     2/3       would delete 42 of 50 objects
lockstep    ready   True    Reason    c0ffee00c0   -     3/3       applied and healthy
";
    let one = "\
NAME   READY   STATUS    COMMIT                                     AGE   OBJECTS   DRIFTED   EXTRAS   FAILED   WAITING   CLAIMED                                         HELD                   SUSPENDED   REPOSITORY                       BRANCH   PATH            MESSAGE
held   False   Held 42   c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00   -     2/3       1         2        0        0         ConfigMap/shop/a by lockstep/other and 1 more   c0ffee00c0 prunes 42   false       https://git.example/config.git   main     clusters/prod   would delete 42 of 50 objects
";
    let images = "\
OBJECT                CONTAINER   CURRENT                  SELECTED   AUTOMATED   HELD
Deployment/shop/web   web         ghcr.io/acme/web:1.4.2   1.4.3      false       -
Deployment/blog/web   web         ghcr.io/acme/web:1.4.2   -          true        2 tags tie
";
    let image = "\
OBJECT                CONTAINER   CURRENT                  SELECTED   AUTOMATED   HELD         POLICY        FROM                       REPOSITORY                       BRANCH   PLACE
Deployment/blog/web   web         ghcr.io/acme/web:1.4.2   -          true        2 tags tie   semver:~1.4   clusters/prod/web.yaml:7   https://git.example/config.git   main     clusters/prod/web.yaml:12
";
    let problem = "note: clusters/prod/db.yaml:3: Deployment/shop/db: no key that Lockstep knows\n";
    let none = format!("note: no images found\n{problem}");
    let table: [(&[&str], &str, &str); 7] = [
        (&["get", "syncs", "-n", "shop"], syncs, ""),
        (&["get", "sync", "-A"], everywhere, ""),
        (&["get", "syncs", "held", "-o", "wide"], one, ""),
        (&["get", "syncs", "-n", "empty"], "", "note: no Syncs found in namespace empty\n"),
        (&["get", "images"], images, problem),
        (&["get", "image", "-n", "blog", "-o", "wide", "--automator", &daemons.address], image, problem),
        (&["get", "images", "-n", "nowhere"], "", &none),
    ];
    for (words, stdout, stderr) in table {
        let answer = if words[1] == "image" {
            lockstep(tempfile::tempdir().unwrap().path(), words, b"")
        } else {
            ask(&daemons, words)
        };
        assert_eq!((answer.code, answer.stdout.as_str(), answer.stderr.as_str()), (0, stdout, stderr), "{words:?}");
    }
}

#[test]
fn listings_for_programs() {
    let daemons = Daemons::start();
    let read = |words: &[&str]| -> Value {
        let answer = ask(&daemons, &[words, &["-o", "json"]].concat());
        assert_eq!((answer.code, answer.stderr.as_str()), (0, ""), "{words:?}");
        serde_json::from_str(&answer.stdout).unwrap()
    };
    let held = json!({
        "namespace": "lockstep", "name": "held", "repository": "https://git.example/config.git", "branch": "main",
        "path": "clusters/prod", "suspended": false, "fetchedCommit": COMMIT, "appliedCommit": COMMIT, "appliedAt": null,
        "objects": {"total": 3, "healthy": 2, "drifted": 1, "failed": 0, "extras": 2, "waiting": 0},
        "held": {
            "commit": COMMIT, "wouldPrune": 42, "reason": "the commit would prune 42 of 50 objects, more than the Sync allows",
            "objects": ["ConfigMap/shop/a", "ConfigMap/shop/b"],
        },
        "conditions": [{
            "type": "Ready", "status": "False", "reason": "Reason", "message": "would delete 42 of 50 objects",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }],
        "drift": [{
            "object": "Deployment/shop/web", "fields": [".spec.replicas"], "manager": "kubectl-edit",
            "at": "2026-01-01T00:00:00.5Z", "repaired": true,
            "changes": [{"path": ".spec.replicas", "manager": "kubectl-edit", "at": "2026-01-01T00:00:00Z", "git": "3"}],
        }],
        "extras": [{"object": "Deployment/shop/web", "path": ".metadata.annotations[\"note\"]", "manager": "k9s", "at": null}],
        "claims": [
            {"object": "ConfigMap/shop/a", "by": "lockstep/other"}, {"object": "ConfigMap/shop/b", "by": "lockstep/other"},
        ],
        "waiting": [], "failures": [], "failuresTotal": 0,
    });
    assert_eq!(read(&["get", "syncs", "held"]), held);
    assert_eq!(read(&["get", "syncs"]).as_array().unwrap().len(), 3);
    assert_eq!(read(&["get", "syncs", "-n", "empty"]), json!([]));
    let answer = read(&["get", "images"]);
    let problem = "clusters/prod/db.yaml:3: Deployment/shop/db: no key that Lockstep knows";
    let (images, problems) = (&answer["images"], &answer["problems"]);
    assert_eq!((&images[0]["selected"], problems), (&json!("1.4.3"), &json!([problem])));
    assert_eq!((&images[0]["held"], &images[1]["selected"]), (&Value::Null, &Value::Null));
    let ready = read(&["sync", "ready", "--wait"]);
    assert_eq!((&ready["outcome"], &ready["state"]["name"]), (&json!("ready"), &json!("ready")));
}

#[test]
fn the_outcome_of_a_turn_is_the_exit_code() {
    let daemons = Daemons::start();
    let acknowledge = format!("lockstep acknowledge held -n lockstep --commit {COMMIT}");
    let table: [(&[&str], i32, &str, &str); 11] = [
        (&["sync", "ready"], 0, "sync/ready started\n", ""),
        (&["sync", "ready", "--wait"], 0, "sync/ready ready at c0ffee00c0 (3/3 objects healthy)\n", ""),
        (
            &["sync", "failed", "--wait"],
            1,
            "",
            "error: Sync lockstep/failed failed: cannot apply Deployment/shop/web: \u{fffd}",
        ),
        (
            &["sync", "unhealthy", "--wait"],
            4,
            "",
            "not healthy: Sync lockstep/unhealthy: Deployment/shop/web: ImagePullBackOff",
        ),
        (&["sync", "held", "--wait"], 5, "", &acknowledge),
        (&["sync", "suspended"], 5, "", "held: Sync lockstep/suspended is suspended, so nothing was done"),
        (&["sync", "odd", "--wait"], 1, "", "unknown outcome"),
        (&["sync", "missing"], 1, "", "error: syncing lockstep/missing: there is no Sync lockstep/missing"),
        (&["get", "syncs", "missing"], 1, "", "error: getting the Sync lockstep/missing: there is no Sync"),
        (&["sync", "locked", "--wait"], 1, "", "kubectl create token"),
        (&["sync", "forbidden"], 1, "", "lockstep-operator"),
    ];
    for (words, code, stdout, stderr) in table {
        let answer = ask(&daemons, words);
        assert_eq!((answer.code, answer.stdout.as_str()), (code, stdout), "{words:?}: {}", answer.stderr);
        assert!(
            answer.stderr.contains(stderr) && answer.stderr.is_empty() == stderr.is_empty(),
            "{words:?}: {}",
            answer.stderr
        );
        assert!(!answer.stderr.contains('\u{1b}'), "{words:?}");
    }
}

#[test]
fn who_stands_by_is_asked_again_and_then_told_where_the_leader_is() {
    let daemons = Daemons::start();
    let answer = ask(&daemons, &["sync", "moved", "--wait"]);
    assert_eq!((answer.code, daemons.seen().len()), (0, 2), "{}", answer.stderr);
    let daemons = Daemons::start();
    let answer = ask(&daemons, &["sync", "behind"]);
    assert_eq!((answer.code, answer.stdout.as_str(), daemons.seen().len()), (1, "", 4), "{}", answer.stderr);
    for told in ["stands by", "port-forward pod/lockstep-synchronizer-6d5f-x2k 7410\n"] {
        assert!(answer.stderr.contains(told), "{}", answer.stderr);
    }
}

#[test]
fn waiting_ends_and_shows_no_progress_where_there_is_no_terminal() {
    let daemons = Daemons::start();
    let answer = ask(&daemons, &["sync", "stuck", "--wait", "--timeout", "2s"]);
    assert_eq!((answer.code, answer.stdout.as_str()), (4, ""));
    assert!(
        answer.stderr.starts_with("not healthy: Sync lockstep/stuck did not end its turn within 2s\n"),
        "{}",
        answer.stderr
    );
    assert!(!answer.stderr.contains('\u{1b}') && !answer.stderr.contains('\r'), "{}", answer.stderr);
}

#[test]
fn requests_carry_the_words_and_the_token_that_never_shows() {
    let daemons = Daemons::start();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("token"), "canary\n").unwrap();
    let server = ["--server", &daemons.address, "--token-file", "token"];
    let automator = ["--automator", &daemons.address, "--token-file", "token"];
    for (words, place, call) in [
        (
            &["sync", "ready", "-n", "apps", "--wait", "--commit", COMMIT][..],
            &server,
            format!("Trigger(apps ready true {COMMIT})"),
        ),
        (&["get", "syncs"], &server, "List(lockstep)".to_owned()),
        (&["get", "syncs", "--all-namespaces"], &server, "List()".to_owned()),
        (&["get", "syncs", "ready", "--namespace=apps"], &server, "Get(apps ready)".to_owned()),
        (&["get", "images"], &automator, "ListImages()".to_owned()),
    ] {
        let answer = lockstep(folder.path(), &[words, &place[..]].concat(), b"");
        assert_eq!(answer.code, 0, "{words:?}: {}", answer.stderr);
        assert!(daemons.seen().contains(&format!("{call} Bearer canary")), "{words:?}: {:?}", daemons.seen());
        assert!(!format!("{}{}", answer.stdout, answer.stderr).contains("canary"), "{words:?}");
    }
    let words = ["get", "syncs", "--server", &daemons.address, "--token-file", "gone"];
    let answer = lockstep(folder.path(), &words, b"");
    assert_eq!(answer.code, 1);
    assert!(answer.stderr.contains("cannot read the secret in gone"), "{}", answer.stderr);
}

#[test]
fn a_daemon_that_is_not_there_is_told_with_a_way_to_it() {
    // A port that was free a moment ago.
    let address = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    for (words, way) in [
        (["get", "syncs", "--server", &address], "port-forward service/lockstep-synchronizer 7410"),
        (["sync", "shop", "--server", &address], "LOCKSTEP_SERVER"),
        (["get", "images", "--automator", &address], "port-forward service/lockstep-automator 7400"),
    ] {
        let answer = lockstep(folder.path(), &words, b"");
        assert_eq!((answer.code, answer.stdout.as_str()), (1, ""), "{words:?}");
        let told = format!("at {address}: Connection refused");
        assert!(answer.stderr.contains(&told) && answer.stderr.contains(way), "{words:?}: {}", answer.stderr);
    }
}

#[test]
fn drift_for_people() {
    let daemons = Daemons::start();
    let answer = ask(&daemons, &["get", "drift", "ready", "-o", "wide"]);
    assert_eq!((answer.code, answer.stderr.as_str()), (0, ""));
    let lines: Vec<Vec<&str>> = answer
        .stdout
        .lines()
        .map(|line| line.split("   ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect();
    assert_eq!(lines[0], ["SYNC", "OBJECT", "PATH", "WHO", "AGE", "GIT SAYS", "STATE"]);
    assert_eq!(lines[1][..4], ["ready", "Deployment/shop/web", ".spec.replicas", "kubectl-edit"]);
    assert_eq!(lines[1][5..], ["3", "repaired"]);
    assert_eq!(lines[2], ["ready", "Deployment/shop/web", ".metadata.annotations[\"note\"]", "k9s", "-", "-", "extra"]);
}

#[test]
fn what_a_person_asks_of_the_automator() {
    let daemons = Daemons::start();
    let committed = format!("Release shop/web to 1.4.3: commit {COMMIT} on main of https://git.example/config.git\n");
    let history = "\
AT                 COMMIT       KIND     BY         PLACE                     FROM        TO
2026-01-01 00:00   c0ffee00c0   lock     alice      Lock shop/web: audit      -           -
2026-01-01 00:00   c0ffee00c0   update   Lockstep   Deployment/shop/web/web   web:1.4.2   web:1.4.3
";
    let explained = "\
Deployment/shop/web web: ghcr.io/acme/web:1.4.2
  at clusters/prod/web.yaml:12 on main of https://git.example/config.git
  policy semver:~1.4 from clusters/prod/web.yaml:7, automated
  selected: 1.4.4
  taken back here: 1.4.3
TAG     VERDICT
1.4.4   selected
1.4.3   dropped: undone here
";
    let table: [(&[&str], i32, &str, &str); 10] = [
        (&["unlock", "shop/deployment/guarded"], 0, "Release shop/web to 1.4.3: a change request is open for it\n", ""),
        (&["release", "shop/deployment/web", "1.4.3", "-c", "web", "--force"], 0, &committed, ""),
        (&["release", "shop/deployment/same", "1.4.3"], 0, "", "note: Release shop/web to 1.4.3: it is so already"),
        (
            &["release", "shop/deployment/locked", "1.4.3"],
            1,
            "",
            "error: releasing 1.4.3 (deployment/shop/locked): it is locked: audit",
        ),
        (
            &["lock", "shop/deployment/no", "--reason", "x"],
            1,
            "",
            "alice does not have the role release\nThe token needs the role release",
        ),
        (&["policy", "set", "shop/deployment/web", "semver:~1.4"], 0, &committed, ""),
        (&["history", "shop/deployment/web"], 0, history, ""),
        (&["images", "explain", "shop/deployment/web"], 0, explained, "note: 2 of 7 tags are shown; raise --tags\n"),
        (
            &["images", "explain", "shop/deployment/no"],
            1,
            "",
            "error: explaining deployment/shop/no: there is nothing of that name",
        ),
        (&["unlock", "web"], 2, "", "write NAMESPACE/KIND/NAME"),
    ];
    for (words, code, stdout, stderr) in table {
        let answer = ask(&daemons, words);
        assert_eq!((answer.code, answer.stdout.as_str()), (code, stdout), "{words:?}: {}", answer.stderr);
        assert!(answer.stderr.contains(stderr), "{words:?}: {}", answer.stderr);
    }
    let held = ask(&daemons, &["images", "explain", "shop/deployment/held", "-o", "json"]);
    let read: Value = serde_json::from_str(&held.stdout).unwrap();
    assert_eq!((held.code, &read["places"][0]["held"]), (5, &json!("2 tags tie")));
    assert_eq!(read["places"][0]["tags"][0]["pushed"], json!("2026-01-01T00:00:00Z"));
    let seen = daemons.seen();
    for call in [
        "Change(deployment/shop/web|web|| Some(Release(Release { tag: \"1.4.3\", force: true })))",
        "History(deployment/shop/web|||  50 )",
        "History(deployment/shop/web|||  49 0-x)",
        "Explain(deployment/shop/web||| 20)",
    ] {
        assert!(seen.iter().any(|seen| seen.starts_with(call)), "{call} in {seen:#?}");
    }
}
