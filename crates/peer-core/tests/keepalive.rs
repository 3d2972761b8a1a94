//! Pings, their answers, silence, and clocks that stand still.
#![allow(missing_docs)]

mod support;

use std::time::Duration;

use peerage_peer_core::{Config, DisconnectReason, Event, Fault, Local, Paused, PingStats};
use peerage_testkit::{Fate, Setup};
use peerage_wire::{Direction, Message as _};
use peerage_wire_bitcoin::message::Ping;
use peerage_wire_bitcoin::{Kind, Message};
use support::{Solo, config, ms, s};

fn open() -> Solo {
    Solo::open(Config::default(), 70_016)
}

/// The nonce of the one ping among what was said.
#[track_caller]
fn nonce(solo: &mut Solo) -> u64 {
    match &solo.take_sent()[..] {
        [Message::Ping(Ping { nonce: Some(nonce) })] => *nonce,
        other => panic!("no ping alone: {other:?}"),
    }
}

#[test]
fn a_ping_leaves_every_two_minutes() {
    let mut solo = open();
    let mut nonces = Vec::new();
    for _ in 0..5 {
        solo.wait(ms(119_999));
        assert!(solo.take_sent().is_empty());
        solo.wait(ms(1));
        nonces.push(nonce(&mut solo));
        solo.hear(Message::pong(nonces[nonces.len() - 1]));
    }
    nonces.sort_unstable();
    nonces.dedup();
    assert_eq!(nonces.len(), 5, "each has a nonce of its own");
}

#[test]
fn round_trips_are_measured() {
    let mut solo = open();
    let stats = |solo: &Solo| solo.core.ping_stats(solo.clock.now());
    assert_eq!(stats(&solo), PingStats::default());
    for (took, min) in [(ms(300), ms(300)), (ms(80), ms(80)), (ms(500), ms(80))] {
        // Up to the moment of the ping, and no further.
        while stats(&solo).waiting.is_none() {
            let due = solo.core.poll_timeout().unwrap();
            solo.wait(due - solo.mono());
        }
        let nonce = nonce(&mut solo);
        solo.hear(Message::pong(nonce ^ 1));
        assert_eq!(stats(&solo).waiting, Some(s(0)), "another nonce answers nothing");
        solo.wait(took);
        assert_eq!(stats(&solo).waiting, Some(took));
        solo.hear(Message::pong(nonce));
        let expected = PingStats { last: Some(took), min: Some(min), waiting: None };
        assert_eq!(stats(&solo), expected);
    }
}

#[test]
fn over_a_link_the_round_trip_is_twice_the_latency() {
    let mut setup = Setup::default();
    setup.link.latency = ms(70);
    let mut pair = setup.start();
    pair.open();
    pair.run_for(s(400));
    for side in [&pair.outbound, &pair.inbound] {
        let pings = side.sent().iter().filter(|(_, kind)| *kind == Kind::Ping).count();
        assert_eq!(pings, 3);
        let stats = side.core().ping_stats(pair.now());
        assert_eq!((stats.last, stats.min), (Some(ms(140)), Some(ms(140))));
    }
}

#[test]
fn the_clock_of_a_ping_starts_when_it_is_written() {
    let mut solo = open();
    solo.clock.advance_to(s(120));
    solo.core.handle_timeout(solo.clock.now());
    let ping = solo.core.poll_transmit().unwrap();
    assert_eq!(ping.kind(), Kind::Ping);
    solo.clock.advance(s(20)); // the link had no room
    assert_eq!(solo.core.ping_stats(solo.clock.now()).waiting, None);
    solo.say(&ping);
    solo.wait(s(1));
    assert_eq!(solo.core.ping_stats(solo.clock.now()).waiting, Some(s(1)));
    let Message::Ping(Ping { nonce: Some(nonce) }) = ping else { panic!("{ping:?}") };
    solo.hear(Message::pong(nonce));
    assert_eq!(solo.core.ping_stats(solo.clock.now()).last, Some(s(1)));
}

