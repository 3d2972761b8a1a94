//! The views and `bitcoin` 0.32 accept the same payloads and read the same from them.
//!
//! `bitcoin` is asked through whole frames, as a peer would use it. It does not mind bytes behind a
//! message, so its answer counts as a yes only if writing the message again gives the same frame.
#![allow(clippy::unwrap_used)] // the helpers of tests are tests

mod data;

use bitcoin::bip152::{BlockTransactions, BlockTransactionsRequest};
use bitcoin::consensus;
use bitcoin::hashes::{Hash as _, sha256d};
use bitcoin::p2p::message::{NetworkMessage, RawNetworkMessage};
use bytes::Bytes;
use data::{hex, vector};
use peerage_wire::Malformed;
use peerage_wire_bitcoin::message::{
    Block, BlockTxn, CFCheckpt, CFHeaders, CFilter, CmpctBlock, GetBlockTxn, Headers, Inventory,
    MerkleBlock, Tx,
};
use peerage_wire_bitcoin::types::InventoryItem;
use proptest::collection::vec;
use proptest::prelude::*;

/// The messages that are views.
const COMMANDS: [&str; 13] = [
    "inv",
    "getdata",
    "notfound",
    "headers",
    "block",
    "tx",
    "merkleblock",
    "cmpctblock",
    "getblocktxn",
    "blocktxn",
    "cfilter",
    "cfheaders",
    "cfcheckpt",
];

/// What our view of this message decodes to.
fn ours(command: &str, payload: &[u8]) -> Result<NetworkMessage, Malformed> {
    use bitcoin::p2p::message_compact_blocks as compact;
    let bytes = Bytes::copy_from_slice(payload);
    Ok(match command {
        "inv" => NetworkMessage::Inv(Inventory::from_bytes(bytes)?.decode()),
        "getdata" => NetworkMessage::GetData(Inventory::from_bytes(bytes)?.decode()),
        "notfound" => NetworkMessage::NotFound(Inventory::from_bytes(bytes)?.decode()),
        "headers" => NetworkMessage::Headers(Headers::from_bytes(bytes)?.decode()),
        "block" => NetworkMessage::Block(Block::from_bytes(bytes)?.decode()),
        "tx" => NetworkMessage::Tx(Tx::from_bytes(bytes)?.decode()),
        "merkleblock" => NetworkMessage::MerkleBlock(MerkleBlock::from_bytes(bytes)?.decode()),
        "cmpctblock" => NetworkMessage::CmpctBlock(compact::CmpctBlock {
            compact_block: CmpctBlock::from_bytes(bytes)?.decode(),
        }),
        "getblocktxn" => NetworkMessage::GetBlockTxn(compact::GetBlockTxn {
            txs_request: GetBlockTxn::from_bytes(bytes)?.decode(),
        }),
        "blocktxn" => NetworkMessage::BlockTxn(compact::BlockTxn {
            transactions: BlockTxn::from_bytes(bytes)?.decode(),
        }),
        "cfilter" => NetworkMessage::CFilter(CFilter::from_bytes(bytes)?.decode()),
        "cfheaders" => NetworkMessage::CFHeaders(CFHeaders::from_bytes(bytes)?.decode()),
        "cfcheckpt" => NetworkMessage::CFCheckpt(CFCheckpt::from_bytes(bytes)?.decode()),
        _ => unreachable!("{command} is no view"),
    })
}

/// What `bitcoin` decodes the same payload to.
fn theirs(command: &str, payload: &[u8]) -> Option<NetworkMessage> {
    let mut frame = vec![0xf9, 0xbe, 0xb4, 0xd9];
    frame.extend_from_slice(command.as_bytes());
    frame.resize(16, 0);
    frame.extend_from_slice(&u32::try_from(payload.len()).unwrap().to_le_bytes());
    frame.extend_from_slice(&sha256d::Hash::hash(payload)[..4]);
    frame.extend_from_slice(payload);
    let message: RawNetworkMessage = consensus::deserialize(&frame).ok()?;
    (consensus::serialize(&message) == frame).then(|| message.payload().clone())
}

/// What the views' documentation names as refused although `bitcoin` accepts it.
fn is_exception(message: &NetworkMessage) -> bool {
    match message {
        NetworkMessage::CmpctBlock(block) => {
            let block = &block.compact_block;
            let gaps = block.prefilled_txs.iter().map(|tx| usize::from(tx.idx) + 1).sum::<usize>();
            let transactions = block.short_ids.len() + block.prefilled_txs.len();
            gaps > transactions || transactions > 65_535
        }
        NetworkMessage::GetBlockTxn(request) => {
            request.txs_request.indexes.iter().any(|index| *index > 65_535)
        }
        _ => false,
    }
}

