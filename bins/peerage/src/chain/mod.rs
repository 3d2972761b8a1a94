//! A regtest chain that is mined here, kept in memory and served to others.
//!
//! It is real: each block has a coinbase with its height (BIP34) and a witness commitment (BIP141),
//! a merkle root and proof of work at regtest's difficulty, and spends only coins that are mature.
//! Its scripts are of those that anybody can spend, so there are no keys.

mod coins;
mod mine;

use std::collections::HashMap;

use bitcoin::bip158::{BlockFilter, FilterHeader};
use bitcoin::block::Header;
use bitcoin::hashes::Hash as _;
use bitcoin::{BlockHash, OutPoint, ScriptBuf, Transaction};
use peerage::bitcoin::message::{BASIC_FILTER, Block, CFilter, Headers, Locator};

use self::coins::Coins;
pub(crate) use self::mine::{has_height, is_mined};

/// A chain of blocks from regtest's first, and the coins in it.
#[derive(Debug)]
pub(crate) struct Chain {
    blocks: Vec<Block>,
    heights: HashMap<BlockHash, usize>,
    coins: Coins,
    /// The script of every output, which filters need of what a block spends.
    scripts: HashMap<OutPoint, ScriptBuf>,
}

impl Chain {
    /// Mines so many blocks on regtest's first. From the 101st on they contain transactions.
    pub(crate) fn mine(blocks: u32) -> Self {
        let genesis = bitcoin::constants::genesis_block(bitcoin::Network::Regtest);
        let genesis = Block::try_from(&genesis).expect("the first block is a block");
        let mut chain = Self {
            heights: HashMap::from([(genesis.hash(), 0)]),
            blocks: vec![genesis],
            coins: Coins::default(),
            scripts: HashMap::new(),
        };
        for height in 1..=blocks {
            let spends: Vec<_> = (0..height % 3).map_while(|_| chain.coins.spend()).collect();
            chain.extend(&spends);
        }
        chain
    }

    /// Mines a block with these transactions, whose coins are in the chain.
    pub(crate) fn extend(&mut self, transactions: &[Transaction]) -> Block {
        let height = self.blocks.len();
        let block = mine::block(&self.tip().header(), height, transactions);
        for tx in &block.txdata {
            let txid = tx.compute_txid();
            for (output, vout) in tx.output.iter().zip(0..) {
                self.scripts.insert(OutPoint { txid, vout }, output.script_pubkey.clone());
            }
        }
        self.coins.take_in(&block, height);
        let block = Block::try_from(&block).expect("a block of ours is far below the limit");
        self.heights.insert(block.hash(), height);
        self.blocks.push(block.clone());
        block
    }

    /// A new transaction that spends a coin of the chain; none if all are spent or too young.
    pub(crate) fn spend(&mut self) -> Option<Transaction> {
        self.coins.spend()
    }

    /// The last block.
    pub(crate) fn tip(&self) -> &Block {
        self.blocks.last().expect("the first block is always there")
    }

    /// The height of the last block.
    pub(crate) fn height(&self) -> usize {
        self.blocks.len() - 1
    }

    /// How many transactions there are beside coinbases, and how many of them have witnesses.
    pub(crate) fn spends(&self) -> (usize, usize) {
        let spends = || self.blocks.iter().flat_map(|block| block.transactions().skip(1));
        (spends().count(), spends().filter(|tx| tx.has_witness()).count())
    }

    /// The block of this hash.
    pub(crate) fn block(&self, hash: &BlockHash) -> Option<&Block> {
        self.heights.get(hash).map(|height| &self.blocks[*height])
    }

    /// The headers that answer this locator.
    pub(crate) fn headers_after(&self, locator: &Locator) -> Headers {
        let headers: Vec<Header> =
            self.after(locator, Headers::MAX).iter().map(Block::header).collect();
        Headers::new(&headers).expect("there are not more than the maximum")
    }

    /// The hashes that answer this locator.
    pub(crate) fn hashes_after(&self, locator: &Locator) -> Vec<BlockHash> {
        /// How many blocks answer a getblocks (Bitcoin Core).
        const MAX_ANNOUNCED: usize = 500;
        self.after(locator, MAX_ANNOUNCED).iter().map(Block::hash).collect()
    }

