//! `sendtxrcncl`: the offer to reconcile sets of transactions (BIP330).

use bytes::Bytes;
use peerage_wire::{Malformed, Reader};

use super::body::Body;

/// Offers transaction reconciliation: 12 bytes, between version and verack only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendTxRcncl {
    /// The newest version of reconciliation that the sender speaks; there is 1.
    pub version: u32,
    /// The sender's half of the salt of the short ids: random, another one for each connection.
    pub salt: u64,
}

impl Body for SendTxRcncl {
    fn parse(payload: Bytes, _version: u32) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&payload);
        let message = Self { version: reader.u32()?, salt: reader.u64()? };
        reader.finish()?;
        Ok(message)
    }

    fn put(&self, _version: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&self.salt.to_le_bytes());
    }
}