#[test]
fn a_pong_may_take_five_minutes() {
    let mut solo = open();
    solo.wait(s(120));
    let nonce = nonce(&mut solo);
    for _ in 0..29 {
        solo.wait(s(10));
        solo.hear(Message::GetAddr); // not silent, but it does not answer
    }
    solo.wait(ms(9_999));
    assert!(solo.is_open());
    assert!(solo.take_sent().is_empty(), "no second ping while one waits");
    let mut late = open();
    late.wait(s(120));
    assert_eq!(self::nonce(&mut late), nonce, "the same seed");

    solo.wait(ms(1));
    assert_eq!(solo.reason(), DisconnectReason::PongTimeout);
    assert_eq!(solo.reason().fault(), Fault::Slowness);
    assert_eq!(solo.mono(), s(420));
}

#[test]
fn a_late_pong_is_in_time() {
    let mut solo = open();
    solo.wait(s(120));
    let nonce = nonce(&mut solo);
    solo.wait(s(179));
    solo.hear(Message::GetAddr);
    solo.wait(ms(120_999));
    solo.hear(Message::pong(nonce));
    solo.wait(s(100));
    assert!(solo.is_open());
}

#[test]
fn a_pong_waits_for_the_frame_that_is_arriving() {
    let mut solo = open();
    solo.wait(s(120));
    solo.take_sent();
    solo.core.handle_arriving(solo.clock.now(), 4_000_024); // 400 s at 10 kB/s
    solo.wait(s(399));
    assert!(solo.is_open(), "{:?}", solo.core.closed());
}

#[test]
fn old_peers_are_pinged_without_an_answer() {
    for (version, answers) in [(60_000, false), (60_001, true)] {
        let mut solo = Solo::open(Config::default(), version);
        for _ in 0..10 {
            solo.wait(s(60));
            if solo.is_open() {
                solo.hear(Message::GetAddr);
            }
        }
        let pings = solo.take_sent();
        assert!(pings.iter().all(|message| message.kind() == Kind::Ping));
        assert_eq!(pings.len(), if answers { 1 } else { 5 });
        assert_eq!(solo.is_open(), !answers);
        if !answers {
            assert_eq!(solo.core.ping_stats(solo.clock.now()), PingStats::default());
        }
    }
}

#[test]
fn silence_ends_it_after_five_minutes() {
    let mut solo = open();
    assert_eq!(solo.wait_for_end(), (s(300), DisconnectReason::Idle));
    assert_eq!(solo.reason().fault(), Fault::Slowness);

    let mut solo = open();
    solo.wait(ms(299_999));
    solo.hear(Message::GetAddr);
    solo.wait(s(1));
    assert!(solo.is_open());
    assert_eq!(solo.wait_for_end().1, DisconnectReason::PongTimeout);

    let patient = config(|config| config.pong_timeout = s(100_000));
    let mut solo = Solo::open(patient, 70_016);
    solo.wait(s(250));
    solo.hear(Message::GetAddr);
    assert_eq!(solo.wait_for_end(), (s(550), DisconnectReason::Idle));
}

#[test]
fn a_frame_that_is_arriving_has_its_time() {
    let mut solo = Solo::open(config(|config| config.pong_timeout = s(100_000)), 70_016);
    solo.wait(s(200));
    solo.hear(Message::GetAddr);
    solo.wait(s(100));
    solo.core.handle_arriving(solo.clock.now(), 1_000_000); // 100 s at 10 kB/s
    assert_eq!(solo.wait_for_end(), (s(200 + 300 + 100), DisconnectReason::Idle));
}

