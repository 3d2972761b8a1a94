//! A scripted remote: says and expects, over a real transport and any connection.
//!
//! ```text
//!   Script::v1(io, direction, network)        plain text
//!   Script::v2(io, direction, network, seed)  encrypted; keys are exchanged when first needed
//!       direction: the script's own, `Outbound` if the script is the one that dialled
//!
//!   open(version(70_016), &[features]) -> Heard     the whole opening, as either side
//!
//!   say(&message)   say_payload(kind, &payload)     a whole frame, well or badly filled
//!   say_bytes(&bytes)   say_decoy(&contents)        whatever else
//!   expect(kind) -> Message                         the next message, which is of this kind
//!   expect_message(&message)                        the next message, which is this one
//!   skip_to(kind) -> Message                        the next message of this kind
//!   expect_bytes(&bytes)                            the next bytes as they are (v1)
//!   next() -> Option<Message>                       the next message; `None` at the end
//!   expect_silence(duration)                        no message for so long
//!   expect_closed()   drain() -> Vec<Message>       the end, at once, or after what still comes
//!   close()   into_io()                             our end; dropping the script closes both ways
//!
//!   set_patience(d)  set_version(v)  agreed()  transport()  sent()  received()
//! ```
//!
//! A script reads only where it expects, so that it can play the remote that does not read.
//!
//! Bytes that are no transport's (garbage, half a handshake) are said by a script of v1, whose
//! `say_bytes` adds nothing and waits for nothing.
//!
//! Every failed expectation panics and tells what was said and heard until then. Whatever takes
//! longer than the patience (30 s at first) is a failed expectation: with `tokio::time::pause` that
//! is virtual time, so tests that wait for a ping must be more patient.

mod stream;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use peerage_transport::{Frame, Transport, V2};
use peerage_wire::{Direction, MAX_PAYLOAD, Message as _, Protocol as _, Rng};
use peerage_wire_bitcoin::message::Version;
use peerage_wire_bitcoin::types::{PeerAddress, Services, UserAgent};
use peerage_wire_bitcoin::{Bitcoin, Kind, Message, Network};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

/// What a remote of this protocol version says first: a node with witnesses, at height 9, whose
/// nonce is 77 and whose clock stands at 1,700,000,000.
///
/// Change it with the update syntax: `Version { services: Services::NONE, ..version(70_016) }`.
#[must_use]
pub fn version(number: i32) -> Version {
    Version {
        version: number,
        services: Services::NETWORK | Services::WITNESS,
        timestamp: 1_700_000_000,
        addr_recv: PeerAddress::UNSPECIFIED,
        addr_from: PeerAddress::UNSPECIFIED,
        nonce: 77,
        user_agent: UserAgent::from_raw(&b"/script:1/"[..]).expect("ten bytes are allowed"),
        start_height: 9,
        relay: true,
    }
}

/// What the other side said in an opening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Its introduction.
    pub version: Version,
    /// What came between its introduction and its `verack`, in its order.
    pub features: Vec<Message>,
}

