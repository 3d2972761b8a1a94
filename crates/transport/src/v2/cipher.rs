//! The ciphers of one direction: packets in, packets out, a new key after every 224 of them.
//!
//! ```text
//!   length u24 LE, FSChaCha20 | header 1, contents, both ChaCha20 | Poly1305 tag 16
//! ```
//!
//! The length is encrypted but not authenticated by itself: whoever reads it must bound it. Both
//! ciphers replace their keys by output of their own, so that keys seized later do not open what
//! was sent before (BIP324, "FSChaCha20" and "FSChaCha20Poly1305").

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit as _, StreamCipher as _};
use peerage_wire::Malformed;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

/// Bytes of the encrypted length in front of a packet.
pub(super) const LENGTH_LEN: usize = 3;
/// Bytes of a packet's header, which holds flags.
pub(super) const HEADER_LEN: usize = 1;
/// Bytes of the tag that ends a packet.
pub(super) const TAG_LEN: usize = 16;
/// What a packet is longer on the wire than its contents.
pub(super) const PACKET_OVERHEAD: usize = LENGTH_LEN + HEADER_LEN + TAG_LEN;

/// The largest length that three bytes can tell.
const MAX_CONTENTS: usize = (1 << 24) - 1;

/// How many packets a key serves (BIP324's REKEY_INTERVAL).
const REKEY_INTERVAL: u32 = 224;

/// Makes packets.
pub(super) struct Sealer(Ciphers);

impl Sealer {
    /// With the key of the lengths and the key of the packets.
    pub(super) fn new(keys: &[[u8; 32]; 2]) -> Self {
        Self(Ciphers::new(keys))
    }

    /// Appends a packet whose contents are `parts`, one after the other.
    pub(super) fn seal(&mut self, header: u8, parts: [&[u8]; 2], aad: &[u8], out: &mut Vec<u8>) {
        let len = parts[0].len() + parts[1].len();
        assert!(len <= MAX_CONTENTS, "a packet's length has three bytes");
        out.reserve(PACKET_OVERHEAD + len);
        let [low, middle, high, ..] = len.to_le_bytes();
        let mut length = [low, middle, high];
        self.0.length.apply(&mut length);
        out.extend_from_slice(&length);
        let start = out.len();
        out.push(header);
        out.extend_from_slice(parts[0]);
        out.extend_from_slice(parts[1]);
        let tag = self.0.packet.seal(aad, &mut out[start..]);
        out.extend_from_slice(&tag);
    }
}

/// Opens packets.
pub(super) struct Opener(Ciphers);

impl Opener {
    /// With the key of the lengths and the key of the packets.
    pub(super) fn new(keys: &[[u8; 32]; 2]) -> Self {
        Self(Ciphers::new(keys))
    }

    /// The length of the next packet's contents; to be called once for each packet.
    pub(super) fn length(&mut self, mut length: [u8; LENGTH_LEN]) -> usize {
        self.0.length.apply(&mut length);
        let [low, middle, high] = length.map(usize::from);
        low | middle << 8 | high << 16
    }

    /// Decrypts header and contents in place; the tag behind them stays.
    pub(super) fn open(&mut self, aad: &[u8], sealed: &mut [u8]) -> Result<(), Malformed> {
        self.0.packet.open(aad, sealed)
    }
}

/// Overwrites key material that is no longer needed.
pub(super) fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    // An overwriting that nobody reads would be removed by the optimiser.
    std::hint::black_box(bytes);
}

struct Ciphers {
    length: LengthCipher,
    packet: PacketCipher,
}

impl Ciphers {
    fn new([length, packet]: &[[u8; 32]; 2]) -> Self {
        Self { length: LengthCipher::new(length), packet: PacketCipher::new(packet) }
    }
}

impl Drop for Ciphers {
    fn drop(&mut self) {
        self.length.stream = stream(&[0; 32], 0);
        self.packet.key = aead(&[0; 32]);
        std::hint::black_box(self);
    }
}

/// FSChaCha20: one key stream for the lengths of 224 packets, whose next bytes are the next key.
struct LengthCipher {
    stream: ChaCha20,
    used: u32,
    rekeys: u64,
}

impl LengthCipher {
    fn new(key: &[u8; 32]) -> Self {
        Self { stream: stream(key, 0), used: 0, rekeys: 0 }
    }

    fn apply(&mut self, length: &mut [u8; LENGTH_LEN]) {
        self.stream.apply_keystream(length);
        self.used += 1;
        if self.used == REKEY_INTERVAL {
            let mut key = [0; 32];
            self.stream.apply_keystream(&mut key);
            self.rekeys += 1;
            self.used = 0;
            self.stream = stream(&key, self.rekeys);
            wipe(&mut key);
        }
    }
}

/// FSChaCha20Poly1305: the nonce counts the packets under a key, then the keys.
struct PacketCipher {
    key: LessSafeKey,
    used: u32,
    rekeys: u64,
}

impl PacketCipher {
    fn new(key: &[u8; 32]) -> Self {
        Self { key: aead(key), used: 0, rekeys: 0 }
    }

    fn seal(&mut self, aad: &[u8], plain: &mut [u8]) -> [u8; TAG_LEN] {
        let tag = seal(&self.key, self.nonce(self.used), aad, plain);
        self.step();
        tag
    }

    fn open(&mut self, aad: &[u8], sealed: &mut [u8]) -> Result<(), Malformed> {
        let nonce = self.nonce(self.used);
        let opened = self.key.open_in_place(nonce, Aad::from(aad), sealed);
        opened.map_err(|_| Malformed::BadTag)?;
        self.step();
        Ok(())
    }

    fn step(&mut self) {
        self.used += 1;
        if self.used == REKEY_INTERVAL {
            // The next key is what 32 zeros become under a nonce that no packet has.
            let mut key = [0; 32];
            seal(&self.key, self.nonce(u32::MAX), &[], &mut key);
            self.rekeys += 1;
            self.used = 0;
            self.key = aead(&key);
            wipe(&mut key);
        }
    }

    fn nonce(&self, packet: u32) -> Nonce {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&packet.to_le_bytes());
        nonce[4..].copy_from_slice(&self.rekeys.to_le_bytes());
        Nonce::assume_unique_for_key(nonce)
    }
}

fn seal(key: &LessSafeKey, nonce: Nonce, aad: &[u8], plain: &mut [u8]) -> [u8; TAG_LEN] {
    let tag = key
        .seal_in_place_separate_tag(nonce, Aad::from(aad), plain)
        .expect("a packet is far below the cipher's limit of 256 GiB");
    tag.as_ref().try_into().expect("a Poly1305 tag has 16 bytes")
}

fn aead(key: &[u8; 32]) -> LessSafeKey {
    let key = UnboundKey::new(&CHACHA20_POLY1305, key).expect("the key has its 32 bytes");
    LessSafeKey::new(key)
}

fn stream(key: &[u8; 32], rekeys: u64) -> ChaCha20 {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&rekeys.to_le_bytes());
    ChaCha20::new(key.into(), &nonce.into())
}
