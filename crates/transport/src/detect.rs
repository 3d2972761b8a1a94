//! v1 or v2? What the responder asks of the first bytes.
//!
//! A v1 peer always begins with the magic and the command `version`, 16 bytes that are known
//! beforehand. A v2 peer begins with a key that looks random. The first byte that differs therefore
//! decides for v2, and the responder must not wait for more: its answer may be what the initiator
//! waits for before it sends the rest of its key (BIP324).

use peerage_wire::Rng;

use crate::{Admit, V2};

/// Bytes of the v1 prefix: magic and command.
const PREFIX_LEN: usize = 16;

/// The command of the first v1 message.
const VERSION: [u8; 12] = *b"version\0\0\0\0\0";

/// A responder that has not decided yet, and what it needs in either case.
pub(crate) struct Detector {
    pub(crate) policy: V2,
    pub(crate) admit: Option<Admit>,
    pub(crate) rng: Rng,
    /// How many bytes of the prefix have arrived.
    matched: usize,
}

impl Detector {
    pub(crate) fn new(policy: V2, admit: Option<Admit>, rng: Rng) -> Self {
        Self { policy, admit, rng, matched: 0 }
    }

    /// Looks at everything received so far; `None` while it may still become either.
    pub(crate) fn decide(&mut self, magic: [u8; 4], received: &[u8]) -> Option<Verdict> {
        let prefix = magic.into_iter().chain(VERSION);
        self.matched = received.iter().zip(prefix).take_while(|(a, b)| **a == *b).count();
        match self.matched {
            PREFIX_LEN => Some(Verdict::V1),
            matched if matched < received.len() => Some(Verdict::V2),
            _ => None,
        }
    }

    /// How many bytes must be there before anything more can be decided.
    pub(crate) fn need(&self) -> usize {
        self.matched + 1
    }
}

/// What the remote speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The whole prefix has come.
    V1,
    /// A byte differs.
    V2,
}

/// The magic of a v1 `version` header, if `received` begins with one of whatever network.
///
/// As a v2 key it would be one of 2^96.
pub(crate) fn foreign_v1(received: &[u8]) -> Option<[u8; 4]> {
    let (magic, rest) = received.split_first_chunk::<4>()?;
    rest.starts_with(&VERSION).then_some(*magic)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAGIC: [u8; 4] = [0xf9, 0xbe, 0xb4, 0xd9];
    const PREFIX: [u8; 16] = *b"\xf9\xbe\xb4\xd9version\0\0\0\0\0";

    #[test]
    fn every_prefix_is_undecided_and_every_difference_is_v2() {
        let mut detector = Detector::new(V2::Preferred, None, Rng::from_seed([0; 32]));
        for len in 0..PREFIX_LEN {
            assert_eq!(detector.decide(MAGIC, &PREFIX[..len]), None);
            assert_eq!(detector.need(), len + 1);
            let mut other = PREFIX;
            other[len] ^= 1;
            assert_eq!(detector.decide(MAGIC, &other[..=len]), Some(Verdict::V2));
            assert_eq!(detector.decide(MAGIC, &other), Some(Verdict::V2));
        }
        assert_eq!(detector.decide(MAGIC, &PREFIX), Some(Verdict::V1));
        assert_eq!(detector.decide(MAGIC, &[PREFIX, [1; 16]].concat()), Some(Verdict::V1));
    }

    #[test]
    fn a_foreign_header_needs_all_its_sixteen_bytes() {
        assert_eq!(foreign_v1(&PREFIX), Some(MAGIC));
        assert_eq!(foreign_v1(&PREFIX[..15]), None);
        assert_eq!(foreign_v1(b"\xf9\xbe\xb4\xd9verack\0\0\0\0\0\0"), None);
    }
}
