//! Sealed frames on their way to the socket.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::buffers;
use crate::shared::ReceiptSender;

/// How much is sealed ahead of the socket, in bytes, if not a single larger frame.
const AHEAD: usize = 256 << 10;

/// The frames that an emptied output keeps room for; more are given back, so that an idle connection
/// stays small.
const KEEP_FRAMES: usize = 128;

/// How many slices one vectored write takes.
const SLICES: usize = 16;

/// Bytes to write, with the ends of the frames in them.
#[derive(Debug, Default)]
pub(crate) struct Output {
    segments: VecDeque<Segment>,
    len: usize,
    written: u64,
    frames: VecDeque<FrameEnd>,
    /// What was charged for bytes that have been written since somebody asked.
    freed: usize,
    unflushed: bool,
}

#[derive(Debug)]
enum Segment {
    /// Small frames side by side, and how much of them was written.
    Copied(Vec<u8>, usize),
    /// A large payload that other connections may be sending too.
    Shared(Bytes),
}

#[derive(Debug)]
struct FrameEnd {
    end: u64,
    len: usize,
    /// What is given back as its bytes are written.
    charge: usize,
    receipt: Option<ReceiptSender>,
}

impl Output {
    pub(crate) fn has_room(&self) -> bool {
        self.len < AHEAD
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0 && !self.unflushed
    }

    /// All bytes that were ever written.
    pub(crate) const fn written(&self) -> u64 {
        self.written
    }

    /// Gives back room for more frames than an idle connection has.
    pub(crate) fn settle(&mut self) {
        self.segments.shrink_to(1);
        self.frames.shrink_to(1);
    }

    /// Appends what `fill` puts into the buffer; returns its result.
    pub(crate) fn append<T>(&mut self, fill: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let (mut buffer, mut start) = match self.segments.pop_back() {
            Some(Segment::Copied(buffer, start)) => (buffer, start),
            shared => {
                self.segments.extend(shared);
                (buffers::take_write(), 0)
            }
        };
        // What is written must not pile up before what is not, in an output that never runs empty.
        if start > 0 && start >= buffer.len() - start {
            buffer.drain(..start);
            start = 0;
        }
        let before = buffer.len();
        let result = fill(&mut buffer);
        self.len += buffer.len() - before;
        if buffer.is_empty() {
            buffers::put_write(buffer);
        } else {
            self.segments.push_back(Segment::Copied(buffer, start));
        }
        result
    }

    /// Appends bytes without copying them.
    pub(crate) fn share(&mut self, bytes: Bytes) {
        self.len += bytes.len();
        self.segments.push_back(Segment::Shared(bytes));
    }

    /// A frame ends with the bytes appended last.
    pub(crate) fn end_frame(&mut self, len: usize, charge: usize, receipt: Option<ReceiptSender>) {
        let end = self.written + self.len as u64;
        self.frames.push_back(FrameEnd { end, len, charge, receipt });
    }

    /// Takes the charge of what has been written.
    pub(crate) fn take_freed(&mut self) -> usize {
        std::mem::take(&mut self.freed)
    }

    /// The frame whose bytes are next to be written: where it ends, and its length.
    pub(crate) fn current_frame(&self) -> Option<(u64, usize)> {
        self.frames.front().map(|frame| (frame.end, frame.len))
    }

    /// Writes until the connection takes no more. Ready if something was written.
    pub(crate) fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut S,
    ) -> Poll<io::Result<()>> {
        let before = self.written;
        while self.len > 0 {
            match self.poll_write_once(cx, io) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => self.advance(count),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => break,
            }
        }
        if self.len == 0 && self.unflushed {
            match pin!(io.flush()).poll(cx) {
                Poll::Ready(result) => {
                    self.unflushed = false;
                    result?;
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        if self.written > before { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn poll_write_once<S: AsyncWrite + Unpin>(
        &self,
        cx: &mut Context<'_>,
        io: &mut S,
    ) -> Poll<io::Result<usize>> {
        if self.segments.len() == 1 {
            return pin!(io.write(self.segments[0].as_slice())).poll(cx);
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = self.segments.len().min(SLICES);
        for (slice, segment) in slices.iter_mut().zip(&self.segments) {
            *slice = IoSlice::new(segment.as_slice());
        }
        pin!(io.write_vectored(&slices[..count])).poll(cx)
    }

    fn advance(&mut self, count: usize) {
        self.len -= count;
        self.written += count as u64;
        self.unflushed = true;
        let mut rest = count;
        while let Some(segment) = self.segments.front_mut() {
            let taken = rest.min(segment.as_slice().len());
            segment.advance(taken);
            rest -= taken;
            if !segment.as_slice().is_empty() {
                break;
            }
            if let Some(Segment::Copied(buffer, _)) = self.segments.pop_front() {
                buffers::put_write(buffer);
            }
        }
        self.end_written_frames(count);
    }

    /// Gives back the charge of frames as they are written, a large one's by and by, and tells who
    /// waits for a frame that it was.
    fn end_written_frames(&mut self, count: usize) {
        while self.frames.front().is_some_and(|frame| frame.end <= self.written) {
            let Some(frame) = self.frames.pop_front() else { break };
            self.freed += frame.charge;
            if let Some(receipt) = frame.receipt {
                receipt.written();
            }
        }
        if let Some(frame) = self.frames.front_mut() {
            let left = usize::try_from(frame.end - self.written).unwrap_or(usize::MAX);
            let part = count.min(frame.len.saturating_sub(left)).min(frame.charge);
            frame.charge -= part;
            self.freed += part;
        } else if self.frames.capacity() > KEEP_FRAMES {
            self.frames.shrink_to(0);
        }
    }
}

impl Segment {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Copied(buffer, written) => &buffer[*written..],
            Self::Shared(bytes) => bytes,
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            Self::Copied(_, written) => *written += count,
            Self::Shared(bytes) => bytes::Buf::advance(bytes, count),
        }
    }
}
