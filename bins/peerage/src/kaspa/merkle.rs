//! What a header says of its block's transactions: the root of their Merkle tree.
//!
//! The leaves are the transactions' hashes, signatures included. Each inner node is the keyed
//! BLAKE2b-256 of the two below it; where there is no second one, zeros stand for it
//! (`kaspa-merkle`).

use peerage::kaspa::Malformed;
use peerage::kaspa::message::{Block, Transaction};
use peerage::kaspa::types::Hash;

/// Whether the transactions are those of the header.
pub(super) fn fits(block: &Block) -> bool {
    let promised = block.header.as_ref().and_then(|header| header.hash_merkle_root);
    promised.is_some() && root(&block.transactions).ok() == promised
}

/// The root that a block with these transactions must have.
///
/// # Errors
/// If one of them has no hash.
pub(super) fn root(transactions: &[Transaction]) -> Result<Hash, Malformed> {
    let leaves = transactions.iter().map(Transaction::hash).collect::<Result<Vec<_>, _>>()?;
    Ok(root_of(leaves))
}

fn root_of(mut level: Vec<Hash>) -> Hash {
    while level.len() > 1 {
        let pairs = level.chunks(2);
        level =
            pairs.map(|pair| branch(pair[0], pair.get(1).copied().unwrap_or(Hash::ZERO))).collect();
    }
    level.pop().unwrap_or(Hash::ZERO)
}

fn branch(left: Hash, right: Hash) -> Hash {
    let mut hasher =
        blake2b_simd::Params::new().hash_length(32).key(b"MerkleBranchHash").to_state();
    let hash = hasher.update(left.as_bytes()).update(right.as_bytes()).finalize();
    Hash::from_bytes(hash.as_bytes().try_into().expect("its length is set to 32"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected roots were computed by a few lines of Python with the array of `kaspa-merkle`.
    #[test]
    fn roots_are_those_of_kaspad() {
        for (count, expected) in [
            (0_u8, "0000000000000000000000000000000000000000000000000000000000000000"),
            (1, "0101010101010101010101010101010101010101010101010101010101010101"),
            (2, "c46dab3a891a57d2c71c84187595b756134df28011990a526c1c0416b7231c2e"),
            (3, "36457e2a09aafae4a142eb100f90b96112f75f8187fd0ee00df0b33df7754cb0"),
            (5, "acc953ecc2ab32536cd94e6c1e97fb2019a30c42e60d4d453f2ce756096e8ec7"),
            (8, "9e8503814089cee76820a3929d49e080c4af460f48f23cbf1704bc49306d639a"),
            (9, "c230ae6849bf8c922bc22aa3b91480c27eedb2d7f00584844bfd5668b75500bc"),
        ] {
            let leaves = (1..=count).map(|byte| Hash::from_bytes([byte; 32])).collect();
            assert_eq!(root_of(leaves).to_string(), expected, "{count}");
        }
    }
}
