//! Mining one block.

use bitcoin::absolute::LockTime;
use bitcoin::block::{Block, Header, Version};
use bitcoin::hashes::Hash as _;
use bitcoin::script::Builder;
use bitcoin::transaction;
use bitcoin::{
    Amount, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode, TxOut,
    Witness,
};

use peerage::bitcoin::message;

use super::coins::Lock;

/// A block after `previous` with these transactions. Times are ten minutes apart, so that a chain
/// is the same whenever it is mined.
pub(super) fn block(previous: &Header, height: usize, transactions: &[Transaction]) -> Block {
    let mut txdata = vec![coinbase(height)];
    txdata.extend_from_slice(transactions);
    let header = Header {
        version: Version::from_consensus(0x2000_0000),
        prev_blockhash: previous.block_hash(),
        merkle_root: TxMerkleNode::all_zeros(),
        time: previous.time + 600,
        bits: CompactTarget::from_consensus(EASIEST),
        nonce: 0,
    };
    let mut block = Block { header, txdata };
    let root = block.witness_root().expect("a coinbase is there");
    let commitment = Block::compute_witness_commitment(&root, &RESERVED);
    let mut script = vec![0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed];
    script.extend_from_slice(commitment.as_byte_array());
    let output = TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from_bytes(script) };
    block.txdata[0].output.push(output);
    block.header.merkle_root = block.compute_merkle_root().expect("a coinbase is there");
    while !is_mined(&block.header) {
        block.header.nonce += 1;
    }
    block
}

/// Whether the header has the proof of work that regtest asks for.
pub(crate) fn is_mined(header: &Header) -> bool {
    header.bits.to_consensus() == EASIEST && header.validate_pow(header.target()).is_ok()
}

/// Whether the coinbase's script begins with the height (BIP34), compared as Bitcoin Core does: up
/// to 16 it is a single opcode.
pub(crate) fn has_height(block: &message::Block, height: usize) -> bool {
    let due = height_script(height).into_script();
    let coinbase = block.transaction(0).and_then(|tx| tx.inputs().next());
    coinbase.is_some_and(|input| input.script_sig.as_bytes().starts_with(due.as_bytes()))
}

fn height_script(height: usize) -> Builder {
    Builder::new().push_int(i64::try_from(height).expect("there are fewer blocks than that"))
}

/// Regtest's target: every second hash is below it.
const EASIEST: u32 = 0x207f_ffff;

/// What goes into the witness commitment beside the witnesses (BIP141).
const RESERVED: [u8; 32] = [0; 32];

fn coinbase(height: usize) -> Transaction {
    // A script of the height alone would be too short for the first blocks.
    let script_sig = height_script(height).push_slice(b"peerage").into_script();
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            script_sig,
            sequence: Sequence::MAX,
            witness: Witness::from_slice(&[RESERVED]),
        }],
        output: vec![TxOut {
            value: subsidy(height),
            script_pubkey: Lock::of_height(height).script_pubkey(),
        }],
    }
}

/// 50 BTC, halved each 150 blocks on regtest.
fn subsidy(height: usize) -> Amount {
    let halvings = u32::try_from(height / 150).unwrap_or(u32::MAX);
    Amount::from_sat(5_000_000_000_u64.checked_shr(halvings).unwrap_or(0))
}
