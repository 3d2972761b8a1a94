//! A connection's statistics: a snapshot that nobody waits for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use peerage_peer_core::{Count, PeerId, PingStats, Traffic};
use peerage_transport::Negotiated;
use peerage_wire::{Direction, Kind, Protocol};

use crate::target::Target;

/// Everything that is known and measured about an established connection.
#[derive(Clone, Debug)]
pub struct Stats<P: Protocol> {
    /// The connection's number.
    pub id: PeerId,
    /// Who dialled.
    pub direction: Direction,
    /// The remote's address, where the connection has one. Behind a proxy this is the target.
    pub remote_addr: Option<Target>,
    /// Our own end's address, where the connection has one.
    pub local_addr: Option<SocketAddr>,
    /// What the remote said of itself, and what was agreed.
    pub remote: Arc<P::Remote>,
    /// The transport in use.
    pub transport: Negotiated,
    /// Every byte read from the connection: opening, tags and decoys included.
    pub bytes_received: u64,
    /// Every byte written to the connection.
    pub bytes_sent: u64,
    /// Messages received, by kind.
    pub received: Traffic<P::Kind>,
    /// Messages sent (sealed for writing), by kind.
    pub sent: Traffic<P::Kind>,
    /// When the last bytes came, in seconds since 1970.
    pub last_received: Option<i64>,
    /// When the last bytes left, in seconds since 1970.
    pub last_sent: Option<i64>,
    /// When the connection was made, in seconds since 1970.
    pub connected_at: i64,
    /// How long the opening took, from the connection's start.
    pub opening_took: Duration,
    /// The height that the remote claims, raised by
    /// [`set_last_block_height`](crate::PeerHandle::set_last_block_height).
    pub last_block_height: i32,
    /// The item last noted with
    /// [`set_last_announced`](crate::PeerHandle::set_last_announced).
    pub last_announced: Option<P::Item>,
    /// Round-trip times.
    pub ping: PingStats,
    /// How many items are remembered as known to the remote.
    pub known_items: usize,
    /// How many announcements wait.
    pub announcements_waiting: usize,
    /// How many bytes wait in the outbox.
    pub outbox_bytes: usize,
}

/// The two ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Addresses {
    pub(crate) remote: Option<Target>,
    pub(crate) local: Option<SocketAddr>,
}

/// What the driver measures, noted after each round of work.
#[derive(Debug)]
pub(crate) struct Measured<P: Protocol> {
    pub(crate) bytes_received: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) received: Traffic<P::Kind>,
    pub(crate) sent: Traffic<P::Kind>,
    pub(crate) last_received: Option<i64>,
    pub(crate) last_sent: Option<i64>,
    pub(crate) connected_at: i64,
    pub(crate) opening_took: Duration,
    /// When, in the connection's time.
    pub(crate) at: Duration,
    pub(crate) ping: PingStats,
    pub(crate) known_items: usize,
    pub(crate) transport: Option<Negotiated>,
}

impl<P: Protocol> Default for Measured<P> {
    fn default() -> Self {
        Self {
            bytes_received: 0,
            bytes_sent: 0,
            received: Traffic::default(),
            sent: Traffic::default(),
            last_received: None,
            last_sent: None,
            connected_at: 0,
            opening_took: Duration::ZERO,
            at: Duration::ZERO,
            ping: PingStats::default(),
            known_items: 0,
            transport: None,
        }
    }
}

/// Messages of one kind in a row that are not noted yet: a flood then costs a lock once a round, and
/// not once a message.
#[derive(Debug)]
pub(crate) struct Run<K>(Option<(K, Count)>);

impl<K: Kind> Run<K> {
    pub(crate) const fn new() -> Self {
        Self(None)
    }

    /// Counts a message; returns the run that it ends by being of another kind.
    #[inline]
    pub(crate) fn add(&mut self, kind: K, bytes: usize) -> Option<(K, Count)> {
        let one = Count::message(bytes);
        match &mut self.0 {
            Some((same, count)) if *same == kind => {
                *count += one;
                None
            }
            _ => self.0.replace((kind, one)),
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Notes what has been counted.
    pub(crate) fn flush(&mut self, into: &mut Traffic<K>) {
        if let Some((kind, count)) = self.0.take() {
            into.add(kind, count);
        }
    }
}
