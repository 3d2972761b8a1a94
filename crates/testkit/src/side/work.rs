//! What a side does by itself: the driver's round, without waiting.

use std::time::Duration;

use bytes::Bytes;
use peerage_peer_core::{DisconnectReason, Event, Paused, Source, Taken};
use peerage_wire::{Direction, Message as _, Now, Payload};
use peerage_wire_bitcoin::{Bitcoin, Kind, Message};

use super::{Incoming, Packet, Sealed, Side};
use crate::pair::{Fate, LinkSpec};

impl Side {
    /// One round of work, as the driver's; returns whether anything happened.
    pub(crate) fn work(&mut self, now: Now) -> bool {
        if self.finished {
            return false;
        }
        let before = (self.log.len(), self.incoming.len());
        self.receive(now);
        self.note_writing(now);
        if self.core.poll_timeout().is_some_and(|due| due <= now.mono) {
            self.core.handle_timeout(now);
        }
        self.deliver(now);
        self.transmit(now);
        self.note_writing(now);
        self.pause(now);
        if self.core.closed().is_some() {
            self.finish(now);
        }
        before != (self.log.len(), self.incoming.len())
    }

    /// Hands to the link what it takes; returns whether it took anything.
    pub(crate) fn carry(
        &mut self,
        now: Now,
        link: &LinkSpec,
        decide: &mut dyn FnMut(Direction, Kind) -> Fate,
        other: &mut Self,
    ) -> bool {
        let mut taken = false;
        while let Some(next) = self.sealed.front() {
            let under_way: usize = other.incoming.iter().map(|it| it.packet.wire_len()).sum();
            if under_way > 0 && under_way + next.packet.wire_len() > link.window {
                break;
            }
            let Some(Sealed { packet, charge, receipt, .. }) = self.sealed.pop_front() else {
                break;
            };
            self.gone.callers += charge;
            self.written.extend(receipt);
            taken = true;
            let fate = match &packet {
                Packet::Frame(kind, _) => decide(self.direction, *kind),
                Packet::End => Fate::Deliver,
            };
            let delay = match fate {
                Fate::Deliver => Duration::ZERO,
                Fate::Drop => continue,
                Fate::Delay(delay) => delay,
            };
            let begins = (now.mono + link.latency + delay).max(other.last_arrival);
            let transfer = link.rate.map_or(0.0, |rate| {
                f64::from(u32::try_from(packet.wire_len()).unwrap_or(u32::MAX)) / f64::from(rate)
            });
            let ends = begins + Duration::from_secs_f64(transfer);
            other.last_arrival = ends;
            other.incoming.push_back(Incoming { packet, begins, ends, noticed: false });
        }
        taken
    }

    /// The moment at which this side has something to do next.
    pub(crate) fn next(&self) -> Option<Duration> {
        if self.finished {
            return None;
        }
        let arrival = self.incoming.front().filter(|_| self.may_read());
        let arrival = arrival.map(|it| if it.noticed { it.ends } else { it.begins });
        [arrival, self.core.poll_timeout()].into_iter().flatten().min()
    }

    /// Whether something is to be sent, or on its way and will be read.
    pub(crate) fn is_busy(&self) -> bool {
        let arriving = !self.incoming.is_empty() && self.may_read() && !self.finished;
        arriving || (!self.finished && !self.outbox.is_empty())
    }

    pub(crate) fn lose(&mut self, now: Now, reason: DisconnectReason) {
        self.incoming.clear();
        self.core.close(reason);
        self.work(now);
        self.sealed.clear();
    }

    pub(crate) fn log(&self) -> &[(Duration, String)] {
        &self.log
    }

    fn may_read(&self) -> bool {
        self.reading && !self.is_backed_up()
    }

    fn is_backed_up(&self) -> bool {
        self.outbox.is_full(Source::Answer) || self.core.has_backlog()
    }

    fn receive(&mut self, now: Now) {
        while self.may_read() && self.core.closed().is_none() {
            let Some(next) = self.incoming.front_mut() else { return };
            if next.ends > now.mono {
                if next.begins <= now.mono && !next.noticed {
                    next.noticed = true;
                    let len = next.packet.wire_len();
                    self.core.handle_arriving(now, len);
                    self.log.push((now.mono, format!("arriving {len} bytes")));
                }
                return;
            }
            let wire_len = next.packet.wire_len();
            match self.incoming.pop_front().map(|it| it.packet) {
                Some(Packet::Frame(kind, payload)) => {
                    self.receive_frame(now, kind, payload, wire_len);
                }
                _ => self.core.close(DisconnectReason::RemoteClosed),
            }
            self.deliver(now);
        }
    }

