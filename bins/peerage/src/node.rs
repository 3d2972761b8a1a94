//! A small node: it serves a chain and relays transactions and blocks among its peers.
//!
//! It believes its peers: it is here to show the protocol, not to judge the contents. The one lock
//! is held to look things up, never while anything is sent.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bitcoin::bip158::FilterHash;
use bitcoin::hashes::Hash as _;
use bitcoin::{Transaction, Txid, Wtxid};
use peerage::bitcoin::message::{
    Block, CFCheckpt, CFHeaders, GetCFCheckpt, GetCFHeaders, GetCFilters, Headers, Inventory, Tx,
};
use peerage::bitcoin::types::{InventoryItem, InventoryType, PeerAddress, Services, TimedAddress};
use peerage::bitcoin::{Message, Peer, PeerId};
use tokio::sync::watch;

use crate::chain::Chain;

/// A node and its peers.
#[derive(Debug)]
pub(crate) struct Node {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    chain: Chain,
    /// Transactions that wait for a block.
    waiting: Vec<Transaction>,
    /// Every transaction that was relayed, mined since or not: others may ask late.
    relayed: HashMap<Wtxid, Tx>,
    wtxids: HashMap<Txid, Wtxid>,
    peers: HashMap<PeerId, Peer>,
    /// How many transactions were relayed, for whoever waits for them.
    count: watch::Sender<usize>,
}

impl Node {
    /// A node that serves this chain.
    pub(crate) fn new(chain: Chain) -> Self {
        Self {
            state: Mutex::new(State {
                chain,
                waiting: Vec::new(),
                relayed: HashMap::new(),
                wtxids: HashMap::new(),
                peers: HashMap::new(),
                count: watch::Sender::new(0),
            }),
        }
    }

    /// A peer to which news are announced from now on.
    pub(crate) fn adopt(&self, peer: &Peer) {
        self.state().peers.insert(peer.id(), peer.clone());
    }

    /// Forgets a peer that has gone.
    pub(crate) fn forget(&self, peer: &Peer) {
        self.state().peers.remove(&peer.id());
    }

    /// Its peers, in the order in which they came.
    pub(crate) fn peers(&self) -> Vec<Peer> {
        let mut peers: Vec<Peer> = self.state().peers.values().cloned().collect();
        peers.sort_by_key(|peer| peer.id());
        peers
    }

    /// The height of the last block.
    pub(crate) fn height(&self) -> usize {
        self.state().chain.height()
    }

    /// How many transactions it has relayed.
    pub(crate) fn relayed(&self) -> watch::Receiver<usize> {
        self.state().count.subscribe()
    }

    /// A new transaction that spends a coin of the chain.
    pub(crate) fn spend(&self) -> Option<Tx> {
        let tx = self.state().chain.spend()?;
        Some(Tx::try_from(&tx).expect("a transaction of ours is small"))
    }

    /// Mines what waits and announces the block; returns it with its height.
    pub(crate) fn mine(&self) -> (Block, usize) {
        let mut state = self.state();
        let waiting = std::mem::take(&mut state.waiting);
        let block = state.chain.extend(&waiting);
        for peer in state.peers.values() {
            announce_block(peer, &block);
        }
        (block, state.chain.height())
    }

    /// Takes in a transaction and announces it to all peers that do not have it. Returns whether it
    /// is news.
    pub(crate) fn take_in(&self, tx: &Tx) -> bool {
        let mut state = self.state();
        let (txid, wtxid) = (tx.txid(), tx.wtxid());
        if state.relayed.insert(wtxid, tx.detach()).is_some() {
            return false;
        }
        state.wtxids.insert(txid, wtxid);
        state.waiting.push(tx.decode());
        state.count.send_modify(|count| *count += 1);
        for peer in state.peers.values() {
            peer.announce(&[peer.remote().announcement_of(tx)]);
        }
        true
    }

