//! More than anybody needs.

use std::time::Duration;

use bytes::Bytes;
use peerage::bitcoin::message::{Addr, Inventory, Ping};
use peerage::bitcoin::types::{InventoryItem, InventoryType, PeerAddress, TimedAddress};
use peerage::bitcoin::{Command, Direction, DisconnectReason, Kind, Message, V2, Violation};
use peerage_wire::{FrameHeader, FramedKind as _, Message as _, checksum};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::MAGIC;
use crate::arena::{Arena, MIB, Service, Siege};

/// A message as it is on the wire in v1.
pub(crate) fn frame(message: &Message) -> Bytes {
    let mut payload = Vec::new();
    message.encode(70_016, &mut payload);
    let len = u32::try_from(payload.len()).unwrap();
    [&header(message.kind(), len, checksum(&payload))[..], &payload].concat().into()
}

/// What stands before a payload.
pub(crate) fn header(kind: Kind, len: u32, checksum: [u8; 4]) -> [u8; 24] {
    FrameHeader { magic: MAGIC, command: kind.command(), len, checksum }.to_bytes()
}

pub(crate) fn item(number: u32) -> InventoryItem {
    item_at(0, number)
}

/// An item whose hash is zero but for four bytes at this place.
fn item_at(place: usize, number: u32) -> InventoryItem {
    let mut hash = [0; 32];
    hash[place..place + 4].copy_from_slice(&number.to_le_bytes());
    InventoryItem { kind: InventoryType::TX, hash }
}

pub(crate) fn items(count: u32, first: u32) -> Inventory {
    Inventory::new(&(first..first + count).map(item).collect::<Vec<_>>()).unwrap()
}

const FLOOD: Duration = Duration::from_millis(700);

/// Repeats `bytes` until this much time has passed or the server has had enough, reading what comes.
async fn flood(stream: TcpStream, bytes: Bytes, duration: Duration) {
    let (mut read, mut write) = stream.into_split();
    let reading = tokio::spawn(async move {
        let mut sink = vec![0; 4 << 10];
        while read.read(&mut sink).await.is_ok_and(|count| count > 0) {}
    });
    let end = Instant::now() + duration;
    while Instant::now() < end && write.write_all(&bytes).await.is_ok() {}
    drop(write);
    let _ = reading.await;
}

/// A flood from several attackers at once.
async fn flood_from(arena: &Arena, attackers: usize, messages: impl Fn(usize) -> Bytes) {
    let mut tasks = JoinSet::new();
    for number in 0..attackers {
        let stream = arena.open(V2::Off).await.into_io();
        tasks.spawn(flood(stream, messages(number), FLOOD));
    }
    while tasks.join_next().await.is_some() {}
}

/// A siege in which nobody is to be cut, however slow the machine is.
fn patient(name: &'static str, memory: usize) -> Siege {
    let mut siege = Siege::new(name, memory);
    siege.config.engine.idle_timeout = Duration::from_secs(60);
    siege
}

/// All who flooded left by themselves.
async fn nobody_was_cut(arena: &Arena, attackers: usize) {
    for reason in arena.ended(attackers).await {
        assert!(matches!(reason, DisconnectReason::RemoteClosed | DisconnectReason::Io(_)));
    }
}

#[test]
fn pings_without_end() {
    patient("ping flood", 12 * MIB).run(async |arena| {
        let ping = frame(&Message::Ping(Ping { nonce: Some(1) }));
        let many = Bytes::from(ping.repeat(500));
        flood_from(arena, 4, |_| many.clone()).await;
        nobody_was_cut(arena, 4).await;
    });
}

#[test]
fn every_ping_of_a_flood_is_answered_to_who_reads() {
    patient("ping flood that reads", 4 * MIB).run(async |arena| {
        let mut script = arena.open(V2::Off).await;
        for round in 0..20_u64 {
            let pings: Vec<u8> = (0..200)
                .flat_map(|n| frame(&Message::Ping(Ping { nonce: Some(round * 200 + n) })))
                .collect();
            script.say_bytes(&pings).await;
            for n in 0..200 {
                let Message::Pong(pong) = script.skip_to(Kind::Pong).await else { unreachable!() };
                assert_eq!(pong.nonce, round * 200 + n);
            }
        }
        script.close().await;
    });
}

#[test]
fn announcements_without_end() {
    patient("inv flood", 32 * MIB).run(async |arena| {
        flood_from(arena, 4, |number| {
            let first = u32::try_from(number).unwrap() * 50_000;
            frame(&Message::Inv(items(50_000, first)))
        })
        .await;
        nobody_was_cut(arena, 4).await;
    });
}

