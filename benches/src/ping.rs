//! Ping round trips on one connection: by a listener, inline, and by an event stream.

use std::sync::Arc;
use std::time::{Duration, Instant};

use peerage::bitcoin::message::{Ping, Pong};
use peerage::bitcoin::{self, Event, Listener, Message, Peer};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::report::{Bench, Meter, Row, Transport, allocations};
use crate::world::{Silent, config, for_other_end, listeners, runtime, single_thread, streams};

/// Round trips whose allocations are counted, after as many to warm up.
const COUNTED: u64 = 2_000;

pub(crate) fn run(bench: &Bench) {
    for transport in Transport::BOTH {
        if bench.wants("ours", "ping", transport) {
            inline(bench, transport);
        }
        if bench.wants("ours", "ping/stream", transport) {
            stream(bench, transport);
        }
    }
}

/// Pings again as soon as a pong has come, until it has done what was asked.
struct Pinger {
    done: u64,
    stop: Arc<std::sync::Mutex<Stop>>,
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

fn inline(bench: &Bench, transport: Transport) {
    let (runtime, single) = (runtime(), single_thread());
    let stop = Arc::new(std::sync::Mutex::new(Stop::After(1)));
    let set = |new| *stop.lock().expect("nobody panics with it") = new;
    let (told, mut counts) = unbounded_channel();
    let pinger = || Pinger { done: 0, stop: stop.clone(), told: told.clone() };

    let (ours, _theirs) = runtime.block_on(listeners(&config(transport), pinger(), Silent));
    let mut timed = |time: Duration| {
        set(Stop::At(Instant::now() + time));
        let meter = Meter::start();
        ping(&ours);
        let done = counts.blocking_recv().expect("the listener lives");
        meter.stop(done)
    };
    timed(bench.seconds(0.2));
    let timed = timed(bench.seconds(2.0));

    let (ours, _theirs) = single.block_on(listeners(&config(transport), pinger(), Silent));
    let mut some = |count| {
        set(Stop::After(count));
        ping(&ours);
        single.block_on(counts.recv()).expect("the listener lives");
    };
    some(COUNTED);
    let allocs = allocations(|| some(COUNTED));
    Row::rate("ours", "ping", transport, timed, "round trips/s").allocs(allocs, COUNTED).print();
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
    let time = bench.seconds(2.0);
    let timed = runtime.block_on(async move { tokio::spawn(round_trips(time)).await });
    let timed = timed.expect("no panic");
    Row::rate("ours", "ping/stream", transport, timed, "round trips/s").print();
}
