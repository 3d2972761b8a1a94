//! One connection's transport: decides for a version, then is v1 or v2.

use std::fmt;

use bytes::{Bytes, BytesMut};
use peerage_wire::{Direction, FramedKind, HEADER_LEN, MAX_OPENING_PAYLOAD, Rng, checksum};

use crate::detect::{Detector, Verdict};
use crate::v1::Framing;
use crate::v2::{Handshake, Session};
use crate::{Admit, TransportError};

/// Whether v2 (BIP324) is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum V2 {
    /// Only v2: v1 peers are refused.
    Required,
    /// v2 where the remote speaks it, else v1: what Bitcoin Core does.
    #[default]
    Preferred,
    /// Only v1.
    Off,
}

/// A frame received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame<K> {
    /// Which message. A v2 packet with a one-byte id that no kind has gets the kind of the unknown
    /// command `id-N`, N being that id in decimal.
    pub kind: K,
    /// Its payload: a slice of the buffer in which it arrived.
    pub payload: Bytes,
    /// What it took on the wire, in bytes: 24 more than the payload in v1, 21 or 33 more in v2.
    pub wire_len: usize,
    /// The payload's double SHA-256, in v1: its checksum is the beginning of it.
    pub payload_hash: Option<[u8; 32]>,
}

/// A frame of which a part is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arriving<K> {
    /// Which message; `None` in v2, which hides it until the packet is whole.
    pub kind: Option<K>,
    /// What it will have taken on the wire, in bytes.
    pub wire_len: usize,
}

/// What a connection has come to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Negotiated {
    /// Plain text.
    V1 {
        /// Whether v2 was tried first, on a connection that the remote ended.
        after_v2: bool,
    },
    /// Encrypted (BIP324).
    V2 {
        /// The same on both ends, if nobody sits between them: users may compare it.
        session_id: [u8; 32],
    },
    /// gRPC over HTTP/2, whose bytes are none of this crate's.
    Grpc {
        /// Whether the remote takes compressed messages.
        gzip: bool,
    },
}

impl fmt::Display for Negotiated {
    /// `v1`, `v1 after v2`, `v2` or `gRPC`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 { after_v2: false } => "v1",
            Self::V1 { after_v2: true } => "v1 after v2",
            Self::V2 { .. } => "v2",
            Self::Grpc { .. } => "gRPC",
        })
    }
}

/// Frames to bytes and back, for one connection.
///
/// The crate's page tells the contract. The payload limit begins at [`MAX_OPENING_PAYLOAD`].
pub struct Transport<K> {
    state: State<K>,
    magic: [u8; 4],
    max_payload: usize,
    /// Handshake bytes that nobody has taken yet.
    outgoing: Vec<u8>,
    overhead_sent: u64,
    received_any: bool,
    failed: Option<TransportError>,
}

/// ```text
///   inbound ──► Detecting ──16 equal──► V1 ◄── policy Off, or downgraded
///                   └── a difference ─► Handshake ── their key ──► V2
///   outbound ───────────────────────────────┘
/// ```
enum State<K> {
    Detecting(Box<Detector>),
    V1 { framing: Framing<K>, after_v2: bool },
    Handshake(Box<Handshake>),
    V2(Box<Session>),
}

impl<K: FramedKind> Transport<K> {
    /// The transport of a connection in a network with this magic.
    ///
    /// Unless v2 is [`Off`](V2::Off), whoever dials speaks v2 at once (which computes a key, about
    /// 40 µs), and whoever is dialled waits for the first bytes that are not v1's. `admit` is asked
    /// only on inbound connections. `rng` gives key and garbage.
    #[must_use]
    pub fn new(
        direction: Direction,
        magic: [u8; 4],
        policy: V2,
        admit: Option<Admit>,
        mut rng: Rng,
    ) -> Self {
        let mut outgoing = Vec::new();
        let state = match (policy, direction) {
            (V2::Off, _) => State::V1 { framing: Framing::new(magic), after_v2: false },
            (_, Direction::Inbound) => {
                State::Detecting(Box::new(Detector::new(policy, admit, rng)))
            }
            (_, Direction::Outbound) => State::Handshake(Box::new(
                Handshake::start(direction, None, &mut rng, &mut outgoing)
                    .expect("nobody is asked who could refuse"),
            )),
        };
        Self::with_state(state, magic, outgoing)
    }

