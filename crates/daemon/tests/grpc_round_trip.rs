//! Server and client over real sockets on loopback: TLS, tokens, rotation, limits, shutdown.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by panicking")]

use std::{
    convert::Infallible,
    fs,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use camino::Utf8PathBuf;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use lockstep_daemon::{
    AuthenticatedChannel, Endpoint, GrpcError, GrpcServer, GrpcServices, Identity, ListenAddress, Policy, SecretFile,
    ServerTls, Shutdown, Stopped, Tasks, TokenFile, Transport, connect,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tonic::{Code, Status, body::Body, server::NamedService};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest,
};
use tower::{Service, ServiceExt};

const TOKEN: &str = "canary-token-of-the-test";

/// Reads the whole call and answers with the name of its caller, as an error's message.
#[derive(Clone)]
struct WhoAmI;

impl NamedService for WhoAmI {
    const NAME: &'static str = "test.WhoAmI";
}

impl Service<Request<Body>> for WhoAmI {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        assert!(!request.headers().contains_key("authorization"), "the token must stop at the door");
        let name = request.extensions().get::<Identity>().map_or("nobody", |who| &who.name).to_owned();
        let read = request.into_body().collect();
        let answer = async { read.await.map_or_else(|error| error, |_| Status::aborted(name)).into_http() };
        answer.map(Ok).boxed()
    }
}

/// An authority of one's own, and a folder with what server and client need.
struct Setup {
    folder: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Setup {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let setup = Self { folder: tempfile::tempdir().unwrap(), authority };
        fs::write(setup.path("ca.pem"), setup.authority.pem()).unwrap();
        fs::write(setup.path("token"), format!("{TOKEN}\n")).unwrap();
        setup.admit("prod-eu", TOKEN);
        setup.certify("localhost");
        setup
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8PathBuf::from_path_buf(self.folder.path().join(name)).unwrap()
    }

    fn admit(&self, name: &str, token: &str) {
        let hash = TokenFile::hash(&token.into());
        fs::write(self.path("tokens.yaml"), format!("- {{name: {name}, sha256: {hash}, roles: [read]}}\n")).unwrap();
    }

    /// Writes a new certificate for the name, as an operator would.
    fn certify(&self, name: &str) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        fs::write(self.path("tls.crt"), certificate.pem()).unwrap();
        fs::write(self.path("tls.key"), key.serialize_pem()).unwrap();
    }

    fn tls(&self) -> Transport {
        Transport::Tls(ServerTls::from_files(&self.path("tls.crt"), &self.path("tls.key")).unwrap())
    }

    /// Starts a server on a port or socket of its own.
    async fn serve(&self, address: &str, transport: Transport) -> Server {
        let server = GrpcServer::bind(&address.parse().unwrap(), transport).await.unwrap();
        let address = server.address().clone();
        let tokens = Arc::new(TokenFile::open(&self.path("tokens.yaml"), &["read"]).unwrap());
        let mut tasks = Tasks::new();
        let shutdown = tasks.shutdown();
        let services = GrpcServices::new(tonic_health::pb::FILE_DESCRIPTOR_SET).serving(WhoAmI);
        tasks.spawn("grpc", Policy::Critical, server.serve(services, tokens, shutdown.clone()));
        let mut running = tokio::task::JoinSet::new();
        running.spawn(tasks.run_until(stream::pending(), Duration::from_secs(60)));
        Server { address, shutdown, running }
    }

    /// A client that trusts the authority and shows the token.
    fn client(&self, address: String) -> AuthenticatedChannel {
        connect(&Endpoint {
            address,
            token_file: Some(SecretFile::new(self.path("token"))),
            ca_file: Some(self.path("ca.pem")),
        })
        .unwrap()
    }
}

struct Server {
    address: ListenAddress,
    shutdown: Shutdown,
    running: tokio::task::JoinSet<Result<Stopped, lockstep_daemon::TaskError>>,
}

impl Server {
    fn https(&self) -> String {
        let ListenAddress::Tcp(address) = &self.address else { panic!("no port") };
        format!("https://localhost:{}", address.port())
    }

    async fn stop(mut self) -> Stopped {
        self.shutdown.request();
        self.running.join_next().await.unwrap().unwrap().unwrap()
    }
}

/// Whom the server takes the client for.
async fn who_am_i(channel: &mut AuthenticatedChannel) -> Result<String, (Code, String)> {
    who_am_i_with(channel, 0).await
}

