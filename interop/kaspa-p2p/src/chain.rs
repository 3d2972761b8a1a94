//! A made-up chain: every block, transaction and hash in it follows from its network and its sizes.
//!
//! The blocks do not pass a validation (no work, spends of nothing), but their hashes, transaction
//! ids and merkle roots are computed by kaspa's own code, and every field that travels is in use.

use std::collections::HashMap;
use std::sync::Arc;

use kaspa_consensus_core::block::Block;
use kaspa_consensus_core::config::genesis::{
    DEVNET_GENESIS, GENESIS, GenesisBlock, SIMNET_GENESIS, TESTNET_GENESIS,
};
use kaspa_consensus_core::constants::BLOCK_VERSION;
use kaspa_consensus_core::header::Header;
use kaspa_consensus_core::merkle::calc_hash_merkle_root;
use kaspa_consensus_core::tx::Transaction;
use kaspa_hashes::Hash;

use crate::samples;

/// The blocks that are served, the genesis block first.
pub(crate) struct Chain {
    blocks: Vec<Block>,
    heights: HashMap<Hash, usize>,
}

impl Chain {
    /// The genesis block alone. Names of networks that kaspa does not know get that of simnet.
    pub(crate) fn new(network: &str) -> Self {
        let genesis = Block::from(genesis(network));
        Self { heights: HashMap::from([(genesis.hash(), 0)]), blocks: vec![genesis] }
    }

    /// This chain's genesis block with so many blocks on it, each with transactions whose payloads
    /// have so many bytes together.
    pub(crate) fn with_blocks(&self, count: usize, bytes: usize) -> Self {
        self.with(count, |height| {
            let mut transactions = vec![samples::coinbase(height)];
            transactions.extend(samples::transactions(height, bytes));
            transactions
        })
    }

    /// This chain's genesis block with so many headers on it.
    pub(crate) fn with_headers(&self, count: usize) -> Self {
        self.with(count, |_| Vec::new())
    }

    fn with(&self, count: usize, transactions: impl Fn(u64) -> Vec<Transaction>) -> Self {
        let genesis = self.blocks[0].clone();
        let mut chain = Self { heights: HashMap::new(), blocks: vec![genesis] };
        for height in 1..=count {
            let block = chain.next(height as u64, transactions(height as u64));
            chain.blocks.push(block);
        }
        chain.heights = chain.blocks.iter().map(Block::hash).zip(0..).collect();
        chain
    }

    fn next(&self, height: u64, transactions: Vec<Transaction>) -> Block {
        let genesis = &self.blocks[0].header;
        let tip = self.blocks.len() - 1;
        let mut parents = vec![self.blocks[tip].hash()];
        // Some blocks have two parents, as in a real block-DAG.
        if height.is_multiple_of(5) {
            parents.push(self.blocks[tip - 1].hash());
        }
        // Two levels alike and one of another length, so that the run-length code has work.
        let levels = vec![parents.clone(), parents, vec![genesis.hash], vec![genesis.hash]];
        let header = Header::new_finalized(
            BLOCK_VERSION,
            levels.try_into().expect("four levels are fewer than 255"),
            calc_hash_merkle_root(transactions.iter()),
            samples::hash(height, 1),
            samples::hash(height, 2),
            genesis.timestamp + height * 100,
            genesis.bits,
            samples::hash(height, 3).to_le_u64()[0],
            height,
            (height * 1_000_003).into(),
            height,
            genesis.hash,
        );
        Block::new(header, transactions)
    }

    pub(crate) fn tip(&self) -> &Block {
        self.blocks.last().expect("there is a genesis block")
    }

    /// The hash of the genesis block, which is the pruning point too.
    pub(crate) fn genesis(&self) -> Hash {
        self.blocks[0].hash()
    }

    pub(crate) fn all_headers(&self) -> impl Iterator<Item = &Arc<Header>> {
        self.blocks.iter().map(|block| &block.header)
    }

    /// How many blocks are on the genesis block.
    pub(crate) fn height(&self) -> usize {
        self.blocks.len() - 1
    }

    /// The hashes above the genesis block, oldest first.
    pub(crate) fn hashes(&self) -> impl Iterator<Item = Hash> {
        self.blocks[1..].iter().map(Block::hash)
    }

    pub(crate) fn block(&self, hash: Hash) -> Option<&Block> {
        self.heights.get(&hash).map(|height| &self.blocks[*height])
    }

    /// The headers above `low` up to `high`, unless one of the two is unknown or they are the wrong
    /// way round.
    pub(crate) fn headers(&self, low: Hash, high: Hash) -> Option<Vec<Arc<Header>>> {
        let above = self.heights.get(&low)? + 1;
        let blocks = self.blocks.get(above..=*self.heights.get(&high)?)?;
        Some(blocks.iter().map(|block| block.header.clone()).collect())
    }

    /// At most `limit` hashes from `high` down to the genesis block, the gaps between them doubling.
    pub(crate) fn locator(&self, high: Hash, limit: usize) -> Option<Vec<Hash>> {
        let mut height = *self.heights.get(&high)?;
        let (mut hashes, mut step) = (Vec::new(), 1);
        while hashes.len() < limit {
            hashes.push(self.blocks[height].hash());
            if height == 0 {
                break;
            }
            height = height.saturating_sub(step);
            step *= 2;
        }
        Some(hashes)
    }
}

fn genesis(network: &str) -> &'static GenesisBlock {
    match network.strip_prefix("kaspa-").unwrap_or(network) {
        "mainnet" => &GENESIS,
        "devnet" => &DEVNET_GENESIS,
        name if name.starts_with("testnet") => &TESTNET_GENESIS,
        _ => &SIMNET_GENESIS,
    }
}

#[cfg(test)]
mod tests {
    use super::Chain;

    #[test]
    fn is_the_same_each_time_and_linked() {
        let chain = Chain::new("kaspa-simnet").with_blocks(12, 5_000);
        assert_eq!(
            chain.tip().hash(),
            Chain::new("kaspa-simnet").with_blocks(12, 5_000).tip().hash()
        );
        assert_ne!(
            chain.tip().hash(),
            Chain::new("kaspa-devnet").with_blocks(12, 5_000).tip().hash()
        );
        let genesis = chain.blocks[0].hash();
        let headers = chain.headers(genesis, chain.tip().hash()).unwrap();
        assert_eq!(headers.len(), 12);
        for pair in headers.windows(2) {
            assert_eq!(pair[1].direct_parents()[0], pair[0].hash);
        }
        assert!(chain.headers(chain.tip().hash(), genesis).is_none());
        assert_eq!(chain.headers(genesis, genesis).unwrap().len(), 0);
    }

    #[test]
    fn locators_go_down_in_doubling_steps() {
        let chain = Chain::new("kaspa-simnet").with_headers(10);
        let heights = |limit| -> Vec<usize> {
            let locator = chain.locator(chain.tip().hash(), limit).unwrap();
            locator.iter().map(|hash| chain.heights[hash]).collect()
        };
        assert_eq!(heights(64), [10, 9, 7, 3, 0]);
        assert_eq!(heights(2), [10, 9]);
    }
}
