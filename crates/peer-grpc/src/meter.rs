//! Counts what really moves: bytes read and written, and of those written the payload of DATA frames.
//!
//! The HTTP/2 library owns the connection and does not tell how far its writes have come. What it
//! writes is frames, so their headers are read in passing: nine bytes with a length.
//!
//! It also keeps apart who is to be woken: the connection's task by the socket, and nobody by the
//! library, whose connection is moved after whatever is done to it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a client says before its first frame.
pub(crate) const PREFACE: usize = 24;

const FRAME_HEADER: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;

/// What a [`Meter`] has counted; one task reads and writes it.
#[derive(Debug)]
pub(crate) struct Counts {
    received: AtomicU64,
    sent: AtomicU64,
    data: AtomicU64,
    /// How many bytes may still be read before somebody looks at them.
    allowance: AtomicUsize,
    /// Whether reading stopped for want of allowance, so that nothing will wake the task.
    stopped: AtomicBool,
    /// Whether nothing is read any more.
    deaf: AtomicBool,
    ended: AtomicBool,
    eof: AtomicBool,
    failed: Mutex<Failed>,
    /// Whom the socket wakes.
    waker: Mutex<Waker>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Failed {
    read: Option<io::ErrorKind>,
    write: Option<io::ErrorKind>,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            received: AtomicU64::default(),
            sent: AtomicU64::default(),
            data: AtomicU64::default(),
            allowance: AtomicUsize::default(),
            stopped: AtomicBool::default(),
            deaf: AtomicBool::default(),
            ended: AtomicBool::default(),
            eof: AtomicBool::default(),
            failed: Mutex::default(),
            waker: Mutex::new(Waker::noop().clone()),
        }
    }
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

    /// Reads nothing any more.
    pub(crate) fn turn_deaf(&self) {
        self.deaf.store(true, Relaxed);
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

    /// The socket shall wake this task.
    pub(crate) fn wake(&self, task: &Context<'_>) {
        let mut waker = self.waker();
        if !waker.will_wake(task.waker()) {
            waker.clone_from(task.waker());
        }
    }

    fn waker(&self) -> MutexGuard<'_, Waker> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
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
}

impl<S: AsyncWrite + Unpin> Meter<S> {
    /// Writes, and counts what was taken.
    ///
    /// A failure is kept to ourselves: what the remote said before it hung up is still read, and the
    /// library would not do that.
    fn write<'a>(
        &mut self,
        parts: &'a [IoSlice<'a>],
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>, &'a [IoSlice<'a>]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let Self { io, counts, written, unflushed } = self;
        if counts.write_failed().is_some() {
            return Poll::Pending;
        }
        let result = write(Pin::new(io), &mut Context::from_waker(&counts.waker()), parts);
        let count = match std::task::ready!(result) {
            Ok(count) if count > 0 => count,
            result => {
                let kind = result.err().map_or(io::ErrorKind::WriteZero, |error| error.kind());
                counts.fail(|failed| failed.write = Some(kind));
                return Poll::Pending;
            }
        };
        let mut left = count;
        for part in parts {
            let part = &part[..left.min(part.len())];
            written.take(part, counts);
            left -= part.len();
        }
        *unflushed = true;
        counts.sent.fetch_add(count as u64, Relaxed);
        Poll::Ready(Ok(count))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Meter<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { io, counts, .. } = self.get_mut();
        let allowance = counts.allowance.load(Relaxed);
        if counts.deaf.load(Relaxed) {
            return Poll::Pending;
        }
        if allowance == 0 {
            counts.stopped.store(true, Relaxed);
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let result = std::task::ready!(
            Pin::new(io).poll_read(&mut Context::from_waker(&counts.waker()), buf)
        );
        let count = buf.filled().len() - before;
        counts.allowance.store(allowance.saturating_sub(count), Relaxed);
        counts.received.fetch_add(count as u64, Relaxed);
        match &result {
            Ok(()) if count == 0 => counts.eof.store(true, Relaxed),
            Ok(()) => {}
            Err(error) => counts.fail(|failed| failed.read = Some(error.kind())),
        }
        Poll::Ready(result)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Meter<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().write(&[IoSlice::new(buf)], |io, cx, _| io.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().write(bufs, AsyncWrite::poll_write_vectored)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { io, counts, unflushed, .. } = self.get_mut();
        if *unflushed && counts.write_failed().is_none() {
            let flushed = Pin::new(io).poll_flush(&mut Context::from_waker(&counts.waker()));
            let flushed = std::task::ready!(flushed);
            *unflushed = false;
            if let Err(error) = flushed {
                counts.fail(|failed| failed.write = Some(error.kind()));
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { io, counts, .. } = self.get_mut();
        Pin::new(io).poll_shutdown(&mut Context::from_waker(&counts.waker()))
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
