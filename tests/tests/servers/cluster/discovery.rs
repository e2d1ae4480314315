//! What is served, after it changed, and while a part of it is down.

use std::time::Duration;

use lockstep_cluster::Resolution;
use lockstep_plan::Scope;
use lockstep_testkit::{ControlPlane, eventually};
use tokio::sync::OnceCell;

use super::objects::cluster;
use crate::plane::api;

/// Of its own: a group that does not answer makes every daemon careful.
async fn plane() -> &'static ControlPlane {
    static PLANE: OnceCell<ControlPlane> = OnceCell::const_new();
    PLANE.get_or_init(async || ControlPlane::api_only().await.unwrap()).await
}

const WIDGETS: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.discovery.example}
spec:
  group: discovery.example
  scope: Cluster
  names: {kind: Widget, plural: widgets, singular: widget, listKind: WidgetList}
  versions:
  - {name: v2, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
  - {name: v1, served: true, storage: false, schema: {openAPIV3Schema: {type: object}}}
"#;

const BROKEN: &str = r#"
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.broken.example}
spec:
  group: broken.example
  version: v1beta1
  groupPriorityMinimum: 100
  versionPriority: 100
  insecureSkipTLSVerify: true
  service: {namespace: default, name: nobody-is-there}
"#;

#[tokio::test]
async fn a_new_kind_appears_when_asked_again() {
    let plane = plane().await;
    let cluster = cluster(plane).await;
    let before = cluster.discover().await.unwrap();
    assert_eq!(before.served("discovery.example", "Widget"), Resolution::Unknown);
    plane.apply_yaml(WIDGETS).await.unwrap();
    eventually(Duration::from_secs(30), "the CRD to be served", async || {
        cluster.discover().await.unwrap().served("discovery.example", "Widget") != Resolution::Unknown
    })
    .await
    .unwrap();

    let after = cluster.discover().await.unwrap();
    let Resolution::Resolved(kind) = after.served("discovery.example", "Widget") else { panic!("it is served") };
    assert_eq!((kind.resource.api_version.as_str(), kind.scope), ("discovery.example/v2", Scope::Cluster));
    let Resolution::Resolved(kind) = after.resolve("discovery.example", "v1", "Widget") else { panic!("it is served") };
    assert_eq!(kind.resource.plural, "widgets");
    assert_eq!(after.resolve("discovery.example", "v3", "Widget"), Resolution::Unknown);
    let kinds = after.all_kinds();
    assert_eq!(kinds.iter().filter(|kind| kind.resource.kind == "Widget").count(), 1);
    assert!(kinds.iter().all(|kind| kind.resource.kind != "TokenReview"));
}

#[tokio::test]
async fn a_group_that_does_not_answer_is_not_gone() {
    let plane = plane().await;
    let cluster = cluster(plane).await;
    plane.apply_yaml(BROKEN).await.unwrap();
    eventually(Duration::from_secs(30), "the group to be known as unavailable", async || {
        let discovery = cluster.discover().await.unwrap();
        discovery.served("broken.example", "Thing") == Resolution::GroupUnavailable
    })
    .await
    .unwrap();
    let discovery = cluster.discover().await.unwrap();
    assert!(discovery.unavailable().contains(&"broken.example/v1beta1".to_owned()));
    assert!(matches!(discovery.resolve("apps", "v1", "Deployment"), Resolution::Resolved(_)));
    // Nobody deletes a namespace while a group is silent.
    let services = api(&plane.admin_client().await.unwrap(), "apiregistration.k8s.io", "v1", "APIService", None);
    services.delete("v1beta1.broken.example", &Default::default()).await.unwrap();
}
