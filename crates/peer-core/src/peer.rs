//! The machine: owns the parts, routes inputs to them and collects their outputs.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use peerage_wire::{
    Direction, Kind as _, Malformed, Message as _, Now, Offence, Protocol, Refusal, Remote as _,
    Rng, Role,
};

use crate::inventory::Inventory;
use crate::keepalive::Keepalive;
use crate::opening::Opening;
use crate::stall::Stall;
use crate::timers::{Timer, Timers};
use crate::unknown::UnknownTraffic;
use crate::{Config, DisconnectReason, Envelope, Event, PingStats};
use seed::Seed;

mod seed;
mod work;

/// One connection's protocol.
///
/// See the crate's documentation for the order in which to call it.
#[derive(Debug)]
pub struct Peer<P: Protocol> {
    direction: Direction,
    config: Arc<Config>,
    seed: Seed,
    state: State<P>,
    timers: Timers,
    keepalive: Keepalive,
    stall: Stall<P::Kind>,
    inventory: Inventory<P::Item>,
    unknown: UnknownTraffic,
    last_message: Duration,
    /// What the frame that is arriving may take beyond the idle timeout.
    arriving: Duration,
    remote_height: i32,
    paused: Option<Paused>,
    heard: Option<Box<P::Remote>>,
    events: VecDeque<Event<P>>,
    transmit: VecDeque<P::Message>,
}

#[derive(Debug)]
enum State<P: Protocol> {
    Opening(Box<Opening<P>>),
    Open(Arc<P::Remote>),
    Closed { reason: DisconnectReason, version: u32 },
}

/// Who has stopped the reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paused {
    /// Our handler takes no more events.
    ByHandler,
    /// Our answers fill the outbox.
    ByBacklog,
    /// Other connections hold the memory that a large frame needs.
    ByShortage,
}

/// Inputs.
impl<P: Protocol> Peer<P> {
    /// A connection that has just been made, or accepted.
    ///
    /// All its randomness comes from `seed`, which must be unpredictable and never used twice.
    #[must_use]
    pub fn new(
        direction: Direction,
        identity: Arc<P::Identity>,
        config: Arc<Config>,
        seed: [u8; 32],
        now: Now,
    ) -> Self {
        let mut rng = Rng::from_seed(seed);
        let timeout = config.opening_timeout;
        let (mut opening, send) = Opening::start(direction, &identity, &mut rng, now, timeout);
        let mut timers = Timers::default();
        timers.set(Timer::Opening, opening.new_deadline(now.mono).unwrap_or(now.mono));
        Self {
            direction,
            config,
            state: State::Opening(Box::new(opening)),
            timers,
            keepalive: Keepalive::default(),
            stall: Stall::new(),
            inventory: Inventory::new(&mut rng),
            seed: Seed(rng.array()),
            unknown: UnknownTraffic::default(),
            last_message: now.mono,
            arriving: Duration::ZERO,
            remote_height: 0,
            paused: None,
            heard: None,
            events: VecDeque::new(),
            transmit: send.into(),
        }
    }

    /// A whole message came. Of its frame, the length on the wire must be told.
    pub fn handle_message(&mut self, now: Now, message: P::Message, envelope: impl Into<Envelope>) {
        let envelope = envelope.into();
        self.last_message = now.mono;
        if !self.arriving.is_zero() {
            self.arriving = Duration::ZERO;
            if self.timers.get(Timer::Idle).is_some() {
                self.timers.start(Timer::Idle, now.mono, self.config.idle_timeout);
            }
        }
        match &mut self.state {
            State::Open(remote) => {
                let role = message.role(remote);
                if role == Role::Announce {
                    let inventory = &mut self.inventory;
                    let hash = envelope.payload_hash.as_ref();
                    message.items(remote, hash, &mut |item| inventory.learn(&item));
                }
                self.open_message(now, message, envelope.wire_len, role);
            }
            State::Opening(opening) => {
                let progress = opening.on_message(&message, now);
                self.opening_message(now, message, progress);
            }
            State::Closed { .. } => {}
        }
    }

