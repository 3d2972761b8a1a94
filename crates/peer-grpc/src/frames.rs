//! Bytes of a gRPC stream to messages, without I/O.
//!
//! A message is a byte that tells whether it is packed, its length in four bytes, and the envelope.
//! DATA frames cut this anywhere. A message that lies in one chunk is a slice of it; others are put
//! together in memory that grows with what has arrived, never by the length that was claimed.

use std::collections::VecDeque;
use std::marker::PhantomData;

use bytes::{Buf as _, Bytes, BytesMut};
use peerage_transport::Frame;
use peerage_wire::{Command, Envelope, Malformed, Name};

mod assembly;

use assembly::Assembly;

/// The bytes before each message: whether it is packed, and its length.
pub(crate) const HEADER: usize = 5;

/// How much a message may hold without being granted memory, in bytes: what every connection may.
pub(crate) const FREE: usize = 64 << 10;

/// Chunks that wait beyond these are put together if they are small, so that a chunk of one byte
/// does not hold a whole read buffer, as often as the window has bytes.
const LOOSE_CHUNKS: usize = 32;
const SMALL: usize = 4 << 10;

/// The room that small chunks are put together in, in bytes.
const TOGETHER: usize = 16 << 10;

/// Messages below this are copied for handlers that keep them: a slice holds a read buffer.
const COPY_BELOW: usize = 8 << 10;

/// The parser of one direction of a stream.
///
/// Chunks go in with [`push`](Self::push), messages come out of [`next_frame`](Self::next_frame).
/// When that gives `None` although a message has arrived in part, [`wants`](Self::wants) may ask for
/// memory, and [`grant`](Self::grant) gives it.
#[derive(Debug)]
pub struct Frames<K> {
    input: Input,
    state: State<K>,
    /// The largest envelope at present, in bytes.
    max: usize,
    packed_ones: Packed,
    keeps: bool,
    /// What the message being put together may hold.
    granted: usize,
    wants: bool,
    failed: Option<Malformed>,
    kind: PhantomData<K>,
}

/// Whether messages may come packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packed {
    Refused,
    Welcome,
}

#[derive(Debug)]
enum State<K> {
    /// Between messages, or in the bytes before one.
    Header([u8; HEADER], usize),
    Body(Assembly<K>),
}

/// What has arrived and was not looked at yet.
#[derive(Debug, Default)]
struct Input {
    chunks: VecDeque<Bytes>,
    /// Small chunks behind all others, side by side.
    together: BytesMut,
    len: usize,
    taken: usize,
}

impl<K: Envelope> Frames<K> {
    /// A stream of envelopes of at most `max_payload` bytes.
    #[must_use]
    pub fn new(max_payload: usize) -> Self {
        Self {
            input: Input::default(),
            state: State::Header([0; HEADER], 0),
            max: max_payload,
            packed_ones: Packed::Refused,
            keeps: false,
            granted: FREE,
            wants: false,
            failed: None,
            kind: PhantomData,
        }
    }

    /// From now on, envelopes may have up to `max_payload` bytes.
    pub fn set_max_payload(&mut self, max_payload: usize) {
        self.max = max_payload;
    }

    /// From now on, messages may come packed with gzip.
    pub fn accept_gzip(&mut self) {
        self.packed_ones = Packed::Welcome;
    }

    /// Small messages are copied from now on, so that who keeps them holds nothing else.
    pub(crate) fn copy_small(&mut self) {
        self.keeps = true;
    }

    /// Whether a message of so many bytes is copied.
    pub(crate) const fn copies(&self, len: usize) -> bool {
        self.keeps && len < COPY_BELOW
    }

    /// Appends what has arrived.
    pub fn push(&mut self, chunk: Bytes) {
        self.input.push(chunk);
    }

