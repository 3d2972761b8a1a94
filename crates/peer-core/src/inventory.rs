//! What they know already, and what we have yet to announce.
//!
//! An item is announced to a peer at most once, and never to a peer that told us of it. Ordinary
//! items wait for a trickle: a Poisson process, a bounded batch at a time, in random order, so
//! that neither time nor order tells where an item came from. Urgent items (blocks) go at once.

use std::hash::{Hash, Hasher};

use peerage_wire::Rng;
use siphasher::sip::SipHasher13;

/// Announcements that wait, and the memory of what the remote knows.
#[derive(Debug)]
pub(crate) struct Inventory<I> {
    known: Known,
    pending: Vec<I>,
}

impl<I: Copy + Eq + Hash> Inventory<I> {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        Self { known: Known::new(rng.next_u64(), rng.next_u64()), pending: Vec::new() }
    }

    /// The remote knows this item: it announced it, sent it, or was told.
    #[inline]
    pub(crate) fn learn(&mut self, item: &I) {
        self.known.learn(item);
    }

    /// Marks an item as announced; returns whether it is news to the remote.
    pub(crate) fn is_news(&mut self, item: &I) -> bool {
        self.known.insert(item)
    }

    /// An item waits for the trickle, unless the remote knows it.
    pub(crate) fn queue(&mut self, item: I) {
        if !self.known.contains(&item) {
            self.pending.push(item);
        }
    }

    /// Takes the next announcement: a uniform choice of at most `max` waiting items, in random order,
    /// without those that the remote has come to know meanwhile.
    pub(crate) fn take(&mut self, max: usize, rng: &mut Rng) -> Vec<I> {
        // From the end, so that what stays need not move.
        let len = self.pending.len();
        let stays = len.saturating_sub(max);
        for last in (stays..len).rev() {
            self.pending.swap(last, rng.below(last + 1));
        }
        let mut batch = self.pending.split_off(stays);
        batch.retain(|item| self.known.insert(item));
        batch
    }

    /// How many items wait.
    pub(crate) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// How many items are remembered as known.
    pub(crate) fn known(&self) -> usize {
        self.known.len()
    }
}

/// A set that remembers at least the last 4,096 items put into it, and forgets those before 8,192.
///
/// It holds 32-bit fingerprints of values under a key of this connection, so a stranger can neither
/// pin memory through it nor choose items that collide; by chance one of a thousand million new
/// items is taken for a known one. Two generations of 32 KiB each; when the younger is full it
/// becomes the elder, and the elder is forgotten. Nothing is allocated before the first item.
///
/// ```
/// use peerage_peer_core::Known;
///
/// let mut known = Known::new(1, 2);
/// assert!(known.insert(&"an item"));
/// assert!(known.contains(&"an item"));
/// ```
#[derive(Debug)]
pub struct Known {
    key: (u64, u64),
    young: Generation,
    old: Generation,
}

const GENERATION: usize = 4_096;

impl Known {
    /// An empty set with this secret key.
    #[must_use]
    pub const fn new(k0: u64, k1: u64) -> Self {
        Self { key: (k0, k1), young: Generation::new(), old: Generation::new() }
    }

    fn fingerprint<I: Hash>(&self, item: &I) -> Fingerprint {
        let mut hasher = SipHasher13::new_with_keys(self.key.0, self.key.1);
        item.hash(&mut hasher);
        Fingerprint::of(hasher.finish())
    }

    /// Whether an item is remembered.
    pub fn contains<I: Hash>(&self, item: &I) -> bool {
        let fingerprint = self.fingerprint(item);
        self.young.contains(fingerprint) || self.old.contains(fingerprint)
    }

    /// Puts an item in; returns whether it was not there.
    pub fn insert<I: Hash>(&mut self, item: &I) -> bool {
        let fingerprint = self.fingerprint(item);
        self.put(fingerprint) && !self.old.contains(fingerprint)
    }

    /// Puts an item in. Cheaper than [`insert`](Self::insert), which looks at the elder generation.
    pub fn learn<I: Hash>(&mut self, item: &I) {
        self.put(self.fingerprint(item));
    }

