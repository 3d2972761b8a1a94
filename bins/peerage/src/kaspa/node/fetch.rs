//! What a node asks for on one connection: addresses once, and what is announced.
//!
//! A block whose parents are not here is the end of something longer: then the last block that both
//! sides know is found, the headers after it are fetched, and the blocks after them.

use std::collections::HashSet;

use peerage::kaspa::message::{
    Block, RequestAddresses, RequestHeaders, RequestIbdBlocks, RequestIbdChainBlockLocator,
    RequestRelayBlocks,
};
use peerage::kaspa::types::Hash;
use peerage::kaspa::{Answers, Item, Peer, Request, RequestError};
use tokio::sync::mpsc;

use super::Node;
use crate::demo::console::short;
use crate::failure::Failure;
use crate::kaspa::dag::{Refused, direct_parents};
use crate::kaspa::unanswered;

/// How many blocks are asked for at once; kaspad asks for 99.
const WINDOW: usize = 64;

/// How many headers are taken in one go: more than anybody makes here.
const MAX_HEADERS: usize = 1 << 20;

impl Node {
    /// Asks for addresses, and then for every block that is announced, until the connection ends.
    pub(super) async fn fetch(
        &self,
        peer: &Peer,
        mut announced: mpsc::Receiver<Hash>,
    ) -> Result<(), Failure> {
        let result = async {
            let known = peer.request(RequestAddresses::default()).await?;
            self.learn(&known.addresses);
            while let Some(hash) = announced.recv().await {
                if !self.knows(&hash) {
                    self.block(peer, hash).await?;
                }
            }
            Ok(())
        };
        match result.await {
            // That the connection has ended, and why, is told by its events.
            Err(Trouble::Unanswered(RequestError::Closed(_) | RequestError::NotSent(_))) => Ok(()),
            Err(Trouble::Unanswered(error)) => Err(unanswered(&error, None)),
            Err(Trouble::Failed(failure)) => Err(failure),
            Ok(()) => Ok(()),
        }
    }

    /// Fetches an announced block, and before it whatever it stands on.
    async fn block(&self, peer: &Peer, hash: Hash) -> Result<(), Trouble> {
        let mut answer = peer.request(RequestRelayBlocks { hashes: vec![hash] }).await?;
        let block = next(&mut answer).await?;
        let count = block.transactions.len();
        match self.insert(*block) {
            Ok(true) => {
                // Before anybody hears that this was the last one.
                self.say(format_args!("verified block {}, {count} transactions", short(hash)));
                self.update();
                Ok(())
            }
            Ok(false) => Ok(()),
            Err(Refused::MissingParents) => self.sync(peer, hash).await,
            Err(refused) => Err(wrong(hash, &refused)),
        }
    }

    /// Fetches all that is missing up to this block.
    async fn sync(&self, peer: &Peer, high: Hash) -> Result<(), Trouble> {
        let ask = RequestIbdChainBlockLocator { low_hash: None, high_hash: None };
        let locator = peer.request(ask).await?.block_locator_hashes;
        let common = locator.into_iter().find(|hash| self.knows(hash));
        let low = common.ok_or_else(|| failed("no block is known to both sides"))?;
        let headers = self.headers(peer, low, high).await?;
        let missing: Vec<Hash> = headers.into_iter().filter(|hash| !self.knows(hash)).collect();
        for (asked, window) in missing.chunks(WINDOW).enumerate() {
            let mut blocks = peer.request(RequestIbdBlocks { hashes: window.to_vec() }).await?;
            for (hash, place) in window.iter().zip(asked * WINDOW + 1..) {
                let block = next(&mut blocks).await?;
                // Whoever has served it need not hear of it.
                peer.add_known(&[Item::Block(*hash)]);
                self.take_in(*block).map_err(|refused| wrong(*hash, &refused))?;
                self.progress(place, missing.len());
            }
        }
        self.say(format_args!("all {} blocks verified", missing.len()));
        Ok(())
    }

    /// The hashes of the headers between these two, each after its parents.
    async fn headers(&self, peer: &Peer, low: Hash, high: Hash) -> Result<Vec<Hash>, Trouble> {
        let range = RequestHeaders { low_hash: Some(low), high_hash: Some(high) };
        let mut batches = peer.request(range).await?;
        let (mut hashes, mut seen, mut count) = (Vec::new(), HashSet::new(), 0);
        while let Some(batch) = batches.next().await.transpose()? {
            count += 1;
            for header in &batch {
                let hash = header.hash().map_err(failed)?;
                let known = |parent: &Hash| seen.contains(parent) || self.knows(parent);
                if !direct_parents(header).iter().all(known) {
                    return Err(failed(format!("header {hash} comes before its parents")));
                }
                seen.insert(hash);
                hashes.push(hash);
            }
            if hashes.len() > MAX_HEADERS {
                return Err(failed("there are too many headers"));
            }
        }
        if hashes.last() != Some(&high) {
            return Err(failed(format!("the headers do not end with {high}")));
        }
        self.say(format_args!("{} headers in {count} batches stand on each other", hashes.len()));
        Ok(hashes)
    }

    fn knows(&self, hash: &Hash) -> bool {
        self.state().dag.contains(hash)
    }

    fn progress(&self, done: usize, total: usize) {
        self.console.as_ref().inspect(|console| console.progress(&self.name, done, total));
    }
}

/// Why fetching stops.
enum Trouble {
    Unanswered(RequestError),
    Failed(Failure),
}

impl From<RequestError> for Trouble {
    fn from(error: RequestError) -> Self {
        Self::Unanswered(error)
    }
}

/// The block that is due. That it has the hash that was asked for, the library checks.
async fn next<R: Request<Item = Box<Block>>>(
    answers: &mut Answers<R>,
) -> Result<Box<Block>, Trouble> {
    answers.next().await.transpose()?.ok_or_else(|| failed("fewer blocks came than were asked for"))
}

fn failed(why: impl ToString) -> Trouble {
    Trouble::Failed(Failure::other(why.to_string()))
}

fn wrong(hash: Hash, refused: &Refused) -> Trouble {
    failed(format!("block {hash}: {refused}"))
}
