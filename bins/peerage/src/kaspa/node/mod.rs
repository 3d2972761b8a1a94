//! A small node: it serves a DAG, and relays transactions and blocks among its peers.
//!
//! It has no state of coins: it takes what verifies by itself, up to a bound. The one lock is held
//! to look things up, never while anything is sent.

mod fetch;
mod serve;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use peerage::kaspa::message::{
    Block, BodyTrait as _, NetAddress, RequestTransactions, Transaction,
};
use peerage::kaspa::types::Hash;
use peerage::kaspa::{DisconnectReason, Event, Events, Item, Message, Payload, Peer, PeerId};
use tokio::sync::{mpsc, watch};

use super::dag::{Dag, Refused, size};
use crate::demo::console::{Console, short};
use crate::failure::Failure;

/// How many bytes of blocks and transactions it takes in, beside those that it starts with.
const MAX_TAKEN: usize = 256 << 20;

/// How many addresses it remembers, as kaspad.
const MAX_ADDRESSES: usize = 4_096;

/// How many transactions it waits for: as many as one message can announce.
const MAX_ASKED: usize = 131_072;

/// How many announced blocks wait on a connection; kaspad's own bound at ten blocks a second. What
/// is passed over comes with the next one, as its past.
const MAX_ANNOUNCED: usize = 2_560;

/// A node and its peers.
#[derive(Debug)]
pub(super) struct Node {
    name: String,
    /// Where it tells what it does, if anybody wants to know.
    console: Option<Arc<Console>>,
    state: Mutex<State>,
    standing: watch::Sender<Standing>,
}

/// How far a node is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// Blocks, the first one not counted: all verified.
    pub(super) blocks: usize,
    /// Transactions of its own and relayed ones: all found by their ids.
    pub(super) transactions: usize,
    /// Addresses that its peers have told.
    pub(super) addresses: usize,
}

#[derive(Debug)]
struct State {
    dag: Dag,
    /// Every transaction that was relayed, in a block since or not: others may ask late.
    transactions: HashMap<Hash, Transaction>,
    /// Those that are in no block yet.
    waiting: Vec<Hash>,
    /// Those that were asked for.
    asked: HashSet<Hash>,
    addresses: HashSet<SocketAddr>,
    peers: HashMap<PeerId, Peer>,
    /// Bytes of blocks and transactions that came since the start.
    taken: usize,
}

