//! What loom sees in place of the real locks.
//!
//! Mutexes and flags are loom's own. Tokio's primitives have no form that loom can see into, so they
//! are used as they are, each of their operations as one indivisible step that loom puts before or
//! behind every other. What happens inside such a step is what tokio tests under loom itself.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::Ordering;

pub(crate) use loom::sync::atomic::{AtomicBool, AtomicI32};
pub(crate) use loom::sync::{Mutex, MutexGuard};

/// Announces to loom an operation on something that it does not know: operations that announce
/// themselves on the same object are tried in each order.
#[derive(Debug)]
struct Step(loom::sync::atomic::AtomicUsize);

impl Step {
    fn new() -> Self {
        Self(loom::sync::atomic::AtomicUsize::new(0))
    }

    /// The operation sees what those before it did.
    fn take(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    /// The operation's own ordering decides what it sees.
    fn take_relaxed(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Takes a step before whatever is declared in front of it is dropped.
struct StepOnDrop<'a>(&'a Step);

impl Drop for StepOnDrop<'_> {
    fn drop(&mut self) {
        self.0.take();
    }
}

/// Loom compares an operation only with the last one on the same atomic. When a thread reads and then
/// writes, its own reading hides the readings of others, and orders are left out; a step before each
/// operation brings them back.
#[derive(Debug)]
pub(crate) struct AtomicUsize {
    step: Step,
    inner: loom::sync::atomic::AtomicUsize,
}

impl AtomicUsize {
    pub(crate) fn new(value: usize) -> Self {
        Self { step: Step::new(), inner: loom::sync::atomic::AtomicUsize::new(value) }
    }

    pub(crate) fn load(&self, ordering: Ordering) -> usize {
        self.step.take_relaxed();
        self.inner.load(ordering)
    }

    pub(crate) fn fetch_add(&self, value: usize, ordering: Ordering) -> usize {
        self.step.take_relaxed();
        self.inner.fetch_add(value, ordering)
    }

    pub(crate) fn fetch_sub(&self, value: usize, ordering: Ordering) -> usize {
        self.step.take_relaxed();
        self.inner.fetch_sub(value, ordering)
    }

    pub(crate) fn fetch_update(
        &self,
        set: Ordering,
        fetch: Ordering,
        update: impl FnMut(usize) -> Option<usize>,
    ) -> Result<usize, usize> {
        self.step.take_relaxed();
        self.inner.fetch_update(set, fetch, update)
    }
}

/// A [`std::sync::OnceLock`] whose value may be seen late, as far as its contract allows.
#[derive(Debug)]
pub(crate) struct OnceLock<T> {
    is_set: AtomicBool,
    value: std::sync::OnceLock<T>,
}

impl<T> OnceLock<T> {
    pub(crate) fn new() -> Self {
        Self { is_set: AtomicBool::new(false), value: std::sync::OnceLock::new() }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        if self.is_set.load(Ordering::Acquire) { self.value.get() } else { None }
    }

    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        let result = self.value.set(value);
        self.is_set.store(true, Ordering::Release);
        result
    }
}

/// A [`tokio::sync::Notify`] in steps.
#[derive(Debug)]
pub(crate) struct Notify {
    step: Step,
    inner: tokio::sync::Notify,
}

impl Notify {
    pub(crate) fn new() -> Self {
        Self { step: Step::new(), inner: tokio::sync::Notify::new() }
    }

    pub(crate) fn notify_one(&self) {
        self.step.take();
        self.inner.notify_one();
    }

    pub(crate) fn notify_waiters(&self) {
        self.step.take();
        self.inner.notify_waiters();
    }

    pub(crate) fn notified(&self) -> impl Future<Output = ()> + Send + Sync {
        self.step.take();
        let notified = self.inner.notified();
        async move {
            let mut notified = pin!(notified);
            let _leave = StepOnDrop(&self.step);
            poll_fn(|cx| {
                self.step.take();
                notified.as_mut().poll(cx)
            })
            .await;
        }
    }
}

/// A [`tokio::sync::Mutex`] in steps.
#[derive(Debug)]
pub(crate) struct AsyncMutex<T> {
    step: Step,
    inner: tokio::sync::Mutex<T>,
}

/// Holds an [`AsyncMutex`].
#[must_use]
pub(crate) struct AsyncMutexGuard<'a, T> {
    // Dropped in this order: the step, then the lock.
    _leave: StepOnDrop<'a>,
    _inner: tokio::sync::MutexGuard<'a, T>,
}

impl<T> AsyncMutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { step: Step::new(), inner: tokio::sync::Mutex::new(value) }
    }

    pub(crate) async fn lock(&self) -> AsyncMutexGuard<'_, T> {
        let mut lock = pin!(self.inner.lock());
        let _leave = StepOnDrop(&self.step);
        let inner = poll_fn(|cx| {
            self.step.take();
            lock.as_mut().poll(cx)
        })
        .await;
        AsyncMutexGuard { _leave: StepOnDrop(&self.step), _inner: inner }
    }
}

/// A [`tokio::sync::oneshot`] in steps.
pub(crate) mod oneshot {
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll};

    use tokio::sync::oneshot::error::RecvError;

    use super::{Step, fmt};

    pub(crate) struct Sender<T> {
        step: Arc<Step>,
        inner: Option<tokio::sync::oneshot::Sender<T>>,
    }

    pub(crate) struct Receiver<T> {
        step: Arc<Step>,
        inner: tokio::sync::oneshot::Receiver<T>,
    }

    pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
        let step = Arc::new(Step::new());
        let (sender, receiver) = tokio::sync::oneshot::channel();
        (Sender { step: step.clone(), inner: Some(sender) }, Receiver { step, inner: receiver })
    }

    impl<T> Sender<T> {
        pub(crate) fn send(mut self, value: T) -> Result<(), T> {
            let inner = self.inner.take().expect("it is sent once");
            self.step.take();
            inner.send(value)
        }
    }

    impl<T> Drop for Sender<T> {
        fn drop(&mut self) {
            if self.inner.is_some() {
                self.step.take();
            }
        }
    }

    impl<T> fmt::Debug for Sender<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Sender").finish_non_exhaustive()
        }
    }

    impl<T> Future for Receiver<T> {
        type Output = Result<T, RecvError>;

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
            self.step.take();
            Pin::new(&mut self.inner).poll(cx)
        }
    }

    impl<T> Drop for Receiver<T> {
        fn drop(&mut self) {
            self.step.take();
        }
    }
}
