//! The messages: one type for each payload, one variant for each command.
//!
//! Payloads that are lists or large (`Block`, `Tx`, `Headers`, `Inventory`, `Addr`, …) are views
//! over the received bytes. A view pins the buffer that it lies in; [`Message::detach`] copies it
//! out for whoever keeps it.

mod addr;
mod addrv2;
mod block;
mod bloom;
mod body;
mod cfilter;
mod compact_block;
mod feature;
mod feefilter;
mod headers;
mod inventory;
mod list;
mod locator;
mod merkle_block;
mod ping;
mod reject;
mod sendcmpct;
mod sendtxrcncl;
mod tx;
mod version;

use std::fmt;

use bitcoin::hashes::Hash as _;
use bitcoin::{Txid, Wtxid};
use bytes::Bytes;
use peerage_wire::{Command, Malformed, Role, Violation, payload_hash as sha256d};

pub use addr::Addr;
pub use addrv2::AddrV2;
pub use block::Block;
pub use bloom::{FilterAdd, FilterFlags, FilterLoad};
use body::{AnyBody, Body};
pub use cfilter::{
    BASIC_FILTER, CFCheckpt, CFHeaders, CFilter, GetCFCheckpt, GetCFHeaders, GetCFilters,
};
pub use compact_block::{BlockTxn, CmpctBlock, GetBlockTxn, Place, ShortIdKeys};
pub use feature::Feature;
pub use feefilter::FeeFilter;
pub use headers::Headers;
pub use inventory::Inventory;
pub use locator::Locator;
pub use merkle_block::MerkleBlock;
pub(crate) use ping::LAST_WITHOUT_NONCE;
pub use ping::{Ping, Pong};
pub use reject::{Reject, RejectCode};
pub use sendcmpct::SendCmpct;
pub use sendtxrcncl::SendTxRcncl;
pub use tx::{InputRef, OutputRef, Tx, TxRef, WitnessRef};
pub use version::Version;

