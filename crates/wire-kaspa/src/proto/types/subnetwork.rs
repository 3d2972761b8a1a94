//! Subnetworks: what transactions may belong to.

use std::fmt;
use std::str::FromStr;

use bytes::{Buf, BufMut};
use prost::DecodeError;
use prost::encoding::{DecodeContext, WireType};

use super::{ParseHexError, bytes as field};

/// The 20 bytes that name a subnetwork. Shown, they are in the order of the wire.
///
/// As a protobuf message it is one field of 20 bytes. Read with prost alone, one without the field
/// is [`Self::NATIVE`]; [`Message::decode`](crate::proto::Message::decode) refuses it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct SubnetworkId([u8; 20]);

impl SubnetworkId {
    /// Where ordinary transactions are.
    pub const NATIVE: Self = Self([0; 20]);
    /// Where coins come from.
    pub const COINBASE: Self = Self::built_in(1);
    /// Where subnetworks would be registered.
    pub const REGISTRY: Self = Self::built_in(2);

    /// The subnetwork of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 20] {
        self.0
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    const fn built_in(number: u8) -> Self {
        let mut bytes = [0; 20];
        bytes[0] = number;
        Self(bytes)
    }
}

impl prost::Message for SubnetworkId {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        field::put(&self.0, buf);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        field::merge(&mut self.0, tag, wire_type, buf, ctx)
    }

    fn encoded_len(&self) -> usize {
        field::put_len(self.0.len())
    }

    fn clear(&mut self) {
        *self = Self::NATIVE;
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
        field::parse(text).map(Self)
    }
}

impl fmt::Display for SubnetworkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        field::write(&self.0, f)
    }
}

impl fmt::Debug for SubnetworkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    #[test]
    fn ids_are_shown_as_they_are_sent() {
        assert_eq!(SubnetworkId::COINBASE.to_string(), format!("{:0<40}", "01"));
        assert_eq!(SubnetworkId::REGISTRY.to_string().parse(), Ok(SubnetworkId::REGISTRY));
        let encoded = SubnetworkId::COINBASE.encode_to_vec();
        assert_eq!(encoded[..3], [0x0a, 20, 1]);
        assert_eq!(SubnetworkId::decode(&*encoded), Ok(SubnetworkId::COINBASE));
    }
}
