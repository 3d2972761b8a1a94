//! Kaspa as it is today: connections to peers that speak protocol version 10 or 11, which is protobuf
//! in a gRPC stream.
//!
//! [`connect`](connect()) dials, [`accept`] takes an inbound connection, [`initiate`] opens one over
//! a stream that the caller brings, each with an event stream or, in the forms with `_with`, with a
//! [`Listener`]. [`Peer::request`] asks and gives a typed answer, or a stream of answers.
//!
//! ```
//! use peerage::kaspa::message::RequestAddresses;
//! use peerage::kaspa::{self, AddressAnswers, Config};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Two peers over a pipe; a socket works the same.
//! let (ours, theirs) = tokio::io::duplex(64 << 10);
//! // Each has a configuration of its own: with one, they would take each other for themselves.
//! let (alice, mut bob) = (Config::simnet(), Config::simnet());
//! bob.addresses = AddressAnswers::from_fn(|_| vec![([10, 0, 0, 1], 16_511).into()]);
//! let (dialled, accepted) =
//!     tokio::join!(kaspa::initiate(ours, &alice), kaspa::accept(theirs, &bob));
//! let ((alice, _), (_bob, mut heard)) = (dialled?, accepted?);
//!
//! let known = alice.request(RequestAddresses::default()).await?;
//! assert_eq!(known.addresses.len(), 1);
//! assert_eq!(heard.message().await?.payload.kind().to_string(), "requestAddresses");
//! # Ok(())
//! # }
//! ```
//!
//! What is done unless told otherwise, because kaspad lets go of whoever does not do it: `ready` ends
//! the opening, pings are answered, `requestAddresses` is answered ([`AddressAnswers`]). What differs
//! from kaspad's own library (`kaspa-p2p-lib` 2.1.0):
//!
//! - Any stream will do, so proxies, Tor and pipes work.
//! - Messages are limited by kind before they are inflated or decoded; kaspad allows 256 MiB for each.
//! - A message of a kind that nobody knows yet is an event, and no end of the connection.
//! - Nothing needs to be subscribed to, and no queue of messages overflows: who does not read stops
//!   the remote.
//! - A `reject` that cannot be sent within a second is not waited for.

mod answers;
mod chores;
mod config;
mod connect;
mod correlate;
mod flow;
mod listener;
mod peer;
mod requests;

pub use answers::{Answers, FoundTransaction, Request, RequestError};
pub use chores::{AddressAnswers, AddressSource};
pub use config::{Config, Gzip};
pub use connect::{accept, accept_with, connect, connect_with, initiate, initiate_with};
pub use listener::{Listener, State};
pub use peer::Peer;
pub use requests::{
    AnticonePart, ProofPart, RequestPruningPointAndItsAnticone, RequestPruningPointProof, SmtPart,
};

pub use peerage_peer::{
    Budget, Config as EngineConfig, Count, DisconnectReason, Fault, InvalidTarget, Local,
    Misbehaviour, Negotiated, OpenError, PeerHandle, PeerId, PingStats, PongOrder, Receipt, Retry,
    SendError, Socks5, SocksAuth, SocksError, Target, Traffic, TrySendError,
};
pub use peerage_wire::{
    Direction, Malformed, Name, Refusal, Text, UserAgent, UserAgentError, Violation,
};
pub use peerage_wire_kaspa::proto::{
    Identity, Ids, Item, Kaspa, Kind, Message, Network, NodeId, OurId, Payload, Remote, message,
    types,
};

/// An event of a connection. A stream gives `Message`, `Unanswered`, `Misbehaved`, `Room` and at last
/// `Disconnected`; the others are a driver's.
pub type Event = peerage_peer::Event<Kaspa>;

/// The event stream of a connection, beginning after its opening.
///
/// Read it with `next().await`, which gives an [`Event`], and `None` after `Disconnected`; or with
/// `message().await`, which passes over everything but messages and gives the reason of the end as its
/// error. It is also a `futures_core::Stream`. Pings are answered as it is read, so read it or drop it:
/// dropping it keeps the connection.
pub type Events = peerage_peer::Events<Kaspa>;

/// A message made ready once, for many peers.
pub type Prepared = peerage_wire::Prepared<Kaspa>;

/// Statistics of a connection.
pub type Stats = peerage_peer::Stats<Kaspa>;
