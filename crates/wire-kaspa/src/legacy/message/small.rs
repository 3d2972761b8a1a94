//! Messages of a few fixed fields.
//!
//! ```text
//!   low 32 | high 32      getblockinvs        nonce u64      ping, pong
//!   high 32 | low 32      getlocator          fee i64        feefilter
//!   tip 32                selectedtip
//! ```

use bytes::Bytes;
use peerage_wire::{Malformed, Reader};

use super::body::Body;
use crate::legacy::types::Hash;

/// Asks for an `inv` of the blocks from one to another, which both are known to the remote. The
/// answer names up to 131,072 sync blocks in topological order, the lower one included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GetBlockInvs {
    /// Where to begin.
    pub low: Hash,
    /// Where to end.
    pub high: Hash,
}

impl Body for GetBlockInvs {
    fn parse(payload: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&payload);
        let (low, high) = (reader.array()?, reader.array()?);
        Ok(Self { low: low.into(), high: high.into() })
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.low.as_bytes());
        out.extend_from_slice(self.high.as_bytes());
    }
}

/// Asks for a `locator` from one block down to another. The fields come the other way round than in
/// [`GetBlockInvs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GetLocator {
    /// Where to begin.
    pub high: Hash,
    /// Where to end.
    pub low: Hash,
}

impl Body for GetLocator {
    fn parse(payload: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&payload);
        let (high, low) = (reader.array()?, reader.array()?);
        Ok(Self { high: high.into(), low: low.into() })
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.high.as_bytes());
        out.extend_from_slice(self.low.as_bytes());
    }
}

/// The tip of the sender's selected chain: 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SelectedTip {
    /// Its hash.
    pub hash: Hash,
}

impl Body for SelectedTip {
    fn parse(payload: Bytes) -> Result<Self, Malformed> {
        let hash = Reader::new(&payload).array()?;
        Ok(Self { hash: hash.into() })
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.hash.as_bytes());
    }
}

/// Asks not to be told of transactions that pay less: 8 bytes.
///
/// Every value is accepted here; what a negative or an impossible one means is the node's to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeFilter {
    /// Sompi per megagram of mass.
    pub min_fee: i64,
}

impl Body for FeeFilter {
    fn parse(payload: Bytes) -> Result<Self, Malformed> {
        Ok(Self { min_fee: Reader::new(&payload).i64()? })
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.min_fee.to_le_bytes());
    }
}

/// Asks whether the remote still answers: 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ping {
    /// What the pong must repeat.
    pub nonce: u64,
}

impl Body for Ping {
    fn parse(payload: Bytes) -> Result<Self, Malformed> {
        Ok(Self { nonce: Reader::new(&payload).u64()? })
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.nonce.to_le_bytes());
    }
}

/// The answer to a ping: 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pong {
    /// The ping's nonce.
    pub nonce: u64,
}

impl Body for Pong {
    fn parse(payload: Bytes) -> Result<Self, Malformed> {
        Ok(Self { nonce: Reader::new(&payload).u64()? })
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.nonce.to_le_bytes());
    }
}
