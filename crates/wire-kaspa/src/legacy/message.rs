//! The messages: one type for each payload, one variant for each command.
//!
//! Payloads that are lists or large (`Block`, `Tx`, `Inventory`, `Addr`, …) are views over the
//! received bytes. A view pins the buffer that it lies in; [`Message::detach`] copies it out for
//! whoever keeps it.

mod addr;
mod block;
mod bloom;
mod body;
mod header;
mod list;
mod merkle_block;
mod reject;
mod small;
mod tx;
mod version;

use std::fmt;

use bytes::Bytes;
use peerage_wire::{Command, Malformed, Role, Violation};

pub use addr::{Addr, GetAddr};
pub use block::Block;
pub use bloom::{FilterAdd, FilterFlags, FilterLoad};
use body::{AnyBody, Body};
pub use header::{Header, HeaderRef};
pub use list::{Addresses, Entry, Inventory, List, Locator};
pub use merkle_block::MerkleBlock;
pub use reject::{Reject, RejectCode};
pub use small::{FeeFilter, GetBlockInvs, GetLocator, Ping, Pong, SelectedTip};
pub use tx::{Input, InputRef, OutPoint, Output, OutputRef, Transaction, Tx, TxRef};
pub use version::Version;

use super::types::{InventoryItem, InventoryType, Services};
use super::{KaspaLegacy, Kind, Remote};

