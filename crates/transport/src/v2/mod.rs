//! v2: the encrypted transport of BIP324.
//!
//! ```text
//!   initiator ─ key 64 · garbage 0..4095 ─────────────────────► responder
//!   responder ─ key 64 · garbage · terminator 16 · version ───► initiator
//!   initiator ─ terminator 16 · version packet · messages ────► responder
//! ```
//!
//! Nothing in it can be told from random bytes. [`Handshake`] is the part before the ciphers are
//! known, [`Session`] the rest; [`key_exchange`] and [`cipher`] hold the cryptography.

mod cipher;
mod handshake;
mod key_exchange;
mod session;
#[cfg(test)]
mod tests;

pub(crate) use handshake::Handshake;
pub use handshake::{Admit, Permit};
pub(crate) use session::Session;
