//! `cfheaders` and `cfcheckpt`: the chain of hashes that promises each filter (BIP157).

use std::fmt;

use bitcoin::BlockHash;
use bitcoin::bip158::{FilterHash, FilterHeader};
use bitcoin::hashes::Hash as _;
use bitcoin::p2p::message_filter;
use bytes::Bytes;
use peerage_wire::Malformed;

use super::HASH;
use crate::message::list::{Limit, List, list_methods};

/// The filter hashes of a range of blocks, as they lie in the payload.
///
/// Accepts what `bitcoin` accepts, up to [`Self::MAX`] hashes.
#[derive(Clone, PartialEq, Eq)]
pub struct CFHeaders {
    list: List<{ 1 + HASH + HASH }>,
}

list_methods!(CFHeaders, "How many hashes there are.", "Whether there are none.");

impl CFHeaders {
    /// The most hashes that a message may carry (BIP157).
    pub const MAX: usize = 2_000;

    /// The filter hashes of a range of blocks that ends with `stop_hash`, and the filter header of
    /// the block before the range.
    ///
    /// # Errors
    /// [`Malformed::TooMany`] above [`Self::MAX`] hashes, which no peer would accept.
    pub fn new(
        filter_type: u8,
        stop_hash: BlockHash,
        previous: FilterHeader,
        hashes: &[FilterHash],
    ) -> Result<Self, Malformed> {
        let head = [&[filter_type][..], stop_hash.as_byte_array(), previous.as_byte_array()];
        let hashes = hashes.iter().map(|hash| hash.to_byte_array());
        Ok(Self { list: List::new(HASHES, &head, hashes)? })
    }

    /// Checks a whole payload.
    ///
    /// # Errors
    /// [`Malformed`] if it is not exactly one such message.
    pub fn from_bytes(payload: Bytes) -> Result<Self, Malformed> {
        Ok(Self { list: List::fixed(payload, HASHES, HASH)? })
    }

    /// Which filters; see [`BASIC_FILTER`](super::BASIC_FILTER).
    #[must_use]
    pub fn filter_type(&self) -> u8 {
        self.list.head()[0]
    }

    /// The last block of the range.
    #[must_use]
    pub fn stop_hash(&self) -> BlockHash {
        BlockHash::from_byte_array(self.list.hash_at(1))
    }

    /// The filter header of the block before the range.
    #[must_use]
    pub fn previous_filter_header(&self) -> FilterHeader {
        FilterHeader::from_byte_array(self.list.hash_at(1 + HASH))
    }

    /// The filter hashes, in the order of the blocks.
    pub fn filter_hashes(
        &self,
    ) -> impl ExactSizeIterator<Item = FilterHash> + DoubleEndedIterator + Clone + '_ {
        self.list.chunks().iter().copied().map(FilterHash::from_byte_array)
    }

    /// The filter headers that follow from the one before and the hashes; each costs its hashing.
    pub fn filter_headers(&self) -> impl ExactSizeIterator<Item = FilterHeader> + Clone + '_ {
        let mut last = self.previous_filter_header();
        self.filter_hashes().map(move |hash| {
            last = hash.filter_header(&last);
            last
        })
    }

    /// The owned message.
    #[must_use]
    pub fn decode(&self) -> message_filter::CFHeaders {
        message_filter::CFHeaders {
            filter_type: self.filter_type(),
            stop_hash: self.stop_hash(),
            previous_filter_header: self.previous_filter_header(),
            filter_hashes: self.filter_hashes().collect(),
        }
    }
}

impl fmt::Debug for CFHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CFHeaders")
            .field("filter_type", &self.filter_type())
            .field("stop_hash", &self.stop_hash())
            .field("len", &self.len())
            .finish()
    }
}

/// The filter headers at every thousandth block, as they lie in the payload.
///
/// Accepts what `bitcoin` accepts, up to [`Self::MAX`] headers.
#[derive(Clone, PartialEq, Eq)]
pub struct CFCheckpt {
    list: List<{ 1 + HASH }>,
}

list_methods!(CFCheckpt, "How many headers there are.", "Whether there are none.");

impl CFCheckpt {
    /// The most headers that a message may carry (btcd): those of a hundred million blocks.
    pub const MAX: usize = 100_000;

    /// The filter headers at the heights 1,000, 2,000 and so on, up to that of `stop_hash`.
    ///
    /// # Errors
    /// [`Malformed::TooMany`] above [`Self::MAX`] headers, which no peer would accept.
    pub fn new(
        filter_type: u8,
        stop_hash: BlockHash,
        headers: &[FilterHeader],
    ) -> Result<Self, Malformed> {
        let head = [&[filter_type][..], stop_hash.as_byte_array()];
        let headers = headers.iter().map(|header| header.to_byte_array());
        Ok(Self { list: List::new(HEADERS, &head, headers)? })
    }

    /// Checks a whole payload.
    ///
    /// # Errors
    /// [`Malformed`] if it is not exactly one such message.
    pub fn from_bytes(payload: Bytes) -> Result<Self, Malformed> {
        Ok(Self { list: List::fixed(payload, HEADERS, HASH)? })
    }

    /// Which filters; see [`BASIC_FILTER`](super::BASIC_FILTER).
    #[must_use]
    pub fn filter_type(&self) -> u8 {
        self.list.head()[0]
    }

    /// The last block.
    #[must_use]
    pub fn stop_hash(&self) -> BlockHash {
        BlockHash::from_byte_array(self.list.hash_at(1))
    }

    /// The filter headers, in the order of the blocks.
    pub fn filter_headers(
        &self,
    ) -> impl ExactSizeIterator<Item = FilterHeader> + DoubleEndedIterator + Clone + '_ {
        self.list.chunks().iter().copied().map(FilterHeader::from_byte_array)
    }

    /// The owned message.
    #[must_use]
    pub fn decode(&self) -> message_filter::CFCheckpt {
        message_filter::CFCheckpt {
            filter_type: self.filter_type(),
            stop_hash: self.stop_hash(),
            filter_headers: self.filter_headers().collect(),
        }
    }
}

impl fmt::Debug for CFCheckpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CFCheckpt")
            .field("filter_type", &self.filter_type())
            .field("stop_hash", &self.stop_hash())
            .field("len", &self.len())
            .finish()
    }
}

const HASHES: Limit = Limit { what: "filter hashes", max: CFHeaders::MAX };
const HEADERS: Limit = Limit { what: "filter headers", max: CFCheckpt::MAX };
