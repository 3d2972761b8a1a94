//! One message of each kind of legacy Kaspa.

use peerage_wire::{Command, Message as _};
use peerage_wire_kaspa::legacy::message::{
    Addr, Block, FeeFilter, FilterAdd, FilterFlags, FilterLoad, GetAddr, GetBlockInvs, GetLocator,
    Header, Input, Inventory, Locator, MerkleBlock, OutPoint, Output, Ping, Pong, Reject,
    RejectCode, SelectedTip, Transaction, Tx, Version,
};
use peerage_wire_kaspa::legacy::types::{
    Hash, InventoryItem, PeerAddress, Services, SubnetworkId, Subnetworks, TimedAddress, UserAgent,
};
use peerage_wire_kaspa::legacy::{Kind, Message};

/// The inputs of `message_kaspa_legacy`: the place of a kind and a payload.
pub(crate) fn inputs() -> Vec<(String, Vec<u8>)> {
    let mut inputs = Vec::new();
    for (place, message) in messages().iter().enumerate() {
        let kind = Kind::ALL.iter().position(|kind| *kind == message.kind()).unwrap();
        let mut input = vec![u8::try_from(kind).unwrap()];
        message.encode(1, &mut input);
        inputs.push((format!("{}-{place}", message.kind()), input));
    }
    // What kaspad reads although it never writes it.
    inputs.push(("getaddr-2".into(), vec![6, 2]));
    inputs.push(("inv-longer".into(), vec![11, 0, 0xaa, 0xbb]));
    inputs
}

fn messages() -> Vec<Message> {
    let hash = Hash::of(b"block");
    let items =
        Inventory::new(&[InventoryItem::tx(hash), InventoryItem::sync_block(hash)]).unwrap();
    let only = Subnetworks::Only(SubnetworkId::from_bytes([7; 20]));
    let address = TimedAddress { timestamp: 1_593_561_600, peer: PeerAddress::UNSPECIFIED };
    let header = Header { parents: vec![hash; 3], bits: 0x207f_ffff, ..Header::default() };
    let reject = |command| Reject::new(Command::new(command), RejectCode::DUST, "reason");
    let [native, gas, coinbase] = transactions();
    vec![
        Message::Version(Box::new(version(None))),
        Message::Version(Box::new(version(Some(SubnetworkId::from_bytes([7; 20]))))),
        Message::Verack,
        Message::GetAddr(GetAddr { subnetworks: only }),
        Message::Addr(Addr::new(Subnetworks::All, &[address; 2]).unwrap()),
        Message::Addr(Addr::new(only, &[]).unwrap()),
        Message::Ping(Ping { nonce: 7 }),
        Message::Pong(Pong { nonce: 7 }),
        Message::Inv(items.clone()),
        Message::GetData(items.clone()),
        Message::NotFound(items),
        Message::GetBlockInvs(GetBlockInvs { low: hash, high: hash }),
        Message::GetLocator(GetLocator { high: hash, low: hash }),
        Message::Locator(Locator::new(&[hash; 2]).unwrap()),
        Message::GetSelTip,
        Message::SelectedTip(SelectedTip { hash }),
        Message::Block(Block::new(&header, [native.view(), coinbase.view()]).unwrap()),
        Message::Block(Block::new(&Header::default(), []).unwrap()),
        Message::MerkleBlock(MerkleBlock::new(&header, 3, &[hash; 2], &[0x1d]).unwrap()),
        Message::Tx(native),
        Message::Tx(gas),
        Message::Tx(coinbase),
        Message::FeeFilter(FeeFilter { min_fee: -1 }),
        Message::FilterLoad(FilterLoad::new(vec![1; 4], 10, 5, FilterFlags::ALL).unwrap()),
        Message::FilterAdd(FilterAdd::new(vec![1; 4]).unwrap()),
        Message::FilterClear,
        Message::Reject(Box::new(reject("tx"))),
        Message::Reject(Box::new(reject("malformed"))),
    ]
}

fn version(subnetwork: Option<SubnetworkId>) -> Version {
    Version {
        version: 1,
        services: Services::NETWORK | Services::BLOOM,
        timestamp: 1_593_561_600,
        subnetwork,
        addr_recv: PeerAddress::UNSPECIFIED,
        addr_from: PeerAddress::UNSPECIFIED,
        nonce: 7,
        user_agent: UserAgent::default(),
        selected_tip: Hash::of(b"tip"),
        relay: true,
    }
}

/// One of the native subnetwork, one of another, one that makes coins.
fn transactions() -> [Tx; 3] {
    let input = Input {
        previous_output: OutPoint { tx_id: Hash::of(b"tx"), index: 1 },
        signature_script: vec![0x51; 3],
        sequence: u64::MAX,
    };
    let native = Transaction {
        inputs: vec![input; 2],
        outputs: vec![Output { value: 5, script_public_key: vec![0x51] }],
        lock_time: 500_000,
        ..Transaction::default()
    };
    let beyond = |subnetwork, gas| {
        let payload = vec![9, 8, 7];
        let payload_hash = Hash::of(&payload);
        Transaction { subnetwork, gas, payload_hash, payload, ..native.clone() }
    };
    let gas = beyond(SubnetworkId::from_bytes([7; 20]), 77);
    let coinbase = beyond(SubnetworkId::COINBASE, 0);
    [&native, &gas, &coinbase].map(|tx| Tx::try_from(tx).unwrap())
}
