//! Kaspa's peer-to-peer messages as checked views, its networks, and the opening of a connection.
//!
//! This crate knows no clock, no socket and no async. It implements the traits of `peerage-wire`.
//! Kaspa has had two protocols that share nothing but their history; [`legacy`] is the first one,
//! which kaspad spoke until July 2020.

pub mod legacy;
