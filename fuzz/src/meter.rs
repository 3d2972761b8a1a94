//! How much memory the code under test holds at its worst moment.
//!
//! The global allocator counts per thread, so that tests may run side by side. A reallocation counts
//! with its new size.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// What may be held beside a multiple of what was received, in bytes.
const ALLOWANCE: usize = 256 << 10;

/// How often the received bytes may be held.
const FACTOR: usize = 3;

/// Measures one receiver: only what happens inside [`run`](Self::run) is counted, what it keeps
/// until the next `run` included.
#[derive(Debug)]
pub struct Meter {
    factor: usize,
    allowance: usize,
    received: usize,
    owned: isize,
    peak: isize,
}

impl Default for Meter {
    /// Three times the bytes received, and 256 KiB.
    fn default() -> Self {
        Self::within(FACTOR, ALLOWANCE)
    }
}

impl Meter {
    /// One that allows so many times the bytes received, and so many more.
    pub const fn within(factor: usize, allowance: usize) -> Self {
        Self { factor, allowance, received: 0, owned: 0, peak: 0 }
    }

    /// So many bytes have come from the remote.
    pub fn received(&mut self, bytes: usize) {
        self.received += bytes;
    }

    /// Runs code under test.
    ///
    /// # Panics
    /// If it held more than is allowed.
    pub fn run<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let before = LIVE.get();
        PEAK.set(before);
        let result = work();
        self.peak = self.peak.max(self.owned + PEAK.get() - before);
        self.owned += LIVE.get() - before;
        let limit = self.factor * self.received + self.allowance;
        assert!(
            usize::try_from(self.peak).unwrap_or(0) <= limit,
            "{} bytes were held for {} received",
            self.peak,
            self.received
        );
        result
    }
}

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call goes to the system's allocator with the arguments that came; counting touches
// two thread-local integers, which need neither memory nor a destructor.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract.
        let place = unsafe { System.alloc(layout) };
        count(place, 0, layout.size());
        place
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract.
        let place = unsafe { System.alloc_zeroed(layout) };
        count(place, 0, layout.size());
        place
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(place, layout.size(), 0);
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller keeps the contract.
        let place = unsafe { System.realloc(place, layout, size) };
        count(place, layout.size(), size);
        place
    }
}

/// A null pointer means that the allocation failed and nothing changed. An object has at most
/// `isize::MAX` bytes.
fn count(place: *mut u8, freed: usize, taken: usize) {
    if !place.is_null() {
        let live = LIVE.get().wrapping_sub_unsigned(freed).wrapping_add_unsigned(taken);
        LIVE.set(live);
        PEAK.set(PEAK.get().max(live));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed_is_allowed() {
        let mut meter = Meter::default();
        meter.received(1 << 20);
        let kept = meter.run(|| vec![0_u8; 3 << 20]);
        meter.run(|| drop(kept));
        meter.run(|| drop(vec![0_u8; 3 << 20]));
    }

    #[test]
    #[should_panic(expected = "bytes were held")]
    fn what_was_kept_counts_later() {
        let mut meter = Meter::default();
        let _kept = meter.run(|| vec![0_u8; 200 << 10]);
        meter.run(|| drop(vec![0_u8; 200 << 10]));
    }

    #[test]
    #[should_panic(expected = "bytes were held")]
    fn a_reallocation_counts_with_its_new_size() {
        Meter::default().run(|| {
            let mut grown = vec![0_u8; 1];
            grown.reserve_exact(300 << 10);
        });
    }
}
