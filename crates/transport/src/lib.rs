//! Frames to the bytes of a stream and back, without I/O.
//!
//! A [`Transport`] stands between a connection's bytes and its messages: plain text framing (v1) or
//! the encrypted transport of BIP324 (v2), which it tells apart when it is dialled. It reads no
//! clock and no socket, and knows of messages only what [`FramedKind`](peerage_wire::FramedKind) tells.
//!
//! # Contract
//!
//! 1. Whatever arrives is appended to one buffer, and [`next_frame`](Transport::next_frame) is
//!    called until it gives `None` or an error.
//! 2. Then [`take_handshake`](Transport::take_handshake), whose bytes go out at once. It is also
//!    called first of all.
//! 3. Once [`is_open`](Transport::is_open), frames are sealed in the order in which they shall
//!    leave, and every byte is written: v2 encrypts with a state that follows the stream.
//! 4. When the protocol's opening is done, [`set_max_payload`](Transport::set_max_payload) lifts the
//!    limit for strangers.
//!
//! ```
//! use bytes::BytesMut;
//! use peerage_transport::{Transport, V2};
//! use peerage_wire::{Direction, Rng};
//! # use peerage_wire::{Command, FramedKind, Kind, Name, Policy};
//! # #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
//! # struct Ping;
//! # impl std::fmt::Display for Ping {
//! #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("ping") }
//! # }
//! # impl FramedKind for Ping {
//! #     fn from_command(_: Command) -> Self { Self }
//! #     fn from_short_id(id: u8) -> Option<Self> { (id == 18).then_some(Self) }
//! #     fn command(self) -> Command { Command::new("ping") }
//! # }
//! # impl Kind for Ping {
//! #     fn name(self) -> Name { self.command().into() }
//! #     fn policy(self) -> &'static Policy<Self> {
//! #         static PING: Policy<Ping> = Policy { name: "ping", short_id: Some(18), cap: 8,
//! #             expect: None, versioned: false, unknown: false };
//! #         &PING
//! #     }
//! # }
//!
//! let magic = [0xf9, 0xbe, 0xb4, 0xd9];
//! let mut ours = Transport::<Ping>::new(
//!     Direction::Outbound, magic, V2::Preferred, None, Rng::from_seed([1; 32]));
//! let mut theirs = Transport::<Ping>::new(
//!     Direction::Inbound, magic, V2::Preferred, None, Rng::from_seed([2; 32]));
//!
//! let (mut sent, mut received) = (Vec::new(), BytesMut::new());
//! ours.take_handshake(&mut sent);
//! received.extend_from_slice(&sent);
//! assert_eq!(theirs.next_frame(&mut received)?, None);
//!
//! let (mut answer, mut answered) = (Vec::new(), BytesMut::new());
//! theirs.take_handshake(&mut answer);
//! answered.extend_from_slice(&answer);
//! assert_eq!(ours.next_frame(&mut answered)?, None);
//!
//! let mut ping = Vec::new();
//! assert_eq!(ours.seal(Ping, &[7; 8], None, &mut ping), 3 + 1 + 1 + 8 + 16);
//! received.extend_from_slice(&ping);
//! let frame = theirs.next_frame(&mut received)?.expect("all of it is there");
//! assert_eq!(frame.payload, &[7; 8][..]);
//! # Ok::<(), peerage_transport::TransportError>(())
//! ```
//!
//! # Security
//!
//! v2 hides what is said from those who only listen. It does not tell who the other end is: an
//! attacker in between can hold a session with each end, and only comparing the session ids shows
//! it. A claimed length is believed up to the limits only, and nothing is allocated for it here.
//! Keys are shown by no `Debug` and overwritten when they are replaced or dropped, as far as safe
//! Rust can: copies that a move leaves behind on the stack are out of reach.

mod detect;
mod error;
mod transport;
mod v1;
mod v2;

pub use error::TransportError;
pub use transport::{Arriving, Frame, Negotiated, Transport, V2};
pub use v2::{Admit, Permit};
