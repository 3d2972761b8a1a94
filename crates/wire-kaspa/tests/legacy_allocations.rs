//! What reading a view costs in allocations: nothing, or one list of offsets for a block.
#![allow(clippy::unwrap_used)] // the helpers of tests are tests

use std::hint::black_box;

use allocation_counter::measure;
use bytes::Bytes;
use peerage_wire::{Malformed, Message as _};
use peerage_wire_kaspa::legacy::message::{
    Addr, Block, Header, Input, Inventory, Locator, MerkleBlock, OutPoint, Transaction, Tx,
};
use peerage_wire_kaspa::legacy::types::{
    Hash, InventoryItem, PeerAddress, Subnetworks, TimedAddress,
};
use peerage_wire_kaspa::legacy::{Kind, Message};

fn tx() -> Tx {
    let input = Input {
        previous_output: OutPoint { tx_id: Hash::ZERO, index: 0 },
        signature_script: vec![7; 100],
        sequence: u64::MAX,
    };
    Tx::try_from(&Transaction { inputs: vec![input; 5], ..Transaction::default() }).unwrap()
}

fn header() -> Header {
    Header { parents: vec![Hash::ZERO; 255], ..Header::default() }
}

#[test]
fn a_block_allocates_its_offsets_and_nothing_else() {
    let txs = vec![tx(); 100];
    let block = Block::new(&header(), txs.iter().map(Tx::view).collect::<Vec<_>>()).unwrap();
    let payload = block.bytes().clone();
    let read = measure(|| drop(Block::from_bytes(payload.clone()).unwrap()));
    assert_eq!(read.count_total, 1);
    let walked = measure(|| {
        black_box((block.hash(), block.header().parents().len()));
        for tx in block.transactions() {
            black_box((tx.id(), tx.hash(), tx.payload()));
            tx.inputs().for_each(|item| _ = black_box(item));
            tx.outputs().for_each(|item| _ = black_box(item));
        }
    });
    assert_eq!(walked.count_total, 0);
}

#[test]
fn other_views_allocate_nothing() {
    let items = vec![InventoryItem::block(Hash::ZERO); Inventory::MAX];
    let hashes = vec![Hash::ZERO; Locator::MAX];
    let addresses = vec![TimedAddress { timestamp: 1, peer: PeerAddress::UNSPECIFIED }; Addr::MAX];
    let merkle = MerkleBlock::new(&header(), 9, &hashes, &[1; 100]).unwrap();
    for message in [
        Message::Inv(Inventory::new(&items).unwrap()),
        Message::Locator(Locator::new(&hashes).unwrap()),
        Message::Addr(Addr::new(Subnetworks::All, &addresses).unwrap()),
        Message::MerkleBlock(merkle),
        Message::Tx(tx()),
    ] {
        let mut payload = Vec::new();
        message.encode(1, &mut payload);
        let payload = Bytes::from(payload);
        // The first clone of a buffer that was a vector makes its counter.
        let _shared = payload.clone();
        let spent = measure(|| {
            match Message::decode(message.kind(), payload.clone(), 1).unwrap() {
                Message::Inv(view) => view.iter().for_each(|item| _ = black_box(item)),
                Message::Locator(view) => view.iter().for_each(|item| _ = black_box(item)),
                Message::Addr(view) => view.iter().for_each(|item| _ = black_box(item)),
                Message::MerkleBlock(view) => view.hashes().for_each(|item| _ = black_box(item)),
                Message::Tx(view) => _ = black_box((view.id(), view.hash())),
                other => panic!("{other:?}"),
            };
        });
        assert_eq!(spent.count_total, 0, "{message:?}");
    }
}

#[test]
fn a_claim_without_data_allocates_nothing() {
    let whole = Block::new(&header(), []).unwrap();
    let header = &whole.bytes()[..whole.bytes().len() - 1];
    let version = 1_u32.to_le_bytes();
    for claim in [&[0xfd, 0xff, 0xff][..], &[0xfe, 0xff, 0xff, 0xff, 0x00], &[0xff; 9]] {
        for (kind, before) in [
            (Kind::Block, header),
            (Kind::MerkleBlock, header),
            (Kind::Tx, &version[..]),
            (Kind::Inv, &[]),
            (Kind::Locator, &[]),
            (Kind::Addr, &[1]),
            (Kind::FilterLoad, &[]),
            (Kind::Reject, &[2, b't', b'x', 1]),
        ] {
            let payload = Bytes::from([before, claim].concat());
            let _shared = payload.clone();
            let spent = measure(|| {
                let refused = Message::decode(kind, payload.clone(), 1).unwrap_err();
                assert!(matches!(refused, Malformed::Truncated | Malformed::TooMany { .. }));
            });
            assert_eq!(spent.count_total, 0, "{kind}");
        }
    }
}
