//! What callers want to send: one lane of frames, the announcements, and how much they hold.
//!
//! A plain structure without a lock. Callers append frames that they have encoded and hashed
//! themselves; the driver swaps the whole lane against an empty one, seals frame by frame and then
//! gives the room back. So nobody encodes, hashes, encrypts or frees while somebody else waits.

use bytes::Bytes;
use peerage_wire::{Payload, Protocol};

use crate::DisconnectReason;

/// A connection's outbox. `R` is whatever the driver must tell when a frame was written.
#[derive(Debug)]
pub struct Outbox<P: Protocol, R> {
    lane: Batch<P, R>,
    held: Load,
    limit: usize,
    refused: bool,
    announcements: Vec<P::Item>,
    known: Vec<P::Item>,
    waiting_in_core: usize,
    announcement_limit: usize,
    closed: Option<DisconnectReason>,
}

impl<P: Protocol, R> Outbox<P, R> {
    /// An empty outbox that is full at `limit` bytes (at least one, so that it takes a message) and
    /// takes `announcement_limit` announcements.
    #[must_use]
    pub fn new(limit: usize, announcement_limit: usize) -> Self {
        Self {
            lane: Batch::default(),
            held: Load::default(),
            limit: limit.max(1),
            refused: false,
            announcements: Vec::new(),
            known: Vec::new(),
            waiting_in_core: 0,
            announcement_limit,
            closed: None,
        }
    }

    /// Whether messages of this source hold their limit. A message is accepted only below it, so
    /// one message may exceed the limit and none can wait for ever.
    #[must_use]
    pub fn is_full(&self, source: Source) -> bool {
        match source {
            Source::Caller => self.held.callers >= self.limit,
            Source::Answer => self.held.answers >= self.limit.min(ANSWERS),
        }
    }

    /// Remembers that somebody was refused, so that [`release`](Self::release) tells of room.
    pub fn refuse(&mut self) {
        self.refused = true;
    }

    /// Appends a frame, full or not: whoever must not exceed the limit asks
    /// [`is_full`](Self::is_full) under the same lock.
    pub fn push(
        &mut self,
        kind: P::Kind,
        payload: &Payload<'_>,
        checksum: [u8; 4],
        asks: u32,
        source: Source,
        receipt: Option<R>,
    ) {
        self.held.add(source, payload.as_slice().len() + FRAME_OVERHEAD);
        self.lane.push(kind, payload, checksum, asks, source, receipt);
    }

    /// Queues announcements; returns how many were accepted. Only announcements are ever dropped,
    /// and only here.
    pub fn announce(&mut self, items: &[P::Item]) -> usize {
        let waiting = self.announcements.len() + self.waiting_in_core;
        let accepted = items.len().min(self.announcement_limit.saturating_sub(waiting));
        self.announcements.extend_from_slice(&items[..accepted]);
        accepted
    }

    /// Items that the remote is known to have. Bounded like announcements; what does not fit is
    /// forgotten, which costs a superfluous announcement at worst.
    pub fn add_known(&mut self, items: &[P::Item]) {
        let room = self.announcement_limit.saturating_sub(self.known.len());
        self.known.extend_from_slice(&items[..items.len().min(room)]);
    }

    /// Whether the driver has something to take.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lane.is_empty() && self.announcements.is_empty() && self.known.is_empty()
    }

    /// Swaps the lane against `batch`, which must be used up, and takes the items.
    pub fn take(&mut self, batch: &mut Batch<P, R>) -> Taken<P> {
        debug_assert!(batch.is_empty(), "frames would be lost");
        batch.recycle();
        std::mem::swap(&mut self.lane, batch);
        Taken {
            announcements: std::mem::take(&mut self.announcements),
            known: std::mem::take(&mut self.known),
        }
    }

    /// So many announcements wait in the core and count against the limit.
    pub fn set_waiting(&mut self, announcements: usize) {
        self.waiting_in_core = announcements;
    }

    /// Gives back the room of frames that are gone. Returns whether somebody had been refused and
    /// the outbox has now fallen to three quarters of its limit for callers (whoever then makes the
    /// next large frame ready is done before the rest has left) and to half of that for answers.
    pub fn release(&mut self, gone: Load) -> bool {
        self.held.callers = self.held.callers.saturating_sub(gone.callers);
        self.held.answers = self.held.answers.saturating_sub(gone.answers);
        let low = self.held.callers <= self.limit - self.limit / 4
            && self.held.answers <= self.limit.min(ANSWERS) / 2;
        let room = self.refused && low;
        self.refused &= !room;
        room
    }

    /// The bytes it holds.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.total()
    }

    /// How many announcements wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.announcements.len() + self.waiting_in_core
    }

    /// Why nothing is accepted any more.
    #[must_use]
    pub fn closed(&self) -> Option<&DisconnectReason> {
        self.closed.as_ref()
    }

    /// Accepts nothing any more; the first reason stays. Returns what was queued, so that it can be
    /// freed where nobody waits.
    pub fn close(&mut self, reason: DisconnectReason) -> Batch<P, R> {
        self.closed.get_or_insert(reason);
        self.announcements = Vec::new();
        self.known = Vec::new();
        self.held = Load::default();
        std::mem::take(&mut self.lane)
    }
}

