//! Messages made from the fields that the vectors name.

use std::net::{IpAddr, Ipv6Addr};

use peerage_wire::Command;
use peerage_wire_kaspa::legacy::message::{
    Addr, Block, FeeFilter, FilterAdd, FilterFlags, FilterLoad, GetAddr, GetBlockInvs, GetLocator,
    Header, Input, Inventory, Locator, MerkleBlock, OutPoint, Output, Ping, Pong, Reject,
    RejectCode, SelectedTip, Transaction, Tx, TxRef, Version,
};
use peerage_wire_kaspa::legacy::types::{
    Hash, InventoryItem, InventoryType, PeerAddress, Services, SubnetworkId, Subnetworks,
    TimedAddress, UserAgent,
};
use peerage_wire_kaspa::legacy::{Kind, Message};
use serde_json::Value;

use super::{bytes, hex, list, text};

/// The message with these fields.
pub(crate) fn message_of(kind: Kind, fields: &Value) -> Message {
    match kind {
        Kind::Version => Message::Version(Box::new(version(fields))),
        Kind::Verack => Message::Verack,
        Kind::GetAddr => Message::GetAddr(GetAddr { subnetworks: subnetworks(fields) }),
        Kind::Addr => {
            let entries: Vec<_> = list(fields, "addresses").iter().map(timed).collect();
            Message::Addr(Addr::new(subnetworks(fields), &entries).unwrap())
        }
        Kind::GetBlockInvs => Message::GetBlockInvs(GetBlockInvs {
            low: hash(fields, "low_hash"),
            high: hash(fields, "high_hash"),
        }),
        Kind::GetLocator => Message::GetLocator(GetLocator {
            high: hash(fields, "high_hash"),
            low: hash(fields, "low_hash"),
        }),
        Kind::Inv => Message::Inv(inventory(fields)),
        Kind::GetData => Message::GetData(inventory(fields)),
        Kind::NotFound => Message::NotFound(inventory(fields)),
        Kind::Locator => Message::Locator(Locator::new(&hashes(fields, "hashes")).unwrap()),
        Kind::GetSelTip => Message::GetSelTip,
        Kind::SelectedTip => {
            Message::SelectedTip(SelectedTip { hash: hash(fields, "selected_tip_hash") })
        }
        Kind::Block => Message::Block(block(fields)),
        Kind::Tx => Message::Tx(tx(fields)),
        Kind::MerkleBlock => Message::MerkleBlock(
            MerkleBlock::new(
                &header(&fields["header"]),
                small(fields, "transactions"),
                &hashes(fields, "hashes"),
                &bytes(fields, "flags"),
            )
            .unwrap(),
        ),
        Kind::FilterLoad => Message::FilterLoad(
            FilterLoad::new(
                bytes(fields, "filter"),
                small(fields, "hash_funcs"),
                small(fields, "tweak"),
                FilterFlags(u8::try_from(number(fields, "flags")).unwrap()),
            )
            .unwrap(),
        ),
        Kind::FilterAdd => Message::FilterAdd(FilterAdd::new(bytes(fields, "data")).unwrap()),
        Kind::FilterClear => Message::FilterClear,
        Kind::FeeFilter => {
            Message::FeeFilter(FeeFilter { min_fee: fields["min_fee"].as_i64().unwrap() })
        }
        Kind::Ping => Message::Ping(Ping { nonce: number(fields, "nonce") }),
        Kind::Pong => Message::Pong(Pong { nonce: number(fields, "nonce") }),
        Kind::Reject => Message::Reject(Box::new(reject(fields))),
        Kind::Unknown(command) => panic!("no vector has {command}"),
    }
}

fn version(fields: &Value) -> Version {
    let full = fields["is_full_node"].as_bool().unwrap();
    Version {
        version: i32::try_from(number(fields, "protocol_version")).unwrap(),
        services: Services::from_bits(number(fields, "services")),
        timestamp: fields["timestamp"].as_i64().unwrap(),
        subnetwork: (!full).then(|| subnetwork(fields)),
        addr_recv: address(&fields["addr_you"]),
        addr_from: address(&fields["addr_me"]),
        nonce: number(fields, "nonce"),
        user_agent: UserAgent::from_raw(text(fields, "user_agent").to_owned()).unwrap(),
        selected_tip: hash(fields, "selected_tip_hash"),
        relay: fields["relay_tx"].as_bool().unwrap(),
    }
}

