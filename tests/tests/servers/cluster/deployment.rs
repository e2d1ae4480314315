//! `deploy/kustomize/base` is one that a real API server takes whole, and whose pods are let in and come up.

use std::fs;
use std::path::Path;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use lockstep_testkit::eventually;

use crate::plane;

const BASE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/kustomize/base");

#[tokio::test(flavor = "multi_thread")]
async fn both_daemons_are_let_in_as_they_are_shipped() {
    let plane = plane::defined().await;
    let kustomization = fs::read_to_string(Path::new(BASE).join("kustomization.yaml")).unwrap();
    let files: Vec<&str> = kustomization
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- "))
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    assert_eq!(files.len(), 7, "{files:?}");
    for file in files {
        plane.apply_yaml(&fs::read_to_string(Path::new(BASE).join(file)).unwrap()).await.unwrap();
    }

    let deployments: Api<Deployment> = Api::namespaced(plane.admin_client().await.unwrap(), "lockstep");
    for name in ["lockstep-automator", "lockstep-synchronizer"] {
        // The namespace admits restricted pods only.
        eventually(Duration::from_secs(60), &format!("{name} to be available"), async || {
            let status = deployments.get(name).await.unwrap().status.unwrap_or_default();
            status.available_replicas == Some(1)
        })
        .await
        .unwrap();
    }
}
