//! Ping round trips on one connection: by a listener, inline, and by an event stream.
//!
//! A round trip is two wake-ups, and what they cost is decided by where the two ends run. `ping` is on
//! the runtime of every other case; `ping/one-thread` has both ends on one thread, where nobody else
//! must be woken, and `ping/two-threads` each on its own, as two machines would.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use peerage::bitcoin::message::{Ping, Pong};
use peerage::bitcoin::{self, Event, Listener, Message, Peer};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::report::{Bench, Meter, Row, Transport, allocations};
use crate::world::{Silent, config, for_other_end, listeners, runtime, single_thread, streams};

/// Round trips whose allocations are counted, after as many to warm up.
const COUNTED: u64 = 2_000;

pub(crate) fn run(bench: &Bench) {
    for transport in Transport::BOTH {
        for layout in Layout::ALL {
            if bench.wants("ours", layout.case(), transport) {
                inline(bench, layout, transport);
            }
        }
        if bench.wants("ours", "ping/stream", transport) {
            stream(bench, transport);
        }
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
    stop: Arc<Mutex<Stop>>,
    told: UnboundedSender<u64>,
}

#[derive(Clone, Copy)]
enum Stop {
    At(Instant),
    After(u64),
}

impl Listener for Pinger {
    fn on_pong(&mut self, peer: &Peer, _pong: Pong) {
        self.done += 1;
        let over = match *self.stop.lock().expect("nobody panics with it") {
            Stop::At(moment) => Instant::now() >= moment,
            Stop::After(count) => self.done >= count,
        };
        if over {
            // Nobody waits any more when the case has ended.
            let _ = self.told.send(std::mem::take(&mut self.done));
        } else {
            ping(peer);
        }
    }
}

fn ping(peer: &Peer) {
    peer.try_send(&Message::Ping(Ping { nonce: Some(7) })).expect("an empty outbox");
}

fn inline(bench: &Bench, layout: Layout, transport: Transport) {
    let single = single_thread();
    let stop = Arc::new(Mutex::new(Stop::After(1)));
    let set = |new| *stop.lock().expect("nobody panics with it") = new;
    let (told, mut counts) = unbounded_channel();
    let pinger = || Pinger { done: 0, stop: stop.clone(), told: told.clone() };

    let timed = {
        let runtime = if layout == Layout::TwoWorkers { runtime() } else { single_thread() };
        let (ours, _theirs) = match layout {
            Layout::TwoThreads => apart(&runtime, transport, pinger()),
            _ => runtime.block_on(listeners(&config(transport), pinger(), Silent)),
        };
        let mut timed = |time: Duration| {
            set(Stop::At(Instant::now() + time));
            let meter = Meter::start();
            ping(&ours);
            let done = runtime.block_on(counts.recv()).expect("the listener lives");
            meter.stop(done)
        };
        timed(bench.seconds(0.2));
        timed(bench.seconds(1.0))
    };

    let (ours, _theirs) = single.block_on(listeners(&config(transport), pinger(), Silent));
    let mut some = |count| {
        set(Stop::After(count));
        ping(&ours);
        single.block_on(counts.recv()).expect("the listener lives");
    };
    some(COUNTED);
    let allocs = allocations(|| some(COUNTED));
    let case = layout.case();
    Row::rate("ours", case, transport, timed, "round trips/s").allocs(allocs, COUNTED).print();
}

/// Two peers, the one that was dialled on a thread of its own until its connection ends.
fn apart(runtime: &Runtime, transport: Transport, pinger: Pinger) -> (Peer, Peer) {
    let config = config(transport);
    let other = for_other_end(&config);
    let (dialled, accepted) = runtime.block_on(streams());
    let accepted = accepted.into_std().expect("a socket");
    let (opened, theirs) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        single_thread().block_on(async move {
            let accepted = TcpStream::from_std(accepted).expect("in a runtime");
            let peer = bitcoin::accept_with(accepted, &other, Silent).await.expect("an opening");
            let ended = peer.clone();
            opened.send(peer).expect("somebody waits for it");
            ended.closed().await;
        });
    });
    let ours = runtime.block_on(bitcoin::initiate_with(dialled, &config, pinger));
    (ours.expect("an opening"), theirs.recv().expect("an opening"))
}

fn stream(bench: &Bench, transport: Transport) {
    let round_trips = |time: Duration| async move {
        let (dialled, accepted) = streams().await;
        let config = config(transport);
        let other = for_other_end(&config);
        let (ours, theirs) = tokio::join!(
            bitcoin::initiate(dialled, &config),
            bitcoin::accept_with(accepted, &other, Silent)
        );
        let ((ours, mut events), _theirs) =
            (ours.expect("an opening"), theirs.expect("an opening"));
        let until = Instant::now() + time;
        let meter = Meter::start();
        let mut done = 0;
        while Instant::now() < until {
            let message = Message::Ping(Ping { nonce: Some(done) });
            ours.send(&message).await.expect("it is open");
            while !matches!(events.next().await, Some(Event::Message(Message::Pong(_)))) {}
            done += 1;
        }
        meter.stop(done)
    };
    let runtime = runtime();
    let time = bench.seconds(1.0);
    let timed = runtime.block_on(async move { tokio::spawn(round_trips(time)).await });
    let timed = timed.expect("no panic");
    Row::rate("ours", "ping/stream", transport, timed, "round trips/s").print();
}
