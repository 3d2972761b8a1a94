//! Any number of connections, byte by byte, in virtual time.
//!
//! Each link of a [`World`] joins two engines with their transports: what travels are the bytes of
//! v1 or v2, in a [`Weather`] of its own. Links can freeze, break and flip bits. An [`App`] sees the
//! events of all ends and gives orders; everything random follows from one seed.
//!
//! ```
//! use std::time::Duration;
//! use peerage_testkit::{Order, Quiet, Weather, World, world};
//! use peerage_wire_bitcoin::Message;
//!
//! let mut world = World::new(7);
//! let link = world.join(world::honest(), world::honest(), Weather::default());
//! world.order(link.dialler(), Order::Send(Message::GetAddr));
//! world.run_for(Duration::from_secs(1), &mut Quiet);
//! assert_eq!(world.end(link.dialled()).received(), [Message::GetAddr]);
//! ```

mod end;
mod pipe;

use std::hash::{DefaultHasher, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use peerage_peer_core::{Config, DisconnectReason, Event};
use peerage_transport::V2;
use peerage_wire::{Direction, Now, Rng};
use peerage_wire_bitcoin::types::InventoryItem;
use peerage_wire_bitcoin::{Bitcoin, Identity, Message, Network};

use crate::Clock;
pub use end::End;
use end::Part;
use pipe::Pipe;

/// Links, their ends and the time.
#[derive(Debug)]
pub struct World {
    clock: Clock,
    rng: Rng,
    links: Vec<Link>,
    digest: DefaultHasher,
}

#[derive(Debug)]
struct Link {
    /// Who dialled, who was dialled.
    ends: [End; 2],
    /// What travels to each of them.
    pipes: [Pipe; 2],
    weather: Weather,
    frozen: bool,
    /// Something was done to it, so that it must work although nothing is due.
    touched: bool,
}

/// One side of a link: what it says of itself, its bounds and its transport.
pub type Side = (Identity, Config, V2);

/// A peer of this library on regtest, with the defaults.
#[must_use]
pub fn honest() -> Side {
    (Identity::new(Network::regtest()), Config::default(), V2::Preferred)
}

/// How bytes travel, in either direction.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// From the moment a byte is written until it arrives.
    pub latency: Duration,
    /// Bytes a second; `None`: any number.
    pub rate: Option<u32>,
    /// How many bytes may be on their way or wait to be read; at least one.
    pub window: usize,
    /// How much a single read gives.
    pub delivery: Delivery,
}

/// How much a single read gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// What was written at once.
    AsWritten,
    /// One byte.
    ByteWise,
    /// Any part of it, at random.
    Pieces,
    /// All that has been written within this time.
    Coalesced(Duration),
}

impl Default for Weather {
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(50),
            rate: None,
            window: 64 << 10,
            delivery: Delivery::AsWritten,
        }
    }
}

/// A link of a world, by the order of their joining.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub usize);

impl LinkId {
    /// The end that dialled.
    #[must_use]
    pub const fn dialler(self) -> EndId {
        EndId { link: self, side: 0 }
    }

    /// The end that was dialled.
    #[must_use]
    pub const fn dialled(self) -> EndId {
        EndId { link: self, side: 1 }
    }

    /// Both.
    #[must_use]
    pub const fn ends(self) -> [EndId; 2] {
        [self.dialler(), self.dialled()]
    }
}

/// An end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndId {
    /// Of which link.
    pub link: LinkId,
    side: usize,
}

impl EndId {
    /// The other end of the same link.
    #[must_use]
    pub const fn other(self) -> Self {
        Self { link: self.link, side: 1 - self.side }
    }
}

/// What an end is told to do.
#[derive(Clone, Debug)]
pub enum Order {
    /// Queue a message as soon as there is room. Given by the handler of the same end, it is an
    /// answer, and queued at once.
    Send(Message),
    /// Announce these items.
    Announce(Vec<InventoryItem>),
    /// Take no more events, or (`true`) take them again.
    Read(bool),
    /// End the connection.
    Close(DisconnectReason),
}

/// Whoever handles the events of a world.
pub trait App {
    /// Something happened at this end. Orders to the end itself are carried out before its next
    /// event.
    fn on_event(&mut self, end: EndId, event: &Event<Bitcoin>, orders: &mut Vec<(EndId, Order)>);
}

/// Does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl App for Quiet {
    fn on_event(&mut self, _: EndId, _: &Event<Bitcoin>, _: &mut Vec<(EndId, Order)>) {}
}

