//! The beginning of BIP324: two keys, the ciphers that follow from them, terminators and version
//! packets. Nothing is left out that the protocol demands; garbage, which it only allows, is not
//! sent, but read.

use std::sync::LazyLock;

use ring::hkdf::{HKDF_SHA256, Prk, Salt};
use ring::rand::{SecureRandom as _, SystemRandom};
use secp256k1::ellswift::{ElligatorSwift, ElligatorSwiftParty};
use secp256k1::{All, Secp256k1, SecretKey};

use super::wire::{MAGIC, V2};

/// A garbage terminator.
pub(super) type Terminator = [u8; 16];

/// One side's key.
pub(super) struct Exchange {
    secret: SecretKey,
    public: ElligatorSwift,
    party: ElligatorSwiftParty,
}

/// What follows from both keys.
pub(super) struct Keys {
    pub(super) seal: V2,
    pub(super) open: V2,
    pub(super) ours: Terminator,
    pub(super) theirs: Terminator,
}

/// The curve's tables, made once.
static CURVE: LazyLock<Secp256k1<All>> = LazyLock::new(Secp256k1::new);

impl Exchange {
    /// Draws the key of whoever dials (A) or was dialled (B).
    pub(super) fn new(party: ElligatorSwiftParty) -> Self {
        let mut random = [0; 64];
        SystemRandom::new().fill(&mut random).expect("the system has randomness");
        let (secret, seed) = random.split_at(32);
        let secret = SecretKey::from_slice(secret).expect("all but one of 2^128 draws are keys");
        let seed = seed.try_into().expect("the other half");
        Self { secret, public: ElligatorSwift::from_seckey(&CURVE, secret, Some(seed)), party }
    }

    pub(super) fn public(&self) -> [u8; 64] {
        self.public.to_array()
    }

    pub(super) fn finish(&self, theirs: [u8; 64]) -> Keys {
        let theirs = ElligatorSwift::from_array(theirs);
        let dialled = matches!(self.party, ElligatorSwiftParty::A);
        let (a, b) = if dialled { (self.public, theirs) } else { (theirs, self.public) };
        let secret = ElligatorSwift::shared_secret(a, b, self.secret, self.party, None);
        let salt = [&b"bitcoin_v2_shared_secret"[..], &MAGIC].concat();
        let prk = Salt::new(HKDF_SHA256, &salt).extract(&secret.to_secret_bytes());
        let from_a = V2::new(expand(&prk, b"initiator_L"), expand(&prk, b"initiator_P"));
        let from_b = V2::new(expand(&prk, b"responder_L"), expand(&prk, b"responder_P"));
        let terminators = expand(&prk, b"garbage_terminators");
        let half = |from: usize| std::array::from_fn(|i| terminators[from + i]);
        match dialled {
            true => Keys { seal: from_a, open: from_b, ours: half(0), theirs: half(16) },
            false => Keys { seal: from_b, open: from_a, ours: half(16), theirs: half(0) },
        }
    }
}

fn expand(prk: &Prk, label: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    let filled = prk.expand(&[label], HKDF_SHA256).and_then(|okm| okm.fill(&mut bytes));
    filled.expect("32 bytes are few");
    bytes
}
