//! The v2 transport, with the session of the crate `bip324` at the other end.
//!
//! The other session knows the keys, so what it encrypts gets past the authentication: headers,
//! message types, lengths and decoys are the fuzzer's. That makes these targets the differential
//! ones against `bip324` as well.

use bip324::{CipherSession, FillBytes, GarbageResult, Handshake, PacketType, Role, VersionResult};
use peerage_transport::{Negotiated, Transport, TransportError, V2};
use peerage_wire::{
    Command, Direction, FramedKind as _, Kind as _, MAX_OPENING_PAYLOAD, MAX_PAYLOAD, Malformed,
    Rng, Violation,
};
use peerage_wire_bitcoin::{Kind, Network};
use secp256k1::{All, Secp256k1};
use std::sync::LazyLock;

use crate::input::{Input, Pieces};
use crate::receiver::Receiver;

/// We dial.
pub fn v2_initiator(data: &[u8]) {
    converse(Direction::Outbound, data);
}

/// We are dialled.
pub fn v2_responder(data: &[u8]) {
    converse(Direction::Inbound, data);
}

/// Bytes without keys, at either end and with either policy: in pieces they mean the same as at
/// once, and no frame ever comes out of v2.
pub fn v2_raw(data: &[u8]) {
    let mut input = Input::new(data);
    let mode = input.u8();
    let mut pieces = Pieces::new(input.u8());
    let direction = if mode & 1 == 0 { Direction::Inbound } else { Direction::Outbound };
    let policy = if mode & 2 == 0 { V2::Preferred } else { V2::Required };
    let mut bytes = Vec::new();
    if mode & 4 != 0 {
        bytes.extend_from_slice(&Network::regtest().magic);
        bytes.extend_from_slice(b"version\0\0\0\0\0");
        bytes.truncate(usize::from(mode >> 4) + 1);
    }
    bytes.extend_from_slice(&input.padded_block());
    bytes.extend_from_slice(input.rest());

    let mut whole = Receiver::new(|| transport(direction, policy, mode), usize::MAX);
    whole.feed(&bytes, &mut Pieces::whole());
    let mut in_pieces = Receiver::new(|| transport(direction, policy, mode), usize::MAX);
    in_pieces.feed(&bytes, &mut pieces);
    assert_eq!(whole.frames, in_pieces.frames);
    assert_eq!(whole.error, in_pieces.error);
    assert_eq!(whole.said, in_pieces.said);
    let v1 = matches!(whole.transport.negotiated(), Some(Negotiated::V1 { .. }));
    assert!(v1 || whole.frames.is_empty(), "nobody without keys can forge a packet");
    assert!(!v1 || (policy == V2::Preferred && direction == Direction::Inbound));
}

fn transport(direction: Direction, policy: V2, seed: u8) -> Transport<Kind> {
    let rng = Rng::from_seed([seed; 32]);
    Transport::new(direction, Network::regtest().magic, policy, None, rng)
}

/// Opens a session and says what the fuzzer wants; whatever arrives must be what was said.
fn converse(direction: Direction, data: &[u8]) {
    let mut input = Input::new(data);
    let (seed, pieces) = (input.u8(), Pieces::new(input.u8()));
    let open_after = usize::from(input.u8());
    let make = || transport(direction, V2::Preferred, seed % 8);
    let receiver = Receiver::new(make, open_after);
    let mut talk =
        Talk { receiver, pieces, open_after, said: Vec::new(), decoys: 0, broken: false };
    let Some(mut session) = talk.open(direction, &mut input) else { return };
    while !input.is_empty() && talk.receiver.error.is_none() {
        talk.step(&mut session, &mut input);
    }
}

/// A conversation.
struct Talk {
    receiver: Receiver,
    pieces: Pieces,
    open_after: usize,
    /// Contents of genuine packets that are messages.
    said: Vec<Vec<u8>>,
    decoys: usize,
    /// Bytes were sent that nobody can authenticate.
    broken: bool,
}

