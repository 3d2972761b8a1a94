//! Shared test data, read where it lies: beside the project and not inside it.
#![allow(dead_code)] // each test binary uses its own part of this module

use std::fs;
use std::io::Read as _;
use std::path::Path;

use bitcoin::hex::FromHex as _;

/// The file of this name in the shared vectors for Bitcoin, decompressed if it ends with `.bz2`.
///
/// A lone clone has no shared folder: the caller then passes without a test. Where `CI` is true
/// that would go unnoticed, so it fails.
pub(crate) fn vector(name: &str) -> Option<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors/bitcoin");
    let path = Path::new(folder).join(name);
    let Ok(bytes) = fs::read(&path) else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{} is missing", path.display());
        eprintln!("skipped: {} is missing", path.display());
        return None;
    };
    if !name.ends_with(".bz2") {
        return Some(bytes);
    }
    let mut plain = Vec::new();
    bzip2::read::BzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap();
    Some(plain)
}

/// The bytes of these hexadecimal digits.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    Vec::from_hex(digits).unwrap()
}

/// The payload of the first mainnet frame in a capture of one packet or more.
pub(crate) fn captured_payload(capture: &[u8], command: &str) -> Vec<u8> {
    let magic = [0xf9, 0xbe, 0xb4, 0xd9];
    let start = capture.windows(4).position(|bytes| bytes == magic).unwrap();
    let frame = &capture[start..];
    assert_eq!(&frame[4..4 + command.len()], command.as_bytes());
    let len = u32::from_le_bytes(*frame[16..].first_chunk().unwrap()) as usize;
    frame[24..24 + len].to_vec()
}

/// Mainnet's first block.
pub(crate) const GENESIS: &str = concat!(
    "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac7",
    "2c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c010100000001000000000000",
    "0000000000000000000000000000000000000000000000000000ffffffff4d04ffff001d0104455468652054696d",
    "65732030332f4a616e2f32303039204368616e63656c6c6f72206f6e206272696e6b206f66207365636f6e642062",
    "61696c6f757420666f722062616e6b73ffffffff0100f2052a01000000434104678afdb0fe5548271967f1a67130",
    "b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b",
    "6bf11d5fac00000000",
);

/// A transaction of September 2017 that spends a P2SH-P2WPKH output.
pub(crate) const SEGWIT_TX: &str = concat!(
    "02000000000101c140ffc55c04b9ffc7f9799eaf9114a8213c6368052fdfba5254cd42acd5b82701000000171600",
    "14a14b1481ea6476650ee6caff3432b9298836a6a7ffffffff020c164b00000000001976a914e59098f17b2ed553",
    "4a3965c5e73ae8614c511bb888accdd31b020000000017a91496cc9d4d468851f515edc11cd7b69ae46f05d24387",
    "02473044",
    "0220643f9527d1d226bb25321e85fa4c2e13afcc2ccfb14bc069642ec51efd5c7b430220752a1d43350d5014559e",
    "b8d57fb5d48f1e759d120fc5e0dd6f26769b1d7951c7012103bf91e659ba26545fe7b04b48ca3b77c624993caed1",
    "0e6fdb177fba33b25230d200000000",
);

/// The `merkleblock` of mainnet's block 300025 for one filter: three transactions of 461 match.
pub(crate) const MERKLE_BLOCK: &str = concat!(
    "02000000d1831d4411bdfda89d9d8c842b541beafd1437fc560dbe5c000000000000000028bec1d35af480ba3884",
    "553d72694f6ba6c163a5c081d7e6edaec15f373f19af62ef6d536c890019d0b4bf46cd0100000a7d22e53bce1bbb",
    "3294d1a396c5acc45bdcc8f192cb492f0d9f55421fd4c62de19d6d585fdaf3737b9a54aaee1dd003f498328d699b",
    "7dfb42dd2b44b6ebde23338b61da3053d6f382f2145bdd856bc5dcf052c3a11c1784d3d51b2cbe0f6d0923d7bbaa",
    "e4716cb0d329d755b707cee588cddc68601f99bc05fef1fabeb8dfe4a07393f84cd04ca8931975c66282ebf1847c",
    "78d8de6c2578d4f9bae23bc6f30857ec8c51de3170301430ec56f6703533d9ea5b05c6fa7068954bcb90eed8c2ee",
    "5cc7c152869db09a5ae2291fa03142912d9d7aba75be7d491a8ac4230ee9a920cb5adbf04583354515a225f2c418",
    "de7c5cdac4cef211820c79717cd2c50412153f1f5e46b9da3a8b1241f4a1501741d3453bafddf6135b600b926e3f",
    "4056c6d56433825657ba32afe269819f01993bd77baba86379043168c94845d32370e5356203f57a00",
);

/// An `inv` of two transactions.
pub(crate) const INV: &str = concat!(
    "0201000000bda60db4230beca49d75f5f3894c8546b19b25b6ae5f6e10e1c017195a1c999801000000d9599fa741",
    "a0100bb7b7788331055351deb89d87a975c794af55483f6f6668f4",
);
