//! The pair does what a connection does, and the same each time.
#![allow(missing_docs)]

use std::time::Duration;

use peerage_peer_core::{DisconnectReason, Event, Local};
use peerage_testkit::{Fate, Pair, Setup};
use peerage_wire_bitcoin::types::{InventoryItem, InventoryType};
use peerage_wire_bitcoin::{Kind, Message};

fn tx(number: u8) -> InventoryItem {
    InventoryItem { kind: InventoryType::TX, hash: [number; 32] }
}

/// An hour with announcements on both sides.
fn hour(seed: u64) -> Pair {
    let mut pair = Setup { seed, ..Setup::default() }.start();
    pair.open();
    for number in 0..60 {
        assert_eq!(pair.outbound.announce(&[tx(number)]), 1);
        assert_eq!(pair.inbound.announce(&[tx(100 + number), tx(number)]), 2);
        pair.run_for(Duration::from_secs(60));
    }
    pair
}

#[test]
fn the_same_seed_gives_the_same_transcript() {
    let transcript = hour(7).transcript();
    assert!(transcript.lines().count() > 300, "{transcript}");
    assert_eq!(transcript, hour(7).transcript());
    assert_ne!(transcript, hour(8).transcript());
}

#[test]
fn messages_take_their_latency() {
    let mut setup = Setup::default();
    setup.link.latency = Duration::from_millis(300);
    let mut pair = setup.start();
    pair.open();
    pair.run_until_idle();
    let sent = pair.now().mono;
    assert!(pair.outbound.send(&Message::GetAddr));
    pair.run_until_idle();
    let (at, event) = pair.inbound.take_events().pop().unwrap();
    assert_eq!(at, sent + Duration::from_millis(300));
    assert!(matches!(event, Event::Message(Message::GetAddr)));
}

#[test]
fn frames_can_be_lost_and_delayed() {
    let mut pair = Setup::default().start();
    pair.open();
    pair.run_until_idle();
    pair.inbound.take_events();
    let start = pair.now().mono;
    pair.on_frame(|_, kind| match kind {
        Kind::GetAddr => Fate::Drop,
        Kind::SendHeaders => Fate::Delay(Duration::from_secs(3)),
        _ => Fate::Deliver,
    });
    for message in [Message::GetAddr, Message::SendHeaders, Message::MemPool] {
        assert!(pair.outbound.send(&message));
    }
    pair.run_until_idle();
    let events = pair.inbound.take_events();
    let messages: Vec<_> = events.iter().map(|(at, event)| (*at - start, event)).collect();
    let late = Duration::from_millis(3_050);
    assert!(
        matches!(
            messages[..],
            [(a, Event::Message(Message::SendHeaders)), (b, Event::Message(Message::MemPool))]
            if a == late && b == late
        ),
        "{messages:?}"
    );
}

#[test]
fn who_does_not_read_stops_who_writes() {
    let mut pair = Setup::default().start();
    pair.open();
    pair.run_until_idle();
    pair.inbound.set_reading(false);
    let large = Message::Unknown {
        command: peerage_wire::Command::new("large"),
        payload: vec![0; 40 << 10].into(),
    };
    let receipts: Vec<u64> = (0..3).map(|_| pair.outbound.send_tracked(&large).unwrap()).collect();
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.outbound.written(), &receipts[..1], "the window has room for one");
    pair.inbound.take_events();
    pair.inbound.set_reading(true);
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.outbound.written(), receipts);
    assert_eq!(pair.inbound.take_messages().len(), 3);

    pair.inbound.set_reading(false);
    (0..3).for_each(|_| assert!(pair.outbound.send(&large)));
    pair.run_for(Duration::from_secs(120));
    let stalled = DisconnectReason::WriteStalled { while_not_reading: false };
    assert_eq!(pair.outbound.closed(), Some(&stalled));
}

#[test]
fn both_sides_learn_of_the_end() {
    let mut pair = Setup::default().start();
    pair.open();
    pair.outbound.close(Local::Requested.into());
    pair.run_until_idle();
    assert_eq!(pair.outbound.closed(), Some(&Local::Requested.into()));
    assert_eq!(pair.inbound.closed(), Some(&DisconnectReason::RemoteClosed));
    assert!(!pair.inbound.send(&Message::GetAddr));

    let mut pair = Setup::default().start();
    pair.open();
    pair.cut();
    let reset = DisconnectReason::Io(std::io::ErrorKind::ConnectionReset);
    assert_eq!((pair.outbound.closed(), pair.inbound.closed()), (Some(&reset), Some(&reset)));
}
