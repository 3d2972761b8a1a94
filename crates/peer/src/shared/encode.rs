//! From a message to a frame, on the caller's thread and without the connection's lock.

use std::cell::RefCell;

use bytes::Bytes;
use peerage_wire::{
    COPY_UP_TO, Kind, Message as _, Payload, Prepared, Protocol, Remote as _, checksum,
};

use super::Shared;
use crate::error::TrySendError;

/// A frame on its way into the outbox.
#[derive(Clone)]
pub(crate) struct Outgoing<'a, P: Protocol> {
    pub(crate) kind: P::Kind,
    pub(crate) payload: Payload<'a>,
    pub(crate) checksum: [u8; 4],
    pub(crate) asks: u32,
}

impl<P: Protocol> Outgoing<'_, P> {
    /// The same in memory of its own, to wait with.
    pub(crate) fn to_owned(&self) -> Outgoing<'static, P> {
        let payload = match &self.payload {
            Payload::Copied(bytes) => Payload::Shared(Bytes::copy_from_slice(bytes)),
            Payload::Shared(bytes) => Payload::Shared(bytes.clone()),
        };
        let Self { kind, checksum, asks, .. } = *self;
        Outgoing { kind, payload, checksum, asks }
    }
}

impl<P: Protocol> Shared<P> {
    /// Encodes and hashes `message` on the caller's thread, then hands it to `push`.
    pub(crate) fn encode<T>(
        &self,
        message: &P::Message,
        push: impl FnOnce(&Outgoing<'_, P>) -> Result<T, TrySendError>,
    ) -> Result<T, TrySendError> {
        let agreed = self.agreed.get().ok_or(TrySendError::NotOpen)?;
        let (kind, version) = (message.kind(), agreed.remote.version());
        check_version(kind, version)?;
        let mut scratch = take_scratch();
        let payload = Payload::encode::<P>(message, version, &mut scratch);
        let checksum = if agreed.checksums { checksum(payload.as_slice()) } else { [0; 4] };
        let result = match payload.as_slice().len() {
            len if len > kind.policy().cap => Err(TrySendError::TooLarge { len }),
            _ => push(&Outgoing { kind, asks: message.asks(), payload, checksum }),
        };
        put_scratch(scratch);
        result
    }

    /// A frame that was encoded and hashed before.
    pub(crate) fn prepared<'a>(
        &self,
        frame: &'a Prepared<P>,
    ) -> Result<Outgoing<'a, P>, TrySendError> {
        let agreed = self.agreed.get().ok_or(TrySendError::NotOpen)?;
        check_version(frame.kind(), agreed.remote.version())?;
        let payload = match frame.payload() {
            small if small.len() <= COPY_UP_TO => Payload::Copied(small),
            large => Payload::Shared(large.clone()),
        };
        match payload.as_slice().len() {
            len if len > frame.kind().policy().cap => Err(TrySendError::TooLarge { len }),
            _ => {
                let (kind, checksum, asks) = (frame.kind(), frame.checksum(), frame.asks());
                Ok(Outgoing { kind, payload, checksum, asks })
            }
        }
    }
}

fn check_version<K: Kind>(kind: K, agreed: u32) -> Result<(), TrySendError> {
    match kind.since() {
        since if since > agreed => {
            Err(TrySendError::TooNew { command: kind.name(), since, agreed })
        }
        _ => Ok(()),
    }
}

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::default();
}

/// A scratch buffer larger than this is given back to the allocator.
const KEEP_SCRATCH: usize = 64 << 10;

/// This thread's buffer for what is encoded and then copied.
pub(crate) fn take_scratch() -> Vec<u8> {
    SCRATCH.take()
}

pub(crate) fn put_scratch(scratch: Vec<u8>) {
    if scratch.capacity() <= KEEP_SCRATCH {
        SCRATCH.set(scratch);
    }
}
