//! Bitcoin: connections to its peers, its messages and its networks.
//!
//! [`connect`] dials, [`accept`] takes an inbound connection, [`initiate`] opens one over a stream
//! that the caller brings. Each resolves when both sides agree, with a [`Peer`] and its [`Events`];
//! the forms `connect_with`, `accept_with` and `initiate_with` take a [`Listener`] instead, whose
//! methods are called on the connection's task as messages arrive.

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

pub use bitcoin::BlockHash;
pub use peerage_peer::{
    Admit, BestHeight, Budget, Config as EngineConfig, Count, DisconnectReason, Fault, Handler,
    InvalidTarget, Local, Misbehaviour, Negotiated, OpenError, PeerId, Permit, PingStats,
    PongOrder, Receipt, Retry, SendError, Socks5, SocksAuth, SocksError, Target, Traffic,
    TrySendError, V2,
};
pub use peerage_wire::{Command, Direction, Malformed, Refusal, Violation};
pub use peerage_wire_bitcoin::{
    Bitcoin, Identity, Kind, Message, Network, Nonces, Remote, message, types,
};

/// An event of a Bitcoin connection.
pub type Event = peerage_peer::Event<Bitcoin>;

/// The event stream of a Bitcoin connection.
pub type Events = peerage_peer::Events<Bitcoin>;

/// A frame made ready once, for many peers.
pub type Prepared = peerage_wire::Prepared<Bitcoin>;
