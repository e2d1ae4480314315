//! The automator with everything on TLS, and a cluster played by the test: an update, its proven failure, the revert.

use std::fs;
use std::path::Path;
use std::time::Duration;

use camino::Utf8PathBuf;
use futures::stream;
use lockstep_api::v1::change_request::Change;
use lockstep_api::v1::updates_client::UpdatesClient;
use lockstep_api::v1::{
    Automate, ChangeRequest, ClusterEvent, Deautomate, ExplainRequest, HistoryRequest, ListImagesRequest, Lock,
    Release, RepositoryEvent, ScanRequest, SetPolicy, Subject, Unlock, Verdict, Workload,
};
use lockstep_automator::{Listing, Settings, preview, start};
use lockstep_daemon::{
    AuthenticatedChannel, Endpoint, ListenAddress, SecretFile, Shutdown, Sources, Tasks, TokenFile, connect,
};
use lockstep_testkit::{
    Authority, GitServer, GitServerOptions, Human, Notify, Registry, RegistryOptions, eventually, free_ports,
};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

const SOON: Duration = Duration::from_secs(60);
const FILE: &str = "clusters/prod/web.yaml";

struct Bed {
    registry: Registry,
    git: GitServer,
    human: Human,
    folder: TempDir,
    webhook_port: u16,
    daemon: JoinSet<()>,
    shutdown: Shutdown,
    grpc: String,
}

impl Bed {
    async fn new() -> Self {
        let login = |name: &str| Some((name.to_owned(), SecretString::from(format!("password-of-{name}"))));
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new().unwrap();
        let certificate = authority.server_certificate().unwrap();
        for (name, text) in
            [("ca.crt", authority.pem()), ("tls.crt", &certificate.certificate_pem), ("tls.key", &certificate.key_pem)]
        {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let [webhook_port] = free_ports().unwrap();
        let notify = Notify {
            url: format!("https://127.0.0.1:{webhook_port}/webhooks/distribution"),
            authorization: Some("Bearer hook".into()),
        };
        let options = RegistryOptions { htpasswd: login("puller"), tls: true, notify: Some(notify) };
        let registry = Registry::start_trusting(options, &authority).await.unwrap();
        let options = GitServerOptions { basic: login("lockstep"), tls: true, ..GitServerOptions::default() };
        let git = GitServer::start(options).unwrap();
        let human = git.human().unwrap();
        let (daemon, shutdown) = (JoinSet::new(), Shutdown::new());
        Self { registry, git, human, folder, webhook_port, daemon, shutdown, grpc: String::new() }
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8PathBuf::from_path_buf(self.folder.path().join(name)).unwrap()
    }

    fn image(&self, tag: &str) -> String {
        format!("{}/shop/web:{tag}", self.registry.address())
    }

    fn deployment(&self, tag: &str) -> String {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  namespace: shop\n  annotations:\n    \
             lockstep.dev/automated: \"true\"\n    lockstep.dev/policy: semver:~1.4\n    \
             lockstep.dev/on-failure: revert\nspec:\n  template:\n    spec:\n      containers:\n        - name: web\n          \
             image: {}\n",
            self.image(tag)
        )
    }

    /// The settings. Registries are looked at once an hour, so only hints explain that it is quick.
    fn settings(&self) -> Settings {
        let mut tokens = String::new();
        for (name, roles) in [("prod-eu", "vote"), ("alice", "read, scan"), ("carol", "read, release")] {
            self.file(name, &format!("token-of-{name}\n"));
            let hash = TokenFile::hash(&format!("token-of-{name}").into());
            tokens.push_str(&format!(
                "- {{name: {name}, sha256: {hash}, roles: [{roles}], email: {name}@example.com}}\n"
            ));
        }
        let text = format!(
            "repositories:\n- url: {}\n  paths: [clusters/prod]\n  ca-file: {}\n  \
             credentials: {{username: lockstep, password-file: {}}}\n\
             registries:\n- {{host: '{}', username: puller, password-file: {}, ca-file: {}}}\n\
             intervals: {{registries: 1h, git: 1h, batch: 0s, settle: 0s}}\ndata: {}\n\
             listen: {{grpc: '127.0.0.1:0', admin: '127.0.0.1:0', webhook: '127.0.0.1:{}'}}\n\
             tls: {{certificate-file: {}, key-file: {}}}\ntokens-file: {}\nwebhooks: [{{kind: distribution, secret-file: {}}}]\n",
            self.git.http_url(),
            self.file("git-ca.crt", self.git.ca_pem().unwrap()),
            self.file("git-password", "password-of-lockstep"),
            self.registry.address(),
            self.file("registry-password", "password-of-puller"),
            self.file("registry-ca.crt", self.registry.ca_pem().unwrap()),
            self.path("data"),
            self.webhook_port,
            self.path("tls.crt"),
            self.path("tls.key"),
            self.file("tokens.yaml", &tokens),
            self.file("hook", "Bearer hook"),
        );
        let file = Path::new(&self.file("settings.yaml", &text)).to_owned();
        let file = Utf8PathBuf::from_path_buf(file).unwrap();
        Settings::load(&Sources::new().file(Some(file))).unwrap()
    }

