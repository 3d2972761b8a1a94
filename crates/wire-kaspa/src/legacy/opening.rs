//! How a connection opens: `version` both ways.
//!
//! ```text
//!   outbound                                     inbound
//!   1. send version                              1. wait
//!   ─── ExpectVersion ──────────────────────────────────────────────────────
//!   2. on version: check it, agree, tell the     2. the same, but our version
//!      handler; send verack: done                   goes before the verack
//! ```
//!
//! The remote's `verack` is not awaited: kaspad serves who never sends one, and one that comes is a
//! message like others.
//!
//! The checks of a `version`, in this order: it is not our own nonce that comes back; its protocol
//! version, which may be negative, is not below our minimum; its subnetwork fits. It does not fit
//! if it is a partial node's and the network has none, or one of another subnetwork, or if we as a
//! full node have dialled it: a full node may serve a partial one, but gets nothing from it.

use std::sync::Arc;

use peerage_wire::{Direction, NonceGuard, Now, Rng, Step, Violation};

use super::message::Version;
use super::types::PeerAddress;
use super::{Identity, KaspaLegacy, Message, Remote};

/// The opening of one connection, which expects a `version`.
#[derive(Debug)]
pub struct Opening {
    direction: Direction,
    ours: Arc<Identity>,
    nonce: NonceGuard,
}

impl peerage_wire::Opening<KaspaLegacy> for Opening {
    fn start(
        direction: Direction,
        ours: &Arc<Identity>,
        rng: &mut Rng,
        now: Now,
    ) -> (Self, Vec<Message>) {
        let nonce = ours.nonces.hold(rng.next_u64());
        let opening = Self { direction, ours: Arc::clone(ours), nonce };
        let send = match direction {
            Direction::Outbound => vec![opening.introduction(now)],
            Direction::Inbound => Vec::new(),
        };
        (opening, send)
    }

    fn on_message(self, message: &Message, now: Now) -> Step<KaspaLegacy, Self> {
        let Message::Version(theirs) = message else {
            let command = message.kind().into();
            return Step::Failed(Violation::Unexpected { command, expected: "version" });
        };
        if self.ours.nonces.contains(theirs.nonce) && !self.ours.allow_self_connections {
            return Step::SelfConnection;
        }
        let remote = match self.agree(theirs, now) {
            Ok(remote) => remote,
            Err(violation) => return Step::Failed(violation),
        };
        let send = match self.direction {
            Direction::Inbound => vec![self.introduction(now), Message::Verack],
            Direction::Outbound => vec![Message::Verack],
        };
        Step::Done { remote, send }
    }

    /// The only one.
    fn version(&self) -> u32 {
        <KaspaLegacy as peerage_wire::Protocol>::VERSION
    }
}

impl Opening {
    fn introduction(&self, now: Now) -> Message {
        let ours = &self.ours;
        let nowhere = PeerAddress::UNSPECIFIED;
        Message::Version(Box::new(Version {
            version: i32::try_from(ours.advertised()).expect("our newest version is 1"),
            services: ours.services,
            timestamp: ours.network.timestamps.from_unix(now.unix),
            subnetwork: ours.subnetwork,
            addr_recv: ours.addr_recv.unwrap_or(nowhere),
            addr_from: ours.addr_from.unwrap_or(PeerAddress { services: ours.services, ..nowhere }),
            nonce: self.nonce.nonce(),
            user_agent: ours.user_agent.clone(),
            selected_tip: ours.selected_tip,
            relay: ours.relay,
        }))
    }

    fn agree(&self, theirs: &Version, now: Now) -> Result<Remote, Violation> {
        let ours = &self.ours;
        let minimum = ours.min_version;
        let advertised = match u32::try_from(theirs.version) {
            Ok(version) if version >= minimum => version,
            _ => return Err(Violation::Obsolete { version: theirs.version, minimum }),
        };
        self.check_subnetwork(theirs)?;
        let clock = ours.network.timestamps.to_unix(theirs.timestamp);
        Ok(Remote {
            version: theirs.version,
            agreed: advertised.min(ours.advertised()),
            services: theirs.services,
            our_services: ours.services,
            user_agent: theirs.user_agent.clone(),
            subnetwork: theirs.subnetwork,
            selected_tip: theirs.selected_tip,
            relay: theirs.relay,
            timestamp: theirs.timestamp,
            time_offset: clock.saturating_sub(now.unix),
            addr_recv: theirs.addr_recv,
            addr_from: theirs.addr_from,
            nonce: theirs.nonce,
        })
    }

    fn check_subnetwork(&self, theirs: &Version) -> Result<(), Violation> {
        let Some(subnetwork) = theirs.subnetwork else { return Ok(()) };
        let what = match self.ours.subnetwork {
            _ if !self.ours.network.partial_nodes => "partial nodes are not allowed",
            None if self.direction == Direction::Outbound => "we need a full node",
            Some(ours) if ours != subnetwork => "another subnetwork",
            _ => return Ok(()),
        };
        Err(Violation::Incompatible { what })
    }
}
