//! What a node answers on one connection.
//!
//! As kaspad does it: blocks and transactions in the order in which they were asked for, headers in
//! batches of which each has to be acknowledged, and whoever asks for what is not here is told so and
//! let go. Addresses and pings the library answers.

use std::collections::VecDeque;

use peerage::kaspa::message::{
    BlockBody, BlockHeaders, BlockLocator, IbdChainBlockLocator, RequestHeaders,
    RequestTransactions, TransactionNotFound,
};
use peerage::kaspa::types::Hash;
use peerage::kaspa::{Message, Payload, Peer};
use tokio::sync::mpsc;

use super::Node;

/// How many headers are in a batch. Kaspad sends 1,024 and more; fewer show the acknowledgements.
const BATCH: usize = 64;

/// How many blocks a locator names at most, as in kaspad.
const MAX_LOCATOR: usize = 64;

/// One connection's side of the node.
pub(super) struct Desk<'a> {
    node: &'a Node,
    peer: &'a Peer,
    /// Where announced blocks go, to be fetched.
    announced: mpsc::Sender<Hash>,
    /// What is left of the headers that were asked for, and the request to which they belong.
    headers: Option<(Message, VecDeque<Hash>)>,
}

impl<'a> Desk<'a> {
    pub(super) const fn new(node: &'a Node, peer: &'a Peer, announced: mpsc::Sender<Hash>) -> Self {
        Self { node, peer, announced, headers: None }
    }

    /// Answers a message, if it wants an answer.
    pub(super) async fn handle(&mut self, message: &Message) {
        match &message.payload {
            Payload::InvRelayBlock(inv) => {
                // If too many wait, this one comes as the past of a later one.
                inv.hash.inspect(|hash| _ = self.announced.try_send(*hash));
            }
            Payload::InvTransactions(inv) => {
                if let Some(request) = self.node.wanted(&inv.ids) {
                    self.send(&request).await;
                }
            }
            Payload::Transaction(transaction) => self.node.received(transaction),
            Payload::TransactionNotFound(missing) => {
                missing.id.inspect(|id| _ = self.node.state().asked.remove(id));
            }
            Payload::RequestTransactions(request) => self.transactions(request).await,
            Payload::RequestRelayBlocks(request) => {
                self.blocks(message, &request.hashes, Payload::Block).await;
            }
            Payload::RequestIbdBlocks(request) => {
                self.blocks(message, &request.hashes, Payload::IbdBlock).await;
            }
            Payload::RequestBlockBodies(request) => {
                let body = |block: Box<_>| {
                    let peerage::kaspa::message::Block { transactions, .. } = *block;
                    Payload::BlockBody(BlockBody { transactions })
                };
                self.blocks(message, &request.hashes, body).await;
            }
            Payload::RequestHeaders(request) => self.headers(message, request).await,
            Payload::RequestNextHeaders => self.next_headers().await,
            Payload::RequestBlockLocator(request) => {
                let max = usize::try_from(request.limit).unwrap_or(MAX_LOCATOR).min(MAX_LOCATOR);
                let high = request.high_hash.unwrap_or(Hash::ZERO);
                let locator = self.node.state().dag.locator(&high, max);
                let answer = locator.map(|hashes| Payload::BlockLocator(BlockLocator { hashes }));
                self.answer(message, answer).await;
            }
            Payload::RequestIbdChainBlockLocator(request) => {
                let locator = {
                    let state = self.node.state();
                    let high = request.high_hash.unwrap_or_else(|| state.dag.sink());
                    state.dag.locator(&high, MAX_LOCATOR)
                };
                // What kaspad answers when the chain has moved.
                let block_locator_hashes = locator.unwrap_or_default();
                let locator = IbdChainBlockLocator { block_locator_hashes };
                self.answer(message, Some(Payload::IbdChainBlockLocator(locator))).await;
            }
            _ => {}
        }
    }

    async fn transactions(&self, request: &RequestTransactions) {
        for id in &request.ids {
            let found = self.node.state().transactions.get(id).cloned();
            let answer = match found {
                Some(transaction) => Payload::Transaction(Box::new(transaction)),
                None => Payload::TransactionNotFound(TransactionNotFound { id: Some(*id) }),
            };
            self.send(&answer.into()).await;
        }
    }

    async fn blocks(
        &self,
        message: &Message,
        hashes: &[Hash],
        payload: impl Fn(Box<peerage::kaspa::message::Block>) -> Payload,
    ) {
        for hash in hashes {
            let block = self.node.state().dag.block(hash).cloned();
            let answer = block.map(|block| payload(Box::new(block)));
            if !self.answer(message, answer).await {
                return;
            }
        }
    }

    async fn headers(&mut self, message: &Message, request: &RequestHeaders) {
        let found = match (request.low_hash, request.high_hash) {
            (Some(low), Some(high)) => self.node.state().dag.between(&low, &high),
            _ => None,
        };
        match found {
            Some(hashes) => {
                self.headers = Some((message.clone(), hashes.into()));
                self.next_headers().await;
            }
            None => _ = self.answer(message, None).await,
        }
    }

    /// The next batch, or word that there is none.
    async fn next_headers(&mut self) {
        let Some((request, left)) = &mut self.headers else { return };
        let batch: Vec<Hash> = left.drain(..left.len().min(BATCH)).collect();
        let request = request.clone();
        let answer = if batch.is_empty() {
            self.headers = None;
            Payload::DoneHeaders
        } else {
            let state = self.node.state();
            let headers = batch.iter().filter_map(|hash| state.dag.block(hash)?.header.clone());
            Payload::BlockHeaders(BlockHeaders { block_headers: headers.collect() })
        };
        self.send(&request.answer(answer)).await;
    }

    /// Sends the answer, or lets go of the peer if there is none. Returns whether there was one.
    async fn answer(&self, request: &Message, answer: Option<Payload>) -> bool {
        match answer {
            Some(answer) => {
                self.send(&request.answer(answer)).await;
                true
            }
            None => {
                let reason = format!("{} names a block that is not here", request.kind());
                if let Ok(left) = self.peer.push_reject(&reason).await {
                    // Whether it has left or never can: the connection is over either way.
                    let _ = left.await;
                }
                self.peer.disconnect();
                false
            }
        }
    }

    async fn send(&self, message: &Message) {
        // A connection that has ended needs no answer.
        let _ = self.peer.send(message).await;
    }
}
