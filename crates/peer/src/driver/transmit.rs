//! What is to be sent.

use std::future::poll_fn;
use std::time::Duration;

use peerage_peer_core::{Event, Load, Outgoing, Taken};
use peerage_transport::Negotiated;
use peerage_wire::{Message as _, Now, Payload, Protocol, checksum};

use super::Driver;
use crate::handler::Handler;
use crate::link::{Link, Unsealed};
use crate::shared::encode::{put_scratch, take_scratch};

/// How long the last words to a peer that broke a rule may take.
const FAREWELL: Duration = Duration::from_secs(1);

impl<P, L, H> Driver<P, L, H>
where
    P: Protocol,
    L: Link<P::Kind>,
    H: Handler<P>,
{
    /// Seals what is to be sent, as long as the link has room: first the core's own messages, then
    /// what callers have queued, in its order.
    pub(super) fn transmit(&mut self, now: Now) {
        loop {
            self.transmit_own(now);
            while self.link.has_room() && self.core.closed().is_none() {
                let Some(frame) = self.batch.pop() else { break };
                self.sealed += frame.room_when_sealed();
                let charge = frame.room_when_written();
                let Outgoing { kind, asks, payload, checksum, receipt, .. } = frame;
                let len = self.link.push(Unsealed { kind, payload, checksum, charge, receipt });
                self.sent(now, kind, asks, len);
            }
            self.more_to_send = !self.batch.is_empty() || !self.link.has_room();
            if self.more_to_send || self.core.closed().is_some() {
                return self.give_back_room();
            }
            if !self.refill(now) {
                return;
            }
        }
    }

    pub(super) fn transmit_own(&mut self, now: Now) {
        // Last words are said by `finish`, which sees that they leave.
        while self.link.has_room() && self.core.closed().is_none() {
            let Some(message) = self.core.poll_transmit() else { return };
            let kind = message.kind();
            let mut scratch = take_scratch();
            let payload = Payload::encode::<P>(&message, self.core.version(), &mut scratch);
            let v1 = matches!(self.link.negotiated(), Some(Negotiated::V1 { .. }));
            let sum = if v1 { checksum(payload.as_slice()) } else { [0; 4] };
            let len = self.link.push(Unsealed::own(kind, payload, sum));
            put_scratch(scratch);
            self.sent(now, kind, message.asks(), len);
        }
    }

    pub(super) fn sent(&mut self, now: Now, kind: P::Kind, asks: u32, wire_len: usize) {
        self.core.transmitted(now, kind, asks);
        if let Some((kind, count)) = self.sent.add(kind, wire_len) {
            self.shared.measured().sent.add(kind, count);
        }
        if H::WIRE {
            self.handler.on_write(&self.peer, kind, wire_len);
        }
    }

    /// Takes the next lane out of the outbox; returns whether there is something to send.
    pub(super) fn refill(&mut self, now: Now) -> bool {
        if self.core.remote().is_none() {
            return false;
        }
        let gone = self.gone();
        let waiting = self.core.announcements_waiting();
        let (taken, room) = self.shared.exchange(gone, waiting, &mut self.batch);
        let Taken { announcements, known } = taken;
        self.core.add_known(&known);
        if !announcements.is_empty() {
            self.core.announce(now, &announcements);
        }
        if room {
            self.handler.handle(&self.peer, Event::Room);
        }
        room || !self.batch.is_empty() || !announcements.is_empty()
    }

    pub(super) fn give_back_room(&mut self) {
        let gone = self.gone();
        if gone.total() > 0 && self.shared.release(gone) {
            self.handler.handle(&self.peer, Event::Room);
            // The round may be over, and nothing else may come for long.
            self.handler.flush(0);
        }
    }

    /// What makes room in the outbox again.
    pub(super) fn gone(&mut self) -> Load {
        let answers = std::mem::take(&mut self.sealed);
        Load { callers: self.link.take_freed(), answers }
    }

    pub(super) fn note_writing(&mut self, now: Now) {
        let current = self.link.current_frame();
        if current.map(|(end, _)| end) != self.writing {
            self.writing = current.map(|(end, _)| end);
            self.core.set_writing(now, current.map(|(_, len)| len));
        }
    }

    pub(super) async fn say_farewell(&mut self, now: Now) {
        let Some(message) = self.core.poll_transmit() else { return };
        let mut scratch = Vec::new();
        let payload = Payload::encode::<P>(&message, self.core.version(), &mut scratch);
        let sum = checksum(payload.as_slice());
        let len = self.link.push(Unsealed::own(message.kind(), payload, sum));
        self.sent(now, message.kind(), 1, len);
        // Who does not take it does not hear it.
        let flushed = poll_fn(|cx| self.link.poll_flush(cx));
        let _ = tokio::time::timeout(FAREWELL, flushed).await;
    }
}
