//! Two daemons and one Lease: who works, and what becomes of who cannot be sure any more to be the one.

use std::net::SocketAddr;
use std::time::Duration;

use futures::stream;
use lockstep_daemon::{Period, Shutdown, TaskError};
use lockstep_synchronizer::Synchronizer;
use lockstep_testkit::{Fault, FaultProxy, Requests, Seen, Times};
use tokio::task::JoinSet;

use super::bed::Bed;
use crate::plane::api;

const LEASE: &str = "lockstep-synchronizer";

/// A daemon of the same settings as that of the bed, behind a proxy of its own. It is the first to lead.
struct First {
    proxy: FaultProxy,
    admin: SocketAddr,
    stop: Shutdown,
    running: JoinSet<Result<(), TaskError>>,
    _folder: tempfile::TempDir,
}

fn leases() -> Requests {
    Requests::all().of("leases")
}

/// Writes to anything but the Lease, and reviews, which change nothing.
fn writes(proxy: &FaultProxy) -> Vec<Seen> {
    let writes = proxy.seen(&Requests::writes());
    writes.into_iter().filter(|seen| !matches!(&*seen.asked.resource, "leases" | "tokenreviews")).collect()
}

fn deletions(proxy: &FaultProxy) -> usize {
    proxy.seen(&Requests::with(&["delete"])).len()
}

impl First {
    async fn start(bed: &Bed) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |path: std::path::PathBuf| camino::Utf8PathBuf::from_path_buf(path).unwrap();
        let proxy = FaultProxy::start(bed.plane).unwrap();
        let direct = bed.plane.kubeconfig_for(&bed.namespace, "daemon").await.unwrap();
        let mut settings = bed.settings.clone();
        settings.kubeconfig = Some(path(proxy.kubeconfig(&direct).unwrap()));
        settings.data = path(folder.path().join("data"));
        let started = Synchronizer::start(settings).await.unwrap();
        let (admin, stop) = (started.admin_address(), started.shutdown());
        let mut running = JoinSet::new();
        running.spawn(async move { started.run_until(stream::pending()).await.map(drop) });
        Self { proxy, admin, stop, running, _folder: folder }
    }

    /// The sum of the applies that failed.
    async fn failed_applies(&self) -> f64 {
        self.metric("applies_total", "failed").await
    }

    async fn leads(&self) -> bool {
        self.metric("leader", "").await == 1.0
    }

    /// The sum of the series of a metric whose labels hold this.
    async fn metric(&self, name: &str, label: &str) -> f64 {
        let text = reqwest::get(format!("http://{}/metrics", self.admin)).await.unwrap().text().await.unwrap();
        let start = format!("lockstep_synchronizer_{name}");
        let lines = text.lines().filter(|line| line.starts_with(&start) && line.contains(label));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }
}

/// Two ConfigMaps applied by the first of two daemons, while that of the bed stands by.
async fn two(name: &str, duration: u64) -> (Bed, First, String) {
    let mut bed = Bed::make(name).await;
    let rights = format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: lease, namespace: {0}}}\n\
         rules: [{{apiGroups: [coordination.k8s.io], resources: [leases], verbs: [create]}},\n\
         {{apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [{LEASE}], verbs: [get, patch]}}]\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: lease, namespace: {0}}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: lease}}\n\
         subjects: [{{kind: ServiceAccount, name: daemon, namespace: {0}}}]\n",
        bed.namespace
    );
    bed.plane.apply_yaml(&rights).await.unwrap();
    bed.settings.lease.enabled = true;
    bed.settings.lease.duration = Period::seconds(duration);
    bed.settings.lease.renew = Period::seconds(1);
    for name in ["c0", "c1"] {
        bed.write(name, "1");
    }
    let commit = bed.commit("Open the shop");
    let first = First::start(&bed).await;
    bed.until_ready(&commit).await;
    bed.start().await;
    let looks = Requests::with(&["get"]).of("leases");
    let looked = || bed.proxy.seen(&looks).iter().filter(|seen| seen.code == Some(200)).count();
    bed.wait("the second daemon to stand by", async || looked() > 2).await;
    assert_eq!(bed.admin("ready").await, "ready\n", "it would take over");
    let all = bed.proxy.seen(&Requests::all());
    assert!(all.iter().all(|seen| seen.asked.resource == "leases" && seen.asked.verb == "get"), "{all:#?}");
    assert_eq!((first.leads().await, bed.metric("leader", &[]).await), (true, 0.0));
    (bed, first, commit)
}

