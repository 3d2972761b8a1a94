//! The link over a byte stream: whatever the caller brought (anything that reads and writes), a
//! transport and the bytes in between.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use peerage_peer_core::DisconnectReason;
use peerage_transport::{Frame, Negotiated, Transport, TransportError};
use peerage_wire::{COPY_UP_TO, FramedKind, Malformed, Payload};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};

use crate::budget::{Budget, Charge};
use crate::buffers::{self, READ_BUFFER};
use crate::link::{Link, Unsealed};
use crate::output::Output;

/// The least room that a read is given, in bytes.
const SMALL_READ: usize = 4 << 10;

/// What is left of a read is moved out of its 64 KiB buffer when the connection has to wait.
const STASH_BELOW: usize = READ_BUFFER / 2;

pub(crate) struct TcpLink<S, K> {
    io: S,
    transport: Transport<K>,
    magic: [u8; 4],
    input: BytesMut,
    output: Output,
    assembly: Charge,
    received: u64,
    eof: bool,
    /// Why nothing can be written any more.
    broken: Option<io::ErrorKind>,
    /// Whether reading waits for other connections to give memory back.
    short_of_memory: bool,
    /// Whether the transport may still have something to say of its own.
    negotiating: bool,
    /// What the last read holds in memory.
    pinned: usize,
    /// Copy small reads out of the shared buffer, for handlers that keep messages.
    keeps_messages: bool,
}

impl<S, K> Link<K> for TcpLink<S, K>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    K: FramedKind,
{
    fn start(&mut self) {
        self.push_handshake();
    }

