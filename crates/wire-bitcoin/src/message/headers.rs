//! `headers`: block headers, each followed by a transaction count that is always zero.
//!
//! ```text
//!   count CompactSize | count x (header 80 | 0)
//! ```

use std::fmt;

use bitcoin::block::Header;
use bitcoin::hashes::Hash as _;
use bitcoin::{BlockHash, consensus};
use bytes::Bytes;
use peerage_wire::{Malformed, Reader, compact};

use super::body::Body;

/// A checked list of at most 2,000 block headers, as it lies in the payload.
///
/// That they form a chain, and their proof of work, is the node's to check. Accepts what `bitcoin`
/// accepts, up to [`Self::MAX`] headers.
#[derive(Clone, PartialEq, Eq)]
pub struct Headers {
    payload: Bytes,
    len: usize,
}

impl Headers {
    /// The most headers that a message may carry (Bitcoin Core, btcd).
    pub const MAX: usize = 2_000;

    /// A list of these headers.
    ///
    /// # Errors
    /// [`Malformed::TooMany`] above [`Self::MAX`] headers, which no peer would accept.
    pub fn new(headers: &[Header]) -> Result<Self, Malformed> {
        let len = headers.len();
        if len > Self::MAX {
            let max = Self::MAX as u64;
            return Err(Malformed::TooMany { what: HEADERS, count: len as u64, max });
        }
        let mut payload = Vec::with_capacity(compact::len(len as u64) + len * ENTRY);
        compact::put(&mut payload, len as u64);
        for header in headers {
            put_header(&mut payload, header);
            payload.push(0);
        }
        Ok(Self { payload: payload.into(), len })
    }

    /// Checks a whole payload.
    ///
    /// # Errors
    /// [`Malformed`] if the count is above [`Self::MAX`], not in its shortest form or not that of
    /// the headers that follow, or if a header claims to have transactions.
    pub fn from_bytes(payload: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&payload);
        let len = reader.count(HEADERS, Self::MAX, ENTRY)?;
        let (entries, _) = reader.take(len * ENTRY)?.as_chunks::<ENTRY>();
        if entries.iter().any(|entry| entry[Header::SIZE] != 0) {
            return Err(Malformed::Invalid { what: "transaction count of a header" });
        }
        reader.finish()?;
        Ok(Self { payload, len })
    }

    /// How many headers there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The header at this place.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Header> {
        self.chunks().get(index).map(|entry| header_of(entry))
    }

    /// The headers in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Header> + DoubleEndedIterator + Clone + '_ {
        self.chunks().iter().map(|entry| header_of(entry))
    }

    /// Their hashes in their order; each costs its hashing.
    pub fn hashes(
        &self,
    ) -> impl ExactSizeIterator<Item = BlockHash> + DoubleEndedIterator + Clone + '_ {
        self.chunks().iter().map(|entry| hash_of(entry))
    }

    /// The headers as owned values.
    #[must_use]
    pub fn decode(&self) -> Vec<Header> {
        self.iter().collect()
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

    fn chunks(&self) -> &[[u8; ENTRY]] {
        self.payload[compact::len(self.len as u64)..].as_chunks().0
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Headers");
        shown.field("len", &self.len);
        if let (Some(first), Some(last)) = (self.hashes().next(), self.hashes().next_back()) {
            shown.field("first", &first).field("last", &last);
        }
        shown.finish()
    }
}

impl Body for Headers {
    fn parse(payload: Bytes, _version: u32) -> Result<Self, Malformed> {
        Self::from_bytes(payload)
    }

    fn put(&self, _version: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.payload);
    }
}

/// The header that `bytes` begin with.
pub(super) fn header_of(bytes: &[u8]) -> Header {
    consensus::deserialize(&bytes[..Header::SIZE]).expect("any 80 bytes are a header")
}

/// The hash of the header that `bytes` begin with.
pub(super) fn hash_of(bytes: &[u8]) -> BlockHash {
    BlockHash::hash(&bytes[..Header::SIZE])
}

/// Appends a header.
pub(super) fn put_header(out: &mut Vec<u8>, header: &Header) {
    consensus::Encodable::consensus_encode(header, out).expect("a vector takes everything");
}

const HEADERS: &str = "headers";

/// A header and its transaction count.
const ENTRY: usize = Header::SIZE + 1;
