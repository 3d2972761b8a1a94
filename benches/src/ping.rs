//! Ping round trips on one connection: by a listener, inline, and by an event stream.
//!
//! A round trip is two wake-ups, and what they cost is decided by where the two ends run. `ping` is on
//! the runtime of every other case; `ping/one-thread` has both ends on one thread, where nobody else
//! must be woken, and `ping/two-threads` each on its own, as two machines would. With
//! `ping/64-in-flight` the two ends need not wait for each other.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use peerage_wire::Message as _;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::coin::{self, Coin, Hear, Message};
use crate::report::{Bench, Meter, Row, allocations};
use crate::world::{Silent, runtime, single_thread, streams};

/// Round trips whose allocations are counted, after as many to warm up.
const COUNTED: u64 = 2_000;

/// One ping at a time, in every layout, and the event stream.
pub(crate) fn run(bench: &Bench, coin: impl Coin) {
    for layout in Layout::ALL {
        if let Some(case) = bench.wants_ours(layout.case(), coin) {
            inline(bench, &case, coin, layout, 1);
        }
    }
    if let Some(case) = bench.wants_ours("ping/stream", coin) {
        stream(bench, &case, coin);
    }
}

/// One ping at a time, by a listener.
pub(crate) fn one(bench: &Bench, coin: impl Coin) {
    if let Some(case) = bench.wants_ours("ping", coin) {
        inline(bench, &case, coin, Layout::TwoWorkers, 1);
    }
}

/// So many pings on their way at once.
pub(crate) fn in_flight(bench: &Bench, coin: impl Coin, window: u64) {
    if let Some(case) = bench.wants_ours(&format!("ping/{window}-in-flight"), coin) {
        inline(bench, &case, coin, Layout::TwoWorkers, window);
    }
}

/// Where the two ends run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// On a runtime of two workers, wherever it puts them.
    TwoWorkers,
    /// On one thread.
    OneThread,
    /// Each on a thread of its own.
    TwoThreads,
}

impl Layout {
    pub(crate) const ALL: [Self; 3] = [Self::TwoWorkers, Self::OneThread, Self::TwoThreads];

    pub(crate) fn case(self) -> &'static str {
        match self {
            Self::TwoWorkers => "ping",
            Self::OneThread => "ping/one-thread",
            Self::TwoThreads => "ping/two-threads",
        }
    }
}

/// Pings again as soon as a pong has come, until it has done what was asked.
struct Pinger {
    done: u64,
    /// Pings that are on their way.
    in_flight: u64,
    window: u64,
    stop: Arc<Mutex<Stop>>,
    told: UnboundedSender<u64>,
}

#[derive(Clone, Copy)]
enum Stop {
    At(Instant),
    After(u64),
}

impl<C: Coin> Hear<C> for Pinger {
    fn hear(&mut self, peer: &C::Peer, message: &Message<C>) {
        if !C::is_pong(message) {
            return;
        }
        self.done += 1;
        let over = match *self.stop.lock().expect("nobody panics with it") {
            Stop::At(moment) => Instant::now() >= moment,
            Stop::After(count) => self.done >= count,
        };
        if !over {
            return ping::<C>(peer);
        }
        self.in_flight -= 1;
        if self.in_flight == 0 {
            self.in_flight = self.window;
            // Nobody waits any more when the case has ended.
            let _ = self.told.send(std::mem::take(&mut self.done));
        }
    }
}

fn ping<C: Coin>(peer: &C::Peer) {
    peer.try_send(&Message::<C>::ping(7)).expect("there is room for it");
}

fn inline<C: Coin>(bench: &Bench, case: &str, coin: C, layout: Layout, window: u64) {
    let config = coin.config();
    let single = single_thread();
    let stop = Arc::new(Mutex::new(Stop::After(1)));
    let set = |new| *stop.lock().expect("nobody panics with it") = new;
    let (told, mut counts) = unbounded_channel();
    let pinger =
        || Pinger { done: 0, in_flight: window, window, stop: stop.clone(), told: told.clone() };

    let timed = {
        let runtime = if layout == Layout::TwoWorkers { runtime() } else { single_thread() };
        let (ours, _theirs) = match layout {
            Layout::TwoThreads => apart::<C>(&runtime, &config, pinger()),
            _ => runtime.block_on(coin::pair::<C>(&config, pinger(), Silent)),
        };
        let mut timed = |time: Duration| {
            set(Stop::At(Instant::now() + time));
            let meter = Meter::start();
            (0..window).for_each(|_| ping::<C>(&ours));
            let done = runtime.block_on(counts.recv()).expect("the listener lives");
            meter.stop(done)
        };
        timed(bench.seconds(0.2));
        timed(bench.seconds(1.0))
    };

    let (ours, _theirs) = single.block_on(coin::pair::<C>(&config, pinger(), Silent));
    let mut some = |count| {
        set(Stop::After(count));
        (0..window).for_each(|_| ping::<C>(&ours));
        single.block_on(counts.recv()).expect("the listener lives")
    };
    some(COUNTED);
    let mut counted = 0;
    let allocs = allocations(|| counted = some(COUNTED));
    Row::rate("ours", case, coin, timed, "round trips/s").allocs(allocs, counted).print();
}

/// Two peers, the one that was dialled on a thread of its own until its connection ends.
fn apart<C: Coin>(runtime: &Runtime, config: &C::Config, pinger: Pinger) -> (C::Peer, C::Peer) {
    let other = C::for_other_end(config);
    let (dialled, accepted) = runtime.block_on(streams());
    let accepted = accepted.into_std().expect("a socket");
    let (opened, theirs) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        single_thread().block_on(async move {
            let accepted = TcpStream::from_std(accepted).expect("in a runtime");
            let peer = C::accept(accepted, &other, Silent).await.expect("an opening");
            let ended = peer.clone();
            assert!(opened.send(peer).is_ok(), "somebody waits for it");
            ended.closed().await;
        });
    });
    let ours = runtime.block_on(C::initiate(dialled, config, pinger));
    (ours.expect("an opening"), theirs.recv().expect("an opening"))
}

fn stream<C: Coin>(bench: &Bench, case: &str, coin: C) {
    let round_trips = |time: Duration| async move {
        // The end with the stream is the dialled one, which is no less of a pinger.
        let (theirs, ours, mut events) = coin::streaming::<C>(&coin.config(), Silent).await;
        let until = Instant::now() + time;
        let meter = Meter::start();
        let mut done = 0;
        while Instant::now() < until {
            ours.send(&Message::<C>::ping(done)).await.expect("it is open");
            while !C::is_pong(&events.message().await.expect("it is open")) {}
            done += 1;
        }
        drop(theirs);
        meter.stop(done)
    };
    let runtime = runtime();
    let time = bench.seconds(1.0);
    let timed = runtime.block_on(async move { tokio::spawn(round_trips(time)).await });
    let timed = timed.expect("no panic");
    Row::rate("ours", case, coin, timed, "round trips/s").print();
}
