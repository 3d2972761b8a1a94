//! The receive and send paths of every message alone, without a socket: ours beside crate
//! `bitcoin` 0.32.
//!
//! Receiving is from the bytes of one frame to a checked message: header, checksum or decryption,
//! validation. Sending is from a message to the bytes of one frame.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bitcoin::consensus::{deserialize, serialize};
use bitcoin::p2p::Magic;
use bitcoin::p2p::message::RawNetworkMessage;
use bytes::BytesMut;
use peerage::bitcoin::{Kind, Message, Network, V2};
use peerage_transport::Transport as Framing;
use peerage_wire::{Direction, MAX_PAYLOAD, Message as _, Payload, Rng, checksum};

use crate::report::{Bench, Row, Timed, Transport, allocations};
use crate::samples::{Sample, all};

/// What one read brings: frames are received in batches of so many bytes.
const READ: usize = 64 << 10;

const VERSION: u32 = 70_017;

pub(crate) fn run(bench: &Bench) {
    for sample in all() {
        for transport in Transport::BOTH {
            let case = format!("receive/{}", sample.name);
            if bench.wants("codec", &case, transport) {
                let mut path = Receiving::new(transport, &sample);
                measure(bench, ("ours", &case, transport), |ops| path.run(ops));
            }
            let case = format!("send/{}", sample.name);
            if bench.wants("codec", &case, transport) {
                let mut path = Sending::new(transport, &sample);
                measure(bench, ("ours", &case, transport), |ops| path.run(ops));
            }
        }
        theirs(bench, &sample);
    }
}

/// Crate `bitcoin`: read and write whole frames.
fn theirs(bench: &Bench, sample: &Sample) {
    let mut frame = Vec::new();
    let (_, mut framing) = pair(Transport::V1);
    framing.seal(sample.kind, &sample.payload, None, &mut frame);
    // What it cannot read, it has no figure for.
    let Ok(message) = deserialize::<RawNetworkMessage>(&frame) else { return };
    let case = format!("receive/{}", sample.name);
    if bench.wants("codec", &case, Transport::V1) {
        measure(bench, ("bitcoin-0.32", &case, Transport::V1), |ops| {
            repeat(ops, || drop(black_box(deserialize::<RawNetworkMessage>(black_box(&frame)))))
        });
    }
    let case = format!("send/{}", sample.name);
    if bench.wants("codec", &case, Transport::V1) {
        let magic = Magic::from_bytes(Network::regtest().magic);
        measure(bench, ("bitcoin-0.32", &case, Transport::V1), |ops| {
            repeat(ops, || {
                let message = RawNetworkMessage::new(magic, message.payload().clone());
                drop(black_box(serialize(&message)));
            })
        });
    }
}

fn repeat(ops: u64, mut run: impl FnMut()) -> Duration {
    let began = Instant::now();
    (0..ops).for_each(|_| run());
    began.elapsed()
}

/// Runs a path for a while and prints nanoseconds and allocations; `path` does so many and tells
/// the time that counts.
pub(crate) fn measure(
    bench: &Bench,
    (set, case, transport): (&str, &str, Transport),
    mut path: impl FnMut(u64) -> Duration,
) {
    let wanted = bench.seconds(0.08);
    let mut ops = 1;
    let mut took = path(ops);
    while took < wanted {
        ops = match took.as_nanos() {
            0 => ops * 16,
            nanos => {
                let more = wanted.as_nanos() * 11 / 10 * u128::from(ops) / nanos;
                u64::try_from(more).unwrap_or(u64::MAX).clamp(ops + 1, ops * 16)
            }
        };
        took = path(ops);
    }
    let counted = (ops / 10).clamp(8, 1_000);
    path(counted); // so that buffers have their size
    let allocs = allocations(|| {
        path(counted);
    });
    #[allow(clippy::cast_precision_loss)] // a count of operations, far below 2^52
    let timed = Timed { ops: ops as f64, seconds: took.as_secs_f64(), cpu_us_per_op: 0.0 };
    let ns = timed.seconds / timed.ops * 1e9;
    Row::new(set, case, transport, "time", ns, "ns")
        .with("cpu_us_per_op", ns / 1e3)
        .allocs(allocs, counted)
        .with("seconds", timed.seconds)
        .print();
}

/// From bytes to messages.
struct Receiving {
    sample: (Kind, bytes::Bytes),
    sealing: Framing<Kind>,
    opening: Framing<Kind>,
    sealed: Vec<u8>,
    input: BytesMut,
}

