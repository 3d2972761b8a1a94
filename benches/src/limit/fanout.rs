//! A hundred announcements of a thousand entries to a hundred sockets: each encoded and hashed
//! once; one thread writes, one reads all sockets and checks every frame. And one block to them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;

use rustix::event::epoll;

use super::pair;
use super::wire::{Input, Message, V1, Wire};
use crate::fanout::{ENTRIES, PEERS};
use crate::messages::{flooded, inventory, payload};
use crate::report::{Bench, Meter, Row, Timed, Transport};

pub(crate) fn run(bench: &Bench) {
    if bench.wants("limit", "fanout/ready-made", Transport::V1) {
        let frame = frame("inv", payload(&peerage::bitcoin::Message::Inv(inventory(1_000))));
        let times = u64::from(ENTRIES) / 1_000 * bench.count(3);
        let timed = fan_out(&frame, times);
        let timed = Timed {
            ops: timed.ops * 1_000.0,
            cpu_us_per_op: timed.cpu_us_per_op / 1_000.0,
            ..timed
        };
        Row::rate("limit", "fanout/ready-made", Transport::V1, timed, "entries/s").print();
    }
    if bench.wants("limit", "fanout/block", Transport::V1) {
        let timed = fan_out(&frame("block", payload(&flooded("block"))), bench.count(10));
        Row::rate("limit", "fanout/block", Transport::V1, timed, "blocks/s").print();
    }
}

fn frame(name: &str, payload: Vec<u8>) -> Vec<u8> {
    let mut frame = Vec::new();
    V1.seal(&mut frame, Message::leak(name, 0, payload));
    frame
}

/// Sends a frame so many times to every socket.
fn fan_out(frame: &[u8], times: u64) -> Timed {
    let (mut senders, mut receivers) = (Vec::new(), Vec::new());
    for _ in 0..PEERS {
        let (ours, theirs) = pair();
        theirs.set_nonblocking(true).expect("a socket");
        senders.push(ours);
        receivers.push((theirs, Input::new(256 << 10)));
    }
    let total = PEERS * times;
    let meter = Meter::start();
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..times {
                for sender in &mut senders {
                    sender.write_all(frame).expect("somebody reads");
                }
            }
        });
        receive(&mut receivers, total);
    });
    meter.stop(total)
}

fn receive(receivers: &mut [(TcpStream, Input)], total: u64) {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("a file");
    for (number, (stream, _)) in receivers.iter().enumerate() {
        let data = epoll::EventData::new_u64(number as u64);
        epoll::add(&poll, stream, data, epoll::EventFlags::IN).expect("a socket");
    }
    let mut events = Vec::with_capacity(64);
    let mut count = 0;
    while count < total {
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None).expect("sockets");
        for event in events.drain(..) {
            let number = usize::try_from(event.data.u64()).expect("it is an index");
            let (stream, input) = &mut receivers[number];
            if let Ok(read) = stream.read(input.room()) {
                input.filled(read);
                count += input.frames(&mut V1, |payload| {
                    std::hint::black_box(payload);
                });
            }
        }
    }
}
