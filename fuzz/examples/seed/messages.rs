//! One message of every kind, some in two forms.

use bitcoin::absolute::LockTime;
use bitcoin::bip158::FilterHeader;
use bitcoin::constants::genesis_block;
use bitcoin::hashes::Hash as _;
use bitcoin::{OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness, transaction};
use bytes::Bytes;
use peerage_wire_bitcoin::message::{
    Addr, AddrV2, BASIC_FILTER, Block, BlockTxn, CFCheckpt, CFHeaders, CFilter, CmpctBlock,
    Feature, FeeFilter, FilterAdd, FilterFlags, FilterLoad, GetBlockTxn, GetCFCheckpt,
    GetCFHeaders, GetCFilters, Headers, Inventory, Locator, MerkleBlock, Ping, Pong, Reject,
    RejectCode, SendCmpct, SendTxRcncl, Tx, Version,
};
use peerage_wire_bitcoin::types::{
    InventoryItem, NetworkAddress, PeerAddress, Services, TimedAddress, UserAgent,
};
use peerage_wire_bitcoin::{Kind, Message};

/// A `version` as nodes send it.
pub(crate) fn introduction() -> Message {
    Message::Version(Box::new(Version {
        version: 70_016,
        services: Services::NETWORK | Services::WITNESS,
        timestamp: 1_700_000_000,
        addr_recv: PeerAddress::new(
            Services::NONE,
            NetworkAddress::Ipv4([1, 2, 3, 4].into()),
            8333,
        ),
        addr_from: PeerAddress::UNSPECIFIED,
        nonce: 77,
        user_agent: UserAgent::default(),
        start_height: 9,
        relay: true,
    }))
}

fn transaction(witness: &[&[u8]]) -> Transaction {
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::from_consensus(500_000),
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            script_sig: ScriptBuf::from(vec![0x51, 1]),
            sequence: Sequence::MAX,
            witness: Witness::from_slice(witness),
        }],
        output: vec![TxOut {
            value: bitcoin::Amount::from_sat(5_000),
            script_pubkey: ScriptBuf::from(vec![0x51]),
        }],
    }
}

/// All of them.
pub(crate) fn messages() -> Vec<Message> {
    let mut owned = genesis_block(bitcoin::Network::Regtest);
    owned.txdata = vec![transaction(&[&[0; 32]]), transaction(&[]), transaction(&[b"a", b"bc"])];
    owned.header.merkle_root = owned.compute_merkle_root().unwrap();
    let block = Block::try_from(&owned).unwrap();
    let (hash, header) = (block.hash(), block.header());
    let items = [InventoryItem::block(hash), InventoryItem::tx(owned.txdata[1].compute_txid())];
    let inventory = Inventory::new(&items).unwrap();
    let locator = Locator::new(70_016, &[hash, hash], hash).unwrap();
    let entry = |time: u32, address: NetworkAddress| TimedAddress {
        time,
        peer: PeerAddress::new(Services::NETWORK, address, 8333),
    };
    let old = [
        entry(1, NetworkAddress::Ipv4([1, 2, 3, 4].into())),
        entry(2, NetworkAddress::TorV2([5; 10])),
    ];
    let new =
        [old[0], entry(3, NetworkAddress::TorV3([6; 32])), entry(4, NetworkAddress::I2p([7; 32]))];
    let filter = CFilter::new(BASIC_FILTER, hash, b"filter").unwrap();
    let previous = FilterHeader::all_zeros();
    let tree = bitcoin::MerkleBlock::from_block_with_predicate(&owned, |txid| {
        *txid == owned.txdata[1].compute_txid()
    });
    let request = GetBlockTxn::new(hash, &[0, 2]).unwrap();
    let empty = [
        Message::Verack,
        Message::GetAddr,
        Message::SendAddrV2,
        Message::WtxidRelay,
        Message::SendHeaders,
        Message::MemPool,
        Message::FilterClear,
    ];
    let filled = [
        introduction(),
        Message::Addr(Addr::new(&old).unwrap()),
        Message::AddrV2(AddrV2::new(&new).unwrap()),
        Message::SendTxRcncl(SendTxRcncl { version: 1, salt: 2 }),
        Message::Feature(Feature::new("peerage.example", &b"data"[..]).unwrap()),
        Message::Ping(Ping { nonce: Some(1) }),
        Message::Pong(Pong { nonce: 1 }),
        Message::Inv(inventory.clone()),
        Message::GetData(inventory.clone()),
        Message::NotFound(inventory),
        Message::GetBlocks(locator.clone()),
        Message::GetHeaders(locator),
        Message::Headers(Headers::new(&[header, header]).unwrap()),
        Message::Block(block.clone()),
        Message::Block(block.without_witness()),
        Message::Tx(Tx::try_from(&owned.txdata[1]).unwrap()),
        Message::Tx(Tx::try_from(&owned.txdata[2]).unwrap()),
        Message::MerkleBlock(MerkleBlock::try_from(&tree).unwrap()),
        Message::FeeFilter(FeeFilter { rate: 1_000 }),
        Message::SendCmpct(SendCmpct { announce: true, version: 2 }),
        Message::CmpctBlock(CmpctBlock::from_block(&block, 7).unwrap()),
        Message::GetBlockTxn(request.clone()),
        Message::BlockTxn(BlockTxn::answer(&request, &block).unwrap()),
        Message::FilterLoad(FilterLoad::new(&[1, 2, 3][..], 11, 5, FilterFlags::ALL).unwrap()),
        Message::FilterAdd(FilterAdd::new(&b"data"[..]).unwrap()),
        Message::GetCFilters(GetCFilters {
            filter_type: BASIC_FILTER,
            start_height: 1,
            stop_hash: hash,
        }),
        Message::CFilter(filter.clone()),
        Message::GetCFHeaders(GetCFHeaders {
            filter_type: BASIC_FILTER,
            start_height: 1,
            stop_hash: hash,
        }),
        Message::CFHeaders(
            CFHeaders::new(BASIC_FILTER, hash, previous, &[filter.filter_hash(); 2]).unwrap(),
        ),
        Message::GetCFCheckpt(GetCFCheckpt { filter_type: BASIC_FILTER, stop_hash: hash }),
        Message::CFCheckpt(CFCheckpt::new(BASIC_FILTER, hash, &[previous; 2]).unwrap()),
        Message::Reject(Box::new(
            Reject::new(Kind::Tx.into(), RejectCode::INVALID, "no").with_hash([3; 32]),
        )),
        Message::Reject(Box::new(Reject::new(Kind::Version.into(), RejectCode::OBSOLETE, "old"))),
        Message::Alert(Bytes::from_static(b"alert")),
    ];
    empty.into_iter().chain(filled).collect()
}
