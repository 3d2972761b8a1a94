//! The 32 bytes that name a block or a transaction.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// A double SHA-256: of a block's header or of a transaction.
///
/// Shown, its bytes are reversed, as in Bitcoin.
///
/// ```
/// use peerage_wire_kaspa::legacy::types::Hash;
///
/// let hash: Hash = "000000000000000000000000000000000000000000000000000000000000ff01".parse()?;
/// assert_eq!(hash.as_bytes()[..2], [0x01, 0xff]);
/// assert!(hash.to_string().ends_with("ff01"));
/// # Ok::<(), peerage_wire_kaspa::legacy::types::ParseHexError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Hash([u8; 32]);

impl Hash {
    /// Bytes of a hash on the wire.
    pub const SIZE: usize = 32;

    /// The hash of nothing that exists.
    pub const ZERO: Self = Self([0; 32]);

    /// The hash of these bytes, in the order of the wire.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes, in the order of the wire.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// Its bytes, in the order of the wire.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The double SHA-256 of `data`.
    #[must_use]
    pub fn of(data: &[u8]) -> Self {
        let mut hasher = DoubleSha256::default();
        hasher.update(data);
        hasher.finish()
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
        parse_reversed(text).map(Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_reversed(&self.0, f)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is no id: not as many hexadecimal digits as it has to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not {digits} hexadecimal digits")]
pub struct ParseHexError {
    /// How many digits there have to be.
    pub digits: usize,
}

/// The bytes that are shown as this text: reversed.
pub(super) fn parse_reversed<const N: usize>(text: &str) -> Result<[u8; N], ParseHexError> {
    let error = ParseHexError { digits: 2 * N };
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return Err(error);
    }
    for (byte, digits) in bytes.iter_mut().rev().zip(text.as_bytes().as_chunks::<2>().0) {
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|it| u8::try_from(it).ok());
        let [high, low] = digits.map(digit);
        *byte = (high.ok_or(error)? << 4) | low.ok_or(error)?;
    }
    Ok(bytes)
}

/// Shows these bytes reversed.
pub(super) fn write_reversed(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().rev().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Hashes what comes in pieces.
#[derive(Clone, Default)]
pub(crate) struct DoubleSha256(Sha256);

impl DoubleSha256 {
    pub(crate) fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    pub(crate) fn finish(self) -> Hash {
        Hash(Sha256::digest(self.0.finalize()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_are_each_others_reverse() {
        let bytes: [u8; 32] = std::array::from_fn(|i| u8::try_from(i * 8 + 1).unwrap_or(0));
        let hash = Hash::from_bytes(bytes);
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert!(hash.to_string().ends_with("1109 01".replace(' ', "").as_str()));
    }

    #[test]
    fn other_text_is_refused() {
        let digits = "0".repeat(64);
        assert_eq!(digits.parse(), Ok(Hash::ZERO));
        for bad in ["", &digits[1..], &format!("{digits}0"), &digits.replacen('0', "g", 1)] {
            assert_eq!(bad.parse::<Hash>(), Err(ParseHexError { digits: 64 }), "{bad}");
        }
        assert!("é".repeat(32).parse::<Hash>().is_err());
    }

    #[test]
    fn pieces_hash_as_the_whole() {
        let mut hasher = DoubleSha256::default();
        hasher.update(b"ka");
        hasher.update(b"spa");
        assert_eq!(hasher.finish(), Hash::of(b"kaspa"));
        assert_eq!(Hash::of(&[]).as_bytes()[..4], peerage_wire::EMPTY_CHECKSUM);
    }
}
