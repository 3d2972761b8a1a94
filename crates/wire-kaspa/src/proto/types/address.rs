//! Network addresses: 4 or 16 bytes and a port.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use peerage_wire::Malformed;

use crate::proto::message::NetAddress;

impl From<SocketAddr> for NetAddress {
    /// Seen at no time, as nodes say it.
    fn from(address: SocketAddr) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(ip) => Bytes::copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => Bytes::copy_from_slice(&ip.octets()),
        };
        Self { timestamp: 0, ip, port: address.port().into() }
    }
}

impl TryFrom<&NetAddress> for SocketAddr {
    type Error = Malformed;

    /// # Errors
    /// If there are not 4 or 16 bytes, or the port has more than 16 bits.
    fn try_from(address: &NetAddress) -> Result<Self, Malformed> {
        let ip = &address.ip[..];
        let ip = if let Ok(ip) = <[u8; 4]>::try_from(ip) {
            IpAddr::from(ip)
        } else if let Ok(ip) = <[u8; 16]>::try_from(ip) {
            IpAddr::from(ip)
        } else {
            return Err(Malformed::Invalid { what: "length of an IP address" });
        };
        let port = u16::try_from(address.port).map_err(|_| Malformed::Invalid { what: "port" })?;
        Ok(Self::new(ip, port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_there_and_back_again() {
        for text in ["10.0.0.1:16111", "[2001:db8::1]:16611", "[::ffff:10.0.0.1]:0"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(SocketAddr::try_from(&NetAddress::from(address)), Ok(address));
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let of = |ip: &'static [u8], port| NetAddress { timestamp: 0, ip: ip.into(), port };
        for bad in [of(&[], 1), of(&[1; 5], 1), of(&[1; 17], 1), of(&[1; 4], 65_536)] {
            assert!(SocketAddr::try_from(&bad).is_err(), "{bad:?}");
        }
    }
}
