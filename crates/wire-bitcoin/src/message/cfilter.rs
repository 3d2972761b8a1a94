//! The six messages of BIP157, which bring the filters of BIP158 to light clients.
//!
//! ```text
//!   getcfilters, getcfheaders: type u8 | first height u32 | last block 32
//!   getcfcheckpt:              type u8 | last block 32
//!   cfilter:                   type u8 | block 32 | filter, behind its length
//!   cfheaders:                 type u8 | last block 32 | header before 32 | count | hashes 32 each
//!   cfcheckpt:                 type u8 | last block 32 | count | headers 32 each
//! ```

use std::fmt;

use bitcoin::BlockHash;
use bitcoin::bip158::{BlockFilter, FilterHash, FilterHeader};
use bitcoin::hashes::Hash as _;
use bitcoin::p2p::message_filter;
use bytes::Bytes;
use peerage_wire::{Malformed, Reader, compact};

use super::body::Body;

mod headers;

pub use headers::{CFCheckpt, CFHeaders};

/// The number of the basic filter (BIP158), the only type in use.
pub const BASIC_FILTER: u8 = 0;

/// Asks for the filters of a range of blocks: one `cfilter` for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GetCFilters {
    /// Which filters; see [`BASIC_FILTER`].
    pub filter_type: u8,
    /// The height of the first block.
    pub start_height: u32,
    /// The last block, at most 999 above the first.
    pub stop_hash: BlockHash,
}

impl Body for GetCFilters {
    fn parse(payload: Bytes, _version: u32) -> Result<Self, Malformed> {
        let (filter_type, start_height, stop_hash) = read_range(&payload)?;
        Ok(Self { filter_type, start_height, stop_hash })
    }

    fn put(&self, _version: u32, out: &mut Vec<u8>) {
        put_range(out, self.filter_type, self.start_height, &self.stop_hash);
    }
}

/// Asks for the filter headers of a range of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GetCFHeaders {
    /// Which filters; see [`BASIC_FILTER`].
    pub filter_type: u8,
    /// The height of the first block.
    pub start_height: u32,
    /// The last block, at most 1,999 above the first.
    pub stop_hash: BlockHash,
}

impl Body for GetCFHeaders {
    fn parse(payload: Bytes, _version: u32) -> Result<Self, Malformed> {
        let (filter_type, start_height, stop_hash) = read_range(&payload)?;
        Ok(Self { filter_type, start_height, stop_hash })
    }

    fn put(&self, _version: u32, out: &mut Vec<u8>) {
        put_range(out, self.filter_type, self.start_height, &self.stop_hash);
    }
}

/// Asks for the filter headers at every thousandth block up to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GetCFCheckpt {
    /// Which filters; see [`BASIC_FILTER`].
    pub filter_type: u8,
    /// The last block.
    pub stop_hash: BlockHash,
}

impl Body for GetCFCheckpt {
    fn parse(payload: Bytes, _version: u32) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&payload);
        let filter_type = reader.u8()?;
        let stop_hash = BlockHash::from_byte_array(reader.array()?);
        reader.finish()?;
        Ok(Self { filter_type, stop_hash })
    }

    fn put(&self, _version: u32, out: &mut Vec<u8>) {
        out.push(self.filter_type);
        out.extend_from_slice(self.stop_hash.as_byte_array());
    }
}

/// The filter of one block, as it lies in the payload.
///
/// The filter's own coding is not checked: [`Self::filter_header`] tells whether it is the filter
/// that a chain of headers promised. Accepts what `bitcoin` accepts, up to [`Self::MAX_FILTER`].
#[derive(Clone, PartialEq, Eq)]
pub struct CFilter {
    payload: Bytes,
    filter: usize,
}

impl CFilter {
    /// The longest filter, in bytes (btcd).
    pub const MAX_FILTER: usize = 256 << 10;

    /// The filter of this block.
    ///
    /// # Errors
    /// [`Malformed::TooMany`] above [`Self::MAX_FILTER`] bytes, which no peer would accept.
    pub fn new(filter_type: u8, block_hash: BlockHash, filter: &[u8]) -> Result<Self, Malformed> {
        let mut payload = Vec::with_capacity(FILTER_START + 5 + filter.len());
        payload.push(filter_type);
        payload.extend_from_slice(block_hash.as_byte_array());
        compact::put_bytes(&mut payload, filter);
        Self::from_bytes(payload.into())
    }

