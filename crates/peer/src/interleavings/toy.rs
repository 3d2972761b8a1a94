//! The smallest protocol that the shared state can carry: a message is a number of one byte.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use peerage_wire::{
    Direction, Kind, Malformed, Message, Name, Now, Offence, Opening, Policy, Protocol, Remote,
    Rng, Role, Step,
};

#[derive(Debug)]
pub(crate) struct Toy;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Number;

/// A pong is this message of its nonce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Numbered(pub(crate) u8);

#[derive(Clone, Debug)]
pub(crate) struct Them;

/// There is no opening here: two sides that have agreed already.
#[derive(Debug)]
pub(crate) enum Never {}

const NUMBER: Policy<Number> = Policy {
    name: "number",
    short_id: None,
    cap: 1,
    expect: None,
    versioned: false,
    unknown: false,
};

impl Protocol for Toy {
    type Message = Numbered;
    type Kind = Number;
    type Item = u8;
    type Opening = Never;
    type Identity = ();
    type Remote = Them;

    const VERSION: u32 = 1;

    fn is_urgent(_item: &u8) -> bool {
        true
    }

    fn farewell(_remote: Option<&Them>, _offence: &Offence<'_>) -> Option<Numbered> {
        None
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NUMBER.name)
    }
}

impl Kind for Number {
    fn name(self) -> Name {
        Name::Field(NUMBER.name)
    }

    fn policy(self) -> &'static Policy<Self> {
        &NUMBER
    }
}

impl Message<Toy> for Numbered {
    fn kind(&self) -> Number {
        Number
    }

    fn decode(_kind: Number, payload: Bytes, _version: u32) -> Result<Self, Malformed> {
        payload.first().copied().map(Self).ok_or(Malformed::Truncated)
    }

    fn encode(&self, _version: u32, out: &mut Vec<u8>) {
        out.push(self.0);
    }

    fn role(&self, _theirs: &Them) -> Role {
        Role::Other
    }

    fn items(&self, _theirs: &Them, _key: Option<&[u8; 32]>, _each: &mut dyn FnMut(u8)) {}

    fn ping(nonce: u64) -> Self {
        Self::pong(nonce)
    }

    fn pong(nonce: u64) -> Self {
        Self(u8::try_from(nonce).expect("tests use small nonces"))
    }

    fn announce(items: &[u8]) -> Self {
        Self(items[0])
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

impl Opening<Toy> for Never {
    fn start(
        _direction: Direction,
        _ours: &Arc<()>,
        _rng: &mut Rng,
        _now: Now,
    ) -> (Self, Vec<Numbered>) {
        unreachable!("no engine runs here")
    }

    fn on_message(self, _message: &Numbered, _now: Now) -> Step<Toy, Self> {
        match self {}
    }

    fn version(&self) -> u32 {
        match *self {}
    }
}
