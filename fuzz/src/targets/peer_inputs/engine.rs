//! An engine with its outbox, driven as the crate's page tells, with every bound asserted.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use peerage_peer_core::{
    Batch, Config, DisconnectReason, Event, Load, Outbox, Paused, Peer, Source, Taken,
};
use peerage_wire::{Direction, HEADER_LEN, Kind as _, Message as _, Now, Payload, Refusal};
use peerage_wire_bitcoin::types::InventoryItem;
use peerage_wire_bitcoin::{Bitcoin, Identity, Kind, Message};

/// What answers may hold, in bytes, if the outbox's limit is not lower.
const ANSWERS: usize = 256 << 10;

/// How many messages of its own the engine may have waiting, beside announcements: those at which
/// it asks for reading to stop, and those of one more input.
const OWN: usize = 1_000 + 40;

/// One connection's engine.
#[derive(Debug)]
pub(super) struct Engine {
    core: Peer<Bitcoin>,
    outbox: Outbox<Bitcoin, u32>,
    batch: Batch<Bitcoin, u32>,
    charged: Load,
    config: Arc<Config>,
    now: Now,
    /// What the link still takes, in bytes.
    room: usize,
    reading: bool,
    refuse: bool,
    heard: usize,
    established: usize,
    /// Announcements handed to the core, in messages: they may wait in it beside its own.
    announcements: usize,
    largest: Largest,
    receipts: (u32, u32),
    our_nonce: u64,
    last_ping: u64,
    reason: Option<DisconnectReason>,
}

/// The largest frame of each source, as the outbox charges it.
#[derive(Debug, Default)]
struct Largest {
    caller: usize,
    answer: usize,
}

/// Inputs.
impl Engine {
    pub(super) fn new(direction: Direction, identity: Identity, config: Config) -> Self {
        let (config, now) =
            (Arc::new(config), Now { mono: Duration::from_secs(5), unix: 1_700_000_000 });
        let core = Peer::new(direction, Arc::new(identity), config.clone(), [7; 32], now);
        let mut engine = Self {
            core,
            outbox: Outbox::new(config.outbox_limit, config.announcement_limit),
            batch: Batch::default(),
            charged: Load::default(),
            config,
            now,
            room: usize::MAX,
            reading: true,
            refuse: false,
            heard: 0,
            established: 0,
            announcements: 0,
            largest: Largest::default(),
            receipts: (0, 0),
            our_nonce: 0,
            last_ping: 0,
            reason: None,
        };
        engine.drain(0);
        engine
    }

    pub(super) fn hear(&mut self, message: Message) {
        if self.may_read() {
            let mut payload = Vec::new();
            message.encode(self.core.version(), &mut payload);
            self.core.handle_message(self.now, message, HEADER_LEN + payload.len());
            self.drain(4);
        }
    }

    pub(super) fn hear_payload(&mut self, kind: Kind, payload: Bytes) {
        if !self.may_read() {
            return;
        }
        match Message::decode(kind, payload, self.core.version()) {
            Ok(message) => self.hear(message),
            Err(malformed) => {
                self.core.handle_malformed(malformed);
                self.drain(0);
            }
        }
    }

    pub(super) fn send(&mut self, message: &Message, source: Source) {
        if self.core.remote().is_none() || self.outbox.is_full(source) {
            self.outbox.refuse();
            return;
        }
        self.push(message, source);
        self.drain(0);
    }

    pub(super) fn announce(&mut self, items: &[InventoryItem]) {
        if self.outbox.closed().is_some() {
            return;
        }
        let accepted = self.outbox.announce(items);
        assert!(accepted <= items.len());
        assert!(self.outbox.waiting() <= self.config.announcement_limit);
        self.drain(0);
    }

    pub(super) fn add_known(&mut self, items: &[InventoryItem]) {
        if self.outbox.closed().is_some() {
            return;
        }
        self.outbox.add_known(items);
        self.drain(0);
    }

    pub(super) fn arriving(&mut self, len: usize) {
        if self.may_read() {
            self.core.handle_arriving(self.now, len);
            self.drain(0);
        }
    }

    pub(super) fn set_reading(&mut self, reading: bool) {
        self.reading = reading;
        self.drain(0);
    }

    /// The link takes so many bytes more; without room, a frame is being written.
    pub(super) fn set_room(&mut self, bytes: usize) {
        self.room = bytes;
        self.core.set_writing(self.now, Some(bytes));
        self.drain(0);
    }

    /// The link has taken everything.
    pub(super) fn taken(&mut self) {
        self.room = usize::MAX;
        self.drain(0);
        self.core.set_writing(self.now, None);
        self.drain(0);
    }

