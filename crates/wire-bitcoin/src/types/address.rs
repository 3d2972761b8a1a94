//! Where a node can be reached.
//!
//! Two forms exist on the wire. The old one has 16 bytes and can hold IPv6, IPv4 (mapped) and Tor
//! v2 (OnionCat); BIP155 names the network and can hold all of them. Text forms are those of
//! Bitcoin Core.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use peerage_wire::{Malformed, Reader, compact};
use sha3::{Digest as _, Sha3_256};

use super::{base32, routable};

mod peer;

pub use peer::{PeerAddress, TimedAddress};

/// A network and an address in it.
///
/// ```
/// use peerage_wire_bitcoin::types::NetworkAddress;
///
/// let onion = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";
/// let address: NetworkAddress = onion.parse()?;
/// assert!(matches!(address, NetworkAddress::TorV3(_)) && address.is_routable());
/// assert_eq!(address.to_string(), onion);
/// # Ok::<(), peerage_wire_bitcoin::types::ParseAddressError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum NetworkAddress {
    /// IPv4.
    Ipv4(Ipv4Addr),
    /// IPv6; made with [`From`], never an IPv4-mapped or an OnionCat address.
    Ipv6(Ipv6Addr),
    /// A Tor v2 service: the first 80 bits of its key's hash. The network ended in 2021.
    TorV2([u8; 10]),
    /// A Tor v3 service: its ed25519 public key.
    TorV3([u8; 32]),
    /// An I2P destination: its SHA-256 hash.
    I2p([u8; 32]),
    /// A CJDNS address; routable ones begin with `fc`.
    Cjdns(Ipv6Addr),
}

impl NetworkAddress {
    /// No address: `::`.
    pub const UNSPECIFIED: Self = Self::Ipv6(Ipv6Addr::UNSPECIFIED);

    /// The IP address, if the network is the internet. CJDNS is another network.
    #[must_use]
    pub const fn ip(self) -> Option<IpAddr> {
        match self {
            Self::Ipv4(ip) => Some(IpAddr::V4(ip)),
            Self::Ipv6(ip) => Some(IpAddr::V6(ip)),
            _ => None,
        }
    }

    /// Whether it could be reached from anywhere: Bitcoin Core's rules, by which private, loopback,
    /// link-local, documentation, benchmarking and ORCHID addresses and all of Tor v2 are not.
    #[must_use]
    pub fn is_routable(self) -> bool {
        routable::is_routable(self)
    }

    /// The 16 bytes that stand for it in `version` and `addr`; `None` for Tor v3, I2P and CJDNS,
    /// which only `addrv2` can carry.
    #[must_use]
    pub fn to_legacy(self) -> Option<[u8; 16]> {
        match self {
            Self::Ipv4(ip) => Some(mapped(ip)),
            Self::Ipv6(ip) => Some(ip.octets()),
            Self::TorV2(id) => {
                let mut bytes = [0; 16];
                bytes[..6].copy_from_slice(&ONION_CAT);
                bytes[6..].copy_from_slice(&id);
                Some(bytes)
            }
            Self::TorV3(_) | Self::I2p(_) | Self::Cjdns(_) => None,
        }
    }

    /// The address that these 16 bytes of `version` or `addr` stand for.
    #[must_use]
    pub fn from_legacy(bytes: [u8; 16]) -> Self {
        if let Some(id) = bytes.strip_prefix(&ONION_CAT) {
            return Self::TorV2(id.try_into().expect("10 of 16 bytes are left"));
        }
        let ip = Ipv6Addr::from(bytes);
        ip.to_ipv4_mapped().map_or(Self::Ipv6(ip), Self::Ipv4)
    }

