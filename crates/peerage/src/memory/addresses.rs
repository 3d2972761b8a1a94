//! Which addresses the remote knows: what it has sent us and what it was sent.

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;

use peerage_peer_core::Known;
use peerage_wire::Rng;

/// A message of addresses, in memory of its own.
pub(crate) trait Gossip: Send {
    /// One of them.
    type Address: Copy;
    /// What makes two addresses the same: neither time nor services.
    type Key: Eq + Hash;

    fn key(address: &Self::Address) -> Self::Key;

    /// How many addresses there are.
    fn count(&self) -> usize;

    /// How many bytes it holds.
    fn size(&self) -> usize;

    /// Calls `learn` with each of them.
    fn each(&self, learn: impl FnMut(Self::Address));
}

pub(crate) struct Addresses<G> {
    /// Most connections never push addresses.
    known: Option<Box<(Known, Rng)>>,
    heard: Heard<G>,
}

impl<G: Gossip> Addresses<G> {
    pub(crate) const fn new() -> Self {
        Self { known: None, heard: Heard { messages: VecDeque::new(), addresses: 0 } }
    }

    /// A uniform choice of at most `max` of these addresses, in random order, each once, without
    /// those that the remote knows.
    pub(crate) fn choose(&mut self, addresses: &[G::Address], max: usize) -> Vec<G::Address> {
        let (known, rng) = self.known();
        let mut seen = HashSet::new();
        let is_news =
            |entry: &&G::Address| !known.contains(&G::key(entry)) && seen.insert(G::key(entry));
        let mut news: Vec<_> = addresses.iter().filter(is_news).copied().collect();
        let count = news.len().min(max);
        rng.choose(&mut news, count);
        news.truncate(count);
        news
    }

    /// The remote was sent these addresses.
    pub(crate) fn learn(&mut self, addresses: &[G::Address]) {
        let (known, _) = self.known();
        addresses.iter().for_each(|address| known.learn(&G::key(address)));
    }

    /// The remote has sent these addresses.
    pub(crate) fn hear(&mut self, message: G) {
        if message.size() > Heard::<G>::LARGE {
            let (known, _) = self.known();
            return message.each(|address| known.learn(&G::key(&address)));
        }
        if let Some(message) = self.heard.push(message) {
            let (known, _) = self.known();
            message.each(|address| known.learn(&G::key(&address)));
        }
    }

    /// The addresses that the remote knows, and randomness; made when first used.
    fn known(&mut self) -> &mut (Known, Rng) {
        let known = self.known.get_or_insert_with(|| {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).expect("the operating system has randomness");
            let mut rng = Rng::from_seed(seed);
            Box::new((Known::new(rng.next_u64(), rng.next_u64()), rng))
        });
        for message in self.heard.take() {
            message.each(|address| known.0.learn(&G::key(&address)));
        }
        known
    }
}

/// Gossip of the remote that was not read, because nobody has pushed addresses since: hashing a
/// thousand of them takes as long as receiving them.
struct Heard<G> {
    messages: VecDeque<G>,
    addresses: usize,
}

impl<G: Gossip> Heard<G> {
    /// The memory promises the last 4,096 addresses: what is older may be forgotten.
    const ENOUGH: usize = 4_096;
    /// How many messages wait at most, however few addresses they have.
    const MESSAGES: usize = 64;
    /// What is larger, in bytes, is read at once: a thousand honest addresses have 30,000 to 40,000, and
    /// at most five messages with so many wait.
    const LARGE: usize = 64 << 10;

    /// Keeps a message; returns one that must be read after all, because there are too many.
    fn push(&mut self, message: G) -> Option<G> {
        self.addresses += message.count();
        self.messages.push_back(message);
        let mut oldest = self.oldest();
        while self.addresses - oldest >= Self::ENOUGH {
            self.messages.pop_front();
            self.addresses -= oldest;
            oldest = self.oldest();
        }
        if self.messages.len() <= Self::MESSAGES {
            return None;
        }
        self.addresses -= oldest;
        self.messages.pop_front()
    }

    fn oldest(&self) -> usize {
        self.messages.front().map_or(0, G::count)
    }

    fn take(&mut self) -> VecDeque<G> {
        self.addresses = 0;
        std::mem::take(&mut self.messages)
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;

    struct Ports(Range<u16>);

    impl Gossip for Ports {
        type Address = u16;
        type Key = u16;

        fn key(address: &u16) -> u16 {
            *address
        }

        fn size(&self) -> usize {
            self.0.len()
        }

        fn count(&self) -> usize {
            self.0.len()
        }

        fn each(&self, learn: impl FnMut(u16)) {
            self.0.clone().for_each(learn);
        }
    }

    #[test]
    fn at_least_the_last_4096_addresses_heard_are_known_when_some_are_pushed() {
        for step in [1_u16, 7, 1_000] {
            let mut addresses = Addresses::new();
            let mut all = Vec::new();
            for first in (0..20_000).step_by(step.into()) {
                addresses.hear(Ports(first..first + step));
                all.extend(first..first + step);
                assert!(addresses.heard.messages.len() <= Heard::<Ports>::MESSAGES);
                let enough = Heard::<Ports>::ENOUGH + usize::from(step);
                assert!(addresses.heard.addresses < enough);
            }
            let last = all.len() - 4_096;
            assert!(addresses.choose(&all[last..], 5_000).is_empty());
            let news: Vec<_> = (30_000..30_010).collect();
            assert_eq!(addresses.choose(&news, 5_000).len(), 10);
        }
    }
}