    /// Bytes came that are no message.
    pub fn handle_malformed(&mut self, malformed: Malformed) {
        self.end(malformed.into(), Some(&Offence::Malformed(&malformed)));
    }

    /// A frame of `len` bytes has begun to arrive and is not complete yet.
    pub fn handle_arriving(&mut self, now: Now, len: usize) {
        if self.closed().is_some() {
            return;
        }
        self.arriving = self.config.transfer_time(len);
        self.stall.arriving(self.arriving, now.mono);
        self.rearm_stall();
        // A pong behind this frame cannot be here before it.
        if let Some(due) = self.timers.get(Timer::Pong) {
            self.timers.set(Timer::Pong, due.max(now.mono.saturating_add(self.arriving)));
        }
    }

    /// The moment told by [`poll_timeout`](Self::poll_timeout) has come.
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some(timer) = self.timers.expire(now.mono) {
            match timer {
                Timer::Opening => self.end(DisconnectReason::OpeningTimeout, None),
                Timer::Idle => self.check_idle(now),
                Timer::Pong => self.end(DisconnectReason::PongTimeout, None),
                Timer::Stall => self.check_stall(now),
                Timer::Ping => self.ping(now),
                Timer::Trickle => self.trickle(now),
                Timer::Write => self.end(
                    DisconnectReason::WriteStalled {
                        while_not_reading: self.paused == Some(Paused::ByHandler),
                    },
                    None,
                ),
                Timer::Patience => self.end(self.out_of_patience().into(), None),
            }
        }
    }

    /// A frame was taken for writing: the core's own, or a caller's. `asks` is how many answers it
    /// asks for.
    pub fn transmitted(&mut self, now: Now, kind: P::Kind, asks: u32) {
        if self.closed().is_some() {
            return;
        }
        // While paused, clocks stand at the pause's begin; its end moves them by its whole length.
        let now = self.timers.blaming_clock(now.mono);
        if kind.policy().expect.is_some() && self.config.stall_detection {
            self.stall.requested(kind, asks, now);
            self.stall.arriving(self.arriving, now);
            self.rearm_stall();
        } else if self.keepalive.is_waiting()
            && kind == P::Message::ping(0).kind()
            && self.keepalive.transmitted(now)
            && self.timers.get(Timer::Pong).is_none()
        {
            // The pong may have to wait behind the frame that is arriving.
            let allowed = self.config.pong_timeout.saturating_add(self.arriving);
            self.timers.start(Timer::Pong, now, allowed);
        }
    }

    /// The handler does not want them; only when they have just been heard, which is inside the
    /// opening or, where nothing follows an introduction, at its end.
    pub fn refuse(&mut self, refusal: &Refusal) {
        // Whoever is refused was never there.
        self.events.clear();
        self.end(refusal.clone().into(), Some(&Offence::Refused(refusal)));
    }

    /// Announces items: urgent ones at once, others with the trickle, known ones never.
    pub fn announce(&mut self, now: Now, items: &[P::Item]) {
        if !matches!(self.state, State::Open(_)) {
            return;
        }
        let mut urgent = Vec::new();
        for item in items {
            if !P::is_urgent(item) {
                self.inventory.queue(*item);
            } else if self.inventory.is_news(item) {
                urgent.push(*item);
            }
        }
        for chunk in urgent.chunks(P::MAX_URGENT) {
            self.transmit.push_back(P::Message::announce(chunk));
        }
        if self.trickle_interval().is_zero() {
            self.trickle(now);
        } else {
            self.arm_trickle(now);
        }
    }

    /// The remote is known to have these items.
    pub fn add_known(&mut self, items: &[P::Item]) {
        items.iter().for_each(|item| self.inventory.learn(item));
    }

    /// Their best chain has reached this height; never lowers it.
    pub fn set_remote_height(&mut self, height: i32) {
        self.remote_height = self.remote_height.max(height);
    }

    /// We have stopped reading (`Some`), or read on (`None`). While we do not read, no clock runs
    /// that could blame the remote.
    pub fn set_paused(&mut self, now: Now, paused: Option<Paused>) {
        if self.closed().is_some() {
            return;
        }
        let before = std::mem::replace(&mut self.paused, paused);
        if let Some(paused) = paused.filter(|paused| Some(*paused) != before) {
            self.timers.pause(now.mono);
            let began = self.timers.blaming_clock(now.mono);
            let (began, patience) = match paused {
                Paused::ByHandler | Paused::ByBacklog => (began, self.config.local_patience),
                Paused::ByShortage => (now.mono, self.config.memory_patience),
            };
            self.timers.start(Timer::Patience, began, patience);
        } else if paused.is_none() && self.timers.is_paused() {
            self.timers.stop(Timer::Patience);
            let length = self.timers.resume(now.mono);
            self.last_message += length;
            self.stall.not_reading_for(length);
            self.keepalive.not_reading_for(length);
            self.rearm_stall();
        }
    }

    /// The writing of a frame of `len` bytes has begun, or (`None`) nothing is being written.
    pub fn set_writing(&mut self, now: Now, len: Option<usize>) {
        match len.filter(|_| self.closed().is_none()) {
            Some(len) => {
                let allowed =
                    self.config.write_timeout.saturating_add(self.config.transfer_time(len));
                self.timers.start(Timer::Write, now.mono, allowed);
            }
            None => self.timers.stop(Timer::Write),
        }
    }

    /// Ends the connection for this reason, without last words; the first reason stays.
    pub fn close(&mut self, reason: DisconnectReason) {
        self.end(reason, None);
    }
}

