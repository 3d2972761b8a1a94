//! `version`: how two peers introduce themselves.
//!
//! ```text
//!   version i32 | services u64 | time i64 | receiver 26 | sender 26 | nonce u64 |
//!   user agent CompactSize + text | height i32 | relay u8
//! ```
//!
//! Everything after the receiver was added later, so a payload may end before any later field.

use bytes::Bytes;
use peerage_wire::{Malformed, Reader, compact};

use super::body::Body;
use crate::types::{PeerAddress, Services, UserAgent};

/// A node's introduction: at least 46 bytes, 344 with the longest user agent.
///
/// Bytes after `relay` are tolerated, and lost: they are what some future version added. (`bitcoin`
/// 0.32 refuses them, payloads that end early, and user agents that are no UTF-8.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The newest protocol version that the sender speaks.
    pub version: i32,
    /// What the sender offers.
    pub services: Services,
    /// The sender's clock, in seconds since 1970.
    pub timestamp: i64,
    /// The receiver, as the sender sees it.
    pub addr_recv: PeerAddress,
    /// The sender, as it sees itself; most say nothing here.
    pub addr_from: PeerAddress,
    /// Random, another one for each connection: who receives his own talks to himself. 0 if the
    /// payload ended before it.
    pub nonce: u64,
    /// The sender's software.
    pub user_agent: UserAgent,
    /// The height of the sender's best chain, as it claims.
    pub start_height: i32,
    /// Whether transactions are to be announced at once (BIP37); from protocol version 70001, until
    /// then always so.
    pub relay: bool,
}

impl Body for Version {
    fn parse(payload: Bytes, _version: u32) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&payload);
        let mut version = Self {
            version: reader.i32()?,
            services: Services::from_bits(reader.u64()?),
            timestamp: reader.i64()?,
            addr_recv: PeerAddress::read_legacy(&mut reader)?,
            addr_from: PeerAddress::UNSPECIFIED,
            nonce: 0,
            user_agent: UserAgent::empty(),
            start_height: 0,
            relay: true,
        };
        if !reader.is_empty() {
            version.addr_from = PeerAddress::read_legacy(&mut reader)?;
        }
        if !reader.is_empty() {
            version.nonce = reader.u64()?;
        }
        if !reader.is_empty() {
            version.user_agent = UserAgent::read(&mut reader)?;
        }
        if !reader.is_empty() {
            version.start_height = reader.i32()?;
        }
        if !reader.is_empty() {
            version.relay = reader.u8()? != 0;
        }
        Ok(version)
    }

    /// Whether `relay` is written depends on what the sender advertises as well: when introductions
    /// are exchanged, nothing is agreed yet.
    fn put(&self, version: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&self.services.to_bits().to_le_bytes());
        out.extend_from_slice(&self.timestamp.to_le_bytes());
        self.addr_recv.put_legacy(out);
        self.addr_from.put_legacy(out);
        out.extend_from_slice(&self.nonce.to_le_bytes());
        compact::put_bytes(out, self.user_agent.as_text().as_bytes());
        out.extend_from_slice(&self.start_height.to_le_bytes());
        if version >= SINCE_RELAY && i64::from(self.version) >= i64::from(SINCE_RELAY) {
            out.push(u8::from(self.relay));
        }
    }
}

/// The first version with the relay byte (BIP37).
const SINCE_RELAY: u32 = 70_001;
