//! The limits of the views and the error for each way to break them.
#![allow(clippy::unwrap_used)] // the helpers of tests are tests

mod data;

use bitcoin::bip158::{FilterHash, FilterHeader};
use bitcoin::hashes::Hash as _;
use bitcoin::{BlockHash, consensus};
use bytes::Bytes;
use data::hex;
use peerage_wire::{MAX_PAYLOAD, Malformed, compact};
use peerage_wire_bitcoin::message::{
    Block, BlockTxn, CFCheckpt, CFHeaders, CFilter, CmpctBlock, GetBlockTxn, Headers, Inventory,
    MerkleBlock, Tx,
};
use peerage_wire_bitcoin::types::{InventoryItem, InventoryType};

fn genesis() -> Block {
    Block::from_bytes(hex(data::GENESIS).into()).unwrap()
}

fn too_many<T>(what: &'static str, count: u64, max: u64) -> Result<T, Malformed> {
    Err(Malformed::TooMany { what, count, max })
}

#[test]
fn an_inventory_holds_50_000_entries() {
    let items: Vec<_> = (0..50_001_u32)
        .map(|i| InventoryItem { kind: InventoryType(i), hash: [i.to_le_bytes()[0]; 32] })
        .collect();
    let view = Inventory::new(&items[..50_000]).unwrap();
    assert_eq!(view.bytes().len(), 3 + 50_000 * 36);
    let view = Inventory::from_bytes(view.bytes().clone()).unwrap();
    assert_eq!(view.len(), 50_000);
    assert!(view.iter().eq(items[..50_000].iter().copied()));
    assert_eq!(view.iter().next_back(), Some(items[49_999]));
    assert_eq!(view.get(77), Some(items[77]));
    assert_eq!(view.get(50_000), None);
    assert_eq!(Inventory::new(&items), too_many("inventory entries", 50_001, 50_000));
    let mut bytes = Vec::new();
    compact::put(&mut bytes, 50_001);
    items.iter().for_each(|item| bytes.extend_from_slice(&item.to_bytes()));
    let read = Inventory::from_bytes(bytes.into());
    assert_eq!(read, too_many("inventory entries", 50_001, 50_000));
    assert!(Inventory::new(&[]).unwrap().is_empty());
}

#[test]
fn counts_in_a_longer_form_are_refused() {
    let one = [&[0xfd, 1, 0][..], &[0; 36]].concat();
    assert_eq!(Inventory::from_bytes(one.into()), Err(Malformed::NonCanonicalSize));
    let none = [0xfe, 0, 0, 0, 0];
    assert_eq!(Headers::from_bytes(none.to_vec().into()), Err(Malformed::NonCanonicalSize));
    let block = [&genesis().bytes()[..80], &none].concat();
    assert_eq!(Block::from_bytes(block.into()), Err(Malformed::NonCanonicalSize));
}

#[test]
fn headers_are_2000_without_transactions() {
    let header = genesis().header();
    let view = Headers::new(&[header; 2_000]).unwrap();
    assert_eq!(view.bytes().len(), 3 + 2_000 * 81);
    assert_eq!(view.get(1_999), Some(header));
    assert_eq!(view.get(2_000), None);
    assert!(view.hashes().all(|hash| hash == header.block_hash()));
    assert_eq!(Headers::new(&vec![header; 2_001]), too_many("headers", 2_001, 2_000));
    let mut bytes = Headers::new(&[header; 2]).unwrap().bytes().to_vec();
    bytes[81] = 1;
    let what = "transaction count of a header";
    assert_eq!(Headers::from_bytes(bytes.into()), Err(Malformed::Invalid { what }));
}

