//! Every request with its answers.

use bitcoin::hashes::Hash as _;
use bitcoin::{BlockHash, consensus};
use peerage_wire::Message as _;
use peerage_wire_bitcoin::message::{
    BASIC_FILTER, Block, CFilter, CmpctBlock, GetCFCheckpt, GetCFHeaders, GetCFilters, Headers,
    Inventory, Locator, MerkleBlock, Tx,
};
use peerage_wire_bitcoin::types::InventoryItem;
use peerage_wire_bitcoin::{Kind, Message};

use super::{block, inv};

pub fn getdata(items: &[InventoryItem]) -> Message {
    Message::GetData(Inventory::new(items).unwrap())
}

pub fn notfound(items: &[InventoryItem]) -> Message {
    Message::NotFound(Inventory::new(items).unwrap())
}

pub fn locator() -> Locator {
    Locator::new(70_016, &[BlockHash::all_zeros()], BlockHash::all_zeros()).unwrap()
}

fn genesis() -> bitcoin::Block {
    bitcoin::constants::genesis_block(bitcoin::Network::Regtest)
}

fn a_block() -> Block {
    Block::from_bytes(consensus::serialize(&genesis()).into()).unwrap()
}

pub fn a_tx() -> Tx {
    Tx::from_bytes(consensus::serialize(&genesis().txdata[0]).into()).unwrap()
}

/// Each request, with each of its answers.
pub fn requests() -> Vec<(Message, Vec<Message>)> {
    let (zero, filter_type) = (BlockHash::all_zeros(), BASIC_FILTER);
    let merkle = bitcoin::MerkleBlock::from_block_with_predicate(&genesis(), |_| true);
    let merkle = MerkleBlock::from_bytes(consensus::serialize(&merkle).into()).unwrap();
    let compact = CmpctBlock::from_block(&a_block(), 0).unwrap();
    let mut checkpoints = vec![filter_type];
    checkpoints.extend([0; 32]);
    checkpoints.push(0);
    let mut headers = vec![filter_type];
    headers.extend([0; 64]);
    headers.push(0);
    let decode = |kind, bytes: Vec<u8>| Message::decode(kind, bytes.into(), 70_016).unwrap();
    let mut indexes = vec![0; 32];
    indexes.extend([1, 0]);
    let get_block_txn = decode(Kind::GetBlockTxn, indexes);
    let mut transactions = vec![0; 32];
    transactions.push(1);
    transactions.extend_from_slice(a_tx().bytes());
    let block_txn = decode(Kind::BlockTxn, transactions);
    vec![
        (
            getdata(&[block(1)]),
            vec![
                Message::Block(a_block()),
                Message::Tx(a_tx()),
                Message::MerkleBlock(merkle),
                Message::CmpctBlock(compact),
                notfound(&[block(1)]),
            ],
        ),
        (Message::GetHeaders(locator()), vec![Message::Headers(Headers::new(&[]).unwrap())]),
        (Message::GetBlocks(locator()), vec![inv(&[block(1)])]),
        (Message::MemPool, vec![inv(&[])]),
        (get_block_txn, vec![block_txn, Message::Block(a_block())]),
        (
            Message::GetCFilters(GetCFilters { filter_type, start_height: 0, stop_hash: zero }),
            vec![Message::CFilter(CFilter::new(filter_type, zero, &[0]).unwrap())],
        ),
        (
            Message::GetCFHeaders(GetCFHeaders { filter_type, start_height: 0, stop_hash: zero }),
            vec![decode(Kind::CFHeaders, headers)],
        ),
        (
            Message::GetCFCheckpt(GetCFCheckpt { filter_type, stop_hash: zero }),
            vec![decode(Kind::CFCheckpt, checkpoints)],
        ),
    ]
}
