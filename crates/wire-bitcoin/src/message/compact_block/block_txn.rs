//! `getblocktxn` and `blocktxn`: the transactions that a compact block's reader was missing.
//!
//! ```text
//!   getblocktxn: block hash 32 | count | gap CompactSize each
//!   blocktxn:    block hash 32 | count | transactions
//! ```

use std::fmt;

use bitcoin::BlockHash;
use bitcoin::bip152::{BlockTransactions, BlockTransactionsRequest};
use bitcoin::hashes::Hash as _;
use bytes::Bytes;
use peerage_wire::{Malformed, Reader, compact};

use super::read_place;
use crate::message::Block;
use crate::message::list::{Limit, List, list_methods};
use crate::message::tx::{MIN_TX, TxRef, check_size};

/// A checked list of places in a block, as it lies in the payload.
///
/// Accepts what `bitcoin` accepts, as long as the places fit into 16 bits: Bitcoin Core refuses
/// larger ones too.
#[derive(Clone, PartialEq, Eq)]
pub struct GetBlockTxn {
    list: List<HASH>,
}

list_methods!(GetBlockTxn, "How many transactions are wanted.", "Whether none is.");

impl GetBlockTxn {
    /// Asks for the transactions at these places, each larger than the one before.
    ///
    /// # Errors
    /// [`Malformed::Invalid`] if they do not grow.
    pub fn new(block_hash: BlockHash, places: &[u16]) -> Result<Self, Malformed> {
        let (head, len) = (block_hash.as_byte_array(), places.len());
        let list = List::build(&[head], len, len, |payload| {
            let mut due = 0;
            for place in places.iter().copied().map(u32::from) {
                let gap = place.checked_sub(due).ok_or(Malformed::Invalid { what: PLACES.what })?;
                compact::put(payload, gap.into());
                due = place + 1;
            }
            Ok(())
        })?;
        Ok(Self { list })
    }

    /// Checks a whole payload.
    ///
    /// # Errors
    /// [`Malformed`] if it is not exactly one such message, or if a place overflows 16 bits.
    pub fn from_bytes(payload: Bytes) -> Result<Self, Malformed> {
        let list = List::read(payload, PLACES, 1, |reader, len| {
            let mut due = 0;
            for _ in 0..len {
                due = u32::from(read_place(reader, due)?) + 1;
            }
            Ok(())
        })?;
        Ok(Self { list })
    }

    /// The block.
    #[must_use]
    pub fn block_hash(&self) -> BlockHash {
        BlockHash::from_byte_array(self.list.hash_at(0))
    }

    /// The places of the wanted transactions, counted from 0 and growing.
    pub fn places(&self) -> impl ExactSizeIterator<Item = u16> + Clone + '_ {
        let mut reader = Reader::new(self.list.entries());
        let mut due = 0;
        (0..self.len()).map(move |_| {
            let place = read_place(&mut reader, due).expect(CHECKED);
            due = u32::from(place) + 1;
            place
        })
    }

    /// The owned message.
    #[must_use]
    pub fn decode(&self) -> BlockTransactionsRequest {
        let indexes = self.places().map(u64::from).collect();
        BlockTransactionsRequest { block_hash: self.block_hash(), indexes }
    }
}

impl fmt::Debug for GetBlockTxn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetBlockTxn")
            .field("block_hash", &self.block_hash())
            .field("len", &self.len())
            .finish()
    }
}

/// A checked list of a block's transactions, as it lies in the payload.
///
/// Accepts what `bitcoin` accepts, up to 4,000,000 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct BlockTxn {
    list: List<HASH>,
}

list_methods!(BlockTxn, "How many transactions there are.", "Whether there are none.");

impl BlockTxn {
    /// These transactions of this block.
    ///
    /// # Errors
    /// [`Malformed::TooMany`] above 4,000,000 bytes, which no message can carry.
    pub fn new(block_hash: BlockHash, transactions: &[TxRef<'_>]) -> Result<Self, Malformed> {
        let (head, len) = (block_hash.as_byte_array(), transactions.len());
        let size = transactions.iter().map(|tx| tx.total_size()).sum();
        let list = List::build(&[head], len, size, |payload| {
            transactions.iter().for_each(|tx| payload.extend_from_slice(tx.bytes()));
            check_size(payload)
        })?;
        Ok(Self { list })
    }

    /// The answer to a request for transactions of `block`; none if it wants what is not there.
    #[must_use]
    pub fn answer(request: &GetBlockTxn, block: &Block) -> Option<Self> {
        let wanted = request.places().map(|place| block.transaction(place.into()));
        let transactions = wanted.collect::<Option<Vec<_>>>()?;
        let answer = Self::new(request.block_hash(), &transactions);
        Some(answer.expect("no place comes twice, so the answer is smaller than the block"))
    }

    /// Checks a whole payload.
    ///
    /// # Errors
    /// [`Malformed`] if it is not exactly one such message.
    pub fn from_bytes(payload: Bytes) -> Result<Self, Malformed> {
        check_size(&payload)?;
        let list = List::read(payload, TRANSACTIONS, MIN_TX, |reader, len| {
            (0..len).try_for_each(|_| TxRef::read(reader).map(drop))
        })?;
        Ok(Self { list })
    }

    /// The block.
    #[must_use]
    pub fn block_hash(&self) -> BlockHash {
        BlockHash::from_byte_array(self.list.hash_at(0))
    }

    /// The transactions, in the order in which they were asked for.
    pub fn transactions(&self) -> impl ExactSizeIterator<Item = TxRef<'_>> + Clone {
        let mut reader = Reader::new(self.list.entries());
        (0..self.len()).map(move |_| TxRef::read(&mut reader).expect(CHECKED))
    }

    /// The owned message.
    #[must_use]
    pub fn decode(&self) -> BlockTransactions {
        let transactions = self.transactions().map(TxRef::decode).collect();
        BlockTransactions { block_hash: self.block_hash(), transactions }
    }
}

impl fmt::Debug for BlockTxn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockTxn")
            .field("block_hash", &self.block_hash())
            .field("len", &self.len())
            .finish()
    }
}

const CHECKED: &str = "the payload was checked before it could be seen";
const PLACES: Limit = Limit { what: "places in a block", max: 1 << 16 };

/// Nothing limits them but the payload.
const TRANSACTIONS: Limit = Limit { what: "transactions", max: usize::MAX };

const HASH: usize = 32;
