//! A connection's randomness between two uses.

use peerage_wire::Rng;

/// What all further randomness comes from: 32 bytes in place of a running generator, of which an idle
/// connection would keep 300 more. Each use replaces it, so that what was drawn cannot be drawn again.
pub(super) struct Seed(pub(super) [u8; 32]);

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed")
    }
}

impl Seed {
    pub(super) fn rng(&mut self) -> Rng {
        let mut rng = Rng::from_seed(self.0);
        self.0 = rng.array();
        rng
    }
}
