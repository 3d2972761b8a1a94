//! `addr`: gossip of addresses in the old form.
//!
//! ```text
//!   count CompactSize | count x (time u32, from 31402 | services u64 | address 16 | port u16 BE)
//! ```

use std::fmt;

use bytes::Bytes;
use peerage_wire::{Malformed, compact};

use super::body::Body;
use super::list::{Limit, List, list_methods};
use crate::types::{PeerAddress, TimedAddress};

/// A checked list of at most 1,000 addresses, as it lies in the payload.
///
/// Accepts what `bitcoin` accepts, up to [`Self::MAX`] entries.
#[derive(Clone, PartialEq, Eq)]
pub struct Addr {
    list: List<0>,
    timed: bool,
}

list_methods!(Addr, "How many entries there are.", "Whether there are none.");

impl Addr {
    /// The most entries that a message may carry (Bitcoin Core, btcd).
    pub const MAX: usize = 1_000;

    /// A list of these addresses.
    ///
    /// # Errors
    /// [`Malformed::TooMany`] above [`Self::MAX`] entries; [`Malformed::Invalid`] for an address
    /// that only `addrv2` can carry (Tor v3, I2P, CJDNS).
    pub fn new(entries: &[TimedAddress]) -> Result<Self, Malformed> {
        let len = entries.len();
        ADDRESSES.check(len)?;
        let list = List::build(&[], len, len * entry_len(true), |payload| {
            for TimedAddress { time, peer } in entries {
                let what = "network of an address in addr";
                let address = peer.address.to_legacy().ok_or(Malformed::Invalid { what })?;
                payload.extend_from_slice(&time.to_le_bytes());
                peer.put_legacy_as(address, payload);
            }
            Ok(())
        })?;
        Ok(Self { list, timed: true })
    }

    /// The entries in their order. Their times are 0 if the sender is older than 31402.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = TimedAddress> + Clone + '_ {
        self.parts().map(|(time, place)| TimedAddress {
            time: u32::from_le_bytes(time),
            peer: PeerAddress::from_legacy(place),
        })
    }

    /// The entries as owned values.
    #[must_use]
    pub fn decode(&self) -> Vec<TimedAddress> {
        self.iter().collect()
    }

    /// The bytes of each entry's time, zeros where it has none, and of its place.
    fn parts(
        &self,
    ) -> impl ExactSizeIterator<Item = ([u8; 4], &[u8; PeerAddress::LEGACY_LEN])> + Clone {
        self.list.entries().chunks_exact(entry_len(self.timed)).map(|entry| {
            let (time, place) = entry.split_last_chunk().expect("entries end with a place");
            (time.try_into().unwrap_or_default(), place)
        })
    }
}

impl fmt::Debug for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Addr").field("len", &self.len()).finish()
    }
}

impl Body for Addr {
    fn parse(payload: Bytes, version: u32) -> Result<Self, Malformed> {
        let timed = version >= SINCE_TIME;
        let limit = Limit { max: max_len(version), ..ADDRESSES };
        Ok(Self { list: List::fixed(payload, limit, entry_len(timed))?, timed })
    }

    /// What an old peer cannot read is left out: times, and all entries but one.
    fn put(&self, version: u32, out: &mut Vec<u8>) {
        let timed = version >= SINCE_TIME;
        let len = self.len().min(max_len(version));
        if timed == self.timed && len == self.len() {
            return out.extend_from_slice(self.bytes());
        }
        compact::put(out, len as u64);
        for (time, place) in self.parts().take(len) {
            if timed {
                out.extend_from_slice(&time);
            }
            out.extend_from_slice(place);
        }
    }

    fn detached(&self) -> Self {
        self.detach()
    }
}

/// The first version whose entries have a time.
const SINCE_TIME: u32 = 31_402;

/// The first version that takes more than one address at once.
const SINCE_MANY: u32 = 209;

const ADDRESSES: Limit = Limit { what: "addresses", max: Addr::MAX };

fn max_len(version: u32) -> usize {
    if version >= SINCE_MANY { Addr::MAX } else { 1 }
}

fn entry_len(timed: bool) -> usize {
    if timed { 4 + PeerAddress::LEGACY_LEN } else { PeerAddress::LEGACY_LEN }
}
