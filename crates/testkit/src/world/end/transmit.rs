//! What an end sends: out of the engine and the outbox, sealed, to the pipe.

use peerage_peer_core::{Event, Taken};
use peerage_wire::{Message as _, Now};
use peerage_wire_bitcoin::{Kind, Message};

use super::{End, EndId, FrameEnd, Ledger};
use crate::world::pipe::Pipe;
use crate::world::{App, Order, Weather};

/// How many bytes the driver seals ahead of its socket.
const SEALED_AHEAD: usize = 256 << 10;

impl End {
    /// Hands its output to the pipe, and the end if it is over.
    pub(in crate::world) fn write(
        &mut self,
        now: Now,
        pipe: &mut Pipe,
        weather: &Weather,
        frozen: bool,
    ) -> bool {
        if self.finished {
            return false;
        }
        let bytes = self.output.make_contiguous();
        let count = if frozen { 0 } else { pipe.write(now.mono, bytes, weather) };
        self.output.drain(..count);
        self.written += count as u64;
        // The driver gives room back as the bytes of a frame are written; here the whole is awaited.
        while self.frames.front().is_some_and(|frame| frame.end <= self.written) {
            let Some(frame) = self.frames.pop_front() else { break };
            self.acknowledged += usize::from(frame.number.is_some());
            self.gone.callers += frame.charge;
        }
        self.note_writing(now);
        if self.core.closed().is_some() {
            self.finish(now, pipe, weather);
        }
        count > 0
    }

    pub(super) fn transmit(
        &mut self,
        now: Now,
        app: &mut impl App,
        orders: &mut Vec<(EndId, Order)>,
    ) {
        self.push_handshake();
        loop {
            self.admit();
            while self.has_room() {
                let Some(message) = self.core.poll_transmit() else { break };
                self.seal_own(now, &message);
            }
            while self.has_room() {
                let Some(frame) = self.batch.pop() else { break };
                self.gone.answers += frame.room_when_sealed();
                let charge = frame.room_when_written();
                let (kind, asks, number) = (frame.kind, frame.asks, frame.receipt);
                let mut out = Vec::new();
                let sum = Some(frame.checksum);
                self.transport.seal(kind, frame.payload.as_slice(), sum, &mut out);
                self.sealed(now, (kind, asks), &out, charge, number);
            }
            if self.outbox.release(std::mem::take(&mut self.gone)) {
                self.tell(now, &Event::Room, app, orders);
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
        if let Message::Inv(items) = message {
            for item in items.iter() {
                let Ledger { heard, said, wrong } = &mut self.ledger;
                if heard.contains(&item) || !said.insert(item) {
                    wrong.push(item);
                }
            }
        }
        let (mut payload, mut out) = (Vec::new(), Vec::new());
        message.encode(self.core.version(), &mut payload);
        self.transport.seal(message.kind(), &payload, None, &mut out);
        self.sealed(now, (message.kind(), message.asks()), &out, 0, None);
    }

    fn sealed(
        &mut self,
        now: Now,
        (kind, asks): (Kind, u32),
        out: &[u8],
        charge: usize,
        number: Option<usize>,
    ) {
        self.output.extend(out);
        let end = self.written + self.output.len() as u64;
        self.frames.push_back(FrameEnd { end, len: out.len(), charge, number });
        if asks > 0 && peerage_wire::Kind::policy(kind).expect.is_some() {
            self.asked.push((now.mono, kind));
        }
        self.core.transmitted(now, kind, asks);
    }

    pub(super) fn push_handshake(&mut self) {
        let mut out = Vec::new();
        self.transport.take_handshake(&mut out);
        self.output.extend(&out);
    }

    /// As much as the driver seals ahead of its socket.
    fn has_room(&self) -> bool {
        self.core.closed().is_none() && self.transport.is_open() && self.output.len() < SEALED_AHEAD
    }

    pub(super) fn note_writing(&mut self, now: Now) {
        let current = self.frames.front().map(|frame| (frame.end, frame.len));
        if current.map(|(end, _)| end) != self.writing {
            self.writing = current.map(|(end, _)| end);
            self.core.set_writing(now, current.map(|(_, len)| len));
        }
    }

    /// The connection is over: last words if there are any, then the end.
    fn finish(&mut self, now: Now, pipe: &mut Pipe, weather: &Weather) {
        let Some(reason) = self.core.closed().cloned() else { return };
        let farewell = self.core.poll_transmit().filter(|_| self.transport.is_open());
        match &farewell {
            Some(message) => self.seal_own(now, message),
            None => self.output.clear(),
        }
        pipe.end(now.mono, self.output.make_contiguous(), weather);
        self.output.clear();
        self.outbox.close(reason.clone());
        self.waiting.clear();
        self.reasons.push(reason);
        self.ended_at = Some(now.mono);
        self.finished = true;
    }
}
