//! How a connection opens: `version` and `verack` both ways, features between them.
//!
//! ```text
//!   outbound                                        inbound
//!   1. send version                                 1. wait
//!   ─── ExpectVersion ─────────────────────────────────────────────────────────
//!   2. on version: check it, agree, tell the        2. the same, but our version
//!      handler; send wtxidrelay, sendaddrv2,           goes before the features
//!      sendtxrcncl, feature …, verack
//!   ─── ExpectVerack ──────────────────────────────────────────────────────────
//!   3. note wtxidrelay, sendaddrv2, sendtxrcncl, feature; skip what is unknown
//!   4. on verack: done
//! ```
//!
//! The checks of a `version`, in this order: it is not our own nonce that comes back, and its
//! protocol version, which may be negative, is not below our minimum. Features are sent in Bitcoin
//! Core's order and only to those who advertise a version that knows them. One that comes although
//! the agreed version does not know it is skipped, as Core skips `wtxidrelay`. Any other message of
//! the protocol is a violation; unknown ones are counted and bounded by the engine.

use std::sync::Arc;

use peerage_wire::{Direction, NonceGuard, Now, Rng, Step, Violation};

use crate::message::{SendTxRcncl, Version};
use crate::types::{PeerAddress, Services};
use crate::{Bitcoin, Identity, Kind, Message, Remote};

/// The opening of one connection.
#[derive(Debug)]
pub struct Opening {
    state: State,
    side: Side,
}

#[derive(Debug)]
enum State {
    ExpectVersion,
    ExpectVerack(Box<Remote>),
}

/// Our side, which stays the same.
#[derive(Debug)]
struct Side {
    direction: Direction,
    ours: Arc<Identity>,
    nonce: NonceGuard,
    salt: u64,
}

impl peerage_wire::Opening<Bitcoin> for Opening {
    fn start(
        direction: Direction,
        ours: &Arc<Identity>,
        rng: &mut Rng,
        now: Now,
    ) -> (Self, Vec<Message>) {
        // A version without a nonce reads as nonce 0, which must never be ours.
        let nonce = ours.nonces.hold(rng.next_u64().max(1));
        let side = Side { direction, ours: Arc::clone(ours), nonce, salt: rng.next_u64() };
        let send = match direction {
            Direction::Outbound => vec![side.introduction(now)],
            Direction::Inbound => Vec::new(),
        };
        (Self { state: State::ExpectVersion, side }, send)
    }

    fn on_message(self, message: &Message, now: Now) -> Step<Bitcoin, Self> {
        let Self { state, side } = self;
        match (state, message) {
            (State::ExpectVersion, Message::Version(version)) => side.on_version(version, now),
            (State::ExpectVersion, other) => Step::Failed(unexpected(other, "version")),
            (State::ExpectVerack(remote), Message::Verack) => {
                Step::Done { remote: agreement(*remote), send: Vec::new() }
            }
            (State::ExpectVerack(remote), other) => side.before_verack(remote, other),
        }
    }

    /// The newest, whatever was agreed: features are skipped below the version that has them, and
    /// everything else looks the same in all versions or may not come before the end.
    fn version(&self) -> u32 {
        <Bitcoin as peerage_wire::Protocol>::VERSION
    }
}

impl Side {
    fn on_version(self, theirs: &Version, now: Now) -> Step<Bitcoin, Opening> {
        let ours = &self.ours;
        if ours.nonces.contains(theirs.nonce) && !ours.allow_self_connections {
            return Step::SelfConnection;
        }
        let minimum = ours.min_version;
        let advertised = match u32::try_from(theirs.version) {
            Ok(version) if version >= minimum => version,
            _ => return Step::Failed(Violation::Obsolete { version: theirs.version, minimum }),
        };
        let agreed = advertised.min(ours.advertised());
        let mut remote = remote(theirs, agreed, now);
        remote.our_services = ours.services;
        remote.sent_txrcncl = self.offer_of_txrcncl(agreed, theirs.relay);

        let mut send = Vec::new();
        if self.direction == Direction::Inbound {
            send.push(self.introduction(now));
        }
        self.push_features(&remote, &mut send);
        send.push(Message::Verack);
        let heard = Some(remote.clone());
        let state = State::ExpectVerack(Box::new(remote));
        Step::More { state: Opening { state, side: self }, send, heard }
    }

