//! What a protocol is, as far as the engine and the transports need to know.
//!
//! A protocol brings its messages, a table of policies (one row per kind of message), the items
//! that it announces, and its opening as a small state machine. There is no common block or
//! inventory type: contents are never unified.

use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::{Command, Malformed, Name, Refusal, Rng, Text, Violation};

/// A protocol that the engine can speak.
pub trait Protocol: Sized + Debug + Send + Sync + 'static {
    /// A message, owning its payload.
    type Message: Message<Self>;
    /// Which message: a small copyable name.
    type Kind: Kind;
    /// What is announced and remembered: an inventory entry.
    type Item: Copy + Eq + Hash + Debug + Send + Sync + 'static;
    /// The opening of a connection.
    type Opening: Opening<Self>;
    /// What we say of ourselves.
    type Identity: Debug + Send + Sync + 'static;
    /// What they said of themselves, and what was agreed.
    type Remote: Remote;

    /// The newest version that this implementation speaks.
    const VERSION: u32;

    /// The largest payload of any of its messages once the opening is done, in bytes; a kind's own
    /// cap may be lower.
    const MAX_PAYLOAD: usize = crate::MAX_PAYLOAD;

    /// How many items that may wait one announcement holds at most. 1,000: what btcd and Core send
    /// in one trickle.
    const MAX_ANNOUNCED: usize = 1_000;

    /// How many urgent items one announcement holds at most.
    const MAX_URGENT: usize = 1_000;

    /// Whether an announcement of this item must not wait for the trickle (a block).
    fn is_urgent(item: &Self::Item) -> bool;

    /// The last words to a peer that is being dropped, if it is old enough to want any.
    fn farewell(remote: Option<&Self::Remote>, offence: &Offence<'_>) -> Option<Self::Message>;
}

/// Why a farewell is being said.
#[derive(Clone, Copy, Debug)]
pub enum Offence<'a> {
    /// They sent what is no message.
    Malformed(&'a Malformed),
    /// They broke a rule.
    Violation(&'a Violation),
    /// Our handler does not want them.
    Refused(&'a Refusal),
}

/// Which message, with its row in the table of policies.
pub trait Kind: Copy + Eq + Hash + Debug + Display + Send + Sync + 'static {
    /// What it is called.
    fn name(self) -> Name;
    /// Its row.
    fn policy(self) -> &'static Policy<Self>;
    /// The first protocol version that has it; it is not sent to older peers.
    fn since(self) -> u32 {
        0
    }
}

/// A kind of message that travels in frames of its own, whose headers carry its command.
pub trait FramedKind: Kind {
    /// The kind of this command; unknown commands have a kind as well.
    fn from_command(command: Command) -> Self;
    /// The kind of this one-byte id of the v2 transport, if it stands for one.
    fn from_short_id(id: u8) -> Option<Self>;
    /// Its name on the wire.
    fn command(self) -> Command;
}

/// One row of a protocol's table: what the engine must know of a kind of message.
#[derive(Debug)]
pub struct Policy<K: 'static> {
    /// Its name on the wire.
    pub name: &'static str,
    /// Its one-byte id in the v2 transport.
    pub short_id: Option<u8>,
    /// The largest payload over all versions, in bytes.
    pub cap: usize,
    /// What must come back.
    pub expect: Option<Expect<K>>,
    /// Whether its encoding depends on the agreed version or on features.
    pub versioned: bool,
    /// Whether this is a command that the protocol does not define.
    pub unknown: bool,
}

/// The answer that a request is owed.
#[derive(Debug)]
pub struct Expect<K: 'static> {
    /// Any of these answers.
    pub answers: &'static [K],
    /// How long the remote may take for it, or for the next of several.
    pub within: Duration,
    /// Who may stay silent.
    pub patience: Patience,
}

/// What silence after a request means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// An honest peer always answers: silence is a stall.
    Strict,
    /// An honest peer answers if it is ahead of us; one at our height may have nothing to say.
    WhenAhead,
    /// An honest peer may stay silent: the request expires without blame.
    Lenient,
}

