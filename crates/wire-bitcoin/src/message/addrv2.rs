//! `addrv2`: gossip of addresses of every network (BIP155).
//!
//! ```text
//!   count CompactSize | count x (time u32 | services CompactSize | network u8 |
//!                                address CompactSize + bytes | port u16 BE)
//! ```

use std::fmt;

use bytes::Bytes;
use peerage_wire::{Malformed, Reader, compact};

use super::list::{Limit, List, list_methods};
use crate::types::{NetworkAddress, PeerAddress, Services, TimedAddress};

/// A checked list of at most 1,000 addresses, as it lies in the payload.
///
/// An address of a network that we do not know is skipped, as BIP155 says; so is one of IPv4 or Tor
/// v2 in the guise of IPv6. The wrong length for a known network is refused, and so are more than
/// 512 bytes for any. (`bitcoin` 0.32 refuses the disguised ones too, and CJDNS addresses that do
/// not begin with `fc`.)
#[derive(Clone, PartialEq, Eq)]
pub struct AddrV2 {
    list: List<0>,
}

list_methods!(
    AddrV2,
    "How many entries were sent; [`Self::iter`] may yield fewer.",
    "Whether none were sent."
);

impl AddrV2 {
    /// The most entries that a message may carry (BIP155).
    pub const MAX: usize = 1_000;

    /// A list of these addresses.
    ///
    /// # Errors
    /// [`Malformed::TooMany`] above [`Self::MAX`] entries, which no peer would accept.
    pub fn new(entries: &[TimedAddress]) -> Result<Self, Malformed> {
        let len = entries.len();
        ADDRESSES.check(len)?;
        let list = List::build(&[], len, len * TYPICAL_LEN, |payload| {
            for TimedAddress { time, peer } in entries {
                payload.extend_from_slice(&time.to_le_bytes());
                compact::put(payload, peer.services.to_bits());
                peer.address.put_v2(payload);
                payload.extend_from_slice(&peer.port.to_be_bytes());
            }
            Ok(())
        })?;
        Ok(Self { list })
    }

    /// Checks a whole payload.
    ///
    /// # Errors
    /// [`Malformed`] if the count is above [`Self::MAX`] or not that of the entries that follow, if
    /// an integer is not in its shortest form, or if an address has a length that is not its
    /// network's.
    pub fn from_bytes(payload: Bytes) -> Result<Self, Malformed> {
        let list = List::read(payload, ADDRESSES, MIN_LEN, |reader, len| {
            (0..len).try_for_each(|_| Entry::read(reader).map(drop))
        })?;
        Ok(Self { list })
    }

    /// The usable entries in their order.
    pub fn iter(&self) -> impl Iterator<Item = TimedAddress> + Clone + '_ {
        let mut reader = Reader::new(self.list.entries());
        let entries = (0..self.len()).map(move |_| Entry::read(&mut reader));
        entries.filter_map(|entry| entry.expect("entries were checked").decode())
    }

    /// The usable entries as owned values.
    #[must_use]
    pub fn decode(&self) -> Vec<TimedAddress> {
        self.iter().collect()
    }
}

impl fmt::Debug for AddrV2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddrV2").field("len", &self.len()).finish()
    }
}

/// An entry, as it lies in the payload.
struct Entry<'a> {
    time: u32,
    services: u64,
    network: u8,
    address: &'a [u8],
    port: u16,
}

impl<'a> Entry<'a> {
    /// Reads and checks the next entry; builds nothing, since most are only walked over.
    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let (time, services) = (reader.u32()?, reader.compact()?);
        let (network, address) = NetworkAddress::read_v2(reader)?;
        Ok(Self { time, services, network, address, port: reader.u16_be()? })
    }

    /// Its contents; none if it is to be skipped.
    fn decode(self) -> Option<TimedAddress> {
        let address = NetworkAddress::from_v2(self.network, self.address)?;
        let peer = PeerAddress::new(Services::from_bits(self.services), address, self.port);
        Some(TimedAddress { time: self.time, peer })
    }
}

const ADDRESSES: Limit = Limit { what: "addresses", max: AddrV2::MAX };

/// The shortest entry: a network of the future whose addresses are empty.
const MIN_LEN: usize = 9;

/// An IPv6 entry: room for most, without growing.
const TYPICAL_LEN: usize = 27;
