//! Any message, through the constructors that users have.
#![allow(dead_code)] // each test binary uses its own part of this module

use std::net::{IpAddr, Ipv6Addr};

use bitcoin::absolute::LockTime;
use bitcoin::bip158::{FilterHash, FilterHeader};
use bitcoin::block::Header;
use bitcoin::hashes::Hash as _;
use bitcoin::transaction::Version as TxVersion;
use bitcoin::{
    Amount, BlockHash, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness, consensus,
};
use peerage_wire::Command;
use peerage_wire_bitcoin::Message;
use peerage_wire_bitcoin::message::{
    Addr, AddrV2, Block, BlockTxn, CFCheckpt, CFHeaders, CFilter, CmpctBlock, Feature, FeeFilter,
    FilterAdd, FilterFlags, FilterLoad, GetBlockTxn, GetCFCheckpt, GetCFHeaders, GetCFilters,
    Headers, Inventory, Locator, MerkleBlock, Ping, Pong, Reject, RejectCode, SendCmpct,
    SendTxRcncl, Tx, Version,
};
use peerage_wire_bitcoin::types::{
    InventoryItem, InventoryType, NetworkAddress, PeerAddress, Services, TimedAddress, UserAgent,
};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Union;

/// Any message but `alert` and unknown ones, in the newest version.
pub(crate) fn message() -> impl Strategy<Value = Message> {
    Union::new([empty(), small(), gossip(), opening(), lists(), blocks(), filters()])
}

/// An alert or an unknown message: whatever they carry is their payload.
pub(crate) fn opaque() -> impl Strategy<Value = Message> {
    let command = "[a-z]{1,12}".prop_map(|name| Command::new(&name));
    let payload = || vec(any::<u8>(), 0..99).prop_map(Into::into);
    prop_oneof![
        payload().prop_map(Message::Alert),
        (command, payload()).prop_map(|(command, payload)| Message::Unknown { command, payload }),
    ]
}

fn empty() -> BoxedStrategy<Message> {
    select(vec![
        Message::Verack,
        Message::GetAddr,
        Message::SendAddrV2,
        Message::WtxidRelay,
        Message::SendHeaders,
        Message::MemPool,
        Message::FilterClear,
    ])
    .boxed()
}

fn small() -> BoxedStrategy<Message> {
    let reject = (select(vec!["tx", "block", "version", "x"]), any::<u8>(), "[ -~]{0,120}", hash());
    prop_oneof![
        any::<u64>().prop_map(|nonce| Message::Ping(Ping { nonce: Some(nonce) })),
        any::<u64>().prop_map(|nonce| Message::Pong(Pong { nonce })),
        any::<i64>().prop_map(|rate| Message::FeeFilter(FeeFilter { rate })),
        any::<(bool, u64)>()
            .prop_map(|(announce, version)| Message::SendCmpct(SendCmpct { announce, version })),
        reject.prop_map(|(command, code, reason, hash)| {
            let reject = Reject::new(Command::new(command), RejectCode(code), &reason);
            Message::Reject(Box::new(reject.with_hash(hash)))
        }),
    ]
    .boxed()
}

fn opening() -> BoxedStrategy<Message> {
    let places = (legacy_peer(), legacy_peer());
    let agent = vec(any::<u8>(), 0..=256)
        .prop_map(|bytes| UserAgent::from_raw(bytes).expect("256 bytes are allowed"));
    let version = (any::<(i32, u64, i64, u64, i32, bool)>(), places, agent).prop_map(
        |((version, services, timestamp, nonce, start_height, relay), places, user_agent)| {
            Message::Version(Box::new(Version {
                version,
                services: Services::from_bits(services),
                timestamp,
                addr_recv: places.0,
                addr_from: places.1,
                nonce,
                user_agent,
                start_height,
                relay: relay || version < 70_001,
            }))
        },
    );
    let feature = ("[ -~]{4,80}", vec(any::<u8>(), 0..=512)).prop_map(|(id, data)| {
        Message::Feature(Feature::new(&id, data).expect("these lengths are allowed"))
    });
    let txrcncl = any::<(u32, u64)>()
        .prop_map(|(version, salt)| Message::SendTxRcncl(SendTxRcncl { version, salt }));
    prop_oneof![version, feature, txrcncl].boxed()
}

