//! What every payload type can do.

use std::fmt::Debug;

use bytes::Bytes;
use peerage_wire::Malformed;

use super::{
    AddrV2, Block, BlockTxn, CFCheckpt, CFHeaders, CFilter, CmpctBlock, GetBlockTxn, Headers,
    Inventory, Locator, MerkleBlock, Tx,
};

/// The payload of one kind of message.
pub(crate) trait Body: Sized + Clone {
    /// Reads a whole payload as a peer with which `version` is agreed wrote it.
    ///
    /// # Errors
    /// Whatever keeps the payload from being exactly one such message; bytes left over as well.
    fn parse(payload: Bytes, version: u32) -> Result<Self, Malformed>;

    /// Appends the payload as a peer with which `version` is agreed reads it.
    fn put(&self, version: u32, out: &mut Vec<u8>);

    /// The payload as it lies, where peers of every version read the same.
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
    fn parse(payload: Bytes, version: u32) -> Result<Self, Malformed> {
        B::parse(payload, version).map(Self::new)
    }

    fn put(&self, version: u32, out: &mut Vec<u8>) {
        B::put(self, version, out);
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
    fn put(&self, version: u32, out: &mut Vec<u8>);
    fn shared(&self) -> Option<&Bytes>;
}

impl<B: Body + Debug> AnyBody for B {
    fn put(&self, version: u32, out: &mut Vec<u8>) {
        Body::put(self, version, out);
    }

    fn shared(&self) -> Option<&Bytes> {
        Body::shared(self)
    }
}

/// Makes bodies of views: what peers of every version read is the payload that they lie in.
macro_rules! views {
    ($($view:ty),+ $(,)?) => {$(
        impl Body for $view {
            fn parse(payload: Bytes, _version: u32) -> Result<Self, Malformed> {
                Self::from_bytes(payload)
            }

            fn put(&self, _version: u32, out: &mut Vec<u8>) {
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

views! {
    AddrV2, Block, BlockTxn, CFCheckpt, CFHeaders, CFilter, CmpctBlock, GetBlockTxn, Headers,
    Inventory, Locator, MerkleBlock, Tx,
}
