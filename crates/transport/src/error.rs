//! Why a transport gives up, sorted by whose fault it is.

use peerage_wire::{Malformed, Violation};

/// Why no further frame can be received on a connection.
///
/// It is final: the transport answers every later call with the same error. Sealing still works, so
/// that last words can be said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// They sent bytes that are no frame.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// They broke a rule.
    #[error(transparent)]
    Violation(#[from] Violation),
    /// They speak v1 on another network: nobody's fault, but they are no peer of ours.
    #[error("a v1 peer of another network, with magic {found:02x?}")]
    WrongNetworkV1 {
        /// The magic that they sent.
        found: [u8; 4],
    },
    /// They speak v1 and our policy is [`V2::Required`](crate::V2::Required): our own choice.
    #[error("a v1 peer, but v2 is required")]
    V1Refused,
    /// Our admission hook refused the work of a key exchange: they may try again later.
    #[error("no capacity for another v2 key exchange")]
    NotAdmitted,
}
