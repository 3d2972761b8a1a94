//! The messages of the floods, the same as those that btcd's program sends.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash as _;
use bitcoin::{BlockHash, CompactTarget, TxMerkleNode};
use bytes::Bytes;
use peerage::bitcoin::Message;
use peerage::bitcoin::message::{Addr, Block, Headers, Inventory, Tx};
use peerage::bitcoin::types::{
    InventoryItem, InventoryType, NetworkAddress, PeerAddress, Services, TimedAddress,
};
use peerage_wire::Message as _;

/// The messages that are flooded, by name.
pub(crate) const FLOODED: [&str; 5] = ["inv", "tx", "block", "headers", "addr"];

/// One of them.
pub(crate) fn flooded(name: &str) -> Message {
    match name {
        "inv" => Message::Inv(inventory(1)),
        "tx" => Message::Tx(Tx::from_bytes(tx().into()).expect("it is a transaction")),
        "block" => Message::Block(Block::from_bytes(block().clone()).expect("it is a block")),
        "headers" => Message::Headers(headers(2_000)),
        "addr" => Message::Addr(Addr::new(&addresses(1_000)).expect("a thousand, all legacy")),
        other => unreachable!("{other} is no flooded message"),
    }
}

/// A message's payload, as a peer of today reads it.
pub(crate) fn payload(message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    message.encode(70_016, &mut out);
    out
}

/// So many different entries.
pub(crate) fn inventory(count: u32) -> Inventory {
    Inventory::new(&items(count)).expect("at most 50,000")
}

/// So many different entries.
pub(crate) fn items(count: u32) -> Vec<InventoryItem> {
    let item = |number: u32| {
        let hash = bitcoin::hashes::sha256::Hash::hash(&number.to_le_bytes()).to_byte_array();
        InventoryItem { kind: InventoryType::WITNESS_TX, hash }
    };
    (0..count).map(item).collect()
}

/// A legacy transaction of exactly 250 bytes: one input, two outputs.
pub(crate) fn tx() -> Vec<u8> {
    let mut tx = vec![2, 0, 0, 0, 1];
    tx.extend([7; 32]);
    tx.extend([1, 0, 0, 0]);
    let script = 250 - (4 + 1 + 36 + 1 + 4 + 1 + 2 * (8 + 1 + 25) + 4);
    tx.push(u8::try_from(script).expect("131 bytes"));
    tx.resize(tx.len() + script, 9);
    tx.extend([0xff; 4]);
    tx.push(2);
    for _ in 0..2 {
        tx.extend(12_345u64.to_le_bytes());
        tx.push(25);
        tx.extend([0x51; 25]);
    }
    tx.extend([0; 4]);
    assert_eq!(tx.len(), 250);
    tx
}

/// The block 702,861 of mainnet: 1,381,836 bytes, 2,500 transactions with witnesses.
pub(crate) fn block() -> &'static Bytes {
    static BLOCK: std::sync::OnceLock<Bytes> = std::sync::OnceLock::new();
    BLOCK.get_or_init(|| vector("block_702861.raw"))
}

/// A file of real data from the project's shared folder.
pub(crate) fn vector(name: &str) -> Bytes {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors/bitcoin");
    let folder = std::env::var_os("PEERAGE_VECTORS").map_or(here, Into::into);
    let path = folder.join(name);
    let read = std::fs::read(&path);
    read.unwrap_or_else(|error| panic!("{}: {error} (see PEERAGE_VECTORS)", path.display())).into()
}

/// So many headers, each on top of the one before.
pub(crate) fn headers(count: u32) -> Headers {
    let mut prev_blockhash = BlockHash::all_zeros();
    let header = |nonce| {
        let header = Header {
            version: Version::TWO,
            prev_blockhash,
            merkle_root: TxMerkleNode::all_zeros(),
            time: 1_700_000_000,
            bits: CompactTarget::from_consensus(0x207f_ffff),
            nonce,
        };
        prev_blockhash = header.block_hash();
        header
    };
    Headers::new(&(0..count).map(header).collect::<Vec<_>>()).expect("at most 2,000")
}

/// So many different addresses.
pub(crate) fn addresses(count: u16) -> Vec<TimedAddress> {
    let entry = |number: u16| {
        let [high, low] = number.to_be_bytes();
        let ip = IpAddr::V4(Ipv4Addr::new(10, 0, high, low));
        let peer = PeerAddress::new(Services::NETWORK, NetworkAddress::from(ip), 8333);
        TimedAddress { time: 1_700_000_000, peer }
    };
    (0..count).map(entry).collect()
}
