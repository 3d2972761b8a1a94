//! Openings with the fewest writes, in the layout that ours have: on a runtime of two workers, a
//! task that accepts and dials again and again, and one task for each end of each connection.
//! (Threads that block in place of tasks would be another thing: at 64 at once they pay for 128
//! stacks and their switching, one after another they save a poller that a peer cannot do without.)

use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};

use super::end::{End, answer_v2, dial_v2};
use super::wire::{Message, V1, Wire};
use crate::report::{Bench, Meter, Row, Timed, Transport};
use crate::world::runtime;

pub(crate) fn run(bench: &Bench) {
    for transport in Transport::BOTH {
        for (case, at_once) in [("opening/sequential", 1), ("opening/64-at-once", 64)] {
            if bench.wants("limit", case, transport) {
                several(transport, at_once, bench.seconds(0.2));
                let timed = several(transport, at_once, bench.seconds(1.0));
                Row::rate("limit", case, transport, timed, "openings/s").print();
            }
        }
    }
}

fn several(transport: Transport, at_once: usize, time: Duration) -> Timed {
    let talk = Talk::new();
    runtime().block_on(async move {
        let until = Instant::now() + time;
        let meter = Meter::start();
        let loops: Vec<_> =
            (0..at_once).map(|_| tokio::spawn(again_and_again(transport, talk, until))).collect();
        let mut count = 0;
        for one in loops {
            count += one.await.expect("no panic");
        }
        meter.stop(count)
    })
}

async fn again_and_again(transport: Transport, talk: Talk, until: Instant) -> u64 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let mut count = 0;
    while Instant::now() < until {
        let dialled = async {
            let stream = TcpStream::connect(address).await.expect("somebody listens");
            SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket");
            tokio::spawn(dial(stream, transport, talk)).await.expect("no panic")
        };
        let accepted = async {
            let (stream, _) = listener.accept().await.expect("somebody dials");
            tokio::spawn(answer(stream, transport, talk)).await.expect("no panic")
        };
        let (dialled, accepted) = tokio::join!(dialled, accepted);
        assert!(dialled.is_some() && accepted.is_some(), "an opening");
        count += 1;
    }
    count
}

/// What is said.
#[derive(Clone, Copy)]
pub(super) struct Talk {
    pub(super) version: &'static Message,
    pub(super) sendaddrv2: &'static Message,
    pub(super) verack: &'static Message,
}

impl Talk {
    pub(super) fn new() -> Self {
        Self {
            version: Message::leak("version", 0, crate::samples::version()),
            sendaddrv2: Message::leak("sendaddrv2", 0, vec![]),
            verack: Message::leak("verack", 0, vec![]),
        }
    }
}

/// Either end is given to the caller when it has seen the other's verack, as ours are.
enum Opened {
    V1(#[allow(dead_code)] End<V1>),
    V2(#[allow(dead_code)] Box<End<super::wire::V2>>),
}

async fn dial(stream: TcpStream, transport: Transport, talk: Talk) -> Option<Opened> {
    match transport {
        Transport::V1 => ask(End::new(stream, V1, V1), 0, talk).await.map(Opened::V1),
        Transport::V2 => {
            let end = ask(dial_v2(stream).await?, 1, talk).await?;
            Some(Opened::V2(Box::new(end)))
        }
    }
}

async fn answer(stream: TcpStream, transport: Transport, talk: Talk) -> Option<Opened> {
    match transport {
        Transport::V1 => reply(End::new(stream, V1, V1), 0, talk).await.map(Opened::V1),
        Transport::V2 => {
            let end = reply(answer_v2(stream).await?, 1, talk).await?;
            Some(Opened::V2(Box::new(end)))
        }
    }
}

/// Who dials: version; then the other's three; then the rest. `before` frames, of v2, come first.
async fn ask<W: Wire>(mut end: End<W>, before: u64, talk: Talk) -> Option<End<W>> {
    end.push(talk.version);
    if !end.flush().await || !end.expect(before + 3).await {
        return None;
    }
    end.push(talk.sendaddrv2);
    end.push(talk.verack);
    end.flush().await.then_some(end)
}

/// Who is dialled: all three, as soon as the other's version is there.
async fn reply<W: Wire>(mut end: End<W>, before: u64, talk: Talk) -> Option<End<W>> {
    let mut seen = 0;
    while seen < before + 1 {
        seen += end.receive(|_, _, said| assert!(said.payload.len() < 1_000)).await?;
    }
    for message in [talk.version, talk.sendaddrv2, talk.verack] {
        end.push(message);
    }
    if !end.flush().await {
        return None;
    }
    end.expect(before + 3 - seen).await.then_some(end)
}
