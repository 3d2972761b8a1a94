//! The end of a connection's task, whatever brings it about.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use peerage_peer_core::{DisconnectReason, Local};
use peerage_wire::Protocol;

use crate::shared::Shared;

/// Runs a connection's task to its end, whatever that is: a panic of its handler ends it with a
/// reason, and so does the end of the runtime.
pub(crate) async fn supervise<P: Protocol>(
    driver: impl Future<Output = DisconnectReason> + Send,
    shared: Arc<Shared<P>>,
) {
    let mut ending = Ending { shared, reason: Local::RuntimeEnded.into() };
    let mut driver = Box::pin(driver);
    let reason = poll_fn(|cx| {
        let poll = std::panic::AssertUnwindSafe(|| driver.as_mut().poll(cx));
        std::panic::catch_unwind(poll)
            .unwrap_or(Poll::Ready(DisconnectReason::Local(Local::HandlerPanicked)))
    })
    .await;
    drop(driver);
    ending.reason = reason;
}

struct Ending<P: Protocol> {
    shared: Arc<Shared<P>>,
    reason: DisconnectReason,
}

impl<P: Protocol> Drop for Ending<P> {
    fn drop(&mut self) {
        tracing::debug!(peer = %self.shared.id, reason = %self.reason, "disconnected");
        self.shared.end(self.reason.clone());
    }
}
