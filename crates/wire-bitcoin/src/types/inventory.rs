//! Inventory entries: what `inv`, `getdata` and `notfound` name a block or a transaction with.

use std::fmt;
use std::hash::{Hash, Hasher};

use bitcoin::hashes::Hash as _;
use bitcoin::p2p::message_blockdata::Inventory;
use bitcoin::{BlockHash, Txid, Wtxid};

/// The type of an inventory entry, as its number on the wire. Unknown numbers are kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InventoryType(pub u32);

impl InventoryType {
    /// Nothing: to be ignored.
    pub const ERROR: Self = Self(0);
    /// A transaction by its txid.
    pub const TX: Self = Self(1);
    /// A block.
    pub const BLOCK: Self = Self(2);
    /// A block to be answered with `merkleblock` (BIP37); only in `getdata`.
    pub const FILTERED_BLOCK: Self = Self(3);
    /// A block to be answered with `cmpctblock` (BIP152); only in `getdata`.
    pub const CMPCT_BLOCK: Self = Self(4);
    /// A transaction by its wtxid (BIP339).
    pub const WTX: Self = Self(5);
    /// The bit that asks for the witness as well (BIP144); only in `getdata`.
    pub const WITNESS_FLAG: u32 = 1 << 30;
    /// A transaction by its txid, to be sent with its witness.
    pub const WITNESS_TX: Self = Self(Self::WITNESS_FLAG | 1);
    /// A block, to be sent with its witnesses.
    pub const WITNESS_BLOCK: Self = Self(Self::WITNESS_FLAG | 2);

    /// This type without the witness flag.
    #[must_use]
    pub const fn base(self) -> Self {
        Self(self.0 & !Self::WITNESS_FLAG)
    }

    /// Whether the witness flag is set.
    #[must_use]
    pub const fn has_witness_flag(self) -> bool {
        self.0 & Self::WITNESS_FLAG != 0
    }

    /// Whether the hash is a block's, in whatever form the block is wanted.
    #[must_use]
    pub const fn is_block(self) -> bool {
        matches!(self.base(), Self::BLOCK | Self::FILTERED_BLOCK | Self::CMPCT_BLOCK)
    }

    /// Whether the hash is a transaction's: a txid, or a wtxid where the type is [`Self::WTX`].
    #[must_use]
    pub const fn is_tx(self) -> bool {
        matches!(self.base(), Self::TX | Self::WTX)
    }
}

impl fmt::Display for InventoryType {
    /// The name that Bitcoin Core and btcd give it, or the number in hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::ERROR => "ERROR",
            Self::TX => "MSG_TX",
            Self::BLOCK => "MSG_BLOCK",
            Self::FILTERED_BLOCK => "MSG_FILTERED_BLOCK",
            Self::CMPCT_BLOCK => "MSG_CMPCT_BLOCK",
            Self::WTX => "MSG_WTX",
            Self::WITNESS_TX => "MSG_WITNESS_TX",
            Self::WITNESS_BLOCK => "MSG_WITNESS_BLOCK",
            Self(unknown) => return write!(f, "{unknown:#x}"),
        })
    }
}

impl fmt::Debug for InventoryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// One inventory entry: 36 bytes, here as on the wire.
///
/// ```
/// use bitcoin::hashes::Hash;
/// use peerage_wire_bitcoin::types::{InventoryItem, InventoryType};
///
/// let item = InventoryItem::witness_tx(bitcoin::Txid::all_zeros());
/// assert_eq!(item.kind, InventoryType::WITNESS_TX);
/// assert!(item.kind.is_tx());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct InventoryItem {
    /// What the hash is of.
    pub kind: InventoryType,
    /// The hash, in the order of the wire: displayed, it is reversed.
    pub hash: [u8; 32],
}

impl Hash for InventoryItem {
    /// As four integers, the type folded into the first: it is hashed for every item that is
    /// announced to or by anybody.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut kind = u64::from(self.kind.0).rotate_right(16);
        for word in self.hash.as_chunks::<8>().0 {
            state.write_u64(u64::from_le_bytes(*word) ^ std::mem::take(&mut kind));
        }
    }
}

impl InventoryItem {
    /// Bytes of an entry on the wire.
    pub const SIZE: usize = 36;

    /// A block.
    #[must_use]
    pub fn block(hash: BlockHash) -> Self {
        Self { kind: InventoryType::BLOCK, hash: hash.to_byte_array() }
    }

    /// A transaction, named by its txid.
    #[must_use]
    pub fn tx(txid: Txid) -> Self {
        Self { kind: InventoryType::TX, hash: txid.to_byte_array() }
    }

    /// A transaction, named by its wtxid: only for peers that sent `wtxidrelay`.
    #[must_use]
    pub fn wtx(wtxid: Wtxid) -> Self {
        Self { kind: InventoryType::WTX, hash: wtxid.to_byte_array() }
    }

