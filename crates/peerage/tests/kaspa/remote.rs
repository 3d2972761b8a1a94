//! A remote at the other end of a pipe or a socket: HTTP/2 as the library gives it, and everything
//! above that by hand.

use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, client, server};
use http::{HeaderMap, Method, Request, Response};
use peerage::kaspa::message::{Ping, Pong, Version};
use peerage::kaspa::{
    Config, DisconnectReason, Events, Kind, Message, OpenError, Payload, Peer, accept, initiate,
};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, duplex};
use tokio::task::JoinHandle;

use crate::said::unpack;
pub(crate) use crate::said::{framed, framed_message, pack, version};

/// What a pipe holds, in bytes.
pub(crate) const PIPE: usize = 64 << 10;

/// A window that nothing fills in these tests.
const WIDE: u32 = 64 << 20;

/// Who made the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The remote, and we accept.
    Remote,
    /// We, and the remote answers.
    We,
}

pub(crate) const BOTH: [Caller; 2] = [Caller::Remote, Caller::We];

/// How the call came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The other side said all it had to say, as a server with this status.
    Said(Option<String>),
    /// It broke the call off.
    Reset(Reason),
    /// The connection is gone.
    Gone,
}

impl End {
    /// A server says status 0. Of a client's last word the library tells nothing if the connection
    /// is gone as well.
    pub(crate) fn is_clean(&self, caller: Caller) -> bool {
        match (self, caller) {
            (Self::Said(status), Caller::Remote) => status.as_deref() == Some("0"),
            (Self::Said(_) | Self::Gone, Caller::We) => true,
            _ => false,
        }
    }
}

/// The other end of one call.
pub(crate) struct Remote {
    pub(crate) send: SendStream<Bytes>,
    receive: RecvStream,
    /// What our side said in its head.
    pub(crate) headers: HeaderMap,
    heard: Vec<u8>,
    /// Whether what it says is packed, as kaspad packs all.
    pub(crate) packs: bool,
    /// How many packed messages it has heard.
    pub(crate) unpacked: usize,
    /// Moves the connection.
    work: JoinHandle<()>,
}

/// Dropped, it hangs up.
impl Drop for Remote {
    fn drop(&mut self) {
        self.work.abort();
    }
}

/// The request of whoever packs and unpacks, or does neither.
pub(crate) fn request(gzip: bool) -> Request<()> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri("http://127.0.0.1/protowire.P2P/MessageStream")
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if gzip {
        request = request.header("grpc-encoding", "gzip").header("grpc-accept-encoding", "gzip");
    }
    request.body(()).unwrap()
}

/// The response of the same.
pub(crate) fn response(gzip: bool) -> Response<()> {
    let mut response = Response::builder().header("content-type", "application/grpc");
    if gzip {
        response = response.header("grpc-encoding", "gzip").header("grpc-accept-encoding", "gzip");
    }
    response.body(()).unwrap()
}

