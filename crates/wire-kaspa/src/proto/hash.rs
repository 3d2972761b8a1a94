//! Hashes of headers and transactions.
//!
//! They are over the fields in an order and encoding of their own, which has nothing to do with
//! protobuf: numbers little-endian, lists and byte strings after their length in 8 bytes. Headers, and
//! transactions of version 0, are hashed with keyed BLAKE2b-256; the id of a transaction from version
//! 1 on is made of keyed BLAKE3 hashes.

use peerage_wire::Malformed;

use super::fields::invalid;
use super::message::{
    BlockHeader, BlockLevelParents, Transaction, TransactionInput, TransactionOutput,
};
use super::types::Hash;

impl BlockHeader {
    /// The hash that names the block.
    ///
    /// The parents of every level are hashed, though runs of levels with the same ones are sent once:
    /// a header of a megabyte may stand for 16 MiB of them, and no more.
    ///
    /// # Errors
    /// If a part is missing, a number is longer than its field in the hash, or the runs of parents are
    /// not ascending or more than kaspad takes. It is then no header that any node would take.
    pub fn hash(&self) -> Result<Hash, Malformed> {
        let mut hasher = Blake2b::new(b"BlockHash");
        hasher.put(&bits16(self.version, "version of a header")?.to_le_bytes());
        put_parents(&mut hasher, &self.parents)?;
        for root in [self.hash_merkle_root, self.accepted_id_merkle_root, self.utxo_commitment] {
            hasher.put(required(root, "header: a root is missing")?.as_bytes());
        }
        let timestamp = u64::try_from(self.timestamp).map_err(|_| invalid("timestamp"))?;
        hasher.put(&timestamp.to_le_bytes());
        hasher.put(&self.bits.to_le_bytes());
        for number in [self.nonce, self.daa_score, self.blue_score] {
            hasher.put(&number.to_le_bytes());
        }
        hasher.put_bytes(blue_work(&self.blue_work)?);
        hasher.put(required(self.pruning_point, "header: no pruning point")?.as_bytes());
        Ok(hasher.finish())
    }
}

impl Transaction {
    /// The id, by which it is announced and spent: without what its inputs prove.
    ///
    /// # Errors
    /// If a part is missing or a number is longer than its field in the hash.
    pub fn id(&self) -> Result<Hash, Malformed> {
        if self.version == 0 {
            let mut hasher = Blake2b::new(b"TransactionID");
            self.put(&mut hasher, What { proofs: false, payload: true })?;
            return Ok(hasher.finish());
        }
        let mut payload = Blake3::new(b"PayloadDigest");
        payload.put(&self.payload);
        let mut rest = Blake3::new(b"TransactionRest");
        self.put(&mut rest, What { proofs: false, payload: false })?;
        let mut id = Blake3::new(b"TransactionV1Id");
        id.put(payload.finish().as_bytes());
        id.put(rest.finish().as_bytes());
        Ok(id.finish())
    }

    /// The hash of all of it, which is in its block's Merkle tree.
    ///
    /// # Errors
    /// If a part is missing or a number is longer than its field in the hash.
    pub fn hash(&self) -> Result<Hash, Malformed> {
        let mut hasher = Blake2b::new(b"TransactionHash");
        self.put(&mut hasher, What { proofs: true, payload: true })?;
        Ok(hasher.finish())
    }

    fn put(&self, hasher: &mut impl Hasher, what: What) -> Result<(), Malformed> {
        let version = bits16(self.version, "version of a transaction")?;
        hasher.put(&version.to_le_bytes());
        hasher.put_len(self.inputs.len());
        for input in &self.inputs {
            input.put(hasher, version, what.proofs)?;
        }
        hasher.put_len(self.outputs.len());
        for output in &self.outputs {
            output.put(hasher, version)?;
        }
        hasher.put(&self.lock_time.to_le_bytes());
        let subnetwork = required(self.subnetwork_id, "transaction: no subnetwork")?;
        hasher.put(subnetwork.as_bytes());
        hasher.put(&self.gas.to_le_bytes());
        hasher.put_bytes(if what.payload { &self.payload } else { &[] });
        // Version 0 is older than the mass, so there a mass of zero leaves the hash as it was.
        if what.proofs && (version > 0 || self.storage_mass > 0) {
            hasher.put(&self.storage_mass.to_le_bytes());
        }
        Ok(())
    }
}

/// What of a transaction is hashed.
#[derive(Clone, Copy)]
struct What {
    /// What proves that it may spend, and what it may cost.
    proofs: bool,
    payload: bool,
}