/// Its links.
impl World {
    /// A world without links.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self {
            clock: Clock::default(),
            rng: Rng::from_seed(bytes),
            links: Vec::new(),
            digest: DefaultHasher::new(),
        }
    }

    /// `dialler` dials `dialled`.
    pub fn join(&mut self, dialler: Side, dialled: Side, weather: Weather) -> LinkId {
        let id = LinkId(self.links.len());
        let now = self.clock.now();
        let mut end = |direction, side, (identity, config, v2): Side| {
            let id = EndId { link: id, side };
            let config = Arc::new(config);
            End::new(Part { id, direction, identity, config, v2 }, &mut self.rng, now)
        };
        let ends = [end(Direction::Outbound, 0, dialler), end(Direction::Inbound, 1, dialled)];
        let pipes = [Pipe::default(), Pipe::default()];
        self.links.push(Link { ends, pipes, weather, frozen: false, touched: true });
        id
    }

    /// All links.
    pub fn links(&self) -> impl Iterator<Item = LinkId> + use<> {
        (0..self.links.len()).map(LinkId)
    }

    /// All ends.
    pub fn ends(&self) -> impl Iterator<Item = &End> {
        self.links.iter().flat_map(|link| &link.ends)
    }

    /// An end.
    ///
    /// # Panics
    /// If it is another world's.
    #[must_use]
    pub fn end(&self, id: EndId) -> &End {
        &self.links[id.link.0].ends[id.side]
    }

    /// How many bytes are on their way to this end, or wait to be read by it.
    ///
    /// # Panics
    /// If it is another world's.
    #[must_use]
    pub fn under_way(&self, to: EndId) -> usize {
        self.links[to.link.0].pipes[to.side].bytes()
    }

    /// Tells an end what to do.
    ///
    /// # Panics
    /// If it is another world's.
    pub fn order(&mut self, id: EndId, order: Order) {
        let now = self.clock.now();
        self.touch(id.link).ends[id.side].order(now, order);
    }
}

/// What befalls them.
impl World {
    /// Nothing moves on this link any more, or (`false`) it does again. Freezing the links between
    /// two groups is a partition.
    ///
    /// # Panics
    /// If it is another world's, as all of these.
    pub fn freeze(&mut self, link: LinkId, frozen: bool) {
        self.touch(link).frozen = frozen;
    }

    /// Changes the weather for what is not under way yet.
    pub fn set_weather(&mut self, link: LinkId, weather: Weather) {
        self.touch(link).weather = weather;
    }

    /// The link breaks: both ends learn it at once, and what was under way is lost.
    pub fn reset(&mut self, link: LinkId) {
        let link = self.touch(link);
        for (end, pipe) in link.ends.iter_mut().zip(&mut link.pipes) {
            pipe.close();
            end.break_down();
        }
    }

    /// One bit of the next byte that this end reads will be wrong.
    pub fn corrupt(&mut self, id: EndId) {
        self.touch(id.link).pipes[id.side].flip();
    }

    fn touch(&mut self, link: LinkId) -> &mut Link {
        let link = &mut self.links[link.0];
        link.touched = true;
        link
    }

    /// Somebody sets the wall clock, in seconds.
    pub fn jump(&mut self, seconds: i64) {
        self.clock.jump(seconds);
    }
}

/// Its time.
impl World {
    /// The time.
    #[must_use]
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// A number that follows from every byte read so far, where and when: worlds with the same seed
    /// that are treated in the same way have the same.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest.finish()
    }

    /// Runs until this moment of monotonic time, and does what is due then.
    pub fn run_until(&mut self, mono: Duration, app: &mut impl App) {
        loop {
            self.settle(app);
            match self.next() {
                Some(next) if next <= mono => self.clock.advance_to(next),
                _ => break,
            }
        }
        self.clock.advance_to(mono);
        self.settle(app);
    }

    /// Runs for so long.
    pub fn run_for(&mut self, duration: Duration, app: &mut impl App) {
        self.run_until(self.clock.now().mono + duration, app);
    }

    fn next(&self) -> Option<Duration> {
        self.links.iter().flat_map(Link::next).min()
    }

    /// Lets everybody work until nothing happens any more at this moment.
    fn settle(&mut self, app: &mut impl App) {
        let now = self.clock.now();
        for _ in 0..MAX_ROUNDS {
            let mut moved = false;
            let mut orders = Vec::new();
            for link in self.links.iter_mut().filter(|link| link.has_work(now)) {
                while link.work(now, &mut self.rng, &mut self.digest, app, &mut orders) {
                    moved = true;
                }
            }
            moved |= !orders.is_empty();
            for (id, order) in orders {
                self.order(id, order);
            }
            if !moved {
                return;
            }
        }
        panic!("it never rests at {:?}: {self:?}", now.mono);
    }
}

/// More rounds than any test has work for at one moment.
const MAX_ROUNDS: usize = 100_000;

impl Link {
    fn has_work(&self, now: Now) -> bool {
        self.touched || self.next().any(|due| due <= now.mono)
    }

    /// One round; returns whether anything happened.
    fn work(
        &mut self,
        now: Now,
        rng: &mut Rng,
        digest: &mut DefaultHasher,
        app: &mut impl App,
        orders: &mut Vec<(EndId, Order)>,
    ) -> bool {
        let Self { ends, pipes, weather, frozen, touched } = self;
        *touched = false;
        let mut moved = false;
        for side in 0..2 {
            let chunk = match ends[side].may_read() && !*frozen {
                true => pipes[side].read(now.mono, weather.delivery, rng),
                false => None,
            };
            if let Some(chunk) = &chunk {
                digest.write_usize(side);
                digest.write_u128(now.mono.as_nanos());
                digest.write(chunk.bytes());
            }
            moved |= ends[side].work(now, chunk, app, orders);
            moved |= ends[side].write(now, &mut pipes[1 - side], weather, *frozen);
            if ends[side].is_finished() {
                // What is still written to it disappears, so that its writer reads of the end.
                pipes[side].close();
            }
        }
        moved
    }

    fn next(&self) -> impl Iterator<Item = Duration> + '_ {
        self.ends.iter().zip(&self.pipes).flat_map(|(end, pipe)| {
            let arrival = pipe.next().filter(|_| end.may_read() && !self.frozen);
            [arrival, end.next_timeout()].into_iter().flatten()
        })
    }
}
