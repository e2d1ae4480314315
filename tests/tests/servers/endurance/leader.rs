//! Two daemons and one Lease, and the one that leads stands still in the middle of a turn for longer than the Lease lasts.

use std::{fs, path::PathBuf};

use lockstep_testkit::{DaemonProcess, Fault, FaultProxy, Requests, Seen, Times, eventually};
use serde_json::json;
use tempfile::TempDir;

use super::{
    daemon::{self, NAME, PATIENCE},
    stand::{Stand, api, config_map, namespace},
};

const LEASE: &str = "lease: {enabled: true, duration: 6s, renew: 1s}\n";

/// The daemon that stands by, with all of its own.
struct Other {
    proxy: FaultProxy,
    daemon: DaemonProcess,
    folder: TempDir,
}

impl Other {
    async fn start(stand: &Stand) -> Self {
        let (folder, proxy) = (tempfile::tempdir().unwrap(), FaultProxy::start(stand.plane).unwrap());
        let direct = stand.plane.kubeconfig_for(&stand.namespace, "daemon").await.unwrap();
        let kubeconfig: PathBuf = proxy.kubeconfig(&direct).unwrap();
        let settings = folder.path().join("settings.yaml");
        let text = format!(
            "kubeconfig: {}\nnamespaces: [{}]\ndata: {}\nlisten: {{grpc: '127.0.0.1:0', admin: '127.0.0.1:0'}}\n{LEASE}",
            kubeconfig.display(),
            stand.namespace,
            folder.path().join("data").display(),
        );
        fs::write(&settings, text).unwrap();
        let daemon = daemon::start(&settings, folder.path());
        Self { proxy, daemon, folder }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join(format!("{NAME}.log"))).unwrap_or_default()
    }
}

/// The right to the Lease, which the daemon is shipped with in its own namespace.
fn right(namespace: &str) -> String {
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: lease, namespace: {namespace}}}\n\
         rules: [{{apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, create, patch]}}]\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: lease, namespace: {namespace}}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: lease}}\n\
         subjects: [{{kind: ServiceAccount, name: daemon, namespace: {namespace}}}]\n"
    )
}

/// Writes to anything but the Lease that reached the API server.
fn writes(proxy: &FaultProxy) -> Vec<Seen> {
    let writes = proxy.seen(&Requests::writes());
    let counted = |seen: &Seen| !matches!(&*seen.asked.resource, "leases" | "tokenreviews") && seen.code.is_some();
    writes.into_iter().filter(counted).collect()
}

/// D6: the process is stopped (SIGSTOP) while it applies, and goes on (SIGCONT) when another one leads.
#[tokio::test(flavor = "multi_thread")]
async fn d6_who_wakes_up_after_its_lease_writes_nothing() {
    let mut stand = Stand::make("asleep").await;
    stand.plane.apply_yaml(&format!("{}\n---\n{}", namespace(&stand.shop), right(&stand.namespace))).await.unwrap();
    let write = |stand: &Stand, name: &str, value: &str| {
        let map = config_map(&stand.shop, name, json!({"v": value}));
        stand.human.write(&format!("{name}.json"), &map.to_string()).unwrap();
    };
    for name in ["c0", "c1", "c2"] {
        write(&stand, name, "1");
    }
    let first = stand.human.commit("Open the shop").unwrap();
    stand.settings(LEASE);
    stand.start();
    stand.until_ready(&first).await;
    let mut other = Other::start(&stand).await;
    let looks = Requests::with(&["get"]).of("leases");
    stand
        .wait("the second to stand by", async |_| {
            other.proxy.seen(&looks).iter().filter(|seen| seen.code == Some(200)).count() > 2
        })
        .await;

    // It has sent a write that is still on its way, and has a prune before it.
    let held = stand.proxy.inject(Requests::with(&["patch"]).of("configmaps"), Times::Always, Fault::Hold);
    stand.human.remove("c0.json").unwrap();
    write(&stand, "c1", "2");
    let second = stand.human.commit("Remove one, change one").unwrap();
    stand.wait("the turn to begin", async |_| held.hits() > 0).await;
    let mut sleeper = stand.take();
    sleeper.pause().unwrap();
    let before = writes(&stand.proxy).len();
    let taking = Requests::with(&["patch"]).of("leases");
    stand
        .wait("the second to lead", async |_| {
            other.daemon.check().unwrap();
            other.proxy.seen(&taking).iter().any(|seen| seen.code == Some(200))
        })
        .await;
    stand.until_ready(&second).await;

    sleeper.resume().unwrap();
    eventually(PATIENCE, "the first to end", async || sleeper.check().is_err()).await.unwrap();
    assert!(stand.log().contains("the lease is lost"), "{}", stand.log());
    let over = async || stand.proxy.seen(&Requests::all()).iter().all(|seen| seen.ended.is_some());
    eventually(PATIENCE, "its last connection to be closed", over).await.unwrap();
    held.lift();
    let late = writes(&stand.proxy).split_off(before);
    assert!(late.is_empty(), "{late:#?}");
    let pruned = |proxy: &FaultProxy| proxy.seen(&Requests::with(&["delete"])).len();
    assert_eq!((pruned(&stand.proxy), pruned(&other.proxy)), (0, 1), "it is pruned once; {}", other.log());
    let maps = api(&stand.client, "v1", "ConfigMap", Some(&stand.shop));
    assert!(maps.get_opt("c0").await.unwrap().is_none());
    assert_eq!(maps.get("c1").await.unwrap().data["data"]["v"], "2");

    // What it had in hand is not done late either.
    write(&stand, "c2", "2");
    let third = stand.human.commit("Life goes on").unwrap();
    stand.until_ready(&third).await;
    assert_eq!(writes(&stand.proxy).len(), before);
    assert!(daemon::stop(other.daemon).await.success());
}
