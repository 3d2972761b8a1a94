//! What is measured about a connection.

use std::fmt;
use std::time::Duration;

/// A connection's number: unique in this process, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub u64);

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Messages and their bytes on the wire, headers and tags included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How many messages.
    pub messages: u64,
    /// How many bytes they took on the wire.
    pub bytes: u64,
}

impl Count {
    /// One message of so many bytes.
    #[must_use]
    pub const fn message(bytes: usize) -> Self {
        Self { messages: 1, bytes: bytes as u64 }
    }
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, more: Self) {
        self.messages += more.messages;
        self.bytes += more.bytes;
    }
}

/// One direction's traffic by kind of message.
///
/// It grows with the kinds that are seen, except that unknown commands, which a stranger could
/// invent without end, share a bounded number of rows.
#[derive(Clone, Debug)]
pub struct Traffic<K> {
    rows: Vec<(K, Count)>,
    others: Count,
}

/// How many kinds have a row of their own; more than any protocol defines.
const MAX_ROWS: usize = 64;

impl<K: Copy + Eq> Traffic<K> {
    /// Counts messages of one kind.
    pub fn add(&mut self, kind: K, more: Count) {
        *self.row(kind) += more;
    }

    fn row(&mut self, kind: K) -> &mut Count {
        let found = self.rows.iter().position(|(row, _)| *row == kind);
        if found.is_none() && self.rows.len() == MAX_ROWS {
            return &mut self.others;
        }
        let row = found.unwrap_or_else(|| {
            self.rows.push((kind, Count::default()));
            self.rows.len() - 1
        });
        &mut self.rows[row].1
    }

    /// The kinds seen, in the order of their first appearance.
    pub fn iter(&self) -> impl Iterator<Item = (K, Count)> + '_ {
        self.rows.iter().copied()
    }

    /// What was counted for one kind.
    pub fn get(&self, kind: K) -> Count {
        self.iter().find(|(row, _)| *row == kind).map_or_else(Count::default, |(_, count)| count)
    }

    /// All messages and their bytes. What no message carries (v2 handshakes, decoys) is not here.
    pub fn total(&self) -> Count {
        let mut total = self.others;
        self.rows.iter().for_each(|(_, count)| total += *count);
        total
    }
}

impl<K> Default for Traffic<K> {
    fn default() -> Self {
        Self { rows: Vec::new(), others: Count::default() }
    }
}

/// Round-trip times, measured by our own pings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PingStats {
    /// The last round trip.
    pub last: Option<Duration>,
    /// The shortest round trip.
    pub min: Option<Duration>,
    /// How long a ping has been waiting for its pong.
    pub waiting: Option<Duration>,
}
