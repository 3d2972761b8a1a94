//! What a node offers: the service bits of `version` and of gossiped addresses.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

/// A set of service bits. Bits without a name here are kept as they are.
///
/// ```
/// use peerage_wire_bitcoin::types::Services;
///
/// let services = Services::NETWORK | Services::WITNESS | Services::from_bits(0x2000);
/// assert!(services.contains(Services::WITNESS));
/// assert_eq!(services.to_string(), "NETWORK|WITNESS|0x2000");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Services(u64);

impl Services {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Serves the whole block chain.
    pub const NETWORK: Self = Self(1);
    /// Answers `getutxos` (BIP64; no longer in use).
    pub const GETUTXO: Self = Self(1 << 1);
    /// Serves bloom-filtered connections (BIP37, BIP111).
    pub const BLOOM: Self = Self(1 << 2);
    /// Serves blocks and transactions with witnesses (BIP144).
    pub const WITNESS: Self = Self(1 << 3);
    /// Speaks Xtreme Thinblocks (never on Bitcoin Core or btcd).
    pub const XTHIN: Self = Self(1 << 4);
    /// Serves compact block filters (BIP157).
    pub const COMPACT_FILTERS: Self = Self(1 << 6);
    /// Followed the abandoned segwit2x fork.
    pub const SEGWIT2X: Self = Self(1 << 7);
    /// Serves at least the last 288 blocks (BIP159).
    pub const NETWORK_LIMITED: Self = Self(1 << 10);
    /// Accepts the v2 transport (BIP324).
    pub const P2P_V2: Self = Self(1 << 11);

    /// The set of these bits, known or not.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The bits as they are on the wire.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// Whether every bit of `other` is in this set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// This set and the bits of `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set without the bits of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl BitOr for Services {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

impl BitOrAssign for Services {
    fn bitor_assign(&mut self, other: Self) {
        *self = self.with(other);
    }
}

impl fmt::Display for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = *self;
        let mut separator = "";
        for (service, name) in NAMES {
            if self.contains(service) {
                write!(f, "{separator}{name}")?;
                rest = rest.without(service);
                separator = "|";
            }
        }
        match rest {
            Self::NONE if separator.is_empty() => f.write_str("NONE"),
            Self::NONE => Ok(()),
            Self(unknown) => write!(f, "{separator}{unknown:#x}"),
        }
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Services({self})")
    }
}

const NAMES: [(Services, &str); 9] = [
    (Services::NETWORK, "NETWORK"),
    (Services::GETUTXO, "GETUTXO"),
    (Services::BLOOM, "BLOOM"),
    (Services::WITNESS, "WITNESS"),
    (Services::XTHIN, "XTHIN"),
    (Services::COMPACT_FILTERS, "COMPACT_FILTERS"),
    (Services::SEGWIT2X, "SEGWIT2X"),
    (Services::NETWORK_LIMITED, "NETWORK_LIMITED"),
    (Services::P2P_V2, "P2P_V2"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_is_shown() {
        for (services, shown) in [
            (Services::NONE, "NONE"),
            (Services::from_bits(0x2000), "0x2000"),
            (Services::from_bits(0xc09), "NETWORK|WITNESS|NETWORK_LIMITED|P2P_V2"),
            (
                Services::from_bits(u64::MAX),
                "NETWORK|GETUTXO|BLOOM|WITNESS|XTHIN|COMPACT_FILTERS|SEGWIT2X|NETWORK_LIMITED|\
                 P2P_V2|0xfffffffffffff320",
            ),
        ] {
            assert_eq!(services.to_string(), shown);
        }
    }

    #[test]
    fn sets_add_and_remove() {
        let both = Services::BLOOM | Services::P2P_V2;
        assert_eq!(both.without(Services::P2P_V2), Services::BLOOM);
        assert!(!both.contains(Services::BLOOM | Services::WITNESS));
        assert!(both.contains(Services::NONE));
    }
}
