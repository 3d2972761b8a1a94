//! `version`: how two peers introduce themselves.
//!
//! ```text
//!   version i32 | services u64 | timestamp i64 | full node? bool | if not: subnetwork 20 |
//!   receiver 26 | sender 26 | nonce u64 | user agent CompactSize + text | selected tip 32 | relay bool
//! ```

use bytes::Bytes;
use peerage_wire::{Malformed, Reader, UserAgent, compact};

use super::body::Body;
use crate::legacy::types::subnetwork::{put_optional, read_bool, read_optional};
use crate::legacy::types::{Hash, PeerAddress, Services, SubnetworkId};

/// A node's introduction: 115 to 393 bytes, all of them mandatory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The newest protocol version that the sender speaks. There is one: 1.
    pub version: i32,
    /// What the sender offers.
    pub services: Services,
    /// The sender's clock, in the network's [`TimestampUnit`](crate::legacy::types::TimestampUnit)
    /// since 1970.
    pub timestamp: i64,
    /// The subnetwork to which the sender confines itself; none if it is a full node.
    pub subnetwork: Option<SubnetworkId>,
    /// The receiver, as the sender sees it.
    pub addr_recv: PeerAddress,
    /// The sender, as it sees itself; kaspad says its services and nothing else.
    pub addr_from: PeerAddress,
    /// Random, another one for each connection: who receives his own talks to himself.
    pub nonce: u64,
    /// The sender's software.
    pub user_agent: UserAgent,
    /// The tip of the sender's selected chain.
    pub selected_tip: Hash,
    /// Whether transactions are to be announced at once.
    pub relay: bool,
}

impl Body for Version {
    fn parse(payload: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&payload);
        Ok(Self {
            version: reader.i32()?,
            services: Services::from_bits(reader.u64()?),
            timestamp: reader.i64()?,
            subnetwork: read_optional(&mut reader)?,
            addr_recv: PeerAddress::read(&mut reader)?,
            addr_from: PeerAddress::read(&mut reader)?,
            nonce: reader.u64()?,
            user_agent: UserAgent::read(&mut reader)?,
            selected_tip: reader.array().map(Hash::from_bytes)?,
            relay: read_bool(&mut reader)?,
        })
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&self.services.to_bits().to_le_bytes());
        out.extend_from_slice(&self.timestamp.to_le_bytes());
        put_optional(self.subnetwork, out);
        self.addr_recv.put(out);
        self.addr_from.put(out);
        out.extend_from_slice(&self.nonce.to_le_bytes());
        compact::put_bytes(out, self.user_agent.as_text().as_bytes());
        out.extend_from_slice(self.selected_tip.as_bytes());
        out.push(u8::from(self.relay));
    }
}
