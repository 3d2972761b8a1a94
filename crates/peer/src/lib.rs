//! The tokio driver of a peer-to-peer connection.
//!
//! One task a connection, whatever the protocol: it joins a state machine without I/O
//! (`peerage-peer-core`), a transport (`peerage-transport`) and anything that reads and writes.
//! Callers get a [`PeerHandle`] when the opening is done; what happens goes to a [`Handler`], on
//! the connection's task, or to an [`Events`] stream.
//!
//! Users of Bitcoin want the crate `peerage`, which fills in the protocol.
//!
//! ```text
//!   caller ── send ──► encode, hash ──► outbox ──┐                 ┌──► Handler, inline
//!                                        (lock)  │                 │      or Events
//!                                                ▼                 │
//!                      socket ◄── Link ◄──── the one task ────► core
//!                             ──►      ────►  (driver)
//! ```

mod budget;
mod buffers;
mod clock;
mod connect;
mod dial;
mod driver;
mod error;
mod events;
mod handle;
mod handler;
#[cfg(all(test, peerage_loom))]
mod interleavings;
mod link;
mod output;
mod receipt;
mod shared;
mod socks;
mod stats;
mod supervise;
mod sync;
mod target;
mod tcp;

pub use budget::{Budget, Charge};
pub use connect::{OpenError, Session, Setup, connect, open, open_over};
pub use dial::{dial, tcp, tune};
pub use error::{SendError, TrySendError};
pub use events::Events;
pub use handle::PeerHandle;
pub use handler::Handler;
pub use link::{Link, Unsealed};
pub use peerage_peer_core::{
    BestHeight, Config, Count, DisconnectReason, Event, Fault, Local, Misbehaviour, PeerId,
    PingStats, PongOrder, Retry, Traffic,
};
pub use peerage_transport::{Admit, Negotiated, Permit, V2};
pub use receipt::Receipt;
pub use shared::ReceiptSender;
pub use socks::{Socks5, SocksAuth, SocksError};
pub use stats::Stats;
pub use target::{InvalidTarget, Target};

use peerage_wire::Protocol;

/// An event stream that owes at most `config`'s limit, and the handler that fills it.
#[must_use]
pub fn event_stream<P: Protocol>(config: &Config) -> (Events<P>, impl Handler<P> + use<P>) {
    Events::pair(config.event_limit)
}
