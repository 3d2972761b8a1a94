//! What the engine is told about messages that come after the opening.
#![allow(clippy::unwrap_used)] // the helpers of tests are tests

mod data;

use std::sync::Arc;

use data::{GENESIS, SEGWIT_TX, hex};
use peerage_wire::{
    Direction, Kind as _, Message as _, Now, Opening as _, Patience, Protocol as _, Rng, Role,
    Step, Violation,
};
use peerage_wire_bitcoin::message::{
    Block, CmpctBlock, Feature, FilterAdd, GetBlockTxn, Headers, Inventory, Ping, SendTxRcncl, Tx,
};
use peerage_wire_bitcoin::types::{InventoryItem, Services};
use peerage_wire_bitcoin::{Bitcoin, Identity, Kind, Message, Network, Opening, Remote};

fn identity(services: Services) -> Identity {
    Identity { services, allow_self_connections: true, ..Identity::new(Network::regtest()) }
}

/// A remote with which this version is agreed.
fn remote(version: u32) -> Remote {
    let ours = Arc::new(Identity { version, ..identity(Services::NONE) });
    let mut rng = Rng::from_seed([0; 32]);
    let now = Now::default();
    let said = Opening::start(Direction::Outbound, &ours, &mut rng, now).1;
    let opening = Opening::start(Direction::Inbound, &ours, &mut rng, now).0;
    match opening.on_message(&said[0], now) {
        Step::More { heard: Some(remote), .. } => remote,
        other => panic!("{other:?}"),
    }
}

fn role(message: &Message) -> Role {
    message.role(&remote(70_016))
}

fn items(message: &Message, theirs: &Remote, payload_hash: Option<[u8; 32]>) -> Vec<InventoryItem> {
    let mut items = Vec::new();
    message.items(theirs, payload_hash.as_ref(), &mut |item| items.push(item));
    items
}

#[test]
fn filters_without_the_bloom_service_are_ignored_or_forbidden() {
    for message in [Message::FilterClear, Message::FilterAdd(FilterAdd::new(vec![1]).unwrap())] {
        let command = message.kind().into();
        let forbidden = Role::Forbidden(Violation::Forbidden { command });
        let served = Remote { our_services: Services::BLOOM, ..remote(70_016) };
        assert_eq!(message.role(&served), Role::Other);
        assert_eq!(message.role(&remote(70_011)), forbidden);
        assert_eq!(message.role(&remote(70_010)), Role::Ignore);
    }
}

#[test]
fn the_opening_cannot_be_repeated() {
    for message in [
        Message::WtxidRelay,
        Message::SendAddrV2,
        Message::SendTxRcncl(SendTxRcncl { version: 1, salt: 1 }),
        Message::Feature(Feature::new("BIP9999", vec![]).unwrap()),
    ] {
        let command = message.kind().into();
        assert_eq!(role(&message), Role::Forbidden(Violation::Late { command }));
    }
    let command = Kind::Verack.into();
    assert_eq!(role(&Message::Verack), Role::Forbidden(Violation::Duplicate { command }));
}

#[test]
fn pings_are_answered_if_they_can_be() {
    assert_eq!(role(&Message::ping(3)), Role::Ping(3));
    assert_eq!(role(&Message::Ping(Ping { nonce: None })), Role::Other);
    assert_eq!(role(&Message::pong(3)), Role::Pong(3));
    assert_eq!(role(&Message::GetAddr), Role::Other);
}

