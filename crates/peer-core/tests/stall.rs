//! Requests and the time that their answers may take.
#![allow(missing_docs)]

mod support;

use peerage_peer_core::{BestHeight, Config, DisconnectReason, Event, Fault, Paused};
use peerage_testkit::{Fate, Setup, version};
use peerage_wire::{Direction, Kind as _, Message as _, Patience};
use peerage_wire_bitcoin::message::{Headers, Version};
use peerage_wire_bitcoin::{Kind, Message};
use support::requests::{a_tx, getdata, locator, notfound, requests};
use support::{Solo, block, config, inv, ms, regtest, s, stalled, tx};

/// Open with somebody who claims height 9; ours is `height`.
fn open_at(height: i32) -> Solo {
    Solo::open(
        config(|config| config.best_height = Some(BestHeight::new(move || Some(height)))),
        70_016,
    )
}

/// Waits, with the remote saying things that answer nothing.
fn wait(solo: &mut Solo, seconds: u64) {
    for _ in 0..seconds / 10 {
        solo.wait(s(10));
        solo.hear(Message::SendHeaders);
        answer_pings(solo);
    }
    solo.wait(s(seconds % 10));
}

fn answer_pings(solo: &mut Solo) {
    for message in solo.take_sent() {
        if let Message::Ping(ping) = message {
            solo.hear(Message::pong(ping.nonce.expect("peers of today send one")));
        }
    }
}

fn unanswered(solo: &mut Solo) -> Vec<Kind> {
    let kinds = solo.take_events().into_iter().filter_map(|event| match event {
        Event::Unanswered(kind) => Some(kind),
        _ => None,
    });
    kinds.collect()
}

#[test]
fn the_table_of_expectations_is_complete() {
    let expected: Vec<Kind> = requests().iter().map(|(request, _)| request.kind()).collect();
    let with_policy = Kind::ALL.iter().filter(|kind| kind.policy().expect.is_some());
    assert!(with_policy.clone().all(|kind| expected.contains(kind)));
    assert_eq!(with_policy.count(), expected.len());
    for (request, answers) in requests() {
        let expect = request.kind().policy().expect.as_ref().unwrap();
        let kinds: Vec<Kind> = answers.iter().map(Message::kind).collect();
        assert!(expect.answers.iter().all(|kind| kinds.contains(kind)), "{request:?}");
    }
}

#[test]
fn every_request_is_settled_by_each_of_its_answers() {
    for (request, answers) in requests() {
        for answer in answers {
            let mut solo = open_at(0);
            let within = request.kind().policy().expect.as_ref().unwrap().within;
            solo.say(&request);
            solo.wait(within - ms(1));
            solo.hear(answer.clone());
            wait(&mut solo, 500);
            assert!(solo.is_open(), "{request:?} {answer:?}: {:?}", solo.core.closed());
            assert_eq!(unanswered(&mut solo), []);
        }
    }
}

#[test]
fn silence_is_judged_by_the_kind_of_request() {
    for (request, _) in requests() {
        let expect = request.kind().policy().expect.as_ref().unwrap();
        let mut solo = open_at(0);
        solo.say(&request);
        solo.wait(expect.within - ms(1));
        assert!(solo.is_open() && unanswered(&mut solo).is_empty());
        solo.wait(ms(1));
        if expect.patience == Patience::Lenient {
            assert!(solo.is_open());
            assert_eq!(unanswered(&mut solo), [request.kind()]);
            wait(&mut solo, 500);
            assert_eq!(unanswered(&mut solo), [], "once");
        } else {
            assert_eq!(solo.reason(), stalled(request.kind()));
            assert_eq!(solo.reason().fault(), Fault::Slowness);
        }
    }
}

#[test]
fn headers_may_take_ninety_seconds_and_the_rest_thirty() {
    for (request, _) in requests() {
        let seconds = if request.kind() == Kind::GetHeaders { 90 } else { 30 };
        assert_eq!(request.kind().policy().expect.as_ref().unwrap().within, s(seconds));
    }
}

/// Who is at our height has nothing to answer; who claims more has.
#[test]
fn an_honest_peer_at_the_tip_is_not_cut() {
    for request in [Message::GetHeaders(locator()), Message::GetBlocks(locator())] {
        for (ours, cut) in [(8, true), (9, false), (10, false)] {
            let mut solo = open_at(ours);
            solo.say(&request);
            wait(&mut solo, 100);
            assert_eq!(!solo.is_open(), cut);
            if cut {
                assert_eq!(solo.reason(), stalled(request.kind()));
            } else {
                assert_eq!(unanswered(&mut solo), [request.kind()]);
            }
        }
        // They have grown since.
        let mut solo = open_at(9);
        solo.core.set_remote_height(8);
        solo.core.set_remote_height(12);
        solo.core.set_remote_height(11);
        solo.say(&request);
        wait(&mut solo, 100);
        assert_eq!(solo.reason(), stalled(request.kind()));

        // Nobody knows our height: nobody can be blamed.
        for best in [None, Some(BestHeight::new(|| None))] {
            let mut solo = Solo::open(config(|config| config.best_height = best), 70_016);
            solo.say(&request);
            wait(&mut solo, 100);
            assert!(solo.is_open());
        }
    }
}

