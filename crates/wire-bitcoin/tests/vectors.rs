//! Real blocks, transactions, headers and filters, compared with what they are known to contain.
#![allow(clippy::unwrap_used)] // the helpers of tests are tests

mod data;

use bitcoin::bip158::FilterHeader;
use bitcoin::block::Header;
use bitcoin::hashes::Hash as _;
use bitcoin::{BlockHash, consensus};
use bytes::Bytes;
use data::{captured_payload, hex, vector};
use peerage_wire_bitcoin::message::{
    Block, CFHeaders, CFilter, CmpctBlock, Headers, Inventory, MerkleBlock, Place, Tx,
};
use peerage_wire_bitcoin::types::InventoryType;

#[test]
fn genesis_is_what_everybody_knows() {
    let block = Block::from_bytes(hex(data::GENESIS).into()).unwrap();
    let hash = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f";
    assert_eq!(block.hash().to_string(), hash);
    assert_eq!(block.tx_count(), 1);
    assert!(block.check_merkle_root());
    assert!(block.check_witness_commitment());
    let coinbase = block.transaction(0).unwrap();
    assert!(coinbase.is_coinbase());
    assert_eq!(
        coinbase.txid().to_string(),
        "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b"
    );
    assert_eq!(coinbase.outputs().next().unwrap().value.to_sat(), 50_0000_0000);
}

#[test]
fn a_witness_transaction_has_two_ids() {
    let tx = Tx::from_bytes(hex(data::SEGWIT_TX).into()).unwrap();
    let decoded = tx.decode();
    assert_eq!(tx.txid(), decoded.compute_txid());
    assert_eq!(tx.wtxid(), decoded.compute_wtxid());
    assert_ne!(tx.txid().to_byte_array(), tx.wtxid().to_byte_array());
    assert_eq!(tx.weight(), decoded.weight());
    let witness = tx.inputs().next().unwrap().witness;
    assert_eq!(witness.iter().map(<[u8]>::len).collect::<Vec<_>>(), [71, 33]);
    if let Some(capture) = vector("bip144.pcap") {
        assert_eq!(captured_payload(&capture, "tx"), hex(data::SEGWIT_TX));
    }
}

#[test]
fn large_blocks_are_what_bitcoin_decodes() {
    for (height, has_witness) in [(413_567_u32, false), (426_884, false), (702_861, true)] {
        let Some(raw) = vector(&format!("block_{height}.raw")) else { return };
        let block = Block::from_bytes(raw.into()).unwrap();
        same_block(&block);
        assert_eq!(block.transactions().any(|tx| tx.has_witness()), has_witness);
        // A coinbase begins with a push of its height (BIP34).
        let coinbase = block.transaction(0).unwrap().inputs().next().unwrap();
        let [low, mid, high, _] = height.to_le_bytes();
        assert_eq!(coinbase.script_sig.as_bytes()[..4], [3, low, mid, high]);
    }
}

#[test]
fn the_first_255_blocks_follow_each_other() {
    let Some(raw) = vector("blocks_1-256.bz2") else { return };
    let mut rest = Bytes::from(raw);
    let mut previous: BlockHash =
        "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f".parse().unwrap();
    let mut blocks = 0;
    while !rest.is_empty() {
        let prefix = rest.split_to(8);
        assert_eq!(prefix[..4], [0xf9, 0xbe, 0xb4, 0xd9]);
        let len = u32::from_le_bytes(*prefix.last_chunk().unwrap()) as usize;
        let block = Block::from_bytes(rest.split_to(len)).unwrap();
        assert_eq!(block.header().prev_blockhash, previous);
        same_block(&block);
        previous = block.hash();
        blocks += 1;
    }
    assert_eq!(blocks, 255);
}

/// Compares every accessor with the decoded block.
fn same_block(block: &Block) {
    let decoded = block.decode();
    assert_eq!(Block::try_from(&decoded).as_ref(), Ok(block));
    assert_eq!(block.header(), decoded.header);
    assert_eq!(block.hash(), decoded.block_hash());
    assert_eq!(block.tx_count(), decoded.txdata.len());
    for (view, tx) in block.transactions().zip(&decoded.txdata) {
        assert_eq!(view.txid(), tx.compute_txid());
        assert_eq!(view.wtxid(), tx.compute_wtxid());
        assert_eq!(view.weight(), tx.weight());
        assert_eq!(view.decode(), *tx);
    }
    assert!(block.check_merkle_root());
    assert!(block.check_witness_commitment() && decoded.check_witness_commitment());
    assert_eq!(block.without_witness().decode(), stripped(decoded));
}

fn stripped(mut block: bitcoin::Block) -> bitcoin::Block {
    let inputs = block.txdata.iter_mut().flat_map(|tx| &mut tx.input);
    inputs.for_each(|input| input.witness.clear());
    block
}

#[test]
fn a_changed_witness_breaks_its_commitment_and_nothing_else() {
    let Some(raw) = vector("block_702861.raw") else { return };
    let mut block = Block::from_bytes(raw.into()).unwrap().decode();
    let input = block.txdata.iter_mut().skip(1).flat_map(|tx| &mut tx.input);
    let mut input = input.filter(|input| !input.witness.is_empty());
    input.next().unwrap().witness.push([0]);
    let block = Block::try_from(&block).unwrap();
    assert!(block.check_merkle_root());
    assert!(!block.check_witness_commitment());
    assert!(!block.without_witness().check_witness_commitment(), "committed to, and gone");
}