    /// Whether the younger generation did not have it.
    fn put(&mut self, fingerprint: Fingerprint) -> bool {
        match self.young.insert(fingerprint) {
            Insert::Present => return false,
            Insert::Done => {}
            Insert::Full => {
                std::mem::swap(&mut self.young, &mut self.old);
                self.young.clear();
                self.young.insert(fingerprint);
            }
        }
        true
    }

    /// How many items are remembered; one that is in both generations counts twice.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.young.len + self.old.len
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What is kept of an item, and where.
#[derive(Clone, Copy)]
struct Fingerprint {
    /// Zero marks an empty slot.
    value: u32,
    slot: usize,
}

impl Fingerprint {
    #[allow(clippy::cast_possible_truncation)] // the two halves of the hash
    fn of(hash: u64) -> Self {
        Self { value: (hash as u32).max(1), slot: (hash >> 32) as usize % Generation::SLOTS }
    }
}

/// Fingerprints in an open-addressed table at most half full.
#[derive(Debug)]
struct Generation {
    slots: Vec<u32>,
    len: usize,
}

/// What became of a fingerprint.
enum Insert {
    Present,
    Done,
    Full,
}

impl Generation {
    const SLOTS: usize = GENERATION * 2;

    const fn new() -> Self {
        Self { slots: Vec::new(), len: 0 }
    }

    /// The slot of a fingerprint, or the empty slot where it would go.
    fn slot(&self, Fingerprint { value, mut slot }: Fingerprint) -> usize {
        while self.slots[slot] != 0 && self.slots[slot] != value {
            slot = (slot + 1) % Self::SLOTS;
        }
        slot
    }

    fn contains(&self, fingerprint: Fingerprint) -> bool {
        self.len > 0 && self.slots[self.slot(fingerprint)] == fingerprint.value
    }

    fn insert(&mut self, fingerprint: Fingerprint) -> Insert {
        if self.slots.is_empty() {
            self.slots = vec![0; Self::SLOTS];
        }
        let slot = self.slot(fingerprint);
        if self.slots[slot] != 0 {
            return Insert::Present;
        }
        if self.len == GENERATION {
            return Insert::Full;
        }
        self.slots[slot] = fingerprint.value;
        self.len += 1;
        Insert::Done
    }

    fn clear(&mut self) {
        if self.len > 0 {
            self.slots.fill(0);
            self.len = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_4096_are_known_and_old_ones_forgotten() {
        let mut known = Known::new(1, 2);
        assert_eq!(known.young.slots.capacity(), 0);
        for item in 0_u32..20_000 {
            assert!(known.insert(&item));
            assert!(!known.insert(&item));
        }
        assert!((20_000 - 4_096..20_000).all(|item| known.contains(&item)));
        assert!((0..20_000 - 8_192).all(|item| !known.contains(&item)));
        assert!(known.len() <= 8_192);
    }

    #[test]
    fn an_item_in_use_is_not_forgotten() {
        let mut known = Known::new(1, 2);
        for item in 0_u32..50_000 {
            known.insert(&u32::MAX);
            known.insert(&item);
            assert!(known.contains(&u32::MAX));
        }
    }

    #[test]
    fn a_batch_is_at_most_a_thousand_shuffled_and_without_known_items() {
        let mut rng = Rng::from_seed([1; 32]);
        let mut inventory = Inventory::new(&mut rng);
        (0_u32..1_500).for_each(|item| inventory.queue(item));
        (0..100).for_each(|item| inventory.learn(&item));
        let first = inventory.take(1_000, &mut rng);
        let second = inventory.take(1_000, &mut rng);
        assert!(first.len() <= 1_000 && !first.is_sorted());
        let mut all: Vec<u32> = first.into_iter().chain(second).collect();
        all.sort_unstable();
        assert!(all.into_iter().eq(100..1_500));
        assert_eq!(inventory.take(1_000, &mut rng), []);
    }
}
