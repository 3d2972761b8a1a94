//! The HTTP/2 connection with its one stream, moved by whoever polls it.
//!
//! ```text
//!   client:  Binding ── preface, request ──► Client ── response ──► messages
//!   server:  Greeting ── their preface ──► Server ── their request, our response ──► messages
//!                                             └── a request that is not welcome ──► refused, over
//! ```
//!
//! Nothing is spawned: the library's connection lives here, and everything of it moves inside
//! [`Http2::poll`].

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::client::{self, ResponseFuture, SendRequest};
use h2::server::{self, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::uri::Authority;
use peerage_peer_core::DisconnectReason;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::Options;
use crate::head::{self, Theirs};
use crate::meter::{Counts, Meter, PREFACE};

mod end;
mod limits;
mod receive;

pub(crate) use end::End;
use end::end_of;

/// How much is read before what arrived is looked at, in bytes.
const READ: usize = 64 << 10;

/// One call over one connection.
pub(crate) struct Http2<S> {
    connection: Connection<S>,
    /// Whether the connection came to its end; it is kept, because its streams still hold what
    /// arrived before.
    over: bool,
    send: Option<SendStream<Bytes>>,
    receive: Receive,
    counts: Arc<Counts>,
    path: &'static str,
    options: Options,
    theirs: Option<Theirs>,
    /// Whether our end of the stream was said.
    finished: bool,
    /// Why the request was refused, while the refusal is written.
    refused: Option<DisconnectReason>,
    end: Option<End>,
}

enum Connection<S> {
    Binding(Binding<S>, Option<Authority>),
    Greeting(server::Handshake<Meter<S>, Bytes>),
    Client(client::Connection<Meter<S>, Bytes>),
    Server(server::Connection<Meter<S>, Bytes>),
}

type Bound<S> = (SendRequest<Bytes>, client::Connection<Meter<S>, Bytes>);
type Binding<S> = Pin<Box<dyn Future<Output = Result<Bound<S>, h2::Error>> + Send>>;

enum Receive {
    /// There is no stream yet.
    Nothing,
    /// The head of the response is still to come.
    Response(ResponseFuture),
    Messages(RecvStream),
    /// What comes after the last message.
    Trailers(RecvStream),
    /// The end has come.
    Over,
}

impl<S> Http2<S>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    /// Calls `path`.
    pub(crate) fn client(
        io: S,
        path: &'static str,
        authority: Authority,
        options: Options,
    ) -> Self {
        let (meter, counts) = Meter::new(io, PREFACE);
        let binding = Box::pin(limits::client().handshake(meter));
        Self::new(Connection::Binding(binding, Some(authority)), counts, path, options)
    }

    /// Waits for a call of `path`.
    pub(crate) fn server(io: S, path: &'static str, options: Options) -> Self {
        let (meter, counts) = Meter::new(io, 0);
        let greeting = limits::server().handshake(meter);
        Self::new(Connection::Greeting(greeting), counts, path, options)
    }

    fn new(
        connection: Connection<S>,
        counts: Arc<Counts>,
        path: &'static str,
        options: Options,
    ) -> Self {
        Self {
            connection,
            over: false,
            send: None,
            receive: Receive::Nothing,
            counts,
            path,
            options,
            theirs: None,
            finished: false,
            refused: None,
            end: None,
        }
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Whether messages can be sent.
    pub(crate) fn is_open(&self) -> bool {
        self.send.is_some()
    }

    /// What their head says, once it has come.
    pub(crate) fn theirs(&self) -> Option<Theirs> {
        self.theirs
    }

    /// Whether messages are packed that we send.
    pub(crate) fn packs(&self) -> bool {
        self.options.send_gzip && self.theirs.is_some_and(|theirs| theirs.accepts_gzip)
    }

    /// How it came to an end, if it has. What arrived before is still to be had.
    pub(crate) fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// Whether the connection does nothing any more.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// Reads what may be read at once, and writes what can be written. To be called after whatever is
    /// done here, because only the socket wakes the task: the library would wake it while it runs, for
    /// what it does next anyway.
    pub(crate) fn poll(&mut self, task: &Context<'_>) {
        self.counts.allow(READ);
        if matches!(self.end, Some(End::Failed(_))) {
            // Whoever broke a rule is not listened to, however long nobody looks at the end.
            self.counts.turn_deaf();
        }
        self.counts.wake(task);
        let cx = &mut Context::from_waker(Waker::noop());
        while !self.over && self.poll_connection(cx) {}
        self.poll_response(cx);
        if let Some(reason) = &self.refused
            && (self.over || self.counts.has_ended())
        {
            self.end.get_or_insert_with(|| End::Failed(reason.clone()));
        }
    }

    /// So many bytes of messages were used up: the remote may send as many more.
    pub(crate) fn release(&mut self, bytes: usize) {
        if let Receive::Messages(stream) = &mut self.receive {
            // Fails only for more than was received.
            let _ = stream.flow_control().release_capacity(bytes);
        }
    }

    /// How many bytes may be sent now, of those that are wanted to be.
    pub(crate) fn capacity(&mut self, wanted: usize) -> usize {
        let Some(stream) = self.send.as_mut().filter(|_| !self.finished) else { return 0 };
        stream.reserve_capacity(wanted.min(limits::SEND_BUFFER));
        stream.capacity().min(wanted)
    }

    /// Sends bytes of messages, no more than there is capacity for.
    pub(crate) fn send(&mut self, bytes: Bytes) {
        if let Some(stream) = &mut self.send {
            // A stream that has ended takes nothing; reading tells how.
            let _ = stream.send_data(bytes, false);
        }
    }

    /// Nothing more will be sent.
    pub(crate) fn finish(&mut self) {
        let Some(stream) = self.send.as_mut().filter(|_| !self.finished) else { return };
        self.finished = true;
        let _ = match self.connection {
            Connection::Server(_) => stream.send_trailers(head::trailers()),
            _ => stream.send_data(Bytes::new(), true),
        };
    }

    /// What was said is not to be taken for the whole.
    pub(crate) fn cancel(&mut self) {
        if let Some(stream) = self.send.as_mut().filter(|_| !self.finished) {
            self.finished = true;
            stream.send_reset(Reason::CANCEL);
        }
    }

    /// Lets a remote that is no stranger any more send as much as the stream allows.
    pub(crate) fn widen(&mut self) {
        match &mut self.connection {
            Connection::Client(connection) => connection.set_target_window_size(limits::WINDOW),
            Connection::Server(connection) => connection.set_target_window_size(limits::WINDOW),
            Connection::Binding(..) | Connection::Greeting(_) => {}
        }
    }

    /// Moves the connection; whether it is to be polled again.
    fn poll_connection(&mut self, cx: &mut Context<'_>) -> bool {
        let ended = match &mut self.connection {
            Connection::Binding(binding, authority) => match binding.as_mut().poll(cx) {
                Poll::Ready(Ok(bound)) => {
                    let authority = authority.take();
                    self.call(bound, authority);
                    return true;
                }
                Poll::Ready(Err(error)) => Err(error),
                Poll::Pending => return false,
            },
            Connection::Greeting(greeting) => match Pin::new(greeting).poll(cx) {
                Poll::Ready(Ok(connection)) => {
                    self.connection = Connection::Server(connection);
                    return true;
                }
                Poll::Ready(Err(error)) => Err(error),
                Poll::Pending => return false,
            },
            Connection::Client(connection) => match Pin::new(connection).poll(cx) {
                Poll::Ready(result) => result,
                Poll::Pending => return false,
            },
            Connection::Server(connection) => match connection.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    self.answer(request, respond);
                    return true;
                }
                Poll::Ready(Some(Err(error))) => Err(error),
                Poll::Ready(None) => Ok(()),
                Poll::Pending => return false,
            },
        };
        self.over = true;
        // Where there is a stream, it tells its end itself, behind what arrived.
        if matches!(self.receive, Receive::Nothing) && self.refused.is_none() {
            let end = ended.err().map_or(End::Closed, |error| end_of(&error, &self.counts));
            self.end.get_or_insert(end);
        }
        false
    }

    fn call(&mut self, (mut sender, connection): Bound<S>, authority: Option<Authority>) {
        self.connection = Connection::Client(connection);
        let Some(authority) = authority else { return };
        let request = head::request(self.path, authority, &self.options);
        match sender.send_request(request, false) {
            Ok((response, stream)) => {
                self.send = Some(stream);
                self.receive = Receive::Response(response);
            }
            Err(error) => self.ended(&error),
        }
    }

    fn answer(&mut self, request: http::Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        if !matches!(self.receive, Receive::Nothing) || self.refused.is_some() {
            return respond.send_reset(Reason::REFUSED_STREAM);
        }
        let (parts, messages) = request.into_parts();
        match head::judge_request(&parts, self.path, &self.options) {
            Ok(theirs) => {
                let response = head::response(&self.options, theirs);
                match respond.send_response(response, false) {
                    Ok(stream) => {
                        self.theirs = Some(theirs);
                        self.send = Some(stream);
                        self.receive = Receive::Messages(messages);
                    }
                    Err(error) => self.ended(&error),
                }
            }
            Err(refusal) => {
                self.refused = Some(DisconnectReason::NoCommonTransport(refusal.why));
                let response = head::refusal(&refusal, &self.options);
                if let Err(error) = respond.send_response(response, true) {
                    self.ended(&error);
                }
            }
        }
    }

    fn ended(&mut self, error: &h2::Error) {
        let end = end_of(error, &self.counts);
        self.finish_receiving(end);
    }

    fn finish_receiving(&mut self, end: End) {
        self.receive = Receive::Over;
        self.end.get_or_insert(end);
    }
}

impl<S> std::fmt::Debug for Http2<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http2")
            .field("over", &self.over)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}
