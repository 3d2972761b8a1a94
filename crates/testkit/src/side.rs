//! One side of a pair: an engine, its outbox and what is on its way to it.

mod work;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use peerage_peer_core::{Batch, Config, DisconnectReason, Event, Load, Outbox, Peer, Source};
use peerage_wire::{Direction, HEADER_LEN, Now, Refusal};
use peerage_wire_bitcoin::types::InventoryItem;
use peerage_wire_bitcoin::{Bitcoin, Identity, Kind, Message, Remote};

/// What one side is made of.
pub(crate) struct Part {
    pub(crate) direction: Direction,
    pub(crate) identity: Identity,
    pub(crate) config: Arc<Config>,
    pub(crate) seed: [u8; 32],
}

/// One of two joined engines, with what a driver holds around it.
#[derive(Debug)]
pub struct Side {
    direction: Direction,
    core: Peer<Bitcoin>,
    outbox: Outbox<Bitcoin, u64>,
    batch: Batch<Bitcoin, u64>,
    /// Room that comes back: of answers that were sealed, of callers' frames that the link has taken.
    gone: Load,
    next_receipt: u64,
    /// Frames that are sealed and that the link has not taken yet.
    sealed: VecDeque<Sealed>,
    writing: Option<u64>,
    frames_sealed: u64,
    /// What is on its way to this side or waits to be read.
    incoming: VecDeque<Incoming>,
    last_arrival: Duration,
    reading: bool,
    refusal: Option<Refusal>,
    handler: Handler,
    finished: bool,
    heard: Option<Remote>,
    events: Vec<(Duration, Event<Bitcoin>)>,
    sent: Vec<(Duration, Kind)>,
    written: Vec<u64>,
    log: Vec<(Duration, String)>,
}

#[derive(Debug)]
struct Sealed {
    number: u64,
    packet: Packet,
    /// The room that comes back when the link has taken it.
    charge: usize,
    receipt: Option<u64>,
}

#[derive(Debug)]
struct Incoming {
    packet: Packet,
    begins: Duration,
    ends: Duration,
    noticed: bool,
}

#[derive(Debug)]
enum Packet {
    Frame(Kind, Bytes),
    End,
}

impl Packet {
    fn wire_len(&self) -> usize {
        match self {
            Self::Frame(_, payload) => HEADER_LEN + payload.len(),
            Self::End => 0,
        }
    }
}

/// For tests.
impl Side {
    /// Queues a message; `false`, and nothing queued, if the outbox is full or closed.
    pub fn send(&mut self, message: &Message) -> bool {
        self.send_tracked(message).is_some()
    }

    /// Queues a message; its number appears in [`written`](Self::written) when the link took it.
    pub fn send_tracked(&mut self, message: &Message) -> Option<u64> {
        if self.outbox.closed().is_some() {
            return None;
        }
        if self.outbox.is_full(Source::Caller) {
            self.outbox.refuse();
            return None;
        }
        let receipt = self.next_receipt;
        self.next_receipt += 1;
        self.push(message, Source::Caller, Some(receipt));
        Some(receipt)
    }

    /// Queues announcements; returns how many were accepted.
    pub fn announce(&mut self, items: &[InventoryItem]) -> usize {
        self.outbox.announce(items)
    }

    /// Tells of items that the other side is known to have.
    pub fn add_known(&mut self, items: &[InventoryItem]) {
        self.outbox.add_known(items);
    }

    /// The handler takes no more events, or (`true`) does again.
    pub fn set_reading(&mut self, reading: bool) {
        self.reading = reading;
    }

    /// The handler answers each message that comes with those that `answer` gives for it.
    pub fn answer_with(&mut self, answer: impl FnMut(&Message) -> Vec<Message> + 'static) {
        self.handler = Handler(Box::new(answer));
    }

    /// The handler will refuse whoever introduces himself.
    pub fn refuse(&mut self, refusal: Refusal) {
        self.refusal = Some(refusal);
    }

    /// Ends the connection.
    pub fn close(&mut self, reason: DisconnectReason) {
        self.core.close(reason);
    }

    /// The engine.
    #[must_use]
    pub const fn core(&self) -> &Peer<Bitcoin> {
        &self.core
    }

    /// The engine, for inputs that this side has no method for.
    pub fn core_mut(&mut self) -> &mut Peer<Bitcoin> {
        &mut self.core
    }

    /// The outbox.
    #[must_use]
    pub const fn outbox(&self) -> &Outbox<Bitcoin, u64> {
        &self.outbox
    }

    /// Which side it is.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// What the other side said, as the handler saw it inside the opening.
    #[must_use]
    pub const fn heard(&self) -> Option<&Remote> {
        self.heard.as_ref()
    }

    /// Why the connection is over, if it is.
    #[must_use]
    pub const fn closed(&self) -> Option<&DisconnectReason> {
        self.core.closed()
    }

    /// All events, with their times.
    #[must_use]
    pub fn events(&self) -> &[(Duration, Event<Bitcoin>)] {
        &self.events
    }

    /// Takes the events.
    pub fn take_events(&mut self) -> Vec<(Duration, Event<Bitcoin>)> {
        std::mem::take(&mut self.events)
    }

    /// Takes the events and keeps the messages that came after the opening.
    pub fn take_messages(&mut self) -> Vec<Message> {
        let messages = self.take_events().into_iter().filter_map(|(_, event)| match event {
            Event::Message(message) => Some(message),
            _ => None,
        });
        messages.collect()
    }

    /// All frames that were sealed, with their times.
    #[must_use]
    pub fn sent(&self) -> &[(Duration, Kind)] {
        &self.sent
    }

    /// The numbers of the tracked messages that the link took, in that order.
    #[must_use]
    pub fn written(&self) -> &[u64] {
        &self.written
    }
}

/// For the pair.
impl Side {
    pub(crate) fn new(part: Part, now: Now) -> Self {
        let Part { direction, identity, config, seed } = part;
        Self {
            direction,
            outbox: Outbox::new(config.outbox_limit, config.announcement_limit),
            core: Peer::new(direction, Arc::new(identity), config, seed, now),
            batch: Batch::default(),
            gone: Load::default(),
            next_receipt: 0,
            sealed: VecDeque::new(),
            writing: None,
            frames_sealed: 0,
            incoming: VecDeque::new(),
            last_arrival: Duration::ZERO,
            reading: true,
            refusal: None,
            handler: Handler(Box::new(|_| Vec::new())),
            finished: false,
            heard: None,
            events: Vec::new(),
            sent: Vec::new(),
            written: Vec::new(),
            log: Vec::new(),
        }
    }
}

type Answer = dyn FnMut(&Message) -> Vec<Message>;

struct Handler(Box<Answer>);

impl std::fmt::Debug for Handler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handler")
    }
}
