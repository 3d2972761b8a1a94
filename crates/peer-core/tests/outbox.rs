//! The outbox: order, limits, receipts, room and its end.
#![allow(missing_docs)]

mod support;

use bytes::Bytes;
use peerage_peer_core::{Batch, DisconnectReason, Event, Load, Local, Outbox, Source};
use peerage_testkit::{Fate, Setup};
use peerage_wire::{Message as _, Payload};
use peerage_wire_bitcoin::{Bitcoin, Kind, Message};
use support::{config, ms, s, tx, unknown};

type Lane = Outbox<Bitcoin, u32>;

/// Payloads with their receipts.
type Frames = Vec<(Vec<u8>, Option<u32>)>;

/// What a frame without payload is charged.
const OVERHEAD: usize = 64;

fn push(outbox: &mut Lane, bytes: &[u8], receipt: Option<u32>) {
    push_as(Source::Caller, outbox, bytes, receipt);
}

fn push_as(source: Source, outbox: &mut Lane, bytes: &[u8], receipt: Option<u32>) {
    outbox.push(Kind::Tx, &Payload::Copied(bytes), [0; 4], 1, source, receipt);
}

fn callers(bytes: usize) -> Load {
    Load { callers: bytes, answers: 0 }
}

/// Takes everything; returns payloads and receipts in order, and the sum of the charges.
fn take(outbox: &mut Lane) -> (Frames, usize) {
    let mut batch = Batch::default();
    outbox.take(&mut batch);
    let (mut frames, mut charged) = (Vec::new(), 0);
    while let Some(frame) = batch.pop() {
        frames.push((frame.payload.as_slice().to_vec(), frame.receipt));
        charged += frame.charge;
    }
    assert!(batch.is_empty());
    (frames, charged)
}

#[test]
fn frames_leave_whole_and_in_order() {
    let mut outbox = Lane::new(1 << 20, 10);
    let large = Bytes::from(vec![9; 10_000]);
    let mut batch = Batch::default();
    for round in 0..3_u32 {
        assert!(outbox.is_empty());
        push(&mut outbox, b"first", Some(round));
        outbox.push(
            Kind::Block,
            &Payload::Shared(large.clone()),
            [1, 2, 3, 4],
            7,
            Source::Caller,
            None,
        );
        push(&mut outbox, b"", None);
        push(&mut outbox, b"last", Some(round + 100));
        assert!(!outbox.is_empty());

        outbox.take(&mut batch);
        assert!(outbox.is_empty(), "the lane was swapped out");
        let first = batch.pop().unwrap();
        assert_eq!((first.kind, first.payload.as_slice()), (Kind::Tx, &b"first"[..]));
        assert_eq!((first.receipt, first.charge), (Some(round), OVERHEAD + 5));
        let second = batch.pop().unwrap();
        assert_eq!((second.kind, second.checksum, second.asks), (Kind::Block, [1, 2, 3, 4], 7));
        let Payload::Shared(shared) = second.payload else { panic!("it was copied") };
        assert_eq!(shared.as_ptr(), large.as_ptr());
        assert_eq!(batch.pop().unwrap().payload.as_slice(), b"");
        assert!(!batch.is_empty());
        let last = batch.pop().unwrap();
        assert_eq!((last.payload.as_slice(), last.receipt), (&b"last"[..], Some(round + 100)));
        assert!(batch.is_empty() && batch.pop().is_none());
    }
}

#[test]
fn it_is_full_at_its_limit_and_one_message_may_exceed_it() {
    let mut outbox = Lane::new(1_000, 10);
    push(&mut outbox, &[0; 999 - OVERHEAD], None);
    assert!(!outbox.is_full(Source::Caller), "below the limit");
    assert_eq!(outbox.held(), 999);
    push(&mut outbox, &[0; 100_000], None);
    assert!(outbox.is_full(Source::Caller));
    let (frames, charged) = take(&mut outbox);
    assert_eq!((frames.len(), charged), (2, outbox.held()));
    assert!(outbox.is_full(Source::Caller), "what was taken is not sealed yet");
    outbox.release(callers(charged));
    assert_eq!(outbox.held(), 0);

    let mut exact = Lane::new(1_000, 10);
    push(&mut exact, &[0; 1_000 - OVERHEAD], None);
    assert!(exact.is_full(Source::Caller));
}