impl Node {
    /// A node that serves this DAG.
    pub(super) fn new(name: String, dag: Dag, console: Option<Arc<Console>>) -> Self {
        let standing = Standing { blocks: dag.len(), ..Standing::default() };
        Self {
            name,
            console,
            state: Mutex::new(State {
                dag,
                transactions: HashMap::new(),
                waiting: Vec::new(),
                asked: HashSet::new(),
                addresses: HashSet::new(),
                peers: HashMap::new(),
                taken: 0,
            }),
            standing: watch::Sender::new(standing),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How far it is, for whoever waits for that.
    pub(super) fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// Its peers, in the order in which they came.
    pub(super) fn peers(&self) -> Vec<Peer> {
        let mut peers: Vec<Peer> = self.state().peers.values().cloned().collect();
        peers.sort_by_key(|peer| peer.id());
        peers
    }

    /// The blocks on which the next one would be made.
    pub(super) fn tips(&self) -> Vec<Hash> {
        self.state().dag.tips()
    }

    /// Makes a block of what waits and does not announce it yet: others may make theirs meanwhile.
    pub(super) fn make(&self, maker: u16) -> Block {
        let state = self.state();
        let waiting = state.waiting.iter().filter_map(|id| state.transactions.get(id).cloned());
        state.dag.make(maker, &waiting.collect::<Vec<_>>())
    }

    /// Takes in a block and announces it to all peers that do not have it. Returns whether it is
    /// news.
    pub(super) fn take_in(&self, block: Block) -> Result<bool, Refused> {
        let news = self.insert(block)?;
        self.update();
        Ok(news)
    }

    /// [`take_in`](Self::take_in), but for the word to those who watch its standing.
    fn insert(&self, block: Block) -> Result<bool, Refused> {
        let hash = block.header.as_ref().and_then(|header| header.hash().ok());
        let ids: HashSet<Hash> = block.transactions.iter().flat_map(Transaction::id).collect();
        let mut state = self.state();
        let bytes = state.room(size(&block))?;
        if !state.dag.insert(block)? {
            return Ok(false);
        }
        state.taken += bytes;
        state.waiting.retain(|id| !ids.contains(id));
        state.announce(hash.map(Item::Block));
        Ok(true)
    }

    /// Takes in a transaction and announces it to all peers that do not have it.
    pub(super) fn relay(&self, transaction: Transaction) {
        let Ok(id) = transaction.id() else { return };
        let mut state = self.state();
        let Ok(bytes) = state.room(transaction.encoded_len()) else { return };
        if state.transactions.insert(id, transaction).is_none() {
            state.taken += bytes;
            state.waiting.push(id);
            state.announce(Some(Item::Transaction(id)));
        }
        drop(state);
        self.update();
    }

    /// Speaks with a peer until the connection ends, and returns why it did. `observe` sees
    /// everything.
    ///
    /// # Errors
    /// If what the peer sent did not verify, or it had no answer.
    pub(super) async fn converse(
        &self,
        peer: &Peer,
        mut events: Events,
        mut observe: impl FnMut(&Event),
    ) -> Result<DisconnectReason, Failure> {
        self.adopt(peer);
        let (announced, hashes) = mpsc::channel(MAX_ANNOUNCED);
        let served = async {
            let mut desk = serve::Desk::new(self, peer, announced);
            while let Some(event) = events.next().await {
                observe(&event);
                match &event {
                    Event::Message(message) => desk.handle(message).await,
                    Event::Disconnected(reason) => return reason.clone(),
                    _ => {}
                }
            }
            peer.closed().await
        };
        let fetched = async {
            let result = self.fetch(peer, hashes).await;
            if result.is_err() {
                peer.disconnect();
            }
            result
        };
        let (reason, result) = tokio::join!(served, fetched);
        self.state().peers.remove(&peer.id());
        result.map(|()| reason)
    }

    /// A new peer: it hears of everything from now on, and at once of where the DAG ends, unless
    /// that is its beginning.
    fn adopt(&self, peer: &Peer) {
        let mut state = self.state();
        state.peers.insert(peer.id(), peer.clone());
        if state.dag.len() > 0 {
            for tip in state.dag.tips() {
                peer.announce(&[Item::Block(tip)]);
            }
        }
    }

    /// Which of these transactions to ask for: those that are neither here nor on their way.
    fn wanted(&self, ids: &[Hash]) -> Option<Message> {
        let mut state = self.state();
        let mut wanted = Vec::new();
        for id in ids {
            let known = state.transactions.contains_key(id);
            if !known && state.asked.len() < MAX_ASKED && state.asked.insert(*id) {
                wanted.push(*id);
            }
        }
        let request = RequestTransactions { ids: wanted };
        (!request.ids.is_empty()).then(|| Payload::RequestTransactions(request).into())
    }

    /// A transaction has come: is it one that was asked for?
    fn received(&self, transaction: &Transaction) {
        let Ok(id) = transaction.id() else { return };
        if self.state().asked.remove(&id) {
            self.say(format_args!("received transaction {}", short(id)));
            self.relay(transaction.clone());
        }
    }

    /// Remembers what a peer knows of others.
    fn learn(&self, told: &[NetAddress]) {
        let mut state = self.state();
        for address in told.iter().filter_map(|address| SocketAddr::try_from(address).ok()) {
            if state.addresses.len() < MAX_ADDRESSES {
                state.addresses.insert(address);
            }
        }
        drop(state);
        self.update();
    }

    /// Tells those who watch how far it is.
    fn update(&self) {
        let state = self.state();
        let now = Standing {
            blocks: state.dag.len(),
            transactions: state.transactions.len(),
            addresses: state.addresses.len(),
        };
        self.standing.send_if_modified(|standing| std::mem::replace(standing, now) != now);
    }

    fn say(&self, what: impl std::fmt::Display) {
        self.console.as_ref().inspect(|console| console.say(&self.name, what));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Gives the bytes back if there is room for them.
    const fn room(&self, bytes: usize) -> Result<usize, Refused> {
        if self.taken + bytes <= MAX_TAKEN {
            Ok(bytes)
        } else {
            Err(Refused::Wrong("there is no room for more"))
        }
    }

    fn announce(&self, item: Option<Item>) {
        for peer in self.peers.values() {
            // A peer that is too far behind to be told hears of it with the next one.
            item.inspect(|item| _ = peer.announce(&[*item]));
        }
    }
}
