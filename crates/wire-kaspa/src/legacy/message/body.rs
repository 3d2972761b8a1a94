//! What every payload type can do.

use std::fmt::Debug;

use bytes::Bytes;
use peerage_wire::{Malformed, Reader};

use super::{Block, Inventory, Locator, MerkleBlock, Tx};

/// The payload of one kind of message.
pub(crate) trait Body: Sized + Clone {
    /// Reads a payload. What follows the last field is ignored, as by kaspad.
    ///
    /// # Errors
    /// Whatever keeps the payload from beginning with such a message.
    fn parse(payload: Bytes) -> Result<Self, Malformed>;

    /// Appends the payload.
    fn put(&self, out: &mut Vec<u8>);

    /// The payload as it lies, where it is what [`put`](Self::put) would append.
    fn shared(&self) -> Option<&Bytes> {
        None
    }

    /// The same in memory of its own, where it lies in the memory of others.
    fn detached(&self) -> Self {
        self.clone()
    }
}

/// What would make every message larger than it need be.
impl<B: Body> Body for Box<B> {
    fn parse(payload: Bytes) -> Result<Self, Malformed> {
        B::parse(payload).map(Self::new)
    }

    fn put(&self, out: &mut Vec<u8>) {
        B::put(self, out);
    }

    fn shared(&self) -> Option<&Bytes> {
        B::shared(self)
    }

    fn detached(&self) -> Self {
        Self::new(B::detached(self))
    }
}

/// The half of [`Body`] that needs no concrete type, so that one `match` serves every use.
pub(super) trait AnyBody: Debug {
    fn put(&self, out: &mut Vec<u8>);
    fn shared(&self) -> Option<&Bytes>;
}

impl<B: Body + Debug> AnyBody for B {
    fn put(&self, out: &mut Vec<u8>) {
        Body::put(self, out);
    }

    fn shared(&self) -> Option<&Bytes> {
        Body::shared(self)
    }
}

/// Makes bodies of views, which are the payload that they lie in.
macro_rules! views {
    ($($view:ty),+) => {$(
        impl Body for $view {
            fn parse(payload: Bytes) -> Result<Self, Malformed> {
                Self::from_bytes(payload)
            }

            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.bytes());
            }

            fn shared(&self) -> Option<&Bytes> {
                Some(self.bytes())
            }

            fn detached(&self) -> Self {
                self.detach()
            }
        }
    )+};
}

views!(Block, Inventory, Locator, MerkleBlock, Tx);

/// Checks the message that `payload` begins with, and cuts off what follows it.
pub(super) fn checked<T>(
    mut payload: Bytes,
    check: impl FnOnce(&mut Reader<'_>) -> Result<T, Malformed>,
) -> Result<(Bytes, T), Malformed> {
    let mut reader = Reader::new(&payload);
    let found = check(&mut reader)?;
    let len = reader.position();
    payload.truncate(len);
    Ok((payload, found))
}