/// The other end of a connection, following a script.
#[derive(Debug)]
pub struct Script<S> {
    io: S,
    direction: Direction,
    transport: Transport<Kind>,
    input: BytesMut,
    /// Frames that came while something was to be said.
    early: VecDeque<Frame<Kind>>,
    agreed: u32,
    patience: Duration,
    sent: u64,
    received: u64,
    eof: bool,
    log: Vec<String>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Script<S> {
    /// A remote that speaks v1.
    #[must_use]
    pub fn v1(io: S, direction: Direction, network: &Network) -> Self {
        Self::new(io, direction, network, V2::Off, 0)
    }

    /// A remote that speaks v2 and nothing else; keys and garbage follow from `seed`.
    #[must_use]
    pub fn v2(io: S, direction: Direction, network: &Network, seed: u8) -> Self {
        Self::new(io, direction, network, V2::Required, seed)
    }

    fn new(io: S, direction: Direction, network: &Network, policy: V2, seed: u8) -> Self {
        let rng = Rng::from_seed([seed; 32]);
        Self {
            io,
            direction,
            transport: Transport::new(direction, network.magic, policy, None, rng),
            input: BytesMut::new(),
            early: VecDeque::new(),
            agreed: Bitcoin::VERSION,
            patience: Duration::from_secs(30),
            sent: 0,
            received: 0,
            eof: false,
            log: Vec::new(),
        }
    }

    /// Goes through the whole opening: introduces itself with `ours`, then says `features` and
    /// `verack`, and listens until the other side's `verack`. From then on messages are written and
    /// read in the lower of the two versions.
    ///
    /// # Panics
    /// If the other side does not do the same.
    pub async fn open(&mut self, ours: Version, features: &[Message]) -> Heard {
        let advertised = ours.version;
        let introduction = Message::Version(Box::new(ours));
        if self.direction == Direction::Outbound {
            self.say(&introduction).await;
        }
        let Message::Version(version) = self.expect(Kind::Version).await else {
            unreachable!("the kind says so");
        };
        if self.direction == Direction::Inbound {
            self.say(&introduction).await;
        }
        for feature in features {
            self.say(feature).await;
        }
        self.say(&Message::Verack).await;
        let mut heard = Heard { version: *version, features: Vec::new() };
        loop {
            match self.next().await {
                Some(Message::Verack) => break,
                Some(feature) => heard.features.push(feature),
                None => self.fail("the connection ended where verack was due"),
            }
        }
        let agreed = advertised.min(heard.version.version);
        self.agreed = u32::try_from(agreed).unwrap_or(0).min(Bitcoin::VERSION);
        self.transport.set_max_payload(MAX_PAYLOAD);
        heard
    }

    /// Says a message, whole.
    ///
    /// # Panics
    /// If it is not taken within the patience, or the connection has ended.
    pub async fn say(&mut self, message: &Message) {
        let mut payload = Vec::new();
        message.encode(self.agreed, &mut payload);
        self.say_payload(message.kind(), &payload).await;
    }

    /// Says a well-formed frame around any payload.
    ///
    /// # Panics
    /// As [`say`](Self::say).
    pub async fn say_payload(&mut self, kind: Kind, payload: &[u8]) {
        self.handshake().await;
        let mut out = Vec::new();
        self.transport.seal(kind, payload, None, &mut out);
        self.log.push(format!("> {kind} ({} bytes)", payload.len()));
        self.write(&out).await;
    }

    /// Says these bytes, whatever they are; in v2 the other side takes them for ciphertext.
    ///
    /// # Panics
    /// As [`say`](Self::say).
    pub async fn say_bytes(&mut self, bytes: &[u8]) {
        self.log.push(format!("> {} bytes", bytes.len()));
        self.write(bytes).await;
    }

    /// Says a v2 packet that is to be ignored; in v1, nothing.
    ///
    /// # Panics
    /// As [`say`](Self::say).
    pub async fn say_decoy(&mut self, contents: &[u8]) {
        self.handshake().await;
        let mut out = Vec::new();
        self.transport.decoy(contents, &mut out);
        self.log.push(format!("> decoy ({} bytes)", contents.len()));
        self.write(&out).await;
    }

    /// The next message, which must be of this kind.
    ///
    /// # Panics
    /// If it is of another kind, is malformed, does not come or cannot come any more.
    pub async fn expect(&mut self, kind: Kind) -> Message {
        match self.next().await {
            Some(message) if message.kind() == kind => message,
            other => self.fail(&format!("{other:?} came where {kind} was due")),
        }
    }

    /// The next message must be this one.
    ///
    /// # Panics
    /// If it is not.
    pub async fn expect_message(&mut self, expected: &Message) {
        let found = self.next().await;
        if found.as_ref() != Some(expected) {
            self.fail(&format!("{found:?} came where {expected:?} was due"));
        }
    }

    /// The next message of this kind; what comes before it is passed over.
    ///
    /// # Panics
    /// If the connection ends before.
    pub async fn skip_to(&mut self, kind: Kind) -> Message {
        loop {
            match self.next().await {
                Some(message) if message.kind() == kind => return message,
                Some(_) => {}
                None => self.fail(&format!("the connection ended where {kind} was due")),
            }
        }
    }

    /// The next bytes as they are on the wire must be these. Only for v1, and only between frames.
    ///
    /// # Panics
    /// If others come.
    pub async fn expect_bytes(&mut self, expected: &[u8]) {
        self.flush_handshake().await;
        while self.input.len() < expected.len() && !self.eof {
            self.read().await;
        }
        let found = &self.input[..expected.len().min(self.input.len())];
        if found != expected {
            self.fail(&format!("bytes {found:02x?} came where {expected:02x?} were due"));
        }
        self.input.advance(expected.len());
        self.log.push(format!("< {} bytes", expected.len()));
    }

    /// The next message, or `None` if the connection has ended between two frames.
    ///
    /// # Panics
    /// If nothing comes within the patience, or something that is no message.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            let early = self.early.pop_front();
            if let Some(frame) = early.or_else(|| self.take_frame()) {
                self.flush_handshake().await;
                return Some(self.decode(frame));
            }
            self.flush_handshake().await;
            if self.eof {
                if !self.input.is_empty() {
                    self.fail(&format!("the end came inside a frame: {:02x?}", self.input));
                }
                self.log.push("< end".into());
                return None;
            }
            self.read().await;
        }
    }

    /// No message comes for so long. The end of the connection is a failure as well.
    ///
    /// # Panics
    /// If one comes.
    pub async fn expect_silence(&mut self, duration: Duration) {
        let patience = std::mem::replace(&mut self.patience, Duration::MAX);
        let next = tokio::time::timeout(duration, self.next()).await;
        self.patience = patience;
        if let Ok(next) = next {
            self.fail(&format!("{next:?} came where silence was due"));
        }
    }

    /// The connection ends, and nothing comes before. A reset is an end as well.
    ///
    /// # Panics
    /// If something comes, or if it does not end within the patience.
    pub async fn expect_closed(&mut self) {
        if let Some(message) = self.next().await {
            self.fail(&format!("{message:?} came where the end was due"));
        }
    }

    /// Everything that still comes, until the connection ends.
    ///
    /// # Panics
    /// If it does not end, with no more than the patience between two messages.
    pub async fn drain(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(message) = self.next().await {
            messages.push(message);
        }
        messages
    }

    /// Ends our side: the other one reads the end after what was said.
    pub async fn close(&mut self) {
        self.log.push("> end".into());
        // A connection that is gone already cannot be closed any better.
        let _ = self.io.shutdown().await;
    }

    /// The connection. What has been read from it and was not asked for is lost.
    pub fn into_io(self) -> S {
        self.io
    }

    /// Exchanges keys, if that is not done: `say` and `expect` do it when it is needed.
    ///
    /// # Panics
    /// If it fails.
    pub async fn handshake(&mut self) {
        self.flush_handshake().await;
        while !self.transport.is_open() {
            self.read().await;
            if self.eof {
                self.fail("the connection ended inside the key exchange");
            }
            // Frames may come right behind the keys.
            if let Some(frame) = self.take_frame() {
                self.early.push_back(frame);
            }
            self.flush_handshake().await;
        }
    }

    /// How long a single expectation may take. 30 s at first.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// The version in which messages are written and read; [`open`](Self::open) sets it. Lifts the
    /// limit of 1,024 bytes for what is read, as the end of an opening does.
    pub fn set_version(&mut self, agreed: u32) {
        self.agreed = agreed;
        self.transport.set_max_payload(MAX_PAYLOAD);
    }

    /// The version in which messages are written and read.
    #[must_use]
    pub const fn agreed(&self) -> u32 {
        self.agreed
    }

    /// The transport, to ask for what was negotiated.
    #[must_use]
    pub const fn transport(&self) -> &Transport<Kind> {
        &self.transport
    }

    /// How many bytes were written to the connection.
    #[must_use]
    pub const fn sent(&self) -> u64 {
        self.sent
    }

    /// How many bytes were read from the connection.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }
}
