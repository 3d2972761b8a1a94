//! What the engine does about single messages: bloom filters, unknown ones, pings, last words.
#![allow(missing_docs)]

mod support;

use peerage_peer_core::{Config, DisconnectReason, Event, Misbehaviour, PongOrder};
use peerage_testkit::{Setup, version};
use peerage_wire::{Direction, Malformed, Refusal, Violation};
use peerage_wire_bitcoin::message::{FilterAdd, FilterFlags, FilterLoad, Ping, RejectCode};
use peerage_wire_bitcoin::types::Services;
use peerage_wire_bitcoin::{Identity, Kind, Message};
use support::{Solo, config, introduction, names, regtest, s, unknown};

fn open(number: i32) -> Solo {
    Solo::open(Config::default(), number)
}

/// A reject: what was refused, why, and in which words.
#[track_caller]
fn reject(message: &Message) -> (String, RejectCode, String) {
    let Message::Reject(reject) = message else { panic!("{message:?}") };
    (reject.command().to_string(), reject.code(), reject.reason().to_string())
}

#[test]
fn bloom_filters_are_for_those_who_offer_them() {
    let filters = [
        Message::FilterLoad(FilterLoad::new(&b"x"[..], 1, 0, FilterFlags::NONE).unwrap()),
        Message::FilterAdd(FilterAdd::new(&b"x"[..]).unwrap()),
        Message::FilterClear,
    ];
    for filter in &filters {
        let kind = peerage_wire::Message::kind(filter);
        for number in [70_011, 70_012, 70_016] {
            let mut solo = open(number);
            solo.hear(filter.clone());
            let violation = Violation::Forbidden { command: kind.into() };
            assert_eq!(solo.reason(), DisconnectReason::Violation(violation));
            assert!(solo.take_events().is_empty());
        }
        for number in [70_001, 70_010] {
            let mut solo = open(number);
            solo.hear(filter.clone());
            assert!(solo.is_open());
            assert!(solo.take_events().is_empty(), "nobody sees it");
            assert!(solo.take_sent().is_empty());
        }
        for number in [70_001, 70_016] {
            let ours = Identity { services: Services::BLOOM, ..regtest() };
            let mut solo = Solo::open_as(Direction::Inbound, ours, Config::default(), number);
            solo.hear(filter.clone());
            assert_eq!(solo.take_messages(), std::slice::from_ref(filter));
        }
    }
}

#[test]
fn a_little_that_is_unknown_passes() {
    let mut solo = open(70_016);
    solo.hear(unknown((64 << 10) - 24)); // with its header, 64 KiB
    assert_eq!(solo.take_messages().len(), 1);
    solo.hear(unknown(0));
    let events = solo.take_events();
    let [Event::Misbehaved(Misbehaviour::UnknownTraffic), Event::Message(_)] = &events[..] else {
        panic!("{events:?}")
    };
    solo.hear(unknown(1_000));
    assert_eq!(solo.take_events().len(), 1, "once a minute");
    solo.wait(s(60));
    solo.hear(unknown((64 << 10) - 24));
    assert_eq!(solo.take_events().len(), 1, "the next minute is free again");
    solo.hear(unknown(0));
    assert_eq!(solo.take_events().len(), 2);
}

#[test]
fn a_megabyte_of_unknown_messages_is_a_flood() {
    let mut solo = open(70_016);
    for _ in 0..16 {
        solo.hear(unknown((64 << 10) - 24));
    }
    assert!(solo.is_open(), "exactly 1 MiB");
    solo.take_events();
    solo.hear(unknown(0));
    let violation = Violation::UnknownFlood { max: 1 << 20 };
    assert_eq!(solo.reason(), DisconnectReason::Violation(violation));
    assert!(solo.take_events().is_empty());

    let mut single = open(70_016);
    single.hear(unknown(2 << 20));
    assert!(!single.is_open());

    let mut known = open(70_016);
    known.hear(Message::Alert(vec![0; 2 << 20].into()));
    assert!(known.is_open(), "this one is known");

    let mut slow = open(70_016);
    for _ in 0..20 {
        slow.hear(unknown(1_000_000));
        slow.wait(s(60));
        slow.take_sent().iter().for_each(|message| {
            if let Message::Ping(Ping { nonce: Some(nonce) }) = message {
                slow.hear(peerage_wire::Message::pong(*nonce));
            }
        });
    }
    assert!(slow.is_open());
}