impl Talk {
    /// The handshake; `None` if the fuzzer has broken it.
    fn open(&mut self, direction: Direction, input: &mut Input<'_>) -> Option<CipherSession> {
        let role = match direction {
            Direction::Outbound => Role::Responder,
            Direction::Inbound => Role::Initiator,
        };
        let magic = Network::regtest().magic;
        let key_seed = input.u8();
        let garbage_len = usize::from(input.u16()) % 4_096;
        let filler = input.block();
        let garbage: Vec<u8> =
            filler.iter().copied().chain([0x5a]).cycle().take(garbage_len).collect();
        let decoys: Vec<&[u8]> = (0..input.u8() % 4).map(|_| input.block()).collect();
        let intruder = if input.u8() == 255 { input.padded_block() } else { Vec::new() };
        let flip = if input.u8() == 255 { Some(usize::from(input.u16())) } else { None };

        let theirs = Handshake::new_with_rng(magic, role, &mut Seed(key_seed), &*CURVE)
            .expect("these seeds are keys");
        let mut key = vec![0; 64 + garbage.len()];
        let theirs =
            theirs.send_key(Some(&garbage), &mut key).expect("the garbage is not too long");
        self.receiver.feed(&key, &mut self.pieces);
        assert_eq!(self.receiver.error, None, "64 bytes are always a key");
        assert!(self.receiver.transport.is_open());

        let ours = self.receiver.said.clone();
        let (our_key, rest) = ours.split_first_chunk::<64>().expect("the key goes out first");
        let theirs = theirs.receive_key(*our_key).expect("our key is no v1 header");
        let mut bytes =
            vec![0; 16 + 20 + decoys.iter().map(|decoy| decoy.len() + 20).sum::<usize>()];
        let theirs = theirs.send_version(&mut bytes, Some(&decoys)).expect("the buffer is right");
        if let Some(byte) = flip.and_then(|place| bytes.get_mut(place)) {
            *byte ^= 1;
            self.broken = true;
        }
        if !intruder.is_empty() {
            bytes.splice(0..0, intruder);
            self.broken = true;
        }
        self.receiver.feed(&bytes, &mut self.pieces);
        if self.broken {
            // Nothing is authentic behind it, whatever comes.
            assert_eq!(self.receiver.frames, []);
            return None;
        }
        let refused = decoys.iter().find_map(|decoy| self.ignore(decoy));
        assert_eq!(self.receiver.error, refused);
        let session = finish(theirs, rest);
        let negotiated = self.receiver.transport.negotiated();
        assert_eq!(negotiated, Some(Negotiated::V2 { session_id: *session.id() }));
        Some(session)
    }

    fn step(&mut self, session: &mut CipherSession, input: &mut Input<'_>) {
        match input.u8() % 8 {
            0 | 1 => self.packet(session, &input.padded_block()),
            2 | 3 => {
                let (kind, payload) = (input.kind(), input.padded_block());
                let contents = match kind.policy().short_id.filter(|_| input.flag()) {
                    Some(id) => [&[id][..], &payload].concat(),
                    None => [&[0][..], &kind.command().to_bytes(), &payload].concat(),
                };
                self.packet(session, &contents);
            }
            4 => self.decoy(session, &input.padded_block()),
            5 => {
                let bytes = input.block();
                self.broken |= !bytes.is_empty();
                let frames = self.receiver.frames.len();
                self.receiver.feed(bytes, &mut self.pieces);
                assert_eq!(self.receiver.frames.len(), frames, "nobody without keys speaks");
            }
            _ => self.answer(session, input),
        }
    }

    /// They send a packet with these contents.
    fn packet(&mut self, session: &mut CipherSession, contents: &[u8]) {
        if contents.len() >= 1 << 24 {
            return;
        }
        let bytes = session.outbound().encrypt_to_vec(contents, PacketType::Genuine, None);
        let open = self.receiver.frames.len() >= self.open_after;
        let before = self.receiver.frames.len();
        self.receiver.feed(&bytes, &mut self.pieces);
        if self.broken {
            assert_eq!(self.receiver.frames.len(), before, "a stream that is broken stays so");
            return;
        }
        match meaning(contents, if open { MAX_PAYLOAD } else { MAX_OPENING_PAYLOAD }) {
            Ok((kind, payload)) => {
                assert_eq!(self.receiver.error, None, "{kind}");
                self.said.push(contents.to_vec());
                let frame = self.receiver.frames.last().expect("it has come");
                assert_eq!(self.receiver.frames.len(), before + 1);
                assert_eq!((frame.kind, &frame.payload[..]), (kind, payload));
                assert_eq!(frame.wire_len, bytes.len());
            }
            Err(refused) => assert_eq!(self.receiver.error, Some(refused.into())),
        }
    }

    /// They send a packet to be ignored.
    fn decoy(&mut self, session: &mut CipherSession, contents: &[u8]) {
        let bytes = session.outbound().encrypt_to_vec(contents, PacketType::Decoy, None);
        let frames = self.receiver.frames.len();
        self.receiver.feed(&bytes, &mut self.pieces);
        assert_eq!(self.receiver.frames.len(), frames);
        if self.broken {
            return;
        }
        let refused = self.ignore(contents);
        assert_eq!(self.receiver.error, refused);
    }

