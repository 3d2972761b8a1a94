//! The header of a block, which names up to 255 parents.
//!
//! ```text
//!   version i32 | count u8 | count x parent 32 | merkle root 32 | accepted ids' merkle root 32 |
//!   commitment to unspent outputs 32 | timestamp i64 | bits u32 | nonce u64
//! ```

use std::fmt;

use peerage_wire::{Malformed, Reader};

use crate::legacy::types::Hash;

/// A checked header, as it lies in its message: 121 bytes and 32 for each parent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HeaderRef<'a> {
    bytes: &'a [u8],
}

impl<'a> HeaderRef<'a> {
    /// Reads the next header: every one whose bytes are there is valid.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let mut from_start = reader.clone();
        reader.take(VERSION)?;
        let parents = usize::from(reader.u8()?);
        let bytes = from_start.take(PARENTS + parents * Hash::SIZE + FIXED)?;
        reader.take(bytes.len() - PARENTS)?;
        Ok(Self { bytes })
    }

    /// The header that `payload`, which was checked before, begins with.
    pub(super) fn trusted(payload: &'a [u8]) -> Self {
        Self::read(&mut Reader::new(payload)).expect(CHECKED)
    }

    /// The hash of the block; costs its hashing.
    #[must_use]
    pub fn hash(self) -> Hash {
        Hash::of(self.bytes)
    }

    /// The block's version.
    #[must_use]
    pub fn version(self) -> i32 {
        Reader::new(self.bytes).i32().expect(CHECKED)
    }

    /// The blocks that it builds on; the first block of a network has none.
    pub fn parents(self) -> impl ExactSizeIterator<Item = Hash> + DoubleEndedIterator + Clone + 'a {
        let parents = &self.bytes[PARENTS..self.bytes.len() - FIXED];
        parents.as_chunks::<{ Hash::SIZE }>().0.iter().copied().map(Hash::from_bytes)
    }

    /// The root of the tree of the transactions' hashes.
    #[must_use]
    pub fn merkle_root(self) -> Hash {
        self.hash_at(0)
    }

    /// The root of the tree of the ids of the transactions that the block accepts.
    #[must_use]
    pub fn accepted_id_merkle_root(self) -> Hash {
        self.hash_at(Hash::SIZE)
    }

    /// The commitment to the unspent outputs.
    #[must_use]
    pub fn utxo_commitment(self) -> Hash {
        self.hash_at(2 * Hash::SIZE)
    }

    /// When it was made, in the network's [`TimestampUnit`](crate::legacy::types::TimestampUnit)
    /// since 1970.
    #[must_use]
    pub fn timestamp(self) -> i64 {
        self.fixed(TIMESTAMP).i64().expect(CHECKED)
    }

    /// Its target, in compact form.
    #[must_use]
    pub fn bits(self) -> u32 {
        self.fixed(BITS).u32().expect(CHECKED)
    }

    /// The number that was searched for.
    #[must_use]
    pub fn nonce(self) -> u64 {
        self.fixed(NONCE).u64().expect(CHECKED)
    }

    /// The owned header.
    #[must_use]
    pub fn decode(self) -> Header {
        Header {
            version: self.version(),
            parents: self.parents().collect(),
            merkle_root: self.merkle_root(),
            accepted_id_merkle_root: self.accepted_id_merkle_root(),
            utxo_commitment: self.utxo_commitment(),
            timestamp: self.timestamp(),
            bits: self.bits(),
            nonce: self.nonce(),
        }
    }

    /// Its bytes.
    #[must_use]
    pub const fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// What stands at this place behind the parents.
    fn fixed(self, offset: usize) -> Reader<'a> {
        Reader::new(&self.bytes[self.bytes.len() - FIXED + offset..])
    }

    fn hash_at(self, offset: usize) -> Hash {
        self.fixed(offset).array().expect(CHECKED).into()
    }
}

impl fmt::Debug for HeaderRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header")
            .field("hash", &self.hash())
            .field("parents", &self.parents().len())
            .finish()
    }
}

/// A header whose parts can be changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The block's version.
    pub version: i32,
    /// The blocks that it builds on: at most 255.
    pub parents: Vec<Hash>,
    /// The root of the tree of the transactions' hashes.
    pub merkle_root: Hash,
    /// The root of the tree of the ids of the transactions that the block accepts.
    pub accepted_id_merkle_root: Hash,
    /// The commitment to the unspent outputs.
    pub utxo_commitment: Hash,
    /// When it was made, in the network's unit since 1970.
    pub timestamp: i64,
    /// Its target, in compact form.
    pub bits: u32,
    /// The number that is searched for.
    pub nonce: u64,
}

impl Header {
    /// The most parents.
    pub const MAX_PARENTS: usize = 255;

    /// Appends the header's bytes.
    ///
    /// # Errors
    /// [`Malformed::TooMany`] above 255 parents.
    pub(super) fn put(&self, out: &mut Vec<u8>) -> Result<(), Malformed> {
        let count = self.parents.len() as u64;
        let max = Self::MAX_PARENTS as u64;
        let too_many = Malformed::TooMany { what: "parents", count, max };
        let parents = u8::try_from(count).map_err(|_| too_many)?;
        out.extend_from_slice(&self.version.to_le_bytes());
        out.push(parents);
        let roots = [self.merkle_root, self.accepted_id_merkle_root, self.utxo_commitment];
        for hash in self.parents.iter().chain(&roots) {
            out.extend_from_slice(hash.as_bytes());
        }
        out.extend_from_slice(&self.timestamp.to_le_bytes());
        out.extend_from_slice(&self.bits.to_le_bytes());
        out.extend_from_slice(&self.nonce.to_le_bytes());
        Ok(())
    }
}

const CHECKED: &str = "the header was checked before it could be seen";

const VERSION: usize = 4;
/// Where the parents begin.
const PARENTS: usize = VERSION + 1;
/// What follows the parents, and where its parts begin.
const FIXED: usize = NONCE + 8;
const TIMESTAMP: usize = 3 * Hash::SIZE;
const BITS: usize = TIMESTAMP + 8;
const NONCE: usize = BITS + 4;
