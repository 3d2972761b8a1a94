//! `ping` and `pong` (BIP31).

use bytes::Bytes;
use peerage_wire::{Malformed, Reader};

use super::body::Body;

/// Asks whether the remote still answers.
///
/// 8 bytes; none up to protocol version 60000, where a ping has no nonce and gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ping {
    /// What the pong must repeat.
    pub nonce: Option<u64>,
}

/// The answer to a ping: 8 bytes, from protocol version 60001.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pong {
    /// The ping's nonce.
    pub nonce: u64,
}

/// The last protocol version whose pings have no nonce.
pub(crate) const LAST_WITHOUT_NONCE: u32 = 60_000;

impl Body for Ping {
    fn parse(payload: Bytes, version: u32) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&payload);
        let nonce = if version > LAST_WITHOUT_NONCE { Some(reader.u64()?) } else { None };
        reader.finish()?;
        Ok(Self { nonce })
    }

    fn put(&self, version: u32, out: &mut Vec<u8>) {
        if version > LAST_WITHOUT_NONCE {
            out.extend_from_slice(&self.nonce.unwrap_or(0).to_le_bytes());
        }
    }
}

impl Body for Pong {
    fn parse(payload: Bytes, _version: u32) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&payload);
        let nonce = reader.u64()?;
        reader.finish()?;
        Ok(Self { nonce })
    }

    fn put(&self, _version: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.nonce.to_le_bytes());
    }
}
