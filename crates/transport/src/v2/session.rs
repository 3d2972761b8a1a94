//! The ciphers are known: their garbage, their version packet, then messages; decoys anywhere.

use std::io::Write as _;

use bytes::{Buf as _, Bytes, BytesMut};
use peerage_wire::{Command, FramedKind, MAX_OPENING_PAYLOAD, Malformed, Violation};

use super::cipher::{HEADER_LEN, LENGTH_LEN, Opener, PACKET_OVERHEAD, Sealer, TAG_LEN};
use super::key_exchange::{KEY_LEN, Keys, TERMINATOR_LEN};
use crate::{Frame, TransportError};

/// The most garbage that a remote may send, in bytes (BIP324).
const MAX_GARBAGE: usize = 4_095;

/// The most bytes of decoys before the opening is done. Ours and those of Bitcoin Core and btcd
/// send none; 16 KiB leave room for whoever hides the length of the opening.
const MAX_OPENING_DECOYS: usize = 16 << 10;

/// Bytes of a message type that is spelled out: a zero and the command.
const LONG_TYPE_LEN: usize = 13;

/// The bit of a packet's header that makes it a decoy.
const IGNORE: u8 = 0x80;

/// Both directions of a v2 connection, from the moment the keys are exchanged.
pub(crate) struct Session {
    sealer: Sealer,
    opener: Opener,
    expect: Expect,
    /// Their garbage, until the first packet has authenticated it.
    garbage: Bytes,
    /// Contents of the packet whose length has been taken from the input.
    arriving: Option<usize>,
    decoys: usize,
    overhead: u64,
    session_id: [u8; 32],
}

/// What the remote owes next.
enum Expect {
    /// Garbage and this terminator, which begins at none of the first `scanned` positions.
    Terminator { terminator: [u8; TERMINATOR_LEN], scanned: usize },
    /// A packet whose contents mean nothing yet: BIP324 keeps it for later versions.
    Version,
    /// Messages.
    Messages,
}

impl Session {
    /// Begins, and appends to `out` our terminator and our version packet, which authenticates the
    /// garbage that we sent.
    pub(super) fn start(keys: Keys, our_garbage: &[u8], out: &mut Vec<u8>) -> Self {
        let Keys { mut sealer, opener, our_terminator, their_terminator, session_id } = keys;
        out.extend_from_slice(&our_terminator);
        sealer.seal(0, [&[], &[]], our_garbage, out);
        Self {
            sealer,
            opener,
            expect: Expect::Terminator { terminator: their_terminator, scanned: 0 },
            garbage: Bytes::new(),
            arriving: None,
            decoys: 0,
            overhead: KEY_LEN as u64,
            session_id,
        }
    }

    /// Takes the next message from the front of `input`, if it is there, and whatever is before it.
    pub(crate) fn next_frame<K: FramedKind>(
        &mut self,
        input: &mut BytesMut,
        max_payload: usize,
    ) -> Result<Option<Frame<K>>, TransportError> {
        if !self.take_garbage(input)? {
            return Ok(None);
        }
        while let Some(packet) = self.next_packet(input, max_payload)? {
            let wire_len = LENGTH_LEN + packet.len() + TAG_LEN;
            let decoy = packet[0] & IGNORE != 0;
            match self.expect {
                Expect::Messages if !decoy => {
                    return Ok(Some(read_message(packet, wire_len, max_payload)?));
                }
                _ if decoy => self.count_decoy(wire_len, max_payload)?,
                _ => self.expect = Expect::Messages,
            }
            self.overhead += wire_len as u64;
        }
        Ok(None)
    }

    /// The length of a message on the wire.
    pub(crate) fn wire_len<K: FramedKind>(kind: K, payload_len: usize) -> usize {
        let type_len = if kind.policy().short_id.is_some() { 1 } else { LONG_TYPE_LEN };
        PACKET_OVERHEAD + type_len + payload_len
    }

    /// Appends a message.
    pub(crate) fn seal<K: FramedKind>(&mut self, kind: K, payload: &[u8], out: &mut Vec<u8>) {
        match kind.policy().short_id {
            Some(id) => self.sealer.seal(0, [&[id], payload], &[], out),
            None => {
                let mut long = [0; LONG_TYPE_LEN];
                long[1..].copy_from_slice(&kind.command().to_bytes());
                self.sealer.seal(0, [&long, payload], &[], out);
            }
        }
    }

    /// Appends a packet that the remote will ignore.
    pub(crate) fn seal_decoy(&mut self, contents: &[u8], out: &mut Vec<u8>) {
        self.sealer.seal(IGNORE, [contents, &[]], &[], out);
    }

