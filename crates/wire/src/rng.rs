//! A connection's randomness: seeded once, unpredictable to others, the same for the same seed.
//!
//! Everything random about a connection (nonces, trickle times, shuffles, v2 keys and garbage)
//! comes from one generator, so a test that fails with a seed fails again with it. It is ChaCha20
//! and thus fit for keys as long as the seed is.

use std::time::Duration;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};

/// A seeded cryptographic generator.
///
/// ```
/// use peerage_wire::Rng;
///
/// assert_eq!(Rng::from_seed([7; 32]).next_u64(), Rng::from_seed([7; 32]).next_u64());
/// ```
pub struct Rng(ChaCha20Rng);

impl Rng {
    /// The generator of this seed.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(seed))
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// An array of random bytes: a key, a seed.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A uniform 64-bit number.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A uniform number below `bound`; 0 if `bound` is 0.
    ///
    /// The multiply-shift bias is below `bound / 2^64`: nobody can see it.
    #[allow(clippy::cast_possible_truncation)] // the high half of a product is below `bound`
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next_u64()) * bound as u128) >> 64) as usize
    }

    /// Shuffles uniformly (Fisher–Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// Moves a uniform choice of `count` items, in uniform order, to the front.
    pub fn choose<T>(&mut self, items: &mut [T], count: usize) {
        for i in 0..count.min(items.len()) {
            let other = i + self.below(items.len() - i);
            items.swap(i, other);
        }
    }

    /// The time to the next event of a Poisson process with this mean interval.
    #[allow(clippy::cast_precision_loss)] // 53 random bits are all that a fraction needs
    pub fn poisson(&mut self, mean: Duration) -> Duration {
        let fraction = ((self.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        mean.mul_f64(-fraction.ln())
    }
}

impl std::fmt::Debug for Rng {
    /// Shows nothing: what it will produce may become a key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rng")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poisson_times_have_their_mean() {
        let mut rng = Rng::from_seed([1; 32]);
        let total: Duration = (0..20_000).map(|_| rng.poisson(Duration::from_secs(2))).sum();
        let mean = total.as_secs_f64() / 20_000.0;
        assert!((1.9..2.1).contains(&mean), "{mean}");
    }

    #[test]
    fn below_stays_below_and_reaches_everything() {
        let mut rng = Rng::from_seed([2; 32]);
        let mut seen = [false; 10];
        for _ in 0..1_000 {
            seen[rng.below(10)] = true;
        }
        assert_eq!(seen, [true; 10]);
        assert_eq!(rng.below(0), 0);
    }

    #[test]
    fn a_choice_is_uniform_without_loss_or_duplicates() {
        let mut rng = Rng::from_seed([3; 32]);
        let mut chosen = [0_u32; 20];
        for _ in 0..4_000 {
            let mut items: Vec<usize> = (0..20).collect();
            rng.choose(&mut items, 5);
            items[..5].iter().for_each(|item| chosen[*item] += 1);
            items.sort_unstable();
            assert!(items.iter().copied().eq(0..20));
        }
        assert!(chosen.iter().all(|count| (850..1_150).contains(count)), "{chosen:?}");
    }
}
