//! One direction of a link: bytes on their way.

use std::collections::VecDeque;
use std::time::Duration;

use peerage_wire::Rng;

use super::{Delivery, Weather};

#[derive(Debug, Default)]
pub(super) struct Pipe {
    pieces: VecDeque<Piece>,
    /// On their way, or not read yet.
    bytes: usize,
    last_arrival: Duration,
    /// Nobody reads any more.
    closed: bool,
    flip: bool,
}

#[derive(Debug)]
struct Piece {
    at: Duration,
    bytes: Vec<u8>,
    /// How many of them were read.
    read: usize,
}

/// What one read gives.
#[derive(Debug)]
pub(super) enum Chunk {
    Bytes(Vec<u8>),
    /// The writer has ended.
    End,
}

impl Chunk {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::End => &[],
        }
    }
}

impl Pipe {
    /// Takes as many of `bytes` as there is room for; returns how many.
    pub(super) fn write(&mut self, now: Duration, bytes: &[u8], weather: &Weather) -> usize {
        if self.closed {
            return bytes.len();
        }
        let count = bytes.len().min(weather.window.max(1).saturating_sub(self.bytes));
        if count > 0 {
            let transfer = weather.rate.map_or(Duration::ZERO, |rate| {
                Duration::from_nanos(count as u64 * 1_000_000_000 / u64::from(rate.max(1)))
            });
            let arrival = self.last_arrival.max(now + weather.latency) + transfer;
            let at = match weather.delivery {
                Delivery::Coalesced(interval) => next_multiple(arrival, interval),
                _ => arrival,
            };
            self.push(arrival, at, bytes[..count].to_vec());
        }
        count
    }

    /// The writer ends, behind these last bytes.
    pub(super) fn end(&mut self, now: Duration, rest: &[u8], weather: &Weather) {
        let arrival = self.last_arrival.max(now + weather.latency);
        if !self.closed {
            for bytes in [rest, &[]].into_iter().skip(usize::from(rest.is_empty())) {
                self.push(arrival, arrival, bytes.to_vec());
            }
        }
    }

    fn push(&mut self, arrival: Duration, at: Duration, bytes: Vec<u8>) {
        self.last_arrival = arrival;
        self.bytes += bytes.len();
        let at = self.pieces.back().map_or(at, |before| at.max(before.at));
        self.pieces.push_back(Piece { at, bytes, read: 0 });
    }

    /// The next read, if something has arrived.
    pub(super) fn read(
        &mut self,
        now: Duration,
        delivery: Delivery,
        rng: &mut Rng,
    ) -> Option<Chunk> {
        let mut chunk = Vec::new();
        while let Some(piece) = self.pieces.front_mut().filter(|piece| piece.at <= now) {
            if piece.bytes.is_empty() {
                if chunk.is_empty() {
                    self.pieces.pop_front();
                    return Some(Chunk::End);
                }
                break;
            }
            let left = piece.bytes.len() - piece.read;
            let count = match delivery {
                Delivery::ByteWise => 1,
                Delivery::Pieces => 1 + rng.below(left),
                Delivery::AsWritten | Delivery::Coalesced(_) => left,
            };
            chunk.extend_from_slice(&piece.bytes[piece.read..piece.read + count]);
            piece.read += count;
            self.bytes -= count;
            if piece.read == piece.bytes.len() {
                self.pieces.pop_front();
            }
            if !matches!(delivery, Delivery::Coalesced(_)) {
                break;
            }
        }
        if let Some(first) = chunk.first_mut().filter(|_| std::mem::take(&mut self.flip)) {
            *first ^= 1 << rng.below(8);
        }
        (!chunk.is_empty()).then_some(Chunk::Bytes(chunk))
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// When the next bytes arrive.
    pub(super) fn next(&self) -> Option<Duration> {
        self.pieces.front().map(|piece| piece.at)
    }

    /// Nobody reads any more; what is on its way is lost.
    pub(super) fn close(&mut self) {
        *self = Self { closed: true, ..Self::default() };
    }

    pub(super) fn flip(&mut self) {
        self.flip = true;
    }
}

fn next_multiple(at: Duration, interval: Duration) -> Duration {
    let interval = interval.as_nanos().max(1);
    let nanos = at.as_nanos().div_ceil(interval) * interval;
    u64::try_from(nanos).map_or(at, Duration::from_nanos)
}
