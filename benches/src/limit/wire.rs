//! Frames of both transports, as bare as they can be.

use std::io::Read;

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit as _, StreamCipher as _};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use sha2::{Digest as _, Sha256};

pub(super) const MAGIC: [u8; 4] = [0xfa, 0xbf, 0xb5, 0xda];

/// One direction of a connection.
pub(super) trait Wire: Send + 'static {
    /// Appends a frame.
    fn seal(&mut self, out: &mut Vec<u8>, message: &Message);
    /// What the frame at the front of `bytes` says and the frame's length, or how many bytes it
    /// takes at least.
    fn open<'a>(&mut self, bytes: &'a mut [u8]) -> Result<(Said<'a>, usize), usize>;
}

/// A message that has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said<'a> {
    /// The id that it has in v2, or 0.
    id: u8,
    /// Its name, if it came with one.
    command: &'a [u8],
    pub(super) payload: &'a [u8],
}

impl Said<'_> {
    /// Whether it is the message of this name or of this id.
    pub(super) fn is(&self, name: &[u8], id: u8) -> bool {
        match self.command.strip_prefix(name) {
            Some(rest) if self.id == 0 => rest.iter().all(|byte| *byte == 0),
            _ => self.id != 0 && self.id == id,
        }
    }
}

/// A message to send: its name, its id in v2 if it has one (or else 0), and its payload.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) command: [u8; 12],
    pub(super) id: u8,
    pub(super) payload: Vec<u8>,
}

impl Message {
    pub(super) fn pong(nonce: [u8; 8]) -> Self {
        Self { command: *b"pong\0\0\0\0\0\0\0\0", id: 19, payload: nonce.to_vec() }
    }

    /// A message that lives for the rest of the program, which is short.
    pub(super) fn leak(name: &str, id: u8, payload: Vec<u8>) -> &'static Self {
        let mut command = [0; 12];
        command[..name.len()].copy_from_slice(name.as_bytes());
        Box::leak(Box::new(Self { command, id, payload }))
    }
}

pub(super) fn sha256d(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(Sha256::digest(bytes)).into()
}

/// The length of a payload, which is below 4 MB.
fn len32(len: usize) -> u32 {
    u32::try_from(len).expect("a payload is below 4 MB")
}

fn header(message: &Message) -> [u8; 24] {
    let mut header = [0; 24];
    header[..4].copy_from_slice(&MAGIC);
    header[4..16].copy_from_slice(&message.command);
    header[16..20].copy_from_slice(&len32(message.payload.len()).to_le_bytes());
    header[20..].copy_from_slice(&sha256d(&message.payload)[..4]);
    header
}

/// v1: a header with a checksum.
pub(super) struct V1;

impl V1 {
    /// The header of a frame whose payload is sent from where it lies.
    pub(super) fn header(message: &Message) -> [u8; 24] {
        header(message)
    }
}

impl Wire for V1 {
    fn seal(&mut self, out: &mut Vec<u8>, message: &Message) {
        out.extend_from_slice(&header(message));
        out.extend_from_slice(&message.payload);
    }

    fn open<'a>(&mut self, bytes: &'a mut [u8]) -> Result<(Said<'a>, usize), usize> {
        let Some((header, rest)) = bytes.split_first_chunk::<24>() else { return Err(24) };
        assert_eq!(header[..4], MAGIC);
        let len = u32::from_le_bytes([header[16], header[17], header[18], header[19]]) as usize;
        let Some(payload) = rest.get(..len) else { return Err(24 + len) };
        assert_eq!(sha256d(payload)[..4], header[20..]);
        Ok((Said { id: 0, command: &header[4..16], payload }, 24 + len))
    }
}

/// v2: one direction's ciphers of BIP324.
pub(super) struct V2 {
    length_key: [u8; 32],
    length: ChaCha20,
    key: [u8; 32],
    aead: LessSafeKey,
    packet: u32,
    rekeyed: u64,
    /// The length of the packet that is arriving, once it was decrypted.
    arriving: Option<usize>,
    /// What the next packet authenticates beside itself: garbage.
    garbage: Vec<u8>,
}

/// A packet's length field, header byte and tag.
const OVERHEAD: usize = 3 + 1 + 16;

/// After so many packets the keys change.
const REKEY: u32 = 224;

impl V2 {
    pub(super) fn new(length_key: [u8; 32], key: [u8; 32]) -> Self {
        Self {
            length_key,
            length: stream(&length_key, 0),
            key,
            aead: aead(&key),
            packet: 0,
            rekeyed: 0,
            arriving: None,
            garbage: Vec::new(),
        }
    }

    /// With keys that everybody knows, where there was no opening.
    pub(super) fn known() -> Self {
        Self::new([1; 32], [2; 32])
    }

    /// The next packet must authenticate this as well.
    pub(super) fn authenticate(&mut self, garbage: Vec<u8>) {
        self.garbage = garbage;
    }

    fn nonce(&self) -> Nonce {
        Nonce::assume_unique_for_key(nonce(self.packet, self.rekeyed))
    }