    /// The same, asked for with its witness (BIP144) where that must be said: in a `getdata` for a
    /// block or for a transaction by its txid. Other items stay as they are.
    #[must_use]
    pub fn with_witness(self) -> Self {
        match self.kind {
            InventoryType::TX | InventoryType::BLOCK | InventoryType::FILTERED_BLOCK => {
                Self { kind: InventoryType(self.kind.0 | InventoryType::WITNESS_FLAG), ..self }
            }
            _ => self,
        }
    }

    /// A block wanted with its witnesses.
    #[must_use]
    pub fn witness_block(hash: BlockHash) -> Self {
        Self { kind: InventoryType::WITNESS_BLOCK, hash: hash.to_byte_array() }
    }

    /// A transaction wanted with its witness.
    #[must_use]
    pub fn witness_tx(txid: Txid) -> Self {
        Self { kind: InventoryType::WITNESS_TX, hash: txid.to_byte_array() }
    }

    /// A block wanted as `merkleblock`.
    #[must_use]
    pub fn filtered_block(hash: BlockHash) -> Self {
        Self { kind: InventoryType::FILTERED_BLOCK, hash: hash.to_byte_array() }
    }

    /// A block wanted as `cmpctblock`.
    #[must_use]
    pub fn compact_block(hash: BlockHash) -> Self {
        Self { kind: InventoryType::CMPCT_BLOCK, hash: hash.to_byte_array() }
    }

    /// The block's hash, if it names a block.
    #[must_use]
    pub fn block_hash(&self) -> Option<BlockHash> {
        self.kind.is_block().then(|| BlockHash::from_byte_array(self.hash))
    }

    /// The entry that these bytes of a payload are.
    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        let [a, b, c, d, hash @ ..] = bytes;
        Self { kind: InventoryType(u32::from_le_bytes([a, b, c, d])), hash }
    }

    /// The bytes of the entry in a payload.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[..4].copy_from_slice(&self.kind.0.to_le_bytes());
        bytes[4..].copy_from_slice(&self.hash);
        bytes
    }
}

impl fmt::Display for InventoryItem {
    /// Type and hash, the hash as it is usually displayed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, BlockHash::from_byte_array(self.hash))
    }
}

impl fmt::Debug for InventoryItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl From<InventoryItem> for Inventory {
    /// The same entry as `bitcoin` names it. One of type 0 becomes `Unknown`, which keeps its hash.
    fn from(item: InventoryItem) -> Self {
        let InventoryItem { kind, hash } = item;
        match kind {
            InventoryType::TX => Self::Transaction(Txid::from_byte_array(hash)),
            InventoryType::BLOCK => Self::Block(BlockHash::from_byte_array(hash)),
            InventoryType::CMPCT_BLOCK => Self::CompactBlock(BlockHash::from_byte_array(hash)),
            InventoryType::WTX => Self::WTx(Wtxid::from_byte_array(hash)),
            InventoryType::WITNESS_TX => Self::WitnessTransaction(Txid::from_byte_array(hash)),
            InventoryType::WITNESS_BLOCK => Self::WitnessBlock(BlockHash::from_byte_array(hash)),
            InventoryType(inv_type) => Self::Unknown { inv_type, hash },
        }
    }
}

impl From<Inventory> for InventoryItem {
    fn from(inventory: Inventory) -> Self {
        match inventory {
            Inventory::Error => Self { kind: InventoryType::ERROR, hash: [0; 32] },
            Inventory::Transaction(txid) => Self::tx(txid),
            Inventory::Block(hash) => Self::block(hash),
            Inventory::CompactBlock(hash) => Self::compact_block(hash),
            Inventory::WTx(wtxid) => Self::wtx(wtxid),
            Inventory::WitnessTransaction(txid) => Self::witness_tx(txid),
            Inventory::WitnessBlock(hash) => Self::witness_block(hash),
            Inventory::Unknown { inv_type, hash } => Self { kind: InventoryType(inv_type), hash },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_its_name_and_its_family() {
        for (kind, name, block, tx) in [
            (InventoryType(0), "ERROR", false, false),
            (InventoryType(1), "MSG_TX", false, true),
            (InventoryType(2), "MSG_BLOCK", true, false),
            (InventoryType(3), "MSG_FILTERED_BLOCK", true, false),
            (InventoryType(4), "MSG_CMPCT_BLOCK", true, false),
            (InventoryType(5), "MSG_WTX", false, true),
            (InventoryType(0x4000_0001), "MSG_WITNESS_TX", false, true),
            (InventoryType(0x4000_0002), "MSG_WITNESS_BLOCK", true, false),
            (InventoryType(0x4000_0003), "0x40000003", true, false),
            (InventoryType(77), "0x4d", false, false),
        ] {
            assert_eq!(kind.to_string(), name);
            assert_eq!((kind.is_block(), kind.is_tx()), (block, tx), "{name}");
            let item = InventoryItem { kind, hash: [7; 32] };
            assert_eq!(InventoryItem::from_bytes(item.to_bytes()), item);
            assert_eq!(InventoryItem::from(Inventory::from(item)), item);
        }
    }

    #[test]
    fn an_entry_is_as_large_as_on_the_wire() {
        assert_eq!(size_of::<InventoryItem>(), InventoryItem::SIZE);
    }
}
