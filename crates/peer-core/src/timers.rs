//! Every timer of a connection.

use std::time::Duration;

/// What may become due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// The opening must be done.
    Opening,
    /// The remote must have sent a whole message.
    Idle,
    /// Our ping must have been answered.
    Pong,
    /// A request must have been answered.
    Stall,
    /// The next ping is due.
    Ping,
    /// Announcements are due.
    Trickle,
    /// The remote must have taken the frame that is being written.
    Write,
    /// Our own side must have begun to read again.
    Patience,
}

impl Timer {
    const ALL: [Self; 8] = [
        Self::Opening,
        Self::Idle,
        Self::Pong,
        Self::Stall,
        Self::Ping,
        Self::Trickle,
        Self::Write,
        Self::Patience,
    ];

    /// Whether it could blame the remote for something that we cannot see while we do not read.
    const fn stands_still_while_paused(self) -> bool {
        matches!(self, Self::Opening | Self::Idle | Self::Pong | Self::Stall)
    }
}

/// The table: for each timer the moment at which it is due, if it runs.
///
/// Some timers stand still while the connection does not read. Their moments are moved by the
/// length of the pause when it ends.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: [Option<Duration>; Timer::ALL.len()],
    paused_since: Option<Duration>,
}

impl Timers {
    pub(crate) fn set(&mut self, timer: Timer, at: Duration) {
        self.due[timer as usize] = Some(at);
    }

    /// Starts a timer; one that would run for ever is due at the end of time.
    pub(crate) fn start(&mut self, timer: Timer, from: Duration, after: Duration) {
        self.set(timer, from.saturating_add(after));
    }

    pub(crate) fn stop(&mut self, timer: Timer) {
        self.due[timer as usize] = None;
    }

    pub(crate) fn get(&self, timer: Timer) -> Option<Duration> {
        self.due[timer as usize]
    }

    fn running(&self) -> impl Iterator<Item = (Timer, Duration)> + '_ {
        let paused = self.paused_since.is_some();
        Timer::ALL.into_iter().filter_map(move |timer| {
            let stands_still = paused && timer.stands_still_while_paused();
            self.get(timer).filter(|_| !stands_still).map(|at| (timer, at))
        })
    }

    /// The next moment at which something is due.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.running().map(|(_, at)| at).min()
    }

    /// Takes one timer that is due.
    pub(crate) fn expire(&mut self, now: Duration) -> Option<Timer> {
        let (timer, _) = self.running().find(|(_, at)| *at <= now)?;
        self.stop(timer);
        Some(timer)
    }

    /// Reading has stopped.
    pub(crate) fn pause(&mut self, now: Duration) {
        self.paused_since.get_or_insert(now);
    }

    /// Reading goes on; returns for how long it had stopped.
    pub(crate) fn resume(&mut self, now: Duration) -> Duration {
        let paused = self.paused_since.take().map_or(Duration::ZERO, |since| now - since);
        for timer in Timer::ALL.into_iter().filter(|timer| timer.stands_still_while_paused()) {
            if let Some(at) = &mut self.due[timer as usize] {
                *at = at.saturating_add(paused);
            }
        }
        paused
    }

    /// The time on the clocks that could blame the remote, which stand still while we do not read.
    pub(crate) fn blaming_clock(&self, now: Duration) -> Duration {
        self.paused_since.unwrap_or(now)
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused_since.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn clocks_that_blame_stand_still_while_paused() {
        let mut timers = Timers::default();
        timers.set(Timer::Idle, s(10));
        timers.set(Timer::Ping, s(20));
        timers.pause(s(4));
        assert_eq!(timers.next(), Some(s(20)));
        assert_eq!(timers.expire(s(15)), None);
        assert_eq!(timers.resume(s(15)), s(11));
        assert_eq!(timers.next(), Some(s(20)));
        assert_eq!(timers.expire(s(20)), Some(Timer::Ping));
        assert_eq!(timers.expire(s(20)), None);
        assert_eq!(timers.expire(s(21)), Some(Timer::Idle));
    }
}
