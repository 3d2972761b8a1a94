//! Waiting for room in the outbox: first come, first served.

use peerage_wire::Protocol;

use super::Shared;
use crate::error::{SendError, TrySendError};

impl<P: Protocol> Shared<P> {
    /// Calls `push` until there is room, in the order in which senders came. The flag tells it
    /// that it is its turn.
    pub(crate) async fn in_turn<T>(
        &self,
        mut push: impl FnMut(bool) -> Result<T, TrySendError>,
    ) -> Result<T, SendError> {
        match push(false) {
            Err(TrySendError::Full) => {}
            other => return other.map_err(SendError::from),
        }
        let _waiting = Waiting::new(self);
        // Whoever gets the turn looks first, so a wake-up is not lost with a sender that gives up.
        let _turn = self.turn.lock().await;
        loop {
            let room = self.room.notified();
            match push(true) {
                Err(TrySendError::Full) => room.await,
                other => return other.map_err(SendError::from),
            }
        }
    }
}

/// Counts a sender that waits, as long as it does.
struct Waiting<'a, P: Protocol>(&'a Shared<P>);

impl<'a, P: Protocol> Waiting<'a, P> {
    fn new(shared: &'a Shared<P>) -> Self {
        shared.state().senders_waiting += 1;
        Self(shared)
    }
}

impl<P: Protocol> Drop for Waiting<'_, P> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.senders_waiting -= 1;
        if state.owes_room() {
            Shared::wake(state);
        }
    }
}