/// A message of a protocol.
pub trait Message<P: Protocol>: Sized + Clone + Debug + Send + 'static {
    /// Which message it is.
    fn kind(&self) -> P::Kind;

    /// Reads a payload that came as `kind` from a peer with which `version` is agreed.
    ///
    /// # Errors
    /// Whatever keeps the payload from being exactly one such message.
    fn decode(kind: P::Kind, payload: Bytes, version: u32) -> Result<Self, Malformed>;

    /// Appends the payload as a peer with which `version` is agreed reads it.
    fn encode(&self, version: u32, out: &mut Vec<u8>);

    /// The payload as it is, where the message is a view over it that encodes to the same bytes in
    /// every version.
    fn shared(&self) -> Option<&Bytes> {
        None
    }

    /// What the engine has to do about it, coming from them.
    fn role(&self, theirs: &P::Remote) -> Role;

    /// Calls `each` with every item that they are known to have because they sent this message.
    ///
    /// `payload_hash` is the double SHA-256 of the payload, if the transport has computed it.
    fn items(
        &self,
        theirs: &P::Remote,
        payload_hash: Option<&[u8; 32]>,
        each: &mut dyn FnMut(P::Item),
    );

    /// How many answers this request asks for.
    fn asks(&self) -> u32 {
        1
    }

    /// How many requested things this answer settles.
    fn settles(&self) -> u32 {
        1
    }

    /// A ping with this nonce.
    fn ping(nonce: u64) -> Self;
    /// The answer to a ping.
    fn pong(nonce: u64) -> Self;
    /// An announcement of these items.
    fn announce(items: &[P::Item]) -> Self;
}

/// What the engine has to do about a message that came after the opening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Nothing: it goes to the handler.
    Other,
    /// Answer with a pong of this nonce.
    Ping(u64),
    /// Perhaps the answer to our ping.
    Pong(u64),
    /// Remember its items as known to the remote, then to the handler.
    Announce,
    /// Neither we nor the handler want to see it.
    Ignore,
    /// It ends the connection.
    Forbidden(Violation),
}

/// What they said, as far as the engine cares.
pub trait Remote: Clone + Debug + Send + Sync + 'static {
    /// The version that both speak.
    fn version(&self) -> u32;
    /// The height that they claim for their best chain.
    fn height(&self) -> i32;
    /// Whether they answer pings (Bitcoin: above version 60000).
    fn answers_ping(&self) -> bool;
    /// Their clock minus ours when their introduction arrived, in seconds.
    fn time_offset(&self) -> i64;
}

/// A protocol's opening: from the first byte to the moment both agree.
pub trait Opening<P: Protocol>: Sized + Debug + Send + 'static {
    /// Begins; returns what to send at once.
    fn start(
        direction: Direction,
        ours: &Arc<P::Identity>,
        rng: &mut Rng,
        now: Now,
    ) -> (Self, Vec<P::Message>);

    /// Takes the next message of the remote.
    fn on_message(self, message: &P::Message, now: Now) -> Step<P, Self>;

    /// The version to decode the next message with.
    fn version(&self) -> u32;

    /// Which step the opening has come to, and how long the remote may take for it; `None` where
    /// only the whole is limited.
    fn step(&self) -> Option<(u8, Duration)> {
        None
    }
}

/// What an opening does next.
#[derive(Debug)]
pub enum Step<P: Protocol, S> {
    /// Goes on. If they have just introduced themselves, `heard` is what they said: the handler is
    /// asked before `send` leaves.
    More {
        /// The next state.
        state: S,
        /// What to send.
        send: Vec<P::Message>,
        /// What they said, once.
        heard: Option<P::Remote>,
    },
    /// Both sides agree. If they have not been `heard` before, the handler is asked now, and `send`
    /// leaves only if it wants them.
    Done {
        /// What they said and what was agreed.
        remote: P::Remote,
        /// What to send first.
        send: Vec<P::Message>,
    },
    /// It failed, by their fault.
    Failed(Violation),
    /// They do not want us, and said why.
    Rejected(Text),
    /// We have been talking to ourselves.
    SelfConnection,
}

/// Who opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// They dialled us.
    Inbound,
    /// We dialled them.
    Outbound,
}

impl Display for Direction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        })
    }
}

/// The time, as an argument: nothing below the driver reads a clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Monotonic time since some fixed moment.
    pub mono: Duration,
    /// Wall-clock time in seconds since 1970; may jump.
    pub unix: i64,
}