    fn before_verack(self, mut remote: Box<Remote>, message: &Message) -> Step<Bitcoin, Opening> {
        let known = remote.agreed >= message.kind().since();
        match message {
            Message::WtxidRelay => remote.wtxid_relay |= known && self.ours.wtxid_relay,
            Message::SendAddrV2 => remote.wants_addrv2 |= known,
            Message::SendTxRcncl(offer) if known => remote.txrcncl = Some(*offer),
            Message::Feature(feature) if known => remote.features.push(feature.detach()),
            Message::SendTxRcncl(_) | Message::Feature(_) => {}
            Message::Unknown { .. } | Message::Alert(_) => {}
            Message::Version(_) => {
                return Step::Failed(Violation::Duplicate { command: Kind::Version.into() });
            }
            other => return Step::Failed(unexpected(other, "verack")),
        }
        let state = State::ExpectVerack(remote);
        Step::More { state: Opening { state, side: self }, send: Vec::new(), heard: None }
    }

    fn introduction(&self, now: Now) -> Message {
        let ours = &self.ours;
        let nowhere = PeerAddress::UNSPECIFIED;
        let version = ours.advertised();
        Message::Version(Box::new(Version {
            version: i32::try_from(version).expect("our newest version is far below 2^31"),
            services: ours.services,
            timestamp: now.unix,
            addr_recv: ours.addr_recv.unwrap_or(nowhere),
            addr_from: ours.addr_from.unwrap_or(PeerAddress { services: ours.services, ..nowhere }),
            nonce: self.nonce.nonce(),
            user_agent: ours.user_agent.clone(),
            start_height: ours.height,
            relay: ours.relay,
        }))
    }

    fn push_features(&self, remote: &Remote, send: &mut Vec<Message>) {
        let ours = &self.ours;
        let known = |kind: Kind| remote.agreed >= kind.since();
        if ours.wtxid_relay && known(Kind::WtxidRelay) {
            send.push(Message::WtxidRelay);
        }
        if ours.addrv2 && known(Kind::SendAddrV2) {
            send.push(Message::SendAddrV2);
        }
        send.extend(remote.sent_txrcncl.map(Message::SendTxRcncl));
        if known(Kind::Feature) {
            send.extend(ours.features.iter().cloned().map(Message::Feature));
        }
    }

    /// Reconciliation is offered where transactions will flow by wtxid both ways (BIP330).
    fn offer_of_txrcncl(&self, agreed: u32, they_relay: bool) -> Option<SendTxRcncl> {
        let ours = &self.ours;
        let possible = agreed >= Kind::SendTxRcncl.since() && ours.wtxid_relay;
        let version = ours.txrcncl.filter(|_| possible && ours.relay && they_relay)?;
        Some(SendTxRcncl { version, salt: self.salt })
    }
}

/// What they said, and nothing agreed yet but the version.
fn remote(theirs: &Version, agreed: u32, now: Now) -> Remote {
    Remote {
        version: theirs.version,
        agreed,
        services: theirs.services,
        our_services: Services::NONE,
        user_agent: theirs.user_agent.clone(),
        height: theirs.start_height,
        relay: theirs.relay,
        timestamp: theirs.timestamp,
        time_offset: theirs.timestamp.saturating_sub(now.unix),
        addr_recv: theirs.addr_recv,
        addr_from: theirs.addr_from,
        nonce: theirs.nonce,
        wants_addrv2: false,
        wtxid_relay: false,
        txrcncl: None,
        sent_txrcncl: None,
        features: Vec::new(),
    }
}

/// What both sides have agreed on, when nothing more can be added.
fn agreement(remote: Remote) -> Remote {
    let txrcncl = remote.txrcncl.filter(|_| remote.wtxid_relay);
    Remote { txrcncl, ..remote }
}

fn unexpected(message: &Message, expected: &'static str) -> Violation {
    Violation::Unexpected { command: message.kind().into(), expected }
}
