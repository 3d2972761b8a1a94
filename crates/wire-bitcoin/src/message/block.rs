//! `block`.
//!
//! ```text
//!   header 80 | count CompactSize | transactions
//! ```

use std::fmt;
use std::iter;
use std::sync::Arc;

use bitcoin::block::Header;
use bitcoin::hashes::{Hash as _, HashEngine as _, sha256d};
use bitcoin::{BlockHash, TxMerkleNode, WitnessMerkleNode, consensus};
use bytes::Bytes;
use peerage_wire::{MAX_PAYLOAD, Malformed, Reader};

use super::headers::{hash_of, header_of};
use super::tx::{MIN_TX, TxRef, check_size};

/// A checked block, as it lies in the payload, and where each transaction begins.
///
/// The offsets are the only allocation, four bytes a transaction. Checked is the form: the rules
/// of consensus are the node's. Accepts what `bitcoin` accepts, up to 4,000,000 bytes; a block
/// without transactions as well.
///
/// ```
/// use bitcoin::{Network, constants};
/// use peerage_wire_bitcoin::message::Block;
///
/// let block = Block::try_from(&constants::genesis_block(Network::Bitcoin))?;
/// assert_eq!(block.hash(), block.header().block_hash());
/// assert!(block.check_merkle_root());
/// let paid: u64 = block.transactions().flat_map(|tx| tx.outputs()).map(|o| o.value.to_sat()).sum();
/// assert_eq!(paid, 5_000_000_000);
/// # Ok::<(), peerage_wire::Malformed>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Block {
    payload: Bytes,
    /// Where each transaction begins, and where the last one ends.
    offsets: Arc<[u32]>,
}

