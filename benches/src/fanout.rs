//! One sender, a hundred peers: ready-made frames, announcements, a block.

use std::sync::Arc;
use std::time::Duration;

use peerage::bitcoin::message::{Block, Inventory};
use peerage::bitcoin::types::InventoryItem;
use peerage::bitcoin::{Message, Peer, Prepared};

use crate::coin::{Hear, pair};
use crate::messages::{block, items};
use crate::report::{Bench, Meter, Row, Transport};
use crate::world::{Arrivals, Silent, config, runtime};

pub(crate) const PEERS: u64 = 100;
pub(crate) const ENTRIES: u32 = 100_000;
/// As btcd's program sets it, so that trickling does not decide.
const TRICKLE: Duration = Duration::from_millis(1);

pub(crate) fn run(bench: &Bench) {
    for transport in Transport::BOTH {
        if bench.wants("ours", "fanout/ready-made", transport) {
            ready_made(bench, transport);
        }
        if bench.wants("ours", "fanout/announce", transport) {
            announce(bench, transport);
        }
        if bench.wants("ours", "fanout/block", transport) {
            broadcast(bench, transport);
        }
    }
}

/// Counts entries of announcements, and blocks.
struct Deliveries(Arc<Arrivals>);

impl Hear<Transport> for Deliveries {
    fn hear(&mut self, _peer: &Peer, message: &Message) {
        match std::hint::black_box(message) {
            Message::Inv(inventory) => self.0.add(inventory.len() as u64),
            Message::Block(_) => self.0.add(1),
            _ => {}
        }
    }
}

/// A hundred connections: the senders, and the other ends to hold on to.
async fn crowd(transport: Transport, arrivals: &Arc<Arrivals>) -> (Vec<Peer>, Vec<Peer>) {
    let mut config = config(transport);
    config.engine.trickle_inbound = TRICKLE;
    config.engine.trickle_outbound = TRICKLE;
    let (mut senders, mut receivers) = (Vec::new(), Vec::new());
    for _ in 0..PEERS {
        let deliveries = Deliveries(arrivals.clone());
        let (theirs, ours) = pair::<Transport>(&config, deliveries, Silent).await;
        senders.push(ours);
        receivers.push(theirs);
    }
    (senders, receivers)
}

fn ready_made(bench: &Bench, transport: Transport) {
    let times = bench.count(3);
    let timed = runtime().block_on(async {
        let arrivals = Arrivals::new();
        let (senders, _receivers) = crowd(transport, &arrivals).await;
        let frame = |part: &[InventoryItem]| {
            let inventory = Inventory::new(part).expect("at most 50,000");
            Prepared::new(&Message::Inv(inventory)).expect("the same for all")
        };
        let frames: Vec<_> = items(ENTRIES).chunks(1_000).map(frame).collect();
        let total = PEERS * u64::from(ENTRIES) * times;
        let meter = Meter::start();
        for _ in 0..times {
            for frame in &frames {
                for peer in &senders {
                    peer.send_prepared(frame).await.expect("it is open");
                }
            }
        }
        arrivals.reach(total).await;
        meter.stop(total)
    });
    Row::rate("ours", "fanout/ready-made", transport, timed, "entries/s").print();
}

fn announce(bench: &Bench, transport: Transport) {
    // Smaller runs announce less; the figure of the table is for the whole.
    let entries = u32::try_from(bench.count(u64::from(ENTRIES))).unwrap_or(ENTRIES).min(ENTRIES);
    let timed = runtime().block_on(async {
        let arrivals = Arrivals::new();
        let (senders, _receivers) = crowd(transport, &arrivals).await;
        let items = items(entries);
        let total = PEERS * u64::from(entries);
        let meter = Meter::start();
        announce_all(&senders, &items).await;
        arrivals.reach(total).await;
        meter.stop(total)
    });
    Row::rate("ours", "fanout/announce", transport, timed, "entries/s").print();
}

/// Announces everything to everybody, going on with others where one has enough for now.
async fn announce_all(senders: &[Peer], items: &[InventoryItem]) {
    let mut accepted = vec![0; senders.len()];
    while accepted.iter().any(|count| *count < items.len()) {
        let mut progress = 0;
        for (peer, count) in senders.iter().zip(&mut accepted) {
            let end = items.len().min(*count + 10_000);
            let more = peer.announce(&items[*count..end]);
            *count += more;
            progress += more;
        }
        match progress {
            0 => tokio::time::sleep(TRICKLE).await,
            _ => tokio::task::yield_now().await,
        }
    }
}

fn broadcast(bench: &Bench, transport: Transport) {
    let times = bench.count(5);
    let timed = runtime().block_on(async {
        let arrivals = Arrivals::new();
        let (senders, _receivers) = crowd(transport, &arrivals).await;
        let block = Block::from_bytes(block().clone()).expect("it is a block");
        let message = Message::Block(block);
        let meter = Meter::start();
        for time in 1..=times {
            let frame = Prepared::new(&message).expect("the same for all");
            for peer in &senders {
                peer.send_prepared(&frame).await.expect("it is open");
            }
            arrivals.reach(PEERS * time).await;
        }
        meter.stop(PEERS * times)
    });
    #[allow(clippy::cast_precision_loss)] // 1.4 MB
    let len = block().len() as f64;
    Row::rate("ours", "fanout/block", transport, timed, "blocks/s")
        .with("mb_per_s", timed.rate() * len / 1e6)
        .print();
}
