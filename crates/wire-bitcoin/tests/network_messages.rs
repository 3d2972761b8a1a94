//! Those messages that are no views read and write what the `bitcoin` crate reads and writes.
//!
//! `bitcoin` is asked through whole frames. What it accepts and we refuse, or the other way round,
//! is listed in `exception`, and nothing else may differ.

mod arbitrary;

use std::net::SocketAddr;

use bitcoin::consensus;
use bitcoin::hashes::Hash as _;
use bitcoin::p2p::address::AddrV2Message;
use bitcoin::p2p::message::{NetworkMessage, RawNetworkMessage};
use bitcoin::p2p::message_compact_blocks::SendCmpct as TheirSendCmpct;
use bitcoin::p2p::{Address, Magic, ServiceFlags};
use bytes::Bytes;
use peerage_wire::{
    FrameHeader, FramedKind as _, HEADER_LEN, Malformed, Message as _, Protocol as _, checksum,
};
use peerage_wire_bitcoin::message::{FeeFilter, Ping, Pong, Version};
use peerage_wire_bitcoin::types::{NetworkAddress, PeerAddress, TimedAddress};
use peerage_wire_bitcoin::{Bitcoin, Kind, Message};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const NEWEST: u32 = Bitcoin::VERSION;
const MAGIC: [u8; 4] = [0xf9, 0xbe, 0xb4, 0xd9];

const KINDS: [Kind; 16] = [
    Kind::Addr,
    Kind::AddrV2,
    Kind::FeeFilter,
    Kind::FilterAdd,
    Kind::FilterLoad,
    Kind::GetAddr,
    Kind::GetBlocks,
    Kind::GetHeaders,
    Kind::MemPool,
    Kind::Ping,
    Kind::Pong,
    Kind::Reject,
    Kind::SendCmpct,
    Kind::SendHeaders,
    Kind::Verack,
    Kind::Version,
];

/// What `bitcoin` reads, if it reads all of it: it does not mind bytes after an empty message.
fn theirs(kind: Kind, payload: &[u8]) -> Option<NetworkMessage> {
    let len = u32::try_from(payload.len()).expect("small");
    let header =
        FrameHeader { magic: MAGIC, command: kind.command(), len, checksum: checksum(payload) };
    let frame = [&header.to_bytes()[..], payload].concat();
    let message = consensus::deserialize::<RawNetworkMessage>(&frame).ok()?.into_payload();
    (kind == Kind::Version || bytes_of(&message) == payload).then_some(message)
}

fn bytes_of(message: &NetworkMessage) -> Vec<u8> {
    let frame = RawNetworkMessage::new(Magic::from_bytes(MAGIC), message.clone());
    consensus::serialize(&frame)[HEADER_LEN..].to_vec()
}

/// Whether the two may differ about this payload, because of what our types document.
fn exception(kind: Kind, payload: &[u8], ours: &Result<Message, Malformed>) -> bool {
    let is_text = |bytes| std::str::from_utf8(bytes).is_ok();
    match ours {
        // Bytes that follow `relay` or are missing, and user agents that are no UTF-8.
        Ok(Message::Version(version)) => {
            !is_text(version.user_agent.as_text().as_bytes()) || fixed(payload) != 86
        }
        // Any amount is accepted, and any flags are.
        Ok(Message::FeeFilter(_)) => true,
        Ok(Message::FilterLoad(filter)) => filter.flags().0 > 2,
        // Any code and reason, without a hash as well.
        Ok(Message::Reject(reject)) => {
            let known = [0x01, 0x10, 0x11, 0x12, 0x40, 0x41, 0x42, 0x43];
            let known = known.contains(&reject.code().0) && is_text(reject.reason().as_bytes());
            !known || reject.hash().is_none()
        }
        // Addresses in disguise are skipped, and CJDNS addresses may begin with anything.
        Ok(Message::AddrV2(addr)) => {
            let disguised = addr.iter().count() < addr.len();
            disguised || addr.iter().any(|entry| is_foreign_cjdns(entry.peer.address))
        }
        Ok(_) => false,
        // A hash for tx and block only, and only commands that a frame could carry.
        Err(Malformed::TrailingBytes { count: 32 } | Malformed::BadCommand) => kind == Kind::Reject,
        // Limits that `bitcoin` does not have.
        Err(error) => {
            let limited = [Kind::Version, Kind::Reject, Kind::FilterLoad].contains(&kind);
            limited && matches!(error, Malformed::TooMany { .. })
        }
    }
}

