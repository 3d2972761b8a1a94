//! The opening, as the engine drives it.
#![allow(missing_docs)]

mod support;

use std::sync::Arc;

use peerage_peer_core::{Config, DisconnectReason, Event, Fault, Local, Retry};
use peerage_testkit::{Fate, Setup, version};
use peerage_wire::{Direction, Malformed, Refusal, Remote as _, Violation};
use peerage_wire_bitcoin::message::{Feature, SendTxRcncl, Version};
use peerage_wire_bitcoin::{Identity, Kind, Message};
use support::{Solo, config, introduction, ms, names, regtest, s, unknown};

fn start(direction: Direction, identity: Identity) -> Solo {
    Solo::new(direction, identity, Config::default(), 1)
}

#[test]
fn both_directions_say_and_tell_the_same() {
    for direction in [Direction::Outbound, Direction::Inbound] {
        let mut solo = start(direction, regtest());
        let first = if direction == Direction::Outbound { vec!["version"] } else { vec![] };
        assert_eq!(names(&solo.take_sent()), first);

        solo.hear(introduction(70_017));
        let rest = ["wtxidrelay", "sendaddrv2", "verack"].map(String::from).to_vec();
        let sent = names(&solo.take_sent());
        assert_eq!(sent[sent.len() - 3..], rest);
        assert_eq!(sent.len() - 3, usize::from(direction == Direction::Inbound));
        assert!(solo.take_events().is_empty(), "the introduction goes through poll_heard");
        assert!(solo.core.remote().is_none());

        solo.hear(Message::SendAddrV2);
        solo.hear(Message::Verack);
        let events = solo.take_events();
        let [
            Event::Opening(Message::SendAddrV2),
            Event::Opening(Message::Verack),
            Event::Established(remote),
        ] = &events[..]
        else {
            panic!("{events:?}")
        };
        assert_eq!((remote.version(), remote.height()), (70_017, 9));
        assert!(remote.wants_addrv2 && !remote.wtxid_relay);
        assert!(Arc::ptr_eq(remote, solo.core.remote().unwrap()));
        assert!(solo.take_sent().is_empty());
    }
}

#[test]
fn what_they_say_is_heard_once() {
    let mut solo = start(Direction::Inbound, regtest());
    solo.core.handle_message(solo.clock.now(), introduction(70_015), 150);
    let heard = solo.core.poll_heard().unwrap();
    assert_eq!((heard.version, heard.agreed, heard.nonce), (70_015, 70_015, 77));
    assert!(solo.core.poll_heard().is_none());
}

#[test]
fn every_version_of_either_side_is_agreed() {
    let gates = [209, 210, 31_800, 60_000, 60_001, 60_002, 70_000, 70_001, 70_002, 70_010];
    let later = [70_011, 70_012, 70_013, 70_014, 70_015, 70_016, 70_017];
    let versions: Vec<u32> = gates.into_iter().chain(later).collect();
    for ours in &versions {
        for theirs in &versions {
            let mut setup = Setup::default();
            setup.outbound.0.version = *ours;
            setup.inbound.0.version = *theirs;
            let mut pair = setup.start();
            pair.open();
            let agreed = *ours.min(theirs);
            for side in [&pair.outbound, &pair.inbound] {
                let remote = side.core().remote().unwrap();
                assert_eq!((remote.version(), side.core().version()), (agreed, agreed));
                assert_eq!(remote.wtxid_relay, agreed >= 70_016);
                assert_eq!(remote.wants_addrv2, agreed >= 70_016);
            }
        }
    }
}

/// The gates above are where something changes; in between it does not.
#[test]
fn versions_between_the_gates_are_agreed_as_well() {
    for theirs in (209..=70_017).step_by(97).chain([70_018, i32::MAX]) {
        let solo = Solo::open(Config::default(), theirs);
        let agreed = u32::try_from(theirs).unwrap().min(70_017);
        assert_eq!(solo.core.version(), agreed);
    }
}

