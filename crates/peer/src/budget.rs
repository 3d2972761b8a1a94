//! A bound on the memory of many connections together.
//!
//! Assembly of large frames (what is above 64 KiB a connection) and outboxes count. At the bound,
//! connections that would need more stop reading, and callers are told that an outbox is full,
//! unless it is empty: each connection can always receive small messages and send one. Whoever has
//! waited for memory for a minute is let go, so that connections which each hold some and want more
//! do not keep each other waiting.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::sync::{AtomicUsize, Mutex, MutexGuard};

/// Bytes that connections share; clones share the same bytes.
///
/// ```
/// use peerage_peer::Budget;
///
/// assert_eq!(Budget::default().limit(), 256 << 20);
/// assert_eq!(Budget::new(1 << 20).used(), 0);
/// ```
#[derive(Clone)]
pub struct Budget(Arc<Shared>);

struct Shared {
    limit: usize,
    used: AtomicUsize,
    waiting: Mutex<Waiting>,
}

/// Who waits, each by a number of its own.
#[derive(Default)]
struct Waiting {
    next: u64,
    takers: Vec<(u64, Waker)>,
}

impl Budget {
    /// A budget of so many bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Shared { limit, used: AtomicUsize::new(0), waiting: Mutex::default() }))
    }

    /// The bound, in bytes.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// What is in use, in bytes.
    #[must_use]
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.used() >= self.0.limit
    }

    pub(crate) fn add(&self, bytes: usize) {
        self.0.used.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn sub(&self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let before = self.0.used.fetch_sub(bytes, Ordering::AcqRel);
        if before >= self.0.limit && before - bytes < self.0.limit {
            let waiting = std::mem::take(&mut self.waiting().takers);
            waiting.into_iter().for_each(|(_, waker)| waker.wake());
        }
    }

    /// Adds `bytes` as soon as the budget is not full; one taker may thereby exceed it by what it
    /// takes. While it is pending, `place` is the taker's on the list of those who wait.
    fn poll_add(&self, cx: &Context<'_>, bytes: usize, place: &mut Option<u64>) -> Poll<()> {
        if self.try_add(bytes) {
            self.give_up(place);
            return Poll::Ready(());
        }
        let mut waiting = self.waiting();
        let number = *place.get_or_insert_with(|| {
            waiting.next += 1;
            waiting.next
        });
        let waker = cx.waker().clone();
        match waiting.takers.iter_mut().find(|(taker, _)| *taker == number) {
            Some(taker) => taker.1 = waker,
            None => waiting.takers.push((number, waker)),
        }
        drop(waiting);
        // Whoever freed bytes before we were on the list woke nobody: look again.
        if self.try_add(bytes) {
            self.give_up(place);
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Takes whoever waits no longer off the list.
    fn give_up(&self, place: &mut Option<u64>) {
        if let Some(number) = place.take() {
            self.waiting().takers.retain(|(taker, _)| *taker != number);
        }
    }

    /// Looks and adds at once, so that two takers cannot both be the one that exceeds it.
    fn try_add(&self, bytes: usize) -> bool {
        let below = |used| (used < self.0.limit).then_some(used + bytes);
        self.0.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, below).is_ok()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Budget {
    /// 256 MiB.
    fn default() -> Self {
        Self::new(256 << 20)
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").field("limit", &self.limit()).field("used", &self.used()).finish()
    }
}

/// Bytes of a [`Budget`] held by one owner, given back when it is dropped.
#[derive(Debug)]
pub struct Charge {
    budget: Budget,
    bytes: usize,
    /// Our place among those who wait.
    place: Option<u64>,
}

impl Charge {
    /// Nothing yet.
    #[must_use]
    pub const fn new(budget: Budget) -> Self {
        Self { budget, bytes: 0, place: None }
    }

    /// Raises the charge to `bytes` as soon as the budget allows it.
    pub fn poll_raise(&mut self, cx: &Context<'_>, bytes: usize) -> Poll<()> {
        let more = bytes.saturating_sub(self.bytes);
        if more > 0 {
            std::task::ready!(self.budget.poll_add(cx, more, &mut self.place));
            self.bytes = bytes;
        }
        Poll::Ready(())
    }

    /// Gives all of it back.
    pub fn release(&mut self) {
        self.budget.sub(std::mem::take(&mut self.bytes));
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.give_up(&mut self.place);
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_budget_wakes_who_waits() {
        let budget = Budget::new(100);
        let mut first = Charge::new(budget.clone());
        let mut second = Charge::new(budget.clone());
        let cx = Context::from_waker(Waker::noop());
        assert!(first.poll_raise(&cx, 150).is_ready());
        assert!(second.poll_raise(&cx, 1).is_pending());
        drop(first);
        assert!(second.poll_raise(&cx, 1).is_ready());
        assert_eq!(budget.used(), 1);
        drop(second);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn whoever_gives_up_leaves_nothing_behind() {
        let budget = Budget::new(1);
        let mut holder = Charge::new(budget.clone());
        let cx = Context::from_waker(Waker::noop());
        assert!(holder.poll_raise(&cx, 1).is_ready());
        for _ in 0..3 {
            let mut other = Charge::new(budget.clone());
            assert!(other.poll_raise(&cx, 1).is_pending() && other.poll_raise(&cx, 1).is_pending());
            assert_eq!(budget.waiting().takers.len(), 1);
        }
        assert!(budget.waiting().takers.is_empty());
        assert_eq!(budget.used(), 1);
    }
}
