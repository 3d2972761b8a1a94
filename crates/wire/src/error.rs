//! What can be wrong with bytes ([`Malformed`]) and with behaviour ([`Violation`]).
//!
//! On a connection both are the remote's fault. Faults of ours and of the network are named where
//! connections end, in `peer-core`.

use crate::Name;

/// Bytes that are no message: the remote's fault, whatever it meant. Constructors that are given what
/// no message can hold return it as well; then it is the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The payload ends before the message does.
    #[error("the payload ends before the message does")]
    Truncated,
    /// The message ends before the payload does.
    #[error("{count} bytes after the end of the message")]
    TrailingBytes {
        /// How many bytes are left over.
        count: usize,
    },
    /// A CompactSize that has a shorter form.
    #[error("a CompactSize is not in its shortest form")]
    NonCanonicalSize,
    /// A count or a length above its limit.
    #[error("{count} {what}, the limit is {max}")]
    TooMany {
        /// What was counted.
        what: &'static str,
        /// The number claimed.
        count: u64,
        /// The limit.
        max: u64,
    },
    /// A value that its field cannot have.
    #[error("invalid {what}")]
    Invalid {
        /// The field.
        what: &'static str,
    },
    /// A message that the agreed protocol version does not know yet.
    #[error("{command} needs protocol version {since}, {agreed} is agreed")]
    TooNew {
        /// The message.
        command: Name,
        /// The first version that has it.
        since: u32,
        /// What the two peers agreed on.
        agreed: u32,
    },
    /// A payload above the cap of its message.
    #[error("{command} of {len} bytes, the limit is {max}")]
    TooLarge {
        /// The message; empty if it cannot be known yet (v2 hides it in the packet).
        command: Name,
        /// The length claimed, in bytes.
        len: u64,
        /// The limit, in bytes.
        max: u64,
    },
    /// The first four bytes of a frame are another network's, or no frame's.
    #[error("network magic {found:02x?} where {expected:02x?} was due")]
    WrongMagic {
        /// What arrived.
        found: [u8; 4],
        /// Our network's.
        expected: [u8; 4],
    },
    /// A command that is not ASCII padded with zeros.
    #[error("the command is not printable ASCII padded with zeros")]
    BadCommand,
    /// The payload does not hash to the checksum of its header.
    #[error("checksum of {command} does not match")]
    BadChecksum {
        /// The message.
        command: Name,
    },
    /// A v2 packet that does not authenticate: corrupted or forged.
    #[error("a v2 packet does not authenticate")]
    BadTag,
    /// A v2 packet without contents.
    #[error("a v2 packet without a message type")]
    EmptyPacket,
    /// No v2 garbage terminator within 4,095 + 16 bytes.
    #[error("no v2 garbage terminator where it had to be")]
    NoGarbageTerminator,
}

/// Behaviour that ends a connection: well-formed, but forbidden.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A message that may not come in this state, such as anything before `version`.
    #[error("{command} came where {expected} was due")]
    Unexpected {
        /// What came.
        command: Name,
        /// What had to come.
        expected: &'static str,
    },
    /// A message that may come once came twice.
    #[error("a second {command}")]
    Duplicate {
        /// The message.
        command: Name,
    },
    /// A feature was negotiated after the opening.
    #[error("{command} after the opening")]
    Late {
        /// The message.
        command: Name,
    },
    /// A message that we did not offer to serve, from a peer that must know it (BIP111).
    #[error("{command}, a service that we do not offer")]
    Forbidden {
        /// The message.
        command: Name,
    },
    /// The remote speaks only versions below our minimum.
    #[error("protocol version {version}, our minimum is {minimum}")]
    Obsolete {
        /// What the remote advertised; may be negative.
        version: i32,
        /// Our minimum.
        minimum: u32,
    },
    /// The remote is of a kind that we do not talk to.
    #[error("incompatible: {what}")]
    Incompatible {
        /// What does not fit.
        what: &'static str,
    },
    /// More messages during the opening than any honest peer sends.
    #[error("more than {max} messages before the opening was done")]
    OpeningFlood {
        /// The limit.
        max: u32,
    },
    /// More bytes in v2 decoy packets during the opening than allowed.
    #[error("more than {max} bytes of decoys before the opening was done")]
    DecoyFlood {
        /// The limit, in bytes.
        max: usize,
    },
    /// More bytes in unknown messages within a minute than allowed.
    #[error("more than {max} bytes of unknown messages within a minute")]
    UnknownFlood {
        /// The limit, in bytes a minute.
        max: usize,
    },
}

/// Why a handler does not want a remote, told inside the opening.
///
/// The text goes to our own log and, to peers old enough to know `reject` (below protocol version
/// 70016), on the wire.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("refused: {reason}")]
pub struct Refusal {
    /// In plain words, ASCII, at most 111 bytes of it are sent.
    pub reason: String,
}

impl Refusal {
    /// Refuses for this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}
