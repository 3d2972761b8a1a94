//! What a connection's task shares with its handles: the outbox and the way to wake each other.
//!
//! The one lock of a connection is held only to append, to swap or to copy numbers: never across an
//! await, a callback, a hash, an encryption or the freeing of frames.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Poll, Waker};

use bytes::Bytes;
use peerage_peer_core::{Batch, Config, DisconnectReason, Load, Outbox, PeerId, Source, Taken};
use peerage_wire::{
    COPY_UP_TO, Direction, Kind, Message as _, Payload, Prepared, Protocol, Remote as _, checksum,
};
use tokio::sync::{Notify, oneshot};

use crate::budget::Budget;
use crate::clock::Clock;
use crate::error::{SendError, TrySendError};
use crate::stats::{Addresses, Measured};

pub(crate) struct Shared<P: Protocol> {
    pub(crate) id: PeerId,
    pub(crate) direction: Direction,
    pub(crate) addresses: Addresses,
    pub(crate) clock: Clock,
    budget: Budget,
    state: Mutex<State<P>>,
    /// Tells the driver, between two frames, whether the outbox is full, without the lock.
    full: AtomicBool,
    agreed: OnceLock<Agreed<P>>,
    measured: Mutex<Measured<P>>,
    pub(crate) remote_height: AtomicI32,
    announced: Mutex<Option<P::Item>>,
    /// Held by the sender whose turn it is to wait for room: first come, first served.
    turn: tokio::sync::Mutex<()>,
    room: Notify,
    ended: OnceLock<DisconnectReason>,
    ended_notify: Notify,
}

struct State<P: Protocol> {
    outbox: Outbox<P, ReceiptSender>,
    /// The driver's waker, while it sleeps.
    sleeping: Option<Waker>,
    close: Option<DisconnectReason>,
    senders_waiting: usize,
}

/// What both sides agreed on: facts that do not change any more.
pub(crate) struct Agreed<P: Protocol> {
    pub(crate) remote: Arc<P::Remote>,
    /// Whether frames carry a checksum (v1), which callers compute.
    pub(crate) checksums: bool,
}

/// Resolves a receipt; dropped without, the receipt resolves with the reason of the end.
#[derive(Debug)]
pub(crate) struct ReceiptSender(oneshot::Sender<()>);

impl ReceiptSender {
    pub(crate) fn pair() -> (Self, oneshot::Receiver<()>) {
        let (sender, receiver) = oneshot::channel();
        (Self(sender), receiver)
    }

    pub(crate) fn written(self) {
        // Whoever dropped the receipt does not want to know.
        let _ = self.0.send(());
    }
}

/// Where a frame stands among those who want to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Behind those who wait for room.
    Queue,
    /// First of those who wait.
    Turn,
    /// An answer of the connection's handler, which has room of its own.
    Answer,
}

impl Place {
    const fn source(self) -> Source {
        match self {
            Self::Queue | Self::Turn => Source::Caller,
            Self::Answer => Source::Answer,
        }
    }
}

/// A frame on its way into the outbox.
#[derive(Clone)]
pub(crate) struct Outgoing<'a, P: Protocol> {
    pub(crate) kind: P::Kind,
    pub(crate) payload: Payload<'a>,
    pub(crate) checksum: [u8; 4],
    pub(crate) asks: u32,
}

impl<P: Protocol> Outgoing<'_, P> {
    /// The same in memory of its own, to wait with.
    pub(crate) fn to_owned(&self) -> Outgoing<'static, P> {
        let payload = match &self.payload {
            Payload::Copied(bytes) => Payload::Shared(Bytes::copy_from_slice(bytes)),
            Payload::Shared(bytes) => Payload::Shared(bytes.clone()),
        };
        let Self { kind, checksum, asks, .. } = *self;
        Outgoing { kind, payload, checksum, asks }
    }
}

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::default();
}

/// A scratch buffer larger than this is given back to the allocator.
const KEEP_SCRATCH: usize = 64 << 10;

