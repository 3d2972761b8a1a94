//! What may be set about a connection, with the reason of each default.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Times and bounds of a connection; shared by as many connections as like.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// How long the whole opening may take, v2 handshake included. 30 s, as btcd; Core gives 60 s.
    pub opening_timeout: Duration,
    /// How often we ping. 2 min, as Core and btcd; zero: never.
    pub ping_interval: Duration,
    /// How long a pong may take before the connection ends. 5 min: Core waits 20, btcd for ever; a
    /// busy node answers late, but within the idle time.
    pub pong_timeout: Duration,
    /// How long no whole message may arrive. 5 min, as btcd; extended by 1 s for each
    /// [`slowest_rate`](Self::slowest_rate) bytes of the frame that is arriving.
    pub idle_timeout: Duration,
    /// How long the remote may take to accept a frame whose writing has begun. 60 s, and 1 s for
    /// each [`slowest_rate`](Self::slowest_rate) bytes of the frame. btcd waits for ever.
    pub write_timeout: Duration,
    /// The slowest transfer that counts as progress, in bytes a second. 10,000: a 4 MB block then
    /// takes under 7 min, and a remote that moves one byte a second is let go.
    pub slowest_rate: u32,
    /// How long we ourselves may have stopped reading before the connection ends with a local
    /// reason. 10 min: longer, and the remote gives us up anyway.
    pub local_patience: Duration,
    /// How long a frame above 64 KiB may wait for memory that other connections hold before its own
    /// connection ends with a local reason. 60 s: connections that each hold some and wait for more
    /// would otherwise keep each other waiting.
    pub memory_patience: Duration,
    /// Mean time between announcements to an inbound peer (a Poisson process, so that arrival times
    /// tell nothing of origins). 5 s, as Core; zero announces at once.
    pub trickle_inbound: Duration,
    /// The same for an outbound peer. 2 s, as Core: we chose it, so it learns sooner.
    pub trickle_outbound: Duration,
    /// Whether a request that is not answered in time ends the connection. Some protocols' test
    /// tools never answer; btcd can switch it off as well.
    pub stall_detection: bool,
    /// When a ping is answered.
    pub pong: PongOrder,
    /// Our best height, asked when we introduce ourselves and when silence must be judged.
    pub best_height: Option<BestHeight>,
    /// How many bytes the outbox holds before it is full; one message may exceed it. 1 MiB, as
    /// Core's send buffer.
    pub outbox_limit: usize,
    /// How many announcements may wait. 50,000: one full `inv`.
    pub announcement_limit: usize,
    /// How many bytes of events may wait for the reader of an event stream before we stop reading
    /// from the remote. 1 MiB.
    pub event_limit: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            opening_timeout: Duration::from_secs(30),
            ping_interval: Duration::from_secs(120),
            pong_timeout: Duration::from_secs(300),
            idle_timeout: Duration::from_secs(300),
            write_timeout: Duration::from_secs(60),
            slowest_rate: 10_000,
            local_patience: Duration::from_secs(600),
            memory_patience: Duration::from_secs(60),
            trickle_inbound: Duration::from_secs(5),
            trickle_outbound: Duration::from_secs(2),
            stall_detection: true,
            pong: PongOrder::Ordered,
            best_height: None,
            outbox_limit: 1 << 20,
            announcement_limit: 50_000,
            event_limit: 1 << 20,
        }
    }
}

impl Config {
    /// The time that `bytes` may take at the slowest rate.
    pub(crate) fn transfer_time(&self, bytes: usize) -> Duration {
        Duration::from_secs(bytes as u64 / u64::from(self.slowest_rate.max(1)))
    }
}

/// When a ping is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PongOrder {
    /// Behind the answers to what came before the ping. Core and btcd keep this order: test tools
    /// use a ping as a fence, and a late pong tells the remote that we are loaded.
    #[default]
    Ordered,
    /// Before everything that waits in the outbox.
    AtOnce,
}

/// Tells our best height; `None` if it cannot be told now.
#[derive(Clone)]
pub struct BestHeight(Arc<dyn Fn() -> Option<i32> + Send + Sync>);

impl BestHeight {
    /// Asks this function. It runs on a connection's task and must not block.
    pub fn new(ask: impl Fn() -> Option<i32> + Send + Sync + 'static) -> Self {
        Self(Arc::new(ask))
    }

    /// Asks.
    #[must_use]
    pub fn get(&self) -> Option<i32> {
        (self.0)()
    }
}

/// The same if it asks the same function.
impl PartialEq for BestHeight {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for BestHeight {}

impl fmt::Debug for BestHeight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BestHeight")
    }
}
