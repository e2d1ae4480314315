use std::time::Duration;

use camino::Utf8PathBuf;
use futures::stream;
use lockstep_api::v1::updates_client::UpdatesClient;
use lockstep_api::v1::{Verdict, Workload};
use lockstep_daemon::{
    AuthenticatedChannel, Endpoint, GrpcServer, GrpcServices, ListenAddress, Policy, SecretFile, ServerTls, Tasks,
    TokenFile, Transport, connect,
};
use lockstep_repository::CommitId;
use prometheus_client::registry::Registry;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use super::*;
use crate::board::{BranchState, PlaceState};
use crate::turn::{Outcome, TurnError, Wake};

const URL: &str = "ssh://git@git.example/config.git";

/// The service over TLS on loopback, with tokens for several callers.
struct World {
    folder: tempfile::TempDir,
    service: UpdatesService,
    address: String,
    running: JoinSet<Result<lockstep_daemon::Stopped, lockstep_daemon::TaskError>>,
}

fn commit(digit: char) -> CommitId {
    digit.to_string().repeat(40).parse().unwrap()
}

fn key(branch: &str) -> BranchKey {
    BranchKey { repository: URL.to_owned(), branch: branch.to_owned() }
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| Utf8PathBuf::from_path_buf(folder.path().join(name)).unwrap();
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(path("tls.crt"), certified.cert.pem()).unwrap();
        std::fs::write(path("tls.key"), certified.signing_key.serialize_pem()).unwrap();
        let mut tokens = String::new();
        for (name, roles, repositories) in [
            ("prod-eu", "vote", ""),
            ("elsewhere", "vote", "repositories: [\"https://git.example/other\"]"),
            ("staging", "vote", "paths: [clusters/staging]"),
            ("alice", "read, scan", "repositories: [\"https://git.example/config\"]"),
            ("bob", "read, scan", "repositories: [\"https://git.example/other\"]"),
            ("carol", "read, scan", "paths: [clusters/staging]"),
        ] {
            std::fs::write(path(name), format!("token-of-{name}")).unwrap();
            let hash = TokenFile::hash(&format!("token-of-{name}").into());
            tokens.push_str(&format!("- {{name: {name}, sha256: {hash}, roles: [{roles}], {repositories}}}\n"));
        }
        std::fs::write(path("tokens.yaml"), tokens).unwrap();
        let tls = ServerTls::from_files(&path("tls.crt"), &path("tls.key")).unwrap();
        let server = GrpcServer::bind(&"127.0.0.1:0".parse().unwrap(), Transport::Tls(tls)).await.unwrap();
        let ListenAddress::Tcp(bound) = server.address() else { panic!("no port") };
        let address = format!("https://localhost:{}", bound.port());
        let mut tasks = Tasks::new();
        let service = UpdatesService {
            board: Board::default(),
            notes: Notes::default(),
            clusters: Clusters::default(),
            bells: [(key("main"), Bell::default()), (key("dev"), Bell::default())].into(),
            metrics: Metrics::register(&mut Registry::default()),
            shutdown: tasks.shutdown(),
        };
        let services = GrpcServices::new(lockstep_api::FILE_DESCRIPTOR_SET)
            .serving(lockstep_api::v1::updates_server::UpdatesServer::new(service.clone()));
        let tokens = Arc::new(TokenFile::open(&path("tokens.yaml"), &ROLES).unwrap());
        tasks.spawn("grpc", Policy::Critical, server.serve(services, tokens, tasks.shutdown()));
        let mut running = JoinSet::new();
        running.spawn(tasks.run_until(stream::pending(), Duration::from_secs(30)));
        Self { folder, service, address, running }
    }

    fn client(&self, name: &str) -> UpdatesClient<AuthenticatedChannel> {
        let path = |name: &str| Utf8PathBuf::from_path_buf(self.folder.path().join(name)).unwrap();
        UpdatesClient::new(
            connect(&Endpoint {
                address: self.address.clone(),
                token_file: Some(SecretFile::new(path(name))),
                ca_file: Some(path("tls.crt")),
            })
            .unwrap(),
        )
    }

    /// Opens a stream; reports are sent through the sender.
    async fn exchange(&self, name: &str) -> (mpsc::Sender<ClusterEvent>, Streaming<RepositoryEvent>) {
        let (sender, receiver) = mpsc::channel(8);
        let events = self.client(name).exchange(ReceiverStream::new(receiver)).await.unwrap().into_inner();
        (sender, events)
    }

    async fn stop(mut self) {
        self.service.shutdown.request();
        self.running.join_next().await.unwrap().unwrap().unwrap();
    }
}

fn report(repository: &str, branch: &str) -> ClusterEvent {
    ClusterEvent {
        sync: format!("lockstep/{branch}"),
        repository: repository.to_owned(),
        branch: branch.to_owned(),
        path: String::new(),
        applied_commit: commit('2').to_string(),
        previous_commit: commit('1').to_string(),
        workloads: vec![Workload {
            kind: "Pod".to_owned(),
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
            container: "web".to_owned(),
            reference: "ghcr.io/acme/web:1".to_owned(),
            verdict: Verdict::Failed.into(),
            ..Workload::default()
        }],
        observed_at: None,
    }
}