    /// What the text says of a decoy with these contents.
    fn ignore(&mut self, contents: &[u8]) -> Option<TransportError> {
        let open = self.receiver.frames.len() >= self.open_after;
        let max = if open { MAX_PAYLOAD } else { MAX_OPENING_PAYLOAD };
        if contents.len() > max + 13 {
            return Some(too_large(Command::default(), contents.len(), max + 13).into());
        }
        self.decoys += if open { 0 } else { contents.len() + 20 };
        let max = 16 << 10;
        (self.decoys > max && !open).then_some(Violation::DecoyFlood { max }.into())
    }

    /// We send a message or a decoy, which they must read.
    fn answer(&mut self, session: &mut CipherSession, input: &mut Input<'_>) {
        let (kind, payload, decoy) = (input.kind(), input.padded_block(), input.flag());
        let (mut bytes, transport) = (Vec::new(), &mut self.receiver.transport);
        let contents = match kind.policy().short_id {
            _ if decoy => payload.clone(),
            Some(id) => [&[id][..], &payload].concat(),
            None => [&[0][..], &kind.command().to_bytes(), &payload].concat(),
        };
        let len = match decoy {
            true => transport.decoy(&payload, &mut bytes),
            false => transport.seal(kind, &payload, None, &mut bytes),
        };
        assert_eq!(len, bytes.len());
        assert!(decoy || len == transport.wire_len(kind, payload.len()));
        let (length, packet) = bytes.split_first_chunk_mut::<3>().expect("a packet has a length");
        assert_eq!(session.inbound().decrypt_packet_len(*length), packet.len());
        let (packet_type, read) =
            session.inbound().decrypt_in_place(packet, None).expect("it is authentic");
        assert_eq!(matches!(packet_type, PacketType::Decoy), decoy);
        assert_eq!(read[1..], contents);
    }
}

/// They read our garbage and our version packet.
fn finish(theirs: Handshake<bip324::SentVersion>, ours: &[u8]) -> CipherSession {
    let found = theirs.receive_garbage(ours).expect("there is a terminator");
    let GarbageResult::FoundGarbage { mut handshake, consumed_bytes } = found else {
        panic!("our terminator is not where they look for it");
    };
    let (length, packet) =
        ours[consumed_bytes..].split_first_chunk::<3>().expect("a version packet");
    let len = handshake.decrypt_packet_len(*length).expect("it is a packet");
    assert_eq!(len, packet.len(), "we send nothing behind it");
    match handshake.receive_version(&mut packet.to_vec()).expect("our version packet is authentic")
    {
        VersionResult::Complete { cipher } => cipher,
        VersionResult::Decoy(_) => panic!("we send no decoys"),
    }
}

/// What the contents of a packet mean, by the text of BIP324.
fn meaning(contents: &[u8], max: usize) -> Result<(Kind, &[u8]), Malformed> {
    if contents.len() > max + 13 {
        return Err(too_large(Command::default(), contents.len(), max + 13));
    }
    let (kind, payload) = match contents {
        [] => return Err(Malformed::EmptyPacket),
        [0, rest @ ..] => {
            let (command, payload) = rest.split_first_chunk().ok_or(Malformed::BadCommand)?;
            (Kind::from_command(Command::from_bytes(*command)?), payload)
        }
        [id, payload @ ..] => {
            let known = Kind::ALL.iter().find(|kind| kind.policy().short_id == Some(*id));
            let unknown = || Kind::Unknown(Command::new(&format!("id-{id}")));
            (known.copied().unwrap_or_else(unknown), payload)
        }
    };
    let cap = kind.policy().cap.min(max);
    if payload.len() > cap {
        Err(too_large(kind.command(), payload.len(), cap))
    } else {
        Ok((kind, payload))
    }
}

fn too_large(command: Command, len: usize, max: usize) -> Malformed {
    Malformed::TooLarge { command: command.into(), len: len as u64, max: max as u64 }
}

/// A key that is always the same.
struct Seed(u8);

impl FillBytes for Seed {
    fn fill_bytes(&mut self, bytes: &mut [u8; 32]) {
        bytes.fill(self.0 % 8 + 1);
    }
}

static CURVE: LazyLock<Secp256k1<All>> = LazyLock::new(Secp256k1::new);
