//! What callers hold: a handle to a connection whose opening is done.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use peerage_peer_core::{DisconnectReason, Local, PeerId, PingStats};
use peerage_wire::{Direction, Message as _, Prepared, Protocol};

use crate::Target;
use crate::error::{SendError, TrySendError};
use crate::receipt::Receipt;
use crate::shared::{Agreed, Outgoing, Place, ReceiptSender, Shared};
use crate::stats::Stats;
use crate::sync::oneshot;

/// A connection to a peer. Clones are handles to the same connection; dropping the last one that a
/// caller holds disconnects.
///
/// Everything without `async` returns at once, whatever the remote does, and may be called from
/// inside a [`Handler`](crate::Handler). The handle that a handler is given does not keep the
/// connection alive; its messages count as answers, which have 256 KiB of the outbox for themselves.
pub struct PeerHandle<P: Protocol> {
    shared: Arc<Shared<P>>,
    /// `None` in the handle that the connection's own task holds.
    owner: Option<Arc<Owner<P>>>,
}

struct Owner<P: Protocol>(Arc<Shared<P>>);

impl<P: Protocol> Drop for Owner<P> {
    fn drop(&mut self) {
        self.0.close(Local::HandleDropped.into());
    }
}

/// Sending.
impl<P: Protocol> PeerHandle<P> {
    /// Queues a message as soon as there is room. Messages leave in the order in which they were
    /// accepted; senders that wait are served in the order in which they came.
    ///
    /// Dropping the future before it resolves has queued nothing.
    ///
    /// # Errors
    /// [`SendError::Closed`] if the connection has ended; [`SendError::TooLarge`] and
    /// [`SendError::TooNew`] if the remote could not take the message.
    pub async fn send(&self, message: &P::Message) -> Result<(), SendError> {
        self.queue(message, &mut None).await
    }

    /// Queues a message if there is room now.
    ///
    /// # Errors
    /// [`TrySendError::Full`] if the outbox holds its limit or senders wait for room: wait for
    /// [`Event::Room`](crate::Event::Room), or use [`send`](Self::send).
    pub fn try_send(&self, message: &P::Message) -> Result<(), TrySendError> {
        self.shared.encode(message, |frame| self.shared.push(frame, &mut None, self.place(false)))
    }

    /// Queues a message as [`send`](Self::send) does, and returns a receipt that resolves when its
    /// last byte was written to the connection.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_tracked(&self, message: &P::Message) -> Result<Receipt, SendError> {
        let (sender, receiver) = ReceiptSender::pair();
        let mut sender = Some(sender);
        self.queue(message, &mut sender).await?;
        Ok(self.receipt(receiver))
    }

    /// [`try_send`](Self::try_send) with a receipt.
    ///
    /// # Errors
    /// As [`try_send`](Self::try_send).
    pub fn try_send_tracked(&self, message: &P::Message) -> Result<Receipt, TrySendError> {
        let (sender, receiver) = ReceiptSender::pair();
        let mut sender = Some(sender);
        self.shared
            .encode(message, |frame| self.shared.push(frame, &mut sender, self.place(false)))?;
        Ok(self.receipt(receiver))
    }

    /// Queues a frame that was made ready for many peers, as soon as there is room.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_prepared(&self, frame: &Prepared<P>) -> Result<(), SendError> {
        self.shared
            .in_turn(|turn| {
                self.shared.push(&self.shared.prepared(frame)?, &mut None, self.place(turn))
            })
            .await
    }

    /// Queues a frame that was made ready for many peers, if there is room now.
    ///
    /// # Errors
    /// As [`try_send`](Self::try_send).
    pub fn try_send_prepared(&self, frame: &Prepared<P>) -> Result<(), TrySendError> {
        self.shared.push(&self.shared.prepared(frame)?, &mut None, self.place(false))
    }

    /// Announces items to the remote, unless it knows them: urgent ones (blocks) at once, others
    /// with the next trickle. Returns how many were accepted, the first ones; at most 50,000 wait.
    pub fn announce(&self, items: &[P::Item]) -> usize {
        self.shared.announce(items)
    }

    /// Notes that the remote knows these items, so that they are not announced to it. What the
    /// remote itself announces or sends is noted without this.
    pub fn add_known(&self, items: &[P::Item]) {
        self.shared.add_known(items);
    }

    /// Encodes and hashes a message once, however long it then has to wait for room.
    async fn queue(
        &self,
        message: &P::Message,
        receipt: &mut Option<ReceiptSender>,
    ) -> Result<(), SendError> {
        let mut waiting: Option<Outgoing<'static, P>> = None;
        self.shared
            .in_turn(|turn| match &waiting {
                Some(frame) => self.shared.push(frame, receipt, self.place(turn)),
                None => self.shared.encode(message, |frame| {
                    let result = self.shared.push(frame, receipt, self.place(turn));
                    if matches!(result, Err(TrySendError::Full)) {
                        waiting = Some(frame.to_owned());
                    }
                    result
                }),
            })
            .await
    }

    /// Where this handle's frames stand among others.
    fn place(&self, my_turn: bool) -> Place {
        match (&self.owner, my_turn) {
            (None, _) => Place::Answer,
            (Some(_), true) => Place::Turn,
            (Some(_), false) => Place::Queue,
        }
    }

    fn receipt(&self, written: oneshot::Receiver<()>) -> Receipt {
        let shared = self.shared.clone();
        Receipt {
            id: self.id(),
            written: Some(written),
            ended: Box::pin(async move { shared.ended().await }),
        }
    }
}