impl Receiving {
    fn new(transport: Transport, sample: &Sample) -> Self {
        let (sealing, opening) = pair(transport);
        let sample = (sample.kind, sample.payload.clone());
        Self { sample, sealing, opening, sealed: Vec::new(), input: BytesMut::new() }
    }

    fn run(&mut self, mut ops: u64) -> Duration {
        let mut took = Duration::ZERO;
        let (kind, payload) = self.sample.clone();
        while ops > 0 {
            self.sealed.clear();
            let mut frames = 0;
            while frames < ops && (frames == 0 || self.sealed.len() + payload.len() < READ) {
                self.sealing.seal(kind, &payload, None, &mut self.sealed);
                frames += 1;
            }
            self.input.reserve(self.sealed.len());
            self.input.extend_from_slice(&self.sealed);
            let began = Instant::now();
            for _ in 0..frames {
                let frame = self.opening.next_frame(&mut self.input).expect("we sealed it");
                let frame = frame.expect("all of it is there");
                let message = Message::decode(frame.kind, frame.payload, VERSION);
                drop(black_box(message.expect("a valid sample")));
            }
            took += began.elapsed();
            ops -= frames;
        }
        took
    }
}

/// From messages to bytes, as a caller and the driver do it.
struct Sending {
    message: Message,
    framing: Framing<Kind>,
    checksums: bool,
    scratch: Vec<u8>,
    out: Vec<u8>,
}

impl Sending {
    fn new(transport: Transport, sample: &Sample) -> Self {
        let message = Message::decode(sample.kind, sample.payload.clone(), VERSION);
        let message = message.unwrap_or_else(|error| panic!("{}: {error}", sample.name));
        let (framing, _) = pair(transport);
        let checksums = transport == Transport::V1;
        Self { message, framing, checksums, scratch: Vec::new(), out: Vec::new() }
    }

    fn run(&mut self, ops: u64) -> Duration {
        let began = Instant::now();
        for _ in 0..ops {
            if self.out.len() > READ {
                self.out.clear();
            }
            let mut scratch = std::mem::take(&mut self.scratch);
            let payload = Payload::encode::<peerage::bitcoin::Bitcoin>(
                black_box(&self.message),
                VERSION,
                &mut scratch,
            );
            let sum = if self.checksums { checksum(payload.as_slice()) } else { [0; 4] };
            let kind = peerage_wire::Message::kind(&self.message);
            match &payload {
                // v1 writes a large payload from where it lies.
                Payload::Shared(bytes) => {
                    let header = self.framing.seal_header(kind, bytes.len(), sum, &mut self.out);
                    if header.is_none() {
                        self.framing.seal(kind, bytes, None, &mut self.out);
                    }
                }
                Payload::Copied(bytes) => {
                    self.framing.seal(kind, bytes, Some(sum), &mut self.out);
                }
            }
            black_box(&self.out);
            drop(payload);
            self.scratch = scratch;
        }
        began.elapsed()
    }
}

/// Two ends that can seal and open.
fn pair(transport: Transport) -> (Framing<Kind>, Framing<Kind>) {
    pair_of(transport, 1)
}

/// The same, with keys and garbage that follow from this seed.
pub(crate) fn pair_of(transport: Transport, seed: u64) -> (Framing<Kind>, Framing<Kind>) {
    let policy = match transport {
        Transport::V1 => V2::Off,
        Transport::V2 => V2::Required,
    };
    let magic = Network::regtest().magic;
    let new = |direction, end| {
        let mut bytes = [end; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Framing::<Kind>::new(direction, magic, policy, None, Rng::from_seed(bytes))
    };
    let (mut ours, mut theirs) = (new(Direction::Outbound, 1), new(Direction::Inbound, 2));
    let (mut sent, mut to_them, mut to_us) = (Vec::new(), BytesMut::new(), BytesMut::new());
    for _ in 0..2 {
        ours.take_handshake(&mut sent);
        to_them.extend_from_slice(&std::mem::take(&mut sent));
        assert!(theirs.next_frame(&mut to_them).expect("an opening").is_none());
        theirs.take_handshake(&mut sent);
        to_us.extend_from_slice(&std::mem::take(&mut sent));
        assert!(ours.next_frame(&mut to_us).expect("an opening").is_none());
    }
    theirs.set_max_payload(MAX_PAYLOAD);
    (ours, theirs)
}
