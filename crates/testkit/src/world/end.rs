//! One end of a link: an engine, its transport and its outbox, driven as the tokio driver does it.

mod transmit;
mod view;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use peerage_peer_core::{
    Batch, Config, DisconnectReason, Envelope, Event, Load, Outbox, Paused, Peer, Source,
};
use peerage_transport::{Frame, Transport, TransportError, V2};
use peerage_wire::{Direction, MAX_PAYLOAD, Malformed, Message as _, Now, Payload, Rng};
use peerage_wire_bitcoin::types::InventoryItem;
use peerage_wire_bitcoin::{Bitcoin, Identity, Kind, Message};

use super::pipe::Chunk;
use super::{App, EndId, Order};

/// What an end is made of.
pub(super) struct Part {
    pub(super) id: EndId,
    pub(super) direction: Direction,
    pub(super) identity: Identity,
    pub(super) config: Arc<Config>,
    pub(super) v2: V2,
}

/// One end of a link.
#[derive(Debug)]
pub struct End {
    id: EndId,
    magic: [u8; 4],
    core: Peer<Bitcoin>,
    transport: Transport<Kind>,
    outbox: Outbox<Bitcoin, usize>,
    batch: Batch<Bitcoin, usize>,
    /// Room that comes back: of answers that were sealed, of callers' frames that were written.
    gone: Load,
    /// What waits for room in the outbox, first come, first served.
    waiting: VecDeque<Message>,
    input: BytesMut,
    output: VecDeque<u8>,
    written: u64,
    frames: VecDeque<FrameEnd>,
    writing: Option<u64>,
    arriving: usize,
    reading: bool,
    finished: bool,
    opened_at: Option<Duration>,
    ended_at: Option<Duration>,
    reasons: Vec<DisconnectReason>,
    sent: Vec<Message>,
    acknowledged: usize,
    received: Vec<Message>,
    unanswered: Vec<(Duration, Kind)>,
    asked: Vec<(Duration, Kind)>,
    heard: Vec<(Duration, Kind)>,
    ledger: Ledger,
}

/// A frame of the output.
#[derive(Debug)]
struct FrameEnd {
    /// Where it ends, and how long it is.
    end: u64,
    len: usize,
    /// The room that comes back when it is written.
    charge: usize,
    /// Which of the messages sent it is, if it is one.
    number: Option<usize>,
}

/// Which items were announced, in either direction.
#[derive(Debug, Default)]
struct Ledger {
    heard: HashSet<InventoryItem>,
    said: HashSet<InventoryItem>,
    wrong: Vec<InventoryItem>,
}

/// For the world.
impl End {
    pub(super) fn new(part: Part, rng: &mut Rng, now: Now) -> Self {
        let Part { id, direction, identity, config, v2 } = part;
        let magic = identity.network.magic;
        let own = Rng::from_seed(rng.array());
        Self {
            id,
            magic,
            transport: Transport::new(direction, magic, v2, None, own),
            outbox: Outbox::new(config.outbox_limit, config.announcement_limit),
            core: Peer::new(direction, Arc::new(identity), config, rng.array(), now),
            batch: Batch::default(),
            gone: Load::default(),
            waiting: VecDeque::new(),
            input: BytesMut::new(),
            output: VecDeque::new(),
            written: 0,
            frames: VecDeque::new(),
            writing: None,
            arriving: 0,
            reading: true,
            finished: false,
            opened_at: None,
            ended_at: None,
            reasons: Vec::new(),
            sent: Vec::new(),
            acknowledged: 0,
            received: Vec::new(),
            unanswered: Vec::new(),
            asked: Vec::new(),
            heard: Vec::new(),
            ledger: Ledger::default(),
        }
    }

    pub(super) fn order(&mut self, now: Now, order: Order) {
        match order {
            Order::Send(message) => self.waiting.push_back(message),
            Order::Announce(items) => {
                self.outbox.announce(&items);
            }
            Order::Read(reading) => {
                self.reading = reading;
                self.pause(now);
            }
            Order::Close(reason) => self.core.close(reason),
        }
    }

    pub(super) fn break_down(&mut self) {
        self.core.close(DisconnectReason::Io(std::io::ErrorKind::ConnectionReset));
    }

    pub(super) const fn is_finished(&self) -> bool {
        self.finished
    }

    pub(super) fn may_read(&self) -> bool {
        !self.finished && self.reading && !self.is_backlogged()
    }

    pub(super) fn next_timeout(&self) -> Option<Duration> {
        self.core.poll_timeout().filter(|_| !self.finished)
    }

