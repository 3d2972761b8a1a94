//! Where a node can be reached.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use peerage_wire::{Malformed, Reader};

use super::Services;

/// An address with what is offered there: 26 bytes in `version`.
///
/// ```text
///   services u64 | address 16 (IPv4 as ::ffff:a.b.c.d) | port u16 BE
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerAddress {
    /// What the node offers.
    pub services: Services,
    /// Its IP address, `::` if it is not said.
    pub ip: IpAddr,
    /// Its port.
    pub port: u16,
}

impl PeerAddress {
    /// Bytes on the wire.
    pub const SIZE: usize = 26;

    /// Nowhere, offering nothing.
    pub const UNSPECIFIED: Self =
        Self { services: Services::NONE, ip: IpAddr::V6(Ipv6Addr::UNSPECIFIED), port: 0 };

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            services: Services::from_bits(reader.u64()?),
            ip: Ipv6Addr::from(reader.array::<16>()?).to_canonical(),
            port: reader.u16_be()?,
        })
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let ip = match self.ip {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        out.extend_from_slice(&self.services.to_bits().to_le_bytes());
        out.extend_from_slice(&ip.octets());
        out.extend_from_slice(&self.port.to_be_bytes());
    }
}

impl From<SocketAddr> for PeerAddress {
    /// As kaspad tells a remote's address: with [`Services::NETWORK`].
    fn from(address: SocketAddr) -> Self {
        let ip = address.ip().to_canonical();
        Self { services: Services::NETWORK, ip, port: address.port() }
    }
}

impl From<PeerAddress> for SocketAddr {
    fn from(peer: PeerAddress) -> Self {
        Self::new(peer.ip, peer.port)
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::from(*self).fmt(f)
    }
}

impl fmt::Debug for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} ({})", self.services)
    }
}

/// An address and when somebody was last seen there: 34 bytes in `addr`.
///
/// ```text
///   timestamp i64 | services u64 | address 16 | port u16 BE
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimedAddress {
    /// When, in the network's [`TimestampUnit`](super::TimestampUnit) since 1970.
    pub timestamp: i64,
    /// Where.
    pub peer: PeerAddress,
}

impl TimedAddress {
    /// Bytes on the wire.
    pub const SIZE: usize = 8 + PeerAddress::SIZE;

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { timestamp: reader.i64()?, peer: PeerAddress::read(reader)? })
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.timestamp.to_le_bytes());
        self.peer.put(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_keep_their_family() {
        for ip in ["10.0.0.1", "::", "::1", "2001:db8::7"] {
            let ip: IpAddr = ip.parse().unwrap();
            let peer = PeerAddress { ip, port: 16_111, ..PeerAddress::UNSPECIFIED };
            let mut out = Vec::new();
            peer.put(&mut out);
            assert_eq!(out.len(), PeerAddress::SIZE);
            assert_eq!(PeerAddress::read(&mut Reader::new(&out)), Ok(peer));
        }
    }
}