#[test]
fn who_sends_something_has_it() {
    let block = Block::from_bytes(hex(GENESIS).into()).unwrap();
    let tx = Tx::from_bytes(hex(SEGWIT_TX).into()).unwrap();
    let genesis = Network::mainnet().genesis;
    let the_block = [InventoryItem::block(genesis)];
    let both_ids = [InventoryItem::tx(tx.txid()), InventoryItem::wtx(tx.wtxid())];
    let few = Message::Headers(Headers::new(&[block.header()]).unwrap());
    let many = Message::Headers(Headers::new(&[block.header(); 9]).unwrap());
    let compact = Message::CmpctBlock(CmpctBlock::from_block(&block, 1).unwrap());
    for (message, expected) in [
        (Message::announce(&both_ids), &both_ids[..]),
        (Message::Block(block), &the_block),
        (compact, &the_block),
        (few, &the_block),
    ] {
        assert_eq!(role(&message), Role::Announce);
        assert_eq!(items(&message, &remote(70_016), None), expected, "{message:?}");
    }
    let wanted = Message::GetData(Inventory::new(&the_block).unwrap());
    for message in [many, wanted, Message::GetAddr] {
        assert_eq!((role(&message), items(&message, &remote(70_016), None)), (Role::Other, vec![]));
    }
    assert!(Bitcoin::is_urgent(&the_block[0]) && !Bitcoin::is_urgent(&both_ids[1]));
}

#[test]
fn who_sends_a_transaction_has_it_by_the_id_that_was_agreed() {
    let tx = Tx::from_bytes(hex(SEGWIT_TX).into()).unwrap();
    let by_txid = Remote { wtxid_relay: false, ..remote(70_016) };
    let by_wtxid = Remote { wtxid_relay: true, ..remote(70_016) };
    for tx in [tx.without_witness(), tx] {
        let hash = Some(peerage_wire::payload_hash(tx.bytes()));
        let (txid, wtxid) = (InventoryItem::tx(tx.txid()), InventoryItem::wtx(tx.wtxid()));
        let message = Message::Tx(tx);
        assert_eq!(role(&message), Role::Announce);
        for hash in [hash, None] {
            assert_eq!(items(&message, &by_txid, hash), [txid]);
            assert_eq!(items(&message, &by_wtxid, hash), [wtxid]);
        }
    }
}

#[test]
fn requests_and_answers_are_counted() {
    let hash = Network::mainnet().genesis;
    let three = Inventory::new(&[InventoryItem::block(hash); 3]).unwrap();
    assert_eq!(Message::GetData(three.clone()).asks(), 3);
    assert_eq!(Message::NotFound(three.clone()).settles(), 3);
    assert_eq!((Message::Inv(three.clone()).asks(), Message::Inv(three).settles()), (1, 1));
    assert_eq!(Message::GetBlockTxn(GetBlockTxn::new(hash, &[1, 2]).unwrap()).asks(), 1);
}

#[test]
fn every_request_has_its_answers() {
    for (kind, patience, seconds, answer) in [
        (Kind::GetData, Patience::Strict, 30, Kind::NotFound),
        (Kind::GetBlockTxn, Patience::Strict, 30, Kind::Block),
        (Kind::GetHeaders, Patience::WhenAhead, 90, Kind::Headers),
        (Kind::GetBlocks, Patience::WhenAhead, 30, Kind::Inv),
        (Kind::MemPool, Patience::Lenient, 30, Kind::Inv),
        (Kind::GetCFilters, Patience::Lenient, 30, Kind::CFilter),
        (Kind::GetCFHeaders, Patience::Lenient, 30, Kind::CFHeaders),
        (Kind::GetCFCheckpt, Patience::Lenient, 30, Kind::CFCheckpt),
    ] {
        let expect = kind.policy().expect.as_ref().unwrap();
        assert_eq!((expect.patience, expect.within.as_secs()), (patience, seconds), "{kind}");
        assert!(expect.answers.contains(&answer), "{kind}");
    }
    let requests = Kind::ALL.iter().filter(|kind| kind.policy().expect.is_some()).count();
    assert_eq!(requests, 8);
}

#[test]
fn an_announcement_never_exceeds_its_limit() {
    let item = InventoryItem::block(Network::mainnet().genesis);
    let Message::Inv(inv) = Message::announce(&vec![item; 50_001]) else { panic!("no inv") };
    assert_eq!(inv.len(), 50_000);
}