#[test]
fn the_height_that_counts_is_that_of_the_judgement() {
    let height = std::sync::Arc::new(std::sync::atomic::AtomicI32::new(0));
    let ours = height.clone();
    let best = BestHeight::new(move || Some(ours.load(std::sync::atomic::Ordering::Relaxed)));
    let mut solo = Solo::open(config(|config| config.best_height = Some(best)), 70_016);
    solo.say(&Message::GetHeaders(locator()));
    height.store(9, std::sync::atomic::Ordering::Relaxed); // others were faster
    wait(&mut solo, 100);
    assert!(solo.is_open());
}

#[test]
fn what_is_settled_in_part_has_its_full_time_again() {
    let mut solo = open_at(0);
    solo.say(&getdata(&[tx(1), tx(2), tx(3), tx(4)]));
    for _ in 0..3 {
        solo.wait(s(29));
        solo.hear(Message::Tx(a_tx()));
    }
    solo.wait(ms(29_999));
    assert!(solo.is_open(), "one is left, and its time as well");
    solo.wait(ms(1));
    assert_eq!(solo.reason(), stalled(Kind::GetData));
    assert_eq!(solo.mono(), s(29 * 3 + 30));

    let mut solo = open_at(0);
    solo.say(&getdata(&[tx(1), tx(2), tx(3)]));
    (0..3).for_each(|_| solo.hear(Message::Tx(a_tx())));
    wait(&mut solo, 100);
    assert!(solo.is_open());
}

#[test]
fn notfound_settles_as_many_as_it_names() {
    for (named, settled) in [(1, false), (2, false), (3, true), (4, true)] {
        let mut solo = open_at(0);
        solo.say(&getdata(&[tx(1), tx(2), tx(3)]));
        let items: Vec<_> = (0..named).map(tx).collect();
        solo.hear(notfound(&items));
        wait(&mut solo, 100);
        assert_eq!(solo.is_open(), settled, "{named}");
    }
}

#[test]
fn asking_again_earns_nobody_more_time() {
    let mut solo = open_at(0);
    let request = getdata(&[tx(1)]);
    for _ in 0..3 {
        solo.say(&request);
        solo.wait(s(10));
    }
    assert_eq!(solo.reason(), stalled(Kind::GetData));

    let mut solo = open_at(0);
    solo.say(&request);
    solo.wait(s(20));
    solo.say(&request);
    solo.hear(Message::Tx(a_tx()));
    solo.wait(ms(29_999));
    assert!(solo.is_open(), "the second one is owed since the answer to the first");
    solo.wait(ms(1));
    assert_eq!(solo.reason(), stalled(Kind::GetData));
}

#[test]
fn what_asks_for_nothing_is_owed_nothing() {
    let mut solo = open_at(0);
    solo.say(&getdata(&[]));
    wait(&mut solo, 100);
    assert!(solo.is_open());
}

#[test]
fn different_requests_have_different_clocks() {
    let mut solo = open_at(0);
    solo.say(&Message::GetHeaders(locator()));
    solo.wait(s(5));
    solo.say(&getdata(&[tx(1)]));
    solo.wait(s(5));
    solo.say(&Message::MemPool);
    solo.wait(s(20));
    solo.hear(Message::Tx(a_tx()));
    solo.wait(s(20));
    assert_eq!(unanswered(&mut solo), [Kind::MemPool]);
    assert_eq!(solo.wait_for_end(), (s(90), stalled(Kind::GetHeaders)));
}

#[test]
fn what_was_not_asked_for_settles_nothing_else() {
    let mut solo = open_at(0);
    solo.hear(Message::Tx(a_tx()));
    solo.hear(Message::Headers(Headers::new(&[]).unwrap()));
    solo.say(&getdata(&[tx(1)]));
    solo.hear(Message::Headers(Headers::new(&[]).unwrap()));
    solo.hear(inv(&[tx(1)]));
    assert_eq!(solo.wait_for_end(), (s(30), stalled(Kind::GetData)));
}

#[test]
fn a_frame_that_is_arriving_may_be_the_answer() {
    let mut solo = open_at(0);
    solo.say(&getdata(&[block(1)]));
    solo.wait(s(20));
    solo.core.handle_arriving(solo.clock.now(), 1_000_000); // 100 s at 10 kB/s
    solo.wait(ms(99_999));
    assert!(solo.is_open());
    solo.wait(ms(1));
    assert_eq!(solo.reason(), stalled(Kind::GetData));

    let mut solo = open_at(0);
    solo.say(&getdata(&[block(1)]));
    solo.wait(s(20));
    solo.core.handle_arriving(solo.clock.now(), 100);
    assert_eq!(solo.wait_for_end().0, s(30), "a small frame shortens nothing");
}

