//! `reject`: why something was not wanted.
//!
//! ```text
//!   command CompactSize + ASCII | code u8 | reason CompactSize + text | hash 32, for tx and block
//! ```

use std::fmt;

use bytes::Bytes;
use peerage_wire::{Command, Malformed, Reader, Text, compact};

use super::body::Body;
use crate::legacy::types::Hash;

/// Says what was refused and why.
#[derive(Clone, PartialEq, Eq)]
pub struct Reject {
    command: Command,
    code: RejectCode,
    reason: Text,
    hash: Option<Hash>,
}

impl Reject {
    /// The longest reason that we send, in bytes: what kaspad shows of one in its log.
    pub const MAX_REASON_LEN: usize = 250;

    /// Refuses a message. The reason is cut to 250 bytes, and what is no ASCII in it replaced.
    ///
    /// Receivers expect a hash if the message was `tx` or `block`: there it is zero until
    /// [`Self::with_hash`] sets it.
    #[must_use]
    pub fn new(command: Command, code: RejectCode, reason: &str) -> Self {
        let ascii = |c: char| if c.is_ascii() { c } else { '?' };
        let reason: String = reason.chars().take(Self::MAX_REASON_LEN).map(ascii).collect();
        let hash = has_hash(command).then_some(Hash::ZERO);
        Self { command, code, reason: reason.into(), hash }
    }

    /// Names the transaction or block that was refused. Without effect for other messages.
    #[must_use]
    pub fn with_hash(mut self, hash: Hash) -> Self {
        self.hash = has_hash(self.command).then_some(hash);
        self
    }

    /// Which message was refused; `malformed` where that could not be read.
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

    /// The id of the transaction or the hash of the block.
    #[must_use]
    pub fn hash(&self) -> Option<Hash> {
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
    fn parse(payload: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&payload);
        let name = reader.bytes("bytes of command", 12)?;
        let mut padded = [0; 12];
        if name.contains(&0) {
            return Err(Malformed::BadCommand); // its length tells where it ends, no padding
        }
        padded[..name.len()].copy_from_slice(name);
        let command = Command::from_bytes(padded)?;
        let code = RejectCode(reader.u8()?);
        let reason = payload.slice_ref(reader.bytes("bytes of reason", usize::MAX)?);
        let hash = match has_hash(command) {
            true => Some(reader.array().map(Hash::from_bytes)?),
            false => None,
        };
        Ok(Self { command, code, reason: reason.into(), hash })
    }

    fn put(&self, out: &mut Vec<u8>) {
        compact::put_bytes(out, self.command.as_str().as_bytes());
        out.push(self.code.0);
        compact::put_bytes(out, self.reason.as_bytes());
        out.extend_from_slice(self.hash.as_ref().map_or(&[], |hash| &hash.as_bytes()[..]));
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
    /// It breaks the rules of consensus, or asks for what cannot be.
    pub const INVALID: Self = Self(0x10);
    /// Its version, or the sender's, is no longer supported.
    pub const OBSOLETE: Self = Self(0x11);
    /// It has been seen before.
    pub const DUPLICATE: Self = Self(0x12);
    /// Nobody asked for it (from kaspad v0.5.0 on).
    pub const NOT_REQUESTED: Self = Self(0x13);
    /// It is against the node's policy.
    pub const NONSTANDARD: Self = Self(0x40);
    /// It has an output that is too small.
    pub const DUST: Self = Self(0x41);
    /// It pays too little.
    pub const INSUFFICIENT_FEE: Self = Self(0x42);
    /// It contradicts what is final.
    pub const FINALITY: Self = Self(0x43);
    /// It has too little work.
    pub const DIFFICULTY: Self = Self(0x44);
}

impl fmt::Display for RejectCode {
    /// kaspad's names; the number in hexadecimal if it has none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::MALFORMED => "REJECT_MALFORMED",
            Self::INVALID => "REJECT_INVALID",
            Self::OBSOLETE => "REJECT_OBSOLETE",
            Self::DUPLICATE => "REJECT_DUPLICATE",
            Self::NOT_REQUESTED => "REJECT_NOTREQUESTED",
            Self::NONSTANDARD => "REJECT_NONSTANDARD",
            Self::DUST => "REJECT_DUST",
            Self::INSUFFICIENT_FEE => "REJECT_INSUFFICIENTFEE",
            Self::FINALITY => "REJECT_FINALITY",
            Self::DIFFICULTY => "REJECT_DIFFICULTY",
            Self(unknown) => return write!(f, "{unknown:#04x}"),
        })
    }
}

impl fmt::Debug for RejectCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

fn has_hash(command: Command) -> bool {
    matches!(command.as_str(), "tx" | "block")
}