    async fn start(&mut self) {
        let settings = self.settings();
        let mut tasks = Tasks::new();
        self.shutdown = tasks.shutdown();
        let addresses = start(settings, &mut tasks).await.unwrap();
        let Some(ListenAddress::Tcp(grpc)) = addresses.grpc else { panic!("no gRPC port") };
        self.grpc = format!("https://localhost:{}", grpc.port());
        self.daemon.spawn(async move {
            tasks.run_until(stream::pending(), Duration::from_secs(10)).await.unwrap();
        });
    }

    async fn stop_and_forget(&mut self) {
        self.shutdown.request();
        self.daemon.join_next().await.unwrap().unwrap();
        fs::remove_dir_all(self.path("data")).unwrap();
    }

    fn client(&self, name: &str) -> UpdatesClient<AuthenticatedChannel> {
        let endpoint = Endpoint {
            address: self.grpc.clone(),
            token_file: Some(SecretFile::new(self.path(name))),
            ca_file: Some(self.path("ca.crt")),
        };
        UpdatesClient::new(connect(&endpoint).unwrap())
    }

    async fn exchange(&self) -> Cluster {
        let (reports, receiver) = mpsc::channel(8);
        let events = self.client("prod-eu").exchange(ReceiverStream::new(receiver)).await.unwrap().into_inner();
        Cluster { reports, events }
    }

    /// Looks now, and says which commits that led to.
    async fn scan(&self) -> Vec<String> {
        let response = self.client("alice").scan(ScanRequest::default()).await.unwrap().into_inner();
        assert_eq!((response.places, response.errors), (1, Vec::new()));
        response.commits
    }

    /// Asks for a change of the shop in somebody's name; the commit, or why not.
    async fn change(&self, who: &str, change: Change) -> Result<String, String> {
        let request = ChangeRequest { subject: Some(shop()), change: Some(change) };
        let answer = self.client(who).change(request).await;
        answer.map(|answer| answer.into_inner().commit).map_err(|status| status.message().to_owned())
    }

    fn report(&self, previous: &str, applied: &str, tag: &str, verdict: Verdict) -> ClusterEvent {
        ClusterEvent {
            sync: "lockstep/shop".to_owned(),
            repository: self.git.http_url(),
            branch: "main".to_owned(),
            path: "clusters/prod".to_owned(),
            applied_commit: applied.to_owned(),
            previous_commit: previous.to_owned(),
            workloads: vec![Workload {
                group: "apps".to_owned(),
                kind: "Deployment".to_owned(),
                namespace: "shop".to_owned(),
                name: "web".to_owned(),
                container: "web".to_owned(),
                reference: self.image(tag),
                verdict: verdict.into(),
                message: "pod web-1: ImagePullBackOff".to_owned(),
                ..Workload::default()
            }],
            observed_at: None,
        }
    }
}

#[tokio::test]
async fn a_folder_is_looked_at_with_a_real_registry_and_nothing_is_written() {
    let bed = Bed::new().await;
    for tag in ["1.4.2", "1.4.3", "1.5.0"] {
        bed.registry.push_image("shop/web", tag, None).await.unwrap();
    }
    bed.human.write(FILE, &bed.deployment("1.4.2")).unwrap();
    let head = bed.human.commit("Deploy the shop").unwrap();
    let settings = bed.settings();
    fs::create_dir(bed.path("data")).unwrap();
    let missing =
        bed.deployment("1.4.2").replace("/shop/web:", "/shop/none:").replace("name: web\n  n", "name: none\n  n");
    let files = [(FILE, bed.deployment("1.4.2")), ("clusters/prod/x.yaml", missing)];
    let files: Vec<(String, Vec<u8>)> =
        files.into_iter().map(|(path, text)| (path.to_owned(), text.into_bytes())).collect();
    let asked = preview(files.clone(), &settings, Listing::Asked).await.unwrap();
    let selected = |number: usize| asked.places[number].selected.as_deref();
    assert_eq!((asked.places.len(), selected(0), selected(1)), (2, Some("1.4.3"), None), "{asked:?}");
    assert!(asked.problems.iter().any(|problem| problem.message.contains("shop/none")), "{:?}", asked.problems);
    let assumed = preview(files, &settings, Listing::Assumed).await.unwrap();
    assert!(assumed.problems.is_empty() && assumed.places.iter().all(|place| place.selected.is_none()), "{assumed:?}");
    assert_eq!(bed.human.head().unwrap(), head);
}

