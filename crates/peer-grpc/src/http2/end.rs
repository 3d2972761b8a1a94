//! How a call comes to an end, and whose fault it is.

use h2::Reason;
use peerage_peer_core::DisconnectReason;
use peerage_wire::Malformed;

use crate::meter::Counts;

/// How it came to an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The remote said so, or hung up.
    Closed,
    /// Reading or writing failed.
    Io(std::io::ErrorKind),
    /// Another reason, of which one of both is to blame.
    Failed(DisconnectReason),
}

impl From<DisconnectReason> for End {
    fn from(reason: DisconnectReason) -> Self {
        if reason == DisconnectReason::RemoteClosed { Self::Closed } else { Self::Failed(reason) }
    }
}

/// Whose fault an error is: what the library finds wrong is the remote's, and what the remote says
/// is that it hangs up.
pub(super) fn end_of(error: &h2::Error, counts: &Counts) -> End {
    if let Some(kind) = counts.read_failed() {
        return End::Io(kind);
    }
    if let Some(io) = error.get_io() {
        return if counts.is_eof() { End::Closed } else { End::Io(io.kind()) };
    }
    if error.is_remote() || matches!(error.reason(), Some(Reason::NO_ERROR | Reason::CANCEL)) {
        return End::Closed;
    }
    End::Failed(Malformed::Invalid { what: "HTTP/2" }.into())
}
