//! A connection as the driver sees it: frames in, frames out, one await.
//!
//! It owns whatever the caller brought (anything that reads and writes), the transport and the
//! bytes in between. [`Link::poll_progress`] is the only place where a connection waits for I/O; it
//! keeps its progress in this structure, so that dropping its future loses nothing.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use peerage_transport::{Frame, Transport, TransportError};
use peerage_wire::{COPY_UP_TO, Kind, Payload};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};

use crate::budget::{Budget, Charge};
use crate::buffers::{self, READ_BUFFER};
use crate::output::Output;
use crate::shared::ReceiptSender;

/// The least room that a read is given, in bytes.
const SMALL_READ: usize = 4 << 10;

/// What is left of a read is moved out of its 64 KiB buffer when the connection has to wait.
const STASH_BELOW: usize = READ_BUFFER / 2;

pub(crate) struct Link<S, K> {
    io: S,
    pub(crate) transport: Transport<K>,
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

impl<S: AsyncRead + AsyncWrite + Unpin, K: Kind> Link<S, K> {
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

    /// Moves whatever can move: writes what is sealed and, if `may_read`, reads once. Ready when
    /// something moved; `Ok(false)` when the remote has closed its side.
    ///
    /// When writing fails, what the remote said before it hung up is still read first.
    pub(crate) fn poll_progress(
        &mut self,
        cx: &mut Context<'_>,
        may_read: bool,
    ) -> Poll<io::Result<bool>> {
        let wrote = self.poll_write(cx);
        let read = if may_read { self.poll_read(cx) } else { Poll::Pending };
        match (read, self.broken) {
            (Poll::Ready(Ok(())), _) => Poll::Ready(Ok(!self.eof)),
            (_, Some(error)) => Poll::Ready(Err(error.into())),
            (Poll::Ready(Err(error)), None) => Poll::Ready(Err(error)),
            (Poll::Pending, None) => wrote.map(|()| Ok(true)),
        }
    }

    /// Writes as much of what is sealed as the connection takes now.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.broken.is_some() {
            return Poll::Pending;
        }
        self.output.poll_write(cx, &mut self.io).map(|result| {
            self.broken = result.err().map(|error| error.kind());
        })
    }

    /// Writes out what is sealed.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.output.is_empty() {
            std::task::ready!(self.output.poll_write(cx, &mut self.io))?;
        }
        Poll::Ready(Ok(()))
    }

    /// The next whole frame among the bytes that were read.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Frame<K>>, TransportError> {
        let frame = self.transport.next_frame(&mut self.input)?;
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

    /// Gives back memory that only the opening needed.
    pub(crate) fn settle(&mut self) {
        self.output.settle();
    }

    /// Whether the transport wants or can seal another frame.
    pub(crate) fn has_room(&self) -> bool {
        self.transport.is_open() && self.output.has_room()
    }

    /// Seals a frame, whose `charge` [`take_freed`](Self::take_freed) gives back when it is written;
    /// returns its length on the wire.
    pub(crate) fn push(
        &mut self,
        kind: K,
        payload: Payload<'_>,
        checksum: [u8; 4],
        charge: usize,
        receipt: Option<ReceiptSender>,
    ) -> usize {
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

    /// Takes the charge of what has been written.
    pub(crate) fn take_freed(&mut self) -> usize {
        self.output.take_freed()
    }

    /// Moves what the transport itself has to say into the output.
    pub(crate) fn push_handshake(&mut self) {
        let Self { output, transport, .. } = self;
        output.append(|out| transport.take_handshake(out));
    }

    /// The frame being written: where it ends, and its length.
    pub(crate) fn current_frame(&self) -> Option<(u64, usize)> {
        self.output.current_frame()
    }

    /// Whether reading waits for other connections to give memory back.
    pub(crate) const fn is_short_of_memory(&self) -> bool {
        self.short_of_memory
    }

    /// The network's magic.
    pub(crate) const fn magic(&self) -> [u8; 4] {
        self.magic
    }

    /// All bytes ever read from the connection.
    pub(crate) const fn received(&self) -> u64 {
        self.received
    }

    /// All bytes ever written to the connection.
    pub(crate) const fn sent(&self) -> u64 {
        self.output.written()
    }

    /// What the messages of the last read hold in memory, in bytes, as long as one of them lives.
    pub(crate) const fn pinned(&self) -> usize {
        self.pinned
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

impl<S, K: Kind> std::fmt::Debug for Link<S, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("received", &self.received).finish_non_exhaustive()
    }
}
