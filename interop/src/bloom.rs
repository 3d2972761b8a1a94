//! The bloom filter of BIP37, as a light client makes it.

use anyhow::Result;
use peerage::bitcoin::message::{FilterFlags, FilterLoad};

const BYTES: usize = 64;
const FUNCTIONS: u32 = 8;
const TWEAK: u32 = 0x1b37_0001;

/// A filter that matches these pieces of data and, almost always, nothing else.
pub(crate) fn filter(pieces: &[&[u8]]) -> Result<FilterLoad> {
    let mut bits = [0_u8; BYTES];
    for piece in pieces {
        for function in 0..FUNCTIONS {
            let seed = function.wrapping_mul(0xfba4_c795).wrapping_add(TWEAK);
            let bit = murmur3(seed, piece) as usize % (BYTES * 8);
            bits[bit / 8] |= 1 << (bit % 8);
        }
    }
    Ok(FilterLoad::new(bits.to_vec(), FUNCTIONS, TWEAK, FilterFlags::NONE)?)
}

/// MurmurHash3, 32 bits.
fn murmur3(seed: u32, data: &[u8]) -> u32 {
    let mix = |word: u32| word.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let (words, rest) = data.as_chunks::<4>();
    let mut hash = words.iter().fold(seed, |hash, word| {
        let hash = (hash ^ mix(u32::from_le_bytes(*word))).rotate_left(13);
        hash.wrapping_mul(5).wrapping_add(0xe654_6b64)
    });
    if !rest.is_empty() {
        let mut word = [0; 4];
        word[..rest.len()].copy_from_slice(rest);
        hash ^= mix(u32::from_le_bytes(word));
    }
    hash ^= u32::try_from(data.len()).expect("pieces are short");
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_core() {
        assert_eq!(murmur3(0, &[]), 0);
        assert_eq!(murmur3(0xfba4_c795, &[]), 0x6a39_6f08);
        assert_eq!(murmur3(0xffff_ffff, &[]), 0x81f1_6f39);
        assert_eq!(murmur3(0, &[0]), 0x514e_28b7);
        let nine = [0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88];
        assert_eq!(murmur3(0, &nine[..7]), 0xb074_502c);
        assert_eq!(murmur3(0, &nine[..8]), 0x8034_d2a0);
        assert_eq!(murmur3(0, &nine), 0xb469_8def);
    }
}