    /// One round of work, as the driver's; returns whether anything happened.
    pub(super) fn work(
        &mut self,
        now: Now,
        chunk: Option<Chunk>,
        app: &mut impl App,
        orders: &mut Vec<(EndId, Order)>,
    ) -> bool {
        if self.finished {
            return false;
        }
        let due = self.core.poll_timeout().is_some_and(|due| due <= now.mono);
        let moved = chunk.is_some() || due || self.core.closed().is_some();
        match chunk {
            Some(Chunk::Bytes(bytes)) => self.input.extend_from_slice(&bytes),
            Some(Chunk::End) => self.core.close(DisconnectReason::RemoteClosed),
            None => {}
        }
        self.receive(now, app, orders);
        self.note_writing(now);
        self.core.handle_timeout(now);
        self.deliver(now, app, orders);
        self.transmit(now, app, orders);
        self.pause(now);
        moved
    }

    fn is_backlogged(&self) -> bool {
        self.outbox.is_full(Source::Answer) || self.core.has_backlog()
    }

    fn receive(&mut self, now: Now, app: &mut impl App, orders: &mut Vec<(EndId, Order)>) {
        while self.may_read() && self.core.closed().is_none() {
            let frame = self.transport.next_frame(&mut self.input);
            self.push_handshake();
            match frame {
                Ok(Some(frame)) => self.receive_frame(now, frame),
                Ok(None) => {
                    self.note_arriving(now);
                    return;
                }
                Err(error) => self.transport_failed(error),
            }
            self.deliver(now, app, orders);
        }
    }

    fn receive_frame(&mut self, now: Now, frame: Frame<Kind>) {
        self.arriving = 0;
        let Frame { kind, payload, wire_len, payload_hash } = frame;
        match Message::decode(kind, payload, self.core.version()) {
            Ok(message) => {
                self.core.handle_message(now, message, Envelope { wire_len, payload_hash });
            }
            Err(malformed) => self.core.handle_malformed(malformed),
        }
        self.core.poll_heard();
    }

    fn transport_failed(&mut self, error: TransportError) {
        match error {
            TransportError::Malformed(malformed) => self.core.handle_malformed(malformed),
            TransportError::WrongNetworkV1 { found } => {
                self.core.handle_malformed(Malformed::WrongMagic { found, expected: self.magic })
            }
            TransportError::Violation(violation) => self.core.close(violation.into()),
            _ => self.core.close(DisconnectReason::NoCommonTransport("v2 is required")),
        }
    }

    fn deliver(&mut self, now: Now, app: &mut impl App, orders: &mut Vec<(EndId, Order)>) {
        while let Some(event) = self.core.poll_event() {
            self.tell(now, &event, app, orders);
        }
    }

    fn tell(
        &mut self,
        now: Now,
        event: &Event<Bitcoin>,
        app: &mut impl App,
        orders: &mut Vec<(EndId, Order)>,
    ) {
        match event {
            Event::PongDue(nonce) => return self.answer(&Message::pong(*nonce)),
            Event::Established(_) => {
                self.transport.set_max_payload(MAX_PAYLOAD);
                self.opened_at = Some(now.mono);
            }
            Event::Message(message) => {
                if let Message::Inv(items) = message {
                    self.ledger.heard.extend(items.iter());
                }
                self.heard.push((now.mono, message.kind()));
                self.received.push(message.clone());
            }
            Event::Unanswered(kind) => self.unanswered.push((now.mono, *kind)),
            _ => {}
        }
        let first = orders.len();
        app.on_event(self.id, event, orders);
        for (end, order) in orders.split_off(first) {
            match order {
                Order::Send(message) if end == self.id => self.answer(&message),
                order if end == self.id => self.order(now, order),
                order => orders.push((end, order)),
            }
        }
    }

    fn answer(&mut self, message: &Message) {
        self.push(message, Source::Answer, None);
    }

    fn push(&mut self, message: &Message, source: Source, number: Option<usize>) {
        let mut scratch = Vec::new();
        let payload = Payload::encode::<Bitcoin>(message, self.core.version(), &mut scratch);
        let checksum = peerage_wire::checksum(payload.as_slice());
        self.outbox.push(message.kind(), &payload, checksum, message.asks(), source, number);
    }

    /// Those who wait for room, in their order.
    fn admit(&mut self) {
        while self.core.remote().is_some() && !self.outbox.is_full(Source::Caller) {
            let Some(message) = self.waiting.pop_front() else { return };
            self.push(&message, Source::Caller, Some(self.sent.len()));
            self.sent.push(message);
        }
    }

    fn note_arriving(&mut self, now: Now) {
        let arriving = self.transport.arriving().map_or(0, |frame| frame.wire_len);
        if arriving != self.arriving {
            self.arriving = arriving;
            if arriving > 0 {
                self.core.handle_arriving(now, arriving);
            }
        }
    }

    fn pause(&mut self, now: Now) {
        let paused = match (self.reading, self.is_backlogged()) {
            _ if self.core.remote().is_none() => None,
            (false, _) => Some(Paused::ByHandler),
            (true, true) => Some(Paused::ByBacklog),
            (true, false) => None,
        };
        self.core.set_paused(now, paused);
    }
}
