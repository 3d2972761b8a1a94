//! The bytes of every message, their number, and from which protocol version on there are any.
#![allow(clippy::unwrap_used)] // the helpers of tests are tests

mod data;

use bitcoin::BlockHash;
use bitcoin::bip158::{FilterHash, FilterHeader};
use bitcoin::hashes::Hash as _;
use bytes::Bytes;
use data::{GENESIS, SEGWIT_TX, hex};
use peerage_wire::{Command, Kind as _, Malformed, Message as _, Protocol as _};
use peerage_wire_bitcoin::message::*;
use peerage_wire_bitcoin::types::{InventoryItem, PeerAddress, Services, UserAgent};
use peerage_wire_bitcoin::{Bitcoin, Kind, Message, Network};

const NEWEST: u32 = Bitcoin::VERSION;

fn encoded(message: &Message, version: u32) -> Vec<u8> {
    let mut out = Vec::new();
    message.encode(version, &mut out);
    out
}

fn decoded(kind: Kind, digits: &str, version: u32) -> Result<Message, Malformed> {
    Message::decode(kind, hex(digits).into(), version)
}

fn peer(address: &str, services: Services) -> PeerAddress {
    PeerAddress { services, ..address.parse().expect("an address") }
}

/// An introduction of 2012 to 127.0.0.1:8333 from 192.168.0.1:8333.
fn version() -> Version {
    Version {
        version: 70_015,
        services: Services::NETWORK | Services::WITNESS,
        timestamp: 0x495f_ab29,
        addr_recv: peer("127.0.0.1:8333", Services::NETWORK),
        addr_from: peer("192.168.0.1:8333", Services::NETWORK),
        nonce: 0x0123_4567_89ab_cdef,
        user_agent: UserAgent::from_raw(&b"/btcdtest:0.0.1/"[..]).expect("short"),
        start_height: 234_234,
        relay: false,
    }
}

const VERSION: &str = concat!(
    "7f110100",                                             // 70015
    "0900000000000000",                                     // NETWORK, WITNESS
    "29ab5f4900000000",                                     // time
    "010000000000000000000000000000000000ffff7f000001208d", // receiver
    "010000000000000000000000000000000000ffffc0a80001208d", // sender
    "efcdab8967452301",                                     // nonce
    "102f62746364746573743a302e302e312f",                   // user agent
    "fa920300",                                             // height
    "00",                                                   // relay
);

#[test]
fn version_is_as_on_the_wire_and_may_end_before_any_field_after_the_receiver() {
    let message = Message::Version(Box::new(version()));
    assert_eq!(encoded(&message, NEWEST), hex(VERSION));
    let bytes = hex(VERSION);
    assert_eq!(bytes.len(), 102);

    let mut expected = version();
    let mut check = |len: usize, forget: &dyn Fn(&mut Version)| {
        forget(&mut expected);
        let payload = Bytes::copy_from_slice(&bytes[..len]);
        let message = Message::decode(Kind::Version, payload, NEWEST);
        assert_eq!(message, Ok(Message::Version(Box::new(expected.clone()))), "{len} bytes");
    };
    check(102, &|_| ());
    check(101, &|version| version.relay = true);
    check(97, &|version| version.start_height = 0);
    check(80, &|version| version.user_agent = UserAgent::from_raw(Bytes::new()).unwrap());
    check(72, &|version| version.nonce = 0);
    check(46, &|version| version.addr_from = PeerAddress::UNSPECIFIED);
    for len in (0..102).filter(|len| ![46, 72, 80, 97, 101].contains(len)) {
        let payload = Bytes::copy_from_slice(&bytes[..len]);
        assert_eq!(Message::decode(Kind::Version, payload, NEWEST), Err(Malformed::Truncated));
    }
}

#[test]
fn version_takes_any_relay_byte_and_what_comes_later_but_no_long_user_agent() {
    let yes = Ok(Message::Version(Box::new(Version { relay: true, ..version() })));
    let digits = &VERSION[..VERSION.len() - 2];
    for tail in ["01", "02", "ff", "01ffff"] {
        assert_eq!(decoded(Kind::Version, &format!("{digits}{tail}"), NEWEST), yes, "{tail}");
    }
    let mut long = hex(VERSION);
    long.splice(80..81, [0xfd, 0x01, 0x01]);
    long.resize(400, b'x');
    let error = Malformed::TooMany { what: "bytes of user agent", count: 257, max: 256 };
    assert_eq!(Message::decode(Kind::Version, long.into(), NEWEST), Err(error));
}

