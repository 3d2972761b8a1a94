//! One engine of Bitcoin, driven by hand in virtual time.
//!
//! Every test file uses another part of it.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used)] // helpers of tests

pub mod requests;

use std::sync::Arc;
use std::time::Duration;

use peerage_peer_core::{Config, DisconnectReason, Event, Peer};
use peerage_testkit::{Clock, version};
use peerage_wire::{Command, Direction, Message as _};
use peerage_wire_bitcoin::message::{Inventory, Version};
use peerage_wire_bitcoin::types::{InventoryItem, InventoryType};
use peerage_wire_bitcoin::{Bitcoin, Identity, Kind, Message, Network};

pub const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub fn regtest() -> Identity {
    Identity::new(Network::regtest())
}

/// The defaults with changes.
pub fn config(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    change(&mut config);
    config
}

/// A transaction of this number.
pub fn tx(number: u32) -> InventoryItem {
    item(InventoryType::TX, number)
}

/// A block of this number.
pub fn block(number: u32) -> InventoryItem {
    item(InventoryType::BLOCK, number)
}

fn item(kind: InventoryType, number: u32) -> InventoryItem {
    let mut hash = [0; 32];
    hash[..4].copy_from_slice(&number.to_le_bytes());
    InventoryItem { kind, hash }
}

pub fn inv(items: &[InventoryItem]) -> Message {
    Message::Inv(Inventory::new(items).unwrap())
}

pub fn unknown(len: usize) -> Message {
    Message::Unknown { command: Command::new("novelty"), payload: vec![0; len].into() }
}

pub fn introduction(number: i32) -> Message {
    Message::Version(Box::new(version(number)))
}

/// An engine, its clock and what it has said and told so far. Whatever it wants to send is taken at
/// once.
#[derive(Debug)]
pub struct Solo {
    pub core: Peer<Bitcoin>,
    pub clock: Clock,
    sent: Vec<Message>,
    events: Vec<Event<Bitcoin>>,
}

impl Solo {
    pub fn new(direction: Direction, identity: Identity, config: Config, seed: u8) -> Self {
        let clock = Clock::default();
        let (identity, config) = (Arc::new(identity), Arc::new(config));
        let core = Peer::new(direction, identity, config, [seed; 32], clock.now());
        let mut solo = Self { core, clock, sent: Vec::new(), events: Vec::new() };
        solo.drain();
        solo
    }

    /// One that has agreed on this version with a remote at height 9, at time zero.
    pub fn open(config: Config, number: i32) -> Self {
        Self::open_as(Direction::Outbound, regtest(), config, number)
    }

    pub fn open_as(direction: Direction, identity: Identity, config: Config, number: i32) -> Self {
        Self::opened(Self::new(direction, identity, config, 1), version(number))
    }

    pub fn opened(mut self, theirs: Version) -> Self {
        self.hear(Message::Version(Box::new(theirs)));
        self.hear(Message::Verack);
        assert!(self.core.remote().is_some(), "{self:?}");
        self.take_sent();
        self.take_events();
        self
    }

    /// A message comes.
    pub fn hear(&mut self, message: Message) {
        let mut payload = Vec::new();
        message.encode(self.core.version(), &mut payload);
        self.hear_frame(message, 24 + payload.len());
    }

    /// A message comes in a frame, or in frames that are counted as one, of so many bytes.
    pub fn hear_frame(&mut self, message: Message, wire_len: usize) {
        self.core.handle_message(self.clock.now(), message, wire_len);
        self.core.poll_heard();
        self.drain();
    }

    /// A message of ours is written.
    pub fn say(&mut self, message: &Message) {
        self.core.transmitted(self.clock.now(), message.kind(), message.asks());
        self.drain();
    }

    /// The application announces.
    pub fn announce(&mut self, items: &[InventoryItem]) {
        self.core.announce(self.clock.now(), items);
        self.drain();
    }

    /// Lets time pass, and everything happen when it is due.
    pub fn wait(&mut self, duration: Duration) {
        let end = self.clock.now().mono + duration;
        while let Some(due) = self.core.poll_timeout().filter(|due| *due <= end) {
            assert!(due >= self.mono(), "due in the past: {due:?} at {:?}", self.mono());
            self.clock.advance_to(due);
            self.core.handle_timeout(self.clock.now());
            self.drain();
        }
        self.clock.advance_to(end);
    }

    /// Waits until it is over; returns when and why. A remote that says nothing is over by then.
    pub fn wait_for_end(&mut self) -> (Duration, DisconnectReason) {
        while self.core.closed().is_none() {
            let due = self.core.poll_timeout().expect("a connection always ends by itself");
            assert!(due < s(100_000), "it never ends: {self:?}");
            self.clock.advance_to(due);
            self.core.handle_timeout(self.clock.now());
            self.drain();
        }
        (self.clock.now().mono, self.reason())
    }

    pub fn mono(&self) -> Duration {
        self.clock.now().mono
    }

    #[track_caller]
    pub fn reason(&self) -> DisconnectReason {
        self.core.closed().expect("it is not over").clone()
    }

    pub fn is_open(&self) -> bool {
        self.core.closed().is_none()
    }

    pub fn take_sent(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.sent)
    }

    pub fn take_events(&mut self) -> Vec<Event<Bitcoin>> {
        std::mem::take(&mut self.events)
    }

    /// Takes the messages among the events.
    pub fn take_messages(&mut self) -> Vec<Message> {
        let messages = self.take_events().into_iter().filter_map(|event| match event {
            Event::Message(message) => Some(message),
            _ => None,
        });
        messages.collect()
    }

    /// The items of the announcements among what was said.
    pub fn take_announced(&mut self) -> Vec<InventoryItem> {
        let items = self.take_sent().into_iter().flat_map(|message| match message {
            Message::Inv(items) => items.iter().collect::<Vec<_>>(),
            _ => Vec::new(),
        });
        items.collect()
    }

    /// Takes all outputs, as far as a driver would.
    pub fn drain(&mut self) {
        while let Some(event) = self.core.poll_event() {
            self.events.push(event);
        }
        while let Some(message) = self.core.poll_transmit() {
            self.core.transmitted(self.clock.now(), message.kind(), message.asks());
            self.sent.push(message);
        }
    }
}

/// The names of messages, in their order.
pub fn names(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|message| message.kind().to_string()).collect()
}

/// The reason why a request of this kind was not answered.
pub fn stalled(kind: Kind) -> DisconnectReason {
    DisconnectReason::Stalled(kind.into())
}
