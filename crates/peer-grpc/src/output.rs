//! Messages on their way to the stream.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use peerage_peer::ReceiptSender;

use crate::frames::HEADER;

/// How much is held ahead of the socket, in bytes, if not a single larger message.
pub(crate) const AHEAD: usize = 256 << 10;

/// The least room of a buffer for small messages, in bytes.
const BUFFER: usize = 8 << 10;

/// The messages that an emptied output keeps room for.
const KEEP_FRAMES: usize = 128;

/// Bytes to send, with the ends of the messages in them.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// Bytes that were not handed on, before those in `open`.
    segments: VecDeque<Bytes>,
    /// Small messages side by side.
    open: BytesMut,
    /// How many bytes were not handed on.
    unsent: usize,
    /// All bytes ever put in, and of those the ones that were written.
    pushed: u64,
    written: u64,
    frames: VecDeque<FrameEnd>,
    freed: usize,
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
        self.pushed - self.written < AHEAD as u64
    }

    /// Whether everything was written.
    pub(crate) fn is_written(&self) -> bool {
        self.pushed == self.written
    }

    /// How many bytes wait to be handed on.
    pub(crate) fn unsent(&self) -> usize {
        self.unsent
    }

    /// Appends a message, copied; returns its length on the wire.
    pub(crate) fn copy(&mut self, flag: u8, body: &[u8]) -> usize {
        self.append(&header(flag, body.len()));
        self.append(body);
        HEADER + body.len()
    }

    /// Appends a message as it is; returns its length on the wire.
    pub(crate) fn share(&mut self, flag: u8, body: Bytes) -> usize {
        let len = HEADER + body.len();
        self.append(&header(flag, body.len()));
        self.segments.push_back(self.open.split().freeze());
        self.count(body.len());
        self.segments.push_back(body);
        len
    }

    fn append(&mut self, bytes: &[u8]) {
        if self.open.capacity() - self.open.len() < bytes.len() {
            self.open.reserve(bytes.len().max(BUFFER));
        }
        self.open.extend_from_slice(bytes);
        self.count(bytes.len());
    }

    fn count(&mut self, bytes: usize) {
        self.unsent += bytes;
        self.pushed += bytes as u64;
    }

    /// A message ends with the bytes appended last.
    pub(crate) fn end_frame(&mut self, len: usize, charge: usize, receipt: Option<ReceiptSender>) {
        self.frames.push_back(FrameEnd { end: self.pushed, len, charge, receipt });
    }

    /// The next bytes to hand on, at most `max` of them.
    pub(crate) fn take(&mut self, max: usize) -> Bytes {
        let part = match self.segments.front_mut() {
            Some(front) if front.len() > max => front.split_to(max),
            Some(_) => self.segments.pop_front().unwrap_or_default(),
            None => self.open.split_to(self.open.len().min(max)).freeze(),
        };
        self.unsent -= part.len();
        part
    }

    /// All in all, so many bytes were written.
    pub(crate) fn note_written(&mut self, written: u64) {
        let count = usize::try_from(written.saturating_sub(self.written)).unwrap_or(usize::MAX);
        if count == 0 {
            return;
        }
        self.written = written.min(self.pushed);
        while self.frames.front().is_some_and(|frame| frame.end <= self.written) {
            let Some(frame) = self.frames.pop_front() else { break };
            self.freed += frame.charge;
            if let Some(receipt) = frame.receipt {
                receipt.written();
            }
        }
        // A large message gives back by and by.
        if let Some(frame) = self.frames.front_mut() {
            let left = usize::try_from(frame.end - self.written).unwrap_or(usize::MAX);
            let part = count.min(frame.len.saturating_sub(left)).min(frame.charge);
            frame.charge -= part;
            self.freed += part;
        } else {
            self.give_back();
        }
    }

    /// Keeps no more than an idle connection needs.
    fn give_back(&mut self) {
        if self.frames.capacity() > KEEP_FRAMES {
            self.frames.shrink_to(0);
        }
        if self.segments.capacity() > KEEP_FRAMES {
            self.segments.shrink_to(0);
        }
        if self.open.is_empty() {
            self.open = BytesMut::new();
        }
    }

    /// Takes the charge of what has been written.
    pub(crate) fn take_freed(&mut self) -> usize {
        std::mem::take(&mut self.freed)
    }

    /// The message whose bytes are next to be written: where it ends, and its length.
    pub(crate) fn current_frame(&self) -> Option<(u64, usize)> {
        self.frames.front().map(|frame| (frame.end, frame.len))
    }
}

/// The bytes before a message.
fn header(flag: u8, len: usize) -> [u8; HEADER] {
    let [a, b, c, d] = u32::try_from(len).expect("caps are far below 4 GiB").to_be_bytes();
    [flag, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_order_and_charges_come_back_as_they_are_written() {
        let mut output = Output::default();
        let len = output.copy(0, b"abc");
        output.end_frame(len, 30, None);
        let len = output.share(1, Bytes::from_static(b"defgh"));
        output.end_frame(len, len, None);
        let len = output.copy(0, b"ij");
        output.end_frame(len, 2, None);
        assert_eq!(output.unsent(), 8 + 10 + 7);
        let mut all = Vec::new();
        while output.unsent() > 0 {
            let part = output.take(4);
            assert!(!part.is_empty() && part.len() <= 4);
            all.extend_from_slice(&part);
        }
        assert_eq!(all, b"\0\0\0\0\x03abc\x01\0\0\0\x05defgh\0\0\0\0\x02ij");
        assert_eq!(output.current_frame(), Some((8, 8)));
        output.note_written(10);
        assert_eq!(output.take_freed(), 32, "the first message, and two bytes of the second");
        assert_eq!(output.current_frame(), Some((18, 10)));
        output.note_written(25);
        assert_eq!((output.take_freed(), output.current_frame()), (10, None));
        assert!(output.is_written());
    }
}