/// The end.
impl<P: Protocol> PeerHandle<P> {
    /// Ends the connection; what is still queued is not sent. Does not wait: see
    /// [`closed`](Self::closed). To let everything leave first, await the receipt of the last message
    /// ([`send_tracked`](Self::send_tracked)).
    pub fn disconnect(&self) {
        self.shared.close(Local::Requested.into());
    }

    /// Waits until the connection has ended: its task is gone, its socket closed, its handler
    /// dropped.
    pub async fn closed(&self) -> DisconnectReason {
        self.shared.ended().await
    }

    /// Why the connection has ended, if it has.
    #[must_use]
    pub fn close_reason(&self) -> Option<DisconnectReason> {
        self.shared.ended_now()
    }
}

/// Facts and figures.
impl<P: Protocol> PeerHandle<P> {
    /// The connection's number.
    #[must_use]
    pub fn id(&self) -> PeerId {
        self.shared.id
    }

    /// Who dialled.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.shared.direction
    }

    /// The remote's address, where the connection has one.
    #[must_use]
    pub fn remote_addr(&self) -> Option<&Target> {
        self.shared.addresses.remote.as_ref()
    }

    /// What the remote said of itself and what was agreed; `None` only inside the opening, where
    /// nobody but a handler holds a handle.
    #[must_use]
    pub fn try_remote(&self) -> Option<&Arc<P::Remote>> {
        self.shared.agreed().map(|agreed| &agreed.remote)
    }

    /// What the remote said of itself and what was agreed; does not change.
    ///
    /// # Panics
    /// Inside the opening, which only a handler can see: use [`try_remote`](Self::try_remote).
    #[must_use]
    pub fn remote(&self) -> &Arc<P::Remote> {
        &self.agreed().remote
    }

    fn agreed(&self) -> &Agreed<P> {
        self.shared.agreed().expect("callers get a handle when the opening is done")
    }

    /// Their best chain has reached this height. Lower heights are ignored.
    pub fn set_last_block_height(&self, height: i32) {
        self.shared.remote_height.fetch_max(height, Ordering::Relaxed);
    }

    /// Notes the block that was last announced to us, or by us; only statistics show it.
    pub fn set_last_announced(&self, item: Option<P::Item>) {
        *self.shared.announced() = item;
    }

    /// A snapshot of everything measured, taken without waiting for the connection.
    ///
    /// # Panics
    /// As [`remote`](Self::remote).
    #[must_use]
    pub fn stats(&self) -> Stats<P> {
        let (outbox_bytes, announcements_waiting) = self.shared.outbox_stats();
        let remote = self.remote().clone();
        let now = self.shared.clock.now().mono;
        let measured = self.shared.measured();
        let since = now.saturating_sub(measured.at);
        let waiting = measured.ping.waiting.map(|waiting| waiting + since);
        Stats {
            id: self.id(),
            direction: self.direction(),
            remote_addr: self.shared.addresses.remote.clone(),
            local_addr: self.shared.addresses.local,
            remote,
            transport: measured.transport.expect("an agreed connection has a transport"),
            bytes_received: measured.bytes_received,
            bytes_sent: measured.bytes_sent,
            received: measured.received.clone(),
            sent: measured.sent.clone(),
            last_received: measured.last_received,
            last_sent: measured.last_sent,
            connected_at: measured.connected_at,
            opening_took: measured.opening_took,
            last_block_height: self.shared.remote_height.load(Ordering::Relaxed),
            last_announced: *self.shared.announced(),
            ping: PingStats { waiting, ..measured.ping },
            known_items: measured.known_items,
            announcements_waiting,
            outbox_bytes,
        }
    }
}

impl<P: Protocol> PeerHandle<P> {
    /// The handle of the connection's own task.
    pub(crate) fn internal(shared: Arc<Shared<P>>) -> Self {
        Self { shared, owner: None }
    }

    /// A handle for a caller.
    pub(crate) fn owning(shared: Arc<Shared<P>>) -> Self {
        let owner = Some(Arc::new(Owner(shared.clone())));
        Self { shared, owner }
    }

    /// Answers a ping, full outbox or not: reading stops at a full outbox, so this is bounded.
    pub(crate) fn pong(&self, nonce: u64) {
        let pong = P::Message::pong(nonce);
        // A connection that has ended needs no pong.
        let _ = self.shared.encode(&pong, |frame| {
            self.shared.push_always(frame);
            Ok(())
        });
    }
}

impl<P: Protocol> Clone for PeerHandle<P> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), owner: self.owner.clone() }
    }
}

impl<P: Protocol> fmt::Debug for PeerHandle<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerHandle")
            .field("id", &self.id())
            .field("direction", &self.direction())
            .field("remote_addr", &self.remote_addr())
            .finish_non_exhaustive()
    }
}
