//! The servers, the clusters, and the automator, which can be killed.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use camino::Utf8PathBuf;
use lockstep_api::v1::updates_client::UpdatesClient;
use lockstep_api::v1::{Image, ListImagesRequest, ScanRequest};
use lockstep_daemon::{AuthenticatedChannel, Endpoint, SecretFile, TokenFile, connect};
use lockstep_testkit::{
    ControlPlane, DaemonProcess, GitServer, Human, Registry, RegistryOptions, eventually, free_ports,
};
use tempfile::TempDir;

use super::clusters::Cluster;
use super::shop;
use crate::{plane, process};

pub(super) const SOON: Duration = Duration::from_secs(60);

pub(super) struct Bed {
    pub(super) plane: &'static ControlPlane,
    pub(super) registry: Registry,
    pub(super) git: GitServer,
    pub(super) human: Human,
    pub(super) clusters: Vec<Cluster>,
    daemon: Option<DaemonProcess>,
    /// The head after which the automator was killed last.
    killed_at: String,
    pub(super) kills: usize,
    grpc: u16,
    admin: u16,
    folder: TempDir,
}

fn path(folder: &TempDir, name: &str) -> Utf8PathBuf {
    Utf8PathBuf::from_path_buf(folder.path().join(name)).unwrap()
}

impl Bed {
    /// Everything but daemons and commits.
    pub(super) async fn new() -> Self {
        let plane = plane::defined().await;
        let registry = Registry::start(RegistryOptions::default()).await.unwrap();
        let git = GitServer::start(Default::default()).unwrap();
        let human = git.human().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let [grpc, admin] = free_ports().unwrap();
        let mut tokens = String::new();
        for (name, roles) in [("eu", "[vote]"), ("us", "[vote]"), ("guest", "[read]"), ("alice", "[read, scan]")] {
            fs::write(folder.path().join(name), format!("token-of-{name}")).unwrap();
            let hash = TokenFile::hash(&format!("token-of-{name}").into());
            tokens.push_str(&format!("- {{name: {name}, sha256: {hash}, roles: {roles}}}\n"));
        }
        fs::write(folder.path().join("tokens.yaml"), tokens).unwrap();
        let settings = format!(
            "repositories: [{{url: '{}', paths: [clusters]}}]\nregistries: [{{host: '{}'}}]\n\
             intervals: {{registries: 500ms, registries-longest: 500ms, git: 500ms, batch: 200ms, settle: 0s}}\ndata: {}\n\
             listen: {{grpc: '127.0.0.1:{grpc}', admin: '127.0.0.1:{admin}'}}\ntokens-file: {}\n",
            git.http_url(),
            registry.address(),
            path(&folder, "data"),
            path(&folder, "tokens.yaml"),
        );
        fs::write(folder.path().join("settings.yaml"), settings).unwrap();
        let mut clusters = Vec::new();
        for name in ["eu", "us", "guest"] {
            let automator = endpoint(&folder, grpc, name);
            clusters.push(Cluster::make(plane, name, automator, folder.path()).await);
        }
        let (daemon, killed_at, kills) = (None, String::new(), 0);
        Self { plane, registry, git, human, clusters, daemon, killed_at, kills, grpc, admin, folder }
    }

    pub(super) fn cluster(&self, name: &str) -> &Cluster {
        self.clusters.iter().find(|cluster| cluster.name == name).unwrap()
    }

    /// Starts the automator.
    pub(super) fn start(&mut self) {
        let command = process::command("automator", &self.folder.path().join("settings.yaml"));
        self.daemon = Some(DaemonProcess::start("automator", command, self.folder.path()).unwrap());
        self.killed_at = self.human.head().unwrap();
    }

    /// Kills the automator in whatever it is doing, and deletes everything that it has on disk.
    pub(super) fn kill(&mut self) {
        self.daemon.take().unwrap().kill();
        let data = self.folder.path().join("data");
        if data.exists() {
            fs::remove_dir_all(data).unwrap();
        }
        self.kills += 1;
    }

    /// Waits until `condition` holds. After each commit, whoever made it, the automator is killed, and starts anew.
    pub(super) async fn until(&mut self, what: &str, mut condition: impl AsyncFnMut(&Self) -> bool) {
        let mut holds = false;
        while !holds {
            let head = self.human.head().unwrap();
            if self.daemon.is_some() && head != self.killed_at {
                self.kill();
                self.start();
            }
            let mut seen = false;
            let killed_at = &self.killed_at;
            let waited = eventually(SOON, what, async || {
                holds = condition(self).await;
                seen = self.daemon.is_some() && self.human.head().is_ok_and(|head| head != *killed_at);
                holds || seen
            })
            .await;
            if let Err(error) = waited {
                panic!("{error}\n{:#?}\n{:#?}\n{}", self.tags(), self.human.log(), self.log());
            }
        }
    }

    /// The last words of the automator.
    fn log(&self) -> String {
        let text = fs::read_to_string(self.folder.path().join("automator.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// What Git holds: the tag of each workload, by `CLUSTER/NAME`.
    pub(super) fn tags(&self) -> BTreeMap<String, String> {
        let tag = |workload: &shop::Workload| {
            let text = self.human.show(&workload.file()).unwrap();
            let (_, rest) =
                text.split_once(&format!("image: {}", workload.image(&self.registry.address(), ""))).unwrap();
            (format!("{}/{}", workload.cluster, workload.name), rest[..5].to_owned())
        };
        shop::ALL.iter().map(tag).collect()
    }

    /// A client with a token of this name.
    fn client(&self, name: &str) -> UpdatesClient<AuthenticatedChannel> {
        UpdatesClient::new(connect(&endpoint(&self.folder, self.grpc, name)).unwrap())
    }

    /// Waits until the clusters that may vote have said their state to the automator, then lets it look at everything once;
    /// the commits that come of it.
    pub(super) async fn look(&mut self) -> Vec<String> {
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
        let url = format!("http://127.0.0.1:{}/metrics", self.admin);
        self.until("both clusters to have spoken", async |_| {
            let Ok(answer) = http.get(&url).send().await else { return false };
            let text = answer.text().await.unwrap_or_default();
            text.contains("lockstep_automator_streams 2\n") && text.contains("lockstep_automator_syncs 2\n")
        })
        .await;
        let answer = self.client("alice").scan(ScanRequest::default()).await.unwrap().into_inner();
        assert_eq!(answer.errors, Vec::<String>::new());
        answer.commits
    }

    pub(super) async fn metrics(&self) -> String {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://127.0.0.1:{}/metrics", self.admin);
        http.get(&url).send().await.unwrap().text().await.unwrap()
    }

    /// What the automator says of the image of a workload, once it knows it.
    pub(super) async fn image(&self, cluster: &str, name: &str) -> Option<Image> {
        let answer = self.client("alice").list_images(ListImagesRequest {}).await.ok()?.into_inner();
        let file = format!("clusters/{cluster}/{name}.yaml");
        answer.images.into_iter().find(|image| image.file == file && image.container == "main")
    }
}

fn endpoint(folder: &TempDir, port: u16, name: &str) -> Endpoint {
    Endpoint {
        address: format!("http://127.0.0.1:{port}"),
        token_file: Some(SecretFile::new(path(folder, name))),
        ca_file: None,
    }
}