    fn receive_frame(&mut self, now: Now, kind: Kind, payload: Bytes, wire_len: usize) {
        match Message::decode(kind, payload, self.core.version()) {
            Ok(message) => self.core.handle_message(now, message, wire_len),
            Err(malformed) => self.core.handle_malformed(malformed),
        }
        if let Some(remote) = self.core.poll_heard() {
            self.heard = Some(remote);
            if let Some(refusal) = &self.refusal {
                self.core.refuse(refusal);
            }
        }
    }

    fn deliver(&mut self, now: Now) {
        while let Some(event) = self.core.poll_event() {
            match event {
                // The answers to what came before are in the outbox by now.
                Event::PongDue(nonce) => self.push(&Message::pong(nonce), Source::Answer, None),
                event => self.tell(now, event),
            }
        }
    }

    fn tell(&mut self, now: Now, event: Event<Bitcoin>) {
        if let Event::Message(message) = &event {
            let answers = self.handler.0(message);
            answers.iter().for_each(|answer| self.push(answer, Source::Answer, None));
        }
        self.log.push((now.mono, format!("{event:?}")));
        self.events.push((now.mono, event));
    }

    pub(super) fn push(&mut self, message: &Message, source: Source, receipt: Option<u64>) {
        let mut scratch = Vec::new();
        let payload = Payload::encode::<Bitcoin>(message, self.core.version(), &mut scratch);
        self.outbox.push(message.kind(), &payload, [0; 4], message.asks(), source, receipt);
    }

    fn transmit(&mut self, now: Now) {
        loop {
            while self.has_room() && self.core.closed().is_none() {
                let Some(message) = self.core.poll_transmit() else { break };
                self.seal_own(now, &message);
            }
            while self.has_room() && self.core.closed().is_none() {
                let Some(frame) = self.batch.pop() else { break };
                self.gone.answers += frame.room_when_sealed();
                let charge = frame.room_when_written();
                let payload = Bytes::copy_from_slice(frame.payload.as_slice());
                let (kind, asks, receipt) = (frame.kind, frame.asks, frame.receipt);
                self.seal(now, kind, payload, charge, receipt);
                self.core.transmitted(now, kind, asks);
            }
            if self.outbox.release(std::mem::take(&mut self.gone)) {
                self.tell(now, Event::Room);
            }
            let open = self.core.remote().is_some();
            if !self.batch.is_empty() || !open || self.outbox.is_empty() {
                return;
            }
            let Taken { announcements, known } = self.outbox.take(&mut self.batch);
            self.core.add_known(&known);
            self.core.announce(now, &announcements);
            self.outbox.set_waiting(self.core.announcements_waiting());
        }
    }

    fn seal_own(&mut self, now: Now, message: &Message) {
        let mut payload = Vec::new();
        message.encode(self.core.version(), &mut payload);
        self.seal(now, message.kind(), payload.into(), 0, None);
        self.core.transmitted(now, message.kind(), message.asks());
    }

    fn seal(&mut self, now: Now, kind: Kind, payload: Bytes, charge: usize, receipt: Option<u64>) {
        self.log.push((now.mono, format!("says {kind} ({} bytes)", payload.len())));
        self.sent.push((now.mono, kind));
        self.frames_sealed += 1;
        let number = self.frames_sealed;
        let packet = Packet::Frame(kind, payload);
        self.sealed.push_back(Sealed { number, packet, charge, receipt });
    }

    /// As much as the driver seals ahead of its socket.
    fn has_room(&self) -> bool {
        self.sealed.iter().map(|sealed| sealed.packet.wire_len()).sum::<usize>() < 256 << 10
    }

    fn note_writing(&mut self, now: Now) {
        let current = self.sealed.front().map(|sealed| (sealed.number, sealed.packet.wire_len()));
        if current.map(|(number, _)| number) != self.writing {
            self.writing = current.map(|(number, _)| number);
            self.core.set_writing(now, current.map(|(_, len)| len));
        }
    }

    fn pause(&mut self, now: Now) {
        let paused = match (self.reading, self.is_backed_up()) {
            _ if self.core.remote().is_none() => None,
            (false, _) => Some(Paused::ByHandler),
            (true, true) => Some(Paused::ByBacklog),
            (true, false) => None,
        };
        self.core.set_paused(now, paused);
    }

    /// The connection is over: last words if there are any, then the end.
    fn finish(&mut self, now: Now) {
        let Some(reason) = self.core.closed().cloned() else { return };
        match self.core.poll_transmit() {
            Some(farewell) => self.seal_own(now, &farewell),
            None => self.sealed.clear(),
        }
        self.sealed.push_back(Sealed { number: 0, packet: Packet::End, charge: 0, receipt: None });
        self.outbox.close(reason.clone());
        self.tell(now, Event::Disconnected(reason));
        self.incoming.clear();
        self.finished = true;
    }
}
