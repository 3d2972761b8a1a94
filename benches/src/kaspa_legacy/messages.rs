//! The messages of the floods: as near to Bitcoin's in size and number of parts as they can be.

use std::net::{IpAddr, Ipv4Addr};

use peerage::kaspa_legacy::Message;
use peerage::kaspa_legacy::message::{
    Addr, Block, Header, Input, Inventory, OutPoint, Output, Transaction, Tx,
};
use peerage::kaspa_legacy::types::{
    Hash, InventoryItem, PeerAddress, Services, Subnetworks, TimedAddress,
};

pub(crate) const FLOODED: [&str; 4] = ["inv", "tx", "block", "addr"];

/// One of them.
pub(crate) fn flooded(name: &str) -> Message {
    match name {
        "inv" => {
            let item = InventoryItem::tx(Hash::of(&[0]));
            Message::Inv(Inventory::new(&[item]).expect("at most 50,000"))
        }
        "tx" => Message::Tx(tx(0)),
        "block" => Message::Block(block()),
        "addr" => Message::Addr(addr()),
        other => unreachable!("{other} is no flooded message"),
    }
}

/// A transaction of exactly 250 bytes: one input, two outputs.
fn tx(number: u32) -> Tx {
    let transaction = Transaction {
        inputs: vec![Input {
            previous_output: OutPoint { tx_id: Hash::of(&number.to_le_bytes()), index: 1 },
            signature_script: vec![9; 103],
            sequence: u64::MAX,
        }],
        outputs: vec![Output { value: 12_345, script_public_key: vec![0x51; 25] }; 2],
        ..Transaction::default()
    };
    let tx = Tx::try_from(&transaction).expect("a valid one");
    assert_eq!(tx.bytes().len(), 250);
    tx
}

/// A block of 1 MB: 4,000 transactions. Bitcoin's has 2,500 in 1.38 MB.
fn block() -> Block {
    let parents = (0..2u8).map(|number| Hash::of(&[number])).collect();
    let transactions: Vec<Tx> = (0..4_000).map(tx).collect();
    let header = Header { parents, ..Header::default() };
    Block::new(&header, transactions.iter().map(Tx::view)).expect("below 32 MiB")
}

fn addr() -> Addr {
    let entry = |number: u16| {
        let [high, low] = number.to_be_bytes();
        let ip = IpAddr::V4(Ipv4Addr::new(10, 0, high, low));
        let peer = PeerAddress { services: Services::NETWORK, ip, port: 16_111 };
        TimedAddress { timestamp: 1_700_000_000, peer }
    };
    let entries: Vec<_> = (0..1_000).map(entry).collect();
    Addr::new(Subnetworks::All, &entries).expect("a thousand")
}