    /// Answers a message.
    pub(crate) async fn handle(&self, peer: &Peer, message: Message) {
        if let Message::GetAddr = message {
            // A connection that has ended needs no answer; the same holds below.
            let _ = peer.push_addr(&sample_addresses()).await;
            return;
        }
        if let Message::Tx(tx) = &message {
            self.take_in(tx);
        }
        let answers = self.state().answers(&message);
        for answer in answers {
            if peer.send(&answer).await.is_err() {
                return;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn answers(&self, message: &Message) -> Vec<Message> {
        match message {
            Message::GetHeaders(locator) => {
                vec![Message::Headers(self.chain.headers_after(locator))]
            }
            Message::GetBlocks(locator) => {
                let blocks = self.chain.hashes_after(locator).into_iter().map(InventoryItem::block);
                list(Message::Inv, &blocks.collect::<Vec<_>>())
            }
            Message::GetData(wanted) => self.data(wanted),
            Message::Inv(items) => {
                let news =
                    items.iter().filter(|item| item.kind.is_tx() && self.find(item).is_none());
                let wanted: Vec<_> = news.map(InventoryItem::with_witness).collect();
                list(Message::GetData, &wanted)
            }
            Message::MemPool => {
                let items = self.waiting.iter().map(|tx| InventoryItem::wtx(tx.compute_wtxid()));
                list(Message::Inv, &items.collect::<Vec<_>>())
            }
            Message::GetCFilters(ask) => self.filters(ask),
            Message::GetCFHeaders(ask) => self.filter_headers(ask),
            Message::GetCFCheckpt(ask) => self.filter_checkpoints(ask),
            _ => Vec::new(),
        }
    }

    fn data(&self, wanted: &Inventory) -> Vec<Message> {
        let mut answers = Vec::new();
        let mut missing = Vec::new();
        for item in wanted.iter() {
            match self.find(&item) {
                Some(found) => answers.push(found),
                None => missing.push(item),
            }
        }
        answers.extend(list(Message::NotFound, &missing));
        answers
    }

    /// What was asked for, with its witness only if that was asked for.
    fn find(&self, item: &InventoryItem) -> Option<Message> {
        if let Some(hash) = item.block_hash() {
            let block = self.chain.block(&hash)?;
            return Some(Message::Block(match item.kind.has_witness_flag() {
                true => block.clone(),
                false => block.without_witness(),
            }));
        }
        let by_wtxid = item.kind == InventoryType::WTX;
        let wtxid = match by_wtxid {
            true => Wtxid::from_byte_array(item.hash),
            false => *self.wtxids.get(&Txid::from_byte_array(item.hash))?,
        };
        let tx = self.relayed.get(&wtxid)?;
        let whole = by_wtxid || item.kind.has_witness_flag();
        Some(Message::Tx(if whole { tx.clone() } else { tx.without_witness() }))
    }

    fn filters(&self, ask: &GetCFilters) -> Vec<Message> {
        /// What a node sends at once (BIP157).
        const MAX: usize = 1_000;
        let found = self.chain.filters(ask.start_height, &ask.stop_hash, MAX);
        found.map_or_else(Vec::new, |(_, filters)| {
            filters.into_iter().map(Message::CFilter).collect()
        })
    }

    fn filter_headers(&self, ask: &GetCFHeaders) -> Vec<Message> {
        let found = self.chain.filters(ask.start_height, &ask.stop_hash, CFHeaders::MAX);
        let Some((previous, filters)) = found else { return Vec::new() };
        let hashes: Vec<FilterHash> = filters.iter().map(|filter| filter.filter_hash()).collect();
        let headers = CFHeaders::new(ask.filter_type, ask.stop_hash, previous, &hashes)
            .expect("there are not more than the maximum");
        vec![Message::CFHeaders(headers)]
    }

    fn filter_checkpoints(&self, ask: &GetCFCheckpt) -> Vec<Message> {
        /// Every so many blocks there is a checkpoint (BIP157).
        const INTERVAL: usize = 1_000;
        let found = self.chain.filters(0, &ask.stop_hash, usize::MAX);
        let Some((mut last, filters)) = found else { return Vec::new() };
        let mut checkpoints = Vec::new();
        for (height, filter) in filters.iter().enumerate() {
            last = filter.filter_header(&last);
            if height > 0 && height.is_multiple_of(INTERVAL) {
                checkpoints.push(last);
            }
        }
        let answer = CFCheckpt::new(ask.filter_type, ask.stop_hash, &checkpoints)
            .expect("there are not more than the maximum");
        vec![Message::CFCheckpt(answer)]
    }
}

fn announce_block(peer: &Peer, block: &Block) {
    if peer.stats().prefers_headers {
        let headers = Headers::new(&[block.header()]).expect("one header is not too many");
        // A full outbox means a peer that is far behind and will ask.
        let _ = peer.try_send(&Message::Headers(headers));
    } else {
        peer.announce(&[InventoryItem::block(block.hash())]);
    }
}

/// A message of these items, unless there are none.
fn list(message: fn(Inventory) -> Message, items: &[InventoryItem]) -> Vec<Message> {
    let items = items.get(..Inventory::MAX).unwrap_or(items);
    let inventory = Inventory::new(items).expect("there are not more than the maximum");
    if inventory.is_empty() { Vec::new() } else { vec![message(inventory)] }
}

/// Addresses of the networks that are set aside for documentation (RFC 5737): nobody's.
fn sample_addresses() -> Vec<TimedAddress> {
    let services = Services::NETWORK | Services::WITNESS;
    let addresses = (1..=20).map(|host| Ipv4Addr::new(203, 0, 113, host));
    addresses
        .map(|ip| TimedAddress {
            time: 1_296_688_602,
            peer: PeerAddress::new(services, std::net::IpAddr::V4(ip).into(), 18_444),
        })
        .collect()
}