#[test]
fn the_time_of_a_frame_ends_with_the_frame() {
    let mut solo = Solo::open(config(|config| config.pong_timeout = s(100_000)), 70_016);
    solo.core.handle_arriving(solo.clock.now(), 4_000_000);
    solo.wait(s(10));
    solo.hear(Message::GetAddr);
    assert_eq!(solo.wait_for_end(), (s(310), DisconnectReason::Idle));
}

#[test]
fn over_a_slow_link_a_large_frame_arrives_and_one_too_slow_does_not() {
    for (rate, arrives) in [(12_000, true), (1_000, false)] {
        let mut setup = Setup::default();
        setup.link.rate = Some(1_000_000);
        setup.outbound.1.pong_timeout = s(100_000);
        setup.inbound.1.pong_timeout = s(100_000);
        setup.inbound.1.write_timeout = s(100_000);
        let mut pair = setup.start();
        pair.open();
        pair.run_until_idle();
        pair.link.rate = Some(rate);
        pair.outbound.take_events();
        assert!(pair.inbound.send(&Message::Alert(vec![0; 3_999_000].into())));
        pair.run_for(s(1_000));
        let opened = pair.outbound.closed().is_none();
        assert_eq!(opened, arrives, "{}", pair.transcript());
        assert_eq!(!pair.outbound.take_messages().is_empty(), arrives);
    }
}

/// No clock that could blame the remote runs while we do not read.
#[test]
fn while_we_do_not_read_nobody_else_is_blamed() {
    for paused in [Paused::ByHandler, Paused::ByBacklog] {
        let mut solo = Solo::open(config(|config| config.local_patience = s(5_000)), 70_016);
        solo.wait(s(120));
        let nonce = nonce(&mut solo);
        solo.core.set_paused(solo.clock.now(), Some(paused));
        solo.wait(s(4_999));
        assert!(solo.is_open());
        solo.core.set_paused(solo.clock.now(), None);
        solo.wait(ms(179_999));
        assert!(solo.is_open(), "180 s of silence were left");
        let idle_now = solo.core.poll_timeout().unwrap();
        assert_eq!(idle_now, s(300 + 4_999));
        solo.hear(Message::pong(nonce));
        let last = solo.core.ping_stats(solo.clock.now()).last;
        assert_eq!(last, Some(ms(179_999)), "the pause is not the remote's latency");
        solo.wait(s(200));
        assert!(solo.is_open());
    }
}

#[test]
fn what_is_written_during_a_pause_is_not_older_than_it_is() {
    let mut solo = open();
    solo.wait(s(20));
    solo.hear(Message::GetAddr);
    solo.core.set_paused(solo.clock.now(), Some(Paused::ByBacklog));
    solo.wait(s(100));
    let nonce = nonce(&mut solo); // written at 120 s, 100 s into the pause
    solo.wait(s(480));
    solo.core.set_paused(solo.clock.now(), None);
    solo.wait(s(7));
    solo.hear(Message::pong(nonce));
    assert_eq!(solo.core.ping_stats(solo.clock.now()).last, Some(s(7)));
}

#[test]
fn a_pong_deadline_set_during_a_pause_begins_with_its_end() {
    let mut solo = open();
    solo.wait(s(20));
    solo.hear(Message::GetAddr);
    solo.core.set_paused(solo.clock.now(), Some(Paused::ByBacklog));
    solo.wait(s(500));
    solo.core.set_paused(solo.clock.now(), None); // at 520 s
    for _ in 0..31 {
        solo.wait(ms(9_999));
        if solo.is_open() {
            solo.hear(Message::GetAddr);
        }
    }
    assert_eq!(solo.reason(), DisconnectReason::PongTimeout);
    assert_eq!(solo.mono().as_secs() / 10, 82, "300 s after 520 s");
}

