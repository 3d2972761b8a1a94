//! `block`.
//!
//! ```text
//!   header 121 and more | count CompactSize | transactions
//! ```

use std::fmt;
use std::iter;
use std::sync::Arc;

use bytes::Bytes;
use peerage_wire::{Malformed, Reader, compact};

use super::body::checked;
use super::header::{Header, HeaderRef};
use super::tx::{MIN_TX, TxRef, check_size};
use crate::legacy::types::Hash;

/// A checked block, as it lies in the payload, and where each transaction begins.
///
/// The offsets are the only allocation, four bytes a transaction. Checked is the form: proof of
/// work, merkle roots and all other rules are the node's.
///
/// ```
/// use peerage_wire_kaspa::legacy::message::{Block, Header, Transaction, Tx};
///
/// let tx = Tx::try_from(&Transaction::default())?;
/// let block = Block::new(&Header { nonce: 7, ..Header::default() }, [tx.view()])?;
/// assert_eq!(block.header().nonce(), 7);
/// assert_eq!(block.transactions().map(|tx| tx.id()).collect::<Vec<_>>(), [tx.id()]);
/// # Ok::<(), peerage_wire::Malformed>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Block {
    payload: Bytes,
    /// Where each transaction begins, and where the last one ends.
    offsets: Arc<[u32]>,
}

impl Block {
    /// The most transactions: as many as kaspad reads.
    pub const MAX_TRANSACTIONS: usize = 1_000_001;

    /// A block of these parts.
    ///
    /// # Errors
    /// [`Malformed::TooMany`] above 255 parents, [`Self::MAX_TRANSACTIONS`] or 32 MiB.
    pub fn new<'a, I>(header: &Header, transactions: I) -> Result<Self, Malformed>
    where
        I: IntoIterator<Item = TxRef<'a>, IntoIter: ExactSizeIterator>,
    {
        let transactions = transactions.into_iter();
        let mut payload = Vec::new();
        header.put(&mut payload)?;
        compact::put(&mut payload, transactions.len() as u64);
        transactions.for_each(|tx| payload.extend_from_slice(tx.bytes()));
        Self::from_bytes(payload.into())
    }

    /// Checks the block that `payload` begins with; what follows it is cut off.
    ///
    /// # Errors
    /// [`Malformed`] if there is none, or the whole is above 32 MiB.
    pub fn from_bytes(payload: Bytes) -> Result<Self, Malformed> {
        check_size(&payload)?;
        let (payload, offsets) = checked(payload, |reader| {
            HeaderRef::read(reader)?;
            read_transactions(reader)
        })?;
        Ok(Self { payload, offsets })
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> HeaderRef<'_> {
        HeaderRef::trusted(&self.payload)
    }

    /// The hash of the header; costs its hashing.
    #[must_use]
    pub fn hash(&self) -> Hash {
        self.header().hash()
    }

    /// How many transactions there are.
    #[must_use]
    pub fn tx_count(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The transaction at this place.
    #[must_use]
    pub fn transaction(&self, index: usize) -> Option<TxRef<'_>> {
        let start = *self.offsets.get(index)? as usize;
        let end = *self.offsets.get(index + 1)? as usize;
        Some(TxRef::trusted(&self.payload[start..end]))
    }

    /// The transactions in their order.
    pub fn transactions(
        &self,
    ) -> impl ExactSizeIterator<Item = TxRef<'_>> + DoubleEndedIterator + Clone {
        let bounds = self.offsets.windows(2);
        bounds.map(|at| TxRef::trusted(&self.payload[at[0] as usize..at[1] as usize]))
    }

    /// The payload.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.payload
    }

    /// The same block with a buffer of its own, for whoever keeps it beyond the received one.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self { payload: Bytes::copy_from_slice(&self.payload), offsets: self.offsets.clone() }
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block")
            .field("hash", &self.hash())
            .field("size", &self.payload.len())
            .field("transactions", &self.tx_count())
            .finish()
    }
}

/// Checks the transactions; returns where each begins, and where the last one ends.
fn read_transactions(reader: &mut Reader<'_>) -> Result<Arc<[u32]>, Malformed> {
    let count = reader.count("transactions", Block::MAX_TRANSACTIONS, MIN_TX)?;
    let mut offsets: Arc<[u32]> = iter::repeat_n(0, count + 1).collect();
    let (end, starts) = Arc::get_mut(&mut offsets)
        .and_then(|offsets| offsets.split_last_mut())
        .expect("the offsets are not shared yet, and there is at least one");
    for start in starts {
        *start = offset(reader);
        TxRef::read(reader)?;
    }
    *end = offset(reader);
    Ok(offsets)
}

fn offset(reader: &Reader<'_>) -> u32 {
    u32::try_from(reader.position()).expect("the size was checked first")
}
