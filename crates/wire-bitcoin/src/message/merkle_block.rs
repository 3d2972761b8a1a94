//! `merkleblock`: a header with a proof that some transactions are in its block (BIP37).
//!
//! ```text
//!   header 80 | transactions of the block u32 | count | hashes 32 each | count | flag bytes
//! ```

use std::fmt;

use bitcoin::block::Header;
use bitcoin::hashes::Hash as _;
use bitcoin::merkle_tree::MerkleBlockError;
use bitcoin::{BlockHash, TxMerkleNode, Txid, consensus};
use bytes::Bytes;
use peerage_wire::{Malformed, Reader};

use super::headers::{hash_of, header_of};
use super::tx::check_size;

/// A checked partial merkle tree with its header, as it lies in the payload.
///
/// Checked is the form; [`Self::matches`] proves the contents. Accepts what `bitcoin` accepts, up
/// to 4,000,000 bytes and [`Self::MAX_FLAG_BYTES`].
#[derive(Clone, PartialEq, Eq)]
pub struct MerkleBlock {
    payload: Bytes,
    hashes_start: usize,
    hashes: usize,
    flag_bytes: usize,
}

impl MerkleBlock {
    /// The most flag bytes that a message may carry (btcd): one bit a node is far below it.
    pub const MAX_FLAG_BYTES: usize = 50_000;

    /// Checks a whole payload.
    ///
    /// # Errors
    /// [`Malformed`] if it is not exactly one such message.
    pub fn from_bytes(payload: Bytes) -> Result<Self, Malformed> {
        check_size(&payload)?;
        let mut reader = Reader::new(&payload);
        reader.take(Header::SIZE)?;
        reader.u32()?;
        let hashes = reader.count("hashes", usize::MAX, HASH)?;
        let hashes_start = reader.position();
        reader.take(hashes * HASH)?;
        let flag_bytes = reader.bytes("flag bytes", Self::MAX_FLAG_BYTES)?.len();
        reader.finish()?;
        Ok(Self { payload, hashes_start, hashes, flag_bytes })
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

    /// How many transactions the whole block is said to have.
    #[must_use]
    pub fn total_transactions(&self) -> u32 {
        let mut reader = Reader::new(&self.payload[Header::SIZE..]);
        reader.u32().expect("the payload was checked")
    }

    /// The hashes of the tree, depth first.
    pub fn hashes(
        &self,
    ) -> impl ExactSizeIterator<Item = TxMerkleNode> + DoubleEndedIterator + Clone + '_ {
        let hashes = &self.payload[self.hashes_start..][..self.hashes * HASH];
        hashes.as_chunks::<HASH>().0.iter().copied().map(TxMerkleNode::from_byte_array)
    }

    /// The flags of the nodes, depth first, eight a byte, the lowest bit first.
    #[must_use]
    pub fn flags(&self) -> &[u8] {
        &self.payload[self.payload.len() - self.flag_bytes..]
    }

    /// Proves the tree and returns the matched transactions, each with its place in the block.
    ///
    /// # Errors
    /// [`MerkleBlockError`] if the tree is not exactly one that leads to the root in the header.
    pub fn matches(&self) -> Result<Vec<(u32, Txid)>, MerkleBlockError> {
        let (mut txids, mut places) = (Vec::new(), Vec::new());
        self.decode().extract_matches(&mut txids, &mut places)?;
        Ok(places.into_iter().zip(txids).collect())
    }

    /// The owned message.
    #[must_use]
    pub fn decode(&self) -> bitcoin::MerkleBlock {
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

impl TryFrom<&bitcoin::MerkleBlock> for MerkleBlock {
    type Error = Malformed;

    /// Serializes the message.
    ///
    /// # Errors
    /// [`Malformed::TooMany`] if it has more of something than a message may carry.
    fn try_from(block: &bitcoin::MerkleBlock) -> Result<Self, Malformed> {
        Self::from_bytes(consensus::serialize(block).into())
    }
}

impl fmt::Debug for MerkleBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MerkleBlock")
            .field("hash", &self.hash())
            .field("total_transactions", &self.total_transactions())
            .field("hashes", &self.hashes)
            .finish()
    }
}

const HASH: usize = 32;
