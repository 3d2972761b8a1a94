//! BIP324 a second time, for comparison: slow, from the text of the BIP, with control over
//! everything that the library decides by itself (garbage, decoys, contents).

use peerage_wire::Rng;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use secp256k1::ellswift::{ElligatorSwift, ElligatorSwiftParty};
use secp256k1::{Secp256k1, SecretKey};

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit as _, StreamCipher as _};

/// A v2 peer that does what a test tells it.
pub(crate) struct Reference {
    initiating: bool,
    secret: SecretKey,
    key: [u8; 64],
    garbage: Vec<u8>,
    theirs: Option<Shared>,
}

struct Shared {
    send: Direction,
    receive: Direction,
    send_terminator: Vec<u8>,
    receive_terminator: Vec<u8>,
    session_id: Vec<u8>,
}

impl Reference {
    pub(crate) fn new(initiating: bool, seed: u8, garbage_len: usize) -> Self {
        Self::with_first_byte(initiating, seed, garbage_len, |first| first != super::MAGIC[0])
    }

    /// Draws keys until the first byte of one is as wanted.
    pub(crate) fn with_first_byte(
        initiating: bool,
        seed: u8,
        garbage_len: usize,
        wanted: impl Fn(u8) -> bool,
    ) -> Self {
        let mut rng = Rng::from_seed([seed; 32]);
        let curve = Secp256k1::new();
        loop {
            let secret = SecretKey::from_slice(&rng.array::<32>()).unwrap();
            let key = ElligatorSwift::from_seckey(&curve, secret, None).to_array();
            if wanted(key[0]) {
                let mut garbage = vec![0; garbage_len];
                rng.fill(&mut garbage);
                return Self { initiating, secret, key, garbage, theirs: None };
            }
        }
    }

    /// Key and garbage.
    pub(crate) fn hello(&self) -> Vec<u8> {
        [&self.key[..], &self.garbage].concat()
    }

    /// Takes their first 64 bytes.
    pub(crate) fn receive_key(&mut self, theirs: &[u8]) {
        let ours = ElligatorSwift::from_array(self.key);
        let theirs = ElligatorSwift::from_array(theirs[..64].try_into().unwrap());
        let (a, b, party) = if self.initiating {
            (ours, theirs, ElligatorSwiftParty::A)
        } else {
            (theirs, ours, ElligatorSwiftParty::B)
        };
        let secret = ElligatorSwift::shared_secret(a, b, self.secret, party, None);
        let mut salt = b"bitcoin_v2_shared_secret".to_vec();
        salt.extend(super::MAGIC);
        let prk = Salt::new(HKDF_SHA256, &salt).extract(secret.as_secret_bytes());
        let derive = |label: &str| -> Vec<u8> {
            let mut bytes = [0; 32];
            let info = [label.as_bytes()];
            prk.expand(&info, HKDF_SHA256).unwrap().fill(&mut bytes).unwrap();
            bytes.to_vec()
        };
        let initiator = Direction::new(&derive("initiator_L"), &derive("initiator_P"));
        let responder = Direction::new(&derive("responder_L"), &derive("responder_P"));
        let mut first = derive("garbage_terminators");
        let second = first.split_off(16);
        let session_id = derive("session_id");
        self.theirs = Some(if self.initiating {
            Shared {
                send: initiator,
                receive: responder,
                send_terminator: first,
                receive_terminator: second,
                session_id,
            }
        } else {
            Shared {
                send: responder,
                receive: initiator,
                send_terminator: second,
                receive_terminator: first,
                session_id,
            }
        });
    }

    /// Terminator, decoys of these lengths, and the version packet with these contents.
    pub(crate) fn version(&mut self, decoys: &[usize], contents: &[u8]) -> Vec<u8> {
        let mut aad = std::mem::take(&mut self.garbage);
        let shared = self.shared();
        let mut out = shared.send_terminator.clone();
        for len in decoys {
            out.extend(shared.send.seal(&vec![0xdd; *len], true, &aad));
            aad.clear();
        }
        out.extend(shared.send.seal(contents, false, &aad));
        out
    }

    pub(crate) fn packet(&mut self, contents: &[u8], ignore: bool) -> Vec<u8> {
        self.shared().send.seal(contents, ignore, &[])
    }