    /// The next whole message.
    ///
    /// # Errors
    /// If what comes next is none. The error is final.
    pub fn next_frame(&mut self) -> Result<Option<Frame<K>>, Malformed> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.advance().inspect_err(|error| self.failed = Some(*error))
    }

    /// How much memory the message being put together wants to hold in all, in bytes, if it cannot
    /// go on without.
    #[must_use]
    pub fn wants(&self) -> Option<usize> {
        let State::Body(body) = &self.state else { return None };
        self.wants.then(|| body.limit().min(self.granted * 2))
    }

    /// The message being put together may hold so many bytes.
    pub fn grant(&mut self, bytes: usize) {
        self.granted = bytes;
        self.wants = false;
    }

    /// How long the message is on the wire that has arrived in part, in bytes; 0 if there is none or
    /// its length has not come yet.
    #[must_use]
    pub fn arriving(&self) -> usize {
        match &self.state {
            State::Header(..) => 0,
            State::Body(body) => HEADER + body.wire_len,
        }
    }

    /// How many bytes were pushed and not looked at yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.input.len
    }

    /// How many bytes of what was pushed have been used up since this was last asked.
    pub fn take_used(&mut self) -> usize {
        std::mem::take(&mut self.input.taken)
    }

    /// What it holds beside the chunks that were pushed, in bytes.
    #[cfg(test)]
    fn held(&self) -> usize {
        let body = match &self.state {
            State::Header(..) => 0,
            State::Body(body) => body.held(),
        };
        body + self.input.together.capacity()
    }

    fn advance(&mut self) -> Result<Option<Frame<K>>, Malformed> {
        if let State::Header(bytes, have) = &mut self.state {
            *have += self.input.copy_to(&mut bytes[*have..]);
            if *have < HEADER {
                return Ok(None);
            }
            let bytes = *bytes;
            self.state = State::Body(self.begin(bytes)?);
        }
        let State::Body(body) = &mut self.state else { return Ok(None) };
        let Some((kind, payload)) = body.advance(&mut self.input, self.granted)? else {
            self.wants = body.is_blocked();
            return Ok(None);
        };
        let wire_len = HEADER + body.wire_len;
        self.state = State::Header([0; HEADER], 0);
        self.granted = FREE;
        self.wants = false;
        let payload =
            if self.copies(payload.len()) { Bytes::copy_from_slice(&payload) } else { payload };
        Ok(Some(Frame { kind, payload, wire_len, payload_hash: None }))
    }

    fn begin(&self, header: [u8; HEADER]) -> Result<Assembly<K>, Malformed> {
        let [flag, a, b, c, d] = header;
        let len = u32::from_be_bytes([a, b, c, d]);
        let packed = match (flag, self.packed_ones) {
            (0, _) => false,
            (1, Packed::Welcome) => true,
            (1, Packed::Refused) => {
                return Err(Malformed::Invalid { what: "gRPC flag: packed, which was not agreed" });
            }
            _ => return Err(Malformed::Invalid { what: "gRPC flag" }),
        };
        let max = if packed { packed_bound(self.max) } else { self.max };
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if len > max {
            return Err(too_large(Command::default().into(), len, max));
        }
        Ok(Assembly::new(len, self.max, packed))
    }
}

/// What an envelope of `len` bytes may take when packed: what cannot be packed grows by a few bytes
/// for each block, and the header.
const fn packed_bound(len: usize) -> usize {
    len + len / 1_024 + 64
}

fn too_large(command: Name, len: usize, max: usize) -> Malformed {
    Malformed::TooLarge { command, len: len as u64, max: max as u64 }
}

impl Input {
    fn push(&mut self, chunk: Bytes) {
        self.len += chunk.len();
        if chunk.len() >= SMALL || self.chunks.len() < LOOSE_CHUNKS {
            self.close();
            self.chunks.push_back(chunk);
            return;
        }
        if self.together.len() + chunk.len() > TOGETHER {
            self.close();
        }
        if self.together.capacity() == 0 {
            self.together.reserve(TOGETHER);
        }
        self.together.extend_from_slice(&chunk);
    }

    /// Puts the small chunks in line with the others.
    fn close(&mut self) {
        if !self.together.is_empty() {
            self.chunks.push_back(std::mem::take(&mut self.together).freeze());
        }
    }

    /// The bytes that come next, as far as they lie side by side; empty if there are none.
    fn front(&mut self) -> &[u8] {
        if self.chunks.is_empty() {
            self.close();
        }
        self.chunks.front().map_or(&[], |chunk| chunk)
    }

    /// Takes `count` bytes of those that lie side by side.
    fn consume(&mut self, count: usize) {
        let Some(front) = self.chunks.front_mut() else { return };
        front.advance(count);
        if !front.has_remaining() {
            self.chunks.pop_front();
        }
        self.len -= count;
        self.taken += count;
    }

    /// Takes `count` bytes of those that lie side by side, as they are.
    fn split(&mut self, count: usize) -> Bytes {
        let part = self.chunks.front().map_or_else(Bytes::new, |front| front.slice(..count));
        self.consume(count);
        part
    }

    /// Takes as many bytes as fill `out`, if there are so many; returns their number.
    fn copy_to(&mut self, out: &mut [u8]) -> usize {
        let mut filled = 0;
        while filled < out.len() && self.len > 0 {
            let front = self.front();
            let part = front.len().min(out.len() - filled);
            out[filled..filled + part].copy_from_slice(&front[..part]);
            filled += part;
            self.consume(part);
        }
        filled
    }

    /// Copies the bytes that come next without taking them; returns how many there are.
    fn peek(&mut self, out: &mut [u8]) -> usize {
        let mut filled = 0;
        let chunks = self.chunks.iter().map(|chunk| &chunk[..]);
        for chunk in chunks.chain(std::iter::once(&self.together[..])) {
            let part = chunk.len().min(out.len() - filled);
            out[filled..filled + part].copy_from_slice(&chunk[..part]);
            filled += part;
            if filled == out.len() {
                break;
            }
        }
        filled
    }
}

#[cfg(test)]
mod tests;