/// Makes [`Message`] and all that follows from the list of its variants. The variants are named as
/// the kinds are.
macro_rules! messages {
    (
        empty { $($(#[$empty_doc:meta])* $empty:ident,)* }
        filled { $($(#[$doc:meta])* $kind:ident($body:ty),)* }
    ) => {
        /// A message.
        #[derive(Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Message {
            $($(#[$empty_doc])* $empty,)*
            $($(#[$doc])* $kind($body),)*
            /// A message that this protocol does not define. Whoever sends one is let go, as kaspad
            /// does it.
            Unknown {
                /// What it is called.
                command: Command,
                /// What it carries.
                payload: Bytes,
            },
        }

        impl Message {
            /// Which message it is.
            #[must_use]
            pub fn kind(&self) -> Kind {
                match self {
                    $(Self::$empty => Kind::$empty,)*
                    $(Self::$kind(_) => Kind::$kind,)*
                    Self::Unknown { command, .. } => Kind::Unknown(*command),
                }
            }

            /// The same message in memory of its own, for whoever keeps it: a view of a few bytes
            /// may otherwise hold on to a buffer of many.
            #[must_use]
            pub fn detach(&self) -> Self {
                match self {
                    $(Self::$empty => Self::$empty,)*
                    $(Self::$kind(body) => Self::$kind(body.detached()),)*
                    Self::Unknown { command, payload } => {
                        let payload = Bytes::copy_from_slice(payload);
                        Self::Unknown { command: *command, payload }
                    }
                }
            }

            fn parse(kind: Kind, payload: Bytes) -> Result<Self, Malformed> {
                Ok(match kind {
                    $(Kind::$empty => empty(&payload, Self::$empty)?,)*
                    $(Kind::$kind => Self::$kind(Body::parse(payload)?),)*
                    Kind::Unknown(command) => Self::Unknown { command, payload },
                })
            }

            fn body(&self) -> Option<&dyn AnyBody> {
                match self {
                    $(Self::$kind(body) => Some(body),)*
                    _ => None,
                }
            }
        }
    };
}

messages! {
    empty {
        /// Accepts an introduction. Nobody waits for it.
        Verack,
        /// Asks for the selected tip.
        GetSelTip,
        /// Removes the bloom filter.
        FilterClear,
    }
    filled {
        /// An introduction.
        Version(Box<Version>),
        /// Asks for addresses.
        GetAddr(GetAddr),
        /// Gossip of addresses.
        Addr(Addr),
        /// Asks for an `inv` of the blocks between two.
        GetBlockInvs(GetBlockInvs),
        /// Announces what the sender has, or answers `getblockinvs`.
        Inv(Inventory),
        /// Asks for what was announced.
        GetData(Inventory),
        /// Lists what was asked for and cannot be had.
        NotFound(Inventory),
        /// Asks for a locator.
        GetLocator(GetLocator),
        /// Blocks at growing distances, the highest first.
        Locator(Locator),
        /// The tip of the sender's selected chain.
        SelectedTip(SelectedTip),
        /// A block.
        Block(Block),
        /// A transaction.
        Tx(Tx),
        /// A header with proofs of what a bloom filter matched.
        MerkleBlock(MerkleBlock),
        /// Sets a bloom filter.
        FilterLoad(FilterLoad),
        /// Adds to the bloom filter.
        FilterAdd(FilterAdd),
        /// Asks not to be told of cheap transactions.
        FeeFilter(FeeFilter),
        /// Asks whether the remote still answers.
        Ping(Ping),
        /// Answers a ping.
        Pong(Pong),
        /// Says why something was not wanted.
        Reject(Box<Reject>),
    }
}

impl peerage_wire::Message<KaspaLegacy> for Message {
    fn kind(&self) -> Kind {
        Self::kind(self)
    }

    /// There is one version, so it does not matter.
    fn decode(kind: Kind, payload: Bytes, _version: u32) -> Result<Self, Malformed> {
        Self::parse(kind, payload)
    }

    fn encode(&self, _version: u32, out: &mut Vec<u8>) {
        match (self.body(), self) {
            (Some(body), _) => body.put(out),
            (None, Self::Unknown { payload, .. }) => out.extend_from_slice(payload),
            (None, _) => {}
        }
    }

    fn shared(&self) -> Option<&Bytes> {
        match self {
            Self::Unknown { payload, .. } => Some(payload),
            _ => self.body()?.shared(),
        }
    }

    fn role(&self, theirs: &Remote) -> Role {
        match self {
            Self::Ping(Ping { nonce }) => Role::Ping(*nonce),
            Self::Pong(Pong { nonce }) => Role::Pong(*nonce),
            Self::Inv(_) | Self::Tx(_) | Self::Block(_) => Role::Announce,
            // Every peer knows the service bit: there is no older version.
            Self::FilterLoad(_) | Self::FilterAdd(_) | Self::FilterClear
                if !theirs.our_services.contains(Services::BLOOM) =>
            {
                Role::Forbidden(Violation::Forbidden { command: Self::kind(self).into() })
            }
            Self::Version(_) => {
                Role::Forbidden(Violation::Duplicate { command: Kind::Version.into() })
            }
            Self::Unknown { command, .. } => Role::Forbidden(Violation::Unexpected {
                command: (*command).into(),
                expected: DEFINED,
            }),
            // A verack too many says nothing and harms nobody.
            _ => Role::Other,
        }
    }

    /// Sync blocks are left out: they are an answer, of up to 131,072 entries, and would put out of
    /// mind what was announced.
    fn items(
        &self,
        _theirs: &Remote,
        _payload_hash: Option<&[u8; 32]>,
        each: &mut dyn FnMut(InventoryItem),
    ) {
        match self {
            Self::Inv(items) => items.iter().filter(is_announced).for_each(each),
            Self::Tx(tx) => each(InventoryItem::tx(tx.id())),
            Self::Block(block) => each(InventoryItem::block(block.hash())),
            _ => {}
        }
    }

    fn asks(&self) -> u32 {
        match self {
            Self::GetData(items) => count(items),
            _ => 1,
        }
    }

    fn settles(&self) -> u32 {
        match self {
            Self::NotFound(items) => count(items),
            _ => 1,
        }
    }

    fn ping(nonce: u64) -> Self {
        Self::Ping(Ping { nonce })
    }

    fn pong(nonce: u64) -> Self {
        Self::Pong(Pong { nonce })
    }

    /// More than 131,072 items do not fit into a message and are left out; the engine sends 1,000.
    fn announce(items: &[InventoryItem]) -> Self {
        let items = items.get(..Inventory::MAX).unwrap_or(items);
        Self::Inv(Inventory::new(items).expect("there are not more than the maximum"))
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = Self::kind(self);
        match (self.body(), self) {
            (Some(body), _) => write!(f, "{kind}({body:?})"),
            (None, Self::Unknown { payload, .. }) => write!(f, "{kind}({} bytes)", payload.len()),
            (None, _) => write!(f, "{kind}"),
        }
    }
}

/// What an unknown command should have been.
const DEFINED: &str = "a message of the protocol";

fn empty(payload: &Bytes, message: Message) -> Result<Message, Malformed> {
    match payload.len() {
        0 => Ok(message),
        count => Err(Malformed::TrailingBytes { count }),
    }
}

fn is_announced(item: &InventoryItem) -> bool {
    matches!(item.kind, InventoryType::TX | InventoryType::BLOCK)
}

fn count(items: &Inventory) -> u32 {
    u32::try_from(items.len()).expect("an inventory has at most 131,072 entries")
}