/// The same with a message of that many bytes.
async fn who_am_i_with(channel: &mut AuthenticatedChannel, length: usize) -> Result<String, (Code, String)> {
    let mut message = vec![0];
    message.extend_from_slice(&u32::try_from(length).unwrap().to_be_bytes());
    message.resize(5 + length, b'x');
    let request = Request::post("/test.WhoAmI/Ask").body(Body::new(Full::from(message))).unwrap();
    let answer = channel.ready().await.unwrap().call(request).await;
    let headers = match answer {
        Ok(answer) => answer.into_parts().0.headers,
        Err(error) => {
            let status = Status::from_error(error.into());
            return Err((status.code(), status.message().to_owned()));
        }
    };
    let status = Status::from_header_map(&headers).unwrap();
    match status.code() {
        Code::Aborted => Ok(status.message().to_owned()),
        code => Err((code, status.message().to_owned())),
    }
}

fn list_services() -> ServerReflectionRequest {
    ServerReflectionRequest { host: String::new(), message_request: Some(MessageRequest::ListServices(String::new())) }
}

#[tokio::test]
async fn a_token_over_tls_becomes_the_identity_of_the_call() {
    let setup = Setup::new();
    let server = setup.serve("127.0.0.1:0", setup.tls()).await;
    assert_eq!(who_am_i(&mut setup.client(server.https())).await, Ok("prod-eu".to_owned()));
    assert_eq!(server.stop().await, Stopped::Requested);
}

#[tokio::test]
async fn nothing_but_health_answers_without_a_known_token() {
    let setup = Setup::new();
    let server = setup.serve("127.0.0.1:0", setup.tls()).await;
    let without = Endpoint { address: server.https(), token_file: None, ca_file: Some(setup.path("ca.pem")) };
    fs::write(setup.path("wrong"), "canary-that-is-wrong").unwrap();
    let wrong = Endpoint { token_file: Some(SecretFile::new(setup.path("wrong"))), ..without.clone() };
    let missing = Endpoint { token_file: Some(SecretFile::new(setup.path("gone"))), ..without.clone() };
    for (endpoint, message) in [
        (&without, "this call needs a bearer token"),
        (&wrong, "the bearer token is not known"),
        (&missing, "cannot read the secret in"),
    ] {
        let mut channel = connect(endpoint).unwrap();
        let (code, text) = who_am_i(&mut channel).await.unwrap_err();
        assert_eq!(code, Code::Unauthenticated);
        assert!(text.contains(message) && !text.contains("canary"), "{text}");
        let reflection =
            ServerReflectionClient::new(channel).server_reflection_info(stream::iter([list_services()])).await;
        assert_eq!(reflection.unwrap_err().code(), Code::Unauthenticated);
    }
    for service in ["", "test.WhoAmI"] {
        let mut health = HealthClient::new(connect(&without).unwrap());
        let answer = health.check(HealthCheckRequest { service: service.to_owned() }).await.unwrap();
        assert_eq!(answer.into_inner().status().as_str_name(), "SERVING");
        let watched = health.watch(HealthCheckRequest { service: service.to_owned() }).await;
        assert_eq!(watched.unwrap_err().code(), Code::Unauthenticated, "it would hold a stream");
    }
    server.stop().await;
}

#[tokio::test]
async fn tokens_rotate_on_both_sides_without_a_restart() {
    let setup = Setup::new();
    let server = setup.serve("127.0.0.1:0", setup.tls()).await;
    let mut channel = setup.client(server.https());
    assert_eq!(who_am_i(&mut channel).await, Ok("prod-eu".to_owned()));
    setup.admit("prod-us", "another-token");
    assert_eq!(who_am_i(&mut channel).await.unwrap_err().0, Code::Unauthenticated);
    fs::write(setup.path("token"), "another-token").unwrap();
    assert_eq!(who_am_i(&mut channel).await, Ok("prod-us".to_owned()));
    server.stop().await;
}

