//! The one place from which the shared state takes its locks, atomics and ways to wake.
//!
//! In tests built with `--cfg peerage_loom` they are the modelled ones, and `interleavings` lets the
//! shared state run in the orders that its threads can take.

#[cfg(all(test, peerage_loom))]
mod modelled;

#[cfg(not(all(test, peerage_loom)))]
mod real {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize};
    pub(crate) use std::sync::{Mutex, MutexGuard, OnceLock};

    pub(crate) use tokio::sync::{Mutex as AsyncMutex, Notify, oneshot};
}

#[cfg(all(test, peerage_loom))]
pub(crate) use modelled::*;
#[cfg(not(all(test, peerage_loom)))]
pub(crate) use real::*;
