//! What stands in front of every service: who calls, how much it may send, and the end of streams.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, header::AUTHORIZATION},
    middleware::{self, Next},
    response::Response,
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream};
use http_body::Frame;
use http_body_util::{BodyStream, StreamBody};
use secrecy::SecretString;
use tonic::{Status, service::Routes};

use crate::{Authenticate, Identity, MESSAGE_LIMIT, Shutdown};

/// So often it is asked whether who opened a stream may still have it.
const RECHECK: Duration = Duration::from_secs(10);

/// Load balancers and kubelets ask without a token, and learn nothing but whether we serve. To watch it holds a stream, so that is
/// for those with a token.
const OPEN: &str = "/grpc.health.v1.Health/Check";

struct Guard {
    authenticate: Arc<dyn Authenticate>,
    shutdown: Shutdown,
}

pub(super) fn guarded(routes: Routes, authenticate: Arc<dyn Authenticate>, shutdown: Shutdown) -> Routes {
    let guard = Arc::new(Guard { authenticate, shutdown });
    Routes::from(routes.into_axum_router().layer(middleware::from_fn_with_state(guard, pass)))
}

async fn pass(State(guard): State<Arc<Guard>>, mut request: Request, next: Next) -> Response {
    let bearer = bearer(request.headers());
    request.headers_mut().remove(AUTHORIZATION);
    let mut caller = None;
    if request.uri().path() != OPEN {
        match guard.authenticate.authenticate(bearer.as_ref(), request.uri().path()).await {
            Ok(identity) => caller = Some(Caller { bearer, identity }),
            Err(status) => return status.into_http(),
        };
    }
    if let Some(Caller { identity, .. }) = &caller {
        request.extensions_mut().insert(identity.clone());
    }
    let caller = caller.map(Arc::new);
    let request = request.map(|body| receiving(body, end(guard.clone(), caller.clone()).boxed()));
    next.run(request).await.map(|body| answering(body, end(guard, caller).boxed()))
}

/// Who opened a stream, and by which token.
struct Caller {
    bearer: Option<SecretString>,
    identity: Identity,
}

