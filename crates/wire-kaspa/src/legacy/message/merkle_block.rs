//! `merkleblock`: a header with a proof that some transactions are in its block.
//!
//! ```text
//!   header 121 and more | transactions of the block u32 | count | hashes 32 each | count | flags
//! ```

use std::fmt;

use bytes::Bytes;
use peerage_wire::{Malformed, Reader, compact};

use super::body::checked;
use super::header::{Header, HeaderRef};
use super::tx::check_size;
use crate::legacy::types::Hash;

/// A checked partial merkle tree with its header, as it lies in the payload.
///
/// Checked is the form; what the tree proves is the node's to find out.
#[derive(Clone, PartialEq, Eq)]
pub struct MerkleBlock {
    payload: Bytes,
    places: Places,
}

impl MerkleBlock {
    /// The most hashes: as many as a block may have transactions.
    pub const MAX_HASHES: usize = super::Block::MAX_TRANSACTIONS;

    /// The most flag bytes.
    pub const MAX_FLAG_BYTES: usize = 125_000;

    /// A message of these parts; `transactions` is how many the whole block has.
    ///
    /// # Errors
    /// [`Malformed::TooMany`] if there is more of something than a message may carry.
    pub fn new(
        header: &Header,
        transactions: u32,
        hashes: &[Hash],
        flags: &[u8],
    ) -> Result<Self, Malformed> {
        let mut payload = Vec::new();
        header.put(&mut payload)?;
        payload.extend_from_slice(&transactions.to_le_bytes());
        compact::put(&mut payload, hashes.len() as u64);
        hashes.iter().for_each(|hash| payload.extend_from_slice(hash.as_bytes()));
        compact::put_bytes(&mut payload, flags);
        Self::from_bytes(payload.into())
    }

    /// Checks the message that `payload` begins with; what follows it is cut off.
    ///
    /// # Errors
    /// [`Malformed`] if there is none, or the whole is above 32 MiB.
    pub fn from_bytes(payload: Bytes) -> Result<Self, Malformed> {
        check_size(&payload)?;
        let (payload, places) = checked(payload, |reader| {
            let header = HeaderRef::read(reader)?.bytes().len();
            reader.u32()?;
            let hashes = reader.count("hashes", Self::MAX_HASHES, Hash::SIZE)?;
            let hashes_start = reader.position();
            reader.take(hashes * Hash::SIZE)?;
            let flags = reader.bytes("flag bytes", Self::MAX_FLAG_BYTES)?.len();
            Ok(Places { header, hashes_start, hashes, flags })
        })?;
        Ok(Self { payload, places })
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

    /// How many transactions the whole block is said to have.
    #[must_use]
    pub fn total_transactions(&self) -> u32 {
        Reader::new(&self.payload[self.places.header..]).u32().expect("the payload was checked")
    }

    /// The hashes of the tree, depth first.
    pub fn hashes(&self) -> impl ExactSizeIterator<Item = Hash> + DoubleEndedIterator + Clone + '_ {
        let hashes = &self.payload[self.places.hashes_start..][..self.places.hashes * Hash::SIZE];
        hashes.as_chunks::<{ Hash::SIZE }>().0.iter().copied().map(Hash::from_bytes)
    }

    /// The flags of the nodes, depth first, eight a byte, the lowest bit first.
    #[must_use]
    pub fn flags(&self) -> &[u8] {
        &self.payload[self.payload.len() - self.places.flags..]
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

impl fmt::Debug for MerkleBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MerkleBlock")
            .field("hash", &self.hash())
            .field("total_transactions", &self.total_transactions())
            .field("hashes", &self.places.hashes)
            .finish()
    }
}

/// Where the parts lie; the flags come last.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Places {
    /// Bytes of the header.
    header: usize,
    hashes_start: usize,
    /// How many hashes.
    hashes: usize,
    /// How many flag bytes.
    flags: usize,
}
