//! What a connection's task shares with its handles: the outbox and the way to wake each other.
//!
//! The one lock of a connection is held only to append, to swap or to copy numbers: never across an
//! await, a callback, a hash, an encryption or the freeing of frames.

pub(crate) mod encode;
mod room;

use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::task::{Poll, Waker};

use peerage_peer_core::{Batch, Config, DisconnectReason, Load, Outbox, PeerId, Source, Taken};
use peerage_wire::{Direction, Protocol, Remote as _};

pub(crate) use self::encode::Outgoing;
use crate::budget::Budget;
use crate::clock::Clock;
use crate::error::TrySendError;
use crate::stats::{Addresses, Measured};
use crate::sync::{
    AsyncMutex, AtomicBool, AtomicI32, Mutex, MutexGuard, Notify, OnceLock, oneshot,
};

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
    turn: AsyncMutex<()>,
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
    /// Whether somebody was refused only because others wait: told of room when none does.
    passed_over: bool,
}

impl<P: Protocol> State<P> {
    /// Gives back room; returns whether somebody was refused and there is room again. As long as
    /// `budget` is short there is none, and the next release tells of it.
    fn release(&mut self, gone: Load, budget: &Budget) -> bool {
        if self.owes_room() {
            self.passed_over = false;
            self.outbox.refuse();
        }
        let room = self.outbox.release(gone);
        let short = self.is_short(budget);
        if room && short {
            self.outbox.refuse();
        }
        room && !short
    }

    /// A short budget stops only those who already hold some of it.
    fn is_short(&self, budget: &Budget) -> bool {
        self.outbox.held() > 0 && budget.is_full()
    }

    /// Whoever was passed over would be so again as long as others wait: telling him then would
    /// have the task tell a handler that tries again and again.
    fn owes_room(&self) -> bool {
        self.passed_over && self.senders_waiting == 0
    }
}

/// What both sides agreed on: facts that do not change any more.
pub(crate) struct Agreed<P: Protocol> {
    pub(crate) remote: Arc<P::Remote>,
    /// Whether frames carry a checksum (v1), which callers compute.
    pub(crate) checksums: bool,
}

/// Resolves a receipt; dropped without, the receipt resolves with the reason of the end.
#[derive(Debug)]
pub struct ReceiptSender(oneshot::Sender<()>);

impl ReceiptSender {
    pub(crate) fn pair() -> (Self, oneshot::Receiver<()>) {
        let (sender, receiver) = oneshot::channel();
        (Self(sender), receiver)
    }

    /// The message's last byte was taken by the connection.
    pub fn written(self) {
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
            state: Mutex::new(State {
                outbox,
                sleeping: None,
                close: None,
                senders_waiting: 0,
                passed_over: false,
            }),
            full: AtomicBool::new(false),
            agreed: OnceLock::new(),
            measured: Mutex::default(),
            remote_height: AtomicI32::new(i32::MIN),
            announced: Mutex::new(None),
            turn: AsyncMutex::new(()),
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

/// For callers.
impl<P: Protocol> Shared<P> {
    /// Appends a frame of the engine's own, full or not.
    pub(crate) fn push_always(&self, frame: &Outgoing<'_, P>) {
        let mut state = self.state();
        if state.outbox.closed().is_none() {
            self.append(&mut state, frame, Source::Answer, None);
        }
        Self::wake(state);
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
        if state.is_short(&self.budget) || state.outbox.is_full(place.source()) {
            state.outbox.refuse();
            return Err(TrySendError::Full);
        }
        if place == Place::Queue && state.senders_waiting > 0 {
            state.passed_over = true;
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
    /// Waits for something to take: a request to close or, if `wants_frames`, anything queued or
    /// somebody to tell of room.
    pub(crate) async fn work(&self, wants_frames: bool) {
        poll_fn(|cx| {
            let mut state = self.state();
            let queued = !state.outbox.is_empty() || state.owes_room();
            if state.close.is_some() || (wants_frames && queued) {
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

    /// The driver is at work; returns the reason if it was asked to close.
    ///
    /// It needs no waking until it waits again. Without this, a handler that sends would wake its own
    /// task while it runs, which a runtime takes for yielding: another thread is woken to run it.
    pub(crate) fn awake(&self) -> Option<DisconnectReason> {
        let mut state = self.state();
        state.sleeping = None;
        state.close.clone()
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
        let room = state.release(gone, &self.budget);
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
        let room = state.release(gone, &self.budget);
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
