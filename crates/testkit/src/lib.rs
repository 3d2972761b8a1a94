//! What the tests of the other crates share: virtual time, joined engines and scripted remotes.
//!
//! - [`Clock`] is the time of a test, moved by hand.
//! - [`Pair`] joins two engines by links with latency, without sockets, bytes or tasks. Everything
//!   follows from its seed.
//! - [`World`] joins any number of them by links that carry bytes, through weather of all kinds.
//! - [`Script`] is the other end of a real connection (any `AsyncRead + AsyncWrite`), saying and
//!   expecting messages byte for byte over the v1 and v2 transports.
//!
//! It is used from `tests/` only and never published.

mod clock;
mod pair;
mod script;
mod side;
pub mod world;

pub use clock::Clock;
pub use pair::{Fate, LinkSpec, Pair, Setup};
pub use script::{Heard, Script, version};
pub use side::Side;
pub use world::{App, Delivery, EndId, LinkId, Order, Quiet, Weather, World};
