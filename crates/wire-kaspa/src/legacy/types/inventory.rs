//! Inventory entries: what `inv`, `getdata` and `notfound` name a block or a transaction with.

use std::fmt;
use std::hash::Hasher;

use peerage_wire::Reader;

use super::Hash;

/// The type of an inventory entry, as its number on the wire. Unknown numbers are kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InventoryType(pub u32);

impl InventoryType {
    /// Nothing: to be ignored.
    pub const ERROR: Self = Self(0);
    /// A transaction by its id.
    pub const TX: Self = Self(1);
    /// A block.
    pub const BLOCK: Self = Self(2);
    /// A block to be answered with `merkleblock`; only in `getdata`.
    pub const FILTERED_BLOCK: Self = Self(3);
    /// A block in the answer to `getblockinvs`, and when it is then asked for.
    pub const SYNC_BLOCK: Self = Self(4);
    /// A parent that a relayed block names and the asker lacks (from kaspad v0.5.0 on); only in
    /// `getdata`.
    pub const MISSING_ANCESTOR: Self = Self(5);

    /// Whether the hash is a block's, in whatever form the block is wanted.
    #[must_use]
    pub const fn is_block(self) -> bool {
        matches!(
            self,
            Self::BLOCK | Self::FILTERED_BLOCK | Self::SYNC_BLOCK | Self::MISSING_ANCESTOR
        )
    }
}

impl fmt::Display for InventoryType {
    /// kaspad's names, or the number in hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::ERROR => "ERROR",
            Self::TX => "MSG_TX",
            Self::BLOCK => "MSG_BLOCK",
            Self::FILTERED_BLOCK => "MSG_FILTERED_BLOCK",
            Self::SYNC_BLOCK => "MSG_SYNC_BLOCK",
            Self::MISSING_ANCESTOR => "MSG_MISSING_ANCESTOR",
            Self(unknown) => return write!(f, "{unknown:#x}"),
        })
    }
}

impl fmt::Debug for InventoryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// One inventory entry: 36 bytes. Equal entries are equal by value, whatever message brought them.
///
/// ```
/// use peerage_wire_kaspa::legacy::types::{Hash, InventoryItem, InventoryType};
///
/// let item = InventoryItem::sync_block(Hash::ZERO);
/// assert_eq!(item.kind, InventoryType::SYNC_BLOCK);
/// assert!(item.kind.is_block());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct InventoryItem {
    /// What the hash is of.
    pub kind: InventoryType,
    /// The hash of a block, or the id of a transaction.
    pub hash: Hash,
}

impl std::hash::Hash for InventoryItem {
    /// As four integers, the type folded into the first: it is hashed for every item that is
    /// announced to or by anybody.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut kind = u64::from(self.kind.0).rotate_right(16);
        for word in self.hash.as_bytes().as_chunks::<8>().0 {
            state.write_u64(u64::from_le_bytes(*word) ^ std::mem::take(&mut kind));
        }
    }
}

impl InventoryItem {
    /// Bytes of an entry on the wire.
    pub const SIZE: usize = 36;

    /// A transaction, named by its id.
    #[must_use]
    pub const fn tx(id: Hash) -> Self {
        Self { kind: InventoryType::TX, hash: id }
    }

    /// A block.
    #[must_use]
    pub const fn block(hash: Hash) -> Self {
        Self { kind: InventoryType::BLOCK, hash }
    }

    /// A block wanted as `merkleblock`.
    #[must_use]
    pub const fn filtered_block(hash: Hash) -> Self {
        Self { kind: InventoryType::FILTERED_BLOCK, hash }
    }

    /// A block of a synchronisation.
    #[must_use]
    pub const fn sync_block(hash: Hash) -> Self {
        Self { kind: InventoryType::SYNC_BLOCK, hash }
    }

    /// A parent that is missing.
    #[must_use]
    pub const fn missing_ancestor(hash: Hash) -> Self {
        Self { kind: InventoryType::MISSING_ANCESTOR, hash }
    }

    /// The entry that these bytes of a payload are.
    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        let mut reader = Reader::new(&bytes);
        let kind = reader.u32().expect("36 bytes begin with four");
        let hash = reader.array().expect("32 of 36 bytes are left");
        Self { kind: InventoryType(kind), hash: Hash::from_bytes(hash) }
    }

    /// The bytes of the entry in a payload.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[..4].copy_from_slice(&self.kind.0.to_le_bytes());
        bytes[4..].copy_from_slice(self.hash.as_bytes());
        bytes
    }
}

impl fmt::Display for InventoryItem {
    /// Type and hash.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.hash)
    }
}

impl fmt::Debug for InventoryItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_its_name_and_its_family() {
        for (kind, name, block) in [
            (InventoryType::ERROR, "ERROR", false),
            (InventoryType::TX, "MSG_TX", false),
            (InventoryType::BLOCK, "MSG_BLOCK", true),
            (InventoryType::FILTERED_BLOCK, "MSG_FILTERED_BLOCK", true),
            (InventoryType::SYNC_BLOCK, "MSG_SYNC_BLOCK", true),
            (InventoryType::MISSING_ANCESTOR, "MSG_MISSING_ANCESTOR", true),
            (InventoryType(6), "0x6", false),
        ] {
            assert_eq!((kind.to_string().as_str(), kind.is_block()), (name, block));
            let item = InventoryItem { kind, hash: Hash::of(name.as_bytes()) };
            assert_eq!(InventoryItem::from_bytes(item.to_bytes()), item);
        }
    }
}