/// Who wants to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Any caller: bounded by the outbox's limit.
    Caller,
    /// The connection's own handler, answering what was read: bounded by 256 KiB of its own.
    /// Reading stops at that bound and not at the callers', so two peers that both send as much as
    /// they can still read each other.
    Answer,
}

/// What answers may hold, in bytes, if the outbox's limit is not lower.
const ANSWERS: usize = 256 << 10;

/// Bytes by source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Of callers.
    pub callers: usize,
    /// Of answers.
    pub answers: usize,
}

impl Load {
    /// Adds bytes of this source.
    pub fn add(&mut self, source: Source, bytes: usize) {
        match source {
            Source::Caller => self.callers += bytes,
            Source::Answer => self.answers += bytes,
        }
    }

    /// All of them.
    #[must_use]
    pub const fn total(self) -> usize {
        self.callers + self.answers
    }
}

/// Items that were taken out of an outbox.
#[derive(Debug)]
pub struct Taken<P: Protocol> {
    /// To be announced.
    pub announcements: Vec<P::Item>,
    /// Known to the remote.
    pub known: Vec<P::Item>,
}

/// What a frame is charged beside its payload, in bytes: about its entry in the lane and the
/// header that it gets, so that empty messages cannot be queued without end.
pub(crate) const FRAME_OVERHEAD: usize = 64;

/// An emptied lane larger than this is given back to the allocator, so that an idle peer stays
/// small.
const KEEP_UP_TO: usize = 4 << 10;

/// Frames in their order, small payloads side by side in one buffer.
#[derive(Debug)]
pub struct Batch<P: Protocol, R> {
    frames: Vec<Entry<P, R>>,
    next: usize,
    copied: Vec<u8>,
    offset: usize,
}

#[derive(Debug)]
struct Entry<P: Protocol, R> {
    kind: P::Kind,
    checksum: [u8; 4],
    asks: u32,
    source: Source,
    stored: Stored,
    receipt: Option<R>,
}

#[derive(Debug)]
enum Stored {
    Copied(usize),
    Shared(Bytes),
}

/// A frame taken out of a batch.
#[derive(Debug)]
pub struct Outgoing<'a, P: Protocol, R> {
    /// Which message.
    pub kind: P::Kind,
    /// Its encoded payload.
    pub payload: Payload<'a>,
    /// The first bytes of the payload's double hash; meaningless where the transport has none.
    pub checksum: [u8; 4],
    /// How many answers it asks for.
    pub asks: u32,
    /// Whom to tell when it was written.
    pub receipt: Option<R>,
    /// Who sent it.
    pub source: Source,
    /// What it was charged for in the outbox, in bytes.
    pub charge: usize,
}

impl<P: Protocol, R> Outgoing<'_, P, R> {
    /// The room that comes back when the frame is sealed: an answer's. If answers kept theirs until
    /// they are written, reading would stop for a block on its way, on both sides at once.
    #[must_use]
    pub const fn room_when_sealed(&self) -> usize {
        match self.source {
            Source::Caller => 0,
            Source::Answer => self.charge,
        }
    }

    /// The room that comes back when the frame is written: a caller's, so that no more than the
    /// outbox's limit is ever before what is sent next.
    #[must_use]
    pub const fn room_when_written(&self) -> usize {
        self.charge - self.room_when_sealed()
    }
}

impl<P: Protocol, R> Batch<P, R> {
    /// Whether every frame was taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.next == self.frames.len()
    }

    fn push(
        &mut self,
        kind: P::Kind,
        payload: &Payload<'_>,
        checksum: [u8; 4],
        asks: u32,
        source: Source,
        receipt: Option<R>,
    ) {
        let stored = match payload {
            Payload::Copied(bytes) => {
                self.copied.extend_from_slice(bytes);
                Stored::Copied(bytes.len())
            }
            Payload::Shared(bytes) => Stored::Shared(bytes.clone()),
        };
        self.frames.push(Entry { kind, checksum, asks, source, stored, receipt });
    }

    /// The next frame.
    pub fn pop(&mut self) -> Option<Outgoing<'_, P, R>> {
        let entry = self.frames.get_mut(self.next)?;
        self.next += 1;
        let payload = match &mut entry.stored {
            Stored::Copied(len) => {
                let start = self.offset;
                self.offset += *len;
                Payload::Copied(&self.copied[start..self.offset])
            }
            Stored::Shared(bytes) => Payload::Shared(std::mem::take(bytes)),
        };
        let charge = payload.as_slice().len() + FRAME_OVERHEAD;
        let receipt = entry.receipt.take();
        let Entry { kind, checksum, asks, source, .. } = *entry;
        Some(Outgoing { kind, payload, checksum, asks, source, receipt, charge })
    }

    /// Makes a used-up batch ready for new frames.
    fn recycle(&mut self) {
        self.frames.clear();
        self.copied.clear();
        self.frames.shrink_to(KEEP_UP_TO / size_of::<Entry<P, R>>());
        self.copied.shrink_to(KEEP_UP_TO);
        self.next = 0;
        self.offset = 0;
    }
}

impl<P: Protocol, R> Default for Batch<P, R> {
    fn default() -> Self {
        Self { frames: Vec::new(), next: 0, copied: Vec::new(), offset: 0 }
    }
}