impl TransactionInput {
    fn put(&self, hasher: &mut impl Hasher, version: u16, proofs: bool) -> Result<(), Malformed> {
        let outpoint = self.previous_outpoint.as_ref();
        let outpoint = required(outpoint, "input: no outpoint")?;
        hasher.put(required(outpoint.transaction_id, "outpoint: no transaction")?.as_bytes());
        hasher.put(&outpoint.index.to_le_bytes());
        let budget = bits16(self.compute_commit, "compute budget")?;
        if !proofs {
            hasher.put_bytes(&[]);
        } else {
            hasher.put_bytes(&self.signature_script);
            if version == 0 {
                let count = u8::try_from(budget).map_err(|_| invalid("number of signatures"))?;
                hasher.put(&[count]);
            }
        }
        hasher.put(&self.sequence.to_le_bytes());
        if proofs && version > 0 {
            hasher.put(&budget.to_le_bytes());
        }
        Ok(())
    }
}

impl TransactionOutput {
    fn put(&self, hasher: &mut impl Hasher, version: u16) -> Result<(), Malformed> {
        let script = required(self.script_public_key.as_ref(), "output: no script")?;
        hasher.put(&self.value.to_le_bytes());
        hasher.put(&bits16(script.version, "version of a script")?.to_le_bytes());
        hasher.put_bytes(&script.script);
        if version == 0 {
            return Ok(());
        }
        hasher.put(&[u8::from(self.covenant.is_some())]);
        if let Some(covenant) = &self.covenant {
            hasher.put(&bits16(covenant.authorizing_input, "covenant's input")?.to_le_bytes());
            hasher.put(required(covenant.covenant_id, "covenant: no id")?.as_bytes());
        }
        Ok(())
    }
}

/// Level by level, each as a list.
fn put_parents(hasher: &mut Blake2b, runs: &[BlockLevelParents]) -> Result<(), Malformed> {
    let level = |run: &BlockLevelParents| u8::try_from(run.cumulative_level).ok();
    let (mut before, mut hashes) = (0, 0);
    for run in runs {
        let end = level(run).filter(|end| *end > before).ok_or(invalid("level of parents"))?;
        hashes += usize::from(end - before) * run.parent_hashes.len();
        before = end;
    }
    if hashes > MAX_PARENTS {
        let (count, max) = (hashes as u64, MAX_PARENTS as u64);
        return Err(Malformed::TooMany { what: "parents over all levels", count, max });
    }
    hasher.put_len(before.into());
    before = 0;
    for run in runs {
        let end = level(run).unwrap_or(before);
        for _ in before..end {
            hasher.put_len(run.parent_hashes.len());
            run.parent_hashes.iter().for_each(|parent| hasher.put(parent.as_bytes()));
        }
        before = end;
    }
    Ok(())
}

/// The work without leading zeros.
fn blue_work(work: &[u8]) -> Result<&[u8], Malformed> {
    if work.len() > MAX_BLUE_WORK {
        return Err(invalid("blue work"));
    }
    let zeros = work.iter().take_while(|byte| **byte == 0).count();
    Ok(&work[zeros..])
}

fn bits16(number: u32, what: &'static str) -> Result<u16, Malformed> {
    u16::try_from(number).map_err(|_| Malformed::Invalid { what })
}

fn required<T>(part: Option<T>, what: &'static str) -> Result<T, Malformed> {
    part.ok_or(Malformed::Invalid { what })
}

/// What kaspad takes: 2,048 for each of 255 levels.
const MAX_PARENTS: usize = 255 * 2_048;

/// The work is a number of 192 bits.
const MAX_BLUE_WORK: usize = 24;

trait Hasher {
    fn put(&mut self, bytes: &[u8]);

    fn put_len(&mut self, len: usize) {
        self.put(&(len as u64).to_le_bytes());
    }

    fn put_bytes(&mut self, bytes: &[u8]) {
        self.put_len(bytes.len());
        self.put(bytes);
    }
}

/// BLAKE2b-256 with the purpose as its key.
struct Blake2b(blake2b_simd::State);

impl Blake2b {
    fn new(purpose: &[u8]) -> Self {
        Self(blake2b_simd::Params::new().hash_length(32).key(purpose).to_state())
    }

    fn finish(self) -> Hash {
        let hash = self.0.finalize();
        Hash::from_bytes(hash.as_bytes().try_into().expect("its length is set to 32"))
    }
}

impl Hasher for Blake2b {
    fn put(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}

/// BLAKE3 with the purpose as its key, filled up with zeros.
struct Blake3(blake3::Hasher);

impl Blake3 {
    fn new(purpose: &[u8]) -> Self {
        let mut key = [0; 32];
        key[..purpose.len()].copy_from_slice(purpose);
        Self(blake3::Hasher::new_keyed(&key))
    }

    fn finish(self) -> Hash {
        Hash::from_bytes(*self.0.finalize().as_bytes())
    }
}

impl Hasher for Blake3 {
    fn put(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}
