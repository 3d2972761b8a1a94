//! What the push helpers note of Bitcoin's messages.

use bitcoin::BlockHash;
use peerage_peer::Receipt;
use peerage_wire_bitcoin::message::{FeeFilter, SendCmpct};
use peerage_wire_bitcoin::types::{NetworkAddress, TimedAddress};
use peerage_wire_bitcoin::{Bitcoin, Kind, Message};

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

pub(crate) type Memory = memory::Memory<Bitcoin>;

/// What the remote has told us that it wants.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) fee_filter: Option<FeeFilter>,
    pub(crate) headers: bool,
    pub(crate) compact_blocks: Option<SendCmpct>,
}

impl Notes for Bitcoin {
    type Gossip = Message;
    /// The first hash of the locator, and the stop.
    type Question = [BlockHash; 2];
    type Told = Wishes;

    const ANSWERED_BY_INV: Kind = Kind::GetBlocks;

    fn note(message: &Message, memory: &Memory) {
        match message {
            Message::Addr(_) | Message::AddrV2(_) => memory.hear(message.detach()),
            Message::Headers(_) => memory.forget(Kind::GetHeaders),
            Message::Inv(items)
                if memory.awaits_inv() && items.iter().any(|item| item.kind.is_block()) =>
            {
                memory.forget(Kind::GetBlocks);
            }
            Message::FeeFilter(filter) => memory.tell(|wishes| wishes.fee_filter = Some(*filter)),
            Message::SendHeaders => memory.tell(|wishes| wishes.headers = true),
            Message::SendCmpct(wish) => memory.tell(|wishes| wishes.compact_blocks = Some(*wish)),
            _ => {}
        }
    }
}

/// An `addr` or `addrv2`.
impl Gossip for Message {
    type Address = TimedAddress;
    type Key = (NetworkAddress, u16);

    fn key(address: &TimedAddress) -> (NetworkAddress, u16) {
        (address.peer.address, address.peer.port)
    }

    fn count(&self) -> usize {
        match self {
            Self::Addr(addresses) => addresses.len(),
            Self::AddrV2(addresses) => addresses.len(),
            _ => 0,
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Addr(addresses) => addresses.bytes().len(),
            Self::AddrV2(addresses) => addresses.bytes().len(),
            _ => 0,
        }
    }

    fn each(&self, learn: impl FnMut(TimedAddress)) {
        match self {
            Self::Addr(addresses) => addresses.iter().for_each(learn),
            Self::AddrV2(addresses) => addresses.iter().for_each(learn),
            _ => {}
        }
    }
}
