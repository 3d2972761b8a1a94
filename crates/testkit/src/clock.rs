//! The time of a test, moved by hand.

use std::time::Duration;

use peerage_wire::Now;

/// A virtual clock: monotonic time from zero, wall-clock time from 1,700,000,000.
///
/// ```
/// use std::time::Duration;
/// use peerage_testkit::Clock;
///
/// let mut clock = Clock::default();
/// clock.advance(Duration::from_millis(2_500));
/// clock.jump(-3_600);
/// assert_eq!(clock.now().mono, Duration::from_millis(2_500));
/// assert_eq!(clock.now().unix, 1_700_000_000 + 2 - 3_600);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    mono: Duration,
    jumped: i64,
}

impl Clock {
    /// The wall clock when monotonic time is zero, in seconds since 1970.
    pub const START: i64 = 1_700_000_000;

    /// The time.
    #[must_use]
    pub fn now(&self) -> Now {
        let elapsed = i64::try_from(self.mono.as_secs()).unwrap_or(i64::MAX);
        let unix = Self::START.saturating_add(elapsed).saturating_add(self.jumped);
        Now { mono: self.mono, unix }
    }

    /// Lets this much time pass.
    pub fn advance(&mut self, duration: Duration) {
        self.mono += duration;
    }

    /// Lets time pass until this moment of monotonic time; does nothing if it is past.
    pub fn advance_to(&mut self, mono: Duration) {
        self.mono = self.mono.max(mono);
    }

    /// Somebody sets the wall clock, forward or backward, in seconds.
    pub fn jump(&mut self, seconds: i64) {
        self.jumped += seconds;
    }
}
