//! Frames one way between two threads, which are as many as our runtime has workers: encoded one by one into a buffer of 64 KiB, written when it
//! is full; every frame is checked, and its contents looked at.

use std::hint::black_box;
use std::io::{IoSlice, Read as _, Write as _};
use std::thread;
use std::time::Duration;
use std::time::Instant;

use super::pair;
use super::wire::{Input, Message, V1, V2, Wire, sha256d};
use crate::messages::{FLOODED, block, flooded, payload};
use crate::report::{Bench, Meter, Row, Timed, Transport};

const BATCH: usize = 64 << 10;
const READ: usize = 256 << 10;

pub(crate) fn run(bench: &Bench) {
    for transport in Transport::BOTH {
        for name in FLOODED {
            let case = format!("flood/{name}");
            if !bench.wants("limit", &case, transport) {
                continue;
            }
            let time = bench.seconds(1.0);
            let timed = match (transport, name) {
                (Transport::V1, "block") => blocks(time),
                (Transport::V1, _) => frames(V1, V1, name, time),
                (Transport::V2, _) => frames(V2::known(), V2::known(), name, time),
            };
            let len = u32::try_from(message(name).payload.len()).expect("below 4 MB");
            Row::rate("limit", &case, transport, timed, "messages/s")
                .with("mb_per_s", timed.rate() * f64::from(len) / 1e6)
                .print();
        }
    }
}

fn message(name: &str) -> &'static Message {
    let id = match name {
        "inv" => 14,
        "tx" => 21,
        "block" => 2,
        "headers" => 13,
        _ => 1,
    };
    Message::leak(name, id, payload(&flooded(name)))
}

fn frames(mut seal: impl Wire, mut open: impl Wire, name: &str, time: Duration) -> Timed {
    let message = message(name);
    let look = look_at(name);
    let (mut ours, mut theirs) = pair();
    let meter = Meter::start();
    let sender = thread::spawn(move || {
        let until = Instant::now() + time;
        let mut out = Vec::with_capacity(BATCH + message.payload.len() + 64);
        while Instant::now() < until {
            while out.len() < BATCH {
                seal.seal(&mut out, black_box(message));
            }
            ours.write_all(&out).expect("somebody reads");
            out.clear();
        }
    });
    let mut input = Input::new(READ.max(message.payload.len() + 64));
    let mut count = 0;
    while input.read(&mut theirs).expect("somebody writes") {
        count += input.frames(&mut open, |said| look(said.payload));
    }
    sender.join().expect("no panic");
    meter.stop(count)
}

/// v1 blocks: header and payload with one vectored write, the payload not copied; the receiver
/// reads into a buffer of the payload's size.
fn blocks(time: Duration) -> Timed {
    let message = message("block");
    let (mut ours, mut theirs) = pair();
    let meter = Meter::start();
    let sender = thread::spawn(move || {
        let until = Instant::now() + time;
        while Instant::now() < until {
            let header = V1::header(black_box(message));
            let slices = [IoSlice::new(&header), IoSlice::new(&message.payload)];
            let written = ours.write_vectored(&slices).expect("somebody reads");
            // The header is small enough to leave at once.
            ours.write_all(&message.payload[written - header.len()..]).expect("somebody reads");
        }
    });
    let mut payload = vec![0; block().len()];
    let (mut header, mut count) = ([0; 24], 0);
    while theirs.read_exact(&mut header).is_ok() {
        theirs.read_exact(&mut payload).expect("a whole block");
        assert_eq!(sha256d(&payload)[..4], header[20..]);
        look_at("block")(&payload);
        count += 1;
    }
    sender.join().expect("no panic");
    meter.stop(count)
}

/// What a receiver must at least look at to know that a payload is sound.
fn look_at(name: &str) -> fn(&[u8]) {
    match name {
        "block" => |payload| drop(black_box(walk_block(payload).expect("a sound block"))),
        "headers" => |payload| {
            assert!(payload[3..].chunks_exact(81).all(|header| header[80] == 0));
        },
        "addr" => |payload| assert_eq!(payload[3..].chunks_exact(30).count(), 1_000),
        _ => |payload| {
            black_box(payload);
        },
    }
}

/// Checks a block's structure; returns where its transactions begin.
fn walk_block(bytes: &[u8]) -> Option<Vec<usize>> {
    let mut walk = Walk { bytes, at: 80 };
    let count = walk.count()?;
    let mut starts = Vec::with_capacity(count.min(bytes.len() / 60));
    for _ in 0..count {
        starts.push(walk.at);
        walk.skip(4)?;
        let witness = *bytes.get(walk.at)? == 0;
        if witness {
            walk.skip(2)?;
        }
        let inputs = walk.count()?;
        for _ in 0..inputs {
            walk.skip(36)?;
            walk.skip_bytes()?;
            walk.skip(4)?;
        }
        for _ in 0..walk.count()? {
            walk.skip(8)?;
            walk.skip_bytes()?;
        }
        if witness {
            for _ in 0..inputs {
                for _ in 0..walk.count()? {
                    walk.skip_bytes()?;
                }
            }
        }
        walk.skip(4)?;
    }
    (walk.at == bytes.len()).then_some(starts)
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Walk<'_> {
    fn count(&mut self) -> Option<usize> {
        let rest = self.bytes.get(self.at..)?;
        let (len, count) = match *rest.first()? {
            0xff => return None, // no block has so many of anything
            0xfe => (5, u32::from_le_bytes(*rest.get(1..)?.first_chunk::<4>()?) as usize),
            0xfd => (3, usize::from(u16::from_le_bytes(*rest.get(1..)?.first_chunk::<2>()?))),
            small => (1, usize::from(small)),
        };
        self.at += len;
        Some(count)
    }

    fn skip(&mut self, len: usize) -> Option<()> {
        if len > self.bytes.len() - self.at {
            return None;
        }
        self.at += len;
        Some(())
    }

    fn skip_bytes(&mut self) -> Option<()> {
        let len = self.count()?;
        self.skip(len)
    }
}