    fn after(&self, locator: &Locator, max: usize) -> &[Block] {
        let start =
            locator.hashes().find_map(|hash| self.heights.get(&hash)).map_or(1, |at| at + 1);
        let stop = self.heights.get(&locator.stop()).map_or(self.blocks.len(), |at| at + 1);
        let rest = self.blocks.get(start..stop).unwrap_or_default();
        &rest[..max.min(rest.len())]
    }

    /// The filters of the blocks from `start` to `stop`, and the filter header before them; none
    /// if there are no such blocks, or more than `max`.
    pub(crate) fn filters(
        &self,
        start: u32,
        stop: &BlockHash,
        max: usize,
    ) -> Option<(FilterHeader, Vec<CFilter>)> {
        let start = usize::try_from(start).ok()?;
        let stop = *self.heights.get(stop)?;
        if start > stop || stop - start >= max {
            return None;
        }
        let mut previous = FilterHeader::all_zeros();
        for block in &self.blocks[..start] {
            previous = self.filter(block).filter_header(&previous);
        }
        Some((previous, self.blocks[start..=stop].iter().map(|block| self.filter(block)).collect()))
    }

    fn filter(&self, block: &Block) -> CFilter {
        let script = |coin: &OutPoint| {
            let script = self.scripts.get(coin).map(ScriptBuf::as_script);
            script.ok_or(bitcoin::bip158::Error::UtxoMissing(*coin))
        };
        let filter = BlockFilter::new_script_filter(&block.decode(), script)
            .expect("every coin that is spent here was made here");
        CFilter::new(BASIC_FILTER, block.hash(), &filter.content)
            .expect("the filters of small blocks are small")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_is_valid_by_itself_and_follows_the_last() {
        let chain = Chain::mine(160);
        assert_eq!(chain.height(), 160);
        for (pair, height) in chain.blocks.windows(2).zip(1..) {
            let block = pair[1].decode();
            assert_eq!(block.header.prev_blockhash, pair[0].hash());
            assert!(is_mined(&block.header));
            assert!(block.check_merkle_root() && block.check_witness_commitment());
            assert!(has_height(&pair[1], height) && !has_height(&pair[1], height + 1));
        }
        let (spends, with_witness) = chain.spends();
        assert!(with_witness > 10 && spends > with_witness + 10, "{spends}, {with_witness}");
    }

    #[test]
    fn no_coin_is_spent_twice_or_young_or_for_more_than_it_holds() {
        const MATURITY: usize = 100;
        let chain = Chain::mine(300);
        let mut coins = HashMap::new();
        for (block, height) in chain.blocks.iter().map(Block::decode).zip(0..) {
            for tx in &block.txdata {
                let paid: u64 = tx.output.iter().map(|output| output.value.to_sat()).sum();
                if !tx.is_coinbase() {
                    let spent = tx.input.iter().map(|input| coins.remove(&input.previous_output));
                    let spent: Vec<(u64, usize)> = spent.collect::<Option<_>>().unwrap();
                    assert!(spent.iter().all(|(_, ripe)| *ripe <= height));
                    assert!(paid <= spent.iter().map(|(value, _)| value).sum());
                }
                let ripe = if tx.is_coinbase() { height + MATURITY } else { height };
                let txid = tx.compute_txid();
                for (output, vout) in tx.output.iter().zip(0..) {
                    coins.insert(OutPoint { txid, vout }, (output.value.to_sat(), ripe));
                }
            }
        }
    }

    #[test]
    fn locators_are_answered_from_their_first_known_block() {
        let chain = Chain::mine(5);
        let hash = |height: usize| chain.blocks[height].hash();
        let answer = |known: &[BlockHash], stop| {
            chain.hashes_after(&Locator::new(70_016, known, stop).unwrap())
        };
        let open = BlockHash::all_zeros();
        assert_eq!(answer(&[hash(3)], open), [hash(4), hash(5)]);
        assert_eq!(answer(&[open, hash(1)], hash(2)), [hash(2)]);
        assert_eq!(answer(&[], open).len(), 5);
        assert_eq!(answer(&[hash(5)], open), []);
        assert_eq!(answer(&[hash(4)], hash(1)), []);
    }
}
