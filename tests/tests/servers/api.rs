//! Both gRPC services as callers meet them: the API server's tokens and rules before the synchronizer, the file of hashed
//! tokens before the automator, and TLS whose certificate changes while they run.

mod looks;

use std::fs;
use std::time::Duration;

use camino::Utf8PathBuf;
use futures::stream;
use lockstep_api::v1::syncs_client::SyncsClient;
use lockstep_api::v1::updates_client::UpdatesClient;
use lockstep_api::v1::{GetRequest, ListImagesRequest, ListRequest, ScanRequest, TriggerRequest, WatchRequest};
use lockstep_daemon::{
    AuthenticatedChannel, Endpoint, ListenAddress, SecretFile, Shutdown, Sources, Tasks, TokenFile, connect,
};
use lockstep_synchronizer::Synchronizer;
use lockstep_testkit::{Authority, ControlPlane, eventually};
use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tonic::{Code, Status};

use crate::plane;

const SOON: Duration = Duration::from_secs(60);

/// A daemon of this process on TLS, and the files of its operator and its callers.
struct Bed {
    folder: TempDir,
    running: JoinSet<()>,
    shutdown: Shutdown,
    url: String,
}

impl Bed {
    fn new() -> Self {
        let bed = Self {
            folder: tempfile::tempdir().unwrap(),
            running: JoinSet::new(),
            shutdown: Shutdown::new(),
            url: String::new(),
        };
        bed.certify("ca.crt");
        bed
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8PathBuf::from_path_buf(self.folder.path().join(name)).unwrap()
    }