#[test]
fn features_are_agreed_by_both_sides() {
    let mut setup = Setup::default();
    let feature = Feature::new("BIP9999", &b"x"[..]).unwrap();
    setup.outbound.0.features = vec![feature.clone()];
    setup.outbound.0.txrcncl = Some(1);
    setup.inbound.0.txrcncl = Some(1);
    setup.inbound.0.addrv2 = false;
    let mut pair = setup.start();
    pair.open();
    let (theirs, ours) =
        (pair.outbound.core().remote().unwrap(), pair.inbound.core().remote().unwrap());
    assert!(theirs.wtxid_relay && ours.wtxid_relay);
    assert!(!theirs.wants_addrv2 && ours.wants_addrv2);
    assert_eq!((&theirs.features[..], &ours.features[..]), (&[][..], &[feature][..]));
    let salts = |offer: Option<SendTxRcncl>| offer.unwrap().salt;
    assert_eq!(salts(theirs.txrcncl), salts(ours.sent_txrcncl));
    assert_eq!(salts(ours.txrcncl), salts(theirs.sent_txrcncl));
    assert_ne!(salts(ours.txrcncl), salts(theirs.txrcncl));
}

#[test]
fn clocks_that_differ_are_measured() {
    let mut solo = start(Direction::Inbound, regtest());
    solo.clock.jump(100);
    solo.hear(Message::Version(Box::new(version(70_015))));
    solo.hear(Message::Verack);
    assert_eq!(solo.core.remote().unwrap().time_offset(), -100);
}

#[test]
fn the_handler_may_refuse() {
    let refusal = Refusal::new("no room");
    for refusing in [Direction::Outbound, Direction::Inbound] {
        let mut pair = Setup::default().start();
        let side =
            if refusing == Direction::Outbound { &mut pair.outbound } else { &mut pair.inbound };
        side.refuse(refusal.clone());
        pair.run_for(s(5));
        let (side, other) = match refusing {
            Direction::Outbound => (&pair.outbound, &pair.inbound),
            Direction::Inbound => (&pair.inbound, &pair.outbound),
        };
        assert_eq!(side.closed(), Some(&DisconnectReason::Refused(refusal.clone())));
        assert_eq!(side.closed().unwrap().retry(), Retry::Never);
        assert_eq!(other.closed(), Some(&DisconnectReason::RemoteClosed));
        assert!(!side.sent().iter().any(|(_, kind)| *kind == Kind::Verack));
        assert!(side.core().remote().is_none());
        assert!(side.heard().is_some());
    }
}

#[test]
fn obsolete_and_negative_versions_are_refused() {
    for (theirs, minimum) in [(208, 209), (0, 209), (-1, 209), (i32::MIN, 209), (70_014, 70_015)] {
        let mut solo = start(Direction::Inbound, Identity { min_version: minimum, ..regtest() });
        solo.hear(introduction(theirs));
        let violation = Violation::Obsolete { version: theirs, minimum };
        assert_eq!(solo.reason(), DisconnectReason::Violation(violation));
        assert_eq!(solo.reason().fault(), Fault::Remote);
        assert!(solo.take_sent().is_empty(), "whoever is not agreed with hears nothing");
    }
}

#[test]
fn we_do_not_talk_to_ourselves() {
    for allowed in [false, true] {
        let mut setup = Setup::default();
        setup.outbound.0.allow_self_connections = allowed;
        setup.inbound.0 = setup.outbound.0.clone(); // the same process: the nonces are shared
        let mut pair = setup.start();
        pair.run_for(s(5));
        if allowed {
            assert!(pair.outbound.core().remote().is_some());
            continue;
        }
        let reason = pair.inbound.closed().unwrap();
        assert_eq!(*reason, DisconnectReason::SelfConnection);
        assert_eq!(reason.retry(), Retry::Never);
        assert_eq!(pair.outbound.closed(), Some(&DisconnectReason::RemoteClosed));
        assert!(pair.inbound.sent().is_empty());
    }
}

#[test]
fn doubles_and_what_comes_too_early_or_too_late_end_it() {
    let duplicate =
        |kind: Kind| DisconnectReason::Violation(Violation::Duplicate { command: kind.into() });
    let unexpected = |kind: Kind, expected| {
        DisconnectReason::Violation(Violation::Unexpected { command: kind.into(), expected })
    };
    let hear = |before: &[Message], last: &Message| {
        let mut solo = start(Direction::Inbound, regtest());
        before.iter().for_each(|message| solo.hear(message.clone()));
        assert!(solo.is_open());
        solo.take_events();
        solo.hear(last.clone());
        assert!(solo.take_events().is_empty(), "what ends it is no event");
        solo.reason()
    };
    let version = introduction(70_016);
    let opened = [version.clone(), Message::Verack];
    assert_eq!(hear(&[], &Message::Verack), unexpected(Kind::Verack, "version"));
    assert_eq!(hear(&[], &unknown(0)), unexpected(Kind::Unknown(command()), "version"));
    assert_eq!(hear(&opened[..1], &version), duplicate(Kind::Version));
    assert_eq!(hear(&opened[..1], &Message::GetAddr), unexpected(Kind::GetAddr, "verack"));
    assert_eq!(hear(&opened, &version), duplicate(Kind::Version));
    assert_eq!(hear(&opened, &Message::Verack), duplicate(Kind::Verack));
    for late in [Message::WtxidRelay, Message::SendAddrV2] {
        let violation = Violation::Late { command: peerage_wire::Message::kind(&late).into() };
        assert_eq!(hear(&opened, &late), DisconnectReason::Violation(violation));
    }
}

