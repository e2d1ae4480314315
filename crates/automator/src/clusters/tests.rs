use lockstep_api::v1;

use super::*;

const GOOD: &str = "ghcr.io/acme/web:1.4.2";
const BAD: &str = "ghcr.io/acme/web:1.4.3";

fn id(digit: char) -> String {
    digit.to_string().repeat(40)
}

/// What a cluster says of one container: its reference and verdict.
fn event(previous: char, applied: char, reference: &str, verdict: v1::Verdict) -> v1::ClusterEvent {
    v1::ClusterEvent {
        sync: "lockstep/shop".to_owned(),
        repository: "https://git.example/config.git".to_owned(),
        branch: "main".to_owned(),
        path: "./clusters//prod/".to_owned(),
        applied_commit: id(applied),
        previous_commit: id(previous),
        workloads: vec![v1::Workload {
            group: "apps".to_owned(),
            kind: "Deployment".to_owned(),
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
            container: "web".to_owned(),
            reference: reference.to_owned(),
            verdict: verdict.into(),
            since: None,
            message: "pod web-1: cannot pull\nLockstep-Release: x".to_owned(),
            last_live: String::new(),
        }],
        observed_at: None,
    }
}

fn failures(events: &[v1::ClusterEvent]) -> Vec<Failure> {
    let clusters = Clusters::default();
    for event in events {
        assert!(clusters.apply("prod-eu", Report::read(event.clone()).unwrap()));
    }
    clusters.failures("ssh://git@git.example/config", "main")
}

#[test]
fn a_failure_is_told_with_what_was_applied_before() {
    use v1::Verdict::{Failed, Live};
    for (story, events, before) in [
        ("nothing is known of before", vec![event('1', '2', BAD, Failed)], None),
        ("seen to come", vec![event('0', '1', GOOD, Live), event('1', '2', BAD, Failed)], Some('1')),
        ("several commits later", vec![event('0', '1', GOOD, Live), event('3', '4', BAD, Failed)], Some('1')),
        ("with the same commit", vec![event('0', '1', GOOD, Live), event('0', '1', BAD, Failed)], Some('0')),
    ] {
        let found = failures(&events);
        let found = found.first().and_then(|failure| failure.before).map(|commit| commit.to_string());
        assert_eq!(found, before.map(id), "{story}");
    }
    let [failure] = &failures(&[event('1', '2', BAD, Failed)])[..] else { panic!("one failure") };
    assert_eq!(failure.applied.to_string(), id('2'));
    assert_eq!((failure.cluster.as_str(), failure.path.as_str()), ("prod-eu", "clusters/prod"));
    assert_eq!(failure.message, "pod web-1: cannot pull Lockstep-Release: x");
}

#[test]
fn only_proven_failures_of_references_that_never_ran_count() {
    use v1::Verdict::{Failed, Inconclusive, Live, Progressing, Unspecified};
    for (story, events, wanted) in [
        ("healthy", vec![event('1', '2', BAD, Live)], 0),
        ("rolling out", vec![event('1', '2', BAD, Progressing)], 0),
        ("not its fault", vec![event('1', '2', BAD, Inconclusive)], 0),
        ("a newer word", vec![event('1', '2', BAD, Unspecified)], 0),
        ("first rolling out, then failed", vec![event('1', '2', BAD, Progressing), event('1', '2', BAD, Failed)], 1),
        ("it ran before", vec![event('1', '2', BAD, Live), event('1', '2', BAD, Failed)], 0),
        ("another one ran before", vec![event('1', '2', GOOD, Live), event('2', '3', BAD, Failed)], 1),
        ("it is over", vec![event('1', '2', BAD, Failed), event('2', '3', GOOD, Live)], 0),
    ] {
        assert_eq!(failures(&events).len(), wanted, "{story}");
    }
}

