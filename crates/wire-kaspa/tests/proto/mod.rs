//! What the tests of today's protocol share: recorded messages, and made ones.
#![allow(dead_code)] // each test binary uses its own part of this module

use std::fs;
use std::path::Path;

use bytes::Bytes;
use peerage_wire_kaspa::proto::message::{
    Block, BlockHeader, BlockLevelParents, CovenantBinding, Outpoint, ScriptPublicKey, Transaction,
    TransactionInput, TransactionOutput,
};
use peerage_wire_kaspa::proto::types::{Hash, SubnetworkId};
use peerage_wire_kaspa::proto::{Message, Payload};
use serde_json::Value;

/// The shared vectors.
///
/// A lone clone has no shared folder: the caller then passes without a test. Where `CI` is true
/// that would go unnoticed, so it fails.
pub(crate) fn vectors() -> Option<Value> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors/kaspa");
    let path = Path::new(folder).join("v2.1.0.json");
    let Ok(text) = fs::read(&path) else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{} is missing", path.display());
        eprintln!("skipped: {} is missing", path.display());
        return None;
    };
    Some(serde_json::from_slice(&text).unwrap())
}

pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap_or_else(|| panic!("{key} is no list"))
}

pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} is no text in {value}"))
}

/// The bytes of these hexadecimal digits.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let digits = digits.as_bytes().as_chunks::<2>().0;
    digits
        .iter()
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

pub(crate) fn encoded(message: &Message) -> Bytes {
    let mut out = Vec::new();
    message.encode(&mut out);
    assert_eq!(out.len(), message.encoded_len());
    out.into()
}

pub(crate) fn encoded_payload(payload: Payload) -> Bytes {
    encoded(&payload.into())
}

/// The hash of 32 bytes that count up from this one.
pub(crate) fn hash(first: u8) -> Hash {
    Hash::from_bytes(std::array::from_fn(|i| first.wrapping_add(u8::try_from(i).unwrap())))
}

/// A transaction as wallets make them: Schnorr signatures of 66 bytes, scripts of 34.
pub(crate) fn transaction(inputs: usize, outputs: usize) -> Transaction {
    let input = |index: usize| TransactionInput {
        previous_outpoint: Some(Outpoint {
            transaction_id: Some(hash(u8::try_from(index % 256).unwrap())),
            index: u32::try_from(index).unwrap(),
        }),
        signature_script: vec![65; 66].into(),
        sequence: 0,
        compute_commit: 1,
    };
    let output = TransactionOutput {
        value: 100_000_000,
        script_public_key: Some(ScriptPublicKey { script: vec![32; 34].into(), version: 0 }),
        covenant: None,
    };
    Transaction {
        inputs: (0..inputs).map(input).collect(),
        outputs: vec![output; outputs],
        subnetwork_id: Some(SubnetworkId::NATIVE),
        storage_mass: 2_036,
        ..Transaction::default()
    }
}

/// A transaction of version 1, with all that it can have.
pub(crate) fn covenant_transaction() -> Transaction {
    let mut tx = Transaction { version: 1, gas: 5, lock_time: 54, ..transaction(2, 1) };
    tx.payload = vec![1, 2].into();
    tx.outputs[0].covenant =
        Some(CovenantBinding { authorizing_input: 1, covenant_id: Some(hash(9)) });
    tx
}

/// A header with runs of this many levels, each with its own parent.
pub(crate) fn header(runs: usize) -> BlockHeader {
    let run = |level: usize| BlockLevelParents {
        parent_hashes: vec![hash(u8::try_from(level).unwrap())],
        cumulative_level: u32::try_from(level + 1).unwrap(),
    };
    BlockHeader {
        version: 2,
        hash_merkle_root: Some(hash(1)),
        accepted_id_merkle_root: Some(hash(2)),
        utxo_commitment: Some(hash(3)),
        timestamp: 1_700_000_000_123,
        bits: 0x1e7f_ffff,
        nonce: 7,
        daa_score: 15_080,
        blue_work: vec![1, 2, 3].into(),
        parents: (0..runs).map(run).collect(),
        blue_score: 15_079,
        pruning_point: Some(hash(4)),
    }
}

/// A full block of typical transactions.
pub(crate) fn block() -> Block {
    let txs = (0..300).map(|at| transaction(1 + at % 2, 1 + at % 3));
    Block { header: Some(header(20)), transactions: txs.collect() }
}
