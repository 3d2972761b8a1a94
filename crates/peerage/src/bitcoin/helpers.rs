//! What the push helpers remember of a connection, and the handler that notes it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bitcoin::BlockHash;
use peerage_peer::{Event, Handler, PeerHandle, Receipt};
use peerage_peer_core::Known;
use peerage_wire::{Kind as _, Malformed, Refusal, Rng};
use peerage_wire_bitcoin::message::{FeeFilter, SendCmpct};
use peerage_wire_bitcoin::types::{NetworkAddress, TimedAddress};
use peerage_wire_bitcoin::{Bitcoin, Kind, Message, Remote};
use tokio::time::Instant;

/// What [`Peer::push_addr`](super::Peer::push_addr) has sent.
#[derive(Debug)]
pub struct PushedAddresses {
    /// The addresses that were sent, in their order on the wire; empty if there was nothing that
    /// the remote did not know.
    pub sent: Vec<TimedAddress>,
    /// Resolves when they were written; `None` if nothing was sent.
    pub receipt: Option<Receipt>,
}

/// A connection's memory. Its lock is held only for a few steps, and never while anything is sent.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    remembered: Mutex<Remembered>,
    /// Whether a getblocks may still be answered: saves a look at every `inv`.
    getblocks: AtomicBool,
}

#[derive(Debug, Default)]
struct Remembered {
    /// Most connections never push addresses.
    addresses: Option<Box<(Known, Rng)>>,
    heard: Heard,
    requests: HashMap<Kind, Request>,
    wishes: Wishes,
}

/// What the remote has told us that it wants.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) fee_filter: Option<FeeFilter>,
    pub(crate) headers: bool,
    pub(crate) compact_blocks: Option<SendCmpct>,
}

/// A getblocks or getheaders whose answer is still due.
#[derive(Debug)]
struct Request {
    first: Option<BlockHash>,
    stop: BlockHash,
    expires: Instant,
}

impl Memory {
    pub(crate) fn shared() -> Arc<Self> {
        Arc::default()
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn wishes(&self) -> Wishes {
        self.lock().wishes
    }

    /// A uniform choice of at most `max` of these addresses, in random order, each once, without
    /// those that the remote knows.
    pub(crate) fn choose(&self, addresses: &[TimedAddress], max: usize) -> Vec<TimedAddress> {
        let mut memory = self.lock();
        let (known, rng) = memory.addresses();
        let mut seen = HashSet::new();
        let is_news =
            |entry: &&TimedAddress| !known.contains(&key(entry)) && seen.insert(key(entry));
        let mut news: Vec<_> = addresses.iter().filter(is_news).copied().collect();
        let count = news.len().min(max);
        rng.choose(&mut news, count);
        news.truncate(count);
        news
    }

    /// Notes a question, unless the same was asked and its answer may still come. An empty locator
    /// is never a repetition (as in btcd).
    pub(crate) fn ask(
        &self,
        kind: Kind,
        first: Option<BlockHash>,
        stop: BlockHash,
    ) -> Option<Asking<'_>> {
        let now = Instant::now();
        let patience = kind.policy().expect.as_ref().map_or(Duration::ZERO, |e| e.within);
        let mut memory = self.lock();
        let repeated = memory.requests.get(&kind).is_some_and(|last| {
            first.is_some() && last.first == first && last.stop == stop && now < last.expires
        });
        if repeated {
            return None;
        }
        self.getblocks.fetch_or(kind == Kind::GetBlocks, Ordering::Relaxed);
        memory.requests.insert(kind, Request { first, stop, expires: now + patience });
        Some(Asking { memory: self, kind, sent: false })
    }

    /// The question was answered, or not sent after all: it may be asked again.
    fn forget(&self, kind: Kind) {
        self.lock().requests.remove(&kind);
    }

    fn note(&self, message: &Message) {
        match message {
            Message::Addr(_) | Message::AddrV2(_) => self.lock().hear(message),
            Message::Headers(_) => self.forget(Kind::GetHeaders),
            Message::Inv(items)
                if self.getblocks.load(Ordering::Relaxed)
                    && items.iter().any(|item| item.kind.is_block()) =>
            {
                self.getblocks.store(false, Ordering::Relaxed);
                self.forget(Kind::GetBlocks);
            }
            Message::FeeFilter(filter) => self.lock().wishes.fee_filter = Some(*filter),
            Message::SendHeaders => self.lock().wishes.headers = true,
            Message::SendCmpct(wish) => self.lock().wishes.compact_blocks = Some(*wish),
            _ => {}
        }
    }

    /// The remote knows these addresses.
    pub(crate) fn learn(&self, addresses: impl Iterator<Item = TimedAddress>) {
        let mut memory = self.lock();
        let (known, _) = memory.addresses();
        addresses.for_each(|address| known.learn(&key(&address)));
    }
}

/// A question that is being sent; forgotten if it is not.
pub(crate) struct Asking<'a> {
    memory: &'a Memory,
    kind: Kind,
    sent: bool,
}

impl Asking<'_> {
    pub(crate) fn sent(mut self) {
        self.sent = true;
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if !self.sent {
            self.memory.forget(self.kind);
        }
    }
}