fn gossip() -> BoxedStrategy<Message> {
    let timed = |peer| (any::<u32>(), peer).prop_map(|(time, peer)| TimedAddress { time, peer });
    let addr = vec(timed(legacy_peer().boxed()), 0..9)
        .prop_map(|entries| Message::Addr(Addr::new(&entries).expect("few and of the old form")));
    let addrv2 = vec(timed(peer().boxed()), 0..300)
        .prop_map(|entries| Message::AddrV2(AddrV2::new(&entries).expect("few")));
    prop_oneof![addr, addrv2].boxed()
}

fn lists() -> BoxedStrategy<Message> {
    let items = vec((any::<u32>(), hash()), 0..300).prop_map(|items| {
        let item = |(kind, hash)| InventoryItem { kind: InventoryType(kind), hash };
        Inventory::new(&items.into_iter().map(item).collect::<Vec<_>>()).expect("few")
    });
    let locator = (any::<u32>(), vec(block_hash(), 0..300), block_hash())
        .prop_map(|(version, hashes, stop)| Locator::new(version, &hashes, stop).expect("few"));
    let headers = vec(header(), 0..300).prop_map(|headers| Headers::new(&headers).expect("few"));
    prop_oneof![
        items.clone().prop_map(Message::Inv),
        items.clone().prop_map(Message::GetData),
        items.prop_map(Message::NotFound),
        locator.clone().prop_map(Message::GetBlocks),
        locator.prop_map(Message::GetHeaders),
        headers.prop_map(Message::Headers),
    ]
    .boxed()
}

fn blocks() -> BoxedStrategy<Message> {
    let view = |block: &bitcoin::Block| Block::try_from(block).expect("a small block");
    let merkle = (block(1), any::<u8>()).prop_map(|(block, chosen)| {
        let matches = |txid: &bitcoin::Txid| txid.to_byte_array()[0] < chosen;
        let block = bitcoin::MerkleBlock::from_block_with_predicate(&block, matches);
        Message::MerkleBlock(MerkleBlock::try_from(&block).expect("a small block"))
    });
    let request = (block_hash(), btree_set(any::<u16>().prop_map(|place| place % 9_999), 0..99))
        .prop_map(|(hash, places)| {
            let places: Vec<u16> = places.into_iter().collect();
            Message::GetBlockTxn(GetBlockTxn::new(hash, &places).expect("sorted and small"))
        });
    let answer = block(0).prop_map(move |block| {
        let (hash, block) = (block.block_hash(), view(&block));
        let transactions: Vec<_> = block.transactions().collect();
        Message::BlockTxn(BlockTxn::new(hash, &transactions).expect("small"))
    });
    prop_oneof![
        transaction().prop_map(|tx| Message::Tx(Tx::try_from(&tx).expect("small"))),
        block(0).prop_map(move |block| Message::Block(view(&block))),
        (block(1), any::<u64>()).prop_map(move |(block, nonce)| {
            Message::CmpctBlock(CmpctBlock::from_block(&view(&block), nonce).expect("a coinbase"))
        }),
        merkle,
        request,
        answer,
    ]
    .boxed()
}

