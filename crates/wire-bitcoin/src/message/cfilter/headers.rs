//! `cfheaders` and `cfcheckpt`: the chain of hashes that promises each filter (BIP157).

use std::fmt;

use bitcoin::BlockHash;
use bitcoin::bip158::{FilterHash, FilterHeader};
use bitcoin::hashes::Hash as _;
use bitcoin::p2p::message_filter;
use bytes::Bytes;
use peerage_wire::{Malformed, Reader, compact};

use super::{HASH, hash_at};
use crate::message::body::Body;

/// The filter hashes of a range of blocks, as they lie in the payload.
///
/// Accepts what `bitcoin` accepts, up to [`Self::MAX`] hashes.
#[derive(Clone, PartialEq, Eq)]
pub struct CFHeaders {
    payload: Bytes,
    len: usize,
}

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
        let mut payload = Vec::with_capacity(HASHES_START + 3 + hashes.len() * HASH);
        payload.push(filter_type);
        payload.extend_from_slice(stop_hash.as_byte_array());
        payload.extend_from_slice(previous.as_byte_array());
        compact::put(&mut payload, hashes.len() as u64);
        hashes.iter().for_each(|hash| payload.extend_from_slice(hash.as_byte_array()));
        Self::from_bytes(payload.into())
    }

    /// Checks a whole payload.
    ///
    /// # Errors
    /// [`Malformed`] if it is not exactly one such message.
    pub fn from_bytes(payload: Bytes) -> Result<Self, Malformed> {
        let len = check(&payload, HASHES_START, "filter hashes", Self::MAX)?;
        Ok(Self { payload, len })
    }

    /// Which filters; see [`BASIC_FILTER`](super::BASIC_FILTER).
    #[must_use]
    pub fn filter_type(&self) -> u8 {
        self.payload[0]
    }

    /// The last block of the range.
    #[must_use]
    pub fn stop_hash(&self) -> BlockHash {
        BlockHash::from_byte_array(hash_at(&self.payload, 1))
    }

    /// The filter header of the block before the range.
    #[must_use]
    pub fn previous_filter_header(&self) -> FilterHeader {
        FilterHeader::from_byte_array(hash_at(&self.payload, 1 + HASH))
    }

    /// How many hashes there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The filter hashes, in the order of the blocks.
    pub fn filter_hashes(
        &self,
    ) -> impl ExactSizeIterator<Item = FilterHash> + DoubleEndedIterator + Clone + '_ {
        list(&self.payload, HASHES_START, self.len).map(FilterHash::from_byte_array)
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

    /// The payload.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.payload
    }

    /// The same message with a buffer of its own, for whoever keeps it beyond the received one.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self { payload: Bytes::copy_from_slice(&self.payload), len: self.len }
    }
}

impl fmt::Debug for CFHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CFHeaders")
            .field("filter_type", &self.filter_type())
            .field("stop_hash", &self.stop_hash())
            .field("len", &self.len)
            .finish()
    }
}

impl Body for CFHeaders {
    fn parse(payload: Bytes, _version: u32) -> Result<Self, Malformed> {
        Self::from_bytes(payload)
    }

    fn put(&self, _version: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.payload);
    }
}

/// The filter headers at every thousandth block, as they lie in the payload.
///
/// Accepts what `bitcoin` accepts, up to [`Self::MAX`] headers.
#[derive(Clone, PartialEq, Eq)]
pub struct CFCheckpt {
    payload: Bytes,
    len: usize,
}

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
        let mut payload = Vec::with_capacity(HEADERS_START + 5 + headers.len() * HASH);
        payload.push(filter_type);
        payload.extend_from_slice(stop_hash.as_byte_array());
        compact::put(&mut payload, headers.len() as u64);
        headers.iter().for_each(|header| payload.extend_from_slice(header.as_byte_array()));
        Self::from_bytes(payload.into())
    }

    /// Checks a whole payload.
    ///
    /// # Errors
    /// [`Malformed`] if it is not exactly one such message.
    pub fn from_bytes(payload: Bytes) -> Result<Self, Malformed> {
        let len = check(&payload, HEADERS_START, "filter headers", Self::MAX)?;
        Ok(Self { payload, len })
    }

    /// Which filters; see [`BASIC_FILTER`](super::BASIC_FILTER).
    #[must_use]
    pub fn filter_type(&self) -> u8 {
        self.payload[0]
    }

    /// The last block.
    #[must_use]
    pub fn stop_hash(&self) -> BlockHash {
        BlockHash::from_byte_array(hash_at(&self.payload, 1))
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

    /// The filter headers, in the order of the blocks.
    pub fn filter_headers(
        &self,
    ) -> impl ExactSizeIterator<Item = FilterHeader> + DoubleEndedIterator + Clone + '_ {
        list(&self.payload, HEADERS_START, self.len).map(FilterHeader::from_byte_array)
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

    /// The payload.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.payload
    }

    /// The same message with a buffer of its own, for whoever keeps it beyond the received one.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self { payload: Bytes::copy_from_slice(&self.payload), len: self.len }
    }
}

impl fmt::Debug for CFCheckpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CFCheckpt")
            .field("filter_type", &self.filter_type())
            .field("stop_hash", &self.stop_hash())
            .field("len", &self.len)
            .finish()
    }
}

impl Body for CFCheckpt {
    fn parse(payload: Bytes, _version: u32) -> Result<Self, Malformed> {
        Self::from_bytes(payload)
    }

    fn put(&self, _version: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.payload);
    }
}

/// Checks that a counted list of hashes fills the payload from `start` on; returns the count.
fn check(payload: &[u8], start: usize, what: &'static str, max: usize) -> Result<usize, Malformed> {
    let mut reader = Reader::new(payload);
    reader.take(start)?;
    let len = reader.count(what, max, HASH)?;
    reader.take(len * HASH)?;
    reader.finish()?;
    Ok(len)
}

/// The list of `len` hashes behind the count at `start`.
fn list(
    payload: &[u8],
    start: usize,
    len: usize,
) -> impl ExactSizeIterator<Item = [u8; HASH]> + DoubleEndedIterator + Clone + '_ {
    payload[start + compact::len(len as u64)..].as_chunks().0.iter().copied()
}

/// Type, last block, header before.
const HASHES_START: usize = 1 + HASH + HASH;

/// Type, last block.
const HEADERS_START: usize = 1 + HASH;