    fn file(&self, name: &str, text: &str) -> Utf8PathBuf {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// A new authority, whose certificate is written to `ca`, and a new certificate of the server by it.
    fn certify(&self, ca: &str) {
        let authority = Authority::new().unwrap();
        let certificate = authority.server_certificate().unwrap();
        self.file(ca, authority.pem());
        self.file("tls.crt", &certificate.certificate_pem);
        self.file("tls.key", &certificate.key_pem);
    }

    fn settings(&self, own: &str) -> Sources {
        let text = format!(
            "{own}\ndata: {}\ntls: {{certificate-file: {}, key-file: {}}}\n",
            self.path("data"),
            self.path("tls.crt"),
            self.path("tls.key"),
        );
        Sources::new().file(Some(self.file("settings.yaml", &text)))
    }

    fn serves_at(&mut self, address: &ListenAddress) {
        let ListenAddress::Tcp(address) = address else { panic!("no port: {address}") };
        self.url = format!("https://localhost:{}", address.port());
    }

    /// The synchronizer of this namespace, under the rights that it is shipped with.
    async fn synchronizer(plane: &ControlPlane, namespace: &str, more: &str) -> Self {
        let mut bed = Self::new();
        let kubeconfig = plane.kubeconfig_for("lockstep", "lockstep-synchronizer").await.unwrap();
        let listen = "listen: {grpc: '127.0.0.1:0', admin: '127.0.0.1:0'}";
        let own = format!("kubeconfig: {}\nnamespaces: [{namespace}]\n{listen}{more}", kubeconfig.display());
        let settings = lockstep_synchronizer::Settings::load(&bed.settings(&own)).unwrap();
        let started = Synchronizer::start(settings).await.unwrap();
        bed.serves_at(started.grpc_address());
        bed.shutdown = started.shutdown();
        bed.running.spawn(async move { drop(started.run_until(stream::pending()).await.unwrap()) });
        bed
    }

    async fn automator() -> Self {
        let mut bed = Self::new();
        let mut tokens = String::new();
        for (name, roles) in [("reader", "read"), ("cluster", "vote")] {
            let token = format!("token-of-{name}");
            tokens.push_str(&format!(
                "- {{name: {name}, sha256: {}, roles: [{roles}]}}\n",
                TokenFile::hash(&token.into())
            ));
        }
        let own = format!(
            "repositories: [{{url: 'http://127.0.0.1:1/away.git'}}]\n\
             listen: {{grpc: '127.0.0.1:0', admin: '127.0.0.1:0', webhook: '127.0.0.1:0'}}\ntokens-file: {}",
            bed.file("tokens.yaml", &tokens)
        );
        let settings = lockstep_automator::Settings::load(&bed.settings(&own)).unwrap();
        let mut tasks = Tasks::new();
        bed.shutdown = tasks.shutdown();
        let addresses = lockstep_automator::start(settings, &mut tasks).await.unwrap();
        bed.serves_at(&addresses.grpc.unwrap());
        bed.running.spawn(async move { drop(tasks.run_until(stream::pending(), SOON).await.unwrap()) });
        bed
    }

    /// A connection of its own that trusts the authority in the file `ca`.
    fn channel(&self, token: Option<&SecretString>, ca: &str) -> AuthenticatedChannel {
        let token_file = token.map(|token| {
            let name = TokenFile::hash(token);
            SecretFile::new(self.file(&name, token.expose_secret()))
        });
        connect(&Endpoint { address: self.url.clone(), token_file, ca_file: Some(self.path(ca)) }).unwrap()
    }

    fn syncs(&self, token: Option<&SecretString>) -> SyncsClient<AuthenticatedChannel> {
        SyncsClient::new(self.channel(token, "ca.crt"))
    }

    async fn stop(mut self) {
        self.shutdown.request();
        self.running.join_next().await.unwrap().unwrap();
    }
}

/// The token of a new account with this ClusterRole in the namespace, or with none.
async fn account(plane: &ControlPlane, namespace: &str, role: Option<&str>) -> SecretString {
    let name = role.unwrap_or("nobody");
    let mut text = format!("apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}}}\n");
    if let Some(role) = role {
        text.push_str(&format!(
            "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: {name}}}\n\
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {role}}}\n\
             subjects: [{{kind: ServiceAccount, name: {name}, namespace: {namespace}}}]\n"
        ));
    }
    plane.apply_yaml_in(namespace, &text).await.unwrap();
    plane.token_for(namespace, name).await.unwrap()
}

fn code<T>(answer: Result<T, Status>) -> Code {
    match answer {
        Ok(_) => Code::Ok,
        Err(status) => {
            assert!(!status.message().contains("canary"), "{status}");
            status.code()
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clusters_tokens_and_rules_guard_the_synchronizer() {
    let plane = plane::defined().await;
    let ours = plane.fresh_namespace("api").await.unwrap();
    let theirs = plane.fresh_namespace("api").await.unwrap();
    let bed = Bed::synchronizer(plane, &ours, "").await;

    let nonsense = SecretString::from("canary.that.nobody.signed");
    let nobody = account(plane, &ours, None).await;
    let viewer = account(plane, &ours, Some("lockstep-viewer")).await;
    let operator = account(plane, &ours, Some("lockstep-operator")).await;
    // (who, their token, List, Get and Watch in our namespace, Trigger in it)
    for (who, token, read, update) in [
        ("no token", None, Code::Unauthenticated, Code::Unauthenticated),
        ("a wrong token", Some(&nonsense), Code::Unauthenticated, Code::Unauthenticated),
        ("an account without rights", Some(&nobody), Code::PermissionDenied, Code::PermissionDenied),
        ("a viewer", Some(&viewer), Code::Ok, Code::PermissionDenied),
        ("an operator", Some(&operator), Code::Ok, Code::NotFound),
    ] {
        let mut client = bed.syncs(token);
        let list = client.list(ListRequest { namespace: ours.clone() }).await;
        assert_eq!(code(list), read, "List by {who}");
        let get = client.get(GetRequest { namespace: ours.clone(), name: "shop".into() }).await;
        assert_eq!(code(get), if read == Code::Ok { Code::NotFound } else { read }, "Get by {who}");
        let watch = client.watch(WatchRequest { namespace: ours.clone(), name: String::new() }).await;
        assert_eq!(code(watch), read, "Watch by {who}");
        for wait in [false, true] {
            let request = TriggerRequest { namespace: ours.clone(), name: "shop".into(), wait, commit: String::new() };
            assert_eq!(code(client.trigger(request).await), update, "Trigger by {who}");
        }
        let beyond =
            if token.is_none() || who == "a wrong token" { Code::Unauthenticated } else { Code::PermissionDenied };
        for namespace in [theirs.as_str(), ""] {
            let list = client.list(ListRequest { namespace: namespace.to_owned() }).await;
            assert_eq!(code(list), beyond, "List in {namespace:?} by {who}");
        }
    }
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sync_of_the_settings_is_created_and_then_left_alone() {
    let plane = plane::defined().await;
    let namespace = plane.fresh_namespace("api").await.unwrap();
    let operator = account(plane, &namespace, Some("lockstep-operator")).await;
    for (branch, wanted) in [("first", "first"), ("second", "first")] {
        let bootstrap = format!(
            "\nbootstrap: {{name: shop, namespace: {namespace}, \
             spec: {{source: {{repository: 'http://127.0.0.1:1/away.git', branch: {branch}}}}}}}"
        );
        let bed = Bed::synchronizer(plane, &namespace, &bootstrap).await;
        let mut client = bed.syncs(Some(&operator));
        let mut found = String::new();
        eventually(SOON, "the Sync to be known", async || {
            let state = client.get(GetRequest { namespace: namespace.clone(), name: "shop".into() }).await;
            found = state.map(|state| state.into_inner().branch).unwrap_or_default();
            !found.is_empty()
        })
        .await
        .unwrap();
        assert_eq!(found, wanted);
        bed.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_shown_without_a_restart() {
    let plane = plane::defined().await;
    let namespace = plane.fresh_namespace("api").await.unwrap();
    let operator = account(plane, &namespace, Some("lockstep-operator")).await;
    let bed = Bed::synchronizer(plane, &namespace, "").await;
    let request = || ListRequest { namespace: namespace.clone() };

    let mut early = bed.syncs(Some(&operator));
    early.list(request()).await.unwrap();
    bed.certify("new-ca.crt");
    early.list(request()).await.unwrap();
    let mut late = SyncsClient::new(bed.channel(Some(&operator), "new-ca.crt"));
    eventually(SOON, "the new certificate", async || late.list(request()).await.is_ok()).await.unwrap();
    let stranger = bed.syncs(Some(&operator)).list(request()).await;
    assert_eq!(code(stranger), Code::Unavailable, "the old authority did not sign the new certificate");
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_hashed_tokens_guards_the_automator() {
    let bed = Bed::automator().await;
    let token = |name: &str| SecretString::from(format!("token-of-{name}"));
    let (wrong, reader, cluster) = (token("canary"), token("reader"), token("cluster"));
    for (who, token, images, scan, exchange) in [
        ("no token", None, Code::Unauthenticated, Code::Unauthenticated, Code::Unauthenticated),
        ("a wrong token", Some(&wrong), Code::Unauthenticated, Code::Unauthenticated, Code::Unauthenticated),
        ("a reader", Some(&reader), Code::Ok, Code::PermissionDenied, Code::PermissionDenied),
        ("a cluster", Some(&cluster), Code::PermissionDenied, Code::PermissionDenied, Code::Ok),
    ] {
        let mut client = UpdatesClient::new(bed.channel(token, "ca.crt"));
        assert_eq!(code(client.list_images(ListImagesRequest {}).await), images, "ListImages by {who}");
        assert_eq!(code(client.scan(ScanRequest::default()).await), scan, "Scan by {who}");
        assert_eq!(code(client.exchange(stream::empty()).await), exchange, "Exchange by {who}");
    }

    bed.certify("new-ca.crt");
    let mut late = UpdatesClient::new(bed.channel(Some(&reader), "new-ca.crt"));
    let images = async || late.list_images(ListImagesRequest {}).await.is_ok();
    eventually(SOON, "the new certificate", images).await.unwrap();
    bed.stop().await;
}
