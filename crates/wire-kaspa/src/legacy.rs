//! Kaspa's first protocol: Bitcoin's frames around messages for a block DAG.
//!
//! It is what kaspad spoke from 2019 until 5 July 2020; the reference is its release v0.5.0. No
//! public network speaks it today. [`KaspaLegacy`] is the protocol, [`Message`] a message, [`Kind`]
//! a message's row in the table of limits, [`Opening`] the exchange of `version` as a state machine.
//!
//! Against Bitcoin: one protocol version, in which every field is mandatory; a selected tip where
//! Bitcoin has a height; blocks with up to 255 parents; transactions with a subnetwork; inventory
//! and locators for a DAG; and a `verack` that nobody waits for.
//!
//! The length of a frame counts, not the end of its message: as in kaspad, bytes after the last
//! field are ignored as long as the payload is within its cap. They are cut off before anybody sees
//! the message.
//!
//! ```
//! use peerage_wire::Message as _;
//! use peerage_wire_kaspa::legacy::types::InventoryItem;
//! use peerage_wire_kaspa::legacy::{Kind, Message, Network};
//!
//! let tip = InventoryItem::block(Network::simnet().genesis);
//! let mut payload = Vec::new();
//! Message::announce(&[tip]).encode(1, &mut payload);
//!
//! let Message::Inv(inv) = Message::decode(Kind::Inv, payload.into(), 1)? else {
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
pub use protocol::KaspaLegacy;

pub use peerage_wire::Nonces;
