//! One message again and again, one way, to a listener and to an event stream.

use std::sync::Arc;
use std::time::{Duration, Instant};

use peerage::bitcoin::{Message, Peer};
use tokio::runtime::Runtime;

use crate::messages::{FLOODED, flooded, payload};
use crate::report::{Bench, Meter, Row, Timed, Transport, allocations};
use crate::world::{
    Arrivals, Counting, Silent, config, listeners, runtime, single_thread, streaming,
};

pub(crate) fn run(bench: &Bench) {
    for transport in Transport::BOTH {
        for name in FLOODED {
            for receiver in [Receiver::Listener, Receiver::Stream] {
                let case = format!("flood/{name}{}", receiver.suffix());
                if bench.wants("ours", &case, transport) {
                    measure(bench, &case, transport, receiver, flooded(name));
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Receiver {
    Listener,
    Stream,
}

impl Receiver {
    fn suffix(self) -> &'static str {
        match self {
            Self::Listener => "",
            Self::Stream => "/stream",
        }
    }
}

fn measure(bench: &Bench, case: &str, transport: Transport, receiver: Receiver, message: Message) {
    let message = Arc::new(message);
    let timed = {
        let runtime = runtime();
        let flood = Flood::begin(&runtime, transport, receiver, &message);
        runtime.block_on(flood.for_time(bench.seconds(0.2)));
        runtime.block_on(flood.for_time(bench.seconds(1.0)))
    };
    let counted = if payload(&message).len() > 10_000 { 50 } else { 5_000 };
    let single = single_thread();
    let flood = Flood::begin(&single, transport, receiver, &message);
    single.block_on(flood.some(counted));
    let allocs = allocations(|| single.block_on(flood.some(counted)));
    let len = u32::try_from(payload(&message).len()).expect("a payload is below 4 MB");
    Row::rate("ours", case, transport, timed, "messages/s")
        .allocs(allocs, counted)
        .with("mb_per_s", timed.rate() * f64::from(len) / 1e6)
        .print();
}

/// A connection, and what has arrived on it.
struct Flood {
    message: Arc<Message>,
    arrivals: Arc<Arrivals>,
    ours: Peer,
    _theirs: Peer,
}

impl Flood {
    fn begin(
        runtime: &Runtime,
        transport: Transport,
        receiver: Receiver,
        message: &Arc<Message>,
    ) -> Self {
        let arrivals = Arrivals::new();
        let config = config(transport);
        let (ours, theirs) = match receiver {
            Receiver::Listener => {
                runtime.block_on(listeners(&config, Silent, Counting(arrivals.clone())))
            }
            Receiver::Stream => {
                let (ours, theirs, mut events) = runtime.block_on(streaming(&config, Silent));
                let arrivals = arrivals.clone();
                runtime.spawn(async move {
                    while let Ok(message) = events.message().await {
                        std::hint::black_box(message);
                        arrivals.add(1);
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
