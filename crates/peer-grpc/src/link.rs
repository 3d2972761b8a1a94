//! The link over a gRPC stream.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::uri::Authority;
use peerage_peer::{Budget, Charge, Link, Unsealed};
use peerage_peer_core::DisconnectReason;
use peerage_transport::{Frame, Negotiated};
use peerage_wire::{COPY_UP_TO, Envelope, Payload};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::frames::Frames;
use crate::http2::{End, Http2};
use crate::output::Output;
use crate::{Options, gzip};

/// The largest message while the opening is not done, in bytes. The longest honest one tells a
/// version, with a user agent of at most 256 bytes and a network's name.
const MAX_OPENING: usize = 4 << 10;

/// Messages below this are never packed, in bytes: most of them would grow.
const PACK_FROM: usize = 1 << 10;

/// What one read may hold beside its messages, unless they are copies: the rest of the library's
/// buffer, in bytes.
const READ_SLACK: usize = 16 << 10;

/// A connection that carries its messages in one gRPC call, as its task sees it.
///
/// It owns the HTTP/2 connection and moves it when it is polled; nothing is spawned. Dropped, it
/// ends the call if the socket takes that at once.
pub struct GrpcLink<S, K>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    K: Envelope,
{
    http: Http2<S>,
    frames: Frames<K>,
    output: Output,
    assembly: Charge,
    /// Whether something arrived that [`next_frame`](Link::next_frame) was not asked about.
    fresh: bool,
    /// Whether the connection has something to do that it does not know of.
    unmoved: bool,
    open: bool,
    /// Whether reading waits for other connections to give memory back.
    short_of_memory: bool,
    /// What the last read holds in memory.
    pinned: usize,
}

impl<S, K> GrpcLink<S, K>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    K: Envelope,
{
    /// Calls the remote that is at the other end of `io` and is named `authority`.
    #[must_use]
    pub fn client(io: S, authority: Authority, options: Options, budget: Budget) -> Self {
        Self::new(Http2::client(io, K::PATH, authority, options), budget)
    }

    /// Waits to be called by the remote that is at the other end of `io`.
    #[must_use]
    pub fn server(io: S, options: Options, budget: Budget) -> Self {
        Self::new(Http2::server(io, K::PATH, options), budget)
    }

    fn new(http: Http2<S>, budget: Budget) -> Self {
        Self {
            http,
            frames: Frames::new(MAX_OPENING),
            output: Output::default(),
            assembly: Charge::new(budget),
            fresh: false,
            unmoved: false,
            open: false,
            short_of_memory: false,
            pinned: 0,
        }
    }

    /// Small messages are copied, so that a handler that keeps them holds nothing else.
    #[must_use]
    pub fn keeping_messages(mut self) -> Self {
        self.frames.copy_small();
        self
    }

    /// Hands on what may be sent, moves the connection and takes in what has come. Whether messages
    /// were written, or the way for them opened.
    fn pump(&mut self, cx: &Context<'_>) -> bool {
        self.unmoved = false;
        let before = self.http.counts().data();
        loop {
            self.hand_on();
            self.http.poll(cx);
            self.take_in();
            self.output.note_written(self.http.counts().data());
            // What was written or read may have made room for more.
            let more = self.output.unsent() > 0 && self.http.capacity(self.output.unsent()) > 0;
            if !more || self.http.end().is_some() {
                break;
            }
        }
        let opened = self.http.is_open() && !self.open;
        self.open |= opened;
        opened || self.http.counts().data() > before
    }

    fn hand_on(&mut self) {
        while self.output.unsent() > 0 {
            let capacity = self.http.capacity(self.output.unsent());
            if capacity == 0 {
                return;
            }
            let part = self.output.take(capacity);
            self.http.send(part);
        }
    }

    fn take_in(&mut self) {
        let ended = self.http.end().is_some();
        while let Some(chunk) = self.http.chunk() {
            self.frames.push(chunk);
            self.fresh = true;
        }
        if self.http.theirs().is_some_and(|theirs| theirs.sends_gzip) {
            self.frames.accept_gzip();
        }
        self.fresh |= !ended && self.http.end().is_some();
    }

    /// Asks for the memory that a message needs. Pending if there is none now.
    fn poll_memory(&mut self, cx: &Context<'_>) -> Poll<()> {
        let Some(bytes) = self.frames.wants() else { return Poll::Ready(()) };
        std::task::ready!(self.assembly.poll_raise(cx, bytes));
        self.frames.grant(bytes);
        self.fresh = true;
        Poll::Ready(())
    }

    /// What the end of the call means for whoever reads, when everything before it has been given.
    fn poll_end(&self, may_read: bool) -> Poll<io::Result<bool>> {
        let counts = self.http.counts();
        match self.http.end() {
            Some(End::Closed) if may_read => Poll::Ready(Ok(false)),
            Some(End::Io(kind)) if may_read => Poll::Ready(Err((*kind).into())),
            Some(End::Failed(_)) if may_read => Poll::Ready(Ok(true)),
            // Nothing can be read now, or nobody wants it.
            _ => match counts.write_failed() {
                Some(kind) if !counts.is_stopped() => Poll::Ready(Err(kind.into())),
                _ => Poll::Pending,
            },
        }
    }