fn shop() -> Subject {
    Subject { name: "deploy/shop/web".to_owned(), ..Subject::default() }
}

struct Cluster {
    reports: mpsc::Sender<ClusterEvent>,
    events: Streaming<RepositoryEvent>,
}

impl Cluster {
    /// The next head that it is told of.
    async fn head(&mut self) -> String {
        let event = timeout(SOON, self.events.message()).await.expect("a head in time").unwrap().unwrap();
        assert_eq!(event.branch, "main");
        event.commit
    }
}

#[tokio::test]
async fn a_proven_failure_is_reverted_once_and_the_tag_does_not_come_back() {
    let mut bed = Bed::new().await;
    bed.registry.push_image("shop/web", "1.4.2", None).await.unwrap();
    bed.human.write(FILE, &bed.deployment("1.4.2")).unwrap();
    let begin = bed.human.commit("Deploy the shop").unwrap();
    bed.start().await;
    let mut cluster = bed.exchange().await;
    cluster.reports.send(bed.report("", &begin, "1.4.2", Verdict::Live)).await.unwrap();
    assert_eq!(cluster.head().await, begin);
    assert_eq!(bed.scan().await, Vec::<String>::new());

    bed.registry.push_image("shop/web", "1.4.3", None).await.unwrap();
    let update = cluster.head().await;
    assert_eq!(bed.human.head().unwrap(), update, "the registry's notification led to it");
    assert_eq!(bed.human.show(FILE).unwrap().trim(), bed.deployment("1.4.3").trim());

    cluster.reports.send(bed.report(&begin, &update, "1.4.3", Verdict::Progressing)).await.unwrap();
    cluster.reports.send(bed.report(&begin, &update, "1.4.3", Verdict::Failed)).await.unwrap();
    let revert = cluster.head().await;
    assert_eq!(bed.human.show(FILE).unwrap().trim(), bed.deployment("1.4.2").trim());
    let message = bed.human.message(&revert).unwrap();
    for part in ["Revert shop/web to 1.4.2", "Lockstep-Change: revert", "prod-eu", "ImagePullBackOff", &update] {
        assert!(message.contains(part), "{part} is not in\n{message}");
    }

    // The same word again, and a look at the registry, change nothing.
    cluster.reports.send(bed.report(&begin, &update, "1.4.3", Verdict::Failed)).await.unwrap();
    assert_eq!(bed.scan().await, Vec::<String>::new());
    bed.stop_and_forget().await;
    bed.start().await;
    let mut cluster = bed.exchange().await;
    cluster.reports.send(bed.report(&begin, &update, "1.4.3", Verdict::Failed)).await.unwrap();
    assert_eq!(cluster.head().await, revert);
    assert_eq!(bed.scan().await, Vec::<String>::new());
    let images = bed.client("alice").list_images(ListImagesRequest {}).await.unwrap().into_inner().images;
    assert_eq!((images.len(), images[0].current.clone(), images[0].line), (1, bed.image("1.4.2"), 15));

    bed.registry.push_image("shop/web", "1.4.4", None).await.unwrap();
    assert_eq!(bed.human.message(&cluster.head().await).unwrap().lines().next(), Some("Update shop/web to 1.4.4"));
    bed.shutdown.request();
    eventually(SOON, "the stream ends", async || cluster.events.message().await.is_err()).await.unwrap();
    bed.daemon.join_next().await.unwrap().unwrap();
}

