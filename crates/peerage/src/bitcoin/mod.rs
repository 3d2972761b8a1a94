//! Bitcoin: connections to its peers, its messages and its networks.
//!
//! [`connect`](connect()) dials, [`accept`] takes an inbound connection, [`initiate`] opens one over a
//! stream that the caller brings. Each resolves when both sides agree, with a [`Peer`] and its
//! [`Events`]; the forms [`connect_with`], [`accept_with`] and [`initiate_with`] take a [`Listener`]
//! instead, whose methods are called on the connection's task as messages arrive.
//!
//! ```
//! use peerage::bitcoin::{self, Config, Message};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Two peers over a pipe; a socket works the same.
//! let (ours, theirs) = tokio::io::duplex(64 << 10);
//! // Each has a configuration of its own: with one, they would take each other for themselves.
//! let (alice, bob) = (Config::regtest(), Config::regtest());
//! let (dialled, accepted) =
//!     tokio::join!(bitcoin::initiate(ours, &alice), bitcoin::accept(theirs, &bob));
//! let ((alice, _), (_bob, mut heard)) = (dialled?, accepted?);
//!
//! alice.send(&Message::GetAddr).await?;
//! assert_eq!(heard.message().await?, Message::GetAddr);
//! # Ok(())
//! # }
//! ```
//!
//! What is re-exported shows, in its own examples, the path of the crate that defines it; here
//! everything is in `peerage::bitcoin`. Views decode to types of the crate `bitcoin` 0.32, which is
//! re-exported as [`rust_bitcoin`], so that the versions fit.

mod config;
mod connect;
mod helpers;
mod listener;
mod peer;

pub use config::{AddressMap, Config, ConfigError};
pub use connect::{accept, accept_with, connect, connect_with, initiate, initiate_with};
pub use helpers::PushedAddresses;
pub use listener::{Listener, State};
pub use peer::{Peer, Stats};

pub use bitcoin as rust_bitcoin;
pub use bitcoin::BlockHash;
pub use peerage_peer::{
    Admit, BestHeight, Budget, Config as EngineConfig, Count, DisconnectReason, Fault,
    InvalidTarget, Local, Misbehaviour, Negotiated, OpenError, PeerHandle, PeerId, Permit,
    PingStats, PongOrder, Receipt, Retry, SendError, Socks5, SocksAuth, SocksError, Target,
    Traffic, TrySendError, V2,
};
pub use peerage_wire::{Command, Direction, Malformed, Refusal, Violation};
pub use peerage_wire_bitcoin::{
    Bitcoin, Identity, Kind, Message, Network, Nonces, Remote, message, types,
};

/// An event of a Bitcoin connection. A stream gives `Message`, `Unanswered`, `Misbehaved`, `Room` and
/// at last `Disconnected`; the others are a driver's.
pub type Event = peerage_peer::Event<Bitcoin>;

/// The event stream of a Bitcoin connection, beginning after its opening.
///
/// Read it with `next().await`, which gives an [`Event`], and `None` after `Disconnected`; or with
/// `message().await`, which passes over everything but messages and gives the reason of the end as its
/// error. It is also a `futures_core::Stream`. Pings are answered as it is read, so read it or drop it:
/// dropping it keeps the connection.
pub type Events = peerage_peer::Events<Bitcoin>;

/// A frame made ready once, for many peers.
///
/// ```
/// use peerage::bitcoin::message::{FeeFilter, Ping};
/// use peerage::bitcoin::{Message, Prepared};
///
/// let frame = Prepared::new(&Message::FeeFilter(FeeFilter { rate: 1_000 }));
/// assert!(frame.is_some(), "the same bytes for every peer: see Peer::send_prepared");
/// let ping = Message::Ping(Ping { nonce: Some(7) });
/// assert!(Prepared::new(&ping).is_none(), "the pings of old peers have no nonce");
/// ```
pub type Prepared = peerage_wire::Prepared<Bitcoin>;