/// Bytes of a `version` without its user agent: 86 with the relay byte.
fn fixed(payload: &[u8]) -> usize {
    match payload.get(80) {
        Some(0xfd) => payload.len() - 2 - usize::from(payload[81]) - 256 * usize::from(payload[82]),
        Some(len) => payload.len() - usize::from(*len),
        None => 0,
    }
}

fn is_foreign_cjdns(address: NetworkAddress) -> bool {
    matches!(address, NetworkAddress::Cjdns(_)) && !address.is_routable()
}

/// Whether both say the same.
fn same(ours: &Message, theirs: &NetworkMessage) -> bool {
    use {Message as Ours, NetworkMessage as Theirs};
    match (ours, theirs) {
        (Ours::Verack, Theirs::Verack)
        | (Ours::GetAddr, Theirs::GetAddr)
        | (Ours::MemPool, Theirs::MemPool)
        | (Ours::SendHeaders, Theirs::SendHeaders) => true,
        (Ours::Ping(Ping { nonce }), Theirs::Ping(theirs)) => *nonce == Some(*theirs),
        (Ours::Pong(Pong { nonce }), Theirs::Pong(theirs)) => nonce == theirs,
        (Ours::FeeFilter(FeeFilter { rate }), Theirs::FeeFilter(theirs)) => rate == theirs,
        (Ours::SendCmpct(ours), Theirs::SendCmpct(TheirSendCmpct { send_compact, version })) => {
            ours.announce == *send_compact && ours.version == *version
        }
        (Ours::GetBlocks(ours), Theirs::GetBlocks(theirs)) => ours.decode_getblocks() == *theirs,
        (Ours::GetHeaders(ours), Theirs::GetHeaders(theirs)) => ours.decode() == *theirs,
        (Ours::Addr(ours), Theirs::Addr(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().zip(theirs).all(|(ours, (time, address))| {
                    ours.time == *time && same_address(&ours.peer, address)
                })
        }
        (Ours::AddrV2(ours), Theirs::AddrV2(theirs)) => {
            let known = theirs.iter().filter(|it| network_of(it).is_some());
            ours.len() == theirs.len()
                && ours.iter().eq(known.map(|it| network_of(it).expect("filtered for it")))
        }
        (Ours::FilterAdd(ours), Theirs::FilterAdd(theirs)) => *ours.data() == theirs.data,
        (Ours::FilterLoad(ours), Theirs::FilterLoad(theirs)) => {
            *ours.filter() == theirs.filter
                && (ours.hash_funcs(), ours.tweak()) == (theirs.hash_funcs, theirs.tweak)
        }
        (Ours::Reject(ours), Theirs::Reject(theirs)) => {
            ours.reason().as_bytes() == theirs.reason.as_bytes()
                && ours.hash().is_none_or(|hash| hash == theirs.hash.to_byte_array())
        }
        (Ours::Version(ours), Theirs::Version(theirs)) => same_version(ours, theirs),
        _ => false,
    }
}

fn same_version(ours: &Version, theirs: &bitcoin::p2p::message_network::VersionMessage) -> bool {
    ours.version.cast_unsigned() == theirs.version
        && ours.services.to_bits() == theirs.services.to_u64()
        && ours.timestamp == theirs.timestamp
        && same_address(&ours.addr_recv, &theirs.receiver)
        && same_address(&ours.addr_from, &theirs.sender)
        && ours.nonce == theirs.nonce
        && ours.user_agent.as_text().as_bytes() == theirs.user_agent.as_bytes()
        && ours.start_height == theirs.start_height
        && ours.relay == theirs.relay
}

fn same_address(ours: &PeerAddress, theirs: &Address) -> bool {
    let segments = ours.address.to_legacy().map(|bytes| std::net::Ipv6Addr::from(bytes).segments());
    (segments, ours.port) == (Some(theirs.address), theirs.port)
        && ours.services.to_bits() == theirs.services.to_u64()
}

/// Their entry as ours; none for a network that neither knows.
fn network_of(entry: &AddrV2Message) -> Option<TimedAddress> {
    use bitcoin::p2p::address::AddrV2;
    let address = match entry.addr {
        AddrV2::Ipv4(ip) => NetworkAddress::Ipv4(ip),
        AddrV2::Ipv6(ip) => NetworkAddress::Ipv6(ip),
        AddrV2::TorV2(id) => NetworkAddress::TorV2(id),
        AddrV2::TorV3(key) => NetworkAddress::TorV3(key),
        AddrV2::I2p(hash) => NetworkAddress::I2p(hash),
        AddrV2::Cjdns(ip) => NetworkAddress::Cjdns(ip),
        AddrV2::Unknown(..) => return None,
    };
    let services = peerage_wire_bitcoin::types::Services::from_bits(entry.services.to_u64());
    Some(TimedAddress { time: entry.time, peer: PeerAddress::new(services, address, entry.port) })
}

fn compare(kind: Kind, payload: &[u8]) -> Result<(), TestCaseError> {
    let ours = Message::decode(kind, Bytes::copy_from_slice(payload), NEWEST);
    match (&ours, theirs(kind, payload)) {
        (Ok(ours), Some(theirs)) => {
            prop_assert!(same(ours, &theirs), "{:?} is not {:?}", ours, theirs);
        }
        (Err(_), None) => {}
        (_, theirs) => {
            let known = exception(kind, payload, &ours);
            prop_assert!(known, "{}: {:?} against {:?}", kind, ours, theirs);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn both_read_the_same(message in arbitrary::message()) {
        let kind = message.kind();
        if !KINDS.contains(&kind) {
            return Ok(());
        }
        let mut payload = Vec::new();
        message.encode(NEWEST, &mut payload);
        compare(kind, &payload)?;
    }

    #[test]
    fn both_refuse_the_same(
        message in arbitrary::message(),
        cut in any::<Index>(),
        changes in vec((any::<Index>(), any::<u8>()), 0..3),
        tail in vec(any::<u8>(), 0..2),
    ) {
        let kind = message.kind();
        if !KINDS.contains(&kind) {
            return Ok(());
        }
        let mut payload = Vec::new();
        message.encode(NEWEST, &mut payload);
        for (place, byte) in changes {
            if !payload.is_empty() {
                let place = place.index(payload.len());
                payload[place] = byte;
            }
        }
        compare(kind, &payload[..cut.index(payload.len() + 1)])?;
        payload.extend(tail);
        compare(kind, &payload)?;
    }

    #[test]
    fn both_judge_noise_the_same(kind in select(&KINDS), payload in vec(any::<u8>(), 0..100)) {
        compare(kind, &payload)?;
    }
}

#[test]
fn what_bitcoin_writes_is_read() {
    let socket: SocketAddr = "1.2.3.4:8333".parse().unwrap();
    let address = Address::new(&socket, ServiceFlags::NETWORK);
    let mut version = bitcoin::p2p::message_network::VersionMessage::new(
        ServiceFlags::WITNESS,
        1_700_000_000,
        address.clone(),
        address.clone(),
        7,
        "/rust:1/".into(),
        9,
    );
    version.relay = true;
    let addrv2 = |addr| AddrV2Message { time: 1, services: ServiceFlags::NETWORK, addr, port: 2 };
    let all = [
        bitcoin::p2p::address::AddrV2::Ipv4([1, 2, 3, 4].into()),
        bitcoin::p2p::address::AddrV2::TorV3([1; 32]),
        bitcoin::p2p::address::AddrV2::Unknown(99, vec![1]),
    ];
    for message in [
        NetworkMessage::Version(version),
        NetworkMessage::Verack,
        NetworkMessage::Addr(vec![(5, address)]),
        NetworkMessage::AddrV2(all.map(addrv2).to_vec()),
        NetworkMessage::Ping(3),
        NetworkMessage::FeeFilter(1_000),
        NetworkMessage::SendCmpct(TheirSendCmpct { send_compact: true, version: 2 }),
    ] {
        let kind = Kind::from_command(peerage_wire::Command::new(message.cmd()));
        let ours = Message::decode(kind, bytes_of(&message).into(), NEWEST).unwrap();
        assert!(same(&ours, &message), "{ours:?} is not {message:?}");
    }
}