use crate::types::{InventoryItem, Services};
use crate::{Bitcoin, Kind, Remote};

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
            /// An alert, unread: Bitcoin Core 0.13 retired the system.
            Alert(Bytes),
            /// A message that this crate does not define.
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
                    Self::Alert(_) => Kind::Alert,
                    Self::Unknown { command, .. } => Kind::Unknown(*command),
                }
            }

            /// The same message in memory of its own, for whoever keeps it: a view of a few bytes may
            /// otherwise hold on to a buffer of many.
            #[must_use]
            pub fn detach(&self) -> Self {
                match self {
                    $(Self::$empty => Self::$empty,)*
                    $(Self::$kind(body) => Self::$kind(body.detached()),)*
                    Self::Alert(payload) => Self::Alert(Bytes::copy_from_slice(payload)),
                    Self::Unknown { command, payload } => {
                        let payload = Bytes::copy_from_slice(payload);
                        Self::Unknown { command: *command, payload }
                    }
                }
            }

            fn parse(kind: Kind, payload: Bytes, version: u32) -> Result<Self, Malformed> {
                Ok(match kind {
                    $(Kind::$empty => empty(&payload, Self::$empty)?,)*
                    $(Kind::$kind => Self::$kind(Body::parse(payload, version)?),)*
                    Kind::Alert => Self::Alert(payload),
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
        /// Ends our half of the opening.
        Verack,
        /// Asks for addresses.
        GetAddr,
        /// Asks, in the opening, for `addrv2` in place of `addr` (BIP155).
        SendAddrV2,
        /// Asks, in the opening, for announcements by wtxid (BIP339).
        WtxidRelay,
        /// Asks for new blocks to be announced by `headers` (BIP130).
        SendHeaders,
        /// Asks what is in the memory pool (BIP35).
        MemPool,
        /// Removes the bloom filter (BIP37).
        FilterClear,
    }
    filled {
        /// An introduction.
        Version(Box<Version>),
        /// Gossip of addresses.
        Addr(Addr),
        /// Gossip of addresses of every network.
        AddrV2(AddrV2),
        /// Offers, in the opening, to reconcile transactions.
        SendTxRcncl(SendTxRcncl),
        /// Announces, in the opening, anything else.
        Feature(Feature),
        /// Asks whether the remote still answers.
        Ping(Ping),
        /// Answers a ping.
        Pong(Pong),
        /// Announces what the sender has.
        Inv(Inventory),
        /// Asks for what was announced.
        GetData(Inventory),
        /// Lists what was asked for and cannot be had.
        NotFound(Inventory),
        /// Asks for an `inv` of the blocks after a locator.
        GetBlocks(Locator),
        /// Asks for the headers after a locator.
        GetHeaders(Locator),
        /// Headers, asked for or as an announcement.
        Headers(Headers),
        /// A block.
        Block(Block),
        /// A transaction.
        Tx(Tx),
        /// A header with proofs of what a bloom filter matched.
        MerkleBlock(MerkleBlock),
        /// Asks not to be told of cheap transactions.
        FeeFilter(FeeFilter),
        /// Offers to take compact blocks.
        SendCmpct(SendCmpct),
        /// A compact block.
        CmpctBlock(CmpctBlock),
        /// Asks for what a compact block left out.
        GetBlockTxn(GetBlockTxn),
        /// What a compact block left out.
        BlockTxn(BlockTxn),
        /// Sets a bloom filter.
        FilterLoad(FilterLoad),
        /// Adds to the bloom filter.
        FilterAdd(FilterAdd),
        /// Asks for block filters.
        GetCFilters(GetCFilters),
        /// A block filter.
        CFilter(CFilter),
        /// Asks for the headers of block filters.
        GetCFHeaders(GetCFHeaders),
        /// Headers of block filters.
        CFHeaders(CFHeaders),
        /// Asks for the headers of block filters at long intervals.
        GetCFCheckpt(GetCFCheckpt),
        /// Headers of block filters at long intervals.
        CFCheckpt(CFCheckpt),
        /// Says why something was not wanted.
        Reject(Box<Reject>),
    }
}

impl peerage_wire::Message<Bitcoin> for Message {
    fn kind(&self) -> Kind {
        Self::kind(self)
    }

    fn decode(kind: Kind, payload: Bytes, version: u32) -> Result<Self, Malformed> {
        let since = kind.since();
        if version < since {
            return Err(Malformed::TooNew { command: kind.into(), since, agreed: version });
        }
        Self::parse(kind, payload, version)
    }

    fn encode(&self, version: u32, out: &mut Vec<u8>) {
        match (self.body(), self) {
            (Some(body), _) => body.put(version, out),
            (None, Self::Alert(payload) | Self::Unknown { payload, .. }) => {
                out.extend_from_slice(payload);
            }
            (None, _) => {}
        }
    }

    fn shared(&self) -> Option<&Bytes> {
        match self {
            Self::Alert(payload) | Self::Unknown { payload, .. } => Some(payload),
            _ => self.body()?.shared(),
        }
    }

    fn role(&self, theirs: &Remote) -> Role {
        match self {
            Self::Ping(Ping { nonce: Some(nonce) }) => Role::Ping(*nonce),
            Self::Pong(Pong { nonce }) => Role::Pong(*nonce),
            Self::Inv(_) | Self::Tx(_) | Self::Block(_) | Self::CmpctBlock(_) => Role::Announce,
            Self::Headers(headers) if headers.len() <= MAX_ANNOUNCED_HEADERS => Role::Announce,
            Self::FilterLoad(_) | Self::FilterAdd(_) | Self::FilterClear
                if !theirs.our_services.contains(Services::BLOOM) =>
            {
                match theirs.agreed >= SINCE_BLOOM_BIT {
                    true => {
                        Role::Forbidden(Violation::Forbidden { command: Self::kind(self).into() })
                    }
                    false => Role::Ignore,
                }
            }
            Self::Version(_) | Self::Verack => {
                Role::Forbidden(Violation::Duplicate { command: Self::kind(self).into() })
            }
            Self::WtxidRelay | Self::SendAddrV2 | Self::SendTxRcncl(_) | Self::Feature(_) => {
                Role::Forbidden(Violation::Late { command: Self::kind(self).into() })
            }
            _ => Role::Other,
        }
    }

    /// Of a transaction only the id by which it would be announced to them (BIP339): the other one
    /// would cost a hash for nothing.
    fn items(
        &self,
        theirs: &Remote,
        payload_hash: Option<&[u8; 32]>,
        each: &mut dyn FnMut(InventoryItem),
    ) {
        match self {
            Self::Inv(items) => items.iter().for_each(each),
            Self::Tx(tx) => {
                let hash = || payload_hash.copied().unwrap_or_else(|| sha256d(tx.bytes()));
                each(match (theirs.wtxid_relay, tx.has_witness()) {
                    (true, _) => InventoryItem::wtx(Wtxid::from_byte_array(hash())),
                    (false, false) => InventoryItem::tx(Txid::from_byte_array(hash())),
                    (false, true) => InventoryItem::tx(tx.txid()),
                });
            }
            Self::Block(block) => each(InventoryItem::block(block.hash())),
            Self::CmpctBlock(block) => each(InventoryItem::block(block.hash())),
            Self::Headers(headers) if headers.len() <= MAX_ANNOUNCED_HEADERS => {
                headers.hashes().for_each(|hash| each(InventoryItem::block(hash)));
            }
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
        Self::Ping(Ping { nonce: Some(nonce) })
    }

    fn pong(nonce: u64) -> Self {
        Self::Pong(Pong { nonce })
    }

    /// More than 50,000 items do not fit into a message and are left out; the engine sends 1,000.
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
            (None, Self::Alert(payload) | Self::Unknown { payload, .. }) => {
                write!(f, "{kind}({} bytes)", payload.len())
            }
            (None, _) => write!(f, "{kind}"),
        }
    }
}

/// From this version on peers know the BLOOM bit and must respect it (BIP111).
const SINCE_BLOOM_BIT: u32 = 70_011;

/// Bitcoin Core announces up to 8 blocks with their headers; more of them are an answer, whose
/// hashing would be in vain.
const MAX_ANNOUNCED_HEADERS: usize = 8;

fn empty(payload: &Bytes, message: Message) -> Result<Message, Malformed> {
    match payload.len() {
        0 => Ok(message),
        count => Err(Malformed::TrailingBytes { count }),
    }
}

fn count(items: &Inventory) -> u32 {
    u32::try_from(items.len()).expect("an inventory has at most 50,000 entries")
}
