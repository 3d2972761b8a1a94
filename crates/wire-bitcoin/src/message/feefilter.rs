//! `feefilter`: which transactions are too cheap to be announced (BIP133).

use bytes::Bytes;
use peerage_wire::{Malformed, Reader};

use super::body::Body;

/// Asks not to be told of transactions that pay less: 8 bytes, from protocol version 70013.
///
/// Every value is accepted here; what a negative or an impossible one means is the node's to say.
/// (`bitcoin` 0.32 refuses those outside 0 to 21 million bitcoins.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeFilter {
    /// Satoshis per 1,000 virtual bytes.
    pub rate: i64,
}

impl Body for FeeFilter {
    fn parse(payload: Bytes, _version: u32) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&payload);
        let rate = reader.i64()?;
        reader.finish()?;
        Ok(Self { rate })
    }

    fn put(&self, _version: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.rate.to_le_bytes());
    }
}