#[test]
fn a_pong_is_due_behind_its_ping() {
    let ping = Message::Ping(Ping { nonce: Some(7) });
    let mut solo = open(70_016);
    solo.hear(ping.clone());
    let events = solo.take_events();
    let [Event::Message(first), Event::PongDue(7)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(*first, ping);
    assert!(solo.take_sent().is_empty(), "the driver sends it, in its order");

    let at_once = config(|config| config.pong = PongOrder::AtOnce);
    let mut solo = Solo::open(at_once, 70_016);
    solo.hear(ping.clone());
    assert_eq!(solo.take_messages(), [ping]);
    assert_eq!(solo.take_sent(), [<Message as peerage_wire::Message<_>>::pong(7)]);
}

#[test]
fn pongs_that_nobody_takes_stop_the_reading() {
    let at_once = config(|config| config.pong = PongOrder::AtOnce);
    let mut solo = Solo::open(at_once, 70_016);
    let mut pings = 0_u64;
    while !solo.core.has_backlog() {
        pings += 1;
        assert!(pings < 2_000, "a remote that reads nothing must not fill our memory");
        let ping = Message::Ping(Ping { nonce: Some(pings) });
        solo.core.handle_message(solo.clock.now(), ping, 32);
    }
    solo.drain();
    assert!(!solo.core.has_backlog());
    assert_eq!(solo.take_sent().len() as u64, pings);
}

#[test]
fn a_ping_without_a_nonce_wants_no_pong() {
    for pong in [PongOrder::Ordered, PongOrder::AtOnce] {
        let mut solo = Solo::open(config(|config| config.pong = pong), 60_000);
        solo.hear(Message::Ping(Ping { nonce: None }));
        assert!(matches!(solo.take_events()[..], [Event::Message(_)]));
        assert!(solo.take_sent().is_empty());
    }
}

#[test]
fn a_ping_is_a_fence() {
    for (order, expected) in [
        (PongOrder::Ordered, ["notfound", "notfound", "pong"]),
        (PongOrder::AtOnce, ["pong", "notfound", "notfound"]),
    ] {
        let mut setup = Setup::default();
        setup.inbound.1.pong = order;
        let mut pair = setup.start();
        pair.open();
        pair.run_until_idle();
        pair.inbound.answer_with(|message| match message {
            Message::GetData(items) => vec![Message::NotFound(items.clone())],
            _ => Vec::new(),
        });
        pair.outbound.take_events();
        // All three arrive together.
        let items = peerage_wire_bitcoin::message::Inventory::new(&[support::tx(1)]).unwrap();
        let request = Message::GetData(items);
        let ping = Message::Ping(Ping { nonce: Some(7) });
        for message in [&request, &request, &ping] {
            assert!(pair.outbound.send(message));
        }
        pair.run_until_idle();
        assert_eq!(names(&pair.outbound.take_messages()), expected);
    }
}

#[test]
fn last_words_are_said_to_those_who_read_them() {
    for number in [209, 60_001, 70_001, 70_002, 70_014, 70_015, 70_016, 70_017] {
        let wanted = (70_002..=70_015).contains(&number);
        let mut solo = open(number);
        solo.announce(&[support::block(1)]);
        solo.take_sent();
        solo.core.announce(solo.clock.now(), &[support::block(2)]); // not taken by the link yet
        solo.hear(Message::Verack);
        let said = solo.take_sent();
        assert_eq!(said.len(), usize::from(wanted), "{number}: {said:?}");
        if wanted {
            let (command, code, _) = reject(&said[0]);
            assert_eq!((&command[..], code), ("verack", RejectCode::DUPLICATE));
        }
        let mut malformed = open(number);
        malformed.core.handle_malformed(Malformed::BadChecksum { command: Kind::Inv.into() });
        malformed.drain();
        let said = malformed.take_sent();
        assert_eq!(said.len(), usize::from(wanted));
        if wanted {
            let (command, code, _) = reject(&said[0]);
            assert_eq!((&command[..], code), ("inv", RejectCode::MALFORMED));
        }
    }
}

#[test]
fn whoever_is_refused_is_told_why() {
    for (number, told) in [(70_001, false), (70_002, true), (70_015, true), (70_016, false)] {
        for direction in [Direction::Outbound, Direction::Inbound] {
            let mut solo = Solo::new(direction, regtest(), Config::default(), 1);
            solo.take_sent();
            let now = solo.clock.now();
            solo.core.handle_message(now, Message::Version(Box::new(version(number))), 150);
            assert!(solo.core.poll_heard().is_some());
            solo.core.refuse(&Refusal::new("no room"));
            solo.drain();
            let said = solo.take_sent();
            assert_eq!(said.len(), usize::from(told), "{number} {direction}: {said:?}");
            if told {
                let expected = ("version".into(), RejectCode::NONSTANDARD, "no room".into());
                assert_eq!(reject(&said[0]), expected);
            }
        }
    }
}

#[test]
fn a_double_inside_the_opening_is_told_as_well() {
    let mut solo = Solo::new(Direction::Inbound, regtest(), Config::default(), 1);
    solo.hear(introduction(70_015));
    solo.take_sent();
    solo.hear(introduction(70_015));
    let said = solo.take_sent();
    assert_eq!(said.len(), 1, "{said:?}");
    let (command, code, _) = reject(&said[0]);
    assert_eq!((&command[..], code), ("version", RejectCode::DUPLICATE));
}

#[test]
fn last_words_arrive_before_the_end() {
    let mut setup = Setup::default();
    setup.inbound.0.version = 70_015;
    let mut pair = setup.start();
    pair.open();
    pair.run_until_idle();
    pair.outbound.take_events();
    assert!(pair.outbound.send(&Message::Verack));
    pair.run_until_idle();
    let events = pair.outbound.take_events();
    let [(_, Event::Message(said)), (_, Event::Disconnected(reason))] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(reject(said).0, "verack");
    assert_eq!(*reason, DisconnectReason::RemoteClosed);
}