    pub(super) fn set_remote_height(&mut self, height: i32) {
        self.core.set_remote_height(height);
        self.drain(0);
    }

    pub(super) fn jump(&mut self, seconds: i64) {
        self.now.unix = self.now.unix.saturating_add(seconds);
    }

    pub(super) fn refuse_next(&mut self) {
        self.refuse = true;
    }

    pub(super) fn close(&mut self, reason: DisconnectReason) {
        let before = self.reason.clone();
        self.core.close(reason.clone());
        assert_eq!(self.core.closed(), Some(&before.unwrap_or(reason)), "the first reason stays");
        self.drain(0);
    }

    /// Time passes, and what is due happens when it is.
    pub(super) fn wait(&mut self, duration: Duration) {
        let end = self.now.mono + duration;
        while let Some(due) = self.core.poll_timeout().filter(|due| *due <= end) {
            self.timeout(due);
        }
        self.advance(end);
    }

    /// Straight to the next moment at which something is due.
    pub(super) fn next_timeout(&mut self) {
        if let Some(due) = self.core.poll_timeout() {
            self.timeout(due);
        }
    }

    /// A driver wakes up too early.
    pub(super) fn timeout_early(&mut self) {
        self.core.handle_timeout(self.now);
        self.drain(KINDS_THAT_ASK);
    }

    /// The remote says nothing any more and takes everything: it must come to an end.
    pub(super) fn fall_silent(mut self) {
        self.set_reading(true);
        self.taken();
        assert!(self.outbox.is_empty() || self.core.remote().is_none(), "nothing is left behind");
        for _ in 0..MAX_TIMEOUTS {
            if self.core.closed().is_some() {
                break;
            }
            assert!(self.core.poll_timeout().is_some(), "it waits for nothing: {self:?}");
            self.next_timeout();
        }
        let reason = self.core.closed().expect("silence ends every connection").clone();
        assert!(!reason.to_string().is_empty());
        let _ = (reason.fault(), reason.retry());
        self.over();
        assert!(self.receipts.0 >= self.receipts.1, "no receipt is told twice");
    }

    pub(super) fn last_ping(&self) -> u64 {
        self.last_ping
    }

    pub(super) fn our_nonce(&self) -> u64 {
        self.our_nonce
    }
}

/// More timeouts than any silence takes.
const MAX_TIMEOUTS: usize = 200_000;

/// How many kinds of requests there are that expire in silence; a timeout tells each at most once.
const KINDS_THAT_ASK: usize = 9;

impl Engine {
    fn may_read(&self) -> bool {
        self.reading && self.core.closed().is_none() && !self.is_backed_up()
    }

    fn is_backed_up(&self) -> bool {
        self.outbox.is_full(Source::Answer) || self.core.has_backlog()
    }

