//! A DAG of blocks on simnet's first, made here or taken in from peers.
//!
//! It is real as far as a peer can tell without a node's state: hashes, parents, scores and Merkle
//! roots are right. There is no proof of work, and nobody judges what transactions spend. A block is
//! taken in only when its parents are there, so the order of arrival is one of the DAG's own.

mod make;

use std::collections::HashMap;
use std::fmt;

use peerage::kaspa::message::{Block, BlockHeader, BodyTrait as _};
use peerage::kaspa::types::Hash;
use peerage::kaspa::{Malformed, Network};

pub(super) use self::make::Wallet;
use super::merkle;

/// Blocks in an order in which each comes after its parents.
#[derive(Debug)]
pub(super) struct Dag {
    entries: Vec<Entry>,
    places: HashMap<Hash, usize>,
    /// Those without children, by place.
    tips: Vec<usize>,
}

#[derive(Debug)]
struct Entry {
    hash: Hash,
    /// Everybody knows the first block without having it.
    block: Option<Block>,
    parents: Vec<usize>,
    /// The parent with the most work behind it: the first block has none, and names itself.
    selected: usize,
    blue_score: u64,
}

/// Why a block is not taken in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Parents of it are not here: they have to be fetched first.
    MissingParents,
    /// It is no block.
    Malformed(Malformed),
    /// It contradicts itself or its parents.
    Wrong(&'static str),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingParents => f.write_str("its parents are not known"),
            Self::Malformed(what) => what.fmt(f),
            Self::Wrong(what) => f.write_str(what),
        }
    }
}

impl Dag {
    /// Knows the first block.
    pub(super) fn new() -> Self {
        let hash = Network::simnet().genesis.expect("simnet's first block is listed");
        let genesis = Entry { hash, block: None, parents: Vec::new(), selected: 0, blue_score: 0 };
        Self { entries: vec![genesis], places: HashMap::from([(hash, 0)]), tips: vec![0] }
    }

    /// How many blocks there are, the first one not counted.
    pub(super) const fn len(&self) -> usize {
        self.entries.len() - 1
    }

    /// Whether the block is here.
    pub(super) fn contains(&self, hash: &Hash) -> bool {
        self.places.contains_key(hash)
    }

    /// The block of this hash; none of the first one.
    pub(super) fn block(&self, hash: &Hash) -> Option<&Block> {
        self.entries[*self.places.get(hash)?].block.as_ref()
    }

    /// The blocks without children, in the order of their hashes.
    pub(super) fn tips(&self) -> Vec<Hash> {
        let mut tips: Vec<Hash> = self.tips.iter().map(|tip| self.entries[*tip].hash).collect();
        tips.sort_unstable();
        tips
    }

    /// The tip with the most work behind it: what kaspad calls the sink.
    pub(super) fn sink(&self) -> Hash {
        self.entries[self.heaviest(&self.tips)].hash
    }

    /// Takes in a block that verifies, with parents that are here. False if it was here already.
    pub(super) fn insert(&mut self, block: Block) -> Result<bool, Refused> {
        let header = block.header.as_ref().ok_or(Refused::Wrong("it has no header"))?;
        let hash = header.hash().map_err(Refused::Malformed)?;
        if self.contains(&hash) {
            return Ok(false);
        }
        let parents = self.parents(header)?;
        if !merkle::fits(&block) {
            return Err(Refused::Wrong("its transactions are not those of its header"));
        }
        let blue_score = header.blue_score;
        if parents.iter().any(|parent| self.entries[*parent].blue_score >= blue_score) {
            return Err(Refused::Wrong("its score is not above its parents'"));
        }
        let (place, selected) = (self.entries.len(), self.heaviest(&parents));
        self.tips.retain(|tip| !parents.contains(tip));
        self.tips.push(place);
        self.places.insert(hash, place);
        self.entries.push(Entry { hash, block: Some(block), parents, selected, blue_score });
        Ok(true)
    }

    /// What `high` has in its past and `low` has not, and `high` itself, parents first; `None` if
    /// one of them is not here.
    pub(super) fn between(&self, low: &Hash, high: &Hash) -> Option<Vec<Hash>> {
        let (low, high) = (self.past(low)?, self.past(high)?);
        let wanted = (0..self.entries.len()).filter(|place| high[*place] && !low[*place]);
        Some(wanted.map(|place| self.entries[place].hash).collect())
    }

    /// Blocks of the selected chain from `high` down to the first, at growing distances; at most
    /// `max` of them.
    pub(super) fn locator(&self, high: &Hash, max: usize) -> Option<Vec<Hash>> {
        let mut place = *self.places.get(high)?;
        let (mut step, mut locator) = (1, Vec::new());
        while place != 0 && locator.len() + 1 < max {
            locator.push(self.entries[place].hash);
            for _ in 0..step {
                place = self.entries[place].selected;
            }
            step *= 2;
        }
        locator.push(self.entries[place].hash);
        Some(locator)
    }

