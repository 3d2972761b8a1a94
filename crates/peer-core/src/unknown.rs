//! How much a remote may say that we do not understand.
//!
//! New features announce themselves in small messages of their own, so some unknown traffic is
//! normal; a flood of it costs us and serves nobody.

use std::time::Duration;

/// Bytes of unknown messages within the current minute.
#[derive(Debug, Default)]
pub(crate) struct UnknownTraffic {
    minute: u64,
    bytes: usize,
}

/// What the bytes of a minute amount to.
pub(crate) enum Unknown {
    Free,
    Noticed,
    Flood,
}

impl UnknownTraffic {
    /// What a minute may carry without notice: new features announce themselves in small messages.
    const FREE: usize = 64 << 10;
    /// What ends the connection.
    pub(crate) const FLOOD: usize = 1 << 20;

    pub(crate) fn add(&mut self, now: Duration, bytes: usize) -> Unknown {
        let minute = now.as_secs() / 60;
        if minute != self.minute {
            *self = Self { minute, bytes: 0 };
        }
        let before = self.bytes;
        self.bytes = before.saturating_add(bytes);
        match self.bytes {
            after if after > Self::FLOOD => Unknown::Flood,
            after if after > Self::FREE && before <= Self::FREE => Unknown::Noticed,
            _ => Unknown::Free,
        }
    }
}