    /// How many bytes must be at the front of the input before there is anything to do.
    pub(crate) fn need(&self) -> usize {
        match (&self.expect, self.arriving) {
            (Expect::Terminator { scanned, .. }, _) => scanned + TERMINATOR_LEN,
            (_, None) => LENGTH_LEN,
            (_, Some(len)) => HEADER_LEN + len + TAG_LEN,
        }
    }

    /// The length on the wire of the packet that is arriving.
    pub(crate) fn arriving(&self) -> Option<usize> {
        self.arriving.map(|len| PACKET_OVERHEAD + len)
    }

    /// Bytes received that were no part of a message.
    pub(crate) fn overhead(&self) -> u64 {
        self.overhead
    }

    pub(crate) fn session_id(&self) -> [u8; 32] {
        self.session_id
    }

    /// Takes garbage and terminator; whether that is done. Each position is looked at once, in
    /// however many pieces the bytes arrive.
    fn take_garbage(&mut self, input: &mut BytesMut) -> Result<bool, Malformed> {
        let Expect::Terminator { terminator, scanned } = &mut self.expect else { return Ok(true) };
        let end = input.len().min(MAX_GARBAGE + TERMINATOR_LEN);
        let unseen = input.get(*scanned..end).unwrap_or_default();
        let Some(found) = unseen.windows(TERMINATOR_LEN).position(|window| window == terminator)
        else {
            *scanned = (end + 1).saturating_sub(TERMINATOR_LEN);
            let exhausted = *scanned > MAX_GARBAGE;
            return if exhausted { Err(Malformed::NoGarbageTerminator) } else { Ok(false) };
        };
        self.garbage = input.split_to(*scanned + found).freeze();
        input.advance(TERMINATOR_LEN);
        self.overhead += (self.garbage.len() + TERMINATOR_LEN) as u64;
        self.expect = Expect::Version;
        Ok(true)
    }

    /// Takes the next packet, if it is there whole, and gives its header and contents in the place
    /// where they arrived.
    fn next_packet(
        &mut self,
        input: &mut BytesMut,
        max_payload: usize,
    ) -> Result<Option<BytesMut>, Malformed> {
        let len = match self.arriving {
            Some(len) => len,
            None => {
                let Some(length) = input.first_chunk::<LENGTH_LEN>() else { return Ok(None) };
                let len = self.opener.length(*length);
                // Nothing has authenticated the length: it must be small before it is believed.
                check_len(Command::default(), len, max_payload.saturating_add(LONG_TYPE_LEN))?;
                input.advance(LENGTH_LEN);
                self.arriving = Some(len);
                len
            }
        };
        if input.len() < HEADER_LEN + len + TAG_LEN {
            return Ok(None);
        }
        self.arriving = None;
        let mut packet = input.split_to(HEADER_LEN + len + TAG_LEN);
        let garbage = std::mem::take(&mut self.garbage);
        self.opener.open(&garbage, &mut packet)?;
        packet.truncate(HEADER_LEN + len);
        Ok(Some(packet))
    }

    fn count_decoy(&mut self, wire_len: usize, max_payload: usize) -> Result<(), Violation> {
        if max_payload > MAX_OPENING_PAYLOAD {
            return Ok(());
        }
        self.decoys += wire_len;
        if self.decoys > MAX_OPENING_DECOYS {
            return Err(Violation::DecoyFlood { max: MAX_OPENING_DECOYS });
        }
        Ok(())
    }
}

/// Reads header, message type and payload of an authentic packet.
fn read_message<K: FramedKind>(
    mut packet: BytesMut,
    wire_len: usize,
    max_payload: usize,
) -> Result<Frame<K>, Malformed> {
    packet.advance(HEADER_LEN);
    let kind = match packet.first() {
        None => return Err(Malformed::EmptyPacket),
        Some(0) => {
            let command = packet[1..].first_chunk::<12>().ok_or(Malformed::BadCommand)?;
            let kind = K::from_command(Command::from_bytes(*command)?);
            packet.advance(LONG_TYPE_LEN);
            kind
        }
        Some(&id) => {
            packet.advance(1);
            K::from_short_id(id).unwrap_or_else(|| K::from_command(name_of(id)))
        }
    };
    check_len(kind.command(), packet.len(), kind.policy().cap.min(max_payload))?;
    Ok(Frame { kind, payload: packet.freeze(), wire_len, payload_hash: None })
}

/// A name for an id that stands for no command that we know.
fn name_of(id: u8) -> Command {
    let mut name = [0; 12];
    write!(&mut name[..], "id-{id}").expect("at most six characters");
    Command::from_bytes(name).expect("ASCII, padded with zeros")
}

fn check_len(command: Command, len: usize, max: usize) -> Result<(), Malformed> {
    if len > max {
        return Err(Malformed::TooLarge {
            command: command.into(),
            len: len as u64,
            max: max as u64,
        });
    }
    Ok(())
}
