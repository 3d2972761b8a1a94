//! A hundred announcements of a thousand entries to a hundred sockets: each encoded and hashed
//! once (in v2: encrypted for each); one thread writes, one reads all sockets and checks every frame,
//! which are as many threads as our runtime has workers. And one block to them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;

use rustix::event::epoll;

use super::pair;
use super::wire::{Input, Message, V1, V2, Wire};
use crate::fanout::{ENTRIES, PEERS};
use crate::messages::{flooded, inventory, payload};
use crate::report::{Bench, Meter, Row, Timed, Transport};

pub(crate) fn run(bench: &Bench) {
    for transport in Transport::BOTH {
        if bench.wants("limit", "fanout/ready-made", transport) {
            let inventory = payload(&peerage::bitcoin::Message::Inv(inventory(1_000)));
            let times = u64::from(ENTRIES) / 1_000 * bench.count(3);
            let timed = fan_out(transport, Message::leak("inv", 14, inventory), times);
            let timed = Timed {
                ops: timed.ops * 1_000.0,
                cpu_us_per_op: timed.cpu_us_per_op / 1_000.0,
                ..timed
            };
            Row::rate("limit", "fanout/ready-made", transport, timed, "entries/s").print();
        }
        if bench.wants("limit", "fanout/block", transport) {
            let block = Message::leak("block", 2, payload(&flooded("block")));
            let timed = fan_out(transport, block, bench.count(5));
            Row::rate("limit", "fanout/block", transport, timed, "blocks/s").print();
        }
    }
}

/// Sends a message so many times to every socket. With v1 all write the same bytes; with v2 each
/// has its own keys, so that each encrypts for itself.
fn fan_out(transport: Transport, message: &'static Message, times: u64) -> Timed {
    match transport {
        Transport::V1 => {
            let mut frame = Vec::new();
            V1.seal(&mut frame, message);
            fan_out_with(|| V1, times, move |_, sender| sender.write_all(&frame))
        }
        Transport::V2 => {
            let mut packet = Vec::new();
            fan_out_with(V2::known, times, move |wire, sender| {
                packet.clear();
                wire.seal(&mut packet, message);
                sender.write_all(&packet)
            })
        }
    }
}

fn fan_out_with<W: Wire>(
    wire: impl Fn() -> W,
    times: u64,
    mut send: impl FnMut(&mut W, &mut TcpStream) -> std::io::Result<()> + Send,
) -> Timed {
    let (mut senders, mut receivers) = (Vec::new(), Vec::new());
    for _ in 0..PEERS {
        let (ours, theirs) = pair();
        theirs.set_nonblocking(true).expect("a socket");
        senders.push((wire(), ours));
        receivers.push((wire(), theirs, Input::new(256 << 10)));
    }
    let total = PEERS * times;
    let meter = Meter::start();
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..times {
                for (wire, sender) in &mut senders {
                    send(wire, sender).expect("somebody reads");
                }
            }
        });
        receive(&mut receivers, total);
    });
    meter.stop(total)
}

fn receive<W: Wire>(receivers: &mut [(W, TcpStream, Input)], total: u64) {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("a file");
    for (number, (_, stream, _)) in receivers.iter().enumerate() {
        let data = epoll::EventData::new_u64(number as u64);
        epoll::add(&poll, stream, data, epoll::EventFlags::IN).expect("a socket");
    }
    let mut events = Vec::with_capacity(64);
    let mut count = 0;
    while count < total {
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None).expect("sockets");
        for event in events.drain(..) {
            let number = usize::try_from(event.data.u64()).expect("it is an index");
            let (wire, stream, input) = &mut receivers[number];
            if let Ok(read) = stream.read(input.room()) {
                input.filled(read);
                count += input.frames(wire, |said| {
                    std::hint::black_box(said);
                });
            }
        }
    }
}