impl Remembered {
    /// The addresses that the remote knows, and randomness; made when first used.
    fn addresses(&mut self) -> &mut (Known, Rng) {
        let addresses = self.addresses.get_or_insert_with(|| {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).expect("the operating system has randomness");
            let mut rng = Rng::from_seed(seed);
            Box::new((Known::new(rng.next_u64(), rng.next_u64()), rng))
        });
        self.heard.take().for_each(|message| learn(&mut addresses.0, &message));
        addresses
    }

    fn hear(&mut self, message: &Message) {
        if let Some(message) = self.heard.push(message.detach()) {
            let (known, _) = self.addresses();
            learn(known, &message);
        }
    }
}

fn learn(known: &mut Known, message: &Message) {
    let mut note = |address: TimedAddress| known.learn(&key(&address));
    match message {
        Message::Addr(addresses) => addresses.iter().for_each(&mut note),
        Message::AddrV2(addresses) => addresses.iter().for_each(&mut note),
        _ => {}
    }
}

/// Gossip of the remote that was not read, because nobody has pushed addresses since: hashing a
/// thousand of them takes as long as receiving them.
#[derive(Debug, Default)]
struct Heard {
    messages: VecDeque<Message>,
    addresses: usize,
}

impl Heard {
    /// The memory promises the last 4,096 addresses: what is older may be forgotten.
    const ENOUGH: usize = 4_096;
    /// How many messages wait at most, however few addresses they have.
    const MESSAGES: usize = 64;

    /// Keeps a message; returns one that must be read after all, because there are too many.
    fn push(&mut self, message: Message) -> Option<Message> {
        self.addresses += count(&message);
        self.messages.push_back(message);
        let mut oldest = self.messages.front().map_or(0, count);
        while self.addresses - oldest >= Self::ENOUGH {
            self.messages.pop_front();
            self.addresses -= oldest;
            oldest = self.messages.front().map_or(0, count);
        }
        if self.messages.len() <= Self::MESSAGES {
            return None;
        }
        self.addresses -= oldest;
        self.messages.pop_front()
    }

    fn take(&mut self) -> impl Iterator<Item = Message> + use<> {
        std::mem::take(self).messages.into_iter()
    }
}

fn count(message: &Message) -> usize {
    match message {
        Message::Addr(addresses) => addresses.len(),
        Message::AddrV2(addresses) => addresses.len(),
        _ => 0,
    }
}

/// What makes two addresses the same: neither time nor services.
fn key(address: &TimedAddress) -> (NetworkAddress, u16) {
    (address.peer.address, address.peer.port)
}

/// Notes what the helpers need and passes everything on.
pub(crate) struct Remembering<H> {
    inner: H,
    memory: Arc<Memory>,
}

impl<H> Remembering<H> {
    pub(crate) fn new(inner: H, memory: Arc<Memory>) -> Self {
        Self { inner, memory }
    }
}

impl<H: Handler<Bitcoin>> Handler<Bitcoin> for Remembering<H> {
    const WIRE: bool = H::WIRE;
    const KEEPS: bool = H::KEEPS;

    fn remote(&mut self, remote: &Remote) -> Result<(), Refusal> {
        self.inner.remote(remote)
    }

    fn handle(&mut self, peer: &PeerHandle<Bitcoin>, event: Event<Bitcoin>) {
        if let Event::Message(message) = &event {
            self.memory.note(message);
        }
        self.inner.handle(peer, event);
    }

    fn pong_due(&mut self, peer: &PeerHandle<Bitcoin>, nonce: u64) {
        self.inner.pong_due(peer, nonce);
    }

    fn flush(&mut self, pinned: usize) {
        self.inner.flush(pinned);
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.inner.poll_ready(cx)
    }

    fn on_read(
        &mut self,
        peer: &PeerHandle<Bitcoin>,
        kind: Option<Kind>,
        bytes: usize,
        error: Option<&Malformed>,
    ) {
        self.inner.on_read(peer, kind, bytes, error);
    }

    fn on_write(&mut self, peer: &PeerHandle<Bitcoin>, kind: Kind, bytes: usize) {
        self.inner.on_write(peer, kind, bytes);
    }
}

#[cfg(test)]
mod tests {
    use peerage_wire_bitcoin::message::Addr;
    use peerage_wire_bitcoin::types::PeerAddress;

    use super::*;

    fn gossip(numbers: std::ops::Range<u16>) -> (Vec<TimedAddress>, Message) {
        let timed =
            |port| TimedAddress { time: 1, peer: PeerAddress { port, ..PeerAddress::UNSPECIFIED } };
        let addresses: Vec<_> = numbers.map(timed).collect();
        let message = Message::Addr(Addr::new(&addresses).expect("at most a thousand"));
        (addresses, message)
    }

    #[test]
    fn at_least_the_last_4096_addresses_heard_are_known_when_some_are_pushed() {
        for step in [1_u16, 7, 1_000] {
            let memory = Memory::shared();
            let mut all = Vec::new();
            for first in (0..20_000).step_by(step.into()) {
                let (addresses, message) = gossip(first..first + step);
                memory.note(&message);
                all.extend(addresses);
                assert!(memory.lock().heard.messages.len() <= Heard::MESSAGES);
                assert!(memory.lock().heard.addresses < Heard::ENOUGH + usize::from(step));
            }
            let last = all.len() - 4_096;
            assert_eq!(memory.choose(&all[last..], 5_000), []);
            let (news, _) = gossip(30_000..30_010);
            assert_eq!(memory.choose(&news, 5_000).len(), 10);
        }
    }
}
