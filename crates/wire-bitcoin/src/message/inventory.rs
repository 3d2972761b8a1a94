//! `inv`, `getdata` and `notfound`: three names for one list of inventory entries.
//!
//! ```text
//!   count CompactSize | count x (type u32 | hash 32)
//! ```

use std::fmt;

use bitcoin::p2p::message_blockdata;
use bytes::Bytes;
use peerage_wire::{Malformed, Reader, compact};

use super::body::Body;
use crate::types::InventoryItem;

/// A checked list of at most 50,000 inventory entries, as it lies in the payload.
///
/// Accepts what `bitcoin` accepts, up to [`Self::MAX`] entries.
///
/// ```
/// use bitcoin::hashes::Hash;
/// use peerage_wire_bitcoin::message::Inventory;
/// use peerage_wire_bitcoin::types::InventoryItem;
///
/// let wanted = Inventory::new(&[InventoryItem::witness_block(bitcoin::BlockHash::all_zeros())])?;
/// assert!(wanted.iter().all(|item| item.kind.is_block()));
/// assert_eq!(wanted.bytes().len(), 1 + 36);
/// # Ok::<(), peerage_wire::Malformed>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Inventory {
    payload: Bytes,
    len: usize,
}

impl Inventory {
    /// The most entries that a message may carry (Bitcoin Core, btcd).
    pub const MAX: usize = 50_000;

    /// A list of these entries.
    ///
    /// # Errors
    /// [`Malformed::TooMany`] above [`Self::MAX`] entries, which no peer would accept.
    pub fn new(items: &[InventoryItem]) -> Result<Self, Malformed> {
        let len = items.len();
        if len > Self::MAX {
            let max = Self::MAX as u64;
            return Err(Malformed::TooMany { what: ENTRIES, count: len as u64, max });
        }
        let mut payload = Vec::with_capacity(compact::len(len as u64) + len * InventoryItem::SIZE);
        compact::put(&mut payload, len as u64);
        items.iter().for_each(|item| payload.extend_from_slice(&item.to_bytes()));
        Ok(Self { payload: payload.into(), len })
    }

    /// Checks a whole payload.
    ///
    /// # Errors
    /// [`Malformed`] if the count is above [`Self::MAX`], not in its shortest form, or not that of
    /// the entries that follow.
    pub fn from_bytes(payload: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&payload);
        let len = reader.count(ENTRIES, Self::MAX, InventoryItem::SIZE)?;
        reader.take(len * InventoryItem::SIZE)?;
        reader.finish()?;
        Ok(Self { payload, len })
    }

    /// How many entries there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The entry at this place.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<InventoryItem> {
        self.chunks().get(index).copied().map(InventoryItem::from_bytes)
    }

    /// The entries in their order.
    pub fn iter(
        &self,
    ) -> impl ExactSizeIterator<Item = InventoryItem> + DoubleEndedIterator + Clone + '_ {
        self.chunks().iter().copied().map(InventoryItem::from_bytes)
    }

    /// The entries as `bitcoin` names them.
    #[must_use]
    pub fn decode(&self) -> Vec<message_blockdata::Inventory> {
        self.iter().map(Into::into).collect()
    }

    /// The payload.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.payload
    }

    /// The same list with a buffer of its own, for whoever keeps it beyond the received one.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self { payload: Bytes::copy_from_slice(&self.payload), len: self.len }
    }

    fn chunks(&self) -> &[[u8; InventoryItem::SIZE]] {
        self.payload[compact::len(self.len as u64)..].as_chunks().0
    }
}

impl fmt::Debug for Inventory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Inventory");
        shown.field("len", &self.len);
        if let Some(first) = self.get(0) {
            shown.field("first", &first);
        }
        shown.finish()
    }
}

impl Body for Inventory {
    fn parse(payload: Bytes, _version: u32) -> Result<Self, Malformed> {
        Self::from_bytes(payload)
    }

    fn put(&self, _version: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.payload);
    }
}

const ENTRIES: &str = "inventory entries";