    fn parents(&self, header: &BlockHeader) -> Result<Vec<usize>, Refused> {
        let places = direct_parents(header).iter().map(|parent| self.places.get(parent).copied());
        let places: Option<Vec<usize>> = places.collect();
        match places {
            Some(places) if places.is_empty() => Err(Refused::Wrong("it has no parents")),
            Some(places) => Ok(places),
            None => Err(Refused::MissingParents),
        }
    }

    /// Which places are in the past of this block, itself included.
    fn past(&self, hash: &Hash) -> Option<Vec<bool>> {
        let place = *self.places.get(hash)?;
        let mut past = vec![false; self.entries.len()];
        past[place] = true;
        for place in (0..=place).rev() {
            if past[place] {
                self.entries[place].parents.iter().for_each(|parent| past[*parent] = true);
            }
        }
        Some(past)
    }

    fn heaviest(&self, places: &[usize]) -> usize {
        let weight = |place: &usize| (self.entries[*place].blue_score, self.entries[*place].hash);
        places.iter().copied().max_by_key(weight).unwrap_or(0)
    }
}

/// The parents on the lowest level: those that the block itself names.
pub(super) fn direct_parents(header: &BlockHeader) -> &[Hash] {
    header.parents.first().map_or(&[], |level| &level.parent_hashes)
}

/// How many bytes a block has as a message.
pub(super) fn size(block: &Block) -> usize {
    block.encoded_len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(dag: &Dag) -> Vec<Hash> {
        dag.entries.iter().map(|entry| entry.hash).collect()
    }

    #[test]
    fn it_is_a_dag_and_the_same_each_time() {
        let dag = Dag::grow(50);
        assert_eq!((dag.len(), hashes(&dag)), (50, hashes(&Dag::grow(50))));
        assert!(dag.entries.iter().filter(|entry| entry.parents.len() > 1).count() > 10);
        for entry in &dag.entries[1..] {
            let past = dag.past(&entry.hash).unwrap().iter().filter(|known| **known).count() - 1;
            // Nothing here is red, so the score is the size of the past.
            assert_eq!(entry.blue_score, past as u64);
            let header = entry.block.as_ref().unwrap().header.as_ref().unwrap();
            assert_eq!((header.hash(), header.daa_score), (Ok(entry.hash), entry.blue_score));
        }
    }

    #[test]
    fn a_copy_grows_in_the_order_of_the_original_and_in_no_other() {
        let (dag, mut copy) = (Dag::grow(30), Dag::new());
        let block = |place: usize| dag.entries[place].block.clone().unwrap();
        assert_eq!(copy.insert(block(30)), Err(Refused::MissingParents));
        for place in 1..=30 {
            assert_eq!(copy.insert(block(place)), Ok(true));
            assert_eq!(copy.insert(block(place)), Ok(false));
        }
        assert_eq!((copy.tips(), copy.sink()), (dag.tips(), dag.sink()));
    }

    #[test]
    fn blocks_with_other_contents_are_refused() {
        let dag = Dag::grow(1);
        let good = dag.entries[1].block.clone().unwrap();
        let judge = |change: &dyn Fn(&mut Block)| {
            let mut block = good.clone();
            change(&mut block);
            Dag::new().insert(block)
        };
        assert_eq!(judge(&|_| {}), Ok(true));
        let wrong = |result| matches!(result, Err(Refused::Wrong(_)));
        assert!(wrong(judge(&|block| block.header = None)));
        assert!(wrong(judge(&|block| block.transactions[0].lock_time += 1)));
        assert!(wrong(judge(&|block| block.transactions.clear())));
        assert!(wrong(judge(&|block| block.header.as_mut().unwrap().parents.clear())));
        assert!(wrong(judge(&|block| block.header.as_mut().unwrap().blue_score = 0)));
        let rootless = |block: &mut Block| block.header.as_mut().unwrap().utxo_commitment = None;
        assert!(matches!(judge(&rootless), Err(Refused::Malformed(_))));
    }

    #[test]
    fn what_lies_between_is_one_past_without_the_other() {
        let dag = Dag::grow(20);
        let all = hashes(&dag);
        let between = |low: usize, high: usize| dag.between(&all[low], &all[high]).unwrap();
        assert_eq!(between(0, 1), all[1..=1]);
        assert_eq!(between(5, 5), []);
        // Blocks 2 and 3 do not know each other.
        assert_eq!(between(2, 3), [all[3]]);
        assert_eq!(between(0, 4), all[1..=4]);
        assert_eq!(dag.between(&Hash::ZERO, &all[4]), None);
    }

    #[test]
    fn locators_go_down_to_the_first_block() {
        let dag = Dag::grow(100);
        let genesis = dag.entries[0].hash;
        let locator = dag.locator(&dag.sink(), 64).unwrap();
        assert_eq!((locator[0], *locator.last().unwrap()), (dag.sink(), genesis));
        assert!((5..12).contains(&locator.len()), "{}", locator.len());
        assert_eq!(dag.locator(&dag.sink(), 3).unwrap().len(), 3);
        assert_eq!(dag.locator(&genesis, 64).unwrap(), [genesis]);
        assert_eq!(dag.locator(&Hash::ZERO, 64), None);
    }
}
