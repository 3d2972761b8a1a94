//! What every payload type can do.

use std::fmt::Debug;

use bytes::Bytes;
use peerage_wire::Malformed;

/// The payload of one kind of message.
pub(crate) trait Body: Sized {
    /// Reads a whole payload as a peer with which `version` is agreed wrote it.
    ///
    /// # Errors
    /// Whatever keeps the payload from being exactly one such message; bytes left over as well.
    fn parse(payload: Bytes, version: u32) -> Result<Self, Malformed>;

    /// Appends the payload as a peer with which `version` is agreed reads it.
    fn put(&self, version: u32, out: &mut Vec<u8>);
}

/// What would make every message larger than it need be.
impl<B: Body> Body for Box<B> {
    fn parse(payload: Bytes, version: u32) -> Result<Self, Malformed> {
        B::parse(payload, version).map(Self::new)
    }

    fn put(&self, version: u32, out: &mut Vec<u8>) {
        B::put(self, version, out);
    }
}

/// The half of [`Body`] that needs no concrete type, so that one `match` serves every use.
pub(super) trait AnyBody: Debug {
    fn put(&self, version: u32, out: &mut Vec<u8>);
}

impl<B: Body + Debug> AnyBody for B {
    fn put(&self, version: u32, out: &mut Vec<u8>) {
        Body::put(self, version, out);
    }
}
