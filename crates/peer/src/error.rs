//! Why a message was not queued.

use peerage_peer_core::DisconnectReason;
use peerage_wire::Name;

/// Why a message was not queued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The connection has ended.
    #[error("the connection has ended: {0}")]
    Closed(DisconnectReason),
    /// The payload is above the cap of its kind: every peer would refuse it.
    #[error("a payload of {len} bytes is above the cap of its kind")]
    TooLarge {
        /// Its length, in bytes.
        len: usize,
    },
    /// The remote's protocol version does not know this message.
    #[error("{command} needs protocol version {since}, {agreed} is agreed")]
    TooNew {
        /// The message.
        command: Name,
        /// The first version that has it.
        since: u32,
        /// What was agreed.
        agreed: u32,
    },
    /// The opening is not done; only a handler can meet this.
    #[error("the opening is not done")]
    NotOpen,
}

/// Why a message was not queued now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrySendError {
    /// The outbox holds its limit, or others wait for room.
    #[error("the outbox is full")]
    Full,
    /// The connection has ended.
    #[error("the connection has ended: {0}")]
    Closed(DisconnectReason),
    /// The payload is above the cap of its kind: every peer would refuse it.
    #[error("a payload of {len} bytes is above the cap of its kind")]
    TooLarge {
        /// Its length, in bytes.
        len: usize,
    },
    /// The remote's protocol version does not know this message.
    #[error("{command} needs protocol version {since}, {agreed} is agreed")]
    TooNew {
        /// The message.
        command: Name,
        /// The first version that has it.
        since: u32,
        /// What was agreed.
        agreed: u32,
    },
    /// The opening is not done; only a handler can meet this.
    #[error("the opening is not done")]
    NotOpen,
}

impl From<TrySendError> for SendError {
    fn from(error: TrySendError) -> Self {
        match error {
            TrySendError::Closed(reason) => Self::Closed(reason),
            TrySendError::TooLarge { len } => Self::TooLarge { len },
            TrySendError::TooNew { command, since, agreed } => {
                Self::TooNew { command, since, agreed }
            }
            TrySendError::NotOpen => Self::NotOpen,
            TrySendError::Full => unreachable!("whoever waits its turn is not told of a full box"),
        }
    }
}
