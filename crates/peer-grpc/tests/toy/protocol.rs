//! The smallest protocol that an envelope can carry: its first byte tells the kind.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use peerage_wire::{
    Direction, Envelope, Kind, Malformed, Message, Name, Now, Offence, Opening, Peek, Policy,
    Protocol, Remote, Rng, Role, Step,
};

#[derive(Debug)]
pub(crate) struct Toy;

/// Which message; its number is the first byte that is not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Which {
    Hello,
    Ping,
    Pong,
    Small,
    Large,
}

/// A message is its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) which: Which,
    pub(crate) envelope: Bytes,
}

#[derive(Clone, Debug)]
pub(crate) struct Them;

#[derive(Debug)]
pub(crate) struct ExpectHello;

/// The largest envelope of [`Which::Large`].
pub(crate) const LARGE: usize = 21 << 20;

const fn row(name: &'static str, cap: usize) -> Policy<Which> {
    Policy { name, short_id: None, cap, expect: None, versioned: false, unknown: false }
}

static TABLE: [Policy<Which>; 5] =
    [row("hello", 256), row("ping", 9), row("pong", 9), row("small", 1_024), row("large", LARGE)];

impl Said {
    /// A message of this kind, with `len` more bytes in its envelope.
    pub(crate) fn new(which: Which, len: usize) -> Self {
        let body = (0..len).map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[2]);
        let envelope = std::iter::once(which as u8 + 1).chain(body).collect();
        Self { which, envelope }
    }

    /// A message of this kind whose envelope is easily packed.
    pub(crate) fn dull(which: Which, len: usize) -> Self {
        let mut envelope = vec![7; len + 1];
        envelope[0] = which as u8 + 1;
        Self { which, envelope: envelope.into() }
    }

    fn numbered(which: Which, nonce: u64) -> Self {
        let mut envelope = vec![which as u8 + 1];
        envelope.extend(nonce.to_be_bytes());
        Self { which, envelope: envelope.into() }
    }
}

impl Envelope for Which {
    const PATH: &'static str = "/toy.Toy/Talk";

    fn peek(prefix: &[u8]) -> Peek<Self> {
        match prefix.iter().find(|byte| **byte != 0) {
            None => Peek::More,
            Some(1) => Peek::Kind(Self::Hello),
            Some(2) => Peek::Kind(Self::Ping),
            Some(3) => Peek::Kind(Self::Pong),
            Some(4) => Peek::Kind(Self::Small),
            Some(5) => Peek::Kind(Self::Large),
            Some(_) => Peek::Malformed(Malformed::Invalid { what: "kind" }),
        }
    }
}

impl Kind for Which {
    fn name(self) -> Name {
        Name::Field(self.policy().name)
    }

    fn policy(self) -> &'static Policy<Self> {
        &TABLE[self as usize]
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.policy().name)
    }
}

impl Protocol for Toy {
    type Message = Said;
    type Kind = Which;
    type Item = u8;
    type Opening = ExpectHello;
    type Identity = ();
    type Remote = Them;

    const VERSION: u32 = 1;
    const MAX_PAYLOAD: usize = LARGE;

    fn is_urgent(_item: &u8) -> bool {
        true
    }

    fn farewell(_remote: Option<&Them>, _offence: &Offence<'_>) -> Option<Said> {
        Some(Said::new(Which::Small, 8))
    }
}

impl Message<Toy> for Said {
    fn kind(&self) -> Which {
        self.which
    }

    fn decode(kind: Which, payload: Bytes, _version: u32) -> Result<Self, Malformed> {
        Ok(Self { which: kind, envelope: payload })
    }

    fn encode(&self, _version: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.envelope);
    }

    fn shared(&self) -> Option<&Bytes> {
        Some(&self.envelope)
    }

    fn role(&self, _theirs: &Them) -> Role {
        let nonce = self.envelope.get(1..9).and_then(|nonce| nonce.try_into().ok());
        match (self.which, nonce) {
            (Which::Ping, Some(nonce)) => Role::Ping(u64::from_be_bytes(nonce)),
            (Which::Pong, Some(nonce)) => Role::Pong(u64::from_be_bytes(nonce)),
            _ => Role::Other,
        }
    }

    fn items(&self, _theirs: &Them, _key: Option<&[u8; 32]>, _each: &mut dyn FnMut(u8)) {}

    fn ping(nonce: u64) -> Self {
        Self::numbered(Which::Ping, nonce)
    }

    fn pong(nonce: u64) -> Self {
        Self::numbered(Which::Pong, nonce)
    }

    fn announce(items: &[u8]) -> Self {
        Self::new(Which::Small, items.len())
    }
}

impl Remote for Them {
    fn version(&self) -> u32 {
        Toy::VERSION
    }

    fn height(&self) -> i32 {
        0
    }

    fn answers_ping(&self) -> bool {
        true
    }

    fn time_offset(&self) -> i64 {
        0
    }
}

impl Opening<Toy> for ExpectHello {
    fn start(
        _direction: Direction,
        _ours: &Arc<()>,
        _rng: &mut Rng,
        _now: Now,
    ) -> (Self, Vec<Said>) {
        (Self, vec![Said::new(Which::Hello, 20)])
    }

    fn on_message(self, message: &Said, _now: Now) -> Step<Toy, Self> {
        match message.which {
            Which::Hello => Step::Done { remote: Them, send: Vec::new() },
            _ => Step::More { state: self, send: Vec::new(), heard: None },
        }
    }

    fn version(&self) -> u32 {
        Toy::VERSION
    }
}
