//! What the push helpers note of legacy Kaspa's messages.

use std::net::IpAddr;

use peerage_peer::Receipt;
use peerage_wire::FramedKind as _;
use peerage_wire_kaspa::legacy::message::{Addr, FeeFilter, SelectedTip};
use peerage_wire_kaspa::legacy::types::{Hash, InventoryType, TimedAddress};
use peerage_wire_kaspa::legacy::{KaspaLegacy, Kind, Message};

use crate::memory::{self, Gossip, Notes};

/// What [`Peer::push_addr`](super::Peer::push_addr) has sent.
#[derive(Debug)]
pub struct PushedAddresses {
    /// The addresses that were sent, in their order on the wire; empty if there was nothing that
    /// the remote did not know.
    pub sent: Vec<TimedAddress>,
    /// Resolves when they were written; `None` if nothing was sent.
    pub receipt: Option<Receipt>,
}

pub(crate) type Memory = memory::Memory<KaspaLegacy>;

/// What the remote has told us since the opening.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    pub(crate) fee_filter: Option<FeeFilter>,
    pub(crate) selected_tip: Option<Hash>,
}

impl Notes for KaspaLegacy {
    type Gossip = Addr;
    /// The two blocks that it lies between, in the message's order.
    type Question = [Hash; 2];
    type Told = Told;

    const ANSWERED_BY_INV: Kind = Kind::GetBlockInvs;

    fn note(message: &Message, memory: &Memory) {
        match message {
            Message::Addr(addresses) => memory.hear(addresses.detach()),
            Message::Locator(_) => memory.forget(Kind::GetLocator),
            Message::Inv(items)
                if memory.awaits_inv()
                    && items.iter().any(|item| item.kind == InventoryType::SYNC_BLOCK) =>
            {
                memory.forget(Kind::GetBlockInvs);
            }
            Message::Reject(reject) => memory.forget(Kind::from_command(reject.command())),
            Message::FeeFilter(filter) => memory.tell(|told| told.fee_filter = Some(*filter)),
            Message::SelectedTip(SelectedTip { hash }) => {
                memory.tell(|told| told.selected_tip = Some(*hash));
            }
            _ => {}
        }
    }
}

impl Gossip for Addr {
    type Address = TimedAddress;
    type Key = (IpAddr, u16);

    fn key(address: &TimedAddress) -> (IpAddr, u16) {
        (address.peer.ip, address.peer.port)
    }

    fn count(&self) -> usize {
        self.len()
    }

    fn size(&self) -> usize {
        // Each has 34 bytes on the wire.
        self.len() * 34
    }

    fn each(&self, learn: impl FnMut(TimedAddress)) {
        self.iter().for_each(learn);
    }
}
