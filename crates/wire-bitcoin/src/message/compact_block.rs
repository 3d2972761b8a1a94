//! `cmpctblock`: a block whose transactions the reader is expected to have (BIP152).
//!
//! ```text
//!   header 80 | nonce u64 | count | short ids 6 each | count | (gap CompactSize | transaction) each
//! ```
//!
//! A gap is the number of transactions between one place and the place before. `getblocktxn` and
//! `blocktxn`, which fetch what is missing, are below.

use std::fmt;

use bitcoin::bip152::{HeaderAndShortIds, ShortId};
use bitcoin::block::Header;
use bitcoin::{BlockHash, Wtxid, consensus};
use bytes::Bytes;
use peerage_wire::{Malformed, Reader, compact};

use super::block::Block;
use super::headers::{hash_of, header_of, put_header};
use super::tx::{MIN_TX, TxRef, check_size};

mod block_txn;

pub use block_txn::{BlockTxn, GetBlockTxn};

/// A checked compact block, as it lies in the payload.
///
/// Versions 1 and 2 of BIP152 have the same form; ids are of wtxids in version 2, the only one that
/// Bitcoin Core still speaks. Accepts what `bitcoin` accepts, up to 4,000,000 bytes and 65,535
/// transactions, except for prefilled transactions that the short ids do not reach up to: those
/// have no place in any block.
#[derive(Clone, PartialEq, Eq)]
pub struct CmpctBlock {
    payload: Bytes,
    short_ids: usize,
    prefilled_start: usize,
    prefilled: usize,
}

impl CmpctBlock {
    /// The most transactions that a compact block may have (Bitcoin Core): places are 16 bits wide.
    pub const MAX_TRANSACTIONS: usize = 65_535;

    /// The compact form of a block (version 2), with its coinbase and nothing else prefilled. The
    /// nonce should be another one for each block, chosen at random.
    ///
    /// # Errors
    /// [`Malformed::TooMany`] above [`Self::MAX_TRANSACTIONS`].
    pub fn from_block(block: &Block, nonce: u64) -> Result<Self, Malformed> {
        let header = block.header();
        let keys = ShortId::calculate_siphash_keys(&header, nonce);
        let mut payload = Vec::with_capacity(NONCE_END + 10 + block.tx_count() * SHORT_ID);
        put_header(&mut payload, &header);
        payload.extend_from_slice(&nonce.to_le_bytes());
        compact::put(&mut payload, block.tx_count().saturating_sub(1) as u64);
        for tx in block.transactions().skip(1) {
            payload.extend_from_slice(ShortId::with_siphash_keys(&tx.wtxid(), keys).as_bytes());
        }
        match block.transaction(0) {
            Some(coinbase) => {
                payload.extend_from_slice(&[1, 0]);
                payload.extend_from_slice(coinbase.bytes());
            }
            None => payload.push(0),
        }
        Self::from_bytes(payload.into())
    }

    /// Checks a whole payload.
    ///
    /// # Errors
    /// [`Malformed`] if it is not exactly one such message, or if a prefilled transaction lies
    /// behind the end of the block.
    pub fn from_bytes(payload: Bytes) -> Result<Self, Malformed> {
        check_size(&payload)?;
        let mut reader = Reader::new(&payload);
        reader.take(NONCE_END)?;
        let short_ids = reader.count("short ids", Self::MAX_TRANSACTIONS, SHORT_ID)?;
        reader.take(short_ids * SHORT_ID)?;
        let max = Self::MAX_TRANSACTIONS - short_ids;
        let prefilled = reader.count("prefilled transactions", max, 1 + MIN_TX)?;
        let prefilled_start = reader.position();
        let mut due = 0;
        for _ in 0..prefilled {
            let (place, _) = read_prefilled(&mut reader, due)?;
            due = u32::from(place) + 1;
        }
        reader.finish()?;
        // Places only grow: if the last one is inside, so are all.
        if due as usize > short_ids + prefilled {
            return Err(Malformed::Invalid { what: "place of a transaction in its block" });
        }
        Ok(Self { payload, short_ids, prefilled_start, prefilled })
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> Header {
        header_of(&self.payload)
    }

    /// The hash of the header; costs its hashing.
    #[must_use]
    pub fn hash(&self) -> BlockHash {
        hash_of(&self.payload)
    }

    /// The nonce that goes into the keys of the short ids.
    #[must_use]
    pub fn nonce(&self) -> u64 {
        let mut reader = Reader::new(&self.payload[Header::SIZE..]);
        reader.u64().expect("the payload was checked")
    }

    /// How many transactions the whole block has.
    #[must_use]
    pub const fn tx_count(&self) -> usize {
        self.short_ids + self.prefilled
    }

    /// The ids of the transactions that are not prefilled, in the order of the block.
    pub fn short_ids(
        &self,
    ) -> impl ExactSizeIterator<Item = ShortId> + DoubleEndedIterator + Clone + '_ {
        let start = NONCE_END + compact::len(self.short_ids as u64);
        let ids = &self.payload[start..][..self.short_ids * SHORT_ID];
        ids.as_chunks::<SHORT_ID>().0.iter().map(ShortId::from)
    }

