//! Told when a message was really written.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use peerage_peer_core::{DisconnectReason, PeerId};

use crate::sync::oneshot;

/// Resolves when a message's last byte was taken by the connection's write, or with the reason why
/// it never will be. Dropping it changes nothing.
#[must_use = "a receipt does nothing unless awaited"]
pub struct Receipt {
    pub(crate) id: PeerId,
    /// `None` when the frame was dropped unwritten: a channel that has spoken is not asked again.
    pub(crate) written: Option<oneshot::Receiver<()>>,
    pub(crate) ended: Pin<Box<dyn Future<Output = DisconnectReason> + Send + Sync>>,
}

impl Future for Receipt {
    type Output = Result<(), DisconnectReason>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(written) = &mut self.written {
            if let Ok(()) = std::task::ready!(Pin::new(written).poll(cx)) {
                return Poll::Ready(Ok(()));
            }
            self.written = None;
        }
        // Frames are dropped only when the connection ends.
        self.ended.as_mut().poll(cx).map(Err)
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt").field("peer", &self.id).finish_non_exhaustive()
    }
}