#[test]
fn version_has_its_relay_byte_from_70001_on() {
    let message = Message::Version(Box::new(version()));
    assert_eq!(encoded(&message, 70_001).len(), 102);
    assert_eq!(encoded(&message, 70_000).len(), 101);
    let old = Message::Version(Box::new(Version { version: 70_000, ..version() }));
    assert_eq!(encoded(&old, NEWEST).len(), 101);
    let longest = UserAgent::from_raw(vec![b'x'; 256]).unwrap();
    let longest = Message::Version(Box::new(Version { user_agent: longest, ..version() }));
    assert_eq!(encoded(&longest, NEWEST).len(), 343 + 1);
}

#[test]
fn messages_without_payload_have_none() {
    for (kind, message) in [
        (Kind::Verack, Message::Verack),
        (Kind::GetAddr, Message::GetAddr),
        (Kind::SendAddrV2, Message::SendAddrV2),
        (Kind::WtxidRelay, Message::WtxidRelay),
        (Kind::SendHeaders, Message::SendHeaders),
        (Kind::MemPool, Message::MemPool),
        (Kind::FilterClear, Message::FilterClear),
    ] {
        assert_eq!(encoded(&message, NEWEST), b"");
        assert_eq!(decoded(kind, "", NEWEST), Ok(message));
        assert_eq!(decoded(kind, "00", NEWEST), Err(Malformed::TrailingBytes { count: 1 }));
    }
}

#[test]
fn small_messages_are_as_on_the_wire() {
    let feature = Feature::new("BIP434", &b"\x07"[..]).unwrap();
    let filter = FilterLoad::new(&b"\xb5\x0f"[..], 11, 0x0201, FilterFlags::ALL).unwrap();
    let filter_add = FilterAdd::new(&b"\x01\x02"[..]).unwrap();
    let reject = |command: &str| Reject::new(Command::new(command), RejectCode::DUPLICATE, "dup");
    let hash = "ab".repeat(32);
    let txrcncl = SendTxRcncl { version: 1, salt: 2 };
    let rejected_tx = reject("tx").with_hash([0xab; 32]);
    for (message, digits) in [
        (Message::ping(1), "0100000000000000".to_owned()),
        (Message::pong(u64::MAX), "ff".repeat(8)),
        (Message::FeeFilter(FeeFilter { rate: -2 }), "feffffffffffffff".into()),
        (Message::SendCmpct(SendCmpct { announce: true, version: 2 }), "010200000000000000".into()),
        (Message::SendTxRcncl(txrcncl), "010000000200000000000000".into()),
        (Message::Feature(feature), "064249503433340107".into()),
        (Message::FilterLoad(filter), "02b50f0b000000010200 0001".replace(' ', "")),
        (Message::FilterAdd(filter_add), "020102".into()),
        (Message::Reject(Box::new(reject("version"))), "0776657273696f6e1203647570".into()),
        (Message::Reject(Box::new(rejected_tx)), format!("0274781203647570{hash}")),
    ] {
        assert_eq!(encoded(&message, NEWEST), hex(&digits), "{message:?}");
        assert_eq!(decoded(message.kind(), &digits, NEWEST), Ok(message));
    }
}

#[test]
fn a_reject_names_a_hash_for_tx_and_block_only() {
    let tx = Reject::new(Command::new("tx"), RejectCode::DUST, "").with_hash([1; 32]);
    assert_eq!(tx.hash(), Some([1; 32]));
    assert_eq!(Reject::new(Command::new("block"), RejectCode::DUST, "").hash(), Some([0; 32]));
    let addr = Reject::new(Command::new("addr"), RejectCode::DUST, "").with_hash([1; 32]);
    assert_eq!(addr.hash(), None);
    let long = Reject::new(Command::new("addr"), RejectCode::DUST, &"ä".repeat(200));
    assert_eq!(long.reason().as_bytes(), "?".repeat(111).as_bytes());
    assert_eq!(RejectCode::INSUFFICIENT_FEE.to_string(), "REJECT_INSUFFICIENTFEE");
    assert_eq!(RejectCode(0x99).to_string(), "0x99");
}

