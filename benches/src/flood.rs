//! One message again and again, one way, to a listener and to an event stream.

use std::sync::Arc;
use std::time::{Duration, Instant};

use peerage_wire::Message as _;
use tokio::runtime::Runtime;

use crate::coin::{self, Coin, Hear, Message};
use crate::messages::{FLOODED, flooded};
use crate::report::{Bench, Meter, Row, Timed, Transport, allocations};
use crate::world::{Arrivals, Silent, runtime, single_thread};

pub(crate) fn run(bench: &Bench) {
    for transport in Transport::BOTH {
        for name in FLOODED {
            both(bench, transport, name, || flooded(name));
        }
    }
}

/// Floods one message, to a listener and to an event stream.
pub(crate) fn both<C: Coin>(bench: &Bench, coin: C, name: &str, message: impl Fn() -> Message<C>) {
    if let Some(case) = bench.wants_ours(&format!("flood/{name}"), coin) {
        measure(bench, &case, coin, Receiver::Listener(|_| ()), message());
    }
    if let Some(case) = bench.wants_ours(&format!("flood/{name}/stream"), coin) {
        measure(bench, &case, coin, Receiver::Stream, message());
    }
}

/// Who takes the messages.
#[derive(Clone, Copy)]
pub(crate) enum Receiver<C: Coin> {
    /// A listener, which does this with each of them.
    Listener(fn(&Message<C>)),
    Stream,
}

pub(crate) fn measure<C: Coin>(
    bench: &Bench,
    case: &str,
    coin: C,
    receiver: Receiver<C>,
    message: Message<C>,
) {
    let message = Arc::new(message);
    let timed = {
        let runtime = runtime();
        let flood = Flood::begin(&runtime, coin, receiver, &message);
        runtime.block_on(flood.for_time(bench.seconds(0.2)));
        runtime.block_on(flood.for_time(bench.seconds(1.0)))
    };
    let len = payload_len::<C>(&message);
    let counted = if len > 10_000 { 50 } else { 5_000 };
    let single = single_thread();
    let flood = Flood::begin(&single, coin, receiver, &message);
    single.block_on(flood.some(counted));
    let allocs = allocations(|| single.block_on(flood.some(counted)));
    Row::rate("ours", case, coin, timed, "messages/s")
        .allocs(allocs, counted)
        .with("mb_per_s", timed.rate() * f64::from(len) / 1e6)
        .with("payload_bytes", len.into())
        .print();
}

fn payload_len<C: Coin>(message: &Message<C>) -> u32 {
    let mut payload = Vec::new();
    message.encode(C::VERSION, &mut payload);
    u32::try_from(payload.len()).expect("a message of a few megabytes")
}

/// Counts messages, after doing something with them.
struct Counting<C: Coin> {
    arrivals: Arc<Arrivals>,
    take: fn(&Message<C>),
}

impl<C: Coin> Hear<C> for Counting<C> {
    fn hear(&mut self, _peer: &C::Peer, message: &Message<C>) {
        if !C::is_opening(message) {
            (self.take)(std::hint::black_box(message));
            self.arrivals.add(1);
        }
    }
}

/// A connection, and what has arrived on it.
struct Flood<C: Coin> {
    message: Arc<Message<C>>,
    arrivals: Arc<Arrivals>,
    ours: C::Peer,
    _theirs: C::Peer,
}

impl<C: Coin> Flood<C> {
    fn begin(runtime: &Runtime, coin: C, receiver: Receiver<C>, message: &Arc<Message<C>>) -> Self {
        let arrivals = Arrivals::new();
        let config = coin.config();
        let (ours, theirs) = match receiver {
            Receiver::Listener(take) => {
                let counting = Counting { arrivals: arrivals.clone(), take };
                runtime.block_on(coin::pair::<C>(&config, Silent, counting))
            }
            Receiver::Stream => {
                let streaming = coin::streaming::<C>(&config, Silent);
                let (ours, theirs, mut events) = runtime.block_on(streaming);
                let arrivals = arrivals.clone();
                runtime.spawn(async move {
                    while let Ok(message) = events.message().await {
                        if !C::is_opening(std::hint::black_box(&message)) {
                            arrivals.add(1);
                        }
                    }
                });
                (ours, theirs)
            }
        };
        Self { message: message.clone(), arrivals, ours, _theirs: theirs }
    }

    /// Sends until the time is over, and waits for the last to arrive.
    async fn for_time(&self, time: Duration) -> Timed {
        let (ours, message) = (self.ours.clone(), self.message.clone());
        let before = self.arrivals.count();
        let until = Instant::now() + time;
        let meter = Meter::start();
        let sender = tokio::spawn(async move {
            let mut sent = 0;
            while Instant::now() < until {
                for _ in 0..16 {
                    ours.send(&message).await.expect("it is open");
                }
                sent += 16;
            }
            sent
        });
        let sent = sender.await.expect("no panic");
        self.arrivals.reach(before + sent).await;
        meter.stop(sent)
    }

    async fn some(&self, count: u64) {
        let before = self.arrivals.count();
        for _ in 0..count {
            self.ours.send(&self.message).await.expect("it is open");
        }
        self.arrivals.reach(before + count).await;
    }
}