#[test]
fn witness_flags_must_be_one_and_be_needed() {
    let tx = hex(data::SEGWIT_TX);
    let mut unknown = tx.clone();
    unknown[5] = 2;
    let what = "witness flag";
    assert_eq!(Tx::from_bytes(unknown.into()), Err(Malformed::Invalid { what }));
    let plain = Tx::from_bytes(tx.into()).unwrap().without_witness();
    assert!(!plain.has_witness());
    let (version, rest) = plain.bytes().split_at(4);
    let (body, lock_time) = rest.split_at(rest.len() - 4);
    let superfluous = [version, &[0, 1], body, &[0], lock_time].concat();
    let what = "witness flag without a witness";
    assert_eq!(Tx::from_bytes(superfluous.into()), Err(Malformed::Invalid { what }));
}

#[test]
fn counts_in_a_transaction_cannot_exceed_its_bytes() {
    for count in [&[0xfd, 0xff, 0xff][..], &[0xfe, 0xff, 0xff, 0xff, 0xff], &[0xff; 9]] {
        let inputs = [&[1, 0, 0, 0][..], count, &[0; 100]].concat();
        let outputs = [&[1, 0, 0, 0, 1][..], &[0; 41], count, &[0; 100]].concat();
        let items = [&[1, 0, 0, 0, 0, 1, 1][..], &[0; 41], &[0], count, &[0; 100]].concat();
        let script = [&[1, 0, 0, 0, 1][..], &[0; 36], count, &[0; 100]].concat();
        for payload in [inputs, outputs, items, script] {
            assert!(matches!(
                Tx::from_bytes(payload.into()),
                Err(Malformed::Truncated | Malformed::TooMany { .. })
            ));
        }
    }
}

#[test]
fn nothing_is_larger_than_a_message() {
    let too_large = Bytes::from(vec![0; MAX_PAYLOAD + 1]);
    let count = MAX_PAYLOAD as u64 + 1;
    assert_eq!(Tx::from_bytes(too_large.clone()), too_many("bytes", count, count - 1));
    assert_eq!(Block::from_bytes(too_large.clone()), too_many("bytes", count, count - 1));
    assert_eq!(MerkleBlock::from_bytes(too_large.clone()), too_many("bytes", count, count - 1));
    assert_eq!(CmpctBlock::from_bytes(too_large.clone()), too_many("bytes", count, count - 1));
    assert_eq!(BlockTxn::from_bytes(too_large), too_many("bytes", count, count - 1));
    let mut tx = genesis().decode().txdata.remove(0);
    tx.output[0].script_pubkey = vec![0; MAX_PAYLOAD].into();
    assert!(matches!(Tx::try_from(&tx), Err(Malformed::TooMany { what: "bytes", .. })));
}

#[test]
fn a_block_commits_to_its_transactions() {
    let block = genesis();
    let mut changed = block.decode();
    changed.txdata[0].lock_time = bitcoin::absolute::LockTime::from_consensus(1);
    assert!(!Block::try_from(&changed).unwrap().check_merkle_root());
    changed.txdata.clear();
    let empty = Block::try_from(&changed).unwrap();
    assert_eq!((empty.tx_count(), empty.transactions().len()), (0, 0));
    assert!(!empty.check_merkle_root());
    assert!(empty.check_witness_commitment());
}

