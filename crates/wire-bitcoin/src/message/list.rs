//! The list that most large messages are.
//!
//! ```text
//!   head | count CompactSize | entries
//! ```

use bytes::Bytes;
use peerage_wire::{Malformed, Reader, compact};

/// A checked payload that is one list behind a head of `HEAD` bytes.
///
/// It knows where the entries begin and how many there are; what they are, the message knows.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct List<const HEAD: usize> {
    payload: Bytes,
    len: usize,
}

impl<const HEAD: usize> List<HEAD> {
    /// Checks a whole payload whose entries have `size` bytes each.
    pub(super) fn fixed(payload: Bytes, limit: Limit, size: usize) -> Result<Self, Malformed> {
        Self::read(payload, limit, size, |reader, len| reader.take(len * size).map(|_| ()))
    }

    /// Checks a whole payload: `entries` reads as many as it is told, none of which is shorter than
    /// `min_size` bytes.
    pub(super) fn read(
        payload: Bytes,
        limit: Limit,
        min_size: usize,
        entries: impl FnOnce(&mut Reader<'_>, usize) -> Result<(), Malformed>,
    ) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&payload);
        reader.take(HEAD)?;
        let len = reader.count(limit.what, limit.max, min_size)?;
        entries(&mut reader, len)?;
        reader.finish()?;
        Ok(Self { payload, len })
    }

    /// The list of these entries, behind a head of these parts.
    pub(super) fn new<const SIZE: usize>(
        limit: Limit,
        head: &[&[u8]],
        entries: impl ExactSizeIterator<Item = [u8; SIZE]>,
    ) -> Result<Self, Malformed> {
        let len = entries.len();
        limit.check(len)?;
        Self::build(head, len, len * SIZE, |payload| {
            entries.for_each(|entry| payload.extend_from_slice(&entry));
            Ok(())
        })
    }

    /// The list of `len` entries, about `size` bytes altogether, that `put` appends.
    pub(super) fn build(
        head: &[&[u8]],
        len: usize,
        size: usize,
        put: impl FnOnce(&mut Vec<u8>) -> Result<(), Malformed>,
    ) -> Result<Self, Malformed> {
        let mut payload = Vec::with_capacity(HEAD + compact::len(len as u64) + size);
        head.iter().for_each(|part| payload.extend_from_slice(part));
        debug_assert_eq!(payload.len(), HEAD);
        compact::put(&mut payload, len as u64);
        put(&mut payload)?;
        Ok(Self { payload: payload.into(), len })
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn bytes(&self) -> &Bytes {
        &self.payload
    }

    pub(super) fn head(&self) -> &[u8; HEAD] {
        self.payload.first_chunk().expect("the payload was checked before it could be seen")
    }

    /// The hash at this place of the head.
    pub(super) fn hash_at(&self, place: usize) -> [u8; 32] {
        *self.head()[place..].first_chunk().expect("the head has room for its hashes")
    }

    /// All bytes behind the count.
    pub(super) fn entries(&self) -> &[u8] {
        &self.payload[HEAD + compact::len(self.len as u64)..]
    }

    /// The entries, if they have `SIZE` bytes each.
    pub(super) fn chunks<const SIZE: usize>(&self) -> &[[u8; SIZE]] {
        self.entries().as_chunks().0
    }

    /// Moves the payload into memory of its own.
    pub(super) fn detach(&mut self) {
        self.payload = Bytes::copy_from_slice(&self.payload);
    }
}

/// How many entries a list may have, and what they are called where it has more.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    pub(super) what: &'static str,
    pub(super) max: usize,
}

impl Limit {
    /// Refuses to make a list that no peer would accept.
    pub(super) fn check(self, len: usize) -> Result<(), Malformed> {
        let Self { what, max } = self;
        if len <= max {
            return Ok(());
        }
        Err(Malformed::TooMany { what, count: len as u64, max: max as u64 })
    }
}

/// What users may ask of every view whose field `list` is a [`List`]. The words for its entries
/// differ.
macro_rules! list_methods {
    ($view:ident, $len:literal, $is_empty:literal) => {
        impl $view {
            #[doc = $len]
            #[must_use]
            pub const fn len(&self) -> usize {
                self.list.len()
            }

            #[doc = $is_empty]
            #[must_use]
            pub const fn is_empty(&self) -> bool {
                self.list.len() == 0
            }

            /// The payload.
            #[must_use]
            pub const fn bytes(&self) -> &bytes::Bytes {
                self.list.bytes()
            }

            /// The same with a buffer of its own, for whoever keeps it beyond the received one.
            #[must_use]
            pub fn detach(&self) -> Self {
                let mut own = self.clone();
                own.list.detach();
                own
            }
        }
    };
}

pub(super) use list_methods;
