//! Why a command did not do what it was asked, and the exit code that says so.

use std::fmt;
use std::process::ExitCode;

use peerage::bitcoin::{DisconnectReason, Malformed, OpenError, Retry, Violation};

/// What went wrong, in words for people and a number for scripts.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// The connection was lost, an answer was wrong, or something of ours failed.
    pub(crate) fn other(message: impl Into<String>) -> Self {
        Self { code: 1, message: message.into() }
    }

    /// The command line makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { code: 2, message: message.into() }
    }

    /// Nobody could be reached.
    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        Self { code: 3, message: message.into() }
    }

    /// It took too long.
    pub(crate) fn timed_out(message: impl Into<String>) -> Self {
        Self { code: 5, message: message.into() }
    }

    /// Ctrl-C, before it was done.
    pub(crate) fn interrupted() -> Self {
        Self { code: 130, message: "interrupted".into() }
    }

    /// The connection ended before we were done with it.
    pub(crate) fn lost(reason: &DisconnectReason) -> Self {
        let message = format!("the connection ended too early: {reason}");
        match reason {
            DisconnectReason::Idle
            | DisconnectReason::PongTimeout
            | DisconnectReason::Stalled(_)
            | DisconnectReason::WriteStalled { .. } => Self::timed_out(message),
            _ => Self::other(message),
        }
    }

    /// There is no connection. The words say what to try next.
    pub(crate) fn open(error: &OpenError) -> Self {
        let code = match error {
            OpenError::InvalidTarget(_) => 2,
            OpenError::Unreachable { .. } | OpenError::Proxy(_) => 3,
            OpenError::TimedOut
            | OpenError::Ended { reason: DisconnectReason::OpeningTimeout, .. } => 5,
            _ => 4,
        };
        let message = match advice(error) {
            Some(advice) => format!("{error}\n{advice}"),
            None => error.to_string(),
        };
        Self { code, message }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

fn advice(error: &OpenError) -> Option<&'static str> {
    Some(match error {
        OpenError::Unreachable { .. } => {
            "Check the address and the port, and that a node listens there."
        }
        OpenError::Proxy(_) => "Check that --proxy names a SOCKS5 proxy, and the target's name.",
        OpenError::TimedOut => {
            "The node may be overloaded or on another network (see --network), or a firewall drops \
             what we send."
        }
        OpenError::Ended { retry: Retry::WithV1, .. } => {
            "It hung up on our v2 key: it may know only v1 (try --v1), or another network."
        }
        OpenError::Ended { reason, .. } => match reason {
            DisconnectReason::Malformed(Malformed::WrongMagic { .. }) => {
                "It speaks for another network: choose one with --network."
            }
            DisconnectReason::Rejected(_)
            | DisconnectReason::Violation(Violation::Incompatible { .. }) => {
                "It may be on another network (see --network)."
            }
            DisconnectReason::RemoteClosed | DisconnectReason::Io(_) => {
                "It may be on another network (see --network), have no free slot, or ban us."
            }
            DisconnectReason::NoCommonTransport(_) => {
                "Leave out --v1 or --v2 to take what the remote speaks."
            }
            _ => return None,
        },
        _ => return None,
    })
}