#[test]
fn compact_blocks_have_no_place_behind_their_end() {
    let block = genesis();
    let what = "place of a transaction in its block";
    let coinbase = block.transaction(0).unwrap().bytes();
    let compact = |short_ids: &[u8], prefilled: &[&[u8]]| {
        let mut bytes = block.bytes()[..80].to_vec();
        bytes.extend_from_slice(&[0; 8]);
        compact::put(&mut bytes, short_ids.len() as u64 / 6);
        bytes.extend_from_slice(short_ids);
        compact::put(&mut bytes, prefilled.len() as u64);
        for gap in prefilled {
            bytes.extend_from_slice(gap);
            bytes.extend_from_slice(coinbase);
        }
        CmpctBlock::from_bytes(bytes.into())
    };
    let last = compact(&[1; 6], &[&[1]]).unwrap();
    assert_eq!(last.prefilled().map(|(place, _)| place).collect::<Vec<_>>(), [1]);
    assert_eq!(last.tx_count(), 2);
    assert_eq!(compact(&[1; 6], &[&[2]]), Err(Malformed::Invalid { what }));
    assert_eq!(compact(&[], &[&[0], &[1]]), Err(Malformed::Invalid { what }));
    let wraps = [&[0][..], &[0xff; 9]];
    assert_eq!(compact(&[], &wraps), Err(Malformed::Invalid { what }));
    let widest = [&[0xfd, 0xff, 0xff][..], &[0]];
    assert_eq!(compact(&[], &widest), Err(Malformed::Invalid { what }));
    let full = vec![0; 65_534 * 6];
    assert_eq!(compact(&full, &[&[0]]).unwrap().tx_count(), 65_535);
    assert_eq!(compact(&full, &[&[0], &[0]]), too_many("prefilled transactions", 2, 1));
    assert_eq!(compact(&vec![0; 65_536 * 6], &[]), too_many("short ids", 65_536, 65_535));
}

