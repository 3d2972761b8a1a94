//! One connection of a peer-to-peer protocol, as a state machine without sockets, clocks or tasks.
//!
//! [`Peer`] is a function of what arrives, what time it is and one seed. Its alphabet is messages:
//! inputs are the methods `handle_*`, `announce`, `transmitted` and a few setters; outputs are the
//! methods `poll_*`. It names no coin: everything of a protocol comes through
//! [`peerage_wire::Protocol`].
//!
//! # The calling contract
//!
//! After **every** input, and before the next one, drain the outputs in this order:
//!
//! 1. [`Peer::poll_heard`]: once, inside the opening, what the remote said of itself. Whoever does
//!    not want it calls [`Peer::refuse`].
//! 2. [`Peer::poll_event`] until `None`: hand them to the application.
//! 3. [`Peer::poll_transmit`] until `None`, as far as the link has room; encode, send, and report
//!    each frame with [`Peer::transmitted`].
//! 4. [`Peer::closed`]: if it has a reason, flush what is left and end the connection.
//! 5. [`Peer::poll_timeout`]: call [`Peer::handle_timeout`] when that moment has come.
//!
//! What callers send does not pass through the core: it goes into an [`Outbox`], as frames, and
//! the driver reports each with [`Peer::transmitted`] when it takes it out.

mod config;
mod error;
mod event;
mod inventory;
mod keepalive;
mod opening;
mod outbox;
mod peer;
mod stall;
mod stats;
mod timers;
mod unknown;

pub use config::{BestHeight, Config, PongOrder};
pub use error::{DisconnectReason, Fault, Local, Retry};
pub use event::{Envelope, Event, Misbehaviour};
pub use inventory::Known;
pub use outbox::{Batch, Load, Outbox, Outgoing, Source, Taken};
pub use peer::{Paused, Peer};
pub use stats::{Count, PeerId, PingStats, Traffic};
