//! What inputs lead to.

use std::sync::Arc;
use std::time::Duration;

use peerage_wire::{
    Direction, Kind as _, Message as _, Now, Offence, Patience, Protocol, Remote as _, Role,
    Violation,
};

use super::{Paused, Peer, State};
use crate::opening::Progress;
use crate::timers::{Timer, Timers};
use crate::unknown::{Unknown, UnknownTraffic};
use crate::{DisconnectReason, Event, Local, Misbehaviour, PongOrder};

impl<P: Protocol> Peer<P> {
    pub(super) fn opening_message(&mut self, now: Now, message: P::Message, progress: Progress<P>) {
        match progress {
            Progress::More { send, heard } => {
                if heard.is_some() {
                    self.heard = heard.map(Box::new);
                } else {
                    self.events.push_back(Event::Opening(message));
                }
                self.transmit.extend(send);
                if let State::Opening(opening) = &mut self.state
                    && let Some(due) = opening.new_deadline(now.mono)
                {
                    self.timers.set(Timer::Opening, due);
                }
            }
            Progress::Done { send, remote, heard } => {
                self.heard = heard.map(Box::new);
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

    pub(super) fn establish(&mut self, now: Now, remote: P::Remote) {
        let remote = Arc::new(remote);
        self.remote_height = remote.height();
        self.timers.stop(Timer::Opening);
        self.timers.start(Timer::Idle, now.mono, self.config.idle_timeout);
        self.arm_ping(now);
        self.events.push_back(Event::Established(remote.clone()));
        self.state = State::Open(remote);
    }

    #[inline]
    pub(super) fn open_message(
        &mut self,
        now: Now,
        message: P::Message,
        wire_len: usize,
        role: Role,
    ) {
        let kind = message.kind();
        self.stall.hear(wire_len);
        self.stall.answered(kind, message.settles(), now.mono);
        match role {
            Role::Other if kind.policy().unknown && !self.admit_unknown(now, wire_len) => return,
            Role::Other | Role::Announce => {}
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
    pub(super) fn admit_unknown(&mut self, now: Now, wire_len: usize) -> bool {
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

    pub(super) const fn out_of_patience(&self) -> Local {
        match self.paused {
            Some(Paused::ByShortage) => Local::NoMemory,
            _ => Local::NotReading,
        }
    }

    pub(super) fn check_idle(&mut self, now: Now) {
        // Not rearmed with every message: only when it fires is it seen that one has come.
        let allowed = self.config.idle_timeout.saturating_add(self.arriving);
        self.timers.start(Timer::Idle, self.last_message, allowed);
        if self.timers.get(Timer::Idle).is_some_and(|due| due <= now.mono) {
            self.end(DisconnectReason::Idle, None);
        }
    }

    pub(super) fn check_stall(&mut self, now: Now) {
        while let Some((request, patience)) = self.stall.expire(now.mono, self.config.slowest_rate)
        {
            let blamed = match patience {
                Patience::Strict => true,
                Patience::WhenAhead => self.remote_is_ahead(),
                Patience::Lenient => false,
            };
            if blamed {
                return self.end(DisconnectReason::Stalled(request.name()), None);
            }
            self.events.push_back(Event::Unanswered(request));
        }
        self.rearm_stall();
    }

    pub(super) fn remote_is_ahead(&self) -> bool {
        let ours = self.config.best_height.as_ref().and_then(crate::BestHeight::get);
        ours.is_some_and(|ours| self.remote_height > ours)
    }

    /// The timer runs for the earliest of what is owed; it fires early at worst.
    pub(super) fn rearm_stall(&mut self) {
        match self.stall.next() {
            Some(due) => self.timers.set(Timer::Stall, due),
            None => self.timers.stop(Timer::Stall),
        }
    }

    pub(super) fn ping(&mut self, now: Now) {
        let State::Open(remote) = &self.state else { return };
        let answers = remote.answers_ping();
        if !self.keepalive.is_waiting() {
            let nonce = self.seed.rng().next_u64();
            if answers {
                self.keepalive.queue(nonce);
            }
            self.transmit.push_back(P::Message::ping(nonce));
        }
        self.arm_ping(now);
    }

    pub(super) fn arm_ping(&mut self, now: Now) {
        if !self.config.ping_interval.is_zero() {
            self.timers.start(Timer::Ping, now.mono, self.config.ping_interval);
        }
    }

    pub(super) fn trickle_interval(&self) -> Duration {
        match self.direction {
            Direction::Inbound => self.config.trickle_inbound,
            Direction::Outbound => self.config.trickle_outbound,
        }
    }

    pub(super) fn arm_trickle(&mut self, now: Now) {
        if self.inventory.pending() > 0 && self.timers.get(Timer::Trickle).is_none() {
            let wait = self.seed.rng().poisson(self.trickle_interval());
            self.timers.start(Timer::Trickle, now.mono, wait);
        }
    }

    /// Sends what is due: one batch, or everything if nothing is ever held back.
    pub(super) fn trickle(&mut self, now: Now) {
        let at_once = self.trickle_interval().is_zero();
        let mut rng = self.seed.rng();
        while self.inventory.pending() > 0 {
            let batch = self.inventory.take(P::MAX_ANNOUNCED, &mut rng);
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
    pub(super) fn end(&mut self, reason: DisconnectReason, offence: Option<&Offence<'_>>) {
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
