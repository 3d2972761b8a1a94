//! Subnetworks: what transactions may belong to, and what partial nodes confine themselves to.

use std::fmt;
use std::str::FromStr;

use peerage_wire::{Malformed, Reader};

use super::hash::{ParseHexError, parse_reversed, write_reversed};

/// The 20 bytes that name a subnetwork. Shown, they are reversed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct SubnetworkId([u8; 20]);

impl SubnetworkId {
    /// Bytes of an id on the wire.
    pub const SIZE: usize = 20;

    /// Where ordinary transactions are: without gas and payload.
    pub const NATIVE: Self = Self([0; 20]);
    /// Where coins come from.
    pub const COINBASE: Self = Self::built_in(1);
    /// Where subnetworks are registered.
    pub const REGISTRY: Self = Self::built_in(2);

    /// The subnetwork of these bytes, in the order of the wire.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// Its bytes, in the order of the wire.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 20] {
        self.0
    }

    /// Whether it is one of those that cost no gas: [`Self::COINBASE`] or [`Self::REGISTRY`].
    #[must_use]
    pub fn is_built_in(self) -> bool {
        self == Self::COINBASE || self == Self::REGISTRY
    }

    const fn built_in(number: u8) -> Self {
        let mut bytes = [0; 20];
        bytes[0] = number;
        Self(bytes)
    }
}

impl From<[u8; 20]> for SubnetworkId {
    fn from(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }
}

impl FromStr for SubnetworkId {
    type Err = ParseHexError;

    fn from_str(text: &str) -> Result<Self, ParseHexError> {
        parse_reversed(text).map(Self)
    }
}

impl fmt::Display for SubnetworkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_reversed(&self.0, f)
    }
}

impl fmt::Debug for SubnetworkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whose addresses are meant, in `getaddr` and `addr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subnetworks {
    /// Those of every node.
    All,
    /// Those of full nodes.
    FullNodes,
    /// Those of partial nodes of this subnetwork.
    Only(SubnetworkId),
}

impl Subnetworks {
    /// Reads one to 22 bytes: whether all are meant, and if not, an optional subnetwork.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        if read_bool(reader)? {
            return Ok(Self::All);
        }
        Ok(read_optional(reader)?.map_or(Self::FullNodes, Self::Only))
    }

    /// Appends what [`Self::read`] reads.
    pub(crate) fn put(self, out: &mut Vec<u8>) {
        match self {
            Self::All => out.push(1),
            Self::FullNodes => out.extend_from_slice(&[0, 1]),
            Self::Only(id) => {
                out.extend_from_slice(&[0, 0]);
                out.extend_from_slice(&id.0);
            }
        }
    }
}

/// Reads whether a node is a full one, and the subnetwork of one that is not.
pub(crate) fn read_optional(reader: &mut Reader<'_>) -> Result<Option<SubnetworkId>, Malformed> {
    match read_bool(reader)? {
        true => Ok(None),
        false => reader.array().map(SubnetworkId).map(Some),
    }
}

/// Appends what [`read_optional`] reads.
pub(crate) fn put_optional(subnetwork: Option<SubnetworkId>, out: &mut Vec<u8>) {
    match subnetwork {
        None => out.push(1),
        Some(id) => {
            out.push(0);
            out.extend_from_slice(&id.0);
        }
    }
}

/// As kaspad reads it: everything but 0 is true.
pub(crate) fn read_bool(reader: &mut Reader<'_>) -> Result<bool, Malformed> {
    reader.u8().map(|byte| byte != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_shown_reversed() {
        let shown = SubnetworkId::COINBASE.to_string();
        assert_eq!(shown, format!("{:0>40}", "01"));
        assert_eq!(shown.parse(), Ok(SubnetworkId::COINBASE));
        assert!(SubnetworkId::REGISTRY.is_built_in() && !SubnetworkId::NATIVE.is_built_in());
    }

    #[test]
    fn whose_addresses_takes_one_two_or_twenty_two_bytes() {
        let only = Subnetworks::Only(SubnetworkId::from_bytes([7; 20]));
        for (subnetworks, len) in [(Subnetworks::All, 1), (Subnetworks::FullNodes, 2), (only, 22)] {
            let mut out = Vec::new();
            subnetworks.put(&mut out);
            assert_eq!(out.len(), len);
            assert_eq!(Subnetworks::read(&mut Reader::new(&out)), Ok(subnetworks));
        }
    }
}
