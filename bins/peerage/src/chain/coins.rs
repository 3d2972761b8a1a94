//! The coins of a chain, and transactions that spend them.

use std::collections::VecDeque;

use bitcoin::absolute::LockTime;
use bitcoin::blockdata::opcodes::OP_TRUE;
use bitcoin::script::Builder;
use bitcoin::transaction::Version;
use bitcoin::{Amount, Block, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness};

/// Coins that nobody has spent, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Coins {
    ripe: VecDeque<Coin>,
    /// Coinbases, and the height of the first block that may spend each.
    unripe: VecDeque<(usize, Coin)>,
}

#[derive(Clone, Copy, Debug)]
struct Coin {
    outpoint: OutPoint,
    value: Amount,
    lock: Lock,
}

/// How a coin is locked: with nothing, in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lock {
    /// The script `OP_TRUE` in the output: spent with an empty script and without a witness.
    Bare,
    /// The hash of that script in the output (P2WSH): spent with the script as witness.
    Witness,
}

impl Coins {
    /// Takes in what a block at this height creates, and what it lets ripen.
    pub(super) fn take_in(&mut self, block: &Block, height: usize) {
        for tx in &block.txdata {
            let txid = tx.compute_txid();
            for (output, vout) in tx.output.iter().zip(0..) {
                let Some(lock) = Lock::of_script(&output.script_pubkey) else { continue };
                let coin = Coin { outpoint: OutPoint { txid, vout }, value: output.value, lock };
                match tx.is_coinbase() {
                    _ if coin.value < DUST => {}
                    true => self.unripe.push_back((height + MATURITY, coin)),
                    false => self.ripe.push_back(coin),
                }
            }
        }
        let next = height + 1;
        let ripened = self.unripe.iter().take_while(|(ripe_at, _)| *ripe_at <= next).count();
        self.ripe.extend(self.unripe.drain(..ripened).map(|(_, coin)| coin));
    }

    /// A transaction that pays a part of the oldest coin to either lock.
    pub(super) fn spend(&mut self) -> Option<Transaction> {
        let coin = self.ripe.pop_front()?;
        let witness = match coin.lock {
            Lock::Bare => Witness::new(),
            Lock::Witness => Witness::from_slice(&[anybody()]),
        };
        let output = |lock: Lock, value| TxOut { value, script_pubkey: lock.script_pubkey() };
        Some(Transaction {
            version: Version::TWO,
            lock_time: LockTime::ZERO,
            input: vec![TxIn {
                previous_output: coin.outpoint,
                script_sig: ScriptBuf::new(),
                sequence: Sequence::MAX,
                witness,
            }],
            output: vec![
                output(coin.lock, coin.value - PAYMENT - FEE),
                output(coin.lock.other(), PAYMENT),
            ],
        })
    }
}

impl Lock {
    /// The lock of the coinbase at this height: they alternate.
    pub(super) const fn of_height(height: usize) -> Self {
        if height.is_multiple_of(2) { Self::Bare } else { Self::Witness }
    }

    fn of_script(script: &ScriptBuf) -> Option<Self> {
        [Self::Bare, Self::Witness].into_iter().find(|lock| lock.script_pubkey() == *script)
    }

    pub(super) fn script_pubkey(self) -> ScriptBuf {
        match self {
            Self::Bare => anybody(),
            Self::Witness => anybody().to_p2wsh(),
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Bare => Self::Witness,
            Self::Witness => Self::Bare,
        }
    }
}

/// The script that anybody satisfies.
fn anybody() -> ScriptBuf {
    Builder::new().push_opcode(OP_TRUE).into_script()
}

/// How many blocks later a coinbase may be spent.
const MATURITY: usize = 100;

const PAYMENT: Amount = Amount::from_sat(10_000);
const FEE: Amount = Amount::from_sat(1_000);

/// Coins below this are not worth spending: payment, fee and as much again would not fit.
const DUST: Amount = Amount::from_sat(22_000);