fn command() -> peerage_wire::Command {
    peerage_wire::Command::new("novelty")
}

#[test]
fn thirty_two_messages_may_come_before_the_end() {
    let mut solo = start(Direction::Inbound, regtest());
    solo.hear(introduction(70_016));
    (0..30).for_each(|_| solo.hear(unknown(10)));
    assert!(solo.is_open());
    assert_eq!(solo.take_events().len(), 30);
    solo.hear(Message::Verack);
    assert!(solo.core.remote().is_some(), "the thirty-second may be the last one");

    let mut flood = start(Direction::Inbound, regtest());
    flood.hear(introduction(70_016));
    (0..31).for_each(|_| flood.hear(unknown(10)));
    assert!(flood.is_open());
    flood.hear(Message::Verack);
    let violation = Violation::OpeningFlood { max: 32 };
    assert_eq!(flood.reason(), DisconnectReason::Violation(violation));
}

#[test]
fn the_opening_takes_thirty_seconds_at_most() {
    for heard in [&[][..], &[introduction(70_016), Message::SendAddrV2]] {
        let mut solo = start(Direction::Outbound, regtest());
        solo.wait(s(29));
        heard.iter().for_each(|message| solo.hear(message.clone()));
        solo.wait(ms(999));
        assert!(solo.is_open());
        assert_eq!(solo.core.poll_timeout(), Some(s(30)));
        solo.wait(ms(1));
        assert_eq!(solo.reason(), DisconnectReason::OpeningTimeout);
        assert_eq!(solo.reason().fault(), Fault::Slowness);
        assert_eq!(solo.core.poll_timeout(), None);
    }

    let config = config(|config| config.opening_timeout = s(5));
    let mut solo = Solo::new(Direction::Inbound, regtest(), config, 1);
    assert_eq!(solo.wait_for_end(), (s(5), DisconnectReason::OpeningTimeout));
}

#[test]
fn a_lost_verack_ends_it_on_one_side_only() {
    let mut pair = Setup::default().start();
    pair.on_frame(|from, kind| match (from, kind) {
        (Direction::Inbound, Kind::Verack) => Fate::Drop,
        _ => Fate::Deliver,
    });
    pair.run_for(s(29));
    assert!(pair.inbound.core().remote().is_some());
    pair.run_for(s(2));
    assert_eq!(pair.outbound.closed(), Some(&DisconnectReason::OpeningTimeout));
    assert_eq!(pair.inbound.closed(), Some(&DisconnectReason::RemoteClosed));
}

#[test]
fn bytes_that_are_no_message_end_it_without_a_word() {
    let mut solo = start(Direction::Inbound, regtest());
    solo.core.handle_malformed(Malformed::Truncated);
    solo.drain();
    assert_eq!(solo.reason(), DisconnectReason::Malformed(Malformed::Truncated));
    assert!(solo.take_sent().is_empty());
}

#[test]
fn nothing_happens_after_the_end() {
    let mut solo = start(Direction::Inbound, regtest());
    solo.core.close(Local::Requested.into());
    solo.core.close(DisconnectReason::RemoteClosed);
    solo.core.handle_malformed(Malformed::Truncated);
    solo.core.refuse(&Refusal::new("late"));
    solo.hear(introduction(70_016));
    solo.announce(&[support::tx(1)]);
    solo.wait(s(10_000));
    assert_eq!(solo.reason(), Local::Requested.into());
    assert!(solo.take_sent().is_empty() && solo.take_events().is_empty());
    assert!(solo.core.poll_heard().is_none() && solo.core.poll_timeout().is_none());
}

#[test]
fn an_introduction_without_a_nonce_is_not_ours() {
    let mut solo = start(Direction::Outbound, regtest());
    solo.hear(Message::Version(Box::new(Version { nonce: 0, ..version(209) })));
    assert!(solo.is_open());
}
