//! An address with what is offered there: in `version`, and with a time in gossip.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

use peerage_wire::{Malformed, Reader};

use super::{NetworkAddress, ParseAddressError, mapped};
use crate::types::Services;

/// Where a peer is and what it offers.
///
/// Shown and read as `host:port`; IPv6 stands in brackets. Read from text, the services are none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerAddress {
    /// What it offers.
    pub services: Services,
    /// Where it is.
    pub address: NetworkAddress,
    /// On which port; 0 on I2P, which has none.
    pub port: u16,
}

impl PeerAddress {
    /// Nowhere, with nothing on offer: what `version` carries when there is nothing to say.
    pub const UNSPECIFIED: Self =
        Self { services: Services::NONE, address: NetworkAddress::UNSPECIFIED, port: 0 };

    /// Bytes of the old form, without a time.
    pub(crate) const LEGACY_LEN: usize = 26;

    /// This place.
    #[must_use]
    pub const fn new(services: Services, address: NetworkAddress, port: u16) -> Self {
        Self { services, address, port }
    }

    /// The socket address, if the network is the internet.
    #[must_use]
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        self.address.ip().map(|ip| SocketAddr::new(ip, self.port))
    }

    pub(crate) fn read_legacy(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.array().map(|bytes| Self::from_legacy(&bytes))
    }

    /// What these bytes in the old form stand for.
    pub(crate) fn from_legacy(bytes: &[u8; Self::LEGACY_LEN]) -> Self {
        let (services, rest) = bytes.split_first_chunk().expect("26 bytes are more than 8");
        let (address, port) = rest.split_first_chunk().expect("18 bytes are more than 16");
        Self {
            services: Services::from_bits(u64::from_le_bytes(*services)),
            address: NetworkAddress::from_legacy(*address),
            port: u16::from_be_bytes(port.try_into().expect("2 bytes are left")),
        }
    }

    /// Appends the old form. An address that has none becomes 0.0.0.0, as btcd does it, so that the
    /// port is told and the address is not.
    pub(crate) fn put_legacy(&self, out: &mut Vec<u8>) {
        let address = self.address.to_legacy().unwrap_or_else(|| mapped(Ipv4Addr::UNSPECIFIED));
        self.put_legacy_as(address, out);
    }

    /// Appends the old form with these bytes for the address.
    pub(crate) fn put_legacy_as(&self, address: [u8; 16], out: &mut Vec<u8>) {
        out.extend_from_slice(&self.services.to_bits().to_le_bytes());
        out.extend_from_slice(&address);
        out.extend_from_slice(&self.port.to_be_bytes());
    }
}

impl From<SocketAddr> for PeerAddress {
    /// This place, with no services known.
    fn from(address: SocketAddr) -> Self {
        Self::new(Services::NONE, address.ip().into(), address.port())
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            NetworkAddress::Ipv6(ip) | NetworkAddress::Cjdns(ip) => {
                write!(f, "[{ip}]:{}", self.port)
            }
            address => write!(f, "{address}:{}", self.port),
        }
    }
}

impl fmt::Debug for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} ({})", self.services)
    }
}

impl FromStr for PeerAddress {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(socket) = text.parse::<SocketAddr>() {
            return Ok(socket.into());
        }
        let (host, port) = text.rsplit_once(':').ok_or(ParseAddressError)?;
        // Digits only: numbers may otherwise begin with a sign.
        let port = Some(port).filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
        let port = port.and_then(|port| port.parse().ok()).ok_or(ParseAddressError)?;
        match host.parse()? {
            NetworkAddress::Ipv6(_) => Err(ParseAddressError), // brackets are missing
            address => Ok(Self::new(Services::NONE, address, port)),
        }
    }
}

/// A peer's place with the time when it was last known to be there: an entry of gossip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimedAddress {
    /// Seconds since 1970, as the sender claims; 0 if it came from a peer older than 31402.
    pub time: u32,
    /// The place.
    pub peer: PeerAddress,
}
