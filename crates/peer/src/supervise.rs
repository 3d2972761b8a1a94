//! A connection's work and its end, whatever brings that about.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use peerage_peer_core::{DisconnectReason, Local};
use peerage_wire::Protocol;

use crate::driver::Driver;
use crate::handler::Handler;
use crate::link::Link;
use crate::shared::Shared;

/// A connection at work: first inside its caller's future, until both sides agree, then as a task
/// of its own.
///
/// However it ends, everybody who waits is told why: by its own reason, by a panic of its handler,
/// by whoever drops the opening, or by the end of the runtime.
pub(crate) struct Work<P: Protocol, L, H>
where
    L: Link<P::Kind>,
    H: Handler<P>,
{
    // Before `ending`, so that a dropped connection drops socket and handler before it tells of it.
    driver: Box<Driver<P, L, H>>,
    ending: Ending<P>,
    opening: bool,
}

impl<P, L, H> Work<P, L, H>
where
    P: Protocol,
    L: Link<P::Kind>,
    H: Handler<P>,
{
    pub(crate) fn new(driver: Driver<P, L, H>, shared: Arc<Shared<P>>) -> Self {
        let reason = Local::OpeningGivenUp.into();
        Self { driver: Box::new(driver), ending: Ending { shared, reason }, opening: true }
    }

    /// Works until both sides agree.
    ///
    /// # Errors
    /// Why they did not, and how many bytes had been read and written.
    pub(crate) async fn open(&mut self) -> Result<(), (DisconnectReason, (u64, u64))> {
        let opened = unless_it_panics(pin!(self.driver.open())).await;
        self.opening = false;
        self.ending.reason = Local::RuntimeEnded.into();
        opened.and_then(|opened| opened).map_err(|reason| {
            self.ending.reason = reason.clone();
            (reason, self.driver.moved())
        })
    }

    /// Works until the connection ends.
    pub(crate) async fn run(mut self) {
        let ended = unless_it_panics(pin!(self.driver.run())).await;
        self.ending.reason = ended.unwrap_or_else(|panicked| panicked);
    }
}

impl<P, L, H> Drop for Work<P, L, H>
where
    P: Protocol,
    L: Link<P::Kind>,
    H: Handler<P>,
{
    fn drop(&mut self) {
        if self.opening {
            let reason = self.ending.reason.clone();
            // A handler that panics here must not harm who dropped the opening.
            let _ = catch_unwind(AssertUnwindSafe(|| self.driver.abandon(reason)));
        }
    }
}

/// What `future` gives, or the reason that its panic is. It stays where it is: a task that had to
/// keep the place from which it was moved would be twice as large.
async fn unless_it_panics<T>(
    mut future: Pin<&mut impl Future<Output = T>>,
) -> Result<T, DisconnectReason> {
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(_) => Poll::Ready(Err(Local::HandlerPanicked.into())),
    })
    .await
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
