//! `addr` and `getaddr`: gossip of addresses, by subnetwork.
//!
//! ```text
//!   all subnetworks? bool | if not: full nodes? bool | if not: subnetwork 20          getaddr
//!   … | count CompactSize | count x (timestamp i64 | services u64 | address 16 | port u16 BE)
//! ```

use std::fmt;

use bytes::Bytes;
use peerage_wire::{Malformed, Reader};

use super::body::Body;
use super::list::Addresses;
use crate::legacy::types::{Subnetworks, TimedAddress};

/// Asks for addresses: one to 22 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetAddr {
    /// Of whom.
    pub subnetworks: Subnetworks,
}

impl Body for GetAddr {
    fn parse(payload: Bytes) -> Result<Self, Malformed> {
        Ok(Self { subnetworks: Subnetworks::read(&mut Reader::new(&payload))? })
    }

    fn put(&self, out: &mut Vec<u8>) {
        self.subnetworks.put(out);
    }
}

/// A checked list of at most 1,000 addresses, as it lies in the payload.
#[derive(Clone, PartialEq, Eq)]
pub struct Addr {
    subnetworks: Subnetworks,
    entries: Addresses,
}

impl Addr {
    /// The most entries that a message may carry.
    pub const MAX: usize = Addresses::MAX;

    /// These addresses of nodes of these subnetworks.
    ///
    /// # Errors
    /// [`Malformed::TooMany`] above [`Self::MAX`] entries.
    pub fn new(subnetworks: Subnetworks, entries: &[TimedAddress]) -> Result<Self, Malformed> {
        Ok(Self { subnetworks, entries: Addresses::new(entries)? })
    }

    /// Whose addresses they are.
    #[must_use]
    pub const fn subnetworks(&self) -> Subnetworks {
        self.subnetworks
    }

    /// The addresses.
    #[must_use]
    pub const fn entries(&self) -> &Addresses {
        &self.entries
    }

    /// How many addresses there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The addresses in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = TimedAddress> + Clone + '_ {
        self.entries.iter()
    }

    /// The addresses as owned values.
    #[must_use]
    pub fn decode(&self) -> Vec<TimedAddress> {
        self.entries.decode()
    }

    /// The same message in memory of its own.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self { entries: self.entries.detach(), ..*self }
    }
}

impl fmt::Debug for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Addr");
        shown.field("subnetworks", &self.subnetworks).field("len", &self.len()).finish()
    }
}

impl Body for Addr {
    fn parse(mut payload: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&payload);
        let subnetworks = Subnetworks::read(&mut reader)?;
        let start = reader.position();
        Ok(Self { subnetworks, entries: Addresses::from_bytes(payload.split_off(start))? })
    }

    fn put(&self, out: &mut Vec<u8>) {
        self.subnetworks.put(out);
        out.extend_from_slice(self.entries.bytes());
    }

    fn detached(&self) -> Self {
        self.detach()
    }
}
