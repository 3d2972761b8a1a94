//! Making blocks and transactions.
//!
//! Always the same ones: times are counted from the first block's, and what tells two blocks of the
//! same parents apart is who made them.

use std::collections::VecDeque;

use peerage::kaspa::message::{
    Block, BlockHeader, BlockLevelParents, Outpoint, ScriptPublicKey, Transaction,
    TransactionInput, TransactionOutput,
};
use peerage::kaspa::types::{Hash, SubnetworkId};

use super::{Dag, merkle};

/// When simnet's first block says that it was made, in milliseconds since 1970.
const START: i64 = 1_593_528_309_396;
/// Ten blocks a second.
const INTERVAL: i64 = 100;
/// The easiest target, simnet's.
const BITS: u32 = 0x207f_ffff;
/// What a block of that target counts as work.
const WORK: u64 = 2;
/// What a block earns, in sompi: 50 KAS.
const SUBSIDY: u64 = 5_000_000_000;
/// What a transaction leaves to its block, in sompi.
const FEE: u64 = 10_000;
/// OP_TRUE: anybody can spend it, so there are no keys.
const ANYBODY: &[u8] = &[0x51];

impl Dag {
    /// So many blocks on simnet's first: by turns one, two and three that do not know each other,
    /// each on all that were there before.
    pub(in crate::kaspa) fn grow(blocks: u32) -> Self {
        let mut dag = Self::new();
        let mut width = 0;
        while dag.len() < blocks as usize {
            let missing = blocks as usize - dag.len();
            let siblings: Vec<Block> =
                (0..=width).take(missing).map(|maker| dag.make(maker, &[])).collect();
            for block in siblings {
                dag.insert(block).expect("what is made here verifies");
            }
            width = (width + 1) % 3;
        }
        dag
    }

    /// A block of this maker on all tips, with these transactions.
    pub(in crate::kaspa) fn make(&self, maker: u16, transactions: &[Transaction]) -> Block {
        // All that is here is in its past, and the first block counts.
        let score = self.entries.len() as u64;
        let fees = FEE * transactions.len() as u64;
        let mut all = vec![coinbase(score, maker, SUBSIDY + fees)];
        all.extend_from_slice(transactions);
        let level = BlockLevelParents { parent_hashes: self.tips(), cumulative_level: 1 };
        let header = BlockHeader {
            version: 1,
            hash_merkle_root: Some(merkle::root(&all).expect("transactions of ours have hashes")),
            // What consensus would put here, nobody computes: there is no state.
            accepted_id_merkle_root: Some(Hash::ZERO),
            utxo_commitment: Some(Hash::ZERO),
            timestamp: START + INTERVAL * i64::try_from(score).unwrap_or(i64::MAX / INTERVAL),
            bits: BITS,
            nonce: 0,
            daa_score: score,
            blue_work: minimal(score * WORK).into(),
            parents: vec![level],
            blue_score: score,
            pruning_point: Some(self.entries[0].hash),
        };
        Block { header: Some(header), transactions: all }
    }
}

/// The transaction that pays a block's maker. Its payload is kaspad's: score, subsidy, script.
fn coinbase(score: u64, maker: u16, value: u64) -> Transaction {
    let mut payload = Vec::new();
    payload.extend(score.to_le_bytes());
    payload.extend(SUBSIDY.to_le_bytes());
    payload.extend([0, 0]); // the script's version
    payload.extend([u8::try_from(ANYBODY.len()).expect("it is one byte")]);
    payload.extend(ANYBODY);
    payload.extend(format!("peerage/{maker}").as_bytes());
    Transaction {
        outputs: vec![output(value)],
        subnetwork_id: Some(SubnetworkId::COINBASE),
        payload: payload.into(),
        ..Transaction::default()
    }
}

fn output(value: u64) -> TransactionOutput {
    let script = ScriptPublicKey { script: ANYBODY.into(), version: 0 };
    TransactionOutput { value, script_public_key: Some(script), covenant: None }
}

/// Big-endian, without leading zeros.
fn minimal(number: u64) -> Vec<u8> {
    number.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect()
}

/// Coins that can be spent.
#[derive(Debug)]
pub(in crate::kaspa) struct Wallet {
    coins: VecDeque<(Outpoint, u64)>,
    spent: u32,
}

impl Wallet {
    /// The coins that the blocks of this DAG have paid.
    pub(in crate::kaspa) fn new(dag: &Dag) -> Self {
        let blocks = dag.entries.iter().filter_map(|entry| entry.block.as_ref());
        let coins = blocks.filter_map(|block| coin(block.transactions.first()?)).collect();
        Self { coins, spent: 0 }
    }

    /// A transaction that spends the oldest coin; its output is a coin again. None if all are worth
    /// less than the fee.
    ///
    /// Every other one is of version 1, whose id is made in another way.
    pub(in crate::kaspa) fn spend(&mut self) -> Option<Transaction> {
        let (outpoint, value) = self.coins.pop_front()?;
        let input = TransactionInput {
            previous_outpoint: Some(outpoint),
            sequence: u64::MAX,
            ..TransactionInput::default()
        };
        let transaction = Transaction {
            version: self.spent % 2,
            inputs: vec![input],
            outputs: vec![output(value.checked_sub(FEE)?)],
            subnetwork_id: Some(SubnetworkId::NATIVE),
            ..Transaction::default()
        };
        self.spent = self.spent.wrapping_add(1);
        self.coins.extend(coin(&transaction));
        Some(transaction)
    }
}

/// The first output of a transaction.
fn coin(transaction: &Transaction) -> Option<(Outpoint, u64)> {
    let id = transaction.id().ok()?;
    let value = transaction.outputs.first()?.value;
    Some((Outpoint { transaction_id: Some(id), index: 0 }, value))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_coin_is_spent_twice() {
        let mut wallet = Wallet::new(&Dag::grow(5));
        let mut coins = HashSet::new();
        let mut ids = HashSet::new();
        for _ in 0..20 {
            let transaction = wallet.spend().unwrap();
            assert!(coins.insert(transaction.inputs[0].previous_outpoint.clone()));
            assert!(ids.insert(transaction.id().unwrap()));
        }
        assert!(Wallet::new(&Dag::new()).spend().is_none());
    }

    #[test]
    fn makers_and_transactions_make_other_blocks() {
        let dag = Dag::grow(10);
        let hash = |block: Block| block.header.unwrap().hash().unwrap();
        let transaction = Wallet::new(&dag).spend().unwrap();
        let blocks = [dag.make(1, &[]), dag.make(2, &[]), dag.make(1, &[transaction])];
        assert_eq!(HashSet::from(blocks.clone().map(hash)).len(), 3);
        let mut dag = dag;
        for block in blocks {
            assert_eq!(dag.insert(block), Ok(true));
        }
        assert_eq!(dag.tips().len(), 3);
        assert_eq!(super::super::direct_parents(&dag.make(1, &[]).header.unwrap()).len(), 3);
    }

    #[test]
    fn work_has_no_leading_zeros() {
        assert_eq!(minimal(2), [2]);
        assert_eq!(minimal(0x1_00), [1, 0]);
        assert!(minimal(0).is_empty());
    }
}