    /// Terminator of whoever sends to us.
    pub(crate) fn their_terminator(&mut self) -> Vec<u8> {
        self.shared().receive_terminator.clone()
    }

    pub(crate) fn session_id(&mut self) -> Vec<u8> {
        self.shared().session_id.clone()
    }

    /// Reads what follows their key: the length of the garbage, and the contents of all packets
    /// with their ignore flags, the first being authenticated with the garbage.
    pub(crate) fn open_all(&mut self, bytes: &[u8]) -> (usize, Vec<(Vec<u8>, bool)>) {
        let terminator = self.their_terminator();
        let found = bytes.windows(16).position(|window| window == terminator).unwrap();
        let packets = self.open_packets(&bytes[found + 16..], &bytes[..found]);
        (found, packets)
    }

    pub(crate) fn open_packets(&mut self, bytes: &[u8], aad: &[u8]) -> Vec<(Vec<u8>, bool)> {
        let (mut rest, mut aad, mut packets) = (bytes, aad, Vec::new());
        while !rest.is_empty() {
            let (packet, len) = self.shared().receive.open(rest, aad);
            packets.push(packet);
            rest = &rest[len..];
            aad = &[];
        }
        packets
    }

    fn shared(&mut self) -> &mut Shared {
        self.theirs.as_mut().expect("the test has given their key")
    }
}

struct Direction {
    length_key: [u8; 32],
    packet_key: [u8; 32],
    packets: u64,
}

impl Direction {
    fn new(length_key: &[u8], packet_key: &[u8]) -> Self {
        Self {
            length_key: length_key.try_into().unwrap(),
            packet_key: packet_key.try_into().unwrap(),
            packets: 0,
        }
    }

    fn seal(&mut self, contents: &[u8], ignore: bool, aad: &[u8]) -> Vec<u8> {
        let length = u32::try_from(contents.len()).unwrap().to_le_bytes();
        let mut out: Vec<u8> =
            length.iter().zip(self.length_pad()).map(|(byte, pad)| byte ^ pad).collect();
        let mut plain = vec![if ignore { 0x80 } else { 0 }];
        plain.extend(contents);
        let nonce = self.nonce(self.packets % 224);
        self.key().seal_in_place_append_tag(nonce, Aad::from(aad), &mut plain).unwrap();
        out.extend(plain);
        self.count();
        out
    }

    fn open(&mut self, bytes: &[u8], aad: &[u8]) -> ((Vec<u8>, bool), usize) {
        let mut length = [0; 4];
        for (i, pad) in self.length_pad().into_iter().enumerate() {
            length[i] = bytes[i] ^ pad;
        }
        let end = 3 + 1 + u32::from_le_bytes(length) as usize + 16;
        let mut sealed = bytes[3..end].to_vec();
        let nonce = self.nonce(self.packets % 224);
        let plain = self.key().open_in_place(nonce, Aad::from(aad), &mut sealed).unwrap();
        let packet = (plain[1..].to_vec(), plain[0] & 0x80 != 0);
        self.count();
        (packet, end)
    }

    fn length_pad(&self) -> [u8; 3] {
        let at = usize::try_from(self.packets % 224 * 3).unwrap();
        self.key_stream()[at..at + 3].try_into().unwrap()
    }

    /// 224 pads of three bytes and the next key: exactly eleven blocks.
    fn key_stream(&self) -> [u8; 704] {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&(self.packets / 224).to_le_bytes());
        let mut stream = [0; 704];
        ChaCha20::new(&self.length_key.into(), &nonce.into()).apply_keystream(&mut stream);
        stream
    }

    fn count(&mut self) {
        if self.packets % 224 == 223 {
            let length_key = self.key_stream()[672..].try_into().unwrap();
            let mut packet_key = vec![0; 32];
            let nonce = self.nonce(0xffff_ffff);
            self.key().seal_in_place_append_tag(nonce, Aad::empty(), &mut packet_key).unwrap();
            self.length_key = length_key;
            self.packet_key = packet_key[..32].try_into().unwrap();
        }
        self.packets += 1;
    }

    fn nonce(&self, low: u64) -> Nonce {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&low.to_le_bytes()[..4]);
        nonce[4..].copy_from_slice(&(self.packets / 224).to_le_bytes());
        Nonce::assume_unique_for_key(nonce)
    }

    fn key(&self) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &self.packet_key).unwrap())
    }
}