    /// Checks a whole payload.
    ///
    /// # Errors
    /// [`Malformed`] if it is not exactly one such message.
    pub fn from_bytes(payload: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&payload);
        reader.take(FILTER_START)?;
        let filter = reader.bytes("bytes of a filter", Self::MAX_FILTER)?.len();
        reader.finish()?;
        Ok(Self { payload, filter })
    }

    /// Which filter; see [`BASIC_FILTER`].
    #[must_use]
    pub fn filter_type(&self) -> u8 {
        self.payload[0]
    }

    /// The block.
    #[must_use]
    pub fn block_hash(&self) -> BlockHash {
        let hash = self.payload[1..].first_chunk().expect("the payload was checked");
        BlockHash::from_byte_array(*hash)
    }

    /// The filter's bytes.
    #[must_use]
    pub fn filter(&self) -> &[u8] {
        &self.payload[self.payload.len() - self.filter..]
    }

    /// The filter's hash; costs its hashing.
    #[must_use]
    pub fn filter_hash(&self) -> FilterHash {
        FilterHash::hash(self.filter())
    }

    /// The filter's header, given the one of the block before (zeros before the first block).
    #[must_use]
    pub fn filter_header(&self, previous: &FilterHeader) -> FilterHeader {
        self.filter_hash().filter_header(previous)
    }

    /// The filter, to match scripts against.
    #[must_use]
    pub fn block_filter(&self) -> BlockFilter {
        BlockFilter::new(self.filter())
    }

    /// The owned message.
    #[must_use]
    pub fn decode(&self) -> message_filter::CFilter {
        message_filter::CFilter {
            filter_type: self.filter_type(),
            block_hash: self.block_hash(),
            filter: self.filter().to_vec(),
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
        Self { payload: Bytes::copy_from_slice(&self.payload), filter: self.filter }
    }
}

impl fmt::Debug for CFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CFilter")
            .field("filter_type", &self.filter_type())
            .field("block_hash", &self.block_hash())
            .field("bytes", &self.filter)
            .finish()
    }
}

fn read_range(payload: &[u8]) -> Result<(u8, u32, BlockHash), Malformed> {
    let mut reader = Reader::new(payload);
    let range = (reader.u8()?, reader.u32()?, BlockHash::from_byte_array(reader.array()?));
    reader.finish()?;
    Ok(range)
}

fn put_range(out: &mut Vec<u8>, filter_type: u8, start_height: u32, stop_hash: &BlockHash) {
    out.push(filter_type);
    out.extend_from_slice(&start_height.to_le_bytes());
    out.extend_from_slice(stop_hash.as_byte_array());
}

const HASH: usize = 32;

/// Type and block hash.
const FILTER_START: usize = 1 + HASH;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_round_trip_and_are_read_whole() {
        let stop_hash = BlockHash::from_byte_array([7; HASH]);
        let range = (BASIC_FILTER, 70_000, stop_hash);
        let mut bytes = Vec::new();
        GetCFilters { filter_type: 0, start_height: 70_000, stop_hash }.put(70_016, &mut bytes);
        assert_eq!(bytes.len(), 37);
        assert_eq!(read_range(&bytes), Ok(range));
        let request = GetCFHeaders::parse(bytes.clone().into(), 70_016).unwrap();
        assert_eq!((request.filter_type, request.start_height, request.stop_hash), range);
        bytes.push(0);
        assert_eq!(read_range(&bytes), Err(Malformed::TrailingBytes { count: 1 }));
        assert_eq!(read_range(&bytes[..36]), Err(Malformed::Truncated));

        let checkpoints = GetCFCheckpt { filter_type: 1, stop_hash };
        bytes.clear();
        checkpoints.put(70_016, &mut bytes);
        assert_eq!(bytes.len(), 33);
        assert_eq!(GetCFCheckpt::parse(Bytes::copy_from_slice(&bytes), 70_016), Ok(checkpoints));
        bytes.truncate(32);
        assert_eq!(GetCFCheckpt::parse(bytes.into(), 70_016), Err(Malformed::Truncated));
    }
}
