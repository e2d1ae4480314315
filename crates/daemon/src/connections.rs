//! How many connections there may be, and for how long without an answer: whoever may connect could else hold them all.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::serve::Listener;
use futures::{Stream, StreamExt as _, stream};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep, sleep},
};
use tonic::transport::server::Connected;

/// As many at once over HTTP; others wait in the system's queue.
const MOST: usize = 512;
/// As many at once over gRPC: each cluster keeps one.
const MOST_GRPC: usize = 2048;
/// So long after its beginning, or after the last answer on it, a connection is closed: longer than any request may take, and
/// than scrapes are usually apart.
const WITHOUT_ANSWER: Duration = Duration::from_secs(120);

/// Connections for gRPC with a limit. The server asks every half minute whether the other side is there, which is an answer too:
/// only who never speaks HTTP/2 is cut off.
pub(crate) fn limited<Io>(
    incoming: impl Stream<Item = io::Result<Io>> + Send + 'static,
) -> impl Stream<Item = io::Result<Connection<Io>>> {
    let permits = Arc::new(Semaphore::new(MOST_GRPC));
    stream::unfold((Box::pin(incoming), permits), async |(mut incoming, permits)| {
        // Nobody closes the semaphore.
        let permit = Arc::clone(&permits).acquire_owned().await.ok();
        let connection = incoming.next().await?.map(|io| Connection::new(io, permit));
        Some((connection, (incoming, permits)))
    })
}

/// A listener with a limit.
pub(crate) struct Limited<L> {
    listener: L,
    permits: Arc<Semaphore>,
}

impl<L: Listener> Limited<L> {
    pub(crate) fn new(listener: L) -> Self {
        Self { listener, permits: Arc::new(Semaphore::new(MOST)) }
    }
}

impl<L: Listener> Listener for Limited<L> {
    type Io = Connection<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        // Nobody closes the semaphore.
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
        let (io, address) = self.listener.accept().await;
        (Connection::new(io, permit), address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// One connection with its end.
pub(crate) struct Connection<Io> {
    io: Io,
    until: Pin<Box<Sleep>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl<Io> Connection<Io> {
    fn new(io: Io, permit: Option<OwnedSemaphorePermit>) -> Self {
        Self { io, until: Box::pin(sleep(WITHOUT_ANSWER)), _permit: permit }
    }

    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        self.until.as_mut().poll(context).is_ready()
    }

    fn answered(&mut self, written: &Poll<io::Result<usize>>) {
        if matches!(written, Poll::Ready(Ok(_))) {
            self.until.as_mut().reset(Instant::now() + WITHOUT_ANSWER);
        }
    }
}

impl<Io: Connected> Connected for Connection<Io> {
    type ConnectInfo = Io::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.io.connect_info()
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Connection<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_over(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Connection<Io> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_over(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.answered(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_over(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let written = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.answered(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use axum::{Router, routing::get};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
        net::TcpStream,
        task::JoinSet,
        time::timeout,
    };

    use super::*;
    use secrecy::SecretString;
    use tonic::Status;

    use crate::{Authenticate, GrpcServer, GrpcServices, HttpServer, Identity, Shutdown, Transport};

    /// Whoever asks is connected.
    struct Ready;

    impl Listener for Ready {
        type Io = DuplexStream;
        type Addr = ();

        async fn accept(&mut self) -> (DuplexStream, ()) {
            (duplex(1).0, ())
        }

        fn local_addr(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn no_more_connections_are_taken_than_allowed() {
        let mut limited = Limited::new(Ready);
        let mut held = Vec::new();
        for _ in 0..MOST {
            held.push(limited.accept().await);
        }
        let mut next = Box::pin(limited.accept());
        let waits = poll_fn(|context| Poll::Ready(next.as_mut().poll(context).is_pending())).await;
        assert!(waits);
        held.pop();
        next.await;
    }

    #[tokio::test]
    async fn no_more_connections_for_grpc_are_taken_than_allowed() {
        let mut limited = Box::pin(limited(stream::repeat_with(|| Ok(()))));
        let mut held = Vec::new();
        for _ in 0..MOST_GRPC {
            held.push(limited.next().await);
        }
        assert!(futures::poll!(limited.next()).is_pending());
        held.pop();
        limited.next().await.unwrap().unwrap();
    }

    struct Nobody;

    #[tonic::async_trait]
    impl Authenticate for Nobody {
        async fn authenticate(&self, _: Option<&SecretString>, _: &str) -> Result<Identity, Status> {
            Err(Status::unauthenticated("nobody"))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_connects_for_grpc_and_says_nothing_is_cut_off() {
        let server = GrpcServer::bind(&"127.0.0.1:0".parse().unwrap(), Transport::Plain).await.unwrap();
        let (address, shutdown, mut running) = (server.address().to_string(), Shutdown::new(), JoinSet::new());
        let services = GrpcServices::new(tonic_health::pb::FILE_DESCRIPTOR_SET);
        running.spawn(server.serve(services, Arc::new(Nobody), shutdown.clone()));
        let mut silent = TcpStream::connect(address).await.unwrap();
        let ended = timeout(WITHOUT_ANSWER * 2, silent.read_to_end(&mut Vec::new())).await;
        assert!(ended.is_ok());
        shutdown.request();
        running.join_next().await.unwrap().unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_too_slowly_is_cut_off_and_who_asks_again_is_not() {
        let server = HttpServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let (address, shutdown, mut running) = (server.address(), Shutdown::new(), JoinSet::new());
        let router = Router::new().route("/", get(|| async { "here" }));
        running.spawn(server.serve(router, shutdown.clone()));

        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ").await.unwrap();
        let mut answer = Vec::new();
        // The clock goes on by itself whenever everybody waits.
        let ended = timeout(WITHOUT_ANSWER * 2, slow.read_to_end(&mut answer)).await;
        assert!(ended.is_ok() && answer.is_empty(), "{:?}", String::from_utf8(answer));

        let mut steady = TcpStream::connect(address).await.unwrap();
        for _ in 0..5 {
            steady.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
            let mut part = [0; 4096];
            let read = timeout(WITHOUT_ANSWER / 2, steady.read(&mut part)).await.unwrap().unwrap();
            assert!(part[..read].ends_with(b"here"));
            sleep(WITHOUT_ANSWER / 2).await;
        }
        shutdown.request();
        running.join_next().await.unwrap().unwrap().unwrap();
    }
}