fn filters() -> BoxedStrategy<Message> {
    let range = (any::<(u8, u32)>(), block_hash());
    let load = (vec(any::<u8>(), 0..99), 0..=50_u32, any::<u32>(), any::<u8>());
    let filter_headers =
        || vec(hash().prop_map(FilterHeader::from_byte_array), 0..99).prop_map(Vec::from_iter);
    let hashes = vec(hash().prop_map(FilterHash::from_byte_array), 0..99);
    prop_oneof![
        load.prop_map(|(filter, functions, tweak, flags)| {
            let filter = FilterLoad::new(filter, functions, tweak, FilterFlags(flags));
            Message::FilterLoad(filter.expect("within the limits"))
        }),
        vec(any::<u8>(), 0..=520)
            .prop_map(|data| Message::FilterAdd(FilterAdd::new(data).expect("520 are allowed"))),
        range.clone().prop_map(|((filter_type, start_height), stop_hash)| {
            Message::GetCFilters(GetCFilters { filter_type, start_height, stop_hash })
        }),
        range.clone().prop_map(|((filter_type, start_height), stop_hash)| {
            Message::GetCFHeaders(GetCFHeaders { filter_type, start_height, stop_hash })
        }),
        range.clone().prop_map(|((filter_type, _), stop_hash)| {
            Message::GetCFCheckpt(GetCFCheckpt { filter_type, stop_hash })
        }),
        (range.clone(), vec(any::<u8>(), 0..300)).prop_map(|(((filter_type, _), hash), filter)| {
            Message::CFilter(CFilter::new(filter_type, hash, &filter).expect("small"))
        }),
        (range.clone(), hash(), hashes).prop_map(|(((filter_type, _), stop), previous, hashes)| {
            let previous = FilterHeader::from_byte_array(previous);
            let headers = CFHeaders::new(filter_type, stop, previous, &hashes);
            Message::CFHeaders(headers.expect("few"))
        }),
        (range, filter_headers()).prop_map(|(((filter_type, _), stop), headers)| {
            Message::CFCheckpt(CFCheckpt::new(filter_type, stop, &headers).expect("few"))
        }),
    ]
    .boxed()
}

fn peer() -> impl Strategy<Value = PeerAddress> {
    let other = prop_oneof![
        hash().prop_map(NetworkAddress::TorV3),
        hash().prop_map(NetworkAddress::I2p),
        any::<Ipv6Addr>().prop_map(NetworkAddress::Cjdns),
    ];
    let other = (any::<(u64, u16)>(), other).prop_map(|((services, port), address)| {
        PeerAddress::new(Services::from_bits(services), address, port)
    });
    prop_oneof![legacy_peer(), other]
}

fn legacy_peer() -> impl Strategy<Value = PeerAddress> {
    let address = prop_oneof![
        any::<IpAddr>().prop_map(NetworkAddress::from),
        any::<[u8; 10]>().prop_map(NetworkAddress::TorV2),
    ];
    (any::<(u64, u16)>(), address).prop_map(|((services, port), address)| {
        PeerAddress::new(Services::from_bits(services), address, port)
    })
}

fn block(min_transactions: usize) -> impl Strategy<Value = bitcoin::Block> {
    (header(), vec(transaction(), min_transactions..6))
        .prop_map(|(header, txdata)| bitcoin::Block { header, txdata })
}

fn header() -> impl Strategy<Value = Header> {
    vec(any::<u8>(), Header::SIZE)
        .prop_map(|bytes| consensus::deserialize(&bytes).expect("any 80 bytes are a header"))
}

fn transaction() -> impl Strategy<Value = Transaction> {
    let script = || vec(any::<u8>(), 0..40).prop_map(ScriptBuf::from_bytes);
    let witness = vec(vec(any::<u8>(), 0..40), 0..3).prop_map(|items| Witness::from_slice(&items));
    let input = (hash(), any::<(u32, u32)>(), script(), witness).prop_map(
        |(txid, (vout, sequence), script_sig, witness)| TxIn {
            previous_output: OutPoint::new(bitcoin::Txid::from_byte_array(txid), vout),
            script_sig,
            sequence: Sequence(sequence),
            witness,
        },
    );
    let output = (any::<u64>(), script())
        .prop_map(|(value, script_pubkey)| TxOut { value: Amount::from_sat(value), script_pubkey });
    (any::<(i32, u32)>(), vec(input, 1..4), vec(output, 0..4)).prop_map(
        |((version, lock_time), input, output)| Transaction {
            version: TxVersion(version),
            lock_time: LockTime::from_consensus(lock_time),
            input,
            output,
        },
    )
}

fn block_hash() -> impl Strategy<Value = BlockHash> + Clone {
    hash().prop_map(BlockHash::from_byte_array)
}

fn hash() -> impl Strategy<Value = [u8; 32]> + Clone {
    any::<[u8; 32]>()
}