#[test]
fn limits_are_checked_both_ways() {
    let too_many = |what, count, max| Err::<(), _>(Malformed::TooMany { what, count, max });
    let functions = FilterLoad::new(Bytes::new(), 51, 0, FilterFlags::NONE).map(drop);
    assert_eq!(functions, too_many("hash functions", 51, 50));
    let filter = FilterLoad::new(vec![0; 36_001], 1, 0, FilterFlags::NONE).map(drop);
    assert_eq!(filter, too_many("bytes of filter", 36_001, 36_000));
    assert_eq!(FilterAdd::new(vec![0; 521]).map(drop), too_many("bytes of data", 521, 520));
    assert!(Feature::new("abc", Bytes::new()).is_err());
    assert!(Feature::new(&"x".repeat(81), Bytes::new()).is_err());
    assert!(Feature::new(&"x".repeat(80), vec![0; 513]).is_err());
    let longest = Message::Feature(Feature::new(&"x".repeat(80), vec![0; 512]).unwrap());
    assert_eq!(encoded(&longest, NEWEST).len(), Kind::Feature.policy().cap);

    let hashes = vec![BlockHash::all_zeros(); 501];
    let longest = Locator::new(1, &hashes[1..], hashes[0]).unwrap();
    assert_eq!(encoded(&Message::GetHeaders(longest), 0).len(), 4 + 3 + 501 * 32);
    let locator = Locator::new(1, &hashes, hashes[0]).map(drop);
    assert_eq!(locator, too_many("locator hashes", 501, 500));

    for (kind, digits) in [
        (Kind::FilterLoad, "0033000000 00000000 00"), // 51 hash functions
        (Kind::SendCmpct, "02 0200000000000000"),     // announce is no bool
        (Kind::FilterLoad, "fda18c"),                 // 36,001 bytes
        (Kind::FilterAdd, "fd0902"),                  // 521 bytes
        (Kind::Feature, "03616263 00"),               // 3 bytes of id
        (Kind::GetBlocks, "00000000 fdf501"),         // 501 hashes
        (Kind::Addr, "fde903"),                       // 1,001 addresses
        (Kind::AddrV2, "fde903"),
        (Kind::Inv, "fd51c3"), // 50,001 items
    ] {
        let error = decoded(kind, &digits.replace(' ', ""), NEWEST).unwrap_err();
        assert!(matches!(error, Malformed::TooMany { .. } | Malformed::Invalid { .. }), "{error}");
    }
}

#[test]
fn counts_that_have_a_shorter_form_are_refused() {
    for (kind, digits) in [
        (Kind::Inv, "fd0000"),
        (Kind::Headers, "fe00000000"),
        (Kind::Addr, "fdfc00"),
        (Kind::AddrV2, "ff0000000000000000"),
        (Kind::GetBlocks, "01000000fd0000"),
        (Kind::FilterAdd, "fd0000"),
        (Kind::Reject, "fd0200"),
        (Kind::AddrV2, "0100000000fd00000000000000"), // the services of an entry
    ] {
        assert_eq!(decoded(kind, digits, NEWEST), Err(Malformed::NonCanonicalSize), "{kind}");
    }
}

#[test]
fn pings_have_a_nonce_above_60000() {
    let ping = Message::ping(7);
    assert_eq!(encoded(&ping, 60_000), b"");
    assert_eq!(decoded(Kind::Ping, "", 60_000), Ok(Message::Ping(Ping { nonce: None })));
    assert_eq!(encoded(&ping, 60_001).len(), 8);
    assert_eq!(decoded(Kind::Ping, "", 60_001), Err(Malformed::Truncated));
    let extra = Malformed::TrailingBytes { count: 8 };
    assert_eq!(decoded(Kind::Ping, &"00".repeat(8), 60_000), Err(extra));
}

#[test]
fn messages_newer_than_what_is_agreed_are_refused() {
    for (kind, since) in [
        (Kind::Pong, 60_001),
        (Kind::MemPool, 60_002),
        (Kind::FilterLoad, 70_001),
        (Kind::FilterAdd, 70_001),
        (Kind::FilterClear, 70_001),
        (Kind::MerkleBlock, 70_001),
        (Kind::Reject, 70_002),
        (Kind::SendHeaders, 70_012),
        (Kind::FeeFilter, 70_013),
        (Kind::SendCmpct, 70_014),
        (Kind::CmpctBlock, 70_014),
        (Kind::GetBlockTxn, 70_014),
        (Kind::BlockTxn, 70_014),
        (Kind::SendAddrV2, 70_016),
        (Kind::WtxidRelay, 70_016),
        (Kind::SendTxRcncl, 70_016),
        (Kind::Feature, 70_017),
    ] {
        let agreed = since - 1;
        let error = Malformed::TooNew { command: kind.name(), since, agreed };
        assert_eq!(decoded(kind, "", agreed), Err(error), "{kind}");
        assert!(!matches!(decoded(kind, "", since), Err(Malformed::TooNew { .. })), "{kind}");
    }
    let newest = Kind::ALL.iter().map(|kind| kind.since()).max();
    assert_eq!(newest, Some(NEWEST));
}

