//! The bodies of messages, and what they are made of.
//!
//! They are protobuf messages: every field may be absent, and then has its default. What must be
//! there and is not, such as the hash of an announced block, is for the reader to refuse.
//!
//! Each implements [`prost::Message`](BodyTrait); to read what a stranger sent, use
//! [`Message::decode`](super::Message::decode), which looks before it allocates.

pub use prost::Message as BodyTrait;

pub use super::generated::*;
