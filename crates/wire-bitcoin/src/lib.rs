//! Bitcoin's peer-to-peer messages as checked views, its networks, and the opening of a connection.
//!
//! This crate knows no clock, no socket and no async. It implements the traits of `peerage-wire`
//! for Bitcoin: [`Bitcoin`] is the protocol, [`Message`] a message, [`Kind`] a message's row in the
//! table of limits, [`Opening`] the exchange of `version` and `verack` as a state machine.
//!
//! Large messages and lists are *views*: they own the received bytes, are checked completely when
//! they are made, and build nothing until asked. `decode()` then gives the owned value of the
//! `bitcoin` crate and cannot fail.
//!
//! ```
//! use peerage_wire::Message as _;
//! use peerage_wire_bitcoin::types::InventoryItem;
//! use peerage_wire_bitcoin::{Kind, Message, Network};
//!
//! let tip = InventoryItem::block(Network::mainnet().genesis);
//! let mut payload = Vec::new();
//! Message::announce(&[tip]).encode(70_016, &mut payload);
//!
//! let Message::Inv(inv) = Message::decode(Kind::Inv, payload.into(), 70_016)? else {
//!     unreachable!("the kind says so");
//! };
//! assert!(inv.iter().eq([tip]));
//! # Ok::<(), peerage_wire::Malformed>(())
//! ```

mod identity;
mod kind;
pub mod message;
mod network;
mod opening;
mod protocol;
pub mod types;

pub use identity::{Identity, Remote};
pub use kind::Kind;
pub use message::Message;
pub use network::Network;
pub use opening::Opening;
pub use peerage_wire::Nonces;
pub use protocol::Bitcoin;
