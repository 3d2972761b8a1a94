//! The machine: owns the parts, routes inputs to them and collects their outputs.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use peerage_wire::{
    Direction, Kind as _, Malformed, Message as _, Now, Offence, Patience, Protocol, Refusal,
    Remote as _, Rng, Role, Violation,
};

use crate::inventory::{Inventory, MAX_ANNOUNCED};
use crate::keepalive::Keepalive;
use crate::opening::{Opening, Progress};
use crate::stall::Stall;
use crate::timers::{Timer, Timers};
use crate::unknown::{Unknown, UnknownTraffic};
use crate::{Config, DisconnectReason, Event, Local, Misbehaviour, PingStats, PongOrder};

/// One connection's protocol.
///
/// See the crate's documentation for the order in which to call it.
#[derive(Debug)]
pub struct Peer<P: Protocol> {
    direction: Direction,
    config: Arc<Config>,
    identity: Arc<P::Identity>,
    rng: Rng,
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
        let (opening, send) = Opening::start(direction, &identity, &mut rng, now);
        let mut timers = Timers::default();
        timers.start(Timer::Opening, now.mono, config.opening_timeout);
        Self {
            direction,
            config,
            identity,
            state: State::Opening(Box::new(opening)),
            timers,
            keepalive: Keepalive::default(),
            stall: Stall::new(),
            inventory: Inventory::new(&mut rng),
            rng,
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

    /// A whole message came, in a frame of `wire_len` bytes.
    pub fn handle_message(&mut self, now: Now, message: P::Message, wire_len: usize) {
        self.last_message = now.mono;
        if !self.arriving.is_zero() {
            self.arriving = Duration::ZERO;
            if self.timers.get(Timer::Idle).is_some() {
                self.timers.start(Timer::Idle, now.mono, self.config.idle_timeout);
            }
        }
        match &mut self.state {
            State::Open(remote) => {
                let role = message.role(&self.identity, remote);
                self.open_message(now, message, wire_len, role);
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

    /// The handler does not want them; only inside the opening, when they have been heard.
    pub fn refuse(&mut self, refusal: &Refusal) {
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
        for chunk in urgent.chunks(MAX_ANNOUNCED) {
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

impl<P: Protocol> Peer<P> {
    fn opening_message(&mut self, now: Now, message: P::Message, progress: Progress<P>) {
        match progress {
            Progress::More { send, heard } => {
                if heard.is_some() {
                    self.heard = heard.map(Box::new);
                } else {
                    self.events.push_back(Event::Opening(message));
                }
                self.transmit.extend(send);
            }
            Progress::Done { send, remote } => {
                self.events.push_back(Event::Opening(message));
                self.transmit.extend(send);
                self.establish(now, remote);
            }
            Progress::Failed(reason) => {
                let cause = reason.clone();
                let offence = match &cause {
                    DisconnectReason::Violation(violation) => Some(Offence::Violation(violation)),
                    _ => None,
                };
                self.end(reason, offence.as_ref());
            }
        }
    }

    fn establish(&mut self, now: Now, remote: P::Remote) {
        let remote = Arc::new(remote);
        self.remote_height = remote.height();
        self.timers.stop(Timer::Opening);
        self.timers.start(Timer::Idle, now.mono, self.config.idle_timeout);
        self.arm_ping(now);
        self.events.push_back(Event::Established(remote.clone()));
        self.transmit.shrink_to(1);
        self.state = State::Open(remote);
    }

    #[inline]
    fn open_message(&mut self, now: Now, message: P::Message, wire_len: usize, role: Role) {
        let kind = message.kind();
        self.stall.answered(kind, message.settles(), now.mono);
        match role {
            Role::Other if kind.policy().unknown && !self.admit_unknown(now, wire_len) => return,
            Role::Other => {}
            Role::Announce => {
                let inventory = &mut self.inventory;
                message.items(&mut |item| inventory.learn(&item));
            }
            Role::Ping(nonce) => {
                self.events.push_back(Event::Message(message));
                return match self.config.pong {
                    PongOrder::AtOnce => self.transmit.push_back(P::Message::pong(nonce)),
                    PongOrder::Ordered => self.events.push_back(Event::PongDue(nonce)),
                };
            }
            Role::Pong(nonce) => {
                if self.keepalive.pong(nonce, now.mono) {
                    self.timers.stop(Timer::Pong);
                }
            }
            Role::Ignore => return,
            Role::Forbidden(violation) => {
                let offence = violation.clone();
                return self.end(violation.into(), Some(&Offence::Violation(&offence)));
            }
        }
        self.events.push_back(Event::Message(message));
    }

    /// Counts unknown traffic; returns whether the message may pass.
    fn admit_unknown(&mut self, now: Now, wire_len: usize) -> bool {
        match self.unknown.add(now.mono, wire_len) {
            Unknown::Free => {}
            Unknown::Noticed => {
                self.events.push_back(Event::Misbehaved(Misbehaviour::UnknownTraffic));
            }
            Unknown::Flood => {
                let violation = Violation::UnknownFlood { max: UnknownTraffic::FLOOD };
                self.end(violation.clone().into(), Some(&Offence::Violation(&violation)));
                return false;
            }
        }
        true
    }

    const fn out_of_patience(&self) -> Local {
        match self.paused {
            Some(Paused::ByShortage) => Local::NoMemory,
            _ => Local::NotReading,
        }
    }

    fn check_idle(&mut self, now: Now) {
        // Not rearmed with every message: only when it fires is it seen that one has come.
        let allowed = self.config.idle_timeout.saturating_add(self.arriving);
        self.timers.start(Timer::Idle, self.last_message, allowed);
        if self.timers.get(Timer::Idle).is_some_and(|due| due <= now.mono) {
            self.end(DisconnectReason::Idle, None);
        }
    }

    fn check_stall(&mut self, now: Now) {
        while let Some((request, patience)) = self.stall.expire(now.mono) {
            let blamed = match patience {
                Patience::Strict => true,
                Patience::WhenAhead => self.remote_is_ahead(),
                Patience::Lenient => false,
            };
            if blamed {
                return self.end(DisconnectReason::Stalled(request.command()), None);
            }
            self.events.push_back(Event::Unanswered(request));
        }
        self.rearm_stall();
    }

    fn remote_is_ahead(&self) -> bool {
        let ours = self.config.best_height.as_ref().and_then(crate::BestHeight::get);
        ours.is_some_and(|ours| self.remote_height > ours)
    }

    /// The timer runs for the earliest of what is owed; it fires early at worst.
    fn rearm_stall(&mut self) {
        match self.stall.next() {
            Some(due) => self.timers.set(Timer::Stall, due),
            None => self.timers.stop(Timer::Stall),
        }
    }

    fn ping(&mut self, now: Now) {
        let State::Open(remote) = &self.state else { return };
        let answers = remote.answers_ping();
        if !self.keepalive.is_waiting() {
            let nonce = self.rng.next_u64();
            if answers {
                self.keepalive.queue(nonce);
            }
            self.transmit.push_back(P::Message::ping(nonce));
        }
        self.arm_ping(now);
    }

    fn arm_ping(&mut self, now: Now) {
        if !self.config.ping_interval.is_zero() {
            self.timers.start(Timer::Ping, now.mono, self.config.ping_interval);
        }
    }

    fn trickle_interval(&self) -> Duration {
        match self.direction {
            Direction::Inbound => self.config.trickle_inbound,
            Direction::Outbound => self.config.trickle_outbound,
        }
    }

    fn arm_trickle(&mut self, now: Now) {
        if self.inventory.pending() > 0 && self.timers.get(Timer::Trickle).is_none() {
            let wait = self.rng.poisson(self.trickle_interval());
            self.timers.start(Timer::Trickle, now.mono, wait);
        }
    }

    /// Sends what is due: one batch, or everything if nothing is ever held back.
    fn trickle(&mut self, now: Now) {
        let at_once = self.trickle_interval().is_zero();
        while self.inventory.pending() > 0 {
            let batch = self.inventory.take(&mut self.rng);
            if !batch.is_empty() {
                self.transmit.push_back(P::Message::announce(&batch));
            }
            if !at_once {
                break;
            }
        }
        self.arm_trickle(now);
    }

    /// Ends the connection: nothing that waited is sent, except last words where they are wanted.
    fn end(&mut self, reason: DisconnectReason, offence: Option<&Offence<'_>>) {
        if self.closed().is_some() {
            return;
        }
        self.transmit.clear();
        if let Some(offence) = offence {
            let heard = match &self.state {
                State::Opening(opening) => opening.heard(),
                State::Open(remote) => Some(&**remote),
                State::Closed { .. } => None,
            };
            self.transmit.extend(P::farewell(heard, offence));
        }
        let version = self.version();
        self.state = State::Closed { reason, version };
        self.timers = Timers::default();
    }
}

/// How many messages of our own may wait before reading stops. Announcements come in batches of
/// 1,000 items, so honest traffic stays far below it.
const MAX_OWN: usize = 1_000;