    fn advance(&mut self, mono: Duration) {
        let passed = mono.saturating_sub(self.now.mono).as_secs();
        self.now.mono = self.now.mono.max(mono);
        self.now.unix = self.now.unix.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX));
    }

    fn timeout(&mut self, due: Duration) {
        self.advance(due);
        self.core.handle_timeout(self.now);
        let next = self.core.poll_timeout();
        assert!(
            next.is_none_or(|next| next > self.now.mono),
            "{next:?} is not after {:?}",
            self.now
        );
        self.drain(KINDS_THAT_ASK);
    }

    fn push(&mut self, message: &Message, source: Source) {
        let mut scratch = Vec::new();
        let payload = Payload::encode::<Bitcoin>(message, self.core.version(), &mut scratch);
        let charge = payload.as_slice().len() + 64;
        let largest = match source {
            Source::Caller => &mut self.largest.caller,
            Source::Answer => &mut self.largest.answer,
        };
        *largest = charge.max(*largest);
        self.receipts.0 += 1;
        let receipt = Some(self.receipts.0);
        self.outbox.push(message.kind(), &payload, [0; 4], message.asks(), source, receipt);
    }

    /// All outputs, in the order of the contract; `events` is how many the input may have caused.
    fn drain(&mut self, events: usize) {
        self.poll_heard();
        self.poll_events(events);
        self.transmit();
        self.check_bounds();
        if self.core.closed().is_some() {
            return self.over();
        }
        let paused = match (self.reading, self.is_backed_up()) {
            _ if self.core.remote().is_none() => None,
            (false, _) => Some(Paused::ByHandler),
            (true, true) => Some(Paused::ByBacklog),
            (true, false) => None,
        };
        self.core.set_paused(self.now, paused);
    }

    fn poll_heard(&mut self) {
        if let Some(remote) = self.core.poll_heard() {
            self.heard += 1;
            assert_eq!((self.heard, self.established), (1, 0), "they introduce themselves once");
            assert!(!format!("{remote:?}").is_empty());
            if std::mem::take(&mut self.refuse) {
                self.core.refuse(&Refusal::new("the fuzzer does not want them"));
            }
        }
    }

    fn poll_events(&mut self, allowed: usize) {
        let mut count = 0;
        while let Some(event) = self.core.poll_event() {
            count += 1;
            match event {
                Event::Opening(_) => assert_eq!((self.heard, self.established), (1, 0)),
                Event::Established(remote) => {
                    self.established += 1;
                    assert_eq!((self.heard, self.established), (1, 1));
                    assert_eq!(remote.agreed, self.core.version());
                }
                Event::PongDue(nonce) => {
                    assert_eq!(self.established, 1);
                    self.push(&Message::pong(nonce), Source::Answer);
                }
                Event::Message(_) | Event::Unanswered(_) | Event::Misbehaved(_) => {
                    assert_eq!(self.established, 1, "nothing is told before the opening is done");
                }
                other => panic!("{other:?} is the driver's to tell"),
            }
        }
        assert!(count <= allowed, "{count} events of one input");
    }

    fn transmit(&mut self) {
        loop {
            while self.room > 0 && self.core.closed().is_none() {
                let Some(message) = self.core.poll_transmit() else { break };
                self.say(&message);
            }
            while self.room > 0 && self.core.closed().is_none() {
                let Some(frame) = self.batch.pop() else { break };
                self.charged.add(frame.source, frame.charge);
                self.receipts.1 += u32::from(frame.receipt.is_some());
                self.room = self.room.saturating_sub(frame.payload.as_slice().len() + HEADER_LEN);
                let (kind, asks) = (frame.kind, frame.asks);
                self.core.transmitted(self.now, kind, asks);
            }
            self.outbox.release(std::mem::take(&mut self.charged));
            let open = self.core.remote().is_some();
            if self.room == 0 || !self.batch.is_empty() || !open || self.outbox.is_empty() {
                return;
            }
            let Taken { announcements, known } = self.outbox.take(&mut self.batch);
            self.core.add_known(&known);
            self.announcements += announcements.len().div_ceil(1_000);
            self.core.announce(self.now, &announcements);
            self.outbox.set_waiting(self.core.announcements_waiting());
        }
    }

    fn say(&mut self, message: &Message) {
        let mut payload = Vec::new();
        message.encode(self.core.version(), &mut payload);
        assert!(payload.len() <= message.kind().policy().cap, "{message:?} is too long");
        self.room = self.room.saturating_sub(payload.len() + HEADER_LEN);
        match message {
            Message::Version(version) => self.our_nonce = version.nonce,
            Message::Ping(ping) => self.last_ping = ping.nonce.unwrap_or(0),
            Message::Inv(items) => assert!((1..=1_000).contains(&items.len())),
            _ => {}
        }
        self.core.transmitted(self.now, message.kind(), message.asks());
    }

    fn check_bounds(&self) {
        let answers = self.config.outbox_limit.min(ANSWERS);
        let limit = self.config.outbox_limit + self.largest.caller + answers + self.largest.answer;
        assert!(self.outbox.held() <= limit, "the outbox holds {}", self.outbox.held());
        assert!(self.core.announcements_waiting() <= self.config.announcement_limit);
        assert!(self.core.known_items() <= 8_192);
        if let Some(remote) = self.core.remote() {
            assert_eq!(remote.agreed, self.core.version());
        }
        let stats = self.core.ping_stats(self.now);
        assert!(stats.min <= stats.last || stats.last.is_none());
    }

    /// It has ended: with the same reason as before, and with nothing more to do or to say.
    fn over(&mut self) {
        let reason = self.core.closed().expect("it has ended").clone();
        let first = self.reason.is_none();
        assert_eq!(self.reason.get_or_insert_with(|| reason.clone()), &reason, "one reason");
        assert_eq!(self.core.poll_timeout(), None, "nothing is due after the end");
        assert!(self.core.poll_event().is_none() && self.core.poll_heard().is_none());
        assert!(self.core.remote().is_none());
        let last_words = std::iter::from_fn(|| self.core.poll_transmit()).count();
        assert!(last_words <= usize::from(first), "{last_words} last words");
        if first {
            drop(self.outbox.close(reason.clone()));
        }
        assert_eq!((self.outbox.held(), self.outbox.is_empty()), (0, true));
        assert_eq!(self.outbox.closed(), Some(&reason));
    }
}

impl Drop for Engine {
    /// What waits in the engine is bounded as well, whoever does not take it.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let waiting = std::iter::from_fn(|| self.core.poll_transmit()).count();
            assert!(waiting <= OWN + self.announcements, "{waiting} messages wait");
        }
    }
}
