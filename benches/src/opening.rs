//! Openings: connect, agree, hang up; one after another and 64 at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};

use crate::coin::Coin;
use crate::report::{Bench, Meter, Row, allocations};
use crate::world::{Silent, runtime, single_thread};

/// Openings whose allocations are counted.
const COUNTED: u64 = 100;

pub(crate) fn run(bench: &Bench, coin: impl Coin) {
    for (case, at_once) in [("opening/sequential", 1), ("opening/64-at-once", 64)] {
        if let Some(case) = bench.wants_ours(case, coin) {
            measure(bench, &case, coin, at_once);
        }
    }
}

fn measure<C: Coin>(bench: &Bench, case: &str, coin: C, at_once: usize) {
    let config = coin.config();
    let until = |time: Duration| Instant::now() + time;
    let runtime = runtime();
    runtime.block_on(several::<C>(&config, at_once, until(bench.seconds(0.2))));
    let meter = Meter::start();
    let done = runtime.block_on(several::<C>(&config, at_once, until(bench.seconds(1.0))));
    let timed = meter.stop(done.opened);
    let single = single_thread();
    let allocs = allocations(|| {
        single.block_on(async {
            let other = C::for_other_end(&config);
            let listener = listen().await;
            for _ in 0..COUNTED {
                assert!(one::<C>(&listener, &config, &other).await, "an opening");
            }
        });
    });
    Row::rate("ours", case, coin, timed, "openings/s")
        .allocs(allocs, COUNTED)
        .with("failed", f64::from(u32::try_from(done.failed).unwrap_or(u32::MAX)))
        .print();
}

struct Done {
    opened: u64,
    failed: u64,
}

/// Opens on so many tasks until the time is over.
async fn several<C: Coin>(config: &C::Config, at_once: usize, until: Instant) -> Done {
    let (opened, failed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let tasks: Vec<_> = (0..at_once)
        .map(|_| {
            let (config, opened, failed) = (config.clone(), opened.clone(), failed.clone());
            tokio::spawn(async move {
                let other = C::for_other_end(&config);
                let listener = listen().await;
                while Instant::now() < until {
                    let opening = one::<C>(&listener, &config, &other);
                    let count = if opening.await { &opened } else { &failed };
                    count.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    Done { opened: opened.load(Ordering::Relaxed), failed: failed.load(Ordering::Relaxed) }
}

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a free port")
}

/// One opening, both ends; whether it succeeded.
async fn one<C: Coin>(listener: &TcpListener, config: &C::Config, other: &C::Config) -> bool {
    let address = listener.local_addr().expect("it is bound");
    let inbound = async {
        let (stream, _) = listener.accept().await.expect("somebody dials");
        C::accept(stream, other, Silent).await
    };
    let outbound = async {
        let stream = TcpStream::connect(address).await.expect("somebody listens");
        // Ends by a reset: thousands of sockets that wait for stragglers would use up the ports.
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket");
        C::initiate(stream, config, Silent).await
    };
    let (inbound, outbound) = tokio::join!(inbound, outbound);
    inbound.is_ok() && outbound.is_ok()
}
