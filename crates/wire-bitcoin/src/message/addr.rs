//! `addr`: gossip of addresses in the old form.
//!
//! ```text
//!   count CompactSize | count x (time u32, from 31402 | services u64 | address 16 | port u16 BE)
//! ```

use std::fmt;

use bytes::Bytes;
use peerage_wire::{Malformed, Reader, compact};

use super::body::Body;
use crate::types::{PeerAddress, TimedAddress};

/// A checked list of at most 1,000 addresses, as it lies in the payload.
///
/// Accepts what `bitcoin` accepts, up to [`Self::MAX`] entries.
#[derive(Clone, PartialEq, Eq)]
pub struct Addr {
    payload: Bytes,
    len: usize,
    timed: bool,
}

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
        if len > Self::MAX {
            let max = Self::MAX as u64;
            return Err(Malformed::TooMany { what: ADDRESSES, count: len as u64, max });
        }
        let mut payload = Vec::with_capacity(3 + len * TIMED_LEN);
        compact::put(&mut payload, len as u64);
        for TimedAddress { time, peer } in entries {
            if peer.address.to_legacy().is_none() {
                return Err(Malformed::Invalid { what: "network of an address in addr" });
            }
            payload.extend_from_slice(&time.to_le_bytes());
            peer.put_legacy(&mut payload);
        }
        Ok(Self { payload: payload.into(), len, timed: true })
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

    /// The entries in their order. Their times are 0 if the sender is older than 31402.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = TimedAddress> + Clone + '_ {
        let entries = &self.payload[compact::len(self.len as u64)..];
        entries.chunks_exact(entry_len(self.timed)).map(|entry| {
            read_entry(&mut Reader::new(entry), self.timed).expect("entries have this length")
        })
    }

    /// The entries as owned values.
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
        Self { payload: Bytes::copy_from_slice(&self.payload), ..*self }
    }
}

impl fmt::Debug for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Addr").field("len", &self.len).finish()
    }
}

impl Body for Addr {
    fn parse(payload: Bytes, version: u32) -> Result<Self, Malformed> {
        let timed = version >= SINCE_TIME;
        let mut reader = Reader::new(&payload);
        let len = reader.count(ADDRESSES, max_len(version), entry_len(timed))?;
        reader.take(len * entry_len(timed))?;
        reader.finish()?;
        Ok(Self { payload, len, timed })
    }

    /// What an old peer cannot read is left out: times, and all entries but one.
    fn put(&self, version: u32, out: &mut Vec<u8>) {
        let len = self.len.min(max_len(version));
        if self.timed == (version >= SINCE_TIME) && len == self.len {
            return out.extend_from_slice(&self.payload);
        }
        compact::put(out, len as u64);
        for TimedAddress { time, peer } in self.iter().take(len) {
            if version >= SINCE_TIME {
                out.extend_from_slice(&time.to_le_bytes());
            }
            peer.put_legacy(out);
        }
    }
}

/// The first version whose entries have a time.
const SINCE_TIME: u32 = 31_402;

/// The first version that takes more than one address at once.
const SINCE_MANY: u32 = 209;

const TIMED_LEN: usize = 4 + PeerAddress::LEGACY_LEN;
const ADDRESSES: &str = "addresses";

fn max_len(version: u32) -> usize {
    if version >= SINCE_MANY { Addr::MAX } else { 1 }
}

fn entry_len(timed: bool) -> usize {
    if timed { TIMED_LEN } else { PeerAddress::LEGACY_LEN }
}

fn read_entry(reader: &mut Reader<'_>, timed: bool) -> Result<TimedAddress, Malformed> {
    let time = if timed { reader.u32()? } else { 0 };
    Ok(TimedAddress { time, peer: PeerAddress::read_legacy(reader)? })
}
