//! What the fuzzer's bytes do to an engine.

use std::time::Duration;

use bytes::Bytes;
use peerage_peer_core::{BestHeight, Config, DisconnectReason, Local, PongOrder, Source};
use peerage_wire::{Command, Message as _};
use peerage_wire_bitcoin::message::{Inventory, Ping, Pong, Version};
use peerage_wire_bitcoin::types::{InventoryItem, InventoryType, PeerAddress, Services, UserAgent};
use peerage_wire_bitcoin::{Identity, Kind, Message, Network};

use super::engine::Engine;
use crate::input::Input;

/// One thing happens.
pub(super) fn step(engine: &mut Engine, input: &mut Input<'_>) {
    match input.u8() % 20 {
        0..=4 => {
            let message = heard(engine, input);
            engine.hear(message);
        }
        5 => {
            let (kind, payload) = (input.kind(), Bytes::copy_from_slice(input.block()));
            engine.hear_payload(kind, payload);
        }
        6 | 7 => engine.wait(duration(input)),
        8 => engine.next_timeout(),
        9 | 10 => {
            let message = said(input);
            engine.send(&message, Source::Caller);
        }
        11 => {
            let message = said(input);
            engine.send(&message, Source::Answer);
        }
        12 => engine.announce(&items(input)),
        13 => engine.add_known(&items(input)),
        14 => engine.arriving(usize::from(input.u16()) << 6),
        15 => engine.set_reading(input.flag()),
        16 => engine.set_room(usize::from(input.u16()) << 3),
        17 => engine.taken(),
        18 => engine.set_remote_height(input.u32().cast_signed()),
        _ => rare(engine, input),
    }
}

fn rare(engine: &mut Engine, input: &mut Input<'_>) {
    match input.u8() % 8 {
        0 => engine.jump(i64::from_le_bytes(input.array())),
        1 => engine.refuse_next(),
        2 => engine.close(Local::Requested.into()),
        3 => engine.close(DisconnectReason::RemoteClosed),
        4 => engine.timeout_early(),
        _ => engine.hear(Message::Unknown {
            command: Command::new("novelty"),
            payload: vec![0; usize::from(input.u16()) << 4].into(),
        }),
    }
}

/// A message of the remote that may mean something now.
fn heard(engine: &Engine, input: &mut Input<'_>) -> Message {
    match input.u8() % 12 {
        0 | 1 => Message::Version(Box::new(version(engine, input))),
        2 => Message::Verack,
        3 => {
            input.choose_message(&[Message::WtxidRelay, Message::SendAddrV2, Message::FilterClear])
        }
        4 => Message::Ping(Ping { nonce: Some(input.u64()) }),
        5 => Message::Pong(Pong { nonce: engine.last_ping() }),
        6 | 7 => Message::Inv(inventory(&items(input))),
        8 => Message::NotFound(inventory(&items(input))),
        9 => input.choose_message(&[Message::GetAddr, Message::MemPool, Message::SendHeaders]),
        _ => decoded(Kind::Headers, Bytes::from_static(&[0])),
    }
}

/// A message of ours.
fn said(input: &mut Input<'_>) -> Message {
    match input.u8() % 6 {
        0 | 1 => Message::GetData(inventory(&items(input))),
        2 => input.choose_message(&[Message::GetAddr, Message::MemPool, Message::SendHeaders]),
        3 => Message::Ping(Ping { nonce: Some(input.u64()) }),
        4 => Message::Alert(vec![0; usize::from(input.u16()) << 5].into()),
        _ => {
            let payload = [&70_016_u32.to_le_bytes()[..], &[0], &[0; 32]].concat();
            let kind = if input.flag() { Kind::GetHeaders } else { Kind::GetBlocks };
            decoded(kind, payload.into())
        }
    }
}

fn decoded(kind: Kind, payload: Bytes) -> Message {
    Message::decode(kind, payload, 70_016).expect("it is written by hand")
}

fn version(engine: &Engine, input: &mut Input<'_>) -> Version {
    let versions =
        [70_016, 70_017, 70_015, 70_011, 70_001, 60_000, 209, 208, -1, i32::MIN, i32::MAX];
    Version {
        version: input.choose(&versions),
        services: Services::NETWORK,
        timestamp: i64::from_le_bytes(input.array()),
        addr_recv: PeerAddress::UNSPECIFIED,
        addr_from: PeerAddress::UNSPECIFIED,
        nonce: if input.u8() == 255 { engine.our_nonce() } else { 77 },
        user_agent: UserAgent::default(),
        start_height: input.u32().cast_signed(),
        relay: input.flag(),
    }
}

/// A few items, of few that there are, or many.
fn items(input: &mut Input<'_>) -> Vec<InventoryItem> {
    let kinds = [InventoryType::TX, InventoryType::WTX, InventoryType::BLOCK, InventoryType::TX];
    let count = match input.u8() {
        250.. => usize::from(input.u16()),
        few => usize::from(few) % 16,
    };
    let (first, kind) = (input.u16(), input.choose(&kinds));
    let numbers = (0_u32..).map(|number| number + u32::from(first)).take(count.min(50_000));
    let item = |number: u32| {
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&number.to_le_bytes());
        InventoryItem { kind, hash }
    };
    numbers.map(item).collect()
}

fn inventory(items: &[InventoryItem]) -> Inventory {
    Inventory::new(items).expect("there are at most 50,000")
}

fn duration(input: &mut Input<'_>) -> Duration {
    match input.u8() % 4 {
        0 => Duration::from_millis(input.u16().into()),
        1 => Duration::from_secs(input.u8().into()),
        2 => Duration::from_secs(u64::from(input.u16()) % 2_000),
        _ => Duration::ZERO,
    }
}

/// What we say of ourselves.
pub(super) fn identity(input: &mut Input<'_>) -> Identity {
    let flags = input.u8();
    let services = if flags & 1 == 1 { Services::BLOOM } else { Services::NETWORK };
    Identity {
        services,
        txrcncl: (flags & 2 == 2).then_some(1),
        wtxid_relay: flags & 4 == 0,
        addrv2: flags & 8 == 0,
        allow_self_connections: flags & 16 == 16,
        version: input.choose(&[70_017, 70_016, 70_001, 60_000, 209, u32::MAX]),
        ..Identity::new(Network::regtest())
    }
}

/// The defaults, or times and bounds of the fuzzer's.
pub(super) fn config(input: &mut Input<'_>) -> Config {
    let mut config = Config::default();
    let flags = input.u8();
    config.stall_detection = flags & 1 == 0;
    config.pong = if flags & 2 == 0 { PongOrder::Ordered } else { PongOrder::AtOnce };
    config.best_height = (flags & 4 == 4).then(|| BestHeight::new(|| Some(5)));
    if flags & 8 == 8 {
        let mut seconds = || Duration::from_secs(u64::from(input.u16()) % 2_000);
        config.opening_timeout = seconds();
        config.ping_interval = seconds();
        config.pong_timeout = seconds();
        config.idle_timeout = seconds();
        config.write_timeout = seconds();
        config.local_patience = seconds();
        config.trickle_inbound = seconds();
        config.trickle_outbound = seconds();
        // Slower, and the silence at the end would take days of pings.
        config.slowest_rate = u32::from(input.u16()).max(1_000);
        config.outbox_limit = input.u32() as usize % (2 << 20);
        config.announcement_limit = input.u16().into();
    }
    config
}

impl Input<'_> {
    fn choose_message(&mut self, choices: &[Message]) -> Message {
        choices[usize::from(self.u8()) % choices.len()].clone()
    }
}