    fn next(&mut self) {
        self.packet += 1;
        if self.packet < REKEY {
            return;
        }
        let mut key = [0; 32];
        self.length.apply_keystream(&mut key);
        self.length_key = key;
        let mut key = [0; 32];
        let nonce = Nonce::assume_unique_for_key(nonce(u32::MAX, self.rekeyed));
        // The key is the ciphertext; its tag is nobody's.
        let tag = self.aead.seal_in_place_separate_tag(nonce, Aad::empty(), &mut key);
        assert!(tag.is_ok(), "32 bytes are few");
        self.key = key;
        self.rekeyed += 1;
        self.packet = 0;
        self.length = stream(&self.length_key, self.rekeyed);
        self.aead = aead(&self.key);
    }
}

impl Wire for V2 {
    fn seal(&mut self, out: &mut Vec<u8>, message: &Message) {
        let name: &[u8] = match message {
            Message { id: 0, payload, .. } if payload.is_empty() && message.command[0] == 0 => &[],
            Message { id: 0, command, .. } => &[&[0], &command[..]].concat(),
            Message { id, .. } => std::slice::from_ref(id),
        };
        let [a, b, c, _] = len32(name.len() + message.payload.len()).to_le_bytes();
        let mut length = [a, b, c];
        self.length.apply_keystream(&mut length);
        out.extend_from_slice(&length);
        let start = out.len();
        out.push(0);
        out.extend_from_slice(name);
        out.extend_from_slice(&message.payload);
        let nonce = self.nonce();
        let tag = self.aead.seal_in_place_separate_tag(nonce, Aad::empty(), &mut out[start..]);
        out.extend_from_slice(tag.expect("4 MB are few").as_ref());
        self.next();
    }

    fn open<'a>(&mut self, bytes: &'a mut [u8]) -> Result<(Said<'a>, usize), usize> {
        let Some((length, rest)) = bytes.split_first_chunk_mut::<3>() else { return Err(3) };
        let len = match self.arriving {
            Some(len) => len,
            None => {
                let mut length = *length;
                self.length.apply_keystream(&mut length);
                let [a, b, c] = length;
                let len = u32::from_le_bytes([a, b, c, 0]) as usize;
                self.arriving = Some(len);
                len
            }
        };
        let Some(packet) = rest.get_mut(..len + OVERHEAD - 3) else { return Err(len + OVERHEAD) };
        let nonce = self.nonce();
        let aad = Aad::from(std::mem::take(&mut self.garbage));
        let plain = self.aead.open_in_place(nonce, aad, packet).expect("they sealed it");
        self.arriving = None;
        self.next();
        let (id, command, payload): (_, &[u8], &[u8]) = match plain {
            [_, 0, rest @ ..] => (0, &rest[..12], &rest[12..]),
            [_, id, rest @ ..] => (*id, &[], rest),
            _ => (0, &[], &[]),
        };
        Ok((Said { id, command, payload }, len + OVERHEAD))
    }
}

fn nonce(packet: u32, rekeyed: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[..4].copy_from_slice(&packet.to_le_bytes());
    nonce[4..].copy_from_slice(&rekeyed.to_le_bytes());
    nonce
}

fn stream(key: &[u8; 32], rekeyed: u64) -> ChaCha20 {
    ChaCha20::new(key.into(), &nonce(0, rekeyed).into())
}

fn aead(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).expect("32 bytes"))
}

/// Bytes that have arrived and are not used up.
pub(super) struct Input {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    pub(super) fn new(size: usize) -> Self {
        Self { buffer: vec![0; size], start: 0, end: 0 }
    }

    /// Hands every whole frame's payload to `each`; returns how many there were.
    pub(super) fn frames(&mut self, wire: &mut impl Wire, mut each: impl FnMut(Said<'_>)) -> u64 {
        let mut count = 0;
        loop {
            match wire.open(&mut self.buffer[self.start..self.end]) {
                Ok((said, len)) => {
                    each(said);
                    self.start += len;
                    count += 1;
                }
                Err(need) => {
                    self.buffer.copy_within(self.start..self.end, 0);
                    self.end -= self.start;
                    self.start = 0;
                    if self.buffer.len() < need {
                        self.buffer.resize(need, 0);
                    }
                    return count;
                }
            }
        }
    }

    /// Room for a read, and what it has brought.
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.buffer[self.end..]
    }

    pub(super) fn filled(&mut self, count: usize) {
        self.end += count;
    }

    /// Reads once; `false` at the end.
    pub(super) fn read(&mut self, from: &mut impl Read) -> std::io::Result<bool> {
        let count = from.read(self.room())?;
        self.filled(count);
        Ok(count > 0)
    }

    /// What has arrived and is not used up.
    pub(super) fn filled_part(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Takes bytes that are no frame and are there.
    pub(super) fn take(&mut self, count: usize) -> Vec<u8> {
        let taken = self.buffer[self.start..self.start + count].to_vec();
        self.start += count;
        taken
    }
}