impl Remote {
    /// Calls over `io`.
    pub(crate) async fn call<S>(io: S, gzip: bool) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Self::call_with(io, gzip, WIDE).await
    }

    /// Calls over `io`, and lets our side send so many bytes until it is told otherwise.
    pub(crate) async fn call_with<S>(io: S, gzip: bool, window: u32) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mut builder = client::Builder::new();
        builder.initial_window_size(window).initial_connection_window_size(WIDE);
        let (mut calls, connection) = builder.handshake(io).await.unwrap();
        let work = tokio::spawn(async { drop(connection.await) });
        let (response, send) = calls.send_request(request(gzip), false).unwrap();
        let (head, receive) = response.await.unwrap().into_parts();
        Self::new(send, receive, head.headers, gzip, work)
    }

    /// Waits to be called over `io`, and answers.
    pub(crate) async fn answer<S>(io: S, gzip: bool) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mut builder = server::Builder::new();
        builder.initial_window_size(WIDE).initial_connection_window_size(WIDE);
        let mut connection = builder.handshake::<_, Bytes>(io).await.unwrap();
        let (request, mut respond) = connection.accept().await.unwrap().unwrap();
        let (head, receive) = request.into_parts();
        let send = respond.send_response(response(gzip), false).unwrap();
        let work = tokio::spawn(async move { while connection.accept().await.is_some() {} });
        Self::new(send, receive, head.headers, gzip, work)
    }

    fn new(
        send: SendStream<Bytes>,
        receive: RecvStream,
        headers: HeaderMap,
        packs: bool,
        work: JoinHandle<()>,
    ) -> Self {
        Self { send, receive, headers, heard: Vec::new(), packs, unpacked: 0, work }
    }

    /// Calls, or is called, over a pipe.
    pub(crate) async fn join(io: DuplexStream, caller: Caller, gzip: bool) -> Self {
        match caller {
            Caller::Remote => Self::call(io, gzip).await,
            Caller::We => Self::answer(io, gzip).await,
        }
    }

    /// A connection of ours to a remote that neither packs nor unpacks.
    pub(crate) async fn open(caller: Caller, config: &Config) -> (Peer, Events, Self) {
        Self::open_with(caller, config, false, version()).await
    }

    /// A connection of ours to a remote that introduces itself so.
    pub(crate) async fn open_with(
        caller: Caller,
        config: &Config,
        gzip: bool,
        version: Version,
    ) -> (Peer, Events, Self) {
        let (ours, theirs) = duplex(PIPE);
        let remote = async {
            let mut remote = Self::join(theirs, caller, gzip).await;
            remote.introduce(version).await;
            remote
        };
        let (opened, remote) =
            within(async { tokio::join!(dial(ours, caller, config), remote) }).await;
        let (peer, events) = opened.unwrap();
        (peer, events, remote)
    }

    /// What happens to us when the remote does this in place of an opening.
    pub(crate) async fn opening<T>(
        caller: Caller,
        config: &Config,
        script: impl AsyncFnOnce(&mut Self) -> T,
    ) -> (Result<(Peer, Events), OpenError>, T) {
        let (ours, theirs) = duplex(PIPE);
        let remote = async {
            let mut remote = Self::join(theirs, caller, false).await;
            script(&mut remote).await
        };
        within(async { tokio::join!(dial(ours, caller, config), remote) }).await
    }

    /// Goes through the opening.
    pub(crate) async fn introduce(&mut self, version: Version) {
        self.say(Payload::Version(Box::new(version)));
        self.expect(Kind::Version).await;
        self.say(Payload::Verack);
        self.expect(Kind::Verack).await;
        self.say(Payload::Ready);
        self.expect(Kind::Ready).await;
    }

    pub(crate) fn say(&mut self, message: impl Into<Message>) {
        let mut body = Vec::new();
        message.into().encode(&mut body);
        self.say_body(&body);
    }

    /// Says what answers this request.
    pub(crate) fn answer_to(&mut self, request: &Message, payload: Payload) {
        self.say(request.answer(payload));
    }

    /// Says these bytes as a message.
    pub(crate) fn say_body(&mut self, body: &[u8]) {
        let framed = if self.packs { framed(1, &pack(body)) } else { framed(0, body) };
        self.say_bytes(framed);
    }

    /// Says these bytes in one piece, whatever the window.
    pub(crate) fn say_bytes(&mut self, bytes: impl Into<Bytes>) {
        self.send.send_data(bytes.into(), false).unwrap();
    }

    /// The next message, or how it ended.
    pub(crate) async fn hear(&mut self) -> Result<Message, End> {
        loop {
            if let [flag, a, b, c, d, rest @ ..] = &self.heard[..] {
                let len = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
                if let Some(body) = rest.get(..len) {
                    let body = if *flag == 1 { unpack(body) } else { body.to_vec() };
                    self.unpacked += usize::from(*flag == 1);
                    self.heard.drain(..5 + len);
                    return Ok(Message::decode(body.into()).unwrap());
                }
            }
            match within(self.receive.data()).await {
                Some(Ok(chunk)) => {
                    let _ = self.receive.flow_control().release_capacity(chunk.len());
                    self.heard.extend_from_slice(&chunk);
                }
                Some(Err(error)) => return Err(end_of(&error)),
                None => return Err(self.last_words().await),
            }
        }
    }

    async fn last_words(&mut self) -> End {
        assert!(self.heard.is_empty(), "a message was cut off");
        match within(self.receive.trailers()).await {
            Ok(trailers) => {
                let status = trailers.and_then(|all| all.get("grpc-status").cloned());
                End::Said(status.map(|status| status.to_str().unwrap().to_owned()))
            }
            Err(error) => end_of(&error),
        }
    }

    /// The next message, which is of this kind.
    pub(crate) async fn expect(&mut self, kind: Kind) -> Message {
        match self.hear().await {
            Ok(message) if message.kind() == kind => message,
            other => panic!("{other:?} came where {kind} was due"),
        }
    }

    /// The next message is a `reject`, with this reason.
    pub(crate) async fn expect_reject(&mut self) -> String {
        match self.expect(Kind::Reject).await.payload {
            Payload::Reject(reject) => reject.reason,
            other => panic!("{other:?}"),
        }
    }

    /// Nothing comes any more, and the call was not broken off.
    pub(crate) async fn expect_end(&mut self, caller: Caller) {
        let end = self.hear().await.expect_err("the end was due");
        assert!(end.is_clean(caller), "{end:?} where {caller:?} called");
    }

    /// A ping is still answered, and nothing comes before the answer.
    pub(crate) async fn expect_alive(&mut self, nonce: u64) {
        self.say(Payload::Ping(Ping { nonce }));
        let pong = self.expect(Kind::Pong).await;
        assert_eq!(pong.payload, Payload::Pong(Pong { nonce }));
    }
}

fn end_of(error: &h2::Error) -> End {
    match error.reason() {
        Some(reason) if error.is_reset() => End::Reset(reason),
        _ => End::Gone,
    }
}

async fn dial(
    io: DuplexStream,
    caller: Caller,
    config: &Config,
) -> Result<(Peer, Events), OpenError> {
    match caller {
        Caller::Remote => accept(io, config).await,
        Caller::We => initiate(io, config).await,
    }
}

/// Why an opening failed.
pub(crate) fn reason<T: std::fmt::Debug>(result: Result<T, OpenError>) -> DisconnectReason {
    match result {
        Err(OpenError::Ended { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

/// Reads everything and forgets it, so that pings are answered and nothing stops.
pub(crate) fn listen(mut events: Events) {
    tokio::spawn(async move { while events.next().await.is_some() {} });
}

/// Fails after ten minutes of tokio's clock, which in most tests is a paused one.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(600), future).await.expect("not within ten minutes")
}
