//! From two 64-byte keys that look random to the ciphers of a connection.
//!
//! The keys are points of secp256k1 in ElligatorSwift encoding. Their x-only Diffie-Hellman secret,
//! hashed with both encodings, goes through HKDF-SHA256, which yields five keys and the two garbage
//! terminators (BIP324, "Shared secret computation" and "Keys and session ID derivation").

use std::sync::LazyLock;

use peerage_wire::{Direction, Rng};
use ring::hkdf::{HKDF_SHA256, Prk, Salt};
use ring::rand::{SecureRandom as _, SystemRandom};
use secp256k1::ellswift::{ElligatorSwift, ElligatorSwiftParty};
use secp256k1::{All, Secp256k1, SecretKey};

use super::cipher::{Opener, Sealer, wipe};

/// Bytes of an encoded key.
pub(super) const KEY_LEN: usize = 64;
/// Bytes of a garbage terminator.
pub(super) const TERMINATOR_LEN: usize = 16;

/// Our half of an exchange.
pub(super) struct KeyExchange {
    secret: SecretKey,
    public: ElligatorSwift,
    direction: Direction,
}

/// What both sides share after it, as we see it.
pub(super) struct Keys {
    pub(super) sealer: Sealer,
    pub(super) opener: Opener,
    pub(super) our_terminator: [u8; TERMINATOR_LEN],
    pub(super) their_terminator: [u8; TERMINATOR_LEN],
    pub(super) session_id: [u8; 32],
}

impl KeyExchange {
    /// Draws a key: the first of two curve operations.
    pub(super) fn new(direction: Direction, rng: &mut Rng) -> Self {
        // All but one of 2^128 draws are keys.
        let secret = loop {
            let mut draw: [u8; 32] = rng.array();
            let secret = SecretKey::from_slice(&draw);
            wipe(&mut draw);
            if let Ok(secret) = secret {
                break secret;
            }
        };
        let public = ElligatorSwift::from_seckey(&CURVE, secret, Some(rng.array()));
        Self { secret, public, direction }
    }

    /// A half whose parts are known: those of the test vectors.
    #[cfg(test)]
    pub(super) fn from_parts(
        secret: SecretKey,
        public: ElligatorSwift,
        direction: Direction,
    ) -> Self {
        Self { secret, public, direction }
    }

    /// What the remote gets.
    pub(super) fn public(&self) -> [u8; KEY_LEN] {
        self.public.to_array()
    }

    /// Whether we opened the connection.
    pub(super) fn direction(&self) -> Direction {
        self.direction
    }

    /// Combines the halves: the second curve operation. Whatever 64 bytes come are a key.
    pub(super) fn finish(&self, theirs: [u8; KEY_LEN], magic: [u8; 4]) -> Keys {
        let mut secret = self.shared_secret(ElligatorSwift::from_array(theirs));
        let salt = [&b"bitcoin_v2_shared_secret"[..], &magic].concat();
        let prk = Salt::new(HKDF_SHA256, &salt).extract(&secret);
        wipe(&mut secret);

        let mut of_initiator = [expand(&prk, b"initiator_L"), expand(&prk, b"initiator_P")];
        let mut of_responder = [expand(&prk, b"responder_L"), expand(&prk, b"responder_P")];
        let terminators = expand(&prk, b"garbage_terminators");
        let first = std::array::from_fn(|i| terminators[i]);
        let second = std::array::from_fn(|i| terminators[TERMINATOR_LEN + i]);
        let (ours, theirs, our_terminator, their_terminator) = match self.direction {
            Direction::Outbound => (&of_initiator, &of_responder, first, second),
            Direction::Inbound => (&of_responder, &of_initiator, second, first),
        };
        let sealer = Sealer::new(ours);
        let opener = Opener::new(theirs);
        wipe(of_initiator.as_flattened_mut());
        wipe(of_responder.as_flattened_mut());
        let session_id = expand(&prk, b"session_id");
        Keys { sealer, opener, our_terminator, their_terminator, session_id }
    }

    pub(super) fn shared_secret(&self, theirs: ElligatorSwift) -> [u8; 32] {
        let (initiator, responder, party) = match self.direction {
            Direction::Outbound => (self.public, theirs, ElligatorSwiftParty::A),
            Direction::Inbound => (theirs, self.public, ElligatorSwiftParty::B),
        };
        ElligatorSwift::shared_secret(initiator, responder, self.secret, party, None)
            .to_secret_bytes()
    }
}

impl Drop for KeyExchange {
    fn drop(&mut self) {
        self.secret.non_secure_erase();
    }
}

/// The tables of the curve, made once. The seed only blinds the computation against observers of
/// its timing; no result depends on it.
static CURVE: LazyLock<Secp256k1<All>> = LazyLock::new(|| {
    let mut curve = Secp256k1::new();
    let mut seed = [0; 32];
    if SystemRandom::new().fill(&mut seed).is_ok() {
        curve.seeded_randomize(&seed);
    }
    curve
});

fn expand(prk: &Prk, label: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    prk.expand(&[label], HKDF_SHA256)
        .and_then(|output| output.fill(&mut bytes))
        .expect("HKDF-SHA256 gives up to 8,160 bytes, these are 32");
    bytes
}
