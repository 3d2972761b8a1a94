//! Transactions and blocks of our own making. All coins are anybody's: their script is OP_TRUE.

use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash as _;
use bitcoin::opcodes::{OP_0, OP_TRUE};
use bitcoin::script::PushBytesBuf;
use bitcoin::{
    Amount, Block, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode, TxOut, Witness,
    transaction,
};

/// Coins to spend, each with a witness, so that every transaction made of one has a txid and a
/// different wtxid.
#[derive(Debug)]
pub(crate) struct Purse(Mutex<Vec<(OutPoint, Amount)>>);

/// Into how many coins a coinbase is split: one for each transaction of a run.
const COINS: u32 = 60;

const FEE: Amount = Amount::from_sat(10_000);

impl Purse {
    /// The coins of a mature coinbase, and the transaction that must be mined to have them.
    pub(crate) fn split(coinbase: &Transaction, script_sig: &[u8]) -> Result<(Self, Transaction)> {
        let output = coinbase.output.first().context("a coinbase has an output")?;
        let each = (output.value - FEE) / u64::from(COINS);
        let script = ScriptBuf::new_p2wsh(&op_true().wscript_hash());
        let spend = TxIn {
            previous_output: OutPoint::new(coinbase.compute_txid(), 0),
            script_sig: ScriptBuf::from_bytes(script_sig.to_vec()),
            ..TxIn::default()
        };
        let outputs = vec![TxOut { value: each, script_pubkey: script }; COINS as usize];
        let tx = transaction(vec![spend], outputs);
        let txid = tx.compute_txid();
        let coins = (0..COINS).map(|vout| (OutPoint::new(txid, vout), each)).collect();
        Ok((Self(Mutex::new(coins)), tx))
    }

    /// A transaction that nobody has seen yet.
    pub(crate) fn spend(&self) -> Result<Transaction> {
        let coin = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let (previous_output, value) = coin.context("all coins are spent")?;
        let witness = Witness::from_slice(&[op_true().as_bytes()]);
        let spend = TxIn { previous_output, witness, ..TxIn::default() };
        let script_pubkey = ScriptBuf::new_p2wsh(&op_true().wscript_hash());
        Ok(transaction(vec![spend], vec![TxOut { value: value - FEE, script_pubkey }]))
    }
}

/// Coins of a coinbase that nobody has mined, for who checks nothing.
pub(crate) fn play_money() -> Result<Purse> {
    let mut coinbase = coinbase(1);
    coinbase.output[0].value = Amount::ONE_BTC;
    Ok(Purse::split(&coinbase, &[])?.0)
}

/// The same transaction, with more at its end than at its beginning.
pub(crate) fn counterfeit(tx: &Transaction) -> Transaction {
    let mut other = tx.clone();
    other.output[0].value += Amount::from_sat(1_000_000_000);
    other
}

/// A block upon `parent` at `height`, with its work done.
pub(crate) fn block(parent: &Header, height: u32, others: Vec<Transaction>) -> Result<Block> {
    let mut txdata = vec![coinbase(height)];
    txdata.extend(others);
    let header = Header {
        version: Version::from_consensus(0x2000_0000),
        prev_blockhash: parent.block_hash(),
        merkle_root: TxMerkleNode::all_zeros(),
        time: parent.time + 1,
        bits: parent.bits,
        nonce: 0,
    };
    let mut block = Block { header, txdata };
    let root = block.witness_root().context("the block has a coinbase")?;
    let commitment = Block::compute_witness_commitment(&root, &RESERVED);
    let mut script = b"\xaa\x21\xa9\xed".to_vec();
    script.extend_from_slice(commitment.as_byte_array());
    block.txdata[0].output.push(data(&script)?);
    block.header.merkle_root = block.compute_merkle_root().context("the block has a coinbase")?;
    while block.header.validate_pow(block.header.target()).is_err() {
        block.header.nonce += 1;
    }
    ensure!(block.check_merkle_root() && block.check_witness_commitment(), "our block is wrong");
    Ok(block)
}

/// The reserved value of the witness commitment (BIP141).
const RESERVED: [u8; 32] = [0; 32];

fn coinbase(height: u32) -> Transaction {
    let script_sig =
        bitcoin::script::Builder::new().push_int(i64::from(height)).push_opcode(OP_0).into_script();
    let witness = Witness::from_slice(&[RESERVED]);
    let input = TxIn { script_sig, witness, ..TxIn::default() };
    let script_pubkey = ScriptBuf::new_p2wsh(&op_true().wscript_hash());
    transaction(vec![input], vec![TxOut { value: Amount::ZERO, script_pubkey }])
}

fn data(bytes: &[u8]) -> Result<TxOut> {
    let bytes = PushBytesBuf::try_from(bytes.to_vec())?;
    Ok(TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::new_op_return(bytes) })
}

fn transaction(input: Vec<TxIn>, output: Vec<TxOut>) -> Transaction {
    let input = input.into_iter().map(|input| TxIn { sequence: Sequence::MAX, ..input }).collect();
    Transaction { version: transaction::Version::TWO, lock_time: LockTime::ZERO, input, output }
}

fn op_true() -> ScriptBuf {
    ScriptBuf::from_bytes(vec![OP_TRUE.to_u8()])
}
