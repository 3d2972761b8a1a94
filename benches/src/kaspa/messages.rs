//! The messages of the floods: of the same sizes and parts as those that interop/kaspa-p2p sends.

use std::ops::Range;

use bytes::Bytes;
use peerage::kaspa::message::{
    Block, BlockHeader, BlockLevelParents, CovenantBinding, InvTransactions, Outpoint,
    ScriptPublicKey, Transaction, TransactionInput, TransactionOutput,
};
use peerage::kaspa::types::{Hash, SubnetworkId};
use peerage::kaspa::{Message, Payload};

/// Announces so many transactions.
pub(crate) fn inv(count: u64) -> Message {
    let mut noise = Noise(50);
    let ids = (0..count).map(|_| noise.hash()).collect();
    Payload::InvTransactions(InvTransactions { ids }).into()
}

/// A block of 0.99 MB: a coinbase and 790 transactions, each with one input, two outputs and a payload
/// of 1,000 bytes, every fourth of version 1 with a third output that has a covenant.
pub(crate) fn block() -> Message {
    let mut noise = Noise(1);
    let mut transactions = vec![coinbase(&mut noise)];
    transactions.extend((0..TRANSACTIONS).map(|number| transaction(&mut noise, number)));
    let header = Some(header(&mut noise));
    Payload::Block(Box::new(Block { header, transactions })).into()
}

const TRANSACTIONS: u32 = 790;

fn header(noise: &mut Noise) -> BlockHeader {
    let runs: [(u32, Range<u8>); 2] = [(2, 0..1), (4, 0..1)];
    let parents = runs.map(|(cumulative_level, hashes)| BlockLevelParents {
        parent_hashes: hashes.map(|_| noise.hash()).collect(),
        cumulative_level,
    });
    BlockHeader {
        version: 1,
        hash_merkle_root: Some(noise.hash()),
        accepted_id_merkle_root: Some(noise.hash()),
        utxo_commitment: Some(noise.hash()),
        timestamp: 1_700_000_000_000,
        bits: 0x207f_ffff,
        nonce: noise.word(),
        daa_score: 1,
        blue_work: Bytes::from_static(&[0x0f, 0x42, 0x43]),
        parents: parents.into(),
        blue_score: 1,
        pruning_point: Some(noise.hash()),
    }
}

fn coinbase(noise: &mut Noise) -> Transaction {
    Transaction {
        version: 0,
        inputs: Vec::new(),
        outputs: vec![output(noise, 50_000_000_000)],
        lock_time: 0,
        subnetwork_id: Some(subnetwork(1)),
        gas: 0,
        payload: noise.bytes(62),
        storage_mass: 0,
    }
}

fn transaction(noise: &mut Noise, number: u32) -> Transaction {
    let covenants = number % 4 == 3;
    let outpoint = Outpoint { transaction_id: Some(noise.hash()), index: number % 3 };
    let input = TransactionInput {
        previous_outpoint: Some(outpoint),
        signature_script: noise.bytes(66),
        sequence: 1 << 32 | u64::from(number),
        compute_commit: if covenants { 300 } else { 1 },
    };
    let mut outputs = vec![output(noise, 1_000_000 + u64::from(number)), output(noise, 2_000_000)];
    if covenants {
        let covenant = CovenantBinding { authorizing_input: 0, covenant_id: Some(noise.hash()) };
        outputs.push(TransactionOutput { covenant: Some(covenant), ..output(noise, 3_000_000) });
    }
    Transaction {
        version: covenants.into(),
        inputs: vec![input],
        outputs,
        lock_time: if covenants { 7 } else { 0 },
        subnetwork_id: Some(subnetwork(0)),
        gas: 0,
        payload: noise.bytes(1_000),
        storage_mass: if covenants { 4_242 } else { 0 },
    }
}

/// Pays to a public key.
fn output(noise: &mut Noise, value: u64) -> TransactionOutput {
    let script = [&[32], &noise.bytes(32)[..], &[0xac]].concat().into();
    let script_public_key = Some(ScriptPublicKey { script, version: 0 });
    TransactionOutput { value, script_public_key, covenant: None }
}

/// One of those that every node knows.
fn subnetwork(first: u8) -> SubnetworkId {
    let mut bytes = [0; 20];
    bytes[0] = first;
    SubnetworkId::from_bytes(bytes)
}

/// Bytes that look random, so that gzip gains as little as with real keys and signatures.
struct Noise(u64);

impl Noise {
    /// Xorshift64*.
    fn word(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn bytes(&mut self, count: usize) -> Bytes {
        let words = (0..count.div_ceil(8)).flat_map(|_| self.word().to_le_bytes());
        words.take(count).collect()
    }

    fn hash(&mut self) -> Hash {
        Hash::from_bytes(self.bytes(32)[..].try_into().expect("32 were asked for"))
    }
}

#[cfg(test)]
mod tests {
    /// The sizes that kaspa-p2p prints with its figures.
    #[test]
    fn messages_are_as_long_as_theirs() {
        for (message, len) in
            [(super::inv(1), 38), (super::inv(1_000), 36_004), (super::block(), 994_205)]
        {
            let mut bytes = Vec::new();
            message.encode(&mut bytes);
            let (less, more) = (len * 999 / 1_000, len * 1_001 / 1_000);
            assert!((less..=more).contains(&bytes.len()), "{} and not {len}", bytes.len());
        }
    }
}
