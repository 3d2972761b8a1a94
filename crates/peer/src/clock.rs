//! A connection's clock: the only place that reads one.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use peerage_wire::Now;
use tokio::time::Instant;

/// Monotonic time since the connection's start (tokio's, so that tests can pause it), and wall-clock
/// time, which is in seconds and looked at once a second.
#[derive(Debug)]
pub(crate) struct Clock {
    epoch: Instant,
    unix: AtomicI64,
    /// The second of monotonic time in which the wall clock was looked at.
    looked: AtomicU64,
}

/// Timers later than this are never awaited: what they stand for is "never".
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

impl Clock {
    pub(crate) fn start() -> Self {
        let unix = AtomicI64::new(wall_clock());
        Self { epoch: Instant::now(), unix, looked: AtomicU64::new(0) }
    }

    pub(crate) fn now(&self) -> Now {
        let mono = self.epoch.elapsed();
        if self.looked.swap(mono.as_secs(), Ordering::Relaxed) != mono.as_secs() {
            self.unix.store(wall_clock(), Ordering::Relaxed);
        }
        Now { mono, unix: self.unix.load(Ordering::Relaxed) }
    }

    /// The moment that lies so long after the start.
    pub(crate) fn moment(&self, mono: Duration) -> Instant {
        self.epoch + mono.min(FAR)
    }
}

#[allow(clippy::disallowed_methods)] // a connection's only look at the wall clock
fn wall_clock() -> i64 {
    let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    unix.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