#[test]
fn time_in_which_we_do_not_read_does_not_count() {
    for paused in [Paused::ByHandler, Paused::ByBacklog] {
        let mut solo = open_at(0);
        solo.say(&getdata(&[tx(1)]));
        solo.wait(s(29));
        solo.core.set_paused(solo.clock.now(), Some(paused));
        solo.wait(s(500));
        solo.core.set_paused(solo.clock.now(), None);
        solo.wait(ms(999));
        assert!(solo.is_open());
        solo.wait(ms(1));
        assert_eq!(solo.reason(), stalled(Kind::GetData));
    }
}

#[test]
fn what_is_asked_during_a_pause_has_its_time_from_the_end_of_the_pause() {
    let mut solo = open_at(0);
    solo.core.set_paused(solo.clock.now(), Some(Paused::ByBacklog));
    solo.wait(s(400));
    solo.say(&getdata(&[tx(1)]));
    solo.wait(s(100));
    solo.core.set_paused(solo.clock.now(), None);
    assert_eq!(solo.wait_for_end(), (s(530), stalled(Kind::GetData)));
}

#[test]
fn detection_can_be_switched_off() {
    let off = config(|config| config.stall_detection = false);
    let mut solo = Solo::open(off, 70_016);
    for (request, _) in requests() {
        solo.say(&request);
    }
    wait(&mut solo, 1_000);
    assert!(solo.is_open());
    assert_eq!(unanswered(&mut solo), []);
}

#[test]
fn it_works_the_same_for_those_who_dialled_us() {
    let mut solo = Solo::open_as(Direction::Inbound, regtest(), Config::default(), 70_016);
    solo.say(&getdata(&[tx(1)]));
    assert_eq!(solo.wait_for_end(), (s(30), stalled(Kind::GetData)));
}

#[test]
fn a_remote_that_claims_a_negative_height_is_never_ahead() {
    let best = config(|config| config.best_height = Some(BestHeight::new(|| Some(0))));
    let theirs = Version { start_height: -5, ..version(70_016) };
    let mut solo = Solo::new(Direction::Outbound, regtest(), best, 1).opened(theirs);
    solo.say(&Message::GetHeaders(locator()));
    wait(&mut solo, 200);
    assert!(solo.is_open());
}

#[test]
fn over_a_link_the_clock_starts_when_the_request_is_written() {
    let mut pair = Setup::default().start();
    pair.open();
    pair.on_frame(|_, kind| if kind == Kind::NotFound { Fate::Drop } else { Fate::Deliver });
    assert!(pair.outbound.send(&getdata(&[tx(1)])));
    pair.run_until_idle();
    let asked = pair.outbound.sent().last().unwrap().0;
    assert!(pair.inbound.send(&notfound(&[tx(1)])));
    pair.run_until(asked + ms(29_999));
    assert!(pair.outbound.closed().is_none());
    pair.run_until(asked + s(30));
    assert_eq!(pair.outbound.closed(), Some(&stalled(Kind::GetData)));
    pair.run_until_idle();
    assert_eq!(pair.inbound.closed(), Some(&DisconnectReason::RemoteClosed));
}

/// Asks for a block, then hears `rate` bytes a second in messages that are no answer, for at most
/// `seconds`; returns when the remote was blamed.
fn blamed_after(rate: usize, seconds: u64) -> Option<u64> {
    let mut solo = open_at(0);
    solo.say(&getdata(&[block(1)]));
    for second in 0..seconds {
        if !solo.is_open() {
            return Some(second);
        }
        solo.hear_frame(Message::SendHeaders, rate);
        answer_pings(&mut solo);
        solo.wait(s(1));
    }
    None
}

#[test]
fn an_answer_may_be_behind_what_was_queued_before_on_a_slow_link() {
    // 1.25 MiB at 20 kB/s take a minute.
    assert_eq!(blamed_after(20_000, 65), None);
    assert_eq!(blamed_after(10_000, 130), None);
}

#[test]
fn sending_other_things_earns_no_more_time_than_a_queue_takes() {
    assert_eq!(blamed_after(100, 40), Some(30), "too slow to count");
    assert_eq!(blamed_after(1 << 20, 40), Some(30), "more than can have been queued");
    let patience = blamed_after(20_000, 200).unwrap();
    assert!((104..=111).contains(&patience), "2 MiB at 20 kB/s take 105 s: {patience}");
}

#[test]
fn large_frames_that_are_no_answer_do_not_put_it_off_for_ever() {
    let mut solo = open_at(0);
    solo.say(&getdata(&[block(1)]));
    let mut frames = 0;
    while solo.is_open() {
        assert!(frames < 3, "nobody is blamed");
        solo.core.handle_arriving(solo.clock.now(), 4_000_000);
        solo.wait(s(399));
        solo.hear_frame(Message::SendHeaders, 4_000_000);
        answer_pings(&mut solo);
        frames += 1;
    }
    assert_eq!(solo.reason(), stalled(Kind::GetData));
}
