//! Ping round trips: a task at each end that reads, parses, checks the checksum or decrypts, answers
//! and writes; what an async peer cannot do without, and nothing else.
//!
//! Where both tasks are run decides the figure as much as what they do: on one worker a round trip
//! needs no thread to be woken. So there are three layouts, the same as of ours.

use std::time::Instant;

use tokio::net::TcpStream;

use super::end::End;
use super::wire::{Message, V1, V2, Wire};
use crate::ping::Layout;
use crate::report::{Bench, Meter, Row, Timed, Transport};
use crate::world::{runtime, single_thread};

pub(crate) fn run(bench: &Bench) {
    for transport in Transport::BOTH {
        for layout in Layout::ALL {
            let case = layout.case();
            if !bench.wants("limit", case, transport) {
                continue;
            }
            let until = Instant::now() + bench.seconds(1.0);
            let timed = match transport {
                Transport::V1 => round_trips(layout, [V1, V1, V1, V1], until),
                Transport::V2 => round_trips(layout, std::array::from_fn(|_| V2::known()), until),
            };
            Row::rate("limit", case, transport, timed, "round trips/s").print();
        }
    }
}

fn round_trips<W: Wire>(layout: Layout, [a, b, c, d]: [W; 4], until: Instant) -> Timed {
    let (ours, theirs) = super::pair();
    let asking = async move { ask(end(ours, a, b), until).await };
    let answering = async move { answer(end(theirs, c, d)).await };
    let runtime = match layout {
        Layout::TwoWorkers => runtime(),
        Layout::OneThread => single_thread(),
        Layout::TwoThreads => {
            let answers = std::thread::spawn(|| single_thread().block_on(answering));
            let timed = single_thread().block_on(asking);
            answers.join().expect("no panic");
            return timed;
        }
    };
    runtime.block_on(async {
        tokio::spawn(answering);
        tokio::spawn(asking).await.expect("no panic")
    })
}

/// An end on the runtime that it is called in.
fn end<W: Wire>(stream: std::net::TcpStream, seal: W, open: W) -> End<W> {
    stream.set_nonblocking(true).expect("a socket");
    End::new(TcpStream::from_std(stream).expect("in a runtime"), seal, open)
}

async fn ask<W: Wire>(mut end: End<W>, until: Instant) -> Timed {
    let ping = Message::leak("ping", 18, vec![1; 8]);
    let meter = Meter::start();
    let mut count = 0;
    while Instant::now() < until {
        end.push(ping);
        assert!(end.flush().await);
        let received = end.receive(|_, _, said| assert_eq!(said.payload, [1; 8])).await;
        assert_eq!(received, Some(1));
        count += 1;
    }
    meter.stop(count)
}

async fn answer<W: Wire>(mut end: End<W>) {
    let mut pong = Message::pong([0; 8]);
    loop {
        let answered = end.receive(|seal, output, said| {
            pong.payload.copy_from_slice(said.payload);
            seal.seal(output, &pong);
        });
        if answered.await.is_none() || !end.flush().await {
            return;
        }
    }
}