/// Compares both; returns whether both accept.
fn agree(command: &str, payload: &[u8]) -> bool {
    match (ours(command, payload), theirs(command, payload)) {
        (Ok(ours), Some(theirs)) => {
            assert_eq!(ours, theirs);
            true
        }
        (Err(_), None) => false,
        (Err(error), Some(message)) => {
            assert!(is_exception(&message), "only bitcoin reads {command} {payload:02x?}: {error}");
            false
        }
        (Ok(ours), None) => panic!("only we read {command} {payload:02x?}: {ours:?}"),
    }
}

#[test]
fn every_prefix_and_every_changed_bit_of_small_payloads() {
    for (command, payload) in samples() {
        assert!(agree(command, &payload), "{command} is not valid");
        for len in 0..payload.len() {
            assert!(!agree(command, &payload[..len]), "{command} cut to {len} bytes is read");
        }
        let mut longer = payload.clone();
        longer.push(0);
        assert!(!agree(command, &longer), "{command} with a trailing byte is read");
        for bit in 0..payload.len() * 8 {
            let mut changed = payload.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            agree(command, &changed);
        }
    }
}

/// One valid payload of each message, small enough to be changed in all ways.
fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let block = Block::from_bytes(hex(data::GENESIS).into()).unwrap();
    let tx = Tx::from_bytes(hex(data::SEGWIT_TX).into()).unwrap();
    let (hash, header) = (block.hash(), block.header());
    let items = [InventoryItem::block(hash), InventoryItem::wtx(tx.wtxid())];
    let inventory = Inventory::new(&items).unwrap().bytes().to_vec();
    let two = {
        let mut two = block.decode();
        two.txdata.push(tx.decode());
        Block::try_from(&two).unwrap()
    };
    let tree = bitcoin::MerkleBlock::from_block_with_predicate(&two.decode(), |_| true);
    let filter = CFilter::new(0, hash, b"filter").unwrap();
    let chain = [filter.filter_hash(); 2];
    let previous = filter.filter_header(&bitcoin::bip158::FilterHeader::all_zeros());
    vec![
        ("inv", inventory.clone()),
        ("getdata", inventory.clone()),
        ("notfound", inventory),
        ("headers", Headers::new(&[header; 2]).unwrap().bytes().to_vec()),
        ("tx", hex(data::SEGWIT_TX)),
        ("tx", tx.without_witness().bytes().to_vec()),
        ("tx", hex("01000000000100000000000000")[..12].to_vec()),
        ("block", two.bytes().to_vec()),
        ("block", consensus::serialize(&(header, 0_u8))),
        ("merkleblock", consensus::serialize(&tree)),
        ("cmpctblock", CmpctBlock::from_block(&two, 7).unwrap().bytes().to_vec()),
        ("getblocktxn", GetBlockTxn::new(hash, &[0, 1, 300, 65_535]).unwrap().bytes().to_vec()),
        ("blocktxn", BlockTxn::new(hash, &[tx.view()]).unwrap().bytes().to_vec()),
        ("cfilter", filter.bytes().to_vec()),
        ("cfheaders", CFHeaders::new(0, hash, previous, &chain).unwrap().bytes().to_vec()),
        ("cfcheckpt", CFCheckpt::new(0, hash, &[previous; 2]).unwrap().bytes().to_vec()),
    ]
}