/// Why a stream ends, once it has to: the daemon stops, or the token is not what it was.
async fn end(guard: Arc<Guard>, caller: Option<Arc<Caller>>) -> Status {
    loop {
        tokio::select! {
            () = guard.shutdown.requested() => return going_away(),
            () = tokio::time::sleep(RECHECK) => {}
        }
        if let Some(Caller { bearer, identity }) = caller.as_deref()
            && !guard.authenticate.stands(bearer.as_ref(), identity).await
        {
            return Status::unauthenticated("the bearer token is not what it was when the stream was opened");
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<SecretString> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| SecretString::from(token.trim_start()))
}

/// The body, until the length of a message in it says more than the limit, or until it would be
/// waited for when it has to end. No service can forget its limit this way, and the message
/// is refused before it is received.
fn receiving(body: Body, end: BoxFuture<'static, Status>) -> Body {
    let state = Some((body.into_data_stream(), Lengths::default(), end));
    Body::from_stream(stream::unfold(state, async |state| {
        let (mut body, mut lengths, mut end) = state?;
        let received = tokio::select! {
            biased;
            data = body.next() => data?.map_err(|error| Status::from_error(error.into())),
            status = &mut end => Err(status),
        };
        match received.and_then(|data| lengths.check(&data).map(|()| data)) {
            Ok(data) => Some((Ok(data), Some((body, lengths, end)))),
            Err(status) => Some((Err(status), None)),
        }
    }))
}

fn going_away() -> Status {
    Status::unavailable("the server is stopping; connect again")
}

/// Follows the frames of a gRPC body: one byte of flags, four of length, the message.
#[derive(Default)]
struct Lengths {
    prefix: Vec<u8>,
    rest_of_message: usize,
}

impl Lengths {
    fn check(&mut self, mut data: &[u8]) -> Result<(), Status> {
        while !data.is_empty() {
            let skipped = self.rest_of_message.min(data.len());
            self.rest_of_message -= skipped;
            data = &data[skipped..];
            let missing = (5 - self.prefix.len()).min(data.len());
            self.prefix.extend_from_slice(&data[..missing]);
            data = &data[missing..];
            if let [_, length @ ..] = &*self.prefix
                && let Ok(length) = <[u8; 4]>::try_from(length)
            {
                let length = u32::from_be_bytes(length) as usize;
                if length > MESSAGE_LIMIT {
                    return Err(Status::resource_exhausted(format!(
                        "a message of {length} bytes is over the limit of {MESSAGE_LIMIT}"
                    )));
                }
                self.rest_of_message = length;
                self.prefix.clear();
            }
        }
        Ok(())
    }
}

/// The answer, cut off with a status when it would wait when it has to end.
fn answering(body: Body, end: BoxFuture<'static, Status>) -> Body {
    let frames = stream::unfold(Some((BodyStream::new(body), end)), async |state| {
        let (mut frames, mut end) = state?;
        tokio::select! {
            biased;
            frame = frames.next() => Some((frame?, Some((frames, end)))),
            status = &mut end => {
                let (parts, ()) = status.into_http::<()>().into_parts();
                Some((Ok(Frame::trailers(parts.headers)), None))
            }
        }
    });
    Body::new(StreamBody::new(frames))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use secrecy::ExposeSecret;

    use super::*;

    fn message(length: usize) -> Vec<u8> {
        let mut bytes = vec![0];
        bytes.extend_from_slice(&u32::try_from(length).unwrap().to_be_bytes());
        bytes.resize(5 + length, 0xff);
        bytes
    }

    #[test]
    fn lengths_are_seen_however_the_bytes_arrive() {
        let fine = [message(3), message(0), message(MESSAGE_LIMIT), message(7)].concat();
        let over = [message(3), message(0), message(MESSAGE_LIMIT + 1)[..5].to_vec()].concat();
        for piece in [1, 2, 3, 5, 7, 4096, usize::MAX] {
            let mut lengths = Lengths::default();
            assert!(fine.chunks(piece).all(|data| lengths.check(data).is_ok()), "pieces of {piece}");
            let mut lengths = Lengths::default();
            assert!(over.chunks(piece).any(|data| lengths.check(data).is_err()), "pieces of {piece}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_with_its_token_and_with_the_daemon() {
        let folder = tempfile::tempdir().unwrap();
        let path = camino::Utf8PathBuf::from_path_buf(folder.path().join("tokens.yaml")).unwrap();
        let bearer = SecretString::from("token-a");
        let text = format!("- {{name: a, sha256: {}, roles: []}}\n", crate::TokenFile::hash(&bearer));
        std::fs::write(&path, text).unwrap();
        let tokens = crate::TokenFile::open(&path, &[]).unwrap();
        let identity = tokens.authenticate(Some(&bearer), "/x/Y").await.unwrap();
        let guard = Arc::new(Guard { authenticate: Arc::new(tokens), shutdown: Shutdown::new() });
        let caller = Arc::new(Caller { bearer: Some(bearer), identity });
        let bodies = || {
            let ends = || end(Arc::clone(&guard), Some(Arc::clone(&caller))).boxed();
            let silent = || Body::from_stream(stream::pending::<Result<Vec<u8>, Status>>());
            (receiving(silent(), ends()).into_data_stream(), BodyStream::new(answering(silent(), ends())))
        };
        let (mut received, mut answered) = bodies();
        let long = tokio::time::timeout(RECHECK * 100, received.next()).await;
        assert!(long.is_err(), "it stands");
        std::fs::write(&path, "").unwrap();
        assert!(received.next().await.unwrap().unwrap_err().to_string().contains("what it was"));
        let trailers = answered.next().await.unwrap().unwrap().into_trailers().unwrap();
        assert_eq!(trailers["grpc-status"], "16");
        guard.shutdown.request();
        let (mut received, _) = bodies();
        assert!(received.next().await.unwrap().unwrap_err().to_string().contains("stopping"));
    }

    #[test]
    fn only_bearer_tokens_are_taken() {
        for (header, wanted) in [
            (Some("Bearer abc"), Some("abc")),
            (Some("bearer  abc"), Some("abc")),
            (Some("Basic abc"), None),
            (Some("abc"), None),
            (Some("Bearer"), None),
            (None, None),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(header) = header {
                headers.insert(AUTHORIZATION, HeaderValue::from_static(header));
            }
            let found = bearer(&headers);
            assert_eq!(found.as_ref().map(ExposeSecret::expose_secret), wanted, "{header:?}");
        }
    }
}
