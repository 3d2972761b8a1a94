//! `addr` and `addrv2`: what of them which peer can read.
#![allow(clippy::unwrap_used)] // the helpers of tests are tests

mod data;

use data::hex;
use peerage_wire::{Kind as _, Malformed, Message as _, Prepared, Protocol as _};
use peerage_wire_bitcoin::message::{Addr, AddrV2};
use peerage_wire_bitcoin::types::{NetworkAddress, PeerAddress, Services, TimedAddress};
use peerage_wire_bitcoin::{Bitcoin, Kind, Message};

const NEWEST: u32 = Bitcoin::VERSION;

fn encoded(message: &Message, version: u32) -> Vec<u8> {
    let mut out = Vec::new();
    message.encode(version, &mut out);
    out
}

fn decoded(kind: Kind, digits: &str, version: u32) -> Result<Message, Malformed> {
    Message::decode(kind, hex(digits).into(), version)
}

fn timed(address: &str) -> TimedAddress {
    TimedAddress {
        time: 0x495f_ab29,
        peer: PeerAddress { services: Services::NETWORK, ..address.parse().expect("an address") },
    }
}

#[test]
fn addr_loses_times_below_31402_and_all_but_one_entry_below_209() {
    let entries = [timed("127.0.0.1:8333"), timed("[2a01::1]:8334")];
    let message = Message::Addr(Addr::new(&entries).unwrap());
    let digits = "0229ab5f49010000000000000000000000000000000000ffff7f000001208d\
                  29ab5f4901000000000000002a010000000000000000000000000001208e";
    assert_eq!(encoded(&message, NEWEST), hex(digits));
    let Ok(Message::Addr(addr)) = decoded(Kind::Addr, digits, NEWEST) else { panic!("no addr") };
    assert_eq!(addr.decode(), entries);
    assert_eq!(addr.iter().len(), 2);

    let old = encoded(&message, 31_401);
    assert_eq!(old.len(), 1 + 2 * 26);
    let read = Message::decode(Kind::Addr, old.clone().into(), 31_401).unwrap();
    let Message::Addr(addr) = &read else { panic!("no addr") };
    assert!(addr.iter().eq(entries.map(|entry| TimedAddress { time: 0, ..entry })));
    assert_eq!(encoded(&read, 31_401), old);
    assert_eq!(encoded(&read, NEWEST).len(), 1 + 2 * 30);

    assert_eq!(encoded(&message, 208).len(), 1 + 26);
    let error = Malformed::TooMany { what: "addresses", count: 2, max: 1 };
    assert_eq!(Message::decode(Kind::Addr, old.into(), 208), Err(error));
    assert!(Prepared::<Bitcoin>::new(&message).is_none(), "it depends on the version");
}

#[test]
fn the_longest_addr_is_a_thousand_entries_of_the_old_form() {
    let longest = Message::Addr(Addr::new(&[timed("1.2.3.4:5"); 1_000]).unwrap());
    assert_eq!(encoded(&longest, NEWEST).len(), 30_003);
    assert!(Addr::new(&[timed("1.2.3.4:5"); 1_001]).is_err());
    let tor = NetworkAddress::TorV3([1; 32]);
    let tor = TimedAddress { time: 0, peer: PeerAddress::new(Services::NONE, tor, 1) };
    assert!(Addr::new(&[tor]).is_err());
}

/// An entry of `addrv2` with this network, length and address.
fn entry(network: &str, len: &str, address: &str) -> String {
    format!("29ab5f49 fd4804 {network} {len} {address} 208d").replace(' ', "")
}

#[test]
fn addrv2_reads_every_network_and_skips_what_it_does_not_know() {
    let entries = [
        entry("01", "04", "01020304"),
        entry("02", "10", "2a010000000000000000000000000001"),
        entry("03", "0a", "f1f2f3f4f5f6f7f8f9fa"),
        entry("04", "20", &"79".repeat(32)),
        entry("05", "20", &"a2".repeat(32)),
        entry("06", "10", "fc000001000200030004000500060007"),
        entry("02", "10", "00000000000000000000ffff01020304"), // IPv4 in disguise
        entry("02", "10", "fd87d87eeb43f1f2f3f4f5f6f7f8f9fa"), // Tor v2 in disguise
        entry("07", "00", ""),
        entry("aa", "fd0002", &"00".repeat(512)),
    ];
    let digits = format!("0a{}", entries.concat());
    let Ok(Message::AddrV2(addr)) = decoded(Kind::AddrV2, &digits, NEWEST) else {
        panic!("no addrv2")
    };
    assert_eq!(addr.len(), 10);
    let read = addr.decode();
    let shown: Vec<String> = read.iter().map(|entry| entry.peer.address.to_string()).collect();
    assert_eq!(shown[..3], ["1.2.3.4", "2a01::1", "6hzph5hv6337r6p2.onion"]);
    assert!(shown[3].ends_with("d.onion") && shown[4].ends_with(".b32.i2p"));
    assert_eq!(shown[5..], ["fc00:1:2:3:4:5:6:7"]);
    let services = Services::from_bits(0x448);
    assert!(read.iter().all(|entry| entry.time == 0x495f_ab29 && entry.peer.port == 8333));
    assert!(read.iter().all(|entry| entry.peer.services == services));

    let again = Message::AddrV2(AddrV2::new(&read).unwrap());
    assert_eq!(encoded(&again, NEWEST), hex(&format!("06{}", entries[..6].concat())));
    let largest = [TimedAddress { time: 0, peer: read[3].peer }; 1_000];
    let largest = Message::AddrV2(AddrV2::new(&largest).unwrap());
    assert!(encoded(&largest, NEWEST).len() <= Kind::AddrV2.policy().cap);
    assert!(AddrV2::new(&[read[3]; 1_001]).is_err());
}

#[test]
fn addrv2_refuses_wrong_lengths() {
    for (network, right) in [(1, 4), (2, 16), (3, 10), (4, 32), (5, 32), (6, 16)] {
        for len in (0..40).filter(|len| *len != right) {
            let entry = entry(&hex_byte(network), &hex_byte(len), &"fc".repeat(len));
            let error = Malformed::Invalid { what: "length of an address" };
            assert_eq!(decoded(Kind::AddrV2, &format!("01{entry}"), NEWEST), Err(error));
        }
    }
    let entry = entry("aa", "fd0102", &"00".repeat(513));
    let error = Malformed::TooMany { what: "bytes of address", count: 513, max: 512 };
    assert_eq!(decoded(Kind::AddrV2, &format!("01{entry}"), NEWEST), Err(error));
}

fn hex_byte(byte: usize) -> String {
    format!("{byte:02x}")
}