    /// The prefilled transactions, each with its place in the block.
    pub fn prefilled(&self) -> impl ExactSizeIterator<Item = (u16, TxRef<'_>)> + Clone {
        let mut reader = Reader::new(&self.payload[self.prefilled_start..]);
        let mut due = 0;
        (0..self.prefilled).map(move |_| {
            let prefilled = read_prefilled(&mut reader, due).expect("the payload was checked");
            due = u32::from(prefilled.0) + 1;
            prefilled
        })
    }

    /// The block's places in their order: prefilled, or named by a short id.
    pub fn places(&self) -> impl Iterator<Item = Place<'_>> + Clone {
        let mut short_ids = self.short_ids();
        let mut prefilled = self.prefilled().peekable();
        (0..self.tx_count()).map_while(move |place| {
            match prefilled.next_if(|(at, _)| usize::from(*at) == place) {
                Some((_, tx)) => Some(Place::Prefilled(tx)),
                None => short_ids.next().map(Place::Named),
            }
        })
    }

    /// The keys that make this block's short ids; to be computed once for many ids.
    #[must_use]
    pub fn keys(&self) -> ShortIdKeys {
        ShortIdKeys(ShortId::calculate_siphash_keys(&self.header(), self.nonce()))
    }

    /// The owned message.
    #[must_use]
    pub fn decode(&self) -> HeaderAndShortIds {
        consensus::deserialize(&self.payload).expect("the bytes were checked by the same rules")
    }

    /// The payload.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.payload
    }

    /// The same message with a buffer of its own, for whoever keeps it beyond the received one.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self { payload: Bytes::copy_from_slice(&self.payload), ..*self }
    }
}

impl TryFrom<&HeaderAndShortIds> for CmpctBlock {
    type Error = Malformed;

    /// Serializes the message.
    ///
    /// # Errors
    /// [`Malformed`] if it is too large, or if a prefilled transaction lies behind the end of the
    /// block.
    fn try_from(block: &HeaderAndShortIds) -> Result<Self, Malformed> {
        Self::from_bytes(consensus::serialize(block).into())
    }
}

impl fmt::Debug for CmpctBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CmpctBlock")
            .field("hash", &self.hash())
            .field("short_ids", &self.short_ids)
            .field("prefilled", &self.prefilled)
            .finish()
    }
}

/// What a compact block says of one place of its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// The transaction is here.
    Prefilled(TxRef<'a>),
    /// The transaction has this id.
    Named(ShortId),
}

/// The SipHash keys of one compact block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortIdKeys((u64, u64));

impl ShortIdKeys {
    /// The short id of the transaction with this wtxid (version 2).
    #[must_use]
    pub fn short_id(&self, wtxid: Wtxid) -> ShortId {
        ShortId::with_siphash_keys(&wtxid, self.0)
    }
}

/// Reads a gap and its transaction; returns the transaction's place, which is at least `due`.
fn read_prefilled<'a>(reader: &mut Reader<'a>, due: u32) -> Result<(u16, TxRef<'a>), Malformed> {
    let place = read_place(reader, due)?;
    Ok((place, TxRef::read(reader)?))
}

/// Reads a gap; returns the place that it leads to if the next one without a gap is `due`.
fn read_place(reader: &mut Reader<'_>, due: u32) -> Result<u16, Malformed> {
    let gap = reader.compact()?;
    let place = gap.checked_add(u64::from(due)).and_then(|place| u16::try_from(place).ok());
    place.ok_or(Malformed::Invalid { what: "place of a transaction in its block" })
}

const NONCE_END: usize = Header::SIZE + 8;
const SHORT_ID: usize = 6;
