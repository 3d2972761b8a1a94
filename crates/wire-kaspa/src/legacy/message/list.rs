//! Entries of one size behind their count: `inv`, `getdata`, `notfound`, `locator`, and the end of
//! `addr`.
//!
//! ```text
//!   count CompactSize | count x entry
//! ```

use std::fmt;
use std::marker::PhantomData;
use std::slice::ChunksExact;

use bytes::Bytes;
use peerage_wire::{Malformed, Reader, compact};

use super::body::checked;
use crate::legacy::types::{Hash, InventoryItem, TimedAddress};

/// A checked list, as it lies in the payload. Nothing is built until it is asked for.
///
/// ```
/// use peerage_wire_kaspa::legacy::message::Inventory;
/// use peerage_wire_kaspa::legacy::types::{Hash, InventoryItem};
///
/// let wanted = Inventory::new(&[InventoryItem::sync_block(Hash::ZERO)])?;
/// assert!(wanted.iter().all(|item| item.kind.is_block()));
/// assert_eq!(wanted.bytes().len(), 1 + 36);
/// # Ok::<(), peerage_wire::Malformed>(())
/// ```
pub struct List<T> {
    bytes: Bytes,
    len: usize,
    of: PhantomData<fn() -> T>,
}

/// `inv`, `getdata` and `notfound`: at most 131,072 inventory entries.
pub type Inventory = List<InventoryItem>;

/// `locator`: at most 500 blocks, the highest first, at growing distances.
pub type Locator = List<Hash>;

/// The addresses of an `addr`: at most 1,000.
pub type Addresses = List<TimedAddress>;

impl<T: Entry> List<T> {
    /// The most entries that a message may carry.
    pub const MAX: usize = T::MAX;

    /// A list of these entries.
    ///
    /// # Errors
    /// [`Malformed::TooMany`] above [`Self::MAX`] entries, which no peer would accept.
    pub fn new(entries: &[T]) -> Result<Self, Malformed> {
        let len = entries.len();
        if len > T::MAX {
            let (count, max) = (len as u64, T::MAX as u64);
            return Err(Malformed::TooMany { what: T::WHAT, count, max });
        }
        let mut bytes = Vec::with_capacity(compact::len(len as u64) + len * T::SIZE);
        compact::put(&mut bytes, len as u64);
        entries.iter().for_each(|entry| entry.append(&mut bytes));
        Ok(Self { bytes: bytes.into(), len, of: PhantomData })
    }

    /// Checks the list that `payload` begins with; what follows it is cut off.
    ///
    /// # Errors
    /// [`Malformed`] if the count is above [`Self::MAX`], not in its shortest form, or above that
    /// of the entries that follow.
    pub fn from_bytes(payload: Bytes) -> Result<Self, Malformed> {
        let (bytes, len) = checked(payload, |reader| {
            let len = reader.count(T::WHAT, T::MAX, T::SIZE)?;
            reader.take(len * T::SIZE)?;
            Ok(len)
        })?;
        Ok(Self { bytes, len, of: PhantomData })
    }

    /// The entry at this place.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<T> {
        self.entries().nth(index).map(T::from_chunk)
    }

    /// The entries in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = T> + DoubleEndedIterator + Clone + '_ {
        self.entries().map(T::from_chunk)
    }

    /// The entries as owned values.
    #[must_use]
    pub fn decode(&self) -> Vec<T> {
        self.iter().collect()
    }

    fn entries(&self) -> ChunksExact<'_, u8> {
        self.bytes[compact::len(self.len as u64)..].chunks_exact(T::SIZE)
    }
}

impl<T> List<T> {
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

    /// The list as on the wire, with its count.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The same list with a buffer of its own, for whoever keeps it beyond the received one.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self { bytes: Bytes::copy_from_slice(&self.bytes), ..*self }
    }
}

impl<T> Clone for List<T> {
    fn clone(&self) -> Self {
        Self { bytes: self.bytes.clone(), ..*self }
    }
}

impl<T> PartialEq for List<T> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl<T> Eq for List<T> {}

impl<T: Entry> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("List");
        shown.field("len", &self.len);
        if let Some(first) = self.get(0) {
            shown.field("first", &first);
        }
        shown.finish()
    }
}

/// What a [`List`] may consist of: values of one size, all of whose bytes are valid.
pub trait Entry: Copy + fmt::Debug + sealed::Sealed {
    /// What they are called in an error.
    const WHAT: &'static str;
    /// Bytes on the wire.
    const SIZE: usize;
    /// The most in one message.
    const MAX: usize;

    /// The entry that these [`Self::SIZE`] bytes are.
    #[doc(hidden)]
    fn from_chunk(chunk: &[u8]) -> Self;

    /// Appends the bytes.
    #[doc(hidden)]
    fn append(&self, out: &mut Vec<u8>);
}

impl Entry for InventoryItem {
    const WHAT: &'static str = "inventory entries";
    const SIZE: usize = Self::SIZE;
    const MAX: usize = 131_072;

    fn from_chunk(chunk: &[u8]) -> Self {
        Self::from_bytes(chunk.try_into().expect(WHOLE))
    }

    fn append(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bytes());
    }
}

impl Entry for Hash {
    const WHAT: &'static str = "locator hashes";
    const SIZE: usize = Self::SIZE;
    const MAX: usize = 500;

    fn from_chunk(chunk: &[u8]) -> Self {
        Self::from_bytes(chunk.try_into().expect(WHOLE))
    }

    fn append(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}

impl Entry for TimedAddress {
    const WHAT: &'static str = "addresses";
    const SIZE: usize = Self::SIZE;
    const MAX: usize = 1_000;

    fn from_chunk(chunk: &[u8]) -> Self {
        Self::read(&mut Reader::new(chunk)).expect(WHOLE)
    }

    fn append(&self, out: &mut Vec<u8>) {
        self.put(out);
    }
}

const WHOLE: &str = "a chunk of a checked list is a whole entry";

#[allow(unnameable_types)] // nobody else is to implement it
mod sealed {
    use crate::legacy::types::{Hash, InventoryItem, TimedAddress};

    pub trait Sealed {}

    impl Sealed for InventoryItem {}
    impl Sealed for Hash {}
    impl Sealed for TimedAddress {}
}
