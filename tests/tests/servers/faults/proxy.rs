//! The proxy itself: without a fault it is not there, and each fault is what it says.

use std::{pin::pin, time::Duration};

use futures::{StreamExt, TryStreamExt};
use kube::{
    Client, Config,
    api::{ListParams, WatchEvent, WatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use lockstep_testkit::{Answer, Fault, FaultProxy, Requests, Times, Trick, shared};
use serde_json::json;

use super::bed::config_map;
use crate::plane::api;

/// A client that tries each call once.
async fn client(proxy: &FaultProxy, namespace: &str) -> Client {
    let plane = shared().await.unwrap();
    let direct = plane.kubeconfig_for(namespace, "default").await.unwrap();
    let kubeconfig = Kubeconfig::read_from(proxy.kubeconfig(&direct).unwrap()).unwrap();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

fn refusal(error: kube::Error) -> (u16, String) {
    let kube::Error::Api(status) = error else { panic!("{error}") };
    (status.code, status.reason)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_forwards_and_injects() {
    let plane = shared().await.unwrap();
    let namespace = plane.fresh_namespace("proxy").await.unwrap();
    let right = format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: default, namespace: {namespace}}}\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: edit, namespace: {namespace}}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}}\n\
         subjects: [{{kind: ServiceAccount, name: default, namespace: {namespace}}}]\n"
    );
    plane.apply_yaml(&format!("{right}---\n{}", config_map(&namespace, "a", "1"))).await.unwrap();
    let proxy = FaultProxy::start(plane).unwrap();
    let maps = api(&client(&proxy, &namespace).await, "", "v1", "ConfigMap", Some(&namespace));
    let get = Requests::with(&["get"]).of("configmaps").named("a");
    lockstep_testkit::eventually(super::bed::PATIENCE, "the right to read", async || maps.get("a").await.is_ok())
        .await
        .unwrap();

    // Nothing reaches the API server, and its answer is another.
    let answer = Answer::status(429, "TooManyRequests", "slow down").retry_after(3);
    let refused = proxy.inject(get.clone(), Times::First(1), Fault::Answer(answer));
    assert_eq!(refusal(maps.get("a").await.unwrap_err()), (429, "TooManyRequests".to_owned()));
    assert_eq!(maps.get("a").await.unwrap().data["data"]["v"], "1");
    assert_eq!(refused.hits(), 1);

    // An answer that is changed, and one that is lost after the deed.
    let edited = proxy.inject(get.clone(), Times::Always, Fault::edit(|map| map["data"]["v"] = json!("2")));
    assert_eq!(maps.get("a").await.unwrap().data["data"]["v"], "2");
    edited.lift();
    let lost = proxy.inject(Requests::with(&["delete"]), Times::Always, Fault::LoseAnswer);
    assert!(maps.delete("a", &Default::default()).await.is_err());
    lost.lift();
    assert_eq!(refusal(maps.get("a").await.unwrap_err()).0, 404);

    // A request that is held is in flight until it is let go.
    let held = proxy.inject(get.clone(), Times::Always, Fault::Hold);
    let (first, second) = tokio::join!(maps.get_opt("a"), async {
        let waits = async || proxy.seen(&get).last().is_some_and(|seen| seen.fault.as_deref() == Some("Hold"));
        lockstep_testkit::eventually(super::bed::PATIENCE, "a request that waits", waits).await.unwrap();
        let answered = proxy.seen(&get).last().unwrap().ended;
        held.lift();
        answered
    });
    assert!(first.unwrap().is_none() && second.is_none());

    // Watches are streamed; what is said in them comes through; a cut is an error.
    let watches = Requests::with(&["watch"]).of("configmaps");
    let version = maps.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    let mut events = pin!(maps.watch(&WatchParams::default(), &version).await.unwrap());
    plane.apply_yaml(&config_map(&namespace, "b", "1")).await.unwrap();
    assert!(
        matches!(events.try_next().await.unwrap(), Some(WatchEvent::Added(map)) if map.metadata.name.as_deref() == Some("b"))
    );
    assert_eq!((proxy.open_watches(&watches), proxy.trick(&watches, &Trick::gone())), (1, 1));
    assert!(matches!(events.next().await, Some(Ok(WatchEvent::Error(status))) if status.code == 410));
    assert_eq!(proxy.trick(&watches, &Trick::Stall), 1);
    plane.apply_yaml(&config_map(&namespace, "c", "1")).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(200), events.next()).await.is_err());
    assert_eq!(proxy.trick(&watches, &Trick::Cut), 1);
    assert!(!matches!(events.next().await, Some(Ok(_))));

    // The door is shut, and opens again under the same address.
    proxy.stop();
    assert!(maps.get("b").await.is_err());
    proxy.resume().unwrap();
    assert!(maps.get("b").await.is_ok());
}