impl<P: Protocol> Shared<P> {
    pub(crate) fn new(
        id: PeerId,
        direction: Direction,
        addresses: Addresses,
        config: &Config,
        budget: Budget,
    ) -> Self {
        let outbox = Outbox::new(config.outbox_limit, config.announcement_limit);
        Self {
            id,
            direction,
            addresses,
            clock: Clock::start(),
            budget,
            state: Mutex::new(State { outbox, sleeping: None, close: None, senders_waiting: 0 }),
            full: AtomicBool::new(false),
            agreed: OnceLock::new(),
            measured: Mutex::default(),
            remote_height: AtomicI32::new(i32::MIN),
            announced: Mutex::new(None),
            turn: tokio::sync::Mutex::new(()),
            room: Notify::new(),
            ended: OnceLock::new(),
            ended_notify: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<P>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn agreed(&self) -> Option<&Agreed<P>> {
        self.agreed.get()
    }

    pub(crate) fn agree(&self, agreed: Agreed<P>) {
        self.remote_height.fetch_max(agreed.remote.height(), Ordering::Relaxed);
        // There is one opening, hence one agreement.
        let _ = self.agreed.set(agreed);
    }

    pub(crate) fn measured(&self) -> MutexGuard<'_, Measured<P>> {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn announced(&self) -> MutexGuard<'_, Option<P::Item>> {
        self.announced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_version<K: Kind>(kind: K, agreed: u32) -> Result<(), TrySendError> {
    match kind.since() {
        since if since > agreed => {
            Err(TrySendError::TooNew { command: kind.command(), since, agreed })
        }
        _ => Ok(()),
    }
}

/// For callers.
impl<P: Protocol> Shared<P> {
    /// Encodes and hashes `message` on the caller's thread, then hands it to `push`.
    pub(crate) fn encode<T>(
        &self,
        message: &P::Message,
        push: impl FnOnce(&Outgoing<'_, P>) -> Result<T, TrySendError>,
    ) -> Result<T, TrySendError> {
        let agreed = self.agreed.get().ok_or(TrySendError::NotOpen)?;
        let (kind, version) = (message.kind(), agreed.remote.version());
        check_version(kind, version)?;
        let mut scratch = SCRATCH.take();
        let payload = Payload::encode::<P>(message, version, &mut scratch);
        let checksum = if agreed.checksums { checksum(payload.as_slice()) } else { [0; 4] };
        let result = match payload.as_slice().len() {
            len if len > kind.policy().cap => Err(TrySendError::TooLarge { len }),
            _ => push(&Outgoing { kind, asks: message.asks(), payload, checksum }),
        };
        if scratch.capacity() <= KEEP_SCRATCH {
            SCRATCH.set(scratch);
        }
        result
    }

    /// A frame that was encoded and hashed before.
    pub(crate) fn prepared<'a>(
        &self,
        frame: &'a Prepared<P>,
    ) -> Result<Outgoing<'a, P>, TrySendError> {
        let agreed = self.agreed.get().ok_or(TrySendError::NotOpen)?;
        check_version(frame.kind(), agreed.remote.version())?;
        let payload = match frame.payload() {
            small if small.len() <= COPY_UP_TO => Payload::Copied(small),
            large => Payload::Shared(large.clone()),
        };
        match payload.as_slice().len() {
            len if len > frame.kind().policy().cap => Err(TrySendError::TooLarge { len }),
            _ => {
                let (kind, checksum, asks) = (frame.kind(), frame.checksum(), frame.asks());
                Ok(Outgoing { kind, payload, checksum, asks })
            }
        }
    }

    /// Appends a frame of the engine's own, full or not.
    pub(crate) fn push_always(&self, frame: &Outgoing<'_, P>) {
        let mut state = self.state();
        if state.outbox.closed().is_none() {
            self.append(&mut state, frame, Source::Answer, None);
        }
        Self::wake(state);
    }

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
        let _turn = self.turn.lock().await;
        loop {
            let room = self.room.notified();
            match push(true) {
                Err(TrySendError::Full) => room.await,
                other => return other.map_err(SendError::from),
            }
        }
    }

    /// Appends a frame if there is room and no other sender waits for it; takes the receipt only
    /// if it does.
    pub(crate) fn push(
        &self,
        frame: &Outgoing<'_, P>,
        receipt: &mut Option<ReceiptSender>,
        place: Place,
    ) -> Result<(), TrySendError> {
        let mut state = self.state();
        self.check_room(&mut state, place)?;
        self.append(&mut state, frame, place.source(), receipt.take());
        Self::wake(state);
        Ok(())
    }

    fn check_room(&self, state: &mut State<P>, place: Place) -> Result<(), TrySendError> {
        if let Some(reason) = state.outbox.closed() {
            return Err(TrySendError::Closed(reason.clone()));
        }
        // A short budget stops only those who already hold some of it.
        let short = self.budget.is_full() && state.outbox.held() > 0;
        let others_first = place == Place::Queue && state.senders_waiting > 0;
        if others_first || short || state.outbox.is_full(place.source()) {
            state.outbox.refuse();
            return Err(TrySendError::Full);
        }
        Ok(())
    }

    fn append(
        &self,
        state: &mut State<P>,
        frame: &Outgoing<'_, P>,
        source: Source,
        receipt: Option<ReceiptSender>,
    ) {
        let before = state.outbox.held();
        let Outgoing { kind, payload, checksum, asks } = frame;
        state.outbox.push(*kind, payload, *checksum, *asks, source, receipt);
        self.budget.add(state.outbox.held() - before);
        self.full.store(state.outbox.is_full(Source::Answer), Ordering::Relaxed);
    }

    pub(crate) fn announce(&self, items: &[P::Item]) -> usize {
        let mut state = self.state();
        if state.outbox.closed().is_some() {
            return 0;
        }
        let accepted = state.outbox.announce(items);
        Self::wake(state);
        accepted
    }

    pub(crate) fn add_known(&self, items: &[P::Item]) {
        let mut state = self.state();
        if state.outbox.closed().is_none() {
            state.outbox.add_known(items);
            Self::wake(state);
        }
    }

    /// Asks the driver to end the connection; the first reason stays.
    pub(crate) fn close(&self, reason: DisconnectReason) {
        let mut state = self.state();
        if state.close.is_none() && state.outbox.closed().is_none() {
            state.close = Some(reason);
            Self::wake(state);
        }
    }

    /// Waits until the connection's task has ended.
    pub(crate) async fn ended(&self) -> DisconnectReason {
        loop {
            let notified = self.ended_notify.notified();
            if let Some(reason) = self.ended.get() {
                return reason.clone();
            }
            notified.await;
        }
    }

    pub(crate) fn ended_now(&self) -> Option<DisconnectReason> {
        self.ended.get().cloned()
    }

    /// Wakes the driver if it sleeps; unlocks first.
    fn wake(mut state: MutexGuard<'_, State<P>>) {
        let sleeping = state.sleeping.take();
        drop(state);
        if let Some(waker) = sleeping {
            waker.wake();
        }
    }
}

/// For the driver.
impl<P: Protocol> Shared<P> {
    /// Waits for something to take: a request to close or, if `wants_frames`, anything queued.
    pub(crate) async fn work(&self, wants_frames: bool) {
        poll_fn(|cx| {
            let mut state = self.state();
            let queued = wants_frames && !state.outbox.is_empty();
            if state.close.is_some() || queued {
                state.sleeping = None;
                return Poll::Ready(());
            }
            if !state.sleeping.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                state.sleeping = Some(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    /// Whether answers have used up their room.
    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    pub(crate) fn close_requested(&self) -> Option<DisconnectReason> {
        self.state().close.clone()
    }

    /// Gives back the room of what is `gone`, swaps the lane against the used-up `batch` and takes
    /// what was announced. `waiting` announcements wait in the core. The flag tells that somebody
    /// was refused and there is room again.
    pub(crate) fn exchange(
        &self,
        gone: Load,
        waiting: usize,
        batch: &mut Batch<P, ReceiptSender>,
    ) -> (Taken<P>, bool) {
        let mut state = self.state();
        let room = state.outbox.release(gone);
        state.outbox.set_waiting(waiting);
        let taken = state.outbox.take(batch);
        self.full.store(state.outbox.is_full(Source::Answer), Ordering::Relaxed);
        drop(state);
        self.budget.sub(gone.total());
        if room {
            self.room.notify_one();
        }
        (taken, room)
    }

    /// Gives back the room of what is `gone` while the rest of a batch still waits.
    pub(crate) fn release(&self, gone: Load) -> bool {
        let mut state = self.state();
        let room = state.outbox.release(gone);
        self.full.store(state.outbox.is_full(Source::Answer), Ordering::Relaxed);
        drop(state);
        self.budget.sub(gone.total());
        if room {
            self.room.notify_one();
        }
        room
    }

    /// What the outbox holds: bytes, and announcements that wait.
    pub(crate) fn outbox_stats(&self) -> (usize, usize) {
        let state = self.state();
        (state.outbox.held(), state.outbox.waiting())
    }

    /// Accepts nothing any more and frees what was queued.
    pub(crate) fn shut(&self, reason: &DisconnectReason) {
        let mut state = self.state();
        let held = state.outbox.held();
        let queued = state.outbox.close(reason.clone());
        drop(state);
        drop(queued);
        self.budget.sub(held);
        self.room.notify_one();
    }

    /// The task has ended: tells everybody who waits.
    pub(crate) fn end(&self, reason: DisconnectReason) {
        self.shut(&reason);
        let _ = self.ended.set(reason);
        self.ended_notify.notify_waiters();
    }
}

impl<P: Protocol> fmt::Debug for Shared<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("id", &self.id).finish_non_exhaustive()
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
        self.0.state().senders_waiting -= 1;
        // A wake-up that was meant for whoever gave up goes to the next.
        self.0.room.notify_one();
    }
}
