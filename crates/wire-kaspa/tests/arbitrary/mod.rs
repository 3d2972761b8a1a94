//! Any message, of a size that tests can afford.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use peerage_wire::Command;
use peerage_wire_kaspa::legacy::Message;
use peerage_wire_kaspa::legacy::message::{
    Addr, Block, FeeFilter, FilterAdd, FilterFlags, FilterLoad, GetAddr, GetBlockInvs, GetLocator,
    Header, Input, Inventory, Locator, MerkleBlock, OutPoint, Output, Ping, Pong, Reject,
    RejectCode, SelectedTip, Transaction, Tx, TxRef, Version,
};
use peerage_wire_kaspa::legacy::types::{
    Hash, InventoryItem, InventoryType, PeerAddress, Services, SubnetworkId, Subnetworks,
    TimedAddress, UserAgent,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// Any message of the protocol.
pub(crate) fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        version().prop_map(|version| Message::Version(Box::new(version))),
        select(vec![Message::Verack, Message::GetSelTip, Message::FilterClear]),
        subnetworks().prop_map(|subnetworks| Message::GetAddr(GetAddr { subnetworks })),
        (subnetworks(), vec(timed(), 0..5))
            .prop_map(|(of, list)| Message::Addr(Addr::new(of, &list).unwrap())),
        (hash(), hash()).prop_map(|(low, high)| Message::GetBlockInvs(GetBlockInvs { low, high })),
        (hash(), hash()).prop_map(|(high, low)| Message::GetLocator(GetLocator { high, low })),
        inventory().prop_map(Message::Inv),
        inventory().prop_map(Message::GetData),
        inventory().prop_map(Message::NotFound),
        vec(hash(), 0..5).prop_map(|hashes| Message::Locator(Locator::new(&hashes).unwrap())),
        hash().prop_map(|hash| Message::SelectedTip(SelectedTip { hash })),
        block().prop_map(Message::Block),
        tx().prop_map(Message::Tx),
        (header(), any::<u32>(), vec(hash(), 0..4), vec(any::<u8>(), 0..5)).prop_map(
            |(header, count, hashes, flags)| {
                Message::MerkleBlock(MerkleBlock::new(&header, count, &hashes, &flags).unwrap())
            }
        ),
        (vec(any::<u8>(), 0..50), 0..=50_u32, any::<u32>(), any::<u8>()).prop_map(
            |(filter, funcs, tweak, flags)| {
                let flags = FilterFlags(flags);
                Message::FilterLoad(FilterLoad::new(filter, funcs, tweak, flags).unwrap())
            }
        ),
        vec(any::<u8>(), 0..=520)
            .prop_map(|data| Message::FilterAdd(FilterAdd::new(data).unwrap())),
        any::<i64>().prop_map(|min_fee| Message::FeeFilter(FeeFilter { min_fee })),
        any::<u64>().prop_map(|nonce| Message::Ping(Ping { nonce })),
        any::<u64>().prop_map(|nonce| Message::Pong(Pong { nonce })),
        reject().prop_map(|reject| Message::Reject(Box::new(reject))),
        vec(any::<u8>(), 0..40).prop_map(|payload| Message::Unknown {
            command: Command::new("getheaders"),
            payload: Bytes::from(payload),
        }),
    ]
}

fn version() -> impl Strategy<Value = Version> {
    let numbers = (any::<i32>(), any::<u64>(), any::<i64>(), any::<u64>(), any::<bool>());
    let agent = vec(any::<u8>(), 0..=256);
    (numbers, option::of(subnetwork()), address(), address(), agent, hash()).prop_map(
        |(numbers, subnetwork, addr_recv, addr_from, agent, selected_tip)| {
            let (version, services, timestamp, nonce, relay) = numbers;
            Version {
                version,
                services: Services::from_bits(services),
                timestamp,
                subnetwork,
                addr_recv,
                addr_from,
                nonce,
                user_agent: UserAgent::from_raw(agent).unwrap(),
                selected_tip,
                relay,
            }
        },
    )
}

