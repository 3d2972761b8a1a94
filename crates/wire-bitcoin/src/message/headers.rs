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
use peerage_wire::Malformed;

use super::list::{Limit, List, list_methods};

/// A checked list of at most 2,000 block headers, as it lies in the payload.
///
/// That they form a chain, and their proof of work, is the node's to check. Accepts what `bitcoin`
/// accepts, up to [`Self::MAX`] headers.
#[derive(Clone, PartialEq, Eq)]
pub struct Headers {
    list: List<0>,
}

list_methods!(Headers, "How many headers there are.", "Whether there are none.");

impl Headers {
    /// The most headers that a message may carry (Bitcoin Core, btcd).
    pub const MAX: usize = 2_000;

    /// A list of these headers.
    ///
    /// # Errors
    /// [`Malformed::TooMany`] above [`Self::MAX`] headers, which no peer would accept.
    pub fn new(headers: &[Header]) -> Result<Self, Malformed> {
        let len = headers.len();
        HEADERS.check(len)?;
        let list = List::build(&[], len, len * ENTRY, |payload| {
            for header in headers {
                put_header(payload, header);
                payload.push(0);
            }
            Ok(())
        })?;
        Ok(Self { list })
    }

    /// Checks a whole payload.
    ///
    /// # Errors
    /// [`Malformed`] if the count is above [`Self::MAX`], not in its shortest form or not that of
    /// the headers that follow, or if a header claims to have transactions.
    pub fn from_bytes(payload: Bytes) -> Result<Self, Malformed> {
        let list = List::read(payload, HEADERS, ENTRY, |reader, len| {
            let (entries, _) = reader.take(len * ENTRY)?.as_chunks::<ENTRY>();
            match entries.iter().any(|entry| entry[Header::SIZE] != 0) {
                true => Err(Malformed::Invalid { what: "transaction count of a header" }),
                false => Ok(()),
            }
        })?;
        Ok(Self { list })
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

    fn chunks(&self) -> &[[u8; ENTRY]] {
        self.list.chunks()
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Headers");
        shown.field("len", &self.len());
        if let (Some(first), Some(last)) = (self.hashes().next(), self.hashes().next_back()) {
            shown.field("first", &first).field("last", &last);
        }
        shown.finish()
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

const HEADERS: Limit = Limit { what: "headers", max: Headers::MAX };

/// A header and its transaction count.
const ENTRY: usize = Header::SIZE + 1;