#[test]
fn our_own_patience_ends_after_ten_minutes() {
    let mut solo = open();
    solo.wait(s(50));
    solo.core.set_paused(solo.clock.now(), Some(Paused::ByHandler));
    solo.wait(s(300));
    solo.core.set_paused(solo.clock.now(), Some(Paused::ByBacklog)); // still the same pause
    assert_eq!(solo.wait_for_end(), (s(650), Local::NotReading.into()));
    assert_eq!(solo.reason().fault(), Fault::Local);

    let mut solo = open();
    for _ in 0..5 {
        solo.core.set_paused(solo.clock.now(), Some(Paused::ByHandler));
        solo.wait(s(599));
        solo.core.set_paused(solo.clock.now(), None);
        solo.hear(Message::GetAddr);
    }
    assert!(solo.is_open(), "each pause has its own patience");
}

#[test]
fn a_frame_must_be_taken_in_time() {
    for (len, allowed) in [(100, s(60)), (10_000, s(61)), (4_000_024, s(460))] {
        for (paused, fault) in [
            (None, Fault::Slowness),
            (Some(Paused::ByBacklog), Fault::Slowness),
            (Some(Paused::ByHandler), Fault::Local),
        ] {
            let mut solo = open();
            solo.core.set_writing(solo.clock.now(), Some(len));
            solo.core.set_paused(solo.clock.now(), paused);
            let while_not_reading = paused == Some(Paused::ByHandler);
            let mut end = solo.wait_for_end();
            if allowed > s(300) && paused.is_none() {
                // Nothing is read either, and the idle time is shorter.
                assert_eq!(end, (s(300), DisconnectReason::Idle));
                end = (allowed, DisconnectReason::WriteStalled { while_not_reading });
            } else {
                assert_eq!(solo.reason().fault(), fault);
            }
            assert_eq!(end, (allowed, DisconnectReason::WriteStalled { while_not_reading }));
        }
    }

    let mut solo = open();
    for _ in 0..4 {
        solo.core.set_writing(solo.clock.now(), Some(100)); // each frame has its own time
        solo.wait(s(59));
        solo.hear(Message::GetAddr);
    }
    solo.core.set_writing(solo.clock.now(), None);
    solo.wait(s(100));
    assert!(solo.is_open());
}

#[test]
fn a_remote_that_answers_no_ping_is_let_go() {
    let mut pair = Setup::default().start();
    pair.open();
    pair.on_frame(|from, kind| match (from, kind) {
        (Direction::Inbound, Kind::Pong) => Fate::Drop,
        _ => Fate::Deliver,
    });
    pair.run_for(s(1_000));
    assert_eq!(pair.outbound.closed(), Some(&DisconnectReason::PongTimeout));
    assert_eq!(pair.inbound.closed(), Some(&DisconnectReason::RemoteClosed));
}

#[test]
fn times_without_end_are_possible() {
    let never = |config: &mut Config| {
        config.opening_timeout = Duration::MAX;
        config.ping_interval = Duration::MAX;
        config.pong_timeout = Duration::MAX;
        config.idle_timeout = Duration::MAX;
        config.write_timeout = Duration::MAX;
        config.local_patience = Duration::MAX;
    };
    let mut solo = Solo::open(config(never), 70_016);
    solo.wait(s(10));
    solo.core.set_writing(solo.clock.now(), Some(4_000_000));
    solo.core.handle_arriving(solo.clock.now(), 4_000_000);
    solo.core.set_paused(solo.clock.now(), Some(Paused::ByHandler));
    solo.wait(s(10));
    solo.core.set_paused(solo.clock.now(), None);
    solo.wait(s(1_000_000));
    assert!(solo.is_open());
    solo.hear(Message::ping(1));
    assert!(matches!(solo.take_events()[..], [Event::Message(_), Event::PongDue(1)]));
}

#[test]
fn without_an_interval_there_are_no_pings() {
    let mut solo = Solo::open(config(|config| config.ping_interval = Duration::ZERO), 70_016);
    solo.wait(s(200));
    assert!(solo.take_sent().is_empty());
    assert_eq!(solo.wait_for_end(), (s(300), DisconnectReason::Idle));
}
