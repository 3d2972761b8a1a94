//! What the push helpers remember of a connection, whatever its protocol.

mod addresses;
mod remembering;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use peerage_wire::{Kind as _, Protocol};
use tokio::time::Instant;

use addresses::Addresses;
pub(crate) use addresses::Gossip;
pub(crate) use remembering::Remembering;

/// A protocol whose messages the helpers know.
pub(crate) trait Notes: Protocol {
    /// Its messages of addresses.
    type Gossip: Gossip;
    /// What makes two questions of a kind the same.
    type Question: PartialEq + Send;
    /// What the remote has told us since the opening.
    type Told: Copy + Default + Send;

    /// The question that an `inv` answers.
    const ANSWERED_BY_INV: Self::Kind;

    /// Notes what the helpers need of a message.
    fn note(message: &Self::Message, memory: &Memory<Self>);
}

/// A connection's memory. Its lock is held only for a few steps, and never while anything is sent.
pub(crate) struct Memory<P: Notes> {
    remembered: Mutex<Remembered<P>>,
    awaits_inv: AtomicBool,
}

struct Remembered<P: Notes> {
    addresses: Addresses<P::Gossip>,
    requests: HashMap<P::Kind, Request<P::Question>>,
    told: P::Told,
}

/// A question whose answer is still due.
struct Request<Q> {
    question: Option<Q>,
    expires: Instant,
}

type Address<P> = <<P as Notes>::Gossip as Gossip>::Address;

impl<P: Notes> Memory<P> {
    pub(crate) fn shared() -> Arc<Self> {
        let remembered = Remembered {
            addresses: Addresses::new(),
            requests: HashMap::new(),
            told: P::Told::default(),
        };
        Arc::new(Self { remembered: Mutex::new(remembered), awaits_inv: AtomicBool::new(false) })
    }

    fn lock(&self) -> MutexGuard<'_, Remembered<P>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn told(&self) -> P::Told {
        self.lock().told
    }

    pub(crate) fn tell(&self, note: impl FnOnce(&mut P::Told)) {
        note(&mut self.lock().told);
    }

    /// A uniform choice of at most `max` of these addresses, in random order, each once, without
    /// those that the remote knows.
    pub(crate) fn choose(&self, addresses: &[Address<P>], max: usize) -> Vec<Address<P>> {
        self.lock().addresses.choose(addresses, max)
    }

    /// The remote was sent these addresses.
    pub(crate) fn learn(&self, addresses: &[Address<P>]) {
        self.lock().addresses.learn(addresses);
    }

    /// The remote has sent these addresses.
    pub(crate) fn hear(&self, message: P::Gossip) {
        self.lock().addresses.hear(message);
    }

    /// Notes a question, unless the same was asked and its answer may still come. `None` stands
    /// for one that is never a repetition.
    pub(crate) fn ask(
        &self,
        kind: P::Kind,
        question: Option<P::Question>,
    ) -> Option<Asking<'_, P>> {
        let now = Instant::now();
        let patience = kind.policy().expect.as_ref().map_or(Duration::ZERO, |e| e.within);
        let mut memory = self.lock();
        let repeated = memory.requests.get(&kind).is_some_and(|last| {
            question.is_some() && last.question == question && now < last.expires
        });
        if repeated {
            return None;
        }
        if kind == P::ANSWERED_BY_INV {
            self.awaits_inv.store(true, Ordering::Relaxed);
        }
        memory.requests.insert(kind, Request { question, expires: now + patience });
        Some(Asking { memory: self, kind, sent: false })
    }

    /// Whether an `inv` may still be an answer: saves a look at every other.
    pub(crate) fn awaits_inv(&self) -> bool {
        self.awaits_inv.load(Ordering::Relaxed)
    }

    /// The question was answered, or not sent after all: it may be asked again.
    pub(crate) fn forget(&self, kind: P::Kind) {
        let mut memory = self.lock();
        memory.requests.remove(&kind);
        if kind == P::ANSWERED_BY_INV {
            self.awaits_inv.store(false, Ordering::Relaxed);
        }
    }
}

/// A question that is being sent; forgotten if it is not.
pub(crate) struct Asking<'a, P: Notes> {
    memory: &'a Memory<P>,
    kind: P::Kind,
    sent: bool,
}

impl<P: Notes> Asking<'_, P> {
    pub(crate) fn sent(mut self) {
        self.sent = true;
    }
}

impl<P: Notes> Drop for Asking<'_, P> {
    fn drop(&mut self) {
        if !self.sent {
            self.memory.forget(self.kind);
        }
    }
}
