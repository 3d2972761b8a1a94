//! Counts what really moves: bytes read and written, and of those written the payload of DATA frames.
//!
//! The HTTP/2 library owns the connection and does not tell how far its writes have come. What it
//! writes is frames, so their headers are read in passing: nine bytes with a length.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a client says before its first frame.
pub(crate) const PREFACE: usize = 24;

const FRAME_HEADER: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;

/// What a [`Meter`] has counted; one task reads and writes it.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    received: AtomicU64,
    sent: AtomicU64,
    data: AtomicU64,
    /// How many bytes may still be read before somebody looks at them.
    allowance: AtomicUsize,
    /// Whether reading stopped for want of allowance, so that nothing will wake the task.
    stopped: AtomicBool,
    ended: AtomicBool,
    eof: AtomicBool,
    failed: Mutex<Failed>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Failed {
    read: Option<io::ErrorKind>,
    write: Option<io::ErrorKind>,
}

impl Counts {
    /// All bytes ever read.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// All bytes ever written.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    /// All bytes ever written that were the payload of DATA frames.
    pub(crate) fn data(&self) -> u64 {
        self.data.load(Relaxed)
    }

    /// Allows about so many bytes to be read.
    pub(crate) fn allow(&self, bytes: usize) {
        self.allowance.store(bytes, Relaxed);
        self.stopped.store(false, Relaxed);
    }

    /// Whether more could have been read than was allowed.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }

    /// Whether the end of a stream was written.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Relaxed)
    }

    /// Whether the remote has said its last byte.
    pub(crate) fn is_eof(&self) -> bool {
        self.eof.load(Relaxed)
    }

    /// Why nothing can be read any more.
    pub(crate) fn read_failed(&self) -> Option<io::ErrorKind> {
        self.failed().read
    }

    /// Why nothing can be written any more.
    pub(crate) fn write_failed(&self) -> Option<io::ErrorKind> {
        self.failed().write
    }

    fn failed(&self) -> Failed {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, with: impl FnOnce(&mut Failed)) {
        with(&mut self.failed.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// A connection, and what has moved over it.
#[derive(Debug)]
pub(crate) struct Meter<S> {
    io: S,
    counts: Arc<Counts>,
    written: Written,
    unflushed: bool,
}

impl<S> Meter<S> {
    /// Measures `io`, on which `preface` bytes are written before the first frame.
    pub(crate) fn new(io: S, preface: usize) -> (Self, Arc<Counts>) {
        let counts = Arc::new(Counts::default());
        let written = Written { skip: preface, ..Written::default() };
        (Self { io, counts: counts.clone(), written, unflushed: false }, counts)
    }

    /// A failure to write is kept to ourselves: what the remote said before it hung up is still read,
    /// and the library would not do that.
    fn took(
        &mut self,
        result: Poll<io::Result<usize>>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let count = match result {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(count)) if count > 0 => count,
            Poll::Ready(result) => {
                let kind = result.err().map_or(io::ErrorKind::WriteZero, |error| error.kind());
                self.counts.fail(|failed| failed.write = Some(kind));
                return Poll::Pending;
            }
        };
        let mut left = count;
        for part in parts {
            let part = &part[..left.min(part.len())];
            self.written.take(part, &self.counts);
            left -= part.len();
        }
        self.unflushed = true;
        self.counts.sent.fetch_add(count as u64, Relaxed);
        Poll::Ready(Ok(count))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Meter<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let allowance = self.counts.allowance.load(Relaxed);
        if allowance == 0 {
            self.counts.stopped.store(true, Relaxed);
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let result = std::task::ready!(Pin::new(&mut self.io).poll_read(cx, buf));
        let count = buf.filled().len() - before;
        self.counts.allowance.store(allowance.saturating_sub(count), Relaxed);
        self.counts.received.fetch_add(count as u64, Relaxed);
        match &result {
            Ok(()) if count == 0 => self.counts.eof.store(true, Relaxed),
            Ok(()) => {}
            Err(error) => self.counts.fail(|failed| failed.read = Some(error.kind())),
        }
        Poll::Ready(result)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Meter<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.counts.write_failed().is_some() {
            return Poll::Pending;
        }
        let result = Pin::new(&mut self.io).poll_write(cx, buf);
        self.took(result, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.counts.write_failed().is_some() {
            return Poll::Pending;
        }
        let result = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.took(result, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unflushed && self.counts.write_failed().is_none() {
            let flushed = std::task::ready!(Pin::new(&mut self.io).poll_flush(cx));
            self.unflushed = false;
            if let Err(error) = flushed {
                self.counts.fail(|failed| failed.write = Some(error.kind()));
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Where in what is written we are.
#[derive(Debug, Default)]
struct Written {
    /// Bytes that come before the next frame's header and are none of ours to count.
    skip: usize,
    /// Bytes of the payload of a DATA frame that come next.
    data: usize,
    header: [u8; FRAME_HEADER],
    have: usize,
    /// Whether the frame being written ends its stream.
    ends: bool,
}

impl Written {
    fn take(&mut self, mut bytes: &[u8], counts: &Counts) {
        while !bytes.is_empty() {
            let passed = if self.skip > 0 {
                let passed = self.skip.min(bytes.len());
                self.skip -= passed;
                passed
            } else if self.data > 0 {
                let passed = self.data.min(bytes.len());
                self.data -= passed;
                counts.data.fetch_add(passed as u64, Relaxed);
                passed
            } else {
                let passed = (FRAME_HEADER - self.have).min(bytes.len());
                self.header[self.have..self.have + passed].copy_from_slice(&bytes[..passed]);
                self.have += passed;
                if self.have == FRAME_HEADER {
                    self.begin();
                }
                passed
            };
            bytes = &bytes[passed..];
            if self.ends && self.skip == 0 && self.data == 0 && self.have == 0 {
                self.ends = false;
                counts.ended.store(true, Relaxed);
            }
        }
    }

    fn begin(&mut self) {
        let [a, b, c, kind, flags, ..] = self.header;
        let len = u32::from_be_bytes([0, a, b, c]) as usize;
        self.have = 0;
        self.ends = matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0;
        // The library pads nothing.
        if kind == DATA {
            self.data = len;
        } else {
            self.skip = len;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, len: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, len, kind, flags, 0, 0, 0, 1];
        frame.extend(std::iter::repeat_n(0xff, len.into()));
        frame
    }

    #[test]
    fn only_the_payload_of_data_counts_however_it_is_cut() {
        let mut bytes = vec![b'P'; PREFACE];
        bytes.extend([frame(4, 0, 12), frame(1, 4, 30), frame(0, 0, 100), frame(6, 0, 8)].concat());
        bytes.extend([frame(0, 0, 0), frame(0, 1, 7)].concat());
        for cut in 1..bytes.len() {
            let counts = Counts::default();
            let mut written = Written { skip: PREFACE, ..Written::default() };
            let (last, all) = bytes.split_last().unwrap();
            all.chunks(cut).for_each(|part| written.take(part, &counts));
            assert_eq!((counts.data(), counts.has_ended()), (106, false));
            written.take(&[*last], &counts);
            assert_eq!((counts.data(), counts.has_ended()), (107, true));
        }
    }
}
