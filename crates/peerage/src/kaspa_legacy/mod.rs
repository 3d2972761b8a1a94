//! Legacy Kaspa: connections to peers that speak what kaspad spoke until July 2020.
//!
//! Everything is as in `peerage::bitcoin`: [`connect`](connect()) dials, [`accept`] takes an
//! inbound connection, [`initiate`] opens one over a stream that the caller brings, each with an
//! event stream or, in the forms with `_with`, with a [`Listener`].
//!
//! ```
//! use peerage::kaspa_legacy::{self, Config, Message};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Two peers over a pipe; a socket works the same.
//! let (ours, theirs) = tokio::io::duplex(64 << 10);
//! // Each has a configuration of its own: with one, they would take each other for themselves.
//! let (alice, bob) = (Config::simnet(), Config::simnet());
//! let (dialled, accepted) =
//!     tokio::join!(kaspa_legacy::initiate(ours, &alice), kaspa_legacy::accept(theirs, &bob));
//! let ((alice, _), (_bob, mut heard)) = (dialled?, accepted?);
//!
//! alice.send(&Message::GetSelTip).await?;
//! assert_eq!(heard.message().await?, Message::Verack); // which nobody has waited for
//! assert_eq!(heard.message().await?, Message::GetSelTip);
//! # Ok(())
//! # }
//! ```
//!
//! What differs from kaspad's package `peer` (release v0.5.0):
//!
//! - A first message that is no `version` ends the connection; kaspad's daemon crashed.
//! - The same inventory is recognised wherever it comes from, and a block, too, is announced once.
//! - A second `version` ends the connection with a `reject`, as in kaspad before v0.5.0; a second
//!   `verack` is let pass.
//! - `filterload`, `filteradd` and `filterclear` end the connection unless we offer
//!   [`Services::BLOOM`](types::Services::BLOOM). There is one protocol version, so nobody may be
//!   ignorant of that bit.
//! - Bans and their scores are the node's: the reason of an end tells whose fault it was.
//! - There is no helper for getheaders: the message was removed from kaspad on 4 February 2020, and
//!   only its README went on to speak of it.

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

pub use peerage_peer::{
    Budget, Config as EngineConfig, Count, DisconnectReason, Fault, InvalidTarget, Local,
    Misbehaviour, OpenError, PeerHandle, PeerId, PingStats, PongOrder, Receipt, Retry, SendError,
    Socks5, SocksAuth, SocksError, Target, Traffic, TrySendError,
};
pub use peerage_wire::{Command, Direction, Malformed, Refusal, Violation};
pub use peerage_wire_kaspa::legacy::{
    Identity, KaspaLegacy, Kind, Message, Network, Nonces, Remote, message, types,
};

/// An event of a connection. A stream gives `Message`, `Unanswered`, `Misbehaved`, `Room` and at last
/// `Disconnected`; the others are a driver's.
pub type Event = peerage_peer::Event<KaspaLegacy>;

/// The event stream of a connection, beginning after its opening.
///
/// Read it with `next().await`, which gives an [`Event`], and `None` after `Disconnected`; or with
/// `message().await`, which passes over everything but messages and gives the reason of the end as its
/// error. It is also a `futures_core::Stream`. Pings are answered as it is read, so read it or drop it:
/// dropping it keeps the connection.
pub type Events = peerage_peer::Events<KaspaLegacy>;

/// A frame made ready once, for many peers.
pub type Prepared = peerage_wire::Prepared<KaspaLegacy>;