    /// The message packed, if that is agreed and makes it smaller.
    fn pack(&self, plain: &[u8]) -> Option<Bytes> {
        if plain.len() < PACK_FROM || !self.http.packs() {
            return None;
        }
        let mut packed = Vec::new();
        gzip::pack(plain, &mut packed);
        (packed.len() < plain.len()).then(|| packed.into())
    }
}

impl<S, K> Link<K> for GrpcLink<S, K>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    K: Envelope,
{
    fn poll_progress(&mut self, cx: &mut Context<'_>, may_read: bool) -> Poll<io::Result<bool>> {
        let (waits, told) = (may_read && self.poll_memory(cx).is_pending(), self.short_of_memory);
        if may_read {
            self.short_of_memory = waits;
        }
        let before = (self.received(), self.sent());
        // What is the library's own moves bytes as well, and they are to be noted.
        let moved = self.pump(cx) || (self.received(), self.sent()) != before;
        if (may_read && self.fresh && !waits) || moved || (waits && !told) {
            // Shortage is told once, so that the clocks which could blame the remote are stopped.
            return Poll::Ready(Ok(true));
        }
        if waits {
            let failed = self.http.counts().write_failed();
            return failed.map_or(Poll::Pending, |kind| Poll::Ready(Err(kind.into())));
        }
        let end = self.poll_end(may_read);
        if end.is_pending() && self.http.counts().is_stopped() {
            // The socket has more, and will not say so again.
            cx.waker().wake_by_ref();
        }
        end
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.unmoved && self.output.is_written() {
            return Poll::Pending;
        }
        if self.pump(cx) { Poll::Ready(()) } else { Poll::Pending }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pump(cx);
        if self.output.is_written() {
            self.http.finish();
            self.http.poll(cx);
        }
        let counts = self.http.counts();
        if counts.has_ended() {
            return Poll::Ready(Ok(()));
        }
        if let Some(kind) = counts.write_failed() {
            return Poll::Ready(Err(kind.into()));
        }
        if self.http.is_over() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if counts.is_stopped() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn next_frame(&mut self) -> Result<Option<Frame<K>>, DisconnectReason> {
        let next = self.frames.next_frame();
        let used = self.frames.take_used();
        if used > 0 {
            self.http.release(used);
            self.unmoved = true;
        }
        match next? {
            Some(frame) => {
                self.assembly.release();
                let slack = if self.frames.copies(frame.payload.len()) { 0 } else { READ_SLACK };
                // One read has one rest, however many messages are slices of it.
                self.pinned = self.pinned.max(slack) + frame.payload.len();
                Ok(Some(frame))
            }
            None => {
                self.fresh = false;
                match self.http.end() {
                    Some(End::Failed(reason)) if self.frames.wants().is_none() => {
                        Err(reason.clone())
                    }
                    _ => Ok(None),
                }
            }
        }
    }

    fn agreed(&mut self, max_payload: usize) {
        self.frames.set_max_payload(max_payload);
        self.http.widen();
        self.unmoved = true;
    }

    fn negotiated(&self) -> Option<Negotiated> {
        self.http.theirs().map(|theirs| Negotiated::Grpc { gzip: theirs.accepts_gzip })
    }

    fn is_open(&self) -> bool {
        self.http.is_open()
    }

    fn has_room(&self) -> bool {
        self.http.is_open() && self.output.has_room()
    }

    fn push(&mut self, frame: Unsealed<'_, K>) -> usize {
        let Unsealed { payload, charge, receipt, .. } = frame;
        self.unmoved = true;
        let len = match self.pack(payload.as_slice()) {
            Some(packed) => self.output.share(1, packed),
            None => match payload {
                Payload::Shared(bytes) if bytes.len() > COPY_UP_TO => self.output.share(0, bytes),
                payload => self.output.copy(0, payload.as_slice()),
            },
        };
        self.output.end_frame(len, charge, receipt);
        len
    }

    fn take_freed(&mut self) -> usize {
        self.output.take_freed()
    }

    fn current_frame(&self) -> Option<(u64, usize)> {
        self.output.current_frame()
    }

    fn arriving(&self) -> usize {
        self.frames.arriving()
    }

    fn is_short_of_memory(&self) -> bool {
        self.short_of_memory
    }

    fn take_pinned(&mut self) -> usize {
        std::mem::take(&mut self.pinned)
    }

    fn received(&self) -> u64 {
        self.http.counts().received()
    }

    fn sent(&self) -> u64 {
        self.http.counts().sent()
    }
}

impl<S, K> Drop for GrpcLink<S, K>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    K: Envelope,
{
    /// Says that the call is over, as far as the socket takes it now: a remote then knows that the
    /// last message was whole, or that it was not.
    fn drop(&mut self) {
        if std::thread::panicking() || !self.http.is_open() {
            return;
        }
        // The library panics after a panic inside of it; dropping must not.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            if self.output.is_written() {
                self.http.finish();
            } else {
                self.http.cancel();
            }
            self.http.poll(&Context::from_waker(Waker::noop()));
        }));
    }
}

impl<S, K> std::fmt::Debug for GrpcLink<S, K>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    K: Envelope,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GrpcLink").field("http", &self.http).finish_non_exhaustive()
    }
}