async fn holder(bed: &Bed) -> String {
    let lease = api(&bed.client, "coordination.k8s.io", "v1", "Lease", Some(&bed.namespace)).get(LEASE).await.unwrap();
    lease.data["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
}

/// D6: who cannot renew writes nothing more, whatever it has in hand, and the other goes on alone.
#[tokio::test(flavor = "multi_thread")]
async fn d6_who_lost_the_lease_writes_nothing_more() {
    let (bed, mut first, _) = two("d6", 6).await;
    let leader = holder(&bed).await;
    let held = first.proxy.inject(leases(), Times::Always, Fault::Hold);
    let taking = Requests::with(&["patch"]).of("leases");
    bed.wait("the other to lead", async || !bed.proxy.seen(&taking).is_empty()).await;
    let taken = bed.proxy.seen(&taking)[0].began;
    let before = writes(&first.proxy).len();

    bed.remove("c0");
    bed.write("c1", "2");
    // The other waits, so that there is something to do for both.
    let waiting = bed.proxy.inject(Requests::with(&["patch"]).of("configmaps"), Times::Always, Fault::Hold);
    let second = bed.commit("Remove one, change one");
    bed.wait("the first to try", async || first.failed_applies().await > 0.0).await;
    waiting.lift();
    bed.until_ready(&second).await;
    let late: Vec<_> = writes(&first.proxy).split_off(before);
    assert!(late.is_empty(), "{late:#?}");
    assert_eq!((first.leads().await, bed.metric("leader", &[]).await), (false, 1.0), "at most one says that it leads");
    assert!(writes(&first.proxy).iter().all(|seen| seen.began < taken));
    assert!(writes(&bed.proxy).iter().all(|seen| seen.began > taken));
    assert_ne!(holder(&bed).await, leader);

    held.lift();
    let ended = first.running.join_next().await.unwrap().unwrap().unwrap_err().to_string();
    assert!(ended.contains("the lease is lost"), "{ended}");
    assert_eq!((deletions(&first.proxy), deletions(&bed.proxy)), (0, 1), "it is pruned once");
    assert_eq!(writes(&first.proxy).len(), before);
    bed.finish(&second, &["c0"]).await;
}

/// D7: who is asked to stop ends its turn, and the next one leads at once.
#[tokio::test(flavor = "multi_thread")]
async fn d7_who_stops_hands_over_at_once() {
    // So long that nobody waits for the lease to run out.
    let (bed, mut first, _) = two("d7", 600).await;
    let leader = holder(&bed).await;
    // It is in the middle of a turn.
    let slow = Fault::Delay(Duration::from_millis(500));
    let slowed = first.proxy.inject(Requests::with(&["patch"]).of("configmaps"), Times::Always, slow);
    bed.write("c1", "2");
    bed.remove("c0");
    bed.commit("Remove one, change one");
    bed.wait("the turn to begin", async || slowed.hits() > 0).await;
    first.stop.request();
    first.running.join_next().await.unwrap().unwrap().unwrap();
    let mut now = String::new();
    bed.wait("the next one to lead", async || {
        now = holder(&bed).await;
        !now.is_empty() && now != leader
    })
    .await;
    bed.write("c1", "3");
    let third = bed.commit("Change it again");
    bed.until_ready(&third).await;

    let release = first.proxy.seen(&leases()).pop().unwrap();
    assert_eq!((release.asked.verb, release.code), ("patch", Some(200)));
    assert!(writes(&first.proxy).iter().all(|seen| seen.ended.is_some_and(|ended| ended <= release.began)));
    assert!(writes(&bed.proxy).iter().all(|seen| seen.began > release.began));
    assert_eq!(deletions(&first.proxy) + deletions(&bed.proxy), 1, "it is pruned once");
    let pruned_here = deletions(&bed.proxy) == 1;
    bed.finish(&third, if pruned_here { &["c0"] } else { &[] }).await;
}
