//! What a connection tells its application.

use std::sync::Arc;

use peerage_wire::Protocol;

use crate::DisconnectReason;

/// What happened on a connection, in the order in which it happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<P: Protocol> {
    /// A message that belongs to the opening, after the remote's introduction (`verack`, the
    /// feature messages). Listeners see it; event streams begin after the opening.
    Opening(P::Message),
    /// The opening is done; what the remote said does not change any more.
    Established(Arc<P::Remote>),
    /// A message.
    Message(P::Message),
    /// The answer to the ping before it may leave: what came earlier has been handled. Drivers send
    /// the pong of this nonce; applications need not care.
    PongDue(u64),
    /// A request to which silence is a legitimate answer was not answered in time.
    Unanswered(P::Kind),
    /// Something that deserves a lower opinion of the remote, but not the end.
    Misbehaved(Misbehaviour),
    /// The outbox was full and has room again.
    Room,
    /// The connection has ended; the last event.
    Disconnected(DisconnectReason),
}

/// A nuisance that does not end the connection by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misbehaviour {
    /// More than 64 KiB of unknown messages within a minute; above 1 MiB the connection ends.
    UnknownTraffic,
}

/// What is known of the frame that a message came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Its length on the wire, in bytes.
    pub wire_len: usize,
    /// The payload's double SHA-256, if the transport has computed it.
    pub payload_hash: Option<[u8; 32]>,
}

impl From<usize> for Envelope {
    /// Nothing but its length on the wire.
    fn from(wire_len: usize) -> Self {
        Self { wire_len, payload_hash: None }
    }
}
