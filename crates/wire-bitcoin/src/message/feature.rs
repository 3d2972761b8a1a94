//! `feature`: the announcement of anything else (BIP434).
//!
//! ```text
//!   id CompactSize + 4 to 80 bytes | data CompactSize + 0 to 512 bytes
//! ```

use bytes::Bytes;
use peerage_wire::{Malformed, Reader, compact};

use super::body::Body;
use crate::types::Text;

/// Announces a feature: from protocol version 70017, between version and verack only.
///
/// ```
/// use peerage_wire_bitcoin::message::Feature;
///
/// let feature = Feature::new("BIP434", &b""[..])?;
/// assert_eq!(feature.id().as_bytes(), b"BIP434");
/// assert!(Feature::new("BIP", &b""[..]).is_err());
/// # Ok::<(), peerage_wire::Malformed>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    id: Text,
    data: Bytes,
}

impl Feature {
    /// The shortest id, in bytes.
    pub const MIN_ID_LEN: usize = 4;
    /// The longest id, in bytes.
    pub const MAX_ID_LEN: usize = 80;
    /// The most data, in bytes.
    pub const MAX_DATA_LEN: usize = 512;

    /// The feature of this id.
    ///
    /// # Errors
    /// [`Malformed::Invalid`] or [`Malformed::TooMany`] for lengths that BIP434 does not allow.
    pub fn new(id: &str, data: impl Into<Bytes>) -> Result<Self, Malformed> {
        let data = data.into();
        let mut payload = Vec::with_capacity(id.len() + data.len() + 6);
        compact::put_bytes(&mut payload, id.as_bytes());
        compact::put_bytes(&mut payload, &data);
        Self::parse(payload.into(), 0)
    }

    /// What the feature is called, such as `BIP434`: unique in the world.
    #[must_use]
    pub fn id(&self) -> &Text {
        &self.id
    }

    /// What the feature's own specification says.
    #[must_use]
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// The same feature in memory of its own.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self { id: self.id.detach(), data: Bytes::copy_from_slice(&self.data) }
    }
}

impl Body for Feature {
    fn parse(payload: Bytes, _version: u32) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&payload);
        let id = reader.bytes("bytes of feature id", Self::MAX_ID_LEN)?;
        if id.len() < Self::MIN_ID_LEN {
            return Err(Malformed::Invalid { what: "feature id" });
        }
        let data = reader.bytes("bytes of feature data", Self::MAX_DATA_LEN)?;
        let feature = Self { id: payload.slice_ref(id).into(), data: payload.slice_ref(data) };
        reader.finish()?;
        Ok(feature)
    }

    fn put(&self, _version: u32, out: &mut Vec<u8>) {
        compact::put_bytes(out, self.id.as_bytes());
        compact::put_bytes(out, &self.data);
    }

    fn detached(&self) -> Self {
        self.detach()
    }
}