#[tokio::test]
async fn what_people_ask_for_is_committed_in_their_name_and_told_by_the_history() {
    let mut bed = Bed::new().await;
    for tag in ["1.4.1", "1.4.2"] {
        bed.registry.push_image("shop/web", tag, None).await.unwrap();
    }
    bed.human.write(FILE, &bed.deployment("1.4.2")).unwrap();
    bed.human.commit("Deploy the shop").unwrap();
    bed.start().await;
    assert_eq!(bed.scan().await, Vec::<String>::new());
    let release = |tag: &str, force| Change::Release(Release { tag: tag.to_owned(), force });

    let refused = bed.change("alice", release("1.4.1", false)).await.unwrap_err();
    assert_eq!(refused, "alice does not have the role release");
    let lock = bed.change("carol", Change::Lock(Lock { reason: "audit".to_owned() })).await.unwrap();
    assert_eq!(bed.human.head().unwrap(), lock);
    assert!(bed.human.show(FILE).unwrap().contains("    lockstep.dev/locked: audit\n"));
    assert!(bed.change("carol", release("1.4.1", false)).await.unwrap_err().contains("is locked: audit"));
    assert!(bed.change("carol", release("1.9", true)).await.unwrap_err().contains("has no tag 1.9"));
    let back = bed.change("carol", release("1.4.1", true)).await.unwrap();
    let forced = format!("{back} carol: Release shop/web to 1.4.1 by force: ");
    let line = bed.human.log().unwrap().remove(0);
    assert!(line.starts_with(&forced) && line.ends_with("is locked: audit"), "{line}");
    bed.change("carol", Change::Unlock(Unlock {})).await.unwrap();
    assert_eq!(bed.human.show(FILE).unwrap().trim(), bed.deployment("1.4.1").trim(), "no other byte");
    assert_eq!(bed.scan().await, Vec::<String>::new(), "1.4.2 was taken back");

    bed.change("carol", Change::Deautomate(Deautomate {})).await.unwrap();
    bed.registry.push_image("shop/web", "1.4.4", None).await.unwrap();
    assert_eq!(bed.scan().await, Vec::<String>::new(), "nothing is automated");
    let policy = |policy: &str| Change::SetPolicy(SetPolicy { policy: policy.to_owned() });
    bed.change("carol", policy("semver:<1.4.4")).await.unwrap();
    bed.change("carol", Change::Automate(Automate {})).await.unwrap();
    assert_eq!(bed.scan().await, Vec::<String>::new(), "1.4.4 is outside of the range");
    bed.human.pull().unwrap();
    let locked = bed
        .human
        .show(FILE)
        .unwrap()
        .replace("    lockstep.dev/on", "    lockstep.dev/locked: mine\n    lockstep.dev/on");
    bed.human.write(FILE, &locked).unwrap();
    bed.human.commit("Lock it by hand").unwrap();
    assert_eq!(bed.change("carol", policy("semver:~1.4")).await, Ok(bed.human.head().unwrap()));
    assert_eq!(bed.scan().await, Vec::<String>::new(), "a person locked it");
    bed.change("carol", Change::Unlock(Unlock {})).await.unwrap();
    let moved = async || bed.human.show(FILE).is_ok_and(|text| text.contains(&bed.image("1.4.4")));
    eventually(SOON, "1.4.4", moved).await.unwrap();
    assert_eq!(bed.human.show(FILE).unwrap().trim(), bed.deployment("1.4.4").trim());

    bed.stop_and_forget().await;
    bed.start().await;
    assert_eq!(bed.scan().await, Vec::<String>::new());
    let request = ExplainRequest { subject: Some(shop()), limit: 0 };
    let explained = bed.client("alice").explain(request).await.unwrap().into_inner();
    let verdicts: Vec<String> =
        explained.places[0].tags.iter().map(|tag| format!("{} {}", tag.tag, tag.verdict)).collect();
    let begins = ["1.4.4 current", "1.4.2 dropped: ", "1.4.1 dropped: "];
    assert!(verdicts.iter().zip(begins).all(|(verdict, begin)| verdict.starts_with(begin)), "{verdicts:?}");
    assert_eq!(explained.places[0].undone, ["1.4.2"]);

    let mut told = Vec::new();
    let mut page = String::new();
    loop {
        let request = HistoryRequest { subject: Some(shop()), limit: 2, page, ..HistoryRequest::default() };
        let answer = bed.client("alice").history(request).await.unwrap().into_inner();
        told.extend(answer.entries.into_iter().map(|entry| {
            let asked = if entry.requested_by.is_empty() { "" } else { " asked" };
            format!("{} {}{asked}: {}", entry.kind, entry.author, entry.subject)
        }));
        page = answer.next_page;
        if page.is_empty() {
            break;
        }
    }
    let expected = [
        "update Lockstep: Update shop/web to 1.4.4",
        "unlock carol asked: Unlock shop/web",
        "policy carol asked: Set the policy of shop/web to semver:~1.4",
        "edit Hanna Human: Lock it by hand",
        "automate carol asked: Automate shop/web",
        "policy carol asked: Set the policy of shop/web to semver:<1.4.4",
        "deautomate carol asked: Stop automating shop/web",
        "unlock carol asked: Unlock shop/web",
        "release carol asked: Release shop/web to 1.4.1 by force: clusters/prod/web.yaml#Deployment/shop/web/web is locked: audit",
        "lock carol asked: Lock shop/web: audit",
        "edit Hanna Human: Deploy the shop",
    ];
    assert_eq!(told, expected);
    bed.shutdown.request();
    bed.daemon.join_next().await.unwrap().unwrap();
}
