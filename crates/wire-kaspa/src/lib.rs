//! Kaspa's peer-to-peer messages, its networks, and the opening of a connection.
//!
//! This crate knows no clock, no socket and no async. It implements the traits of `peerage-wire`.
//! Kaspa has had two protocols that share nothing but their history: [`legacy`] is the first one,
//! which kaspad spoke until July 2020, as checked zero-copy views; `proto`, behind the feature of
//! this name, is today's, protobuf messages of versions 10 and 11.

pub mod legacy;
#[cfg(feature = "proto")]
pub mod proto;
