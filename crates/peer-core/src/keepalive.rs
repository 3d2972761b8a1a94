//! Is the remote still there? Pings, their answers and the time since anything came.
//!
//! A ping leaves every two minutes. Its clock starts when its frame is taken for writing, not when
//! it is queued, so that our own backlog is not the remote's latency.

use std::time::Duration;

use crate::PingStats;

/// One connection's pings.
#[derive(Debug, Default)]
pub(crate) struct Keepalive {
    /// A ping of ours that waits to be written.
    queued: Option<u64>,
    /// A ping of ours that was written, and when.
    sent: Option<(u64, Duration)>,
    last: Option<Duration>,
    min: Option<Duration>,
}

impl Keepalive {
    /// A ping with this nonce was queued.
    pub(crate) fn queue(&mut self, nonce: u64) {
        self.queued = Some(nonce);
    }

    /// Whether one is queued or waits for its answer, so that another would tell nothing.
    pub(crate) fn is_waiting(&self) -> bool {
        self.queued.is_some() || self.sent.is_some()
    }

    /// A ping frame was taken for writing. Returns whether it was ours and now waits for a pong.
    pub(crate) fn transmitted(&mut self, now: Duration) -> bool {
        self.sent = self.queued.take().map(|nonce| (nonce, now)).or(self.sent);
        self.sent.is_some()
    }

    /// A pong came. Returns whether it answered our ping; others are ignored, as in Core.
    pub(crate) fn pong(&mut self, nonce: u64, now: Duration) -> bool {
        let Some((expected, sent)) = self.sent else { return false };
        if nonce != expected {
            return false;
        }
        let elapsed = now.saturating_sub(sent);
        self.sent = None;
        self.last = Some(elapsed);
        self.min = Some(self.min.map_or(elapsed, |min| min.min(elapsed)));
        true
    }

    /// We did not read for so long: the pong may have been waiting for us.
    pub(crate) fn not_reading_for(&mut self, paused: Duration) {
        if let Some((_, sent)) = &mut self.sent {
            *sent += paused;
        }
    }

    pub(crate) fn stats(&self, now: Duration) -> PingStats {
        let waiting = self.sent.map(|(_, sent)| now.saturating_sub(sent));
        PingStats { last: self.last, min: self.min, waiting }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_outstanding_nonce_is_an_answer() {
        let ms = Duration::from_millis;
        let mut keepalive = Keepalive::default();
        assert!(!keepalive.pong(0, ms(1)));
        keepalive.queue(7);
        assert!(!keepalive.pong(7, ms(2)), "not written yet");
        assert!(keepalive.transmitted(ms(10)));
        assert!(!keepalive.pong(8, ms(20)));
        assert!(keepalive.pong(7, ms(30)));
        assert!(!keepalive.pong(7, ms(40)), "answered already");
        assert_eq!(keepalive.stats(ms(50)).last, Some(ms(20)));
        assert!(!keepalive.is_waiting());
    }
}
