//! A frame made ready once, for many peers.
//!
//! Encoding and the v1 checksum do not depend on the peer, so a block for a hundred peers is
//! serialised and hashed once. v2 encrypts per peer, in the driver, in order.

use bytes::Bytes;

use crate::{Kind as _, Message, Protocol, checksum};

/// A payload up to this size is copied into the outbox; a larger one is shared.
///
/// Copying small frames together makes one write of many; above 4 KiB the copy costs more than the
/// second slice of a vectored write.
pub const COPY_UP_TO: usize = 4 << 10;

/// An encoded payload: written into the caller's scratch buffer, or shared.
#[derive(Clone, Debug)]
pub enum Payload<'a> {
    /// To be copied.
    Copied(&'a [u8]),
    /// To be shared.
    Shared(Bytes),
}

impl<'a> Payload<'a> {
    /// Encodes `message` for peers that agreed on `version`, using `scratch` if it is not encoded
    /// already.
    pub fn encode<P: Protocol>(
        message: &'a P::Message,
        version: u32,
        scratch: &'a mut Vec<u8>,
    ) -> Self {
        match message.shared() {
            Some(bytes) if bytes.len() > COPY_UP_TO => Self::Shared(bytes.clone()),
            Some(bytes) => Self::Copied(bytes),
            None => {
                scratch.clear();
                message.encode(version, scratch);
                if scratch.len() > COPY_UP_TO {
                    Self::Shared(Bytes::from(std::mem::take(scratch)))
                } else {
                    Self::Copied(scratch)
                }
            }
        }
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Copied(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// A frame that can be sent to many peers.
#[derive(Debug)]
pub struct Prepared<P: Protocol> {
    kind: P::Kind,
    payload: Bytes,
    checksum: [u8; 4],
    asks: u32,
}

impl<P: Protocol> Prepared<P> {
    /// Encodes and hashes `message`; `None` if its encoding depends on the agreed version (see
    /// [`Policy::versioned`](crate::Policy::versioned)), so that it must be sent peer by peer.
    #[must_use]
    pub fn new(message: &P::Message) -> Option<Self> {
        let kind = message.kind();
        if kind.policy().versioned {
            return None;
        }
        let payload = message.shared().cloned().unwrap_or_else(|| {
            let mut out = Vec::new();
            message.encode(P::VERSION, &mut out);
            out.into()
        });
        Some(Self { kind, checksum: checksum(&payload), payload, asks: message.asks() })
    }

    /// Which message it is.
    #[must_use]
    pub fn kind(&self) -> P::Kind {
        self.kind
    }

    /// The encoded payload.
    #[must_use]
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The first four bytes of the payload's double hash.
    #[must_use]
    pub fn checksum(&self) -> [u8; 4] {
        self.checksum
    }

    /// How many answers it asks for.
    #[must_use]
    pub fn asks(&self) -> u32 {
        self.asks
    }
}

impl<P: Protocol> Clone for Prepared<P> {
    fn clone(&self) -> Self {
        Self { payload: self.payload.clone(), ..*self }
    }
}