/// Reading stops when answers are not taken, and callers cannot bring that about.
#[test]
fn answers_have_a_limit_of_their_own() {
    let mut outbox = Lane::new(1 << 20, 10);
    push(&mut outbox, &vec![0; 2 << 20], None);
    assert!(outbox.is_full(Source::Caller) && !outbox.is_full(Source::Answer));
    push_as(Source::Answer, &mut outbox, &vec![0; (256 << 10) - OVERHEAD - 1], None);
    assert!(!outbox.is_full(Source::Answer));
    push_as(Source::Answer, &mut outbox, &[], None);
    assert!(outbox.is_full(Source::Answer));

    let mut batch = Batch::default();
    outbox.take(&mut batch);
    let mut sealed = Load::default();
    while let Some(frame) = batch.pop() {
        sealed.add(frame.source, frame.charge);
    }
    assert_eq!(sealed.total(), outbox.held());
    outbox.refuse();
    assert!(!outbox.release(callers(sealed.callers)), "the answers are above half");
    assert!(outbox.release(Load { callers: 0, answers: sealed.answers }));

    let mut small = Lane::new(1_000, 10);
    push_as(Source::Answer, &mut small, &[0; 1_000], None);
    assert!(small.is_full(Source::Answer), "a lower limit holds for answers too");
}

#[test]
fn empty_messages_fill_it_too() {
    let mut outbox = Lane::new(6_400, 10);
    let mut count = 0;
    while !outbox.is_full(Source::Caller) {
        push(&mut outbox, &[], None);
        count += 1;
    }
    assert_eq!(count, 100);
}

#[test]
fn room_is_told_once_at_three_quarters_and_only_to_who_was_refused() {
    let mut outbox = Lane::new(1_000, 10);
    for _ in 0..10 {
        push(&mut outbox, &[0; 100 - OVERHEAD], None);
    }
    assert!(!outbox.release(callers(600)), "nobody was refused");
    for _ in 0..6 {
        push(&mut outbox, &[0; 100 - OVERHEAD], None);
    }
    assert!(outbox.is_full(Source::Caller));
    outbox.refuse();
    outbox.refuse();
    assert!(!outbox.release(callers(249)), "more than three quarters are left");
    assert!(outbox.release(callers(1)));
    assert!(!outbox.release(callers(100)), "once");
    outbox.refuse();
    assert!(outbox.release(callers(0)), "it is below that already");
}

#[test]
fn announcements_are_capped_with_those_that_wait_in_the_core() {
    let mut outbox = Lane::new(1_000, 100);
    let items: Vec<_> = (0..60).map(tx).collect();
    assert_eq!(outbox.announce(&items), 60);
    assert_eq!(outbox.announce(&items), 40);
    assert_eq!(outbox.announce(&items), 0);
    assert_eq!(outbox.waiting(), 100);
    let mut batch = Batch::default();
    let taken = outbox.take(&mut batch);
    assert_eq!(taken.announcements, [&items[..], &items[..40]].concat());
    outbox.set_waiting(95);
    assert_eq!(outbox.announce(&items), 5);
    assert_eq!(outbox.waiting(), 100);
    outbox.take(&mut batch);
    outbox.set_waiting(200);
    assert_eq!(outbox.announce(&items), 0, "too many is not a panic");
    assert!(outbox.is_empty());
}

#[test]
fn known_items_are_capped_and_handed_over_once() {
    let mut outbox = Lane::new(1_000, 100);
    let items: Vec<_> = (0..80).map(tx).collect();
    outbox.add_known(&items);
    outbox.add_known(&items);
    let mut batch = Batch::default();
    let taken = outbox.take(&mut batch);
    assert_eq!(taken.known, [&items[..], &items[..20]].concat());
    assert!(taken.announcements.is_empty());
    assert!(outbox.take(&mut batch).known.is_empty());
}