impl Block {
    /// Checks a whole payload.
    ///
    /// # Errors
    /// [`Malformed`] if it is not exactly one block of at most 4,000,000 bytes.
    pub fn from_bytes(payload: Bytes) -> Result<Self, Malformed> {
        check_size(&payload)?;
        let mut reader = Reader::new(&payload);
        reader.take(Header::SIZE)?;
        let count = reader.count("transactions", MAX_PAYLOAD, MIN_TX)?;
        let mut offsets: Arc<[u32]> = iter::repeat_n(0, count + 1).collect();
        let (end, starts) = Arc::get_mut(&mut offsets)
            .and_then(|offsets| offsets.split_last_mut())
            .expect("the offsets are not shared yet, and there is at least one");
        for start in starts {
            *start = offset(&reader);
            TxRef::read(&mut reader)?;
        }
        *end = offset(&reader);
        reader.finish()?;
        Ok(Self { payload, offsets })
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

    /// Whether the header commits to exactly these transactions.
    ///
    /// False also for a list in which transactions repeat so that it has the root of a shorter one
    /// (CVE-2012-2459), and for a block without transactions.
    #[must_use]
    pub fn check_merkle_root(&self) -> bool {
        let root = merkle_root(self.transactions().map(|tx| tx.txid().to_raw_hash()).collect());
        root.map(TxMerkleNode::from_raw_hash) == Some(self.header().merkle_root)
    }

    /// Whether the coinbase commits to exactly these witnesses (BIP141); without a commitment there
    /// must be no witness.
    ///
    /// As in Core, and unlike in `bitcoin` 0.32, a block that has lost the witnesses that it commits
    /// to does not pass.
    #[must_use]
    pub fn check_witness_commitment(&self) -> bool {
        let coinbase = self.transaction(0).filter(|tx| tx.is_coinbase());
        let Some(commitment) = coinbase.and_then(commitment) else {
            return !self.transactions().any(TxRef::has_witness);
        };
        let Some(reserved) = coinbase.and_then(reserved_value) else { return false };
        // The coinbase contains the commitment and cannot be part of it.
        let coinbase = iter::once(sha256d::Hash::all_zeros());
        let others = self.transactions().skip(1).map(|tx| tx.wtxid().to_raw_hash());
        let root = merkle_root(coinbase.chain(others).collect());
        root.map(WitnessMerkleNode::from_raw_hash).is_some_and(|root| {
            bitcoin::Block::compute_witness_commitment(&root, reserved).as_byte_array()
                == commitment
        })
    }

    /// The same block as peers without BIP144 read it: shares the bytes if it has no witness, copies
    /// them otherwise.
    #[must_use]
    pub fn without_witness(&self) -> Self {
        if !self.transactions().any(TxRef::has_witness) {
            return self.clone();
        }
        let mut payload = Vec::with_capacity(self.payload.len());
        payload.extend_from_slice(&self.payload[..self.offsets[0] as usize]);
        self.transactions().for_each(|tx| tx.put_without_witness(&mut payload));
        payload.shrink_to_fit();
        Self::from_bytes(payload.into()).expect("a checked block stays one without its witnesses")
    }

    /// The owned block.
    #[must_use]
    pub fn decode(&self) -> bitcoin::Block {
        consensus::deserialize(&self.payload).expect("the bytes were checked by the same rules")
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

impl TryFrom<&bitcoin::Block> for Block {
    type Error = Malformed;

    /// Serializes the block, with its witnesses if it has any.
    ///
    /// # Errors
    /// [`Malformed::TooMany`] above 4,000,000 bytes, which no message can carry.
    fn try_from(block: &bitcoin::Block) -> Result<Self, Malformed> {
        Self::from_bytes(consensus::serialize(block).into())
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

/// The witness commitment in a coinbase; the last, if there are several.
fn commitment(coinbase: TxRef<'_>) -> Option<&[u8; 32]> {
    /// OP_RETURN, a push of 36 bytes, and the marker of BIP141.
    const MARKER: [u8; 6] = [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed];
    let scripts = coinbase.outputs().map(|output| output.script_pubkey.as_bytes());
    scripts.filter_map(|script| script.strip_prefix(&MARKER)?.first_chunk()).last()
}

/// The value in the coinbase's witness that goes into the commitment.
fn reserved_value(coinbase: TxRef<'_>) -> Option<&[u8]> {
    let witness = coinbase.inputs().next()?.witness;
    let reserved = witness.iter().next()?;
    (witness.len() == 1 && reserved.len() == 32).then_some(reserved)
}

/// The root over these hashes; none if there are no hashes or if repetitions make it ambiguous.
fn merkle_root(mut level: Vec<sha256d::Hash>) -> Option<sha256d::Hash> {
    while level.len() > 1 {
        if level.as_chunks::<2>().0.iter().any(|[left, right]| left == right) {
            return None;
        }
        for i in 0..level.len().div_ceil(2) {
            let left = level[2 * i];
            let right = level.get(2 * i + 1).copied().unwrap_or(left);
            let mut engine = sha256d::Hash::engine();
            engine.input(left.as_byte_array());
            engine.input(right.as_byte_array());
            level[i] = sha256d::Hash::from_engine(engine);
        }
        level.truncate(level.len().div_ceil(2));
    }
    level.pop()
}

fn offset(reader: &Reader<'_>) -> u32 {
    u32::try_from(reader.position()).expect("the size was checked first")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_transactions_do_not_keep_the_root() {
        let hashes: Vec<_> = (0..6_u8).map(|i| sha256d::Hash::hash(&[i])).collect();
        let expected = bitcoin::merkle_tree::calculate_root(hashes.iter().copied());
        assert_eq!(merkle_root(hashes.clone()), expected);
        // Six leaves make an odd second level, whose last hash is paired with itself.
        let repeated = [&hashes[..], &hashes[4..]].concat();
        assert_eq!(bitcoin::merkle_tree::calculate_root(repeated.iter().copied()), expected);
        assert_eq!(merkle_root(repeated), None);
        assert_eq!(merkle_root(Vec::new()), None);
    }
}
