//! v1: each payload in plain text behind a 24-byte header, whose layout is in
//! [`FrameHeader`].
//!
//! The checks come in the order in which they can: magic, command and length as soon as the header
//! is there, so that nobody waits for a payload that would be refused; the checksum at the end.

use bytes::{Buf as _, BytesMut};
use peerage_wire::{
    FrameHeader, FramedKind, HEADER_LEN, Malformed, PayloadHasher, checksum_of, payload_hash,
};

use crate::Frame;

/// Both directions of a v1 connection.
pub(crate) struct Framing<K> {
    magic: [u8; 4],
    arriving: Option<Arriving<K>>,
}

/// A frame whose header has been taken from the input and whose payload has not come whole.
struct Arriving<K> {
    kind: K,
    len: usize,
    checksum: [u8; 4],
    /// Of a payload that is long enough to be hashed while it arrives.
    hasher: Option<Box<PayloadHasher>>,
}

/// Payloads above this, in bytes, are hashed while they arrive; shorter ones when they are whole.
const HASH_AHEAD_ABOVE: usize = 32 << 10;

impl<K: FramedKind> Framing<K> {
    pub(crate) fn new(magic: [u8; 4]) -> Self {
        Self { magic, arriving: None }
    }

    /// Takes the next frame from the front of `input`, if it is there.
    pub(crate) fn next_frame(
        &mut self,
        input: &mut BytesMut,
        max_payload: usize,
    ) -> Result<Option<Frame<K>>, Malformed> {
        let mut arriving = match self.arriving.take() {
            Some(arriving) => arriving,
            None => {
                let Some(header) = input.first_chunk::<HEADER_LEN>() else { return Ok(None) };
                let arriving = self.read_header(header, max_payload)?;
                input.advance(HEADER_LEN);
                arriving
            }
        };
        if input.len() < arriving.len {
            arriving.hash_ahead(input);
            self.arriving = Some(arriving);
            return Ok(None);
        }
        let payload = input.split_to(arriving.len).freeze();
        let Arriving { kind, checksum, hasher, .. } = arriving;
        let hash = hasher.map_or_else(
            || payload_hash(&payload),
            |mut hasher| {
                hasher.update(&payload);
                hasher.finish()
            },
        );
        if checksum_of(&hash) != checksum {
            return Err(Malformed::BadChecksum { command: kind.name() });
        }
        let wire_len = HEADER_LEN + payload.len();
        Ok(Some(Frame { kind, payload, wire_len, payload_hash: Some(hash) }))
    }

    /// How many bytes must be at the front of the input before there is anything to do.
    pub(crate) fn need(&self) -> usize {
        self.arriving.as_ref().map_or(HEADER_LEN, |arriving| arriving.len)
    }

    /// The frame that is arriving: its kind and its length on the wire.
    pub(crate) fn arriving(&self) -> Option<(K, usize)> {
        self.arriving.as_ref().map(|arriving| (arriving.kind, HEADER_LEN + arriving.len))
    }

    /// Appends a header.
    pub(crate) fn put_header(&self, kind: K, len: usize, checksum: [u8; 4], out: &mut Vec<u8>) {
        let len = u32::try_from(len).expect("a payload is at most its kind's cap, below 4 GiB");
        let header = FrameHeader { magic: self.magic, command: kind.command(), len, checksum };
        out.extend_from_slice(&header.to_bytes());
    }

    fn read_header(
        &self,
        bytes: &[u8; HEADER_LEN],
        max_payload: usize,
    ) -> Result<Arriving<K>, Malformed> {
        let FrameHeader { command, len, checksum, .. } = FrameHeader::parse(bytes, self.magic)?;
        let kind = K::from_command(command);
        let max = kind.policy().cap.min(max_payload);
        match usize::try_from(len) {
            Ok(len) if len <= max => Ok(Arriving { kind, len, checksum, hasher: None }),
            _ => Err(Malformed::TooLarge {
                command: command.into(),
                len: len.into(),
                max: max as u64,
            }),
        }
    }
}

impl<K> Arriving<K> {
    fn hash_ahead(&mut self, input: &[u8]) {
        if self.len > HASH_AHEAD_ABOVE && !input.is_empty() {
            self.hasher.get_or_insert_default().update(input);
        }
    }
}