#[test]
fn closing_gives_back_what_was_queued() {
    let mut outbox = Lane::new(1_000, 100);
    push(&mut outbox, &[1; 2_000], Some(7));
    outbox.announce(&[tx(1)]);
    outbox.add_known(&[tx(2)]);
    let mut batch = outbox.close(Local::Requested.into());
    assert_eq!(batch.pop().unwrap().receipt, Some(7), "so that its owner can be told");
    assert!(outbox.is_empty() && !outbox.is_full(Source::Caller));
    assert_eq!(outbox.held(), 0);
    assert_eq!(outbox.close(DisconnectReason::RemoteClosed).pop().map(|_| ()), None);
    assert_eq!(outbox.closed(), Some(&Local::Requested.into()), "the first reason stays");
}

#[test]
fn messages_arrive_in_the_order_of_sending() {
    let mut pair = Setup::default().start();
    pair.open();
    pair.inbound.take_events();
    let all: Vec<Message> = (0..100_u64)
        .map(|number| if number % 7 == 3 { unknown(5_000) } else { Message::ping(number) })
        .collect();
    let receipts: Vec<u64> =
        all.iter().map(|message| pair.outbound.send_tracked(message).unwrap()).collect();
    pair.run_until_idle();
    assert_eq!(pair.outbound.written(), receipts);
    let events = pair.inbound.take_events();
    let found = events.into_iter().filter_map(|(_, event)| match event {
        Event::Message(message) => Some(message),
        _ => None,
    });
    assert!(found.eq(all));
}

#[test]
fn a_full_outbox_refuses_until_there_is_room() {
    let mut setup = Setup::default();
    setup.outbound.1 = config(|config| config.outbox_limit = 10_000);
    setup.link.window = 1_000;
    let mut pair = setup.start();
    pair.open();
    pair.inbound.set_reading(false);
    pair.run_for(ms(100));
    let message = unknown(2_000);
    let mut accepted = 0;
    while pair.outbound.send(&message) {
        accepted += 1;
        assert!(pair.outbound.outbox().held() < 10_000 + 2_064);
    }
    assert_eq!(accepted, 5, "the fifth exceeds the limit");
    pair.outbound.take_events();
    pair.run_for(ms(1));
    let room = |pair: &mut peerage_testkit::Pair| {
        let events = pair.outbound.take_events();
        events.iter().filter(|(_, event)| matches!(event, Event::Room)).count()
    };
    assert_eq!(room(&mut pair), 0, "what is sealed is not written yet");
    pair.inbound.set_reading(true);
    pair.run_for(s(2));
    assert_eq!(room(&mut pair), 1);
    assert_eq!(pair.inbound.take_messages().len(), 5);
}

#[test]
fn a_closed_side_takes_nothing() {
    let mut pair = Setup::default().start();
    pair.open();
    pair.on_frame(|_, _| Fate::Deliver);
    pair.inbound.close(Local::Requested.into());
    pair.run_until_idle();
    for side in [&mut pair.outbound, &mut pair.inbound] {
        assert!(!side.send(&Message::GetAddr));
        assert!(side.outbox().is_empty());
    }
}

#[test]
fn versions_decide_how_frames_are_encoded() {
    for (version, len) in [(60_000, 0), (60_001, 8)] {
        let mut out = Vec::new();
        Message::ping(1).encode(version, &mut out);
        assert_eq!(out.len(), len);
        let mut setup = Setup::default();
        setup.inbound.0.version = version;
        let mut pair = setup.start();
        pair.open();
        pair.run_until_idle();
        pair.inbound.take_events();
        assert!(pair.outbound.send(&Message::ping(1)));
        pair.run_until_idle();
        let heard = pair.inbound.take_messages();
        let expected = peerage_wire_bitcoin::message::Ping { nonce: (len > 0).then_some(1) };
        assert_eq!(heard, [Message::Ping(expected)]);
    }
}
