//! The shared state, in the orders in which its threads can run.
//!
//! Loom runs each model again and again, each time with another order of the steps that the threads
//! take (locks, atomics, wake-ups), until none is left. A future that is never woken ends a run with
//! loom's "deadlock". The command is in CONTRIBUTING.md, the reasons in docs/adr/0007.

mod budget;
mod end;
mod events;
mod outbox;
mod room;
mod toy;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use peerage_peer_core::{Batch, Config, DisconnectReason, Load, Local, PeerId};
use peerage_wire::Direction;

use self::toy::{Numbered, Them, Toy};
use crate::budget::Budget;
use crate::handle::PeerHandle;
use crate::shared::{Agreed, Place, ReceiptSender, Shared};
use crate::stats::Addresses;

const REQUESTED: DisconnectReason = DisconnectReason::Local(Local::Requested);

/// Tries every order; where they are too many, those in which at most `preemptions` times a thread
/// is stopped that could have gone on; `LOOM_MAX_PREEMPTIONS` asks for more. Tells how many there
/// were, to whoever wants to see it.
fn explore(preemptions: impl Into<Option<usize>>, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    let asked = builder.preemption_bound;
    builder.preemption_bound = preemptions.into().map(|bound| bound.max(asked.unwrap_or(0)));
    builder.max_branches = 10_000;
    let orders = Arc::new(AtomicUsize::new(0));
    let counted = orders.clone();
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let orders = orders.load(Ordering::Relaxed);
    assert!(orders > 1, "only one order: the model shares nothing");
    eprintln!("{orders} orders");
}

/// Runs a future on this thread, which sleeps until it is woken: a wake-up that is lost is a
/// deadlock.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let thread = Arc::new(Thread(loom::sync::Notify::new()));
    let waker = Waker::from(thread.clone());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread.0.wait();
    }
}

/// Waits for threads.
fn join<T, const N: usize>(threads: [loom::thread::JoinHandle<T>; N]) -> [T; N] {
    threads.map(|thread| thread.join().expect("no thread panics"))
}

/// Polls a future once.
fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Cloning it is no step: tokio clones wakers under locks that loom does not know.
struct Thread(loom::sync::Notify);

impl Wake for Thread {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

/// An agreed connection whose outbox is full at `outbox_limit` bytes.
fn connection(budget: &Budget, outbox_limit: usize) -> Arc<Shared<Toy>> {
    let mut config = Config::default();
    config.outbox_limit = outbox_limit;
    let addresses = Addresses::default();
    let shared = Shared::new(PeerId(0), Direction::Outbound, addresses, &config, budget.clone());
    shared.agree(Agreed { remote: Arc::new(Them), checksums: false });
    Arc::new(shared)
}

/// What a connection's task does with the shared state, without engine, transport and socket.
struct Driver {
    shared: Arc<Shared<Toy>>,
    batch: Batch<Toy, ReceiptSender>,
    sealed: Load,
    written: Vec<u8>,
    announced: Vec<u8>,
    known: Vec<u8>,
    gives_back: GivesBack,
    /// Called where a handler is told of room.
    on_room: Box<dyn FnMut()>,
}

/// When the room of what was written is given back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum GivesBack {
    /// When nothing is queued any more.
    AtTheEnd,
    FrameByFrame,
    /// When the socket has taken it: before the task sleeps.
    Late,
}

impl Driver {
    fn new(shared: &Arc<Shared<Toy>>) -> Self {
        Self {
            shared: shared.clone(),
            batch: Batch::default(),
            sealed: Load::default(),
            written: Vec::new(),
            announced: Vec::new(),
            known: Vec::new(),
            gives_back: GivesBack::AtTheEnd,
            on_room: Box::new(|| ()),
        }
    }

    /// Writes whatever is queued, until nothing is.
    fn transmit(&mut self) {
        loop {
            while let Some(frame) = self.batch.pop() {
                self.sealed.add(frame.source, frame.charge);
                self.written.extend_from_slice(frame.payload.as_slice());
                frame.receipt.into_iter().for_each(ReceiptSender::written);
                if self.gives_back == GivesBack::FrameByFrame {
                    self.give_back_room();
                }
            }
            let gone = match self.gives_back {
                GivesBack::Late => Load::default(),
                _ => std::mem::take(&mut self.sealed),
            };
            let (taken, room) = self.shared.exchange(gone, 0, &mut self.batch);
            self.announced.extend(taken.announcements);
            self.known.extend(taken.known);
            if room {
                (self.on_room)();
            }
            if !room && self.batch.is_empty() {
                return;
            }
        }
    }

    fn give_back_room(&mut self) {
        let gone = std::mem::take(&mut self.sealed);
        if gone.total() > 0 && self.shared.release(gone) {
            (self.on_room)();
        }
    }

    /// Works until it is `done`.
    async fn run(&mut self, done: impl Fn(&Self) -> bool) {
        loop {
            self.transmit();
            self.give_back_room();
            if done(self) {
                return;
            }
            self.shared.work(true).await;
        }
    }

    /// Works until it is asked to close, and then ends.
    async fn run_to_end(mut self) -> Vec<u8> {
        let reason = loop {
            if let Some(reason) = self.shared.awake() {
                break reason;
            }
            self.transmit();
            self.shared.work(true).await;
        };
        self.shared.shut(&reason);
        let Self { shared, batch, written, .. } = self;
        drop(batch);
        shared.end(reason);
        written
    }
}
