//! `reject`: why something was not wanted (BIP61).
//!
//! ```text
//!   command CompactSize + ASCII | code u8 | reason CompactSize + text | hash 32, for tx and block
//! ```
//!
//! Bitcoin Core no longer sends or reads it; old peers do.

use std::fmt;

use bytes::Bytes;
use peerage_wire::{Command, Malformed, Reader, compact};

use super::body::Body;
use crate::types::Text;

/// Says what was refused and why: from protocol version 70002.
///
/// A hash may follow for `tx` and `block` only. (`bitcoin` 0.32 requires one in every reject.)
#[derive(Clone, PartialEq, Eq)]
pub struct Reject {
    command: Command,
    code: RejectCode,
    reason: Text,
    hash: Option<[u8; 32]>,
}

impl Reject {
    /// The longest reason that we send, in bytes: what Bitcoin Core used to read.
    pub const MAX_REASON_LEN: usize = 111;

    /// Refuses a message. The reason is cut to 111 bytes, and what is no ASCII in it replaced.
    ///
    /// Receivers expect a hash if the message was `tx` or `block`: there it is zero until
    /// [`Self::with_hash`] sets it.
    #[must_use]
    pub fn new(command: Command, code: RejectCode, reason: &str) -> Self {
        let ascii = |c: char| if c.is_ascii() { c } else { '?' };
        let reason: String = reason.chars().take(Self::MAX_REASON_LEN).map(ascii).collect();
        let hash = has_hash(command).then_some([0; 32]);
        Self { command, code, reason: reason.into(), hash }
    }

    /// Names the transaction or block that was refused. Without effect for other messages.
    #[must_use]
    pub fn with_hash(mut self, hash: [u8; 32]) -> Self {
        self.hash = has_hash(self.command).then_some(hash);
        self
    }

    /// Which message was refused.
    #[must_use]
    pub fn command(&self) -> Command {
        self.command
    }

    /// Why, as a number.
    #[must_use]
    pub fn code(&self) -> RejectCode {
        self.code
    }

    /// Why, in words.
    #[must_use]
    pub fn reason(&self) -> &Text {
        &self.reason
    }

    /// The txid or block hash, in the order of the wire.
    #[must_use]
    pub fn hash(&self) -> Option<[u8; 32]> {
        self.hash
    }

    /// The same message in memory of its own.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self { reason: self.reason.detach(), ..*self }
    }
}

impl fmt::Debug for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reject({}: {} {:?})", self.command, self.code, self.reason)
    }
}

impl Body for Reject {
    fn parse(payload: Bytes, _version: u32) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&payload);
        let name = reader.bytes("bytes of command", 12)?;
        let mut padded = [0; 12];
        if name.contains(&0) {
            return Err(Malformed::BadCommand); // its length tells where it ends, no padding
        }
        padded[..name.len()].copy_from_slice(name);
        let command = Command::from_bytes(padded)?;
        let code = RejectCode(reader.u8()?);
        let reason = payload.slice_ref(reader.bytes("bytes of reason", MAX_READ)?);
        let hash = match has_hash(command) && !reader.is_empty() {
            true => Some(reader.array()?),
            false => None,
        };
        reader.finish()?;
        Ok(Self { command, code, reason: reason.into(), hash })
    }

    fn put(&self, _version: u32, out: &mut Vec<u8>) {
        compact::put_bytes(out, self.command.as_str().as_bytes());
        out.push(self.code.0);
        compact::put_bytes(out, self.reason.as_bytes());
        out.extend_from_slice(self.hash.as_ref().map_or(&[], |hash| &hash[..]));
    }

    fn detached(&self) -> Self {
        self.detach()
    }
}

/// Why something was refused. Unknown codes are kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RejectCode(pub u8);

impl RejectCode {
    /// The message could not be read, or came at the wrong time.
    pub const MALFORMED: Self = Self(0x01);
    /// It breaks the rules of consensus.
    pub const INVALID: Self = Self(0x10);
    /// Its version, or the sender's, is no longer supported.
    pub const OBSOLETE: Self = Self(0x11);
    /// It has been seen before, or spends what is spent.
    pub const DUPLICATE: Self = Self(0x12);
    /// It is against the node's policy.
    pub const NONSTANDARD: Self = Self(0x40);
    /// It has an output that is too small.
    pub const DUST: Self = Self(0x41);
    /// It pays too little.
    pub const INSUFFICIENT_FEE: Self = Self(0x42);
    /// It contradicts a checkpoint.
    pub const CHECKPOINT: Self = Self(0x43);
}

impl fmt::Display for RejectCode {
    /// btcd's names; the number in hexadecimal if it has none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::MALFORMED => "REJECT_MALFORMED",
            Self::INVALID => "REJECT_INVALID",
            Self::OBSOLETE => "REJECT_OBSOLETE",
            Self::DUPLICATE => "REJECT_DUPLICATE",
            Self::NONSTANDARD => "REJECT_NONSTANDARD",
            Self::DUST => "REJECT_DUST",
            Self::INSUFFICIENT_FEE => "REJECT_INSUFFICIENTFEE",
            Self::CHECKPOINT => "REJECT_CHECKPOINT",
            Self(unknown) => return write!(f, "{unknown:#04x}"),
        })
    }
}

impl fmt::Debug for RejectCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The longest reason that is read, in bytes: some implementations wrote more than Core read.
const MAX_READ: usize = 1_024;

fn has_hash(command: Command) -> bool {
    matches!(command.as_str(), "tx" | "block")
}