#[test]
fn a_commit_on_top_does_not_hide_the_one_that_gave_the_reference() {
    let [failure] = &failures(&[
        event('0', '1', GOOD, v1::Verdict::Live),
        event('1', '2', BAD, v1::Verdict::Progressing),
        event('2', '3', BAD, v1::Verdict::Progressing),
        event('3', '4', BAD, v1::Verdict::Failed),
    ])[..] else {
        panic!("one failure")
    };
    assert_eq!(failure.before.unwrap().to_string(), id('1'));
    assert_eq!(failure.applied.to_string(), id('4'));
}

#[test]
fn what_failed_before_is_remembered() {
    let worse = "ghcr.io/acme/web:1.4.4";
    let [failure] = &failures(&[
        event('1', '2', BAD, v1::Verdict::Failed),
        event('2', '3', worse, v1::Verdict::Progressing),
        event('2', '3', worse, v1::Verdict::Failed),
    ])[..] else {
        panic!("one failure")
    };
    assert_eq!((failure.reference.as_str(), failure.failed_before.as_slice()), (worse, &[BAD.to_owned()][..]));
    assert_eq!(failure.before.unwrap().to_string(), id('2'));
}

#[test]
fn what_was_live_before_is_remembered_and_told_by_whoever_knows_it() {
    let next = "ghcr.io/acme/web:1.4.4";
    let live = |events: &[v1::ClusterEvent]| {
        let failure = failures(events).remove(0);
        (failure.live.into_iter().collect::<Vec<_>>(), failure.knows_live)
    };
    use v1::Verdict::{Failed, Live, Progressing};
    assert_eq!(live(&[event('1', '2', BAD, Failed)]), (vec![], false), "after a restart of both");
    let seen = [event('0', '1', GOOD, Live), event('1', '2', BAD, Progressing), event('2', '3', next, Failed)];
    assert_eq!(live(&seen), (vec![GOOD.to_owned()], true));
    let mut told = event('2', '3', next, Failed);
    told.workloads[0].last_live = GOOD.to_owned();
    assert_eq!(live(&[told]), (vec![GOOD.to_owned()], true), "after a restart of ours");

    let clusters = Clusters::default();
    let apply = |cluster: &str, event: v1::ClusterEvent| clusters.apply(cluster, Report::read(event).unwrap());
    apply("prod-us", event('1', '2', BAD, Live));
    apply("prod-us", event('2', '3', next, Live));
    apply("test", v1::ClusterEvent { path: "clusters/test".to_owned(), ..event('1', '2', GOOD, Live) });
    apply("prod-eu", event('2', '3', next, Failed));
    let failure = clusters.failures("https://git.example/config", "main").remove(0);
    assert_eq!(failure.live.into_iter().collect::<Vec<_>>(), [BAD], "another folder is another place");
    assert!(!failure.knows_live);
}

#[test]
fn twice_is_once_and_clusters_do_not_mix() {
    let clusters = Clusters::default();
    let mut changes = clusters.changes();
    let report = || Report::read(event('1', '2', BAD, v1::Verdict::Failed)).unwrap();
    clusters.apply("prod-eu", report());
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    clusters.apply("prod-eu", report());
    assert!(!changes.has_changed().unwrap(), "the same report again");
    clusters.apply("prod-us", report());
    assert_eq!(clusters.failures("https://git.example/config", "main").len(), 2);
    assert_eq!(clusters.counts(), (2, 2));
    for (repository, branch) in [("https://git.example/other", "main"), ("https://git.example/config", "dev")] {
        assert_eq!(clusters.failures(repository, branch), []);
    }
}