    /// v1 for a second attempt, after the remote ended the first one without a byte in answer to
    /// our v2 key: it differs in what [`negotiated`](Self::negotiated) tells.
    #[must_use]
    pub fn downgraded(magic: [u8; 4]) -> Self {
        let state = State::V1 { framing: Framing::new(magic), after_v2: true };
        Self::with_state(state, magic, Vec::new())
    }

    /// Appends to `out` what the transport itself has to send: key, garbage, terminator, version
    /// packet. To be called after [`new`](Self::new) and after each [`next_frame`](Self::next_frame),
    /// and what it gives is to be written without waiting for more.
    pub fn take_handshake(&mut self, out: &mut Vec<u8>) {
        if !self.outgoing.is_empty() {
            self.overhead_sent += self.outgoing.len() as u64;
            out.append(&mut std::mem::take(&mut self.outgoing));
        }
    }

    /// Whether frames can be sealed. v2 need not wait for the remote's version packet for that.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::V1 { .. } | State::V2(_))
    }

    /// What is spoken, once it is decided and, in v2, once keys are exchanged.
    #[must_use]
    pub fn negotiated(&self) -> Option<Negotiated> {
        match &self.state {
            State::V1 { after_v2, .. } => Some(Negotiated::V1 { after_v2: *after_v2 }),
            State::V2(session) => Some(Negotiated::V2 { session_id: session.session_id() }),
            State::Detecting(_) | State::Handshake(_) => None,
        }
    }

    /// Sets the largest payload to accept, in bytes; a kind's own cap may be lower. Above
    /// [`MAX_OPENING_PAYLOAD`] the opening counts as done, and decoys are no longer limited.
    pub fn set_max_payload(&mut self, bytes: usize) {
        self.max_payload = bytes;
    }

    /// Takes the next frame from the front of `input`, together with any handshake bytes and
    /// decoys before it; `None` if more bytes must arrive.
    ///
    /// Nothing is copied: v2 decrypts in place and the payload is split off `input`. What an
    /// unfinished frame has left in `input` must stay there, and must not be changed.
    ///
    /// # Errors
    /// Why there will be no further frame. The error is final.
    pub fn next_frame(&mut self, input: &mut BytesMut) -> Result<Option<Frame<K>>, TransportError> {
        self.received_any |= !input.is_empty();
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.advance(input);
        if let Err(error) = &result {
            self.failed = Some(error.clone());
        }
        result
    }

    /// How many bytes, at least, must be in `input` before [`next_frame`](Self::next_frame) can give
    /// anything more than it did last time (called before, it hashes ahead what has arrived).
    /// Growing a buffer to that size is always safe: it is bounded by the payload limit.
    #[must_use]
    pub fn need(&self) -> usize {
        match &self.state {
            State::Detecting(detector) => detector.need(),
            State::V1 { framing, .. } => framing.need(),
            State::Handshake(handshake) => handshake.need(),
            State::V2(session) => session.need(),
        }
    }

    /// The frame that is arriving, once its length is known.
    #[must_use]
    pub fn arriving(&self) -> Option<Arriving<K>> {
        let (kind, wire_len) = match &self.state {
            State::V1 { framing, .. } => {
                framing.arriving().map(|(kind, wire_len)| (Some(kind), wire_len))?
            }
            State::V2(session) => (None, session.arriving()?),
            State::Detecting(_) | State::Handshake(_) => return None,
        };
        Some(Arriving { kind, wire_len })
    }

    /// Whether any byte has been received: then the remote answered, and dialling again with v1
    /// would be a downgrade that anyone between us could force.
    #[must_use]
    pub fn received_any(&self) -> bool {
        self.received_any
    }

    /// Bytes received that were part of no frame: key, garbage, terminator, version packet, decoys.
    /// With the frames' `wire_len` they add up to what has been taken from the wire.
    #[must_use]
    pub fn overhead_received(&self) -> u64 {
        match &self.state {
            State::V2(session) => session.overhead(),
            State::Detecting(_) | State::V1 { .. } | State::Handshake(_) => 0,
        }
    }

    /// Bytes given out by [`take_handshake`](Self::take_handshake) and [`decoy`](Self::decoy).
    #[must_use]
    pub fn overhead_sent(&self) -> u64 {
        self.overhead_sent
    }

    /// How long a frame of this kind and payload is on the wire, in bytes. A transport that has not
    /// decided yet answers for v1.
    #[must_use]
    pub fn wire_len(&self, kind: K, payload_len: usize) -> usize {
        match self.state {
            State::Detecting(_) | State::V1 { .. } => HEADER_LEN + payload_len,
            State::Handshake(_) | State::V2(_) => Session::wire_len(kind, payload_len),
        }
    }

    /// Appends a frame to `out` and returns its length on the wire. What
    /// [`take_handshake`](Self::take_handshake) would still give goes before it.
    ///
    /// v1 needs the payload's [`checksum`], which is computed here if it is `None`; v2 needs none.
    ///
    /// # Panics
    /// If the transport is not [open](Self::is_open), or if the payload is above every cap: 4 GiB
    /// in v1, 16 MiB in v2.
    pub fn seal(
        &mut self,
        kind: K,
        payload: &[u8],
        payload_checksum: Option<[u8; 4]>,
        out: &mut Vec<u8>,
    ) -> usize {
        self.take_handshake(out);
        let before = out.len();
        match &mut self.state {
            State::V1 { framing, .. } => {
                let sum = payload_checksum.unwrap_or_else(|| checksum(payload));
                framing.put_header(kind, payload.len(), sum, out);
                out.extend_from_slice(payload);
            }
            State::V2(session) => session.seal(kind, payload, out),
            State::Detecting(_) | State::Handshake(_) => panic!("{NOT_OPEN}"),
        }
        out.len() - before
    }

    /// In v1, appends the header of a frame of `len` bytes to `out` and returns the whole frame's
    /// length on the wire: the payload is then written right behind it, from where it lies. In v2,
    /// which must encrypt it, does nothing and returns `None`.
    ///
    /// # Panics
    /// As [`seal`](Self::seal) does.
    pub fn seal_header(
        &mut self,
        kind: K,
        len: usize,
        checksum: [u8; 4],
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        match &mut self.state {
            State::V1 { framing, .. } => {
                framing.put_header(kind, len, checksum, out);
                Some(HEADER_LEN + len)
            }
            State::V2(_) => None,
            State::Detecting(_) | State::Handshake(_) => panic!("{NOT_OPEN}"),
        }
    }

    /// Appends a v2 packet that the remote ignores, to hide from observers how much is said, and
    /// returns its length on the wire: 20 more than `contents`. v1 has nothing like it: 0.
    ///
    /// # Panics
    /// As [`seal`](Self::seal) does.
    pub fn decoy(&mut self, contents: &[u8], out: &mut Vec<u8>) -> usize {
        self.take_handshake(out);
        let before = out.len();
        match &mut self.state {
            State::V1 { .. } => {}
            State::V2(session) => session.seal_decoy(contents, out),
            State::Detecting(_) | State::Handshake(_) => panic!("{NOT_OPEN}"),
        }
        self.overhead_sent += (out.len() - before) as u64;
        out.len() - before
    }

    fn with_state(state: State<K>, magic: [u8; 4], outgoing: Vec<u8>) -> Self {
        Self {
            state,
            magic,
            max_payload: MAX_OPENING_PAYLOAD,
            outgoing,
            overhead_sent: 0,
            received_any: false,
            failed: None,
        }
    }

    fn advance(&mut self, input: &mut BytesMut) -> Result<Option<Frame<K>>, TransportError> {
        loop {
            self.state = match &mut self.state {
                State::V1 { framing, .. } => {
                    return Ok(framing.next_frame(input, self.max_payload)?);
                }
                State::V2(session) => return session.next_frame(input, self.max_payload),
                State::Handshake(handshake) => {
                    match handshake.receive_key(self.magic, input, &mut self.outgoing)? {
                        Some(session) => State::V2(Box::new(session)),
                        None => return Ok(None),
                    }
                }
                State::Detecting(detector) => match detector.decide(self.magic, input) {
                    None => return Ok(None),
                    Some(Verdict::V1) if detector.policy == V2::Required => {
                        return Err(TransportError::V1Refused);
                    }
                    Some(Verdict::V1) => {
                        State::V1 { framing: Framing::new(self.magic), after_v2: false }
                    }
                    Some(Verdict::V2) => State::Handshake(Box::new(Handshake::start(
                        Direction::Inbound,
                        detector.admit.take(),
                        &mut detector.rng,
                        &mut self.outgoing,
                    )?)),
                },
            };
        }
    }
}

impl<K> fmt::Debug for Transport<K> {
    /// Shows the state and no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Detecting(_) => "detecting",
            State::V1 { .. } => "v1",
            State::Handshake(_) => "v2 handshake",
            State::V2(_) => "v2",
        };
        f.debug_struct("Transport")
            .field("state", &state)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

const NOT_OPEN: &str = "frames are sealed only after `is_open`";
