//! This request expects that answer by then.
//!
//! Each kind of request has one clock: requests of one kind are answered in order, and each answer
//! that comes gives the rest its full time again (progress, not a fixed deadline, decides). The
//! clocks start when the request is written and stand still while we do not read.
//!
//! An answer may have to wait behind what the remote had queued before, on a slow link. So nobody is
//! blamed while it keeps sending and no more has come than can have been queued.

use std::time::Duration;

use peerage_wire::{Expect, Kind, Patience};

/// What is still owed to us.
#[derive(Debug)]
pub(crate) struct Stall<K: 'static> {
    owed: Vec<Owed<K>>,
    /// Bytes of whole messages that have come.
    heard: u64,
}

/// What may be before an answer, in bytes: the queue of Core, btcd or ours (1 MiB and a little), and
/// as much again in the kernels.
const QUEUED: u64 = 2 << 20;

/// How soon whoever keeps sending is judged again.
const AGAIN: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Owed<K: 'static> {
    request: K,
    expect: &'static Expect<K>,
    count: u32,
    deadline: Duration,
    /// When the clock began, and how much had been heard by then.
    since: (Duration, u64),
}

impl<K: Kind> Stall<K> {
    pub(crate) const fn new() -> Self {
        Self { owed: Vec::new(), heard: 0 }
    }

    /// A message of so many bytes came.
    #[inline]
    pub(crate) fn hear(&mut self, wire_len: usize) {
        self.heard += wire_len as u64;
    }

    /// A request was written; it asks for `asks` answers.
    pub(crate) fn requested(&mut self, request: K, asks: u32, now: Duration) {
        let Some(expect) = request.policy().expect.as_ref().filter(|_| asks > 0) else { return };
        let deadline = now + expect.within;
        match self.owed.iter_mut().find(|owed| owed.request == request) {
            // The clock of what is already owed runs on: asking again earns nobody more time.
            Some(owed) => owed.count = owed.count.saturating_add(asks),
            None => {
                let since = (now, self.heard);
                self.owed.push(Owed { request, expect, count: asks, deadline, since });
            }
        }
    }

    /// A message came that may settle `settles` of what is owed.
    #[inline]
    pub(crate) fn answered(&mut self, answer: K, settles: u32, now: Duration) {
        if self.owed.is_empty() {
            return;
        }
        for owed in self.owed.iter_mut().filter(|owed| owed.expect.answers.contains(&answer)) {
            owed.count = owed.count.saturating_sub(settles);
            owed.deadline = now + owed.expect.within;
            owed.since = (now, self.heard);
        }
        self.owed.retain(|owed| owed.count > 0);
    }

    /// A frame of so many bytes is arriving, which takes `transfer` at the slowest rate: it may be
    /// the answer, so nothing is due before it can be there, unless more has come already than can
    /// have been before the answer.
    pub(crate) fn arriving(&mut self, transfer: Duration, now: Duration) {
        let heard = self.heard;
        for owed in self.owed.iter_mut().filter(|owed| heard - owed.since.1 < QUEUED) {
            owed.deadline = owed.deadline.max(now + transfer);
        }
    }

    /// We did not read for so long.
    pub(crate) fn not_reading_for(&mut self, paused: Duration) {
        for owed in &mut self.owed {
            owed.deadline += paused;
            owed.since.0 += paused;
        }
    }

    pub(crate) fn next(&self) -> Option<Duration> {
        self.owed.iter().map(|owed| owed.deadline).min()
    }

    /// Takes a request that is overdue, with what its silence means. Whoever sends `slowest_rate`
    /// bytes a second may still have the answer in its queue.
    pub(crate) fn expire(&mut self, now: Duration, slowest_rate: u32) -> Option<(K, Patience)> {
        for owed in self.owed.iter_mut().filter(|owed| owed.deadline <= now) {
            let (began, heard) = owed.since;
            let came = self.heard - heard;
            let seconds = now.saturating_sub(began).as_secs();
            if came < QUEUED && came >= seconds * u64::from(slowest_rate.max(1)) {
                owed.deadline = now + AGAIN;
            }
        }
        let overdue = self.owed.iter().position(|owed| owed.deadline <= now)?;
        let owed = self.owed.swap_remove(overdue);
        Some((owed.request, owed.expect.patience))
    }
}