#[test]
fn places_asked_for_grow_and_fit_into_16_bits() {
    let hash = genesis().hash();
    let places = [0, 1, 5, 252, 506, 65_535];
    let request = GetBlockTxn::new(hash, &places).unwrap();
    let request = GetBlockTxn::from_bytes(request.bytes().clone()).unwrap();
    assert_eq!(request.block_hash(), hash);
    assert!(request.places().eq(places));
    assert_eq!(request.decode().indexes, places.map(u64::from));
    let what = "places in a block";
    for places in [[1, 1], [2, 1]] {
        assert_eq!(GetBlockTxn::new(hash, &places), Err(Malformed::Invalid { what }));
    }
    let what = "place of a transaction in its block";
    for gaps in [
        &[1, 0xfe, 0, 0, 1, 0][..],
        &[2, 0xfd, 0xff, 0xff, 0],
        &[2, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ] {
        let bytes = [&hash.to_byte_array()[..], gaps].concat();
        assert_eq!(GetBlockTxn::from_bytes(bytes.into()), Err(Malformed::Invalid { what }));
    }
    let all: Vec<u16> = (0..=u16::MAX).collect();
    let request = GetBlockTxn::new(hash, &all).unwrap();
    assert_eq!(GetBlockTxn::from_bytes(request.bytes().clone()).unwrap().len(), 1 << 16);
    assert_eq!(request.decode().indexes.len(), 1 << 16);
}

#[test]
fn an_answer_has_what_was_asked_for() {
    let block = genesis();
    let first = GetBlockTxn::new(block.hash(), &[0]).unwrap();
    let answer = BlockTxn::answer(&first, &block).unwrap();
    assert_eq!(BlockTxn::from_bytes(answer.bytes().clone()).as_ref(), Ok(&answer));
    assert_eq!(answer.block_hash(), block.hash());
    assert!(answer.transactions().eq(block.transactions()));
    assert_eq!(answer.transactions().next().unwrap().to_tx().decode(), block.decode().txdata[0]);
    let second = GetBlockTxn::new(block.hash(), &[0, 1]).unwrap();
    assert_eq!(BlockTxn::answer(&second, &block), None);
}

#[test]
fn merkle_blocks_have_at_most_50_000_flag_bytes() {
    let tree = bitcoin::MerkleBlock::from_block_with_predicate(&genesis().decode(), |_| true);
    let view = MerkleBlock::try_from(&tree).unwrap();
    assert_eq!(view.flags(), [1]);
    assert_eq!(view.total_transactions(), 1);
    assert_eq!(view.hash(), genesis().hash());
    let txid = genesis().transaction(0).unwrap().txid();
    assert_eq!(view.matches(), Ok(vec![(0, txid)]));
    let with_flags = |count: usize| {
        let mut bytes = view.bytes()[..view.bytes().len() - 2].to_vec();
        compact::put_bytes(&mut bytes, &vec![1; count]);
        MerkleBlock::from_bytes(bytes.into())
    };
    assert!(with_flags(50_000).unwrap().matches().is_err());
    assert_eq!(with_flags(50_001), too_many("flag bytes", 50_001, 50_000));
}

#[test]
fn filter_messages_have_their_limits() {
    let hash = BlockHash::all_zeros();
    let largest = CFilter::new(0, hash, &[7; 256 << 10]).unwrap();
    assert_eq!(largest.bytes().len(), 262_182);
    assert_eq!(CFilter::from_bytes(largest.bytes().clone()).as_ref(), Ok(&largest));
    let count = (256 << 10) + 1;
    let over = CFilter::new(0, hash, &vec![7; (256 << 10) + 1]);
    assert_eq!(over, too_many("bytes of a filter", count, count - 1));

    let previous = FilterHeader::from_byte_array([1; 32]);
    let hashes = vec![FilterHash::all_zeros(); 2_001];
    let most = CFHeaders::new(0, hash, previous, &hashes[..2_000]).unwrap();
    assert_eq!(most.bytes().len(), 65 + 3 + 2_000 * 32);
    assert_eq!(most.previous_filter_header(), previous);
    let over = CFHeaders::new(0, hash, previous, &hashes);
    assert_eq!(over, too_many("filter hashes", 2_001, 2_000));

    let headers = vec![previous; 100_001];
    let most = CFCheckpt::new(0, hash, &headers[..100_000]).unwrap();
    assert_eq!(most.bytes().len(), 3_200_038);
    assert!(most.filter_headers().eq(headers[..100_000].iter().copied()));
    let over = CFCheckpt::new(0, hash, &headers);
    assert_eq!(over, too_many("filter headers", 100_001, 100_000));
}

#[test]
fn a_detached_view_is_equal_and_lies_elsewhere() {
    let large = Bytes::from(vec![0; 1 << 20]);
    let empty = Inventory::from_bytes(large.slice(..1)).unwrap();
    let detached = empty.detach();
    assert_eq!(empty, detached);
    assert_ne!(empty.bytes().as_ptr(), detached.bytes().as_ptr());
    drop((empty, detached));
    assert!(large.is_unique());

    let block = genesis();
    assert_eq!(block.detach(), block);
    assert_ne!(block.detach().bytes().as_ptr(), block.bytes().as_ptr());
    let tx = Tx::from_bytes(hex(data::SEGWIT_TX).into()).unwrap();
    assert_eq!(tx.detach(), tx);
    assert_eq!(tx.without_witness().without_witness(), tx.without_witness());
    assert_eq!(block.without_witness().bytes().as_ptr(), block.bytes().as_ptr());
}

#[test]
fn debug_output_is_short() {
    let block = genesis();
    let compact = CmpctBlock::from_block(&block, 1).unwrap();
    let request = GetBlockTxn::new(block.hash(), &[0]).unwrap();
    let answer = BlockTxn::answer(&request, &block).unwrap();
    let previous = FilterHeader::all_zeros();
    for text in [
        format!("{block:?}"),
        format!("{:?}", block.transaction(0).unwrap().to_tx()),
        format!("{:?}", Inventory::new(&[InventoryItem::block(block.hash()); 9_000]).unwrap()),
        format!("{:?}", Headers::new(&[block.header(); 2_000]).unwrap()),
        format!("{compact:?}"),
        format!("{request:?}"),
        format!("{answer:?}"),
        format!("{:?}", CFilter::new(0, block.hash(), &[0; 9_000]).unwrap()),
        format!("{:?}", CFHeaders::new(0, block.hash(), previous, &[]).unwrap()),
        format!("{:?}", CFCheckpt::new(0, block.hash(), &[previous; 9]).unwrap()),
    ] {
        assert!(text.len() < 200, "{text}");
    }
    assert!(consensus::serialize(&block.decode()) == block.bytes()[..]);
}
