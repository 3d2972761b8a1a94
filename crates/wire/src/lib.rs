//! How values become bytes in a peer-to-peer protocol, and what such a protocol is.
//!
//! This crate knows no clock, no socket and no coin. It holds what every other crate of the
//! workspace names: the cursor that decodes, the rules of CompactSize, the 24-byte frame header
//! that Bitcoin and legacy Kaspa share, frames made ready once for many peers, and the traits
//! [`Protocol`], [`Message`], [`Kind`] and [`Opening`] through which the engine speaks a protocol
//! that it does not know.
//!
//! ```
//! use peerage_wire::{compact, Reader};
//!
//! let mut out = Vec::new();
//! compact::put(&mut out, 515);
//! assert_eq!(out, [0xfd, 0x03, 0x02]);
//! assert_eq!(Reader::new(&out).compact(), Ok(515));
//! ```

pub mod compact;
mod decode;
mod envelope;
mod error;
mod frame;
mod name;
mod nonces;
mod prepared;
mod protocol;
mod rng;
mod text;
mod user_agent;

pub use decode::Reader;
pub use envelope::{Envelope, PEEK, Peek};
pub use error::{Malformed, Refusal, Violation};
pub use frame::{
    Command, EMPTY_CHECKSUM, FrameHeader, HEADER_LEN, PayloadHasher, checksum, checksum_of,
    payload_hash,
};
pub use name::Name;
pub use nonces::{NonceGuard, Nonces};
pub use prepared::{COPY_UP_TO, Payload, Prepared};
pub use protocol::{
    Direction, Expect, FramedKind, Kind, Message, Now, Offence, Opening, Patience, Policy,
    Protocol, Remote, Role, Step,
};
pub use rng::Rng;
pub use text::Text;
pub use user_agent::{UserAgent, UserAgentError};

/// The largest payload of any message, in bytes, unless a protocol says otherwise
/// ([`Protocol::MAX_PAYLOAD`]): what Bitcoin Core and btcd accept (4,000,000).
///
/// Larger claims end the connection before a byte of the payload is awaited.
pub const MAX_PAYLOAD: usize = 4_000_000;

/// The largest payload while the opening is not done, in bytes.
///
/// A stranger has shown nothing yet; the longest honest message here is `version` (344 bytes).
pub const MAX_OPENING_PAYLOAD: usize = 1_024;
