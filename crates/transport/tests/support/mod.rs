//! A small protocol, helpers, and a remote written a second time.

#![allow(dead_code)] // each file of tests uses its part

pub(crate) mod reference;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::BytesMut;
use peerage_transport::{Admit, Frame, Permit, Transport, TransportError, V2};
use peerage_wire::{Command, Direction, FramedKind, Kind, MAX_PAYLOAD, Name, Policy, Rng};

/// Regtest's.
pub(crate) const MAGIC: [u8; 4] = [0xfa, 0xbf, 0xb5, 0xda];
/// Mainnet's, which is another network here.
pub(crate) const OTHER_MAGIC: [u8; 4] = [0xf9, 0xbe, 0xb4, 0xd9];

/// The messages of a small protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Word {
    Version,
    Verack,
    Ping,
    Block,
    Unknown(Command),
}

impl FramedKind for Word {
    fn from_command(command: Command) -> Self {
        let known = [Self::Version, Self::Verack, Self::Ping, Self::Block];
        let found = known.into_iter().find(|word| word.policy().name == command.as_str());
        found.unwrap_or(Self::Unknown(command))
    }

    fn from_short_id(id: u8) -> Option<Self> {
        [Self::Ping, Self::Block].into_iter().find(|word| word.policy().short_id == Some(id))
    }

    fn command(self) -> Command {
        match self {
            Self::Unknown(command) => command,
            known => Command::new(known.policy().name),
        }
    }
}

impl Kind for Word {
    fn name(self) -> Name {
        self.command().into()
    }

    fn policy(self) -> &'static Policy<Self> {
        const fn row(name: &'static str, short_id: Option<u8>, cap: usize) -> Policy<Word> {
            Policy { name, short_id, cap, expect: None, versioned: false, unknown: false }
        }
        static VERSION: Policy<Word> = row("version", None, 358);
        static VERACK: Policy<Word> = row("verack", None, 0);
        static PING: Policy<Word> = row("ping", Some(18), 8);
        static BLOCK: Policy<Word> = row("block", Some(2), MAX_PAYLOAD);
        static UNKNOWN: Policy<Word> =
            Policy { unknown: true, ..row("unknown", None, MAX_PAYLOAD) };
        match self {
            Self::Version => &VERSION,
            Self::Verack => &VERACK,
            Self::Ping => &PING,
            Self::Block => &BLOCK,
            Self::Unknown(_) => &UNKNOWN,
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.command().fmt(f)
    }
}

pub(crate) fn transport(direction: Direction, policy: V2, seed: u8) -> Transport<Word> {
    Transport::new(direction, MAGIC, policy, None, Rng::from_seed([seed; 32]))
}

/// An inbound transport with a hook that admits `admitted` operations, and the count of how often
/// it was asked.
pub(crate) fn guarded(admitted: usize) -> (Transport<Word>, Arc<Asked>) {
    let asked = Arc::new(Asked::default());
    let counter = asked.clone();
    let admit: Admit = Arc::new(move || {
        let before = counter.times.fetch_add(1, Ordering::Relaxed);
        (before < admitted).then(|| {
            counter.held.fetch_add(1, Ordering::Relaxed);
            Box::new(Held(counter.clone())) as Permit
        })
    });
    let rng = Rng::from_seed([9; 32]);
    let transport = Transport::new(Direction::Inbound, MAGIC, V2::Preferred, Some(admit), rng);
    (transport, asked)
}

/// What became of a hook.
#[derive(Default, Debug)]
pub(crate) struct Asked {
    times: AtomicUsize,
    held: AtomicUsize,
}

impl Asked {
    pub(crate) fn times(&self) -> usize {
        assert_eq!(self.held.load(Ordering::Relaxed), 0, "a permit is never kept");
        self.times.load(Ordering::Relaxed)
    }
}

struct Held(Arc<Asked>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the transport wants to send by itself.
pub(crate) fn handshake(transport: &mut Transport<Word>) -> Vec<u8> {
    let mut out = Vec::new();
    transport.take_handshake(&mut out);
    out
}

/// A frame's bytes.
pub(crate) fn sealed(transport: &mut Transport<Word>, word: Word, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let expected = transport.wire_len(word, payload.len());
    assert_eq!(transport.seal(word, payload, None, &mut out), expected);
    out
}

/// Gives all of `bytes` at once to a transport that has got nothing else.
pub(crate) fn receive(
    transport: &mut Transport<Word>,
    bytes: &[u8],
) -> Result<Vec<Frame<Word>>, TransportError> {
    let mut input = BytesMut::from(bytes);
    let mut frames = Vec::new();
    while let Some(frame) = transport.next_frame(&mut input)? {
        frames.push(frame);
    }
    assert!(input.is_empty(), "whole frames leave nothing behind");
    Ok(frames)
}

/// A connection of two transports whose exchange is done.
pub(crate) fn connected(seed: u8) -> (Transport<Word>, Transport<Word>) {
    let mut outbound = transport(Direction::Outbound, V2::Preferred, seed);
    let mut inbound = transport(Direction::Inbound, V2::Preferred, seed.wrapping_add(100));
    let key = handshake(&mut outbound);
    let mut input = BytesMut::from(&key[..]);
    assert_eq!(inbound.next_frame(&mut input), Ok(None));
    let answer = handshake(&mut inbound);
    assert_eq!(receive(&mut outbound, &answer), Ok(vec![]));
    input.extend_from_slice(&handshake(&mut outbound));
    assert_eq!(inbound.next_frame(&mut input), Ok(None));
    assert!(input.is_empty());
    (outbound, inbound)
}
