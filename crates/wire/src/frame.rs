//! The 24-byte header that Bitcoin and legacy Kaspa put before every payload.
//!
//! ```text
//!   magic 4 | command 12, zero-padded ASCII | length u32 LE | first 4 bytes of SHA-256d(payload)
//! ```

use std::fmt;

use sha2::{Digest, Sha256};

use crate::Malformed;

/// Bytes of a frame's header.
pub const HEADER_LEN: usize = 24;

/// The checksum of an empty payload.
pub const EMPTY_CHECKSUM: [u8; 4] = [0x5d, 0xf6, 0xe0, 0xe2];

/// The first four bytes of the double SHA-256 of `payload`.
#[must_use]
pub fn checksum(payload: &[u8]) -> [u8; 4] {
    if payload.is_empty() {
        return EMPTY_CHECKSUM;
    }
    checksum_of(&payload_hash(payload))
}

/// The double SHA-256 of `payload`. For some messages it is a name of what they carry: of a
/// transaction, say.
#[must_use]
pub fn payload_hash(payload: &[u8]) -> [u8; 32] {
    Sha256::digest(Sha256::digest(payload)).into()
}

/// The checksum that begins this hash.
#[must_use]
pub const fn checksum_of(payload_hash: &[u8; 32]) -> [u8; 4] {
    let [a, b, c, d, ..] = *payload_hash;
    [a, b, c, d]
}

/// Hashes a payload while it arrives: what was just received is still in the processor's cache, and
/// the sender need not wait for us at the end.
#[derive(Clone, Debug, Default)]
pub struct PayloadHasher {
    state: Sha256,
    hashed: usize,
}

impl PayloadHasher {
    /// Takes note of a payload of which `arrived` has arrived: all that it was shown before, and
    /// perhaps more.
    pub fn update(&mut self, arrived: &[u8]) {
        if let Some(more) = arrived.get(self.hashed..) {
            self.state.update(more);
            self.hashed = arrived.len();
        }
    }

    /// The double SHA-256 of the whole.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        Sha256::digest(self.state.finalize()).into()
    }
}

/// A message's name on the wire: at most 12 characters of printable ASCII.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Command([u8; 12]);

impl Command {
    /// The command of this name.
    ///
    /// # Panics
    /// If `name` is longer than 12 bytes or not printable ASCII; meant for constants.
    #[must_use]
    pub const fn new(name: &str) -> Self {
        let name = name.as_bytes();
        let mut bytes = [0; 12];
        let mut i = 0;
        while i < name.len() {
            assert!(i < 12 && name[i] > 0x20 && name[i] < 0x7f, "a command is 12 printable bytes");
            bytes[i] = name[i];
            i += 1;
        }
        Self(bytes)
    }

    /// The command of a received header.
    ///
    /// # Errors
    /// [`Malformed::BadCommand`] unless printable ASCII is followed by nothing but zeros.
    pub fn from_bytes(bytes: [u8; 12]) -> Result<Self, Malformed> {
        let len = bytes.iter().position(|byte| *byte == 0).unwrap_or(12);
        let printable = bytes[..len].iter().all(|byte| (0x20..0x7f).contains(byte));
        let padded = bytes[len..].iter().all(|byte| *byte == 0);
        if printable && padded { Ok(Self(bytes)) } else { Err(Malformed::BadCommand) }
    }

    /// The twelve bytes on the wire.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 12] {
        self.0
    }

    /// The name without its padding.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let len = self.0.iter().position(|byte| *byte == 0).unwrap_or(12);
        std::str::from_utf8(&self.0[..len]).expect("a command is ASCII by construction")
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A frame's header, parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Which network.
    pub magic: [u8; 4],
    /// Which message.
    pub command: Command,
    /// Bytes of payload to come.
    pub len: u32,
    /// First bytes of the payload's double hash.
    pub checksum: [u8; 4],
}

impl FrameHeader {
    /// Parses 24 bytes.
    ///
    /// # Errors
    /// [`Malformed::WrongMagic`] first, then [`Malformed::BadCommand`].
    pub fn parse(bytes: &[u8; HEADER_LEN], expected: [u8; 4]) -> Result<Self, Malformed> {
        let mut reader = crate::Reader::new(bytes);
        let magic = reader.array()?;
        if magic != expected {
            return Err(Malformed::WrongMagic { found: magic, expected });
        }
        let command = Command::from_bytes(reader.array()?)?;
        Ok(Self { magic, command, len: reader.u32()?, checksum: reader.array()? })
    }

    /// The 24 bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..4].copy_from_slice(&self.magic);
        bytes[4..16].copy_from_slice(&self.command.to_bytes());
        bytes[16..20].copy_from_slice(&self.len.to_le_bytes());
        bytes[20..].copy_from_slice(&self.checksum);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAINNET: [u8; 4] = [0xf9, 0xbe, 0xb4, 0xd9];

    #[test]
    fn verack_on_mainnet_is_the_known_24_bytes() {
        let header = FrameHeader {
            magic: MAINNET,
            command: Command::new("verack"),
            len: 0,
            checksum: checksum(&[]),
        };
        let bytes = *b"\xf9\xbe\xb4\xd9verack\0\0\0\0\0\0\0\0\0\0\x5d\xf6\xe0\xe2";
        assert_eq!(header.to_bytes(), bytes);
        assert_eq!(FrameHeader::parse(&bytes, MAINNET), Ok(header));
    }

    #[test]
    fn a_payload_may_be_hashed_while_it_arrives() {
        let payload: Vec<u8> = (0..=255).cycle().take(1_000).collect();
        let mut hasher = PayloadHasher::default();
        for arrived in [1, 1, 63, 64, 700, 1_000] {
            hasher.update(&payload[..arrived]);
        }
        assert_eq!(hasher.finish(), payload_hash(&payload));
        assert_eq!(checksum_of(&payload_hash(&payload)), checksum(&payload));
    }

    #[test]
    fn the_constant_is_the_empty_checksum() {
        let hash = Sha256::digest(Sha256::digest([]));
        assert_eq!(hash[..4], EMPTY_CHECKSUM);
    }

    #[test]
    fn commands_with_holes_or_foreign_bytes_are_refused() {
        for bytes in
            [*b"ping\0x\0\0\0\0\0\0", *b"p\xffng\0\0\0\0\0\0\0\0", *b"p\x01ng\0\0\0\0\0\0\0\0"]
        {
            assert_eq!(Command::from_bytes(bytes), Err(Malformed::BadCommand));
        }
        assert_eq!(Command::from_bytes(*b"sendaddrv2\0\0").unwrap().as_str(), "sendaddrv2");
    }
}