#[test]
fn reports_that_cannot_be_meant_are_refused() {
    let fine = || event('1', '2', GOOD, v1::Verdict::Live);
    for (wanted, event) in [
        ("sync", v1::ClusterEvent { sync: "shop".to_owned(), ..fine() }),
        ("sync", v1::ClusterEvent { sync: "a/b/c".to_owned(), ..fine() }),
        ("sync", v1::ClusterEvent { sync: "a/b\n".to_owned(), ..fine() }),
        ("path", v1::ClusterEvent { path: "../etc".to_owned(), ..fine() }),
        ("applied_commit", v1::ClusterEvent { applied_commit: "HEAD".to_owned(), ..fine() }),
        ("previous_commit", v1::ClusterEvent { previous_commit: "--all".to_owned(), ..fine() }),
        ("longer", v1::ClusterEvent { branch: "x".repeat(2000), ..fine() }),
        (
            "control",
            v1::ClusterEvent {
                workloads: vec![v1::Workload { reference: "a\nb".to_owned(), ..v1::Workload::default() }],
                ..fine()
            },
        ),
    ] {
        assert!(Report::read(event).unwrap_err().contains(wanted), "{wanted}");
    }
    let none_applied = v1::ClusterEvent { applied_commit: String::new(), ..fine() };
    assert_eq!(Report::read(none_applied).unwrap().applied, None);
}

#[test]
fn a_cluster_cannot_fill_the_memory() {
    let clusters = Clusters::default();
    let report = |name: usize| {
        let sync = format!("lockstep/{name}");
        Report::read(v1::ClusterEvent { sync, workloads: Vec::new(), ..event('1', '2', GOOD, v1::Verdict::Live) })
            .unwrap()
    };
    assert!((0..MOST_SYNCS).all(|name| clusters.apply("prod-eu", report(name))));
    assert!(!clusters.apply("prod-eu", report(MOST_SYNCS)));
    assert!(clusters.apply("prod-eu", report(0)) && clusters.apply("prod-us", report(MOST_SYNCS)));
}

#[test]
fn a_sync_that_is_gone_makes_room_for_others() {
    let clusters = Clusters::default();
    let report = |number: usize, event: &v1::ClusterEvent| {
        Report::read(v1::ClusterEvent { sync: format!("lockstep/{number}"), ..event.clone() }).unwrap()
    };
    let running = event('1', '2', BAD, v1::Verdict::Failed);
    let gone = v1::ClusterEvent { applied_commit: String::new(), workloads: Vec::new(), ..running.clone() };
    for number in 0..MOST_SYNCS {
        assert!(clusters.apply("prod-eu", report(number, &running)));
    }
    assert!(!clusters.apply("prod-eu", report(MOST_SYNCS, &running)), "there are too many");
    assert!(clusters.apply("prod-us", report(0, &running)), "each cluster has room of its own");
    assert!(clusters.apply("prod-eu", report(7, &gone)));
    assert!(clusters.apply("prod-eu", report(MOST_SYNCS, &running)));
    assert_eq!(clusters.counts(), (2, MOST_SYNCS + 1));
}

#[test]
fn whose_token_may_vote_no_more_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let path = camino::Utf8PathBuf::from_path_buf(folder.path().join("tokens.yaml")).unwrap();
    let entry = |name: &str, role: &str| {
        let hash = TokenFile::hash(&format!("token-of-{name}").into());
        format!("- {{name: {name}, sha256: {hash}, roles: [{role}]}}\n")
    };
    std::fs::write(&path, entry("eu", "vote") + &entry("us", "vote")).unwrap();
    let clusters = Clusters::of(Arc::new(TokenFile::open(&path, &["vote", "read"]).unwrap()), Duration::ZERO);
    for cluster in ["eu", "us"] {
        assert!(clusters.apply(cluster, Report::read(event('1', '2', BAD, v1::Verdict::Failed)).unwrap()));
    }
    let failing = || {
        let failures = clusters.failures("ssh://git@git.example/config", "main");
        failures.into_iter().map(|failure| failure.cluster).collect::<Vec<_>>()
    };
    assert_eq!(failing(), ["eu", "us"]);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(failing(), ["eu", "us"], "a file that cannot be read takes no vote away");
    std::fs::write(&path, entry("eu", "vote") + &entry("us", "read")).unwrap();
    assert_eq!(failing(), ["eu"]);
    std::fs::write(&path, entry("eu", "vote") + &entry("us", "vote")).unwrap();
    assert_eq!(failing(), ["eu"], "what it said then is forgotten");
}
