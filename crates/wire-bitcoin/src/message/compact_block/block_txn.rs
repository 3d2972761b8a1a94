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
use crate::message::body::Body;
use crate::message::tx::{MIN_TX, TxRef, check_size};

/// A checked list of places in a block, as it lies in the payload.
///
/// Accepts what `bitcoin` accepts, as long as the places fit into 16 bits: Bitcoin Core refuses
/// larger ones too.
#[derive(Clone, PartialEq, Eq)]
pub struct GetBlockTxn {
    payload: Bytes,
    len: usize,
}

impl GetBlockTxn {
    /// Asks for the transactions at these places, each larger than the one before.
    ///
    /// # Errors
    /// [`Malformed::Invalid`] if they do not grow.
    pub fn new(block_hash: BlockHash, places: &[u16]) -> Result<Self, Malformed> {
        let mut payload = Vec::with_capacity(HASH + 3 + places.len());
        payload.extend_from_slice(block_hash.as_byte_array());
        compact::put(&mut payload, places.len() as u64);
        let mut due = 0;
        for place in places {
            let gap = u32::from(*place).checked_sub(due);
            compact::put(&mut payload, gap.ok_or(Malformed::Invalid { what: PLACES })?.into());
            due = u32::from(*place) + 1;
        }
        Ok(Self { payload: payload.into(), len: places.len() })
    }

    /// Checks a whole payload.
    ///
    /// # Errors
    /// [`Malformed`] if it is not exactly one such message, or if a place overflows 16 bits.
    pub fn from_bytes(payload: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&payload);
        reader.take(HASH)?;
        let len = reader.count(PLACES, 1 << 16, 1)?;
        let mut due = 0;
        for _ in 0..len {
            due = u32::from(read_place(&mut reader, due)?) + 1;
        }
        reader.finish()?;
        Ok(Self { payload, len })
    }

    /// The block.
    #[must_use]
    pub fn block_hash(&self) -> BlockHash {
        block_hash(&self.payload)
    }

    /// How many transactions are wanted.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether none is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The places of the wanted transactions, counted from 0 and growing.
    pub fn places(&self) -> impl ExactSizeIterator<Item = u16> + Clone + '_ {
        let start = HASH + compact::len(self.len as u64);
        let mut reader = Reader::new(&self.payload[start..]);
        let mut due = 0;
        (0..self.len).map(move |_| {
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

    /// The payload.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.payload
    }

    /// The same message with a buffer of its own, for whoever keeps it beyond the received one.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self { payload: Bytes::copy_from_slice(&self.payload), len: self.len }
    }
}

impl fmt::Debug for GetBlockTxn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetBlockTxn")
            .field("block_hash", &self.block_hash())
            .field("len", &self.len)
            .finish()
    }
}

impl Body for GetBlockTxn {
    fn parse(payload: Bytes, _version: u32) -> Result<Self, Malformed> {
        Self::from_bytes(payload)
    }

    fn put(&self, _version: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.payload);
    }
}

/// A checked list of a block's transactions, as it lies in the payload.
///
/// Accepts what `bitcoin` accepts, up to 4,000,000 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct BlockTxn {
    payload: Bytes,
    len: usize,
}

impl BlockTxn {
    /// These transactions of this block.
    ///
    /// # Errors
    /// [`Malformed::TooMany`] above 4,000,000 bytes, which no message can carry.
    pub fn new(block_hash: BlockHash, transactions: &[TxRef<'_>]) -> Result<Self, Malformed> {
        let size = transactions.iter().map(|tx| tx.total_size()).sum::<usize>();
        let mut payload = Vec::with_capacity(HASH + 5 + size);
        payload.extend_from_slice(block_hash.as_byte_array());
        compact::put(&mut payload, transactions.len() as u64);
        transactions.iter().for_each(|tx| payload.extend_from_slice(tx.bytes()));
        check_size(&payload)?;
        Ok(Self { payload: payload.into(), len: transactions.len() })
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
        let mut reader = Reader::new(&payload);
        reader.take(HASH)?;
        let len = reader.count("transactions", usize::MAX, MIN_TX)?;
        for _ in 0..len {
            TxRef::read(&mut reader)?;
        }
        reader.finish()?;
        Ok(Self { payload, len })
    }

    /// The block.
    #[must_use]
    pub fn block_hash(&self) -> BlockHash {
        block_hash(&self.payload)
    }

    /// How many transactions there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The transactions, in the order in which they were asked for.
    pub fn transactions(&self) -> impl ExactSizeIterator<Item = TxRef<'_>> + Clone {
        let mut reader = Reader::new(&self.payload[HASH + compact::len(self.len as u64)..]);
        (0..self.len).map(move |_| TxRef::read(&mut reader).expect(CHECKED))
    }

    /// The owned message.
    #[must_use]
    pub fn decode(&self) -> BlockTransactions {
        let transactions = self.transactions().map(TxRef::decode).collect();
        BlockTransactions { block_hash: self.block_hash(), transactions }
    }

    /// The payload.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.payload
    }

    /// The same message with a buffer of its own, for whoever keeps it beyond the received one.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self { payload: Bytes::copy_from_slice(&self.payload), len: self.len }
    }
}

impl fmt::Debug for BlockTxn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockTxn")
            .field("block_hash", &self.block_hash())
            .field("len", &self.len)
            .finish()
    }
}

impl Body for BlockTxn {
    fn parse(payload: Bytes, _version: u32) -> Result<Self, Malformed> {
        Self::from_bytes(payload)
    }

    fn put(&self, _version: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.payload);
    }
}

fn block_hash(payload: &[u8]) -> BlockHash {
    BlockHash::from_byte_array(*payload.first_chunk().expect(CHECKED))
}

const CHECKED: &str = "the payload was checked before it could be seen";
const PLACES: &str = "places in a block";
const HASH: usize = 32;
