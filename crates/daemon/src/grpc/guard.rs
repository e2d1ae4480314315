//! What stands in front of every service: who calls, how much it may send, and the end of streams.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, header::AUTHORIZATION},
    middleware::{self, Next},
    response::Response,
};
use futures::{StreamExt, stream};
use http_body::Frame;
use http_body_util::{BodyStream, StreamBody};
use secrecy::SecretString;
use tonic::{Status, service::Routes};

use crate::{Authenticate, MESSAGE_LIMIT, Shutdown};

/// Load balancers and kubelets ask without a token, and learn nothing but whether we serve.
const OPEN: &str = "/grpc.health.v1.Health/";

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
    if !request.uri().path().starts_with(OPEN) {
        match guard.authenticate.authenticate(bearer.as_ref(), request.uri().path()).await {
            Ok(identity) => request.extensions_mut().insert(identity),
            Err(status) => return status.into_http(),
        };
    }
    let shutdown = guard.shutdown.clone();
    let request = request.map(|body| receiving(body, shutdown.clone()));
    next.run(request).await.map(|body| answering(body, shutdown))
}

fn bearer(headers: &HeaderMap) -> Option<SecretString> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| SecretString::from(token.trim_start()))
}

/// The body, until the length of a message in it says more than the limit, or until it would be
/// waited for while the daemon stops. No service can forget its limit this way, and the message
/// is refused before it is received.
fn receiving(body: Body, shutdown: Shutdown) -> Body {
    let stopping = Box::pin(shutdown.requested());
    let state = Some((body.into_data_stream(), Lengths::default(), stopping));
    Body::from_stream(stream::unfold(state, async |state| {
        let (mut body, mut lengths, mut stopping) = state?;
        let received = tokio::select! {
            biased;
            data = body.next() => data?.map_err(|error| Status::from_error(error.into())),
            () = &mut stopping => Err(going_away()),
        };
        match received.and_then(|data| lengths.check(&data).map(|()| data)) {
            Ok(data) => Some((Ok(data), Some((body, lengths, stopping)))),
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

/// The answer, cut off with a status when it would wait while the daemon stops.
fn answering(body: Body, shutdown: Shutdown) -> Body {
    let stopping = Box::pin(shutdown.requested());
    let frames = stream::unfold(Some((BodyStream::new(body), stopping)), async |state| {
        let (mut frames, mut stopping) = state?;
        tokio::select! {
            biased;
            frame = frames.next() => Some((frame?, Some((frames, stopping)))),
            () = &mut stopping => {
                let (parts, ()) = going_away().into_http::<()>().into_parts();
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
