//! Messages that travel in an envelope whose first field tells which they are.

use crate::{Kind, Malformed};

/// A kind of message that travels in an envelope whose first field tells it.
pub trait Envelope: Kind {
    /// The path of the one call that carries a connection's messages, such as
    /// `/package.Service/Method`.
    const PATH: &'static str;

    /// Which message begins like this. `prefix` is as much of the envelope as has arrived, or its
    /// first [`PEEK`] bytes.
    fn peek(prefix: &[u8]) -> Peek<Self>;
}

/// The longest prefix that [`Envelope::peek`] is asked about, in bytes. Two numbers may come before
/// the field that tells the kind, each of at most 12 bytes.
pub const PEEK: usize = 64;

/// What the first bytes of an envelope tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peek<K> {
    /// Which message it is; unknown ones may have a kind as well.
    Kind(K),
    /// Not enough yet.
    More,
    /// No message begins like this.
    Malformed(Malformed),
}