#[test]
fn addresses_without_end() {
    patient("addr flood", 4 * MIB).run(async |arena| {
        let peer = PeerAddress::from(std::net::SocketAddr::from(([8, 8, 8, 8], 8333)));
        let addresses = vec![TimedAddress { time: 1_700_000_000, peer }; 1_000];
        let addresses = frame(&Message::Addr(Addr::new(&addresses).unwrap()));
        flood_from(arena, 4, |_| addresses.clone()).await;
        nobody_was_cut(arena, 4).await;
    });
}

#[test]
fn unknown_commands_without_end() {
    Siege::new("unknown commands", 12 * MIB).run(async |arena| {
        // Each has another name: statistics must not grow with them.
        let names: Vec<u8> = (0..4_000_u32)
            .flat_map(|n| {
                let command = Command::new(&format!("x{n}"));
                let payload = Bytes::from_static(&[0; 1_000]);
                frame(&Message::Unknown { command, payload })
            })
            .collect();
        let names = Bytes::from(names);
        flood_from(arena, 4, |_| names.clone()).await;
        for reason in arena.ended(4).await {
            let flood =
                matches!(&reason, DisconnectReason::Violation(Violation::UnknownFlood { .. }));
            assert!(flood, "{reason}");
        }
    });
}

#[test]
fn requests_without_end_and_then_silence() {
    let mut siege = Siege::new("getdata flood", 8 * MIB);
    siege.service = Service::Blocks(block(MIB));
    siege.run(async |arena| {
        let mut streams = Vec::new();
        for _ in 0..8 {
            let mut stream = arena.open(V2::Off).await.into_io();
            let request = frame(&Message::GetData(items(1, 0))).repeat(100);
            // Nobody reads an answer; at some point nobody reads the requests either.
            let asking = async { while stream.write_all(&request).await.is_ok() {} };
            let _ = tokio::time::timeout(Duration::from_millis(50), asking).await;
            streams.push(stream);
        }
        for peer in arena.peers() {
            let held = peer.stats().outbox_bytes;
            assert!(held <= 3 * MIB, "{held} bytes wait for one of them");
        }
        for reason in arena.ended(8).await {
            let stalled = DisconnectReason::WriteStalled { while_not_reading: false };
            assert_eq!(reason, stalled);
        }
    });
}

/// A block of about so many bytes.
pub(crate) fn block(len: usize) -> peerage::bitcoin::message::Block {
    let mut block = bitcoin::constants::genesis_block(bitcoin::Network::Regtest);
    block.txdata[0].output[0].script_pubkey = bitcoin::ScriptBuf::from_bytes(vec![0x51; len]);
    peerage::bitcoin::message::Block::try_from(&block).unwrap()
}

#[test]
fn decoys_without_end() {
    Siege::new("decoys", 4 * MIB).run(async |arena| {
        let mut script = arena.open(V2::Required).await;
        let (mut read, mut write) = {
            let decoys = async {
                for _ in 0..200 {
                    script.say_decoy(&[0; 50_000]).await;
                }
            };
            // Decoys are no messages, however many: whoever says nothing else is idle.
            let cut = tokio::time::timeout(Duration::from_secs(5), decoys).await;
            assert!(cut.is_ok());
            script.into_io().into_split()
        };
        let reason = arena.ended(1).await.remove(0);
        assert_eq!(reason, DisconnectReason::Idle);
        let _ = write.shutdown().await;
        let _ = read.read_to_end(&mut Vec::new()).await;
    });
}

#[test]
fn hashes_that_would_fill_the_memory_of_what_is_known() {
    let mut siege = patient("chosen hashes", 20 * MIB);
    siege.config.engine.trickle_inbound = Duration::ZERO;
    siege.run(async |arena| {
        let mut script = arena.open(V2::Off).await;
        // Whichever bytes of a hash a table without a key looked at, in one of these rounds they
        // are the same in all of them.
        const PLACES: [usize; 4] = [0, 8, 16, 28];
        for place in PLACES {
            let chosen: Vec<_> = (0..50_000).map(|number| item_at(place, number)).collect();
            script.say(&Message::Inv(Inventory::new(&chosen).unwrap())).await;
        }
        script.say(&Message::Ping(Ping { nonce: Some(3) })).await;
        script.skip_to(Kind::Pong).await;
        let peers = arena.peers();
        let peer = peers.iter().max_by_key(|peer| peer.stats().known_items).unwrap();
        let known = peer.stats().known_items;
        assert!((4_096..=8_192).contains(&known), "{known}");
        // What is not known is announced all the same.
        let news = PLACES.map(|place| (1_000_000..1_000_250).map(move |n| item_at(place, n)));
        let news: Vec<_> = news.into_iter().flatten().collect();
        assert_eq!(peer.announce(&news), 1_000);
        let mut heard = std::collections::HashSet::new();
        while heard.len() < 1_000 {
            let Message::Inv(items) = script.skip_to(Kind::Inv).await else { unreachable!() };
            heard.extend(items.iter());
        }
        assert!(news.iter().all(|item| heard.contains(item)));
        assert_eq!(peer.direction(), Direction::Inbound);
    });
}
