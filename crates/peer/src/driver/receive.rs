//! What has arrived.

use peerage_peer_core::{DisconnectReason, Envelope, Paused};
use peerage_transport::Frame;
use peerage_wire::{Message as _, Now, Protocol};

use super::Driver;
use crate::handler::Handler;
use crate::link::Link;

/// How many frames are handled before what they led to is sent, however many have arrived: answers
/// do not wait for the end of a flood.
const FRAMES_A_ROUND: usize = 4_096;

impl<P, L, H> Driver<P, L, H>
where
    P: Protocol,
    L: Link<P::Kind>,
    H: Handler<P>,
{
    /// Handles the frames that have arrived, until there is none or somebody must catch up first.
    pub(super) fn receive(&mut self, now: Now) -> bool {
        for _ in 0..FRAMES_A_ROUND {
            match self.link.next_frame() {
                Ok(Some(frame)) => self.receive_frame(now, frame),
                Ok(None) => {
                    self.note_arriving(now);
                    return false;
                }
                Err(reason) => {
                    self.link_failed(reason);
                    return false;
                }
            }
            self.deliver();
            if self.core.closed().is_some() || self.is_backlogged() {
                return true;
            }
        }
        true
    }

    pub(super) fn receive_frame(&mut self, now: Now, frame: Frame<P::Kind>) {
        // The next frame that arrives slowly is another one, even if it is as long.
        self.arriving = 0;
        if let Some((kind, count)) = self.received.add(frame.kind, frame.wire_len) {
            self.shared.measured().received.add(kind, count);
        }
        let Frame { kind, payload, wire_len, payload_hash } = frame;
        let decoded = P::Message::decode(kind, payload, self.core.version());
        if H::WIRE {
            let error = decoded.as_ref().err();
            self.handler.on_read(&self.peer, Some(kind), wire_len, error);
        }
        match decoded {
            Ok(message) => {
                self.core.handle_message(now, message, Envelope { wire_len, payload_hash });
            }
            Err(malformed) => self.core.handle_malformed(malformed),
        }
        let heard = self.core.poll_heard();
        if let Some(Err(refusal)) = heard.map(|remote| self.handler.remote(&remote)) {
            self.core.refuse(&refusal);
        }
    }

    pub(super) fn link_failed(&mut self, reason: DisconnectReason) {
        let DisconnectReason::Malformed(malformed) = reason else {
            return self.core.close(reason);
        };
        if H::WIRE {
            self.handler.on_read(&self.peer, None, 0, Some(&malformed));
        }
        self.core.handle_malformed(malformed);
    }

    /// Whether so much waits to be sent that nothing may be read which could add to it.
    pub(super) fn is_backlogged(&self) -> bool {
        self.shared.is_full() || self.core.has_backlog()
    }

    /// Whether frames may be handled now; tells the core when that changes.
    pub(super) fn may_handle(&mut self, ready: bool) -> bool {
        let backlogged = self.is_backlogged();
        let paused = match (ready, backlogged, self.link.is_short_of_memory()) {
            _ if self.core.remote().is_none() => None,
            (false, _, _) => Some(Paused::ByHandler),
            (true, true, _) => Some(Paused::ByBacklog),
            (true, false, true) => Some(Paused::ByShortage),
            (true, false, false) => None,
        };
        if paused != self.paused {
            self.paused = paused;
            self.core.set_paused(self.shared.clock.now(), paused);
        }
        // Whoever is short of memory must go on asking for it.
        paused.is_none() || (ready && !backlogged)
    }

    pub(super) fn note_arriving(&mut self, now: Now) {
        let arriving = self.link.arriving();
        if arriving != self.arriving {
            self.arriving = arriving;
            if arriving > 0 {
                self.core.handle_arriving(now, arriving);
            }
        }
    }
}
