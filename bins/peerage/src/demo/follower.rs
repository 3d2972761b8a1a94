//! What a peer has of the chain, as far as it has verified it. No I/O: messages in, requests out.

use std::collections::HashSet;

use bitcoin::hashes::Hash as _;
use bitcoin::{BlockHash, Wtxid};
use peerage::bitcoin::Network;
use peerage::bitcoin::message::{Block, Headers, Tx};
use peerage::bitcoin::types::InventoryItem;

use crate::chain::{has_height, is_mined};
use crate::failure::Failure;

/// How many blocks are asked for ahead of the one that is due.
const WINDOW: usize = 64;

/// A chain of verified headers, of which the first so many blocks are there and verified as well.
#[derive(Debug)]
pub(super) struct Follower {
    headers: Vec<BlockHash>,
    known: HashSet<BlockHash>,
    blocks: usize,
    asked: usize,
    transactions: HashSet<Wtxid>,
}

/// What headers were good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Linked {
    /// So many of them are new.
    New(usize),
    /// They do not follow any that are known: some must be missing.
    Missing,
}

impl Follower {
    /// Knows the first block.
    pub(super) fn new() -> Self {
        let genesis = Network::regtest().genesis;
        Self {
            headers: vec![genesis],
            known: HashSet::from([genesis]),
            blocks: 1,
            asked: 1,
            transactions: HashSet::new(),
        }
    }

    /// The last verified header.
    pub(super) fn tip(&self) -> BlockHash {
        *self.headers.last().expect("the first block is always there")
    }

    /// The height of the last verified header.
    pub(super) fn headers_height(&self) -> usize {
        self.headers.len() - 1
    }

    /// Whether the header of this block is verified.
    pub(super) fn knows(&self, hash: &BlockHash) -> bool {
        self.known.contains(hash)
    }

    /// The height up to which blocks are verified.
    pub(super) const fn height(&self) -> usize {
        self.blocks - 1
    }

    /// How many transactions are verified.
    pub(super) fn transactions(&self) -> usize {
        self.transactions.len()
    }

    /// Verifies that headers follow each other and have proof of work.
    pub(super) fn headers(&mut self, headers: &Headers) -> Result<Linked, Failure> {
        let mut new = 0;
        for (header, hash) in headers.iter().zip(headers.hashes()) {
            if self.knows(&hash) {
                continue;
            }
            match header.prev_blockhash == self.tip() {
                true if is_mined(&header) => {}
                true => return Err(Failure::other(format!("header {hash} has no proof of work"))),
                false if new == 0 => return Ok(Linked::Missing),
                false => return Err(Failure::other(format!("header {hash} breaks the chain"))),
            }
            self.headers.push(hash);
            self.known.insert(hash);
            new += 1;
        }
        Ok(Linked::New(new))
    }

    /// The blocks to ask for now; none while enough are under way.
    pub(super) fn wanted(&mut self) -> Vec<InventoryItem> {
        if self.asked - self.blocks > WINDOW / 2 {
            return Vec::new();
        }
        let end = self.headers.len().min(self.blocks + WINDOW);
        let wanted = self.headers[self.asked..end].iter().copied();
        let wanted = wanted.map(InventoryItem::witness_block).collect();
        self.asked = end;
        wanted
    }

    /// Verifies the next block: that it is the one that was asked for, its transactions, its
    /// witnesses, its height. Returns the height.
    pub(super) fn block(&mut self, block: &Block) -> Result<usize, Failure> {
        let (hash, height) = (block.hash(), self.blocks);
        let wrong = if self.headers.get(height) != Some(&hash) {
            "is not the next"
        } else if !block.check_merkle_root() {
            "does not have the transactions of its merkle root"
        } else if !block.check_witness_commitment() {
            "does not have the witnesses of its commitment"
        } else if !has_height(block, height) {
            "does not have its height in the coinbase"
        } else {
            self.blocks += 1;
            return Ok(height);
        };
        Err(Failure::other(format!("block {hash} {wrong}")))
    }

    /// Takes in a transaction that was asked for by `asked`.
    pub(super) fn transaction(
        &mut self,
        tx: &Tx,
        asked: &HashSet<[u8; 32]>,
    ) -> Result<(), Failure> {
        let (txid, wtxid) = (tx.txid(), tx.wtxid());
        if !asked.contains(txid.as_byte_array()) && !asked.contains(wtxid.as_byte_array()) {
            return Err(Failure::other(format!("transaction {txid} was not asked for")));
        }
        self.transactions.insert(wtxid);
        Ok(())
    }

    /// Takes in a transaction of its own.
    pub(super) fn own_transaction(&mut self, tx: &Tx) {
        self.transactions.insert(tx.wtxid());
    }
}

#[cfg(test)]
mod tests {
    use peerage::bitcoin::message::Locator;

    use super::*;
    use crate::chain::Chain;

    fn headers_of(chain: &Chain) -> Headers {
        let genesis = [Network::regtest().genesis];
        chain.headers_after(&Locator::new(70_016, &genesis, BlockHash::all_zeros()).unwrap())
    }

    #[test]
    fn a_chain_is_followed_in_windows() {
        let chain = Chain::mine(150);
        let mut follower = Follower::new();
        assert_eq!(follower.headers(&headers_of(&chain)).unwrap(), Linked::New(150));
        let mut asked = 0;
        while follower.height() < 150 {
            let wanted = follower.wanted();
            asked += wanted.len();
            assert!(asked - follower.height() <= WINDOW);
            for item in wanted {
                let block = chain.block(&item.block_hash().unwrap()).unwrap();
                follower.block(block).unwrap();
            }
        }
        assert_eq!((asked, follower.tip()), (150, chain.tip().hash()));
        assert_eq!(follower.headers(&headers_of(&chain)).unwrap(), Linked::New(0));
    }

    #[test]
    fn headers_that_prove_nothing_are_refused() {
        let chain = Chain::mine(10);
        let good = headers_of(&chain).decode();
        let judge = |headers: &[_]| Follower::new().headers(&Headers::new(headers).unwrap());
        assert_eq!(judge(&good[3..]).unwrap(), Linked::Missing);
        let mut gap = good.clone();
        gap.remove(4);
        assert!(judge(&gap).is_err());
        let mut forged = good;
        while is_mined(&forged[9]) {
            forged[9].nonce += 1;
        }
        assert!(judge(&forged).is_err());
    }

    #[test]
    fn blocks_with_other_contents_are_refused() {
        let chain = Chain::mine(120);
        let mut follower = Follower::new();
        follower.headers(&headers_of(&chain)).unwrap();
        let hashes = headers_of(&chain);
        let blocks: Vec<_> = hashes.hashes().map(|hash| chain.block(&hash).unwrap()).collect();
        assert!(follower.block(blocks[1]).is_err());
        for block in &blocks[..119] {
            follower.block(block).unwrap();
        }
        assert!(follower.block(&blocks[119].without_witness()).is_err());
        let mut other = blocks[119].decode();
        other.txdata[0].output[0].value = bitcoin::Amount::ZERO;
        assert!(follower.block(&Block::try_from(&other).unwrap()).is_err());
        assert_eq!(follower.block(blocks[119]).unwrap(), 120);
    }
}