#[test]
fn large_blocks_changed_here_and_there() {
    let Some(block) = vector("block_702861.raw") else { return };
    assert!(agree("block", &block));
    for i in 0..40 {
        let mut changed = block.clone();
        let place = 80 + i * i * 37 % (block.len() - 80);
        changed[place] ^= 0xff;
        agree("block", &changed);
        agree("block", &changed[..place]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn transactions_keep_their_meaning(tx in transaction()) {
        let view = Tx::try_from(&tx).unwrap();
        prop_assert_eq!(view.bytes(), &consensus::serialize(&tx));
        prop_assert_eq!(&view.decode(), &tx);
        prop_assert_eq!(view.txid(), tx.compute_txid());
        prop_assert_eq!(view.wtxid(), tx.compute_wtxid());
        prop_assert_eq!(view.version(), tx.version);
        prop_assert_eq!(view.lock_time(), tx.lock_time);
        prop_assert_eq!(view.total_size(), tx.total_size());
        prop_assert_eq!(view.base_size(), tx.base_size());
        prop_assert_eq!(view.weight(), tx.weight());
        prop_assert_eq!(view.is_coinbase(), tx.is_coinbase());
        prop_assert_eq!(view.inputs().len(), tx.input.len());
        for (ours, theirs) in view.inputs().zip(&tx.input) {
            prop_assert_eq!(ours.previous_output, theirs.previous_output);
            prop_assert_eq!(ours.script_sig, theirs.script_sig.as_script());
            prop_assert_eq!(ours.sequence, theirs.sequence);
            prop_assert_eq!(ours.witness.len(), theirs.witness.len());
            prop_assert!(ours.witness.iter().eq(theirs.witness.iter()));
        }
        prop_assert_eq!(view.outputs().len(), tx.output.len());
        for (ours, theirs) in view.outputs().zip(&tx.output) {
            prop_assert_eq!(ours.value, theirs.value);
            prop_assert_eq!(ours.script_pubkey, theirs.script_pubkey.as_script());
        }
        let mut stripped = tx;
        stripped.input.iter_mut().for_each(|input| input.witness.clear());
        prop_assert_eq!(view.without_witness(), Tx::try_from(&stripped).unwrap());
        prop_assert!(!view.without_witness().has_witness());
    }

    #[test]
    fn blocks_keep_their_meaning(transactions in vec(transaction(), 0..5)) {
        let mut block = Block::from_bytes(hex(data::GENESIS).into()).unwrap().decode();
        block.txdata = transactions;
        let view = Block::try_from(&block).unwrap();
        prop_assert_eq!(&view.decode(), &block);
        prop_assert!(view.transactions().map(|tx| tx.decode()).eq(block.txdata.iter().cloned()));
        prop_assert_eq!(view.transaction(block.txdata.len()), None);
        // Stricter where a commitment is there and no witness is.
        prop_assert!(!view.check_witness_commitment() || block.check_witness_commitment());
        if let Some(root) = block.compute_merkle_root() {
            block.header.merkle_root = root;
            let repeated = view.transactions().zip(view.transactions().skip(1));
            let repeats = repeated.clone().any(|(left, right)| left.txid() == right.txid());
            prop_assert!(repeats || Block::try_from(&block).unwrap().check_merkle_root());
        }
    }

    #[test]
    fn changed_payloads_are_read_alike(
        transactions in vec(transaction(), 1..4),
        sample in any::<prop::sample::Index>(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<Option<prop::sample::Index>>(),
    ) {
        let samples = built(transactions);
        let (command, mut payload) = samples[sample.index(samples.len())].clone();
        for (place, byte) in changes {
            let place = place.index(payload.len());
            payload[place] = byte;
        }
        if let Some(cut) = cut {
            payload.truncate(cut.index(payload.len()));
        }
        agree(command, &payload);
    }

    #[test]
    fn noise_is_read_alike(payload in vec(prop_oneof![0_u8..4, any::<u8>()], 0..200)) {
        for command in COMMANDS {
            agree(command, &payload);
        }
    }
}

/// Payloads of every message that carries transactions.
fn built(transactions: Vec<bitcoin::Transaction>) -> Vec<(&'static str, Vec<u8>)> {
    let mut block = Block::from_bytes(hex(data::GENESIS).into()).unwrap().decode();
    block.txdata = transactions;
    let block_hash = block.block_hash();
    let indexes = (0..block.txdata.len() as u64).collect();
    let request = BlockTransactionsRequest { block_hash, indexes };
    let answer = BlockTransactions::from_request(&request, &block).unwrap();
    let prefilled: Vec<usize> = (1..block.txdata.len()).step_by(2).collect();
    let compact = bitcoin::bip152::HeaderAndShortIds::from_block(&block, 9, 2, &prefilled).unwrap();
    vec![
        ("tx", consensus::serialize(&block.txdata[0])),
        ("block", consensus::serialize(&block)),
        ("cmpctblock", consensus::serialize(&compact)),
        ("getblocktxn", consensus::serialize(&request)),
        ("blocktxn", consensus::serialize(&answer)),
    ]
}

fn transaction() -> impl Strategy<Value = bitcoin::Transaction> {
    let bytes = || vec(any::<u8>(), 0..40);
    let input = (any::<[u8; 32]>(), any::<u32>(), bytes(), any::<u32>(), witness());
    let input = prop_oneof![
        9 => input,
        1 => (Just([0; 32]), Just(u32::MAX), bytes(), any::<u32>(), witness()),
    ];
    let input = input.prop_map(|(txid, vout, script, sequence, witness)| bitcoin::TxIn {
        previous_output: bitcoin::OutPoint { txid: bitcoin::Txid::from_byte_array(txid), vout },
        script_sig: script.into(),
        sequence: bitcoin::Sequence(sequence),
        witness: bitcoin::Witness::from_slice(&witness),
    });
    let output = (any::<u64>(), bytes()).prop_map(|(value, script)| bitcoin::TxOut {
        value: bitcoin::Amount::from_sat(value),
        script_pubkey: script.into(),
    });
    (any::<i32>(), vec(input, 0..4), vec(output, 0..4), any::<u32>()).prop_map(
        |(version, input, output, lock_time)| bitcoin::Transaction {
            version: bitcoin::transaction::Version(version),
            lock_time: bitcoin::absolute::LockTime::from_consensus(lock_time),
            input,
            output,
        },
    )
}

fn witness() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let items = vec(prop_oneof![vec(any::<u8>(), 0..5), vec(any::<u8>(), 250..260)], 0..4);
    prop_oneof![Just(Vec::new()), items]
}