fn reject() -> impl Strategy<Value = Reject> {
    let command = select(vec!["tx", "block", "version", "malformed", "getblockinvs", ""]);
    (command, any::<u8>(), ".{0,300}", hash()).prop_map(|(command, code, reason, hash)| {
        Reject::new(Command::new(command), RejectCode(code), &reason).with_hash(hash)
    })
}

fn subnetworks() -> impl Strategy<Value = Subnetworks> {
    prop_oneof![
        Just(Subnetworks::All),
        Just(Subnetworks::FullNodes),
        subnetwork().prop_map(Subnetworks::Only),
    ]
}

fn subnetwork() -> impl Strategy<Value = SubnetworkId> {
    prop_oneof![
        Just(SubnetworkId::COINBASE),
        Just(SubnetworkId::REGISTRY),
        any::<[u8; 20]>().prop_map(SubnetworkId::from),
    ]
}

fn timed() -> impl Strategy<Value = TimedAddress> {
    (any::<i64>(), address()).prop_map(|(timestamp, peer)| TimedAddress { timestamp, peer })
}

fn address() -> impl Strategy<Value = PeerAddress> {
    let ip = prop_oneof![
        any::<[u8; 4]>().prop_map(|ip| IpAddr::V4(Ipv4Addr::from(ip))),
        any::<[u8; 16]>().prop_map(|ip| Ipv6Addr::from(ip).to_canonical()),
    ];
    (any::<u64>(), ip, any::<u16>()).prop_map(|(services, ip, port)| PeerAddress {
        services: Services::from_bits(services),
        ip,
        port,
    })
}

fn inventory() -> impl Strategy<Value = Inventory> {
    let item = (0..7_u32, hash())
        .prop_map(|(kind, hash)| InventoryItem { kind: InventoryType(kind), hash });
    vec(item, 0..5).prop_map(|items| Inventory::new(&items).unwrap())
}

/// A block of up to two transactions.
pub(crate) fn block() -> impl Strategy<Value = Block> {
    (header(), vec(tx(), 0..3)).prop_map(|(header, txs)| {
        let views: Vec<TxRef<'_>> = txs.iter().map(Tx::view).collect();
        Block::new(&header, views).unwrap()
    })
}

fn header() -> impl Strategy<Value = Header> {
    let numbers = (any::<i32>(), any::<i64>(), any::<u32>(), any::<u64>());
    let parents = prop_oneof![9 => vec(hash(), 0..4), 1 => vec(hash(), 255..=255)];
    (numbers, parents, hash(), hash(), hash()).prop_map(
        |((version, timestamp, bits, nonce), parents, root, accepted, utxo)| Header {
            version,
            parents,
            merkle_root: root,
            accepted_id_merkle_root: accepted,
            utxo_commitment: utxo,
            timestamp,
            bits,
            nonce,
        },
    )
}

/// A transaction that kaspad would write.
pub(crate) fn transaction() -> impl Strategy<Value = Transaction> {
    let input = (hash(), any::<u32>(), vec(any::<u8>(), 0..40), any::<u64>()).prop_map(
        |(tx_id, index, signature_script, sequence)| Input {
            previous_output: OutPoint { tx_id, index },
            signature_script,
            sequence,
        },
    );
    let output = (any::<u64>(), vec(any::<u8>(), 0..40))
        .prop_map(|(value, script_public_key)| Output { value, script_public_key });
    let beyond = option::of((subnetwork(), any::<u64>(), vec(any::<u8>(), 0..40)));
    (any::<i32>(), vec(input, 0..3), vec(output, 0..3), any::<u64>(), beyond).prop_map(
        |(version, inputs, outputs, lock_time, beyond)| {
            let native =
                Transaction { version, inputs, outputs, lock_time, ..Transaction::default() };
            match beyond {
                Some((subnetwork, gas, payload)) if subnetwork != SubnetworkId::NATIVE => {
                    let gas = if subnetwork.is_built_in() { 0 } else { gas };
                    let payload_hash = Hash::of(&payload);
                    Transaction { subnetwork, gas, payload_hash, payload, ..native }
                }
                _ => native,
            }
        },
    )
}

fn tx() -> impl Strategy<Value = Tx> {
    transaction().prop_map(|tx| Tx::try_from(&tx).unwrap())
}

fn hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>().prop_map(Hash::from)
}