    fn poll_progress(&mut self, cx: &mut Context<'_>, may_read: bool) -> Poll<io::Result<bool>> {
        let wrote = self.poll_write(cx);
        let read = if may_read { self.poll_read(cx) } else { Poll::Pending };
        match (read, self.broken) {
            (Poll::Ready(Ok(())), _) => Poll::Ready(Ok(!self.eof)),
            (_, Some(error)) => Poll::Ready(Err(error.into())),
            (Poll::Ready(Err(error)), None) => Poll::Ready(Err(error)),
            (Poll::Pending, None) => wrote.map(|()| Ok(true)),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.broken.is_some() {
            return Poll::Pending;
        }
        self.output.poll_write(cx, &mut self.io).map(|result| {
            self.broken = result.err().map(|error| error.kind());
        })
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.output.is_empty() {
            std::task::ready!(self.output.poll_write(cx, &mut self.io))?;
        }
        Poll::Ready(Ok(()))
    }

    fn next_frame(&mut self) -> Result<Option<Frame<K>>, DisconnectReason> {
        let next = self.transport.next_frame(&mut self.input);
        let frame = next.map_err(|error| self.end_of(error))?;
        if self.negotiating {
            self.push_handshake();
            self.negotiating = !self.transport.is_open();
        }
        // Not while the frame just found still holds a slice of it.
        if frame.as_ref().is_some_and(|frame| frame.wire_len > READ_BUFFER) {
            self.assembly.release();
        }
        if frame.is_none() && self.input.is_empty() {
            buffers::put_read(std::mem::take(&mut self.input));
        }
        Ok(frame)
    }

    fn agreed(&mut self, max_payload: usize) {
        self.transport.set_max_payload(max_payload);
        self.output.settle();
    }

    fn negotiated(&self) -> Option<Negotiated> {
        self.transport.negotiated()
    }

    fn is_open(&self) -> bool {
        self.transport.is_open()
    }

    fn has_room(&self) -> bool {
        self.transport.is_open() && self.output.has_room()
    }

    fn push(&mut self, frame: Unsealed<'_, K>) -> usize {
        let Unsealed { kind, payload, checksum, charge, receipt } = frame;
        let Self { output, transport, .. } = self;
        let len = match payload {
            Payload::Shared(bytes) if bytes.len() > COPY_UP_TO => {
                let header =
                    output.append(|out| transport.seal_header(kind, bytes.len(), checksum, out));
                match header {
                    Some(len) => {
                        output.share(bytes);
                        len
                    }
                    None => output.append(|out| transport.seal(kind, &bytes, None, out)),
                }
            }
            payload => {
                let payload = payload.as_slice();
                output.append(|out| transport.seal(kind, payload, Some(checksum), out))
            }
        };
        output.end_frame(len, charge, receipt);
        len
    }

    fn take_freed(&mut self) -> usize {
        self.output.take_freed()
    }

    fn current_frame(&self) -> Option<(u64, usize)> {
        self.output.current_frame()
    }

    fn arriving(&self) -> usize {
        self.transport.arriving().map_or(0, |frame| frame.wire_len)
    }

    fn is_short_of_memory(&self) -> bool {
        self.short_of_memory
    }

    /// Whatever was given since is a slice of the same read, perhaps the last one that lives.
    fn take_pinned(&mut self) -> usize {
        self.pinned
    }

    fn received(&self) -> u64 {
        self.received
    }

    fn sent(&self) -> u64 {
        self.output.written()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin, K: FramedKind> TcpLink<S, K> {
    pub(crate) fn new(
        io: S,
        transport: Transport<K>,
        magic: [u8; 4],
        budget: Budget,
        keeps_messages: bool,
    ) -> Self {
        Self {
            io,
            transport,
            magic,
            input: BytesMut::new(),
            output: Output::default(),
            assembly: Charge::new(budget),
            received: 0,
            eof: false,
            broken: None,
            short_of_memory: false,
            negotiating: true,
            pinned: 0,
            keeps_messages,
        }
    }

    /// Moves what the transport itself has to say into the output.
    fn push_handshake(&mut self) {
        let Self { output, transport, .. } = self;
        output.append(|out| transport.take_handshake(out));
    }

    /// What an error of the transport means for the connection.
    fn end_of(&self, error: TransportError) -> DisconnectReason {
        match error {
            TransportError::Malformed(malformed) => malformed.into(),
            TransportError::WrongNetworkV1 { found } => {
                Malformed::WrongMagic { found, expected: self.magic }.into()
            }
            TransportError::Violation(violation) => violation.into(),
            TransportError::NotAdmitted => DisconnectReason::NotAdmitted,
            _ => {
                let why = "the remote speaks v1, and v2 is required";
                DisconnectReason::NoCommonTransport(why)
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.poll_make_room(cx).is_pending() {
            // Told once, so that the clocks which could blame the remote are stopped.
            let told = std::mem::replace(&mut self.short_of_memory, true);
            return if told { Poll::Pending } else { Poll::Ready(Ok(())) };
        }
        self.short_of_memory = false;
        match pin!(self.io.read_buf(&mut self.input)).poll(cx) {
            Poll::Ready(Ok(count)) => {
                self.received += count as u64;
                self.eof = count == 0;
                if self.keeps_messages {
                    self.give_back_large_buffer();
                }
                self.pinned = self.input.capacity();
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                self.give_back_large_buffer();
                Poll::Pending
            }
        }
    }

    /// Makes room for the next read: a shared 64 KiB buffer at first, and for a frame that does not
    /// fit, at most as much again as has arrived.
    fn poll_make_room(&mut self, cx: &Context<'_>) -> Poll<()> {
        let have = self.input.len();
        if have < STASH_BELOW && self.input.capacity() < READ_BUFFER {
            let mut buffer = buffers::take_read();
            buffer.extend_from_slice(&self.input);
            self.input = buffer;
        }
        let need = self.transport.need();
        if need > READ_BUFFER {
            let target = need.min(have.max(READ_BUFFER / 2) * 2);
            if target > self.input.capacity() {
                std::task::ready!(self.assembly.poll_raise(cx, target));
                self.input.reserve(target - have);
            }
        }
        if self.input.capacity() == have {
            // No more than a read buffer in all, so that its own memory can be used again.
            self.input.reserve(READ_BUFFER.saturating_sub(have).max(SMALL_READ));
        }
        Poll::Ready(())
    }

    /// Copies a small rest into a buffer of its own size and gives the large one back.
    fn give_back_large_buffer(&mut self) {
        if self.input.len() < STASH_BELOW && self.input.capacity() >= READ_BUFFER {
            let rest = BytesMut::from(&self.input[..]);
            buffers::put_read(std::mem::replace(&mut self.input, rest));
        }
    }
}

impl<S, K> std::fmt::Debug for TcpLink<S, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TcpLink").field("received", &self.received).finish_non_exhaustive()
    }
}
