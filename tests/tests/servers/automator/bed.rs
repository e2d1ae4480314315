//! A registry, a Git server, a person, and the daemon in this process.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use futures::stream;
use lockstep_automator::{Settings, start};
use lockstep_daemon::{Shutdown, Sources, Tasks};
use lockstep_testkit::{GitServer, GitServerOptions, Human, Notify, Registry, RegistryOptions, eventually, free_ports};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use tokio::task::JoinSet;

pub(super) const SOON: Duration = Duration::from_secs(60);

/// How the daemon reaches Git.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Http,
    Ssh,
}

pub(super) struct Bed {
    pub(super) git: GitServer,
    pub(super) human: Human,
    pub(super) registry: Registry,
    pub(super) folder: TempDir,
    way: Way,
    /// More settings of the repository, in flow style: `, KEY: VALUE`.
    pub(super) more: String,
    /// The admin port of the daemon in this process.
    admin: Option<SocketAddr>,
    webhook_port: u16,
    daemon: JoinSet<()>,
    shutdown: Shutdown,
}

impl Bed {
    /// Everything but the daemon.
    pub(super) async fn new(way: Way) -> Self {
        let [webhook_port] = free_ports().unwrap();
        let notify = Notify {
            url: format!("http://127.0.0.1:{webhook_port}/webhooks/distribution"),
            authorization: Some("Bearer hook".into()),
        };
        let registry =
            Registry::start(RegistryOptions { notify: Some(notify), ..RegistryOptions::default() }).await.unwrap();
        let basic = Some(("lockstep".to_owned(), "s3cret".into()));
        let git = GitServer::start(GitServerOptions { basic, ..GitServerOptions::default() }).unwrap();
        let human = git.human().unwrap();
        let folder = tempfile::tempdir().unwrap();
        Self {
            git,
            human,
            registry,
            folder,
            way,
            more: String::new(),
            admin: None,
            webhook_port,
            daemon: JoinSet::new(),
            shutdown: Shutdown::new(),
        }
    }

    /// The image of the shop with a tag.
    pub(super) fn image(&self, tag: &str) -> String {
        format!("{}/shop/web:{tag}", self.registry.address())
    }

    /// The Deployment of the shop, with some of what people write into their files.
    pub(super) fn deployment(&self, annotations: &[&str], tag: &str) -> String {
        let mut text = String::from(
            "# The shop.\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  namespace: shop\n  annotations:\n",
        );
        for annotation in annotations {
            let _ = writeln!(text, "    lockstep.dev/{annotation}");
        }
        let image = self.image(tag);
        let _ = write!(
            text,
            "spec:\n  replicas: 2\n  template:\n    spec:\n      containers:\n        - name: web\n          image: '{image}'   # moves\n          args: [ --fast ]\n"
        );
        text
    }

    /// Starts the daemon as its settings file says.
    pub(super) async fn start(&mut self) {
        let file = self.settings_file();
        let file = camino::Utf8PathBuf::from_path_buf(file).unwrap();
        let settings = Settings::load(&Sources::new().file(Some(file))).unwrap();
        let mut tasks = Tasks::new();
        self.shutdown = tasks.shutdown();
        self.admin = Some(start(settings, &mut tasks).await.unwrap().admin);
        self.daemon.spawn(async move {
            tasks.run_until(stream::pending(), Duration::from_secs(10)).await.unwrap();
        });
    }

    /// Stops the daemon, and deletes everything that it has on disk.
    pub(super) async fn stop_and_forget(&mut self) {
        self.shutdown.request();
        while let Some(ended) = self.daemon.join_next().await {
            ended.unwrap();
        }
        fs::remove_dir_all(self.folder.path().join("data")).unwrap();
    }

    /// Writes a file beside the settings, and answers its path.
    pub(super) fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Waits until the metrics of the daemon in this process have this text.
    pub(super) async fn until_metric(&self, text: &str) {
        let url = format!("http://{}/metrics", self.admin.unwrap());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let there = async || match http.get(&url).send().await {
            Ok(answer) => answer.text().await.is_ok_and(|metrics| metrics.contains(text)),
            Err(_) => false,
        };
        eventually(SOON, text, there).await.unwrap();
    }

    /// Writes the settings of the daemon.
    pub(super) fn settings_file(&self) -> std::path::PathBuf {
        let (folder, more) = (self.folder.path(), &self.more);
        let file = |name: &str, text: &str| self.file(name, text);
        let (url, credentials) = match self.way {
            Way::Http => {
                (self.git.http_url(), format!("{{username: lockstep, password-file: {}}}", file("password", "s3cret")))
            }
            Way::Ssh => {
                let identity = file("identity", self.git.ssh_identity().expose_secret());
                let hosts = file("known_hosts", &self.git.known_hosts().unwrap());
                (self.git.ssh_url(), format!("{{identity-file: {identity}, known-hosts-file: {hosts}}}"))
            }
        };
        let (registry, data, hook) =
            (self.registry.address(), folder.join("data").display().to_string(), file("hook", "Bearer hook"));
        let text = format!(
            "repositories:\n- {{url: '{url}', branch: main, paths: [clusters/prod], credentials: {credentials}{more}}}\nregistries: [{{host: '{registry}'}}]\nintervals: {{registries: 1s, registries-longest: 1s, git: 500ms, batch: 500ms}}\ndata: {data}\nlisten: {{admin: '127.0.0.1:0', webhook: '127.0.0.1:{}'}}\nwebhooks: [{{kind: distribution, secret-file: {hook}}}]\n",
            self.webhook_port
        );
        file("settings.yaml", &text);
        folder.join("settings.yaml")
    }

    /// Waits until the file has this tag on `main`.
    pub(super) async fn until_tag(&self, file: &str, tag: &str) {
        let image = self.image(tag);
        let written = async || self.human.show(file).is_ok_and(|text| text.contains(&image));
        if let Err(error) = eventually(SOON, &format!("{image} in Git"), written).await {
            panic!("{error}: {:?}\n{:?}", self.human.log(), self.human.show(file));
        }
    }

    /// The subjects of our commits, newest first.
    pub(super) fn our_commits(&self) -> Vec<String> {
        let log = self.human.log().unwrap();
        log.iter().filter_map(|line| line.split_once(" Lockstep: ").map(|(_, subject)| subject.to_owned())).collect()
    }
}
