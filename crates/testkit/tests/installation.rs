//! An installation: the rights, Secrets, files and first commit that the daemons find, before any daemon runs.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ListParams, PostParams};
use lockstep_testkit::{Daemon, GitWay, Names, Story, shared};

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn everything_that_the_daemons_need_is_there() {
    let plane = shared().await.unwrap();
    for (way, keys) in
        [(GitWay::Https, ["ca.crt", "password", "username"].as_slice()), (GitWay::Ssh, &["identity", "known_hosts"])]
    {
        let sync_namespace = plane.fresh_namespace("installation").await.unwrap();
        let names =
            Names { workloads: "default".to_owned(), sync: "shop".to_owned(), sync_namespace: sync_namespace.clone() };
        let story = Story::begin(plane, names, way, PATIENCE).await.unwrap();

        let daemon = plane.client_as("lockstep", "lockstep-synchronizer").await.unwrap();
        let secrets: Api<Secret> = Api::namespaced(daemon.clone(), &sync_namespace);
        let found = secrets.get("git-credentials").await.unwrap().data.unwrap();
        assert_eq!(found.keys().map(String::as_str).collect::<Vec<_>>(), keys);
        let deployments: Api<Deployment> = Api::default_namespaced(daemon);
        assert!(deployments.list(&ListParams::default()).await.unwrap().items.is_empty());

        let installation = story.installation();
        installation.create_sync(plane, story.git()).await.unwrap();
        assert_eq!(story.sync().await.unwrap()["spec"]["prune"]["enabled"], true, "the defaults of the definition");
        for daemon in [Daemon::Automator, Daemon::Synchronizer] {
            for file in [installation.settings(daemon), installation.person_token_file(daemon)] {
                let mode = fs::metadata(&file).unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o600, "{}", file.display());
            }
            assert!(!installation.is_ready(daemon).await, "nothing runs yet");
        }
        assert_eq!(story.registry().tags("shop/web").await.unwrap(), ["1.4.2"]);
        assert!(story.human().show("clusters/demo/web.yaml").unwrap().contains("shop/web:1.4.2"));
        let folder = installation.folder().to_owned();
        drop(story);
        assert!(!folder.exists());
    }
    let daemon = plane.client_as("lockstep", "lockstep-synchronizer").await.unwrap();
    let nowhere: Api<Secret> = Api::namespaced(daemon, "kube-public");
    let secret = Secret {
        metadata: kube::api::ObjectMeta { name: Some("x".into()), ..Default::default() },
        ..Secret::default()
    };
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    assert!(nowhere.create(&dry, &secret).await.is_ok(), "the aggregated role is in force");
}
