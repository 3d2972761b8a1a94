//! `addrv2`: gossip of addresses of every network (BIP155).
//!
//! ```text
//!   count CompactSize | count x (time u32 | services CompactSize | network u8 |
//!                                address CompactSize + bytes | port u16 BE)
//! ```

use std::fmt;

use bytes::Bytes;
use peerage_wire::{Malformed, Reader, compact};

use super::body::Body;
use crate::types::{NetworkAddress, PeerAddress, Services, TimedAddress};

/// A checked list of at most 1,000 addresses, as it lies in the payload.
///
/// An address of a network that we do not know is skipped, as BIP155 says; so is one of IPv4 or Tor
/// v2 in the guise of IPv6. The wrong length for a known network is refused, and so are more than
/// 512 bytes for any. (`bitcoin` 0.32 refuses the disguised ones too, and CJDNS addresses that do
/// not begin with `fc`.)
#[derive(Clone, PartialEq, Eq)]
pub struct AddrV2 {
    payload: Bytes,
    len: usize,
}

impl AddrV2 {
    /// The most entries that a message may carry (BIP155).
    pub const MAX: usize = 1_000;

    /// A list of these addresses.
    ///
    /// # Errors
    /// [`Malformed::TooMany`] above [`Self::MAX`] entries, which no peer would accept.
    pub fn new(entries: &[TimedAddress]) -> Result<Self, Malformed> {
        let len = entries.len();
        if len > Self::MAX {
            let max = Self::MAX as u64;
            return Err(Malformed::TooMany { what: ADDRESSES, count: len as u64, max });
        }
        let mut payload = Vec::with_capacity(3 + len * TYPICAL_LEN);
        compact::put(&mut payload, len as u64);
        for TimedAddress { time, peer } in entries {
            payload.extend_from_slice(&time.to_le_bytes());
            compact::put(&mut payload, peer.services.to_bits());
            peer.address.put_v2(&mut payload);
            payload.extend_from_slice(&peer.port.to_be_bytes());
        }
        Ok(Self { payload: payload.into(), len })
    }

    /// Checks a whole payload.
    ///
    /// # Errors
    /// [`Malformed`] if the count is above [`Self::MAX`] or not that of the entries that follow, if
    /// an integer is not in its shortest form, or if an address has a length that is not its
    /// network's.
    pub fn from_bytes(payload: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&payload);
        let len = reader.count(ADDRESSES, Self::MAX, MIN_LEN)?;
        for _ in 0..len {
            read_entry(&mut reader)?;
        }
        reader.finish()?;
        Ok(Self { payload, len })
    }

    /// How many entries were sent; [`Self::iter`] may yield fewer.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether none were sent.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The usable entries in their order.
    pub fn iter(&self) -> impl Iterator<Item = TimedAddress> + Clone + '_ {
        let entries = Reader::new(&self.payload[compact::len(self.len as u64)..]);
        (0..self.len)
            .scan(entries, |entries, _| Some(read_entry(entries).expect("entries were checked")))
            .flatten()
    }

    /// The usable entries as owned values.
    #[must_use]
    pub fn decode(&self) -> Vec<TimedAddress> {
        self.iter().collect()
    }

    /// The payload.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.payload
    }

    /// The same list in memory of its own.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self { payload: Bytes::copy_from_slice(&self.payload), len: self.len }
    }
}

impl fmt::Debug for AddrV2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddrV2").field("len", &self.len).finish()
    }
}

impl Body for AddrV2 {
    fn parse(payload: Bytes, _version: u32) -> Result<Self, Malformed> {
        Self::from_bytes(payload)
    }

    fn put(&self, _version: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.payload);
    }
}

const ADDRESSES: &str = "addresses";

/// The shortest entry: a network of the future whose addresses are empty.
const MIN_LEN: usize = 9;

/// An IPv6 entry: room for most, without growing.
const TYPICAL_LEN: usize = 27;

/// Reads an entry; `None` for one that is to be skipped.
fn read_entry(reader: &mut Reader<'_>) -> Result<Option<TimedAddress>, Malformed> {
    let time = reader.u32()?;
    let services = Services::from_bits(reader.compact()?);
    let address = NetworkAddress::read_v2(reader)?;
    let port = reader.u16_be()?;
    let entry = |address| TimedAddress { time, peer: PeerAddress::new(services, address, port) };
    Ok(address.map(entry))
}