#[test]
fn a_compact_block_names_its_block() {
    let Some(block) = vector("block_426884.raw") else { return };
    let block = Block::from_bytes(block.into()).unwrap();
    let Some(raw) = vector("cmpctblock_426884.raw") else { return };
    let compact = CmpctBlock::from_bytes(raw.into()).unwrap();
    assert_eq!(compact.hash(), block.hash());
    assert_eq!(compact.tx_count(), block.tx_count());
    assert_eq!(consensus::serialize(&compact.decode()), compact.bytes()[..]);
    named(&compact, &block);

    let ours = CmpctBlock::from_block(&block, compact.nonce()).unwrap();
    named(&ours, &block);
    let theirs =
        bitcoin::bip152::HeaderAndShortIds::from_block(&block.decode(), compact.nonce(), 2, &[]);
    assert_eq!(ours, CmpctBlock::try_from(&theirs.unwrap()).unwrap());
}

/// Checks that each place says what the block has there.
fn named(compact: &CmpctBlock, block: &Block) {
    let keys = compact.keys();
    for (place, tx) in compact.places().zip(block.transactions()) {
        match place {
            Place::Prefilled(prefilled) => assert_eq!(prefilled, tx),
            Place::Named(id) => assert_eq!(id, keys.short_id(tx.wtxid())),
        }
    }
    assert_eq!(compact.places().count(), block.tx_count());
}

#[test]
fn a_merkle_block_proves_its_matches() {
    if let Some(raw) = vector("merkleblock_300025.raw") {
        assert_eq!(raw, hex(data::MERKLE_BLOCK));
    }
    let block = MerkleBlock::from_bytes(hex(data::MERKLE_BLOCK).into()).unwrap();
    let decoded = block.decode();
    assert_eq!(block.header(), decoded.header);
    assert_eq!(block.total_transactions(), decoded.txn.num_transactions());
    assert!(block.hashes().eq(decoded.txn.hashes().iter().copied()));
    assert_eq!(MerkleBlock::try_from(&decoded).as_ref(), Ok(&block));
    let matches = block.matches().unwrap();
    assert!(!matches.is_empty());
    let mut forged = block.bytes().to_vec();
    forged[100] ^= 1;
    assert!(MerkleBlock::from_bytes(forged.into()).unwrap().matches().is_err());
}

#[test]
fn the_first_headers_form_a_chain() {
    let Some(raw) = vector("headers_mainnet_1-1111.bin") else { return };
    let headers: Vec<Header> =
        raw.chunks(80).map(|bytes| consensus::deserialize(bytes).unwrap()).collect();
    assert_eq!(headers.len(), 1_111);
    let view = Headers::new(&headers).unwrap();
    let view = Headers::from_bytes(view.bytes().clone()).unwrap();
    assert_eq!(view.bytes().len(), 3 + 1_111 * 81);
    assert_eq!(view.decode(), headers);
    let genesis = Block::from_bytes(hex(data::GENESIS).into()).unwrap().hash();
    let before = std::iter::once(genesis).chain(view.hashes());
    assert!(view.iter().map(|header| header.prev_blockhash).eq(before.take(1_111)));
}

#[test]
fn the_first_filter_of_testnet3_leads_to_its_header() {
    let hash = "000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943".parse().unwrap();
    let filter = CFilter::new(0, hash, &hex("019dfca8")).unwrap();
    assert_eq!(
        filter.filter_header(&FilterHeader::all_zeros()).to_string(),
        "21584579b7eb08997773e5aeff3a7f932700042d0ed2a6129012b7d7ae81b750"
    );
}

#[test]
fn bip158_filters_lead_to_their_headers() {
    let Some(raw) = vector("bip158_testnet19.json") else { return };
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&raw).unwrap();
    let mut headers = 0;
    for row in &rows[1..] {
        let field = |i: usize| row[i].as_str().unwrap();
        let block = Block::from_bytes(hex(field(2)).into()).unwrap();
        assert_eq!(block.hash().to_string(), field(1));
        let filter = CFilter::new(0, block.hash(), &hex(field(5))).unwrap();
        let filter = CFilter::from_bytes(filter.bytes().clone()).unwrap();
        let previous: FilterHeader = field(4).parse().unwrap();
        let header: FilterHeader = field(6).parse().unwrap();
        assert_eq!(filter.filter_header(&previous), header);
        assert_eq!(filter.block_filter().filter_header(&previous), header);
        let chain = CFHeaders::new(0, block.hash(), previous, &[filter.filter_hash()]).unwrap();
        assert!(chain.filter_headers().eq([header]));
        headers += 1;
    }
    assert_eq!(headers, rows.len() - 1);
}

#[test]
fn a_megabyte_transaction_is_read() {
    let Some(raw) = vector("megatx.bin.bz2") else { return };
    let tx = Tx::from_bytes(raw.into()).unwrap();
    let decoded = tx.decode();
    assert_eq!(tx.txid(), decoded.compute_txid());
    assert_eq!(tx.inputs().len(), decoded.input.len());
    assert_eq!(tx.total_size(), decoded.total_size());
    assert_eq!(tx.base_size(), decoded.base_size());
}

#[test]
fn captured_inventories_are_read() {
    let two = Inventory::from_bytes(hex(data::INV).into()).unwrap();
    assert_eq!(
        format!("{:?}", two.get(1).unwrap()),
        "MSG_TX f468666f3f4855af94c775a9879db8de515305318378b7b70b10a041a79f59d9"
    );
    let Some(capture) = vector("inv.pcap") else { return };
    let seven = Inventory::from_bytes(captured_payload(&capture, "inv").into()).unwrap();
    assert_eq!((two.len(), seven.len()), (2, 7));
    let mut items = two.iter().chain(seven.iter());
    assert!(items.all(|item| item.kind == InventoryType::TX));
}