/// The next event, as branch and commit, in the cluster's own spelling of the repository.
async fn next(events: &mut Streaming<RepositoryEvent>) -> (String, String, String) {
    let event = events.message().await.unwrap().unwrap();
    (event.repository, event.branch, event.commit)
}

#[tokio::test]
async fn a_cluster_hears_of_the_branches_that_it_follows_and_of_no_other() {
    let world = World::new().await;
    world.service.board.announce(&key("main"), commit('2'));
    world.service.board.announce(&key("dev"), commit('3'));
    let (reports, mut events) = world.exchange("prod-eu").await;
    let spelled = "https://git.example/config";
    let told = |branch: &str, digit| (spelled.to_owned(), branch.to_owned(), commit(digit).to_string());
    reports.send(report(spelled, "main")).await.unwrap();
    assert_eq!(next(&mut events).await, told("main", '2'), "the head that was there before");
    world.service.board.announce(&key("dev"), commit('4'));
    world.service.board.announce(&key("main"), commit('5'));
    assert_eq!(next(&mut events).await, told("main", '5'));
    reports.send(report(spelled, "main")).await.unwrap();
    reports.send(report(spelled, "dev")).await.unwrap();
    assert_eq!(next(&mut events).await, told("dev", '4'), "a repeated report repeats nothing");

    let failures = world.service.clusters.failures(URL, "main");
    assert_eq!((failures.len(), failures[0].cluster.as_str()), (1, "prod-eu"));
    world.service.shutdown.request();
    assert_eq!(events.message().await.unwrap_err().code(), Code::Unavailable);
    world.stop().await;
}