/// Outputs.
impl<P: Protocol> Peer<P> {
    /// What they said of themselves, once, inside the opening.
    pub fn poll_heard(&mut self) -> Option<P::Remote> {
        self.heard.take().map(|heard| *heard)
    }

    /// The next thing to tell the application.
    #[inline]
    pub fn poll_event(&mut self) -> Option<Event<P>> {
        self.events.pop_front()
    }

    /// The next message of our own.
    #[inline]
    pub fn poll_transmit(&mut self) -> Option<P::Message> {
        self.transmit.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), in monotonic time.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.timers.next()
    }

    /// Why the connection is over, if it is.
    #[must_use]
    pub const fn closed(&self) -> Option<&DisconnectReason> {
        match &self.state {
            State::Closed { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// What they said, once the opening is done.
    #[must_use]
    pub const fn remote(&self) -> Option<&Arc<P::Remote>> {
        match &self.state {
            State::Open(remote) => Some(remote),
            _ => None,
        }
    }

    /// The version to encode and decode with now.
    #[must_use]
    pub fn version(&self) -> u32 {
        match &self.state {
            State::Opening(opening) => opening.version(),
            State::Open(remote) => remote.version(),
            State::Closed { version, .. } => *version,
        }
    }

    /// Whether so much of our own waits to be transmitted that no more may be read which could add
    /// to it: pongs, if they do not wait for their turn.
    #[must_use]
    pub fn has_backlog(&self) -> bool {
        self.transmit.len() > MAX_OWN
    }

    /// Gives back memory that only the opening needed; to be called when its outputs were taken.
    pub fn settle(&mut self) {
        self.events.shrink_to(1);
        self.transmit.shrink_to(1);
    }

    /// How many announcements wait for the trickle.
    #[must_use]
    pub fn announcements_waiting(&self) -> usize {
        self.inventory.pending()
    }

    /// How many items are remembered as known to the remote.
    #[must_use]
    pub fn known_items(&self) -> usize {
        self.inventory.known()
    }

    /// The round-trip times.
    #[must_use]
    pub fn ping_stats(&self, now: Now) -> PingStats {
        self.keepalive.stats(now.mono)
    }
}

/// How many messages of our own may wait before reading stops. Announcements come in batches of
/// 1,000 items, so honest traffic stays far below it.
const MAX_OWN: usize = 1_000;
