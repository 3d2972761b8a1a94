//! The end of a connection's task, whatever brings it about.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use peerage_peer_core::{DisconnectReason, Local};
use peerage_wire::Protocol;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::driver::Driver;
use crate::handler::Handler;
use crate::shared::Shared;

/// Runs a connection's task to its end, whatever that is: a panic of its handler ends it with a
/// reason, and so does the end of the runtime.
pub(crate) async fn supervise<P, S, H>(driver: Box<Driver<P, S, H>>, shared: Arc<Shared<P>>)
where
    P: Protocol,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    H: Handler<P>,
{
    let mut ending = Ending { shared, reason: Local::RuntimeEnded.into() };
    // Behind `ending`, so that a dropped task drops socket and handler before it tells of the end.
    let mut driver = driver;
    let mut run = pin!(driver.run());
    let reason = poll_fn(|cx| {
        let poll = std::panic::AssertUnwindSafe(|| run.as_mut().poll(cx));
        std::panic::catch_unwind(poll)
            .unwrap_or(Poll::Ready(DisconnectReason::Local(Local::HandlerPanicked)))
    })
    .await;
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