#[tokio::test]
async fn a_cluster_that_is_done_reporting_still_listens_and_its_word_stays() {
    let world = World::new().await;
    let (reports, mut events) = world.exchange("prod-eu").await;
    reports.send(report(URL, "main")).await.unwrap();
    drop(reports);
    world.service.board.announce(&key("main"), commit('2'));
    assert_eq!(next(&mut events).await.2, commit('2').to_string());
    drop(events);
    assert_eq!(world.service.clusters.failures(URL, "main").len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn words_about_repositories_of_others_count_nothing() {
    let world = World::new().await;
    // This one may not speak of our repository, that one speaks of one that is not ours.
    let (reports, mut refused) = world.exchange("elsewhere").await;
    reports.send(report(URL, "main")).await.unwrap();
    let (others, mut foreign) = world.exchange("prod-eu").await;
    others.send(report("https://git.example/foreign", "main")).await.unwrap();
    // This one may speak of its own folder.
    let (staging, mut outside) = world.exchange("staging").await;
    for path in ["", "clusters/prod", "clusters/staging-2"] {
        staging.send(ClusterEvent { path: path.to_owned(), ..report(URL, "main") }).await.unwrap();
    }
    // What comes after them in the streams was read after them.
    let broken = ClusterEvent { sync: "x".to_owned(), ..report(URL, "main") };
    for (sender, events) in [(reports, &mut refused), (others, &mut foreign), (staging, &mut outside)] {
        sender.send(broken.clone()).await.unwrap();
        assert_eq!(events.message().await.unwrap_err().code(), Code::InvalidArgument);
    }
    assert_eq!(world.service.clusters.counts(), (0, 0));
    world.stop().await;
}

#[tokio::test]
async fn one_sync_too_many_ends_no_stream() {
    let world = World::new().await;
    for number in 0..1000 {
        let report = ClusterEvent { sync: format!("lockstep/{number}"), ..report(URL, "dev") };
        assert!(world.service.clusters.apply("prod-eu", crate::clusters::Report::read(report).unwrap()));
    }
    let (reports, mut events) = world.exchange("prod-eu").await;
    reports.send(report(URL, "main")).await.unwrap();
    world.service.board.announce(&key("main"), commit('2'));
    assert_eq!(next(&mut events).await.2, commit('2').to_string());
    assert_eq!(world.service.clusters.counts(), (1, 1000));
    world.stop().await;
}

#[tokio::test]
async fn each_call_needs_its_role() {
    let world = World::new().await;
    let denied = |status: Status| assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    denied(world.client("alice").exchange(stream::empty()).await.unwrap_err());
    denied(world.client("prod-eu").scan(ScanRequest::default()).await.unwrap_err());
    denied(world.client("prod-eu").list_images(ListImagesRequest {}).await.unwrap_err());
    denied(world.client("prod-eu").explain(ExplainRequest::default()).await.unwrap_err());
    denied(world.client("prod-eu").history(HistoryRequest::default()).await.unwrap_err());
    let status = world.client("alice").change(ChangeRequest::default()).await.unwrap_err();
    assert_eq!(status.message(), "alice does not have the role release");
    let status = world.client("nobody").list_images(ListImagesRequest {}).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    world.stop().await;
}

#[tokio::test]
async fn images_are_listed_to_who_may_see_their_repository() {
    let world = World::new().await;
    let place = PlaceState {
        file: "web.yaml".to_owned(),
        line: 7,
        object: "Pod/shop/web".to_owned(),
        container: "web".to_owned(),
        current: "ghcr.io/acme/web:1".to_owned(),
        policy: "semver:^1".to_owned(),
        origin: "web.yaml:7".to_owned(),
        automated: true,
        selected: Some("2".to_owned()),
        held: None,
    };
    let held = PlaceState { line: 9, held: Some("locked: x".to_owned()), selected: None, ..place.clone() };
    let at = jiff::Timestamp::UNIX_EPOCH;
    let wrong = crate::board::Problem { category: "manifest", message: "b.yaml:3: not a mapping".to_owned() };
    let state = BranchState {
        head: commit('2'),
        at,
        places: vec![place, held],
        repositories: [].into(),
        problems: vec![wrong],
    };
    world.service.board.publish(&key("main"), state);
    let failure = crate::clusters::Report::read(report(URL, "main")).unwrap();
    world.service.clusters.apply("prod-eu", failure);
    let failure = world.service.clusters.failures(URL, "main").remove(0);
    let judged = crate::revert::Judged { failure, place: None, judgement: crate::revert::Judgement::Hold };
    world.service.notes.put(&key("main"), &[judged]);

    let answer = world.client("alice").list_images(ListImagesRequest {}).await.unwrap().into_inner();
    assert_eq!(answer.problems, ["b.yaml:3: not a mapping"]);
    let images = answer.images;
    assert_eq!((images[0].line, images[0].selected.as_str(), images[0].branch.as_str()), (7, "2", "main"));
    assert!(images[0].held.starts_with("failed in prod-eu"), "{}", images[0].held);
    let both = &images[1].held;
    assert!(images[1].line == 9 && both.starts_with("failed in prod-eu") && both.ends_with("; locked: x"), "{both}");
    let answer = world.client("bob").list_images(ListImagesRequest {}).await.unwrap().into_inner();
    assert_eq!(answer, lockstep_api::v1::ListImagesResponse::default());
    world.stop().await;
}

/// Answers as the loops would.
async fn answer_as_the_loops(service: UpdatesService) {
    let problem = |message: &str| crate::board::Problem { category: "manifest", message: message.to_owned() };
    let outcome = Outcome {
        head: commit('2'),
        pushed: Some(commit('2')),
        moved: Vec::new(),
        places: 3,
        held: 0,
        listed: 1,
        unanswered: 0,
        problems: vec![problem("web.yaml:1: broken"), problem("clusters/staging/web.yaml:2: broken")],
        again_at: None,
    };
    let raced = TurnError::Raced { branch: key("dev"), attempts: 5 };
    for ((_, bell), ended) in service.bells.iter().zip([Ok(outcome), Err(raced)]) {
        bell.rung().await;
        let asked = bell.take();
        assert!(matches!(asked.wake(), Wake::Images(images) if images.len() == 1));
        asked.answer(ended);
    }
}

#[tokio::test]
async fn a_scan_answers_when_every_branch_was_looked_at() {
    let world = World::new().await;
    let mut loops = JoinSet::new();
    loops.spawn(answer_as_the_loops(world.service.clone()));
    let request = ScanRequest { image: "ghcr.io/acme/web".to_owned() };
    let response = world.client("alice").scan(request).await.unwrap().into_inner();
    assert_eq!((response.commits, response.places), (vec![commit('2').to_string()], 3));
    assert_eq!(response.errors.len(), 3, "{:?}", response.errors);
    loops.spawn(answer_as_the_loops(world.service.clone()));
    let request = ScanRequest { image: "ghcr.io/acme/web".to_owned() };
    let response = world.client("carol").scan(request).await.unwrap().into_inner();
    assert_eq!(response.errors[0], "clusters/staging/web.yaml:2: broken");
    assert!(!response.errors.iter().any(|error| error.starts_with("web.yaml")), "{:?}", response.errors);

    for image in ["ghcr.io/acme/web:1.4", "Not An Image"] {
        let status = world.client("alice").scan(ScanRequest { image: image.to_owned() }).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{image}");
    }
    let nothing = world.client("bob").scan(ScanRequest::default()).await.unwrap().into_inner();
    assert_eq!((nothing.places, nothing.errors.len()), (0, 0), "none of the branches are bob's");
    world.stop().await;
}

#[tokio::test]
async fn a_scan_that_waits_ends_with_its_deadline_and_with_the_daemon() {
    let world = World::new().await;
    let mut request = Request::new(ScanRequest::default());
    request.set_timeout(Duration::from_millis(100));
    let code = world.client("alice").scan(request).await.unwrap_err().code();
    assert!(matches!(code, Code::DeadlineExceeded | Code::Cancelled), "{code}");

    world.service.bells[1].1.rung().await;
    let mut client = world.client("alice");
    let mut calls = JoinSet::new();
    calls.spawn(async move { client.scan(ScanRequest::default()).await });
    // It waits once it has rung.
    world.service.bells[1].1.rung().await;
    world.service.shutdown.request();
    assert_eq!(calls.join_next().await.unwrap().unwrap().unwrap_err().code(), Code::Unavailable);
    world.stop().await;
}