    /// Reads the network id and the address of an `addrv2` entry, and checks the address's length if
    /// the network is known to us.
    pub(crate) fn read_v2<'a>(reader: &mut Reader<'a>) -> Result<(u8, &'a [u8]), Malformed> {
        let id = reader.u8()?;
        let bytes = reader.bytes("bytes of address", MAX_V2_LEN)?;
        let len = match id {
            1 => 4,
            2 | 6 => 16,
            3 => 10,
            4 | 5 => 32,
            _ => bytes.len(),
        };
        if bytes.len() == len {
            Ok((id, bytes))
        } else {
            Err(Malformed::Invalid { what: "length of an address" })
        }
    }

    /// The address that [`Self::read_v2`] has read; `None` for what BIP155 says to skip: networks
    /// unknown to us, and IPv4 or Tor v2 in the guise of IPv6.
    pub(crate) fn from_v2(id: u8, bytes: &[u8]) -> Option<Self> {
        Some(match id {
            1 => Self::Ipv4(<[u8; 4]>::try_from(bytes).ok()?.into()),
            2 => match Self::from_legacy(bytes.try_into().ok()?) {
                Self::Ipv6(ip) => Self::Ipv6(ip),
                _ => return None,
            },
            3 => Self::TorV2(bytes.try_into().ok()?),
            4 => Self::TorV3(bytes.try_into().ok()?),
            5 => Self::I2p(bytes.try_into().ok()?),
            6 => Self::Cjdns(<[u8; 16]>::try_from(bytes).ok()?.into()),
            _ => return None,
        })
    }

    /// Appends the network id and the address as in an `addrv2` entry.
    pub(crate) fn put_v2(self, out: &mut Vec<u8>) {
        self.with_v2(|id, bytes| {
            out.push(id);
            compact::put_bytes(out, bytes);
        });
    }

    /// Calls `see` with the network id and the address of an `addrv2` entry.
    #[inline]
    fn with_v2(self, see: impl FnOnce(u8, &[u8])) {
        match self {
            Self::Ipv4(ip) => see(1, &ip.octets()),
            Self::Ipv6(ip) => see(2, &ip.octets()),
            Self::TorV2(id) => see(3, &id),
            Self::TorV3(key) => see(4, &key),
            Self::I2p(hash) => see(5, &hash),
            Self::Cjdns(ip) => see(6, &ip.octets()),
        }
    }
}

impl Hash for NetworkAddress {
    /// As few integers as hold the address, its network folded into the first: it is hashed for
    /// every address that is gossiped.
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.with_v2(|id, bytes| {
            let mut network = u64::from(id) << 56;
            for part in bytes.chunks(8) {
                let mut word = [0; 8];
                word[..part.len()].copy_from_slice(part);
                state.write_u64(u64::from_le_bytes(word) ^ mem::take(&mut network));
            }
        });
    }
}

impl From<IpAddr> for NetworkAddress {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self::Ipv4(ip),
            IpAddr::V6(ip) => Self::from_legacy(ip.octets()),
        }
    }
}

impl fmt::Display for NetworkAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipv4(ip) => ip.fmt(f),
            Self::Ipv6(ip) | Self::Cjdns(ip) => ip.fmt(f),
            Self::TorV2(id) => write!(f, "{}{ONION}", base32::encode(id)),
            Self::TorV3(key) => {
                let [first, second] = onion_checksum(key);
                let mut bytes = [ONION_VERSION; 35];
                bytes[..32].copy_from_slice(key);
                bytes[32..34].copy_from_slice(&[first, second]);
                write!(f, "{}{ONION}", base32::encode(&bytes))
            }
            Self::I2p(hash) => write!(f, "{}{I2P}", base32::encode(hash)),
        }
    }
}

impl fmt::Debug for NetworkAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for NetworkAddress {
    type Err = ParseAddressError;

    /// Reads an IP address, a `.onion` or a `.b32.i2p` name. What begins with `fc` is IPv6: nothing
    /// in the text of an address tells CJDNS from it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(ip.into());
        }
        let lower = text.to_ascii_lowercase();
        let address = if let Some(name) = lower.strip_suffix(ONION) {
            let v3 = base32::decode::<35>(name).and_then(|bytes| {
                let (key, tail) = bytes.split_first_chunk::<32>()?;
                let [first, second] = onion_checksum(key);
                (*tail == [first, second, ONION_VERSION]).then_some(Self::TorV3(*key))
            });
            v3.or_else(|| base32::decode(name).map(Self::TorV2))
        } else {
            lower.strip_suffix(I2P).and_then(base32::decode).map(Self::I2p)
        };
        address.ok_or(ParseAddressError)
    }
}

/// A text that is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an IP address, a .onion or a .b32.i2p name with the port that is due")]
pub struct ParseAddressError;

/// The IPv6 form of an IPv4 address.
fn mapped(ip: Ipv4Addr) -> [u8; 16] {
    (0xffff << 32 | u128::from(ip.to_bits())).to_be_bytes()
}

