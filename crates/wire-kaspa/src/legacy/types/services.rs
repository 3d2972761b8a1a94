//! What a node offers: the service bits of `version` and of gossiped addresses.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

/// A set of service bits. Bits without a name here are kept as they are.
///
/// They are not Bitcoin's: the same number may mean another thing.
///
/// ```
/// use peerage_wire_kaspa::legacy::types::Services;
///
/// let services = Services::NETWORK | Services::BLOOM | Services::from_bits(0x2000);
/// assert!(services.contains(Services::BLOOM));
/// assert_eq!(services.to_string(), "NETWORK|BLOOM|0x2000");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Services(u64);

impl Services {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Serves all blocks.
    pub const NETWORK: Self = Self(1);
    /// Answers `getutxos`, which kaspad never had.
    pub const GETUTXO: Self = Self(1 << 1);
    /// Serves bloom-filtered connections.
    pub const BLOOM: Self = Self(1 << 2);
    /// Speaks Xtreme Thinblocks (never on kaspad).
    pub const XTHIN: Self = Self(1 << 3);
    /// Reserved.
    pub const BIT5: Self = Self(1 << 4);
    /// Serves block filters: still set by kaspad v0.5.0, which no longer did.
    pub const COMPACT_FILTERS: Self = Self(1 << 5);

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

const NAMES: [(Services, &str); 6] = [
    (Services::NETWORK, "NETWORK"),
    (Services::GETUTXO, "GETUTXO"),
    (Services::BLOOM, "BLOOM"),
    (Services::XTHIN, "XTHIN"),
    (Services::BIT5, "BIT5"),
    (Services::COMPACT_FILTERS, "COMPACT_FILTERS"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_is_shown() {
        for (services, shown) in [
            (Services::NONE, "NONE"),
            (Services::from_bits(0x2000), "0x2000"),
            (Services::from_bits(0x25), "NETWORK|BLOOM|COMPACT_FILTERS"),
            (Services::from_bits(0x5a), "GETUTXO|XTHIN|BIT5|0x40"),
        ] {
            assert_eq!(services.to_string(), shown);
        }
        let both = Services::BLOOM | Services::BIT5;
        assert_eq!(both.without(Services::BIT5), Services::BLOOM);
        assert!(!both.contains(Services::NETWORK) && both.contains(Services::NONE));
    }
}
