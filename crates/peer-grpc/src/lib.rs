//! Peer-to-peer connections over a gRPC stream.
//!
//! Protocols whose messages travel in envelopes, in both directions of one call over HTTP/2 without
//! TLS, get the same connections here as others get over TCP: one task each, with the HTTP/2
//! connection inside of it; bounded queues; receipts that resolve when a message was written.
//!
//! [`GrpcLink`] is what a connection's task asks; [`connect()`] and [`open`] lead to one. [`Frames`]
//! takes the messages out of the stream, and can be used alone.
//!
//! Bounds of a connection, beside its outbox: 1 MiB received and not handled (64 KiB before both
//! sides agree), 64 KiB of a message that is arriving and as much more as the
//! [`Budget`](peerage_peer::Budget) grants, 256 KiB ahead of the socket, and one message.

mod connect;
mod frames;
mod gunzip;
mod gzip;
mod head;
mod http2;
mod link;
mod meter;
mod options;
mod output;
#[cfg(test)]
#[path = "../tests/toy/protocol.rs"]
#[allow(dead_code, reason = "shared with the tests of connections")]
mod toy;

pub use connect::{connect, open};
pub use frames::Frames;
pub use http::HeaderValue;
pub use http::uri::Authority;
pub use link::GrpcLink;
pub use options::Options;
