//! The bytes of a stream that were not looked at yet, in the chunks in which they came.

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes, BytesMut};

/// Chunks that wait beyond these are put together if they are small, so that a chunk of one byte
/// does not hold a whole read buffer, as often as the window has bytes.
pub(super) const LOOSE_CHUNKS: usize = 32;
const SMALL: usize = 4 << 10;

/// The room that small chunks are put together in, in bytes.
pub(super) const TOGETHER: usize = 16 << 10;

/// What has arrived and was not looked at yet.
#[derive(Debug, Default)]
pub(super) struct Input {
    chunks: VecDeque<Bytes>,
    /// Small chunks behind all others, side by side.
    together: BytesMut,
    pub(super) len: usize,
    /// How much of it was used up since somebody asked.
    pub(super) taken: usize,
}

impl Input {
    pub(super) fn push(&mut self, chunk: Bytes) {
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
    pub(super) fn front(&mut self) -> &[u8] {
        if self.chunks.is_empty() {
            self.close();
        }
        self.chunks.front().map_or(&[], |chunk| chunk)
    }

    /// Takes `count` bytes of those that lie side by side.
    pub(super) fn consume(&mut self, count: usize) {
        let Some(front) = self.chunks.front_mut() else { return };
        front.advance(count);
        if !front.has_remaining() {
            self.chunks.pop_front();
        }
        self.len -= count;
        self.taken += count;
    }

    /// Takes `count` bytes of those that lie side by side, as they are.
    pub(super) fn split(&mut self, count: usize) -> Bytes {
        let part = self.chunks.front().map_or_else(Bytes::new, |front| front.slice(..count));
        self.consume(count);
        part
    }

    /// Takes as many bytes as fill `out`, if there are so many; returns their number.
    pub(super) fn copy_to(&mut self, out: &mut [u8]) -> usize {
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
    pub(super) fn peek(&mut self, out: &mut [u8]) -> usize {
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

    /// What it holds beside the chunks that were pushed, in bytes.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.together.capacity()
    }

    #[cfg(test)]
    pub(super) fn chunks(&self) -> usize {
        self.chunks.len()
    }
}
