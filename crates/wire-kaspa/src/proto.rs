//! Today's protocol: protobuf messages of versions 10 and 11, which travel as a gRPC stream.
//!
//! [`Message`] is the envelope: a [`Payload`], and two numbers by which answers find their
//! requests. [`message`] has the bodies, made from the .proto files of this crate; [`Kind`] is a
//! payload's row in the table of limits. Byte fields are slices of what was received.
//!
//! Nothing is decoded before it is known what it takes: a message above the cap of its kind is
//! refused by length, and one whose empty parts would fill more memory than its bytes deserve by
//! looking through it, without allocating. [`Envelope::peek`](peerage_wire::Envelope::peek) tells the kind from the first bytes, for
//! whoever reads from a stream.
//!
//! [`Kaspa`] is the protocol, [`Opening`] the exchange of introductions as a state machine, [`Network`]
//! what tells one network from another.
//!
//! ```
//! use peerage_wire_kaspa::proto::message::RequestRelayBlocks;
//! use peerage_wire_kaspa::proto::{Message, Network, Payload};
//!
//! let blocks = RequestRelayBlocks { hashes: Vec::from_iter(Network::mainnet().genesis) };
//! let request = Message { request_id: 42, ..Payload::RequestRelayBlocks(blocks).into() };
//!
//! let mut bytes = Vec::new();
//! request.encode(&mut bytes);
//! assert_eq!(Message::decode(bytes.into())?, request);
//! # Ok::<(), peerage_wire::Malformed>(())
//! ```

mod engine;
mod envelope;
mod fields;
#[rustfmt::skip] // as its generator writes it
mod generated;
mod hash;
mod identity;
mod ids;
mod item;
mod kind;
pub mod message;
mod network;
mod opening;
mod peek;
mod protocol;
#[rustfmt::skip] // as its generator writes it
mod shapes;
mod table;
pub mod types;
mod weigh;

pub use envelope::Message;
pub use identity::{Identity, Remote};
pub use ids::{Ids, NodeId, OurId};
pub use item::Item;
pub use network::Network;
pub use opening::Opening;
pub use protocol::Kaspa;
pub use table::{Kind, Payload};
