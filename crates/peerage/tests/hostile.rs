//! Remotes that want to cost us something, over real sockets.
//!
//! Each test is a siege: a server of ours, honest peers that ping it, and attackers. It ends with the
//! same questions (see `arena.rs`): did memory stay within its bound, were all honest pings
//! answered, has every connection its reason, and is no task or descriptor left?
//!
//! What takes more than about five seconds in a debug build is ignored there and run by
//! `cargo test --release -p peerage --test hostile -- --include-ignored`.
#![allow(missing_docs, clippy::unwrap_used)] // helpers of tests may fail loudly

#[path = "hostile/arena.rs"]
mod arena;
#[path = "hostile/churn.rs"]
mod churn;
#[path = "hostile/clock.rs"]
mod clock;
#[path = "hostile/flood.rs"]
mod flood;
#[path = "hostile/opening.rs"]
mod opening;
#[path = "hostile/reading.rs"]
mod reading;
#[path = "../../transport/tests/support/reference.rs"]
#[allow(dead_code)] // other tests use other parts of it
mod reference;

/// The network of these tests, for `reference.rs`.
const MAGIC: [u8; 4] = [0xfa, 0xbf, 0xb5, 0xda];
