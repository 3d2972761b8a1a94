//! A connection's clock: the only place that reads one.

use std::time::Duration;

use peerage_wire::Now;
use tokio::time::Instant;

/// Monotonic time since the connection's start (tokio's, so that tests can pause it), and wall-clock
/// time.
#[derive(Debug)]
pub(crate) struct Clock {
    epoch: Instant,
}

/// Timers later than this are never awaited: what they stand for is "never".
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

impl Clock {
    pub(crate) fn start() -> Self {
        Self { epoch: Instant::now() }
    }

    #[allow(clippy::disallowed_methods)] // the one place of a connection that reads a clock
    pub(crate) fn now(&self) -> Now {
        let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let unix = unix.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
        Now { mono: self.epoch.elapsed(), unix }
    }

    /// The moment that lies so long after the start.
    pub(crate) fn moment(&self, mono: Duration) -> Instant {
        self.epoch + mono.min(FAR)
    }
}
