//! Two engines joined by a link, in virtual time.
//!
//! Each [`Side`] drives its engine as the tokio driver does (the order of calls is that of the
//! contract on `peerage-peer-core`'s page), but nothing waits: [`Pair`] moves its clock from one
//! moment at which something happens to the next. Frames are encoded by the sender and decoded by
//! the receiver, each in the version that it believes to be agreed; they are not framed.
//!
//! ```
//! use peerage_testkit::Setup;
//! use peerage_wire_bitcoin::Message;
//!
//! let mut pair = Setup::default().start();
//! pair.open();
//! assert!(pair.outbound.send(&Message::GetAddr));
//! pair.run_until_idle();
//! assert_eq!(pair.inbound.take_messages(), [Message::GetAddr]);
//! ```

use std::sync::Arc;
use std::time::Duration;

use peerage_peer_core::{Config, DisconnectReason};
use peerage_wire::{Direction, Now, Rng};
use peerage_wire_bitcoin::{Identity, Kind, Network};

use crate::Clock;
use crate::side::{Part, Side};

/// What a pair is made of. The default: two peers of this library on regtest, 50 ms apart.
#[derive(Debug)]
pub struct Setup {
    /// Everything random follows from it.
    pub seed: u64,
    /// What the side that dials says of itself, and its configuration.
    pub outbound: (Identity, Config),
    /// The same of the side that is dialled.
    pub inbound: (Identity, Config),
    /// How the two are joined.
    pub link: LinkSpec,
}

/// How frames travel, in either direction.
#[derive(Clone, Copy, Debug)]
pub struct LinkSpec {
    /// From the moment a frame is written until it begins to arrive.
    pub latency: Duration,
    /// Bytes a second; `None` if a frame arrives as soon as it begins to.
    pub rate: Option<u32>,
    /// How many bytes may be on their way or wait to be read; a larger frame travels alone.
    pub window: usize,
}

/// What becomes of a frame that is about to travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It travels.
    Deliver,
    /// It is lost, though its sender believes it written: what a remote looks like that ignores it.
    Drop,
    /// It travels so much later, and what is written behind it not before.
    Delay(Duration),
}

type Decide = Box<dyn FnMut(Direction, Kind) -> Fate>;

impl Default for Setup {
    fn default() -> Self {
        Self {
            seed: 0,
            outbound: (Identity::new(Network::regtest()), Config::default()),
            inbound: (Identity::new(Network::regtest()), Config::default()),
            link: LinkSpec { latency: Duration::from_millis(50), rate: None, window: 64 << 10 },
        }
    }
}

impl Setup {
    /// Joins them: the dialling side has spoken when it first [runs](Pair::run_for).
    #[must_use]
    pub fn start(self) -> Pair {
        let clock = Clock::default();
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&self.seed.to_le_bytes());
        let mut rng = Rng::from_seed(bytes);
        let mut side = |direction, (identity, config): (Identity, Config)| {
            let part = Part { direction, identity, config: Arc::new(config), seed: rng.array() };
            Side::new(part, clock.now())
        };
        Pair {
            outbound: side(Direction::Outbound, self.outbound),
            inbound: side(Direction::Inbound, self.inbound),
            link: self.link,
            decide: Decision(Box::new(|_, _| Fate::Deliver)),
            clock,
        }
    }
}

/// Two engines, their link and their clock.
#[derive(Debug)]
pub struct Pair {
    /// The side that dialled.
    pub outbound: Side,
    /// The side that was dialled.
    pub inbound: Side,
    /// How they are joined; may be changed at any time for the frames that are not under way yet.
    pub link: LinkSpec,
    decide: Decision,
    clock: Clock,
}

impl Pair {
    /// The time.
    #[must_use]
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// The clock, for tests that set the wall clock.
    pub fn clock_mut(&mut self) -> &mut Clock {
        &mut self.clock
    }

    /// From now on `decide` is asked about every frame, with the direction of the side that sends
    /// it.
    pub fn on_frame(&mut self, decide: impl FnMut(Direction, Kind) -> Fate + 'static) {
        self.decide = Decision(Box::new(decide));
    }

    /// Runs until both sides agree.
    ///
    /// # Panics
    /// If they do not within a minute.
    pub fn open(&mut self) {
        let end = self.clock.now().mono + Duration::from_secs(60);
        while self.outbound.core().remote().is_none() || self.inbound.core().remote().is_none() {
            assert!(self.step(end), "no opening within a minute:\n{}", self.transcript());
        }
        self.settle();
    }

    /// Runs until nothing is under way any more. Timers may still be running.
    pub fn run_until_idle(&mut self) {
        self.settle();
        while self.outbound.is_busy() || self.inbound.is_busy() {
            if !self.step(Duration::MAX) {
                return;
            }
        }
    }

    /// Runs until this moment of monotonic time, and does what is due then.
    pub fn run_until(&mut self, mono: Duration) {
        while self.step(mono) {}
        self.clock.advance_to(mono);
        self.settle();
    }

    /// Runs for so long.
    pub fn run_for(&mut self, duration: Duration) {
        self.run_until(self.clock.now().mono + duration);
    }

    /// The connection breaks: both sides learn it at once, and what was under way is lost.
    pub fn cut(&mut self) {
        let now = self.clock.now();
        for side in [&mut self.outbound, &mut self.inbound] {
            side.lose(now, DisconnectReason::Io(std::io::ErrorKind::ConnectionReset));
        }
    }

    /// Everything that happened, in order. Pairs with the same seed that are treated in the same way
    /// have the same transcript.
    #[must_use]
    pub fn transcript(&self) -> String {
        let lines = |side: &Side| {
            let name = side.direction();
            let line = move |(at, what): &(Duration, String)| (*at, format!("{name:8} {what}"));
            side.log().iter().map(line).collect::<Vec<_>>()
        };
        let mut all = [lines(&self.outbound), lines(&self.inbound)].concat();
        all.sort_by_key(|(at, _)| *at);
        all.iter().map(|(at, what)| format!("{:10.3} {what}\n", at.as_secs_f64())).collect()
    }

    /// Goes on to the next moment at which something happens; `false` if that is after `end`.
    fn step(&mut self, end: Duration) -> bool {
        self.settle();
        let next = [&self.outbound, &self.inbound].into_iter().filter_map(Side::next).min();
        match next {
            Some(next) if next <= end => {
                self.clock.advance_to(next);
                self.settle();
                true
            }
            _ => false,
        }
    }

    /// Lets both sides work until nothing happens any more at this moment.
    fn settle(&mut self) {
        let now = self.clock.now();
        for _ in 0..MAX_ROUNDS {
            let Self { outbound, inbound, link, decide, .. } = self;
            let mut moved = outbound.work(now) | inbound.work(now);
            moved |= outbound.carry(now, link, &mut decide.0, inbound);
            moved |= inbound.carry(now, link, &mut decide.0, outbound);
            if !moved {
                return;
            }
        }
        panic!("it never rests at {:?}:\n{}", now.mono, self.transcript());
    }
}

/// More rounds than any test has work for at one moment.
const MAX_ROUNDS: usize = 100_000;

struct Decision(Decide);

impl std::fmt::Debug for Decision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decision")
    }
}