fn subnetworks(fields: &Value) -> Subnetworks {
    match (&fields["include_all_subnetworks"], &fields["is_full_node"]) {
        (Value::Bool(true), _) => Subnetworks::All,
        (_, Value::Bool(true)) => Subnetworks::FullNodes,
        _ => Subnetworks::Only(subnetwork(fields)),
    }
}

fn subnetwork(fields: &Value) -> SubnetworkId {
    let id: [u8; 20] = hex(text(fields, "subnetwork_id")).try_into().unwrap();
    id.into()
}

fn timed(entry: &Value) -> TimedAddress {
    TimedAddress { timestamp: entry["timestamp"].as_i64().unwrap(), peer: address(entry) }
}

/// What is no address in a vector is the absent one.
fn address(fields: &Value) -> PeerAddress {
    let ip = text(fields, "ip").parse().unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    let port = u16::try_from(number(fields, "port")).unwrap();
    PeerAddress { services: Services::from_bits(number(fields, "services")), ip, port }
}

fn inventory(fields: &Value) -> Inventory {
    let item = |entry: &Value| InventoryItem {
        kind: InventoryType(small(entry, "type")),
        hash: hash(entry, "hash"),
    };
    let items: Vec<_> = list(fields, "inventory").iter().map(item).collect();
    Inventory::new(&items).unwrap()
}

fn block(fields: &Value) -> Block {
    let txs: Vec<Tx> = list(fields, "transactions").iter().map(tx).collect();
    let views: Vec<TxRef<'_>> = txs.iter().map(Tx::view).collect();
    Block::new(&header(&fields["header"]), views).unwrap()
}

fn header(fields: &Value) -> Header {
    Header {
        version: i32::try_from(number(fields, "version")).unwrap(),
        parents: hashes(fields, "parent_hashes"),
        merkle_root: hash(fields, "hash_merkle_root"),
        accepted_id_merkle_root: hash(fields, "accepted_id_merkle_root"),
        utxo_commitment: hash(fields, "utxo_commitment"),
        timestamp: fields["timestamp"].as_i64().unwrap(),
        bits: small(fields, "bits"),
        nonce: number(fields, "nonce"),
    }
}

fn tx(fields: &Value) -> Tx {
    let input = |fields: &Value| Input {
        previous_output: OutPoint {
            tx_id: hash(fields, "prev_txid"),
            index: small(fields, "prev_index"),
        },
        signature_script: bytes(fields, "signature_script").to_vec(),
        sequence: number(fields, "sequence"),
    };
    let output = |fields: &Value| Output {
        value: number(fields, "value"),
        script_public_key: bytes(fields, "script_pub_key").to_vec(),
    };
    let mut built = Transaction {
        version: i32::try_from(number(fields, "version")).unwrap(),
        inputs: list(fields, "inputs").iter().map(input).collect(),
        outputs: list(fields, "outputs").iter().map(output).collect(),
        lock_time: number(fields, "lock_time"),
        subnetwork: subnetwork(fields),
        ..Transaction::default()
    };
    if built.subnetwork != SubnetworkId::NATIVE {
        built.gas = number(fields, "gas");
        built.payload = bytes(fields, "payload").to_vec();
        built.payload_hash = Hash::of(&built.payload);
        assert_eq!(built.payload_hash, hash(fields, "payload_hash"));
    }
    let tx = Tx::try_from(&built).unwrap();
    assert_eq!(tx.decode(), built);
    tx
}

fn reject(fields: &Value) -> Reject {
    let code = RejectCode(u8::try_from(number(fields, "code")).unwrap());
    let reject = Reject::new(Command::new(text(fields, "cmd")), code, text(fields, "reason"));
    match fields.get("hash") {
        Some(_) => reject.with_hash(hash(fields, "hash")),
        None => reject,
    }
}

fn hashes(fields: &Value, key: &str) -> Vec<Hash> {
    let hash = |digits: &Value| <[u8; 32]>::try_from(hex(digits.as_str().unwrap())).unwrap();
    list(fields, key).iter().map(|digits| hash(digits).into()).collect()
}

fn hash(fields: &Value, key: &str) -> Hash {
    let bytes: [u8; 32] = hex(text(fields, key)).try_into().unwrap();
    bytes.into()
}

/// Numbers that may be above 2^53 stand there as text.
fn number(fields: &Value, key: &str) -> u64 {
    let value = &fields[key];
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    number.unwrap_or_else(|| panic!("{key} is no number in {fields}"))
}

fn small(fields: &Value, key: &str) -> u32 {
    u32::try_from(number(fields, key)).unwrap()
}
