//! Why a connection ended: whose fault it was, and whether to try again.

use std::io;

use peerage_wire::{Malformed, Name, Refusal, Text, Violation};

/// The one reason for which a connection ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// We wanted it so.
    #[error("{0}")]
    Local(#[from] Local),
    /// The remote closed the connection.
    #[error("the remote closed the connection")]
    RemoteClosed,
    /// Reading or writing failed.
    #[error("the connection failed: {0}")]
    Io(io::ErrorKind),
    /// The opening was not done in time.
    #[error("the opening was not done in time")]
    OpeningTimeout,
    /// The nonce in `version` was ours: we had dialled ourselves.
    #[error("we had dialled ourselves")]
    SelfConnection,
    /// The remote sent bytes that are no message.
    #[error("malformed: {0}")]
    Malformed(#[from] Malformed),
    /// The remote broke a rule.
    #[error("violation: {0}")]
    Violation(#[from] Violation),
    /// Our handler refused the remote inside the opening.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// The remote did not want us, and said why inside the opening.
    #[error("the remote refused us: {0}")]
    Rejected(Text),
    /// The two transports do not fit: a v1 peer where only v2 is allowed, or the reverse.
    #[error("no common transport: {0}")]
    NoCommonTransport(&'static str),
    /// The responder's admission hook had no capacity for a v2 handshake.
    #[error("no capacity for another v2 handshake")]
    NotAdmitted,
    /// A request was not answered in time.
    #[error("{0} was not answered in time")]
    Stalled(Name),
    /// No whole message arrived for too long.
    #[error("no message arrived for too long")]
    Idle,
    /// No pong came.
    #[error("a ping was not answered in time")]
    PongTimeout,
    /// A frame was not taken in time.
    #[error("a frame was not taken in time")]
    WriteStalled {
        /// Whether it was our own handler that had stopped the reading: a remote that waits for
        /// us to read cannot be blamed for not reading itself.
        while_not_reading: bool,
    },
}

/// Our own reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Local {
    /// `disconnect` was called.
    #[error("we disconnected")]
    Requested,
    /// The last handle was dropped.
    #[error("the last handle was dropped")]
    HandleDropped,
    /// Nobody waited for the opening any longer: its future was dropped, or its time was over.
    #[error("the opening was given up")]
    OpeningGivenUp,
    /// A handler panicked.
    #[error("a handler panicked")]
    HandlerPanicked,
    /// Our side did not read for longer than its patience.
    #[error("our side had not read for too long")]
    NotReading,
    /// Other connections held the memory that a large frame needed, for too long.
    #[error("there was no memory for a large frame for too long")]
    NoMemory,
    /// The runtime ended.
    #[error("the runtime ended")]
    RuntimeEnded,
    /// Our best height could not be told, so we could not introduce ourselves.
    #[error("our best height is not known")]
    NoHeight,
}

/// Whose fault it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The remote broke the protocol.
    Remote,
    /// The remote was too slow or said nothing; it may be honest and overloaded.
    Slowness,
    /// Ours.
    Local,
    /// Nobody's, or the network's.
    Nobody,
}

/// Whether another attempt makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Later, as usual.
    Later,
    /// At once, with the v1 transport: the remote hung up on our v2 key.
    WithV1,
    /// Not with this remote and these settings.
    Never,
}

impl DisconnectReason {
    /// Whose fault it was.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Malformed(_) | Self::Violation(_) => Fault::Remote,
            Self::OpeningTimeout | Self::Stalled(_) | Self::Idle | Self::PongTimeout => {
                Fault::Slowness
            }
            Self::WriteStalled { while_not_reading: false } => Fault::Slowness,
            Self::WriteStalled { while_not_reading: true } => Fault::Local,
            Self::Local(_) | Self::Refused(_) | Self::NotAdmitted | Self::SelfConnection => {
                Fault::Local
            }
            Self::RemoteClosed | Self::Rejected(_) | Self::Io(_) | Self::NoCommonTransport(_) => {
                Fault::Nobody
            }
        }
    }

    /// Whether another attempt makes sense. What hung up on a v2 key is known only where the
    /// connection was opened; there the answer may be [`Retry::WithV1`].
    #[must_use]
    pub const fn retry(&self) -> Retry {
        match self {
            Self::SelfConnection
            | Self::Violation(_)
            | Self::Malformed(_)
            | Self::Refused(_)
            | Self::NoCommonTransport(_) => Retry::Never,
            _ => Retry::Later,
        }
    }
}
