//! `inv`, `getdata` and `notfound`: three names for one list of inventory entries.
//!
//! ```text
//!   count CompactSize | count x (type u32 | hash 32)
//! ```

use std::fmt;

use bitcoin::p2p::message_blockdata;
use bytes::Bytes;
use peerage_wire::Malformed;

use super::list::{Limit, List, list_methods};
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
    list: List<0>,
}

list_methods!(Inventory, "How many entries there are.", "Whether there are none.");

impl Inventory {
    /// The most entries that a message may carry (Bitcoin Core, btcd).
    pub const MAX: usize = 50_000;

    /// A list of these entries.
    ///
    /// # Errors
    /// [`Malformed::TooMany`] above [`Self::MAX`] entries, which no peer would accept.
    pub fn new(items: &[InventoryItem]) -> Result<Self, Malformed> {
        let list = List::new(ENTRIES, &[], items.iter().map(|item| item.to_bytes()))?;
        Ok(Self { list })
    }

    /// Checks a whole payload.
    ///
    /// # Errors
    /// [`Malformed`] if the count is above [`Self::MAX`], not in its shortest form, or not that of
    /// the entries that follow.
    pub fn from_bytes(payload: Bytes) -> Result<Self, Malformed> {
        Ok(Self { list: List::fixed(payload, ENTRIES, InventoryItem::SIZE)? })
    }

    /// The entry at this place.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<InventoryItem> {
        self.list.chunks().get(index).copied().map(InventoryItem::from_bytes)
    }

    /// The entries in their order.
    pub fn iter(
        &self,
    ) -> impl ExactSizeIterator<Item = InventoryItem> + DoubleEndedIterator + Clone + '_ {
        self.list.chunks().iter().copied().map(InventoryItem::from_bytes)
    }

    /// The entries as `bitcoin` names them.
    #[must_use]
    pub fn decode(&self) -> Vec<message_blockdata::Inventory> {
        self.iter().map(Into::into).collect()
    }
}

impl fmt::Debug for Inventory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Inventory");
        shown.field("len", &self.len());
        if let Some(first) = self.get(0) {
            shown.field("first", &first);
        }
        shown.finish()
    }
}

const ENTRIES: Limit = Limit { what: "inventory entries", max: Inventory::MAX };