#[tokio::test]
async fn certificates_rotate_without_a_restart_and_a_broken_one_changes_nothing() {
    let setup = Setup::new();
    let server = setup.serve("127.0.0.1:0", setup.tls()).await;
    let mut early = setup.client(server.https());
    assert_eq!(who_am_i(&mut early).await, Ok("prod-eu".to_owned()));

    setup.certify("elsewhere.example");
    let (code, _) = who_am_i(&mut setup.client(server.https())).await.unwrap_err();
    assert_eq!(code, Code::Unavailable, "a certificate for another name must not be trusted");
    assert_eq!(who_am_i(&mut early).await, Ok("prod-eu".to_owned()), "connections live on");

    setup.certify("localhost");
    assert_eq!(who_am_i(&mut setup.client(server.https())).await, Ok("prod-eu".to_owned()));

    for (file, text) in [("tls.crt", "not a certificate"), ("tls.key", "not a key")] {
        fs::write(setup.path(file), text).unwrap();
        assert_eq!(who_am_i(&mut setup.client(server.https())).await, Ok("prod-eu".to_owned()), "{file}");
    }
    fs::remove_file(setup.path("tls.crt")).unwrap();
    assert_eq!(who_am_i(&mut setup.client(server.https())).await, Ok("prod-eu".to_owned()));
    server.stop().await;
}

#[tokio::test]
async fn an_authority_that_is_not_ours_is_not_trusted_until_its_file_says_so() {
    let setup = Setup::new();
    let server = setup.serve("127.0.0.1:0", setup.tls()).await;
    let other = Setup::new();
    fs::copy(other.path("ca.pem"), setup.path("ca.pem")).unwrap();
    let mut channel = setup.client(server.https());
    assert_eq!(who_am_i(&mut channel).await.unwrap_err().0, Code::Unavailable);
    fs::write(setup.path("ca.pem"), setup.authority.pem()).unwrap();
    assert_eq!(who_am_i(&mut channel).await, Ok("prod-eu".to_owned()));
    server.stop().await;
}

#[tokio::test]
async fn plain_text_stays_on_the_machine() {
    let setup = Setup::new();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let refused = GrpcServer::bind(&address.parse().unwrap(), Transport::Plain).await.unwrap_err();
        assert!(matches!(refused, GrpcError::PlainText(_)), "{refused}");
        assert!(refused.to_string().contains("set a certificate"), "{refused}");
    }
    let server = setup.serve("127.0.0.1:0", Transport::Plain).await;
    assert_eq!(who_am_i(&mut setup.client(format!("http://{}", server.address))).await, Ok("prod-eu".to_owned()));
    server.stop().await;
}

#[tokio::test]
async fn a_unix_socket_serves_its_owner_alone_and_outlives_a_crash() {
    use std::os::unix::{fs::PermissionsExt, net::UnixListener};

    let setup = Setup::new();
    let path = setup.path("lockstep.sock");
    drop(UnixListener::bind(&path).unwrap());
    let address = format!("unix:{path}");
    let server = setup.serve(&address, Transport::Plain).await;
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(who_am_i(&mut setup.client(address.clone())).await, Ok("prod-eu".to_owned()));
    let second = GrpcServer::bind(&address.parse().unwrap(), Transport::Plain).await;
    assert!(matches!(second, Err(GrpcError::Bind { .. })), "a living server must not be replaced");
    server.stop().await;
    assert!(!path.exists());
    fs::write(&path, "precious").unwrap();
    assert!(GrpcServer::bind(&address.parse().unwrap(), Transport::Plain).await.is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn a_message_over_one_mebibyte_is_refused_by_every_service() {
    let setup = Setup::new();
    let server = setup.serve("127.0.0.1:0", setup.tls()).await;
    let mut channel = setup.client(server.https());
    assert_eq!(who_am_i_with(&mut channel, 1024 * 1024).await, Ok("prod-eu".to_owned()));
    let (code, text) = who_am_i_with(&mut channel, 2 * 1024 * 1024).await.unwrap_err();
    assert_eq!((code, &*text), (Code::ResourceExhausted, "a message of 2097152 bytes is over the limit of 1048576"));
    assert_eq!(who_am_i(&mut channel).await, Ok("prod-eu".to_owned()), "the connection lives on");
    server.stop().await;
}

#[tokio::test]
async fn open_streams_end_when_the_server_stops() {
    let setup = Setup::new();
    let server = setup.serve("127.0.0.1:0", setup.tls()).await;
    let mut client = ServerReflectionClient::new(setup.client(server.https()));
    let endless = stream::iter([list_services()]).chain(stream::pending());
    let mut answers = client.server_reflection_info(endless).await.unwrap().into_inner();
    let first = answers.message().await.unwrap().unwrap();
    assert!(format!("{first:?}").contains("grpc.health.v1.Health"), "{first:?}");
    assert_eq!(server.stop().await, Stopped::Requested);
    assert_eq!(answers.message().await.unwrap_err().code(), Code::Unavailable);
}
