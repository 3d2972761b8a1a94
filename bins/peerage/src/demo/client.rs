//! One of the demonstration's peers: it dials the node, fetches all and verifies it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bitcoin::hashes::Hash as _;
use bitcoin::{BlockHash, Txid, Wtxid};
use peerage::bitcoin::message::{Block, Headers, Inventory, Locator, Tx};
use peerage::bitcoin::types::{InventoryItem, InventoryType};
use peerage::bitcoin::{Event, Events, Message, Peer, Stats};
use tokio::sync::{mpsc, watch};

use super::console::{Console, short};
use super::follower::{Follower, Linked};
use crate::failure::Failure;

/// A peer of the node.
#[derive(Debug)]
pub(super) struct Client {
    name: String,
    peer: Peer,
    console: Arc<Console>,
    follower: Follower,
    /// The height that the node had when it introduced itself.
    goal: usize,
    /// Whether it has had all headers once.
    caught_up: bool,
    /// Transactions of its own, that the node may ask for.
    own: HashMap<Wtxid, Tx>,
    /// Hashes of transactions that were asked of the node.
    asked: HashSet<[u8; 32]>,
    standing: watch::Sender<Standing>,
}

/// How far a client is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// Blocks verified, the first one not counted.
    pub(super) blocks: usize,
    /// Transactions verified, and its own.
    pub(super) transactions: usize,
}

/// Why a client wakes up.
enum Input {
    Event(Option<Event>),
    Submitted(Option<Tx>),
}

impl Client {
    /// A client on this connection, and where to see how far it is.
    pub(super) fn new(
        name: String,
        peer: Peer,
        console: Arc<Console>,
    ) -> (Self, watch::Receiver<Standing>) {
        let (standing, receiver) = watch::channel(Standing::default());
        let client = Self {
            name,
            goal: usize::try_from(peer.remote().height).unwrap_or(0),
            peer,
            console,
            follower: Follower::new(),
            caught_up: false,
            own: HashMap::new(),
            asked: HashSet::new(),
            standing,
        };
        (client, receiver)
    }

    /// Fetches and follows until `submitted` is closed; what comes from there it announces.
    pub(super) async fn run(
        mut self,
        mut events: Events,
        mut submitted: mpsc::Receiver<Tx>,
    ) -> Result<(Standing, Stats), Failure> {
        self.send(Message::SendHeaders).await?;
        self.ask_headers().await?;
        loop {
            let input = tokio::select! {
                event = events.next() => Input::Event(event),
                tx = submitted.recv() => Input::Submitted(tx),
            };
            match input {
                Input::Event(Some(Event::Message(message))) => self.handle(message).await?,
                Input::Event(Some(Event::Disconnected(reason))) => {
                    return Err(Failure::lost(&reason));
                }
                Input::Event(Some(_)) => {}
                Input::Submitted(Some(tx)) => self.submit(tx),
                Input::Event(None) | Input::Submitted(None) => break,
            }
            self.standing.send_if_modified(|standing| {
                let now = Standing {
                    blocks: self.follower.height(),
                    transactions: self.follower.transactions(),
                };
                std::mem::replace(standing, now) != now
            });
        }
        let stats = self.peer.stats();
        self.peer.disconnect();
        self.peer.closed().await;
        let standing = *self.standing.borrow();
        Ok((standing, stats))
    }

    async fn handle(&mut self, message: Message) -> Result<(), Failure> {
        match message {
            Message::Headers(headers) => self.headers(&headers).await,
            Message::Block(block) => self.block(&block).await,
            Message::Tx(tx) => {
                self.follower.transaction(&tx, &self.asked)?;
                self.say(format_args!("received transaction {}", short(tx.wtxid())));
                Ok(())
            }
            Message::Inv(items) => self.announced(&items).await,
            Message::GetData(items) => self.serve(&items).await,
            Message::NotFound(items) => {
                Err(Failure::other(format!("the node does not have {}", items.len())))
            }
            _ => Ok(()),
        }
    }

    async fn headers(&mut self, headers: &Headers) -> Result<(), Failure> {
        match self.follower.headers(headers)? {
            Linked::Missing => self.ask_headers().await?,
            Linked::New(_) if headers.len() == Headers::MAX => self.ask_headers().await?,
            Linked::New(_) if !std::mem::replace(&mut self.caught_up, true) => {
                let count = self.follower.headers_height();
                self.say(format_args!("{count} headers follow each other, with proof of work"));
            }
            Linked::New(_) => {}
        }
        self.ask_blocks().await
    }

    async fn block(&mut self, block: &Block) -> Result<(), Failure> {
        let height = self.follower.block(block)?;
        if height < self.goal {
            self.console.progress(&self.name, height, self.goal);
        } else if height == self.goal {
            self.console.progress(&self.name, height, self.goal);
            self.say(format_args!("all {height} blocks verified"));
        } else {
            self.say(format_args!("verified block {height}, {} transactions", block.tx_count()));
        }
        self.ask_blocks().await
    }

    async fn announced(&mut self, items: &Inventory) -> Result<(), Failure> {
        let news: Vec<_> = items
            .iter()
            .filter(|item| item.kind.is_tx() && self.asked.insert(item.hash))
            .map(InventoryItem::with_witness)
            .collect();
        self.get(&news).await?;
        let behind = items.iter().filter_map(|item| item.block_hash());
        if behind.into_iter().any(|hash| !self.follower.knows(&hash)) {
            self.ask_headers().await?;
        }
        Ok(())
    }

    async fn serve(&mut self, items: &Inventory) -> Result<(), Failure> {
        for item in items.iter() {
            let wtxid = match item.kind {
                InventoryType::WTX => Wtxid::from_byte_array(item.hash),
                _ => self.wtxid_of(Txid::from_byte_array(item.hash)),
            };
            if let Some(tx) = self.own.get(&wtxid).cloned() {
                self.send(Message::Tx(tx)).await?;
            }
        }
        Ok(())
    }

    fn wtxid_of(&self, txid: Txid) -> Wtxid {
        let own = self.own.values().find(|tx| tx.txid() == txid);
        own.map_or_else(Wtxid::all_zeros, Tx::wtxid)
    }

    fn submit(&mut self, tx: Tx) {
        self.follower.own_transaction(&tx);
        let announcement = self.peer.remote().announcement_of(&tx);
        self.own.insert(tx.wtxid(), tx);
        self.peer.announce(&[announcement]);
    }

    async fn ask_headers(&self) -> Result<(), Failure> {
        let version = self.peer.remote().agreed;
        let locator = Locator::new(version, &[self.follower.tip()], BlockHash::all_zeros())
            .expect("one hash is not too many");
        self.send(Message::GetHeaders(locator)).await
    }

    async fn ask_blocks(&mut self) -> Result<(), Failure> {
        let wanted = self.follower.wanted();
        self.get(&wanted).await
    }

    async fn get(&self, wanted: &[InventoryItem]) -> Result<(), Failure> {
        if wanted.is_empty() {
            return Ok(());
        }
        let wanted = Inventory::new(wanted).map_err(|error| Failure::other(error.to_string()))?;
        self.send(Message::GetData(wanted)).await
    }

    async fn send(&self, message: Message) -> Result<(), Failure> {
        self.peer.send(&message).await.map_err(|error| Failure::other(error.to_string()))
    }

    fn say(&self, what: impl std::fmt::Display) {
        self.console.say(&self.name, what);
    }
}
