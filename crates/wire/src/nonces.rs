//! Who has dialled himself? The nonces of introductions under way.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The nonces of those introductions that we have sent and whose opening is not done.
///
/// A `version` that carries one of them is our own: we have dialled ourselves. Clones share the set.
#[derive(Clone, Debug, Default)]
pub struct Nonces(Arc<Mutex<HashSet<u64>>>);

impl Nonces {
    /// Whether an opening with this nonce is under way.
    #[must_use]
    pub fn contains(&self, nonce: u64) -> bool {
        self.lock().contains(&nonce)
    }

    /// Holds `nonce` in the set until the guard is dropped.
    #[must_use]
    pub fn hold(&self, nonce: u64) -> NonceGuard {
        self.lock().insert(nonce);
        NonceGuard { nonce, nonces: self.clone() }
    }

    /// A panic elsewhere leaves the set whole: nothing is done to it in steps.
    fn lock(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a nonce in its [`Nonces`] until dropped.
#[derive(Debug)]
pub struct NonceGuard {
    nonce: u64,
    nonces: Nonces,
}

impl NonceGuard {
    /// The nonce.
    #[must_use]
    pub fn nonce(&self) -> u64 {
        self.nonce
    }
}

impl Drop for NonceGuard {
    fn drop(&mut self) {
        self.nonces.lock().remove(&self.nonce);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_known_as_long_as_its_opening_lasts() {
        let nonces = Nonces::default();
        let guard = nonces.hold(7);
        assert!(nonces.contains(7) && !nonces.contains(8));
        assert_eq!(guard.nonce(), 7);
        drop(guard);
        assert!(!nonces.contains(7));
    }
}