#[test]
fn a_locator_reads_what_was_written() {
    let genesis = Network::mainnet().genesis;
    let locator = Locator::new(70_015, &[genesis; 3], BlockHash::all_zeros()).unwrap();
    assert_eq!((locator.version(), locator.len()), (70_015, 3));
    assert!(locator.hashes().eq([genesis; 3]));
    assert_eq!(locator.stop(), BlockHash::all_zeros());
    let hash = "6fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000";
    let digits = format!("7f11010003{hash}{hash}{hash}{}", "00".repeat(32));
    for message in [Message::GetBlocks(locator.clone()), Message::GetHeaders(locator)] {
        assert_eq!(encoded(&message, NEWEST), hex(&digits));
        assert_eq!(decoded(message.kind(), &digits, NEWEST), Ok(message));
    }
}

#[test]
fn the_numbers_of_bytes_are_those_of_the_formats() {
    let hash = BlockHash::all_zeros();
    let item = InventoryItem::block(hash);
    let block = Block::from_bytes(hex(GENESIS).into()).unwrap();
    let tx = Tx::from_bytes(hex(SEGWIT_TX).into()).unwrap();
    let header = FilterHeader::all_zeros();
    let range = (0, 1, hash);
    let (filter_type, start_height, stop_hash) = range;
    for (message, len) in [
        (Message::Inv(Inventory::new(&[]).unwrap()), 1),
        (Message::GetData(Inventory::new(&[item; 252]).unwrap()), 1 + 252 * 36),
        (Message::NotFound(Inventory::new(&[item; 253]).unwrap()), 3 + 253 * 36),
        (Message::Inv(Inventory::new(&[item; 50_000]).unwrap()), 1_800_003),
        (Message::Headers(Headers::new(&[block.header(); 2_000]).unwrap()), 3 + 2_000 * 81),
        (Message::CmpctBlock(CmpctBlock::from_block(&block, 7).unwrap()), 80 + 8 + 1 + 1 + 205),
        (Message::BlockTxn(BlockTxn::new(hash, &[tx.view()]).unwrap()), 32 + 1 + tx.total_size()),
        (Message::Tx(tx), hex(SEGWIT_TX).len()),
        (Message::Block(block), 285),
        (Message::GetBlockTxn(GetBlockTxn::new(hash, &[0, 300]).unwrap()), 32 + 1 + 1 + 3),
        (Message::GetCFilters(GetCFilters { filter_type, start_height, stop_hash }), 37),
        (Message::GetCFHeaders(GetCFHeaders { filter_type, start_height, stop_hash }), 37),
        (Message::GetCFCheckpt(GetCFCheckpt { filter_type, stop_hash }), 33),
        (Message::CFilter(CFilter::new(0, hash, &[0; 253]).unwrap()), 33 + 3 + 253),
        (
            Message::CFHeaders(
                CFHeaders::new(0, hash, header, &[FilterHash::all_zeros()]).unwrap(),
            ),
            65 + 1 + 32,
        ),
        (Message::CFCheckpt(CFCheckpt::new(0, hash, &[header; 2]).unwrap()), 33 + 1 + 64),
    ] {
        let payload = encoded(&message, NEWEST);
        assert_eq!(payload.len(), len, "{message:?}");
        assert_eq!(message.shared().map_or(len, |shared| shared.len()), len);
        assert_eq!(Message::decode(message.kind(), payload.into(), NEWEST), Ok(message));
    }
}

#[test]
fn unknown_messages_and_alerts_pass_unread() {
    let command = Command::new("getutxos");
    let payload = Bytes::from_static(b"whatever");
    let message = Message::decode(Kind::Unknown(command), payload.clone(), 0).unwrap();
    assert_eq!(message, Message::Unknown { command, payload: payload.clone() });
    assert_eq!(encoded(&message, NEWEST), payload);
    assert_eq!(format!("{message:?}"), "getutxos(8 bytes)");
    assert_eq!(Message::decode(Kind::Alert, payload.clone(), 0), Ok(Message::Alert(payload)));
}

#[test]
fn a_message_is_small() {
    assert!(size_of::<Message>() <= 72, "{}", size_of::<Message>());
}