/// The first two bytes of the hash that a Tor v3 name carries against typing errors.
fn onion_checksum(key: &[u8; 32]) -> [u8; 2] {
    let hash = Sha3_256::new().chain_update(b".onion checksum").chain_update(key).chain_update([3]);
    let hash: [u8; 32] = hash.finalize().into();
    [hash[0], hash[1]]
}

/// The IPv6 prefix under which Tor v2 travelled (fd87:d87e:eb43::/48).
const ONION_CAT: [u8; 6] = [0xfd, 0x87, 0xd8, 0x7e, 0xeb, 0x43];

/// The longest address that BIP155 allows a network of the future, in bytes.
const MAX_V2_LEN: usize = 512;

const ONION: &str = ".onion";
const ONION_VERSION: u8 = 3;
const I2P: &str = ".b32.i2p";

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

    use super::*;
    use crate::types::Services;

    const ONION_V3: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";
    const I2P_NAME: &str = "ukeu3k5oycgaauneqgtnvselmt4yemvoilkln7jpvamvfx7dnkdq.b32.i2p";

    fn address(text: &str) -> NetworkAddress {
        text.parse().unwrap()
    }

    #[test]
    fn text_of_every_network_round_trips() {
        for text in ["1.2.3.4", "2a01::1", "6hzph5hv6337r6p2.onion", ONION_V3, I2P_NAME] {
            assert_eq!(address(text).to_string(), text);
            assert_eq!(address(&text.to_uppercase()), address(text));
        }
        for text in ["1.2.3.4:8333", "[2a01::1]:8333", &format!("{ONION_V3}:8333")] {
            assert_eq!(text.parse::<PeerAddress>().unwrap().to_string(), text);
        }
        assert_eq!(address("::ffff:1.2.3.4"), address("1.2.3.4"));
        assert_eq!(address("fd87:d87e:eb43:f1f2:f3f4:f5f6:f7f8:f9fa").to_string().len(), 22);
    }

    #[test]
    fn equal_bytes_in_two_networks_have_two_hashes() {
        let hash =
            |address: NetworkAddress| BuildHasherDefault::<DefaultHasher>::new().hash_one(address);
        let (short, long) = (Ipv6Addr::from([7; 16]), [7; 32]);
        let ipv4 = |last| NetworkAddress::Ipv4(Ipv4Addr::new(7, 7, 7, last));
        let addresses = [
            ipv4(7),
            ipv4(8),
            NetworkAddress::Ipv6(short),
            NetworkAddress::Cjdns(short),
            NetworkAddress::TorV2([7; 10]),
            NetworkAddress::TorV3(long),
            NetworkAddress::I2p(long),
        ];
        let hashes: HashSet<u64> = addresses.into_iter().map(hash).collect();
        assert_eq!(hashes.len(), addresses.len());
        assert_eq!(hash(address("7.7.7.7")), hash(ipv4(7)));
    }

    #[test]
    fn texts_that_are_no_address_are_refused() {
        let wrong_checksum = ONION_V3.replacen('p', "q", 1);
        for text in [&*wrong_checksum, "abc.onion", "a.b32.i2p", "example.org", "", "1.2.3"] {
            assert!(text.parse::<NetworkAddress>().is_err(), "{text}");
        }
        for text in ["1.2.3.4", "2a01::1:8333", "1.2.3.4:65536", "[1.2.3.4]:1", ":1"] {
            assert!(text.parse::<PeerAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_old_form_maps_ipv4_and_tor_v2_and_has_no_others() {
        for text in ["1.2.3.4", "2a01::1", "6hzph5hv6337r6p2.onion"] {
            let bytes = address(text).to_legacy().unwrap();
            assert_eq!(NetworkAddress::from_legacy(bytes), address(text));
        }
        for text in [ONION_V3, I2P_NAME] {
            assert_eq!(address(text).to_legacy(), None);
            let mut out = Vec::new();
            PeerAddress::new(Services::NETWORK, address(text), 8333).put_legacy(&mut out);
            assert_eq!(out[8..24], *b"\0\0\0\0\0\0\0\0\0\0\xff\xff\0\0\0\0");
            assert_eq!(out[24..], [0x20, 0x8d]);
        }
    }
}
