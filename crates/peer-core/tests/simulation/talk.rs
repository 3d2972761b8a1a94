//! Weather, and two peers that talk through it.

use std::time::Duration;

use peerage_peer_core::DisconnectReason;
use peerage_testkit::{Delivery, EndId, LinkId, Order, Weather, World};
use peerage_transport::V2;
use peerage_wire::{Kind as _, Rng};
use peerage_wire_bitcoin::Message;
use peerage_wire_bitcoin::types::{InventoryItem, InventoryType};

use super::peers::{Honest, numbered, request, some_side, tx};
use super::{ms, s};

pub(crate) fn dice(seed: u64) -> Rng {
    let mut bytes = [0x51; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    Rng::from_seed(bytes)
}

pub(crate) fn pick<T: Copy>(rng: &mut Rng, choices: &[T]) -> T {
    choices[rng.below(choices.len())]
}

fn delivery(rng: &mut Rng) -> Delivery {
    let late = Delivery::Coalesced(ms(1 + rng.next_u64() % 400));
    pick(rng, &[Delivery::AsWritten, Delivery::ByteWise, Delivery::Pieces, late])
}

/// At least 20 kB a second, twice the slowest rate that counts as progress.
pub(crate) fn fair(rng: &mut Rng) -> Weather {
    let window = pick(rng, &[2 << 10, 8 << 10, 64 << 10, 1 << 20]);
    let longest = (window as u64 / 30).min(1_000);
    Weather {
        latency: ms(rng.next_u64() % (longest + 1)),
        rate: pick(rng, &[None, Some(25_000), Some(1_000_000)]),
        window,
        delivery: match delivery(rng) {
            // A collected read is late by the collection, which counts like latency.
            Delivery::Coalesced(_) => Delivery::Coalesced(ms(1 + longest / 4)),
            other => other,
        },
    }
}

/// Anything.
pub(crate) fn foul(rng: &mut Rng) -> Weather {
    Weather {
        latency: ms(pick(rng, &[0, 30, 1_000, 12_000]) + rng.next_u64() % 100),
        rate: pick(rng, &[None, Some(1), Some(50), Some(3_000), Some(100_000)]),
        window: pick(rng, &[1, 7, 100, 4 << 10, 1 << 20]),
        delivery: delivery(rng),
    }
}

/// Two ends and what is done to them.
pub(crate) struct Talk {
    pub(crate) world: World,
    pub(crate) link: LinkId,
    pub(crate) app: Honest,
    pub(crate) rng: Rng,
    pub(crate) next: u32,
}

impl Talk {
    pub(crate) fn new(seed: u64, weather: impl FnOnce(&mut Rng) -> Weather) -> Self {
        let mut rng = dice(seed);
        let mut world = World::new(seed);
        let weather = weather(&mut rng);
        let (mut ours, theirs) = (some_side(&mut rng), some_side(&mut rng));
        if rng.below(2) == 0 {
            ours.2 = V2::Off;
        }
        let link = world.join(ours, theirs, weather);
        Self { world, link, app: Honest::default(), rng, next: 0 }
    }

    pub(crate) fn run(&mut self, duration: Duration) {
        self.world.run_for(duration, &mut self.app);
    }

    pub(crate) fn end(&mut self) -> EndId {
        pick(&mut self.rng, &self.link.ends())
    }

    /// One of the things that applications do.
    pub(crate) fn something(&mut self, largest: usize) {
        self.next += 1;
        let (end, number) = (self.end(), self.next);
        let len = match self.rng.below(20) {
            0 => self.rng.below(largest.max(1)),
            _ => self.rng.below(300),
        };
        let kind = pick(&mut self.rng, &[InventoryType::TX, InventoryType::BLOCK]);
        let order = match self.rng.below(4) {
            0 => Order::Send(numbered(number, len)),
            1 => Order::Send(request(&mut self.rng, number)),
            // Both ends may announce the same.
            2 => Order::Announce(vec![InventoryItem { kind, ..tx(number / 3) }]),
            _ => Order::Announce((0..30).map(|n| tx(1_000 * number + n)).collect()),
        };
        self.world.order(end, order);
    }

    pub(crate) fn reason(&self, end: EndId) -> Option<&DisconnectReason> {
        self.world.end(end).core().closed()
    }

    /// What holds in any weather.
    pub(crate) fn check(&self) {
        for id in self.link.ends() {
            let end = self.world.end(id);
            assert!(end.reasons().len() <= 1, "{:?}", end.reasons());
            assert!(end.announced_in_vain().is_empty(), "{:?}", end.announced_in_vain());
            self.check_order(id);
            self.check_requests(id);
        }
    }

    /// What was sent arrives in order and whole, as far as it arrives; all of it unless the
    /// connection has ended.
    fn check_order(&self, id: EndId) {
        let (sender, receiver) = (self.world.end(id), self.world.end(id.other()));
        let mut sent = sender.sent().iter();
        let arrived = receiver.received().iter().filter(|message| is_callers(message));
        for message in arrived {
            assert!(sent.next() == Some(message), "{id:?}: {message:?} is out of its order");
        }
        let on_its_way = !sender.is_idle() || self.world.under_way(id.other()) > 0;
        if receiver.core().closed().is_none() && !on_its_way {
            assert!(sent.next().is_none(), "{id:?}: lost without an end");
        }
    }

    /// Every request is answered, given up, or cannot be answered any more.
    fn check_requests(&self, id: EndId) {
        let (end, now) = (self.world.end(id), self.world.now().mono);
        if end.core().closed().is_some() {
            return;
        }
        for (asked, kind) in end.asked() {
            let expect = kind.policy().expect.as_ref().unwrap();
            let answered =
                end.heard().iter().any(|(at, heard)| at >= asked && expect.answers.contains(heard));
            let given_up = end.unanswered().iter().any(|(at, given)| at >= asked && given == kind);
            let early = *asked + expect.within + s(60) > now;
            assert!(answered || given_up || early, "{id:?}: {kind} of {asked:?} is forgotten");
        }
    }
}

/// Whether a message is of a kind that only callers send in these tests.
fn is_callers(message: &Message) -> bool {
    peerage_wire::Message::kind(message).policy().expect.is_some()
        || matches!(message, Message::CFilter(_))
}
