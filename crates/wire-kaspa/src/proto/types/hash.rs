//! The 32 bytes that name a block or a transaction.

use std::fmt;
use std::str::FromStr;

use bytes::{Buf, BufMut};
use prost::DecodeError;
use prost::encoding::{DecodeContext, WireType};

use super::{ParseHexError, bytes as field};

/// A hash: of a block's header, a transaction, or whatever else is committed to.
///
/// Shown, its bytes are in the order of the wire; they are not reversed as in Bitcoin.
///
/// As a protobuf message it is one field of 32 bytes. Read with prost alone, one without the field
/// is [`Self::ZERO`]; [`Message::decode`](crate::proto::Message::decode) refuses it.
///
/// ```
/// use peerage_wire_kaspa::proto::types::Hash;
///
/// let hash: Hash = "58c2d4199e21f910d1571d114969cecef48f09f934d42ccb6a281a15868f2999".parse()?;
/// assert_eq!(hash.as_bytes()[..2], [0x58, 0xc2]);
/// # Ok::<(), peerage_wire_kaspa::proto::types::ParseHexError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The hash of nothing that exists.
    pub const ZERO: Self = Self([0; 32]);

    /// The hash of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl prost::Message for Hash {
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
        *self = Self::ZERO;
    }
}

impl From<[u8; 32]> for Hash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl FromStr for Hash {
    type Err = ParseHexError;

    fn from_str(text: &str) -> Result<Self, ParseHexError> {
        field::parse(text).map(Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        field::write(&self.0, f)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    #[test]
    fn text_and_bytes_have_one_order() {
        let hash = Hash::from_bytes(std::array::from_fn(|i| u8::try_from(i + 1).unwrap_or(0)));
        assert!(hash.to_string().starts_with("010203"));
        assert_eq!(hash.to_string().parse(), Ok(hash));
        let digits = "0".repeat(64);
        for bad in ["", &digits[1..], &format!("{digits}0"), &digits.replacen('0', "g", 1)] {
            assert_eq!(bad.parse::<Hash>(), Err(ParseHexError { digits: 64 }), "{bad}");
        }
        assert!("é".repeat(32).parse::<Hash>().is_err());
    }

    #[test]
    fn it_is_a_field_of_32_bytes_and_no_other() {
        let encoded = Hash::ZERO.encode_to_vec();
        assert_eq!(encoded, [&[0x0a, 0x20][..], &[0; 32]].concat());
        assert_eq!(Hash::decode(&*encoded), Ok(Hash::ZERO));
        assert!(Hash::decode(&encoded[..33]).is_err());
        for bad in [&[0x0a, 0x00][..], &[0x0a, 0x1f], &[0x08, 0x20], &[0x0a, 0x21]] {
            assert!(Hash::decode(&*[bad, &[0; 31]].concat()).is_err());
        }
        let more = [&encoded[..], &[0x10, 0x07]].concat();
        assert_eq!(Hash::decode(&*more), Ok(Hash::ZERO));
    }
}
