//! What reading a view costs in allocations: nothing, or one list of offsets for a block.
#![allow(clippy::unwrap_used)] // the helpers of tests are tests

mod data;

use std::hint::black_box;

use allocation_counter::measure;
use bitcoin::bip158::{FilterHash, FilterHeader};
use bitcoin::consensus;
use bitcoin::hashes::Hash as _;
use bytes::Bytes;
use data::{hex, vector};
use peerage_wire_bitcoin::message::{
    Block, BlockTxn, CFCheckpt, CFHeaders, CFilter, CmpctBlock, GetBlockTxn, Headers, Inventory, Tx,
};
use peerage_wire_bitcoin::types::InventoryItem;

#[test]
fn a_block_allocates_its_offsets_and_nothing_else() {
    let mut blocks = vec![hex(data::GENESIS)];
    blocks.extend(vector("block_702861.raw"));
    for raw in blocks {
        let payload = Bytes::from(raw);
        let read = measure(|| drop(Block::from_bytes(payload.clone()).unwrap()));
        // Cloning a buffer that was a vector makes its counter, once.
        assert!(read.count_total <= 2, "{read:?}");
        let read = measure(|| drop(Block::from_bytes(payload.clone()).unwrap()));
        assert_eq!(read.count_total, 1);

        let block = Block::from_bytes(payload).unwrap();
        let walked = measure(|| {
            black_box((block.header(), block.hash()));
            for tx in block.transactions() {
                black_box((tx.txid(), tx.wtxid()));
                tx.inputs()
                    .flat_map(|input| input.witness.iter())
                    .for_each(|item| _ = black_box(item));
                tx.outputs().for_each(|item| _ = black_box(item));
            }
        });
        assert_eq!(walked.count_total, 0);
    }
}

#[test]
fn other_views_allocate_nothing() {
    let block = Block::from_bytes(hex(data::GENESIS).into()).unwrap();
    let tx = Tx::from_bytes(hex(data::SEGWIT_TX).into()).unwrap();
    let hash = block.hash();
    let items = vec![InventoryItem::block(hash); Inventory::MAX];
    let headers = vec![block.header(); Headers::MAX];
    let hashes = vec![FilterHash::all_zeros(); CFHeaders::MAX];
    let filter_headers = vec![FilterHeader::all_zeros(); CFCheckpt::MAX];

    free(Inventory::new(&items).unwrap().bytes(), Inventory::from_bytes, |view| {
        view.iter().for_each(|item| _ = black_box(item));
    });
    free(Headers::new(&headers).unwrap().bytes(), Headers::from_bytes, |view| {
        view.iter().for_each(|header| assert_eq!(header.nonce, block.header().nonce));
    });
    free(tx.bytes(), Tx::from_bytes, |view| {
        black_box(view.txid());
        view.inputs().for_each(|item| _ = black_box(item));
    });
    free(CmpctBlock::from_block(&block, 7).unwrap().bytes(), CmpctBlock::from_bytes, |view| {
        view.places().for_each(|item| _ = black_box(item));
    });
    let places: Vec<u16> = (0..1_000).collect();
    free(GetBlockTxn::new(hash, &places).unwrap().bytes(), GetBlockTxn::from_bytes, |view| {
        view.places().for_each(|item| _ = black_box(item));
    });
    free(BlockTxn::new(hash, &[tx.view()]).unwrap().bytes(), BlockTxn::from_bytes, |view| {
        view.transactions().for_each(|item| _ = black_box(item));
    });
    free(CFilter::new(0, hash, &[1; 1_000]).unwrap().bytes(), CFilter::from_bytes, |view| {
        black_box(view.filter_hash());
    });
    let chain = CFHeaders::new(0, hash, FilterHeader::all_zeros(), &hashes).unwrap();
    free(chain.bytes(), CFHeaders::from_bytes, |view| {
        view.filter_headers().for_each(|item| _ = black_box(item))
    });
    let checkpoints = CFCheckpt::new(0, hash, &filter_headers).unwrap();
    free(checkpoints.bytes(), CFCheckpt::from_bytes, |view| {
        view.filter_headers().for_each(|item| _ = black_box(item))
    });
}

/// Asserts that reading `payload` and looking at all of it allocates nothing.
fn free<V, E: std::fmt::Debug>(
    payload: &Bytes,
    read: impl Fn(Bytes) -> Result<V, E>,
    look: impl Fn(&V),
) {
    // The first clone of a buffer that was a vector makes its counter.
    let _shared = payload.clone();
    let spent = measure(|| look(&read(payload.clone()).unwrap()));
    assert_eq!(spent.count_total, 0, "{}", std::any::type_name::<V>());
}

#[test]
fn a_claim_without_data_allocates_nothing() {
    let header =
        consensus::serialize(&Block::from_bytes(hex(data::GENESIS).into()).unwrap().header());
    for claim in [&[0xfd, 0xff, 0xff][..], &[0xfe, 0xff, 0xff, 0xff, 0x00], &[0xff; 9]] {
        let block = Bytes::from([&header[..], claim].concat());
        let inventory = Bytes::copy_from_slice(claim);
        let _shared = (block.clone(), inventory.clone());
        let spent = measure(|| {
            assert!(Block::from_bytes(block.clone()).is_err());
            assert!(Inventory::from_bytes(inventory.clone()).is_err());
        });
        assert_eq!(spent.count_total, 0);
    }
}
