//! `sendcmpct`: how blocks are to be announced (BIP152).

use bytes::Bytes;
use peerage_wire::{Malformed, Reader};

use super::body::Body;

/// Offers to take compact blocks: 9 bytes, from protocol version 70014.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendCmpct {
    /// Whether new blocks are to be announced with `cmpctblock` at once (high bandwidth).
    pub announce: bool,
    /// The version of compact blocks: 2 is the one with witnesses, others are ignored by nodes.
    pub version: u64,
}

impl Body for SendCmpct {
    fn parse(payload: Bytes, _version: u32) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&payload);
        let announce = match reader.u8()? {
            0 => false,
            1 => true,
            _ => return Err(Malformed::Invalid { what: "announce byte of sendcmpct" }),
        };
        let version = reader.u64()?;
        reader.finish()?;
        Ok(Self { announce, version })
    }

    fn put(&self, _version: u32, out: &mut Vec<u8>) {
        out.push(u8::from(self.announce));
        out.extend_from_slice(&self.version.to_le_bytes());
    }
}
