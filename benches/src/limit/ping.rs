//! Ping round trips: one tokio task at each end that reads a frame and writes one.

use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::wire::{Input, Message, V1, V2, Wire};
use crate::report::{Bench, Meter, Row, Timed, Transport};
use crate::world::{runtime, streams};

pub(crate) fn run(bench: &Bench) {
    for transport in Transport::BOTH {
        if !bench.wants("limit", "ping", transport) {
            continue;
        }
        let until = Instant::now() + bench.seconds(2.0);
        let timed = match transport {
            Transport::V1 => round_trips([V1, V1, V1, V1], until),
            Transport::V2 => round_trips([V2::new(), V2::new(), V2::new(), V2::new()], until),
        };
        Row::rate("limit", "ping", transport, timed, "round trips/s").print();
    }
}

/// One end.
struct End<W> {
    stream: TcpStream,
    input: Input,
    output: Vec<u8>,
    seal: W,
    open: W,
}

impl<W: Wire> End<W> {
    fn new(stream: TcpStream, seal: W, open: W) -> Self {
        stream.set_nodelay(true).expect("a socket");
        Self { stream, input: Input::new(4_096), output: Vec::new(), seal, open }
    }

    async fn send(&mut self, message: &'static Message) -> bool {
        self.output.clear();
        self.seal.seal(&mut self.output, message);
        self.stream.write_all(&self.output).await.is_ok()
    }

    /// Waits for a frame; `false` when the other end has gone.
    async fn receive(&mut self) -> bool {
        loop {
            if self.input.frames(&mut self.open, |nonce| assert_eq!(nonce.len(), 8)) > 0 {
                return true;
            }
            match self.stream.read(self.input.room()).await {
                Ok(count) if count > 0 => self.input.filled(count),
                _ => return false,
            }
        }
    }
}

fn round_trips<W: Wire>([a, b, c, d]: [W; 4], until: Instant) -> Timed {
    let ping = Message::leak("ping", 18, vec![1; 8]);
    let pong = Message::leak("pong", 19, vec![1; 8]);
    runtime().block_on(async {
        let (ours, theirs) = streams().await;
        let mut answering = End::new(theirs, a, b);
        tokio::spawn(
            async move { while answering.receive().await && answering.send(pong).await {} },
        );
        let mut asking = End::new(ours, c, d);
        let asking = tokio::spawn(async move {
            let meter = Meter::start();
            let mut count = 0;
            while Instant::now() < until {
                assert!(asking.send(ping).await && asking.receive().await);
                count += 1;
            }
            meter.stop(count)
        });
        asking.await.expect("no panic")
    })
}
