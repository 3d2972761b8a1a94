//! What holds whatever happens.
#![allow(missing_docs)]

mod support;

use std::collections::HashSet;
use std::time::Duration;

use peerage_peer_core::{Config, DisconnectReason, Event, Known, Local, Paused, PongOrder};
use peerage_testkit::{Fate, LinkSpec, Pair, Setup, version};
use peerage_wire::{Direction, Kind as _, Malformed, Refusal};
use peerage_wire_bitcoin::message::{
    BASIC_FILTER, FilterAdd, GetCFCheckpt, Inventory, Ping, Pong, Version,
};
use peerage_wire_bitcoin::types::InventoryItem;
use peerage_wire_bitcoin::{Kind, Message};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use support::{Solo, block, config, inv, ms, regtest, s, tx, unknown};

/// Anything that can be done to an engine.
#[derive(Clone, Debug)]
enum Input {
    Hear(Message),
    Say(Kind, u32),
    Announce(Vec<InventoryItem>),
    Know(Vec<InventoryItem>),
    Arriving(usize),
    Wait(Duration),
    Jump(i64),
    Timeout,
    Pause(Option<Paused>),
    Writing(Option<usize>),
    Height(i32),
    Malformed,
    Refuse,
    Close,
}

fn item() -> impl Strategy<Value = InventoryItem> {
    (any::<bool>(), 0_u32..40).prop_map(|(urgent, number)| match urgent {
        true => block(number),
        false => tx(number),
    })
}

fn items() -> impl Strategy<Value = Vec<InventoryItem>> {
    vec(item(), 0..20)
}

fn message() -> impl Strategy<Value = Message> {
    let nonce = prop_oneof![Just(0_u64), any::<u64>()];
    let stop_hash = regtest().network.genesis;
    prop_oneof![
        4 => Just(Message::Verack),
        4 => (select(vec![-1, 208, 209, 60_000, 70_001, 70_011, 70_015, 70_016, 70_017]), nonce.clone())
            .prop_map(|(number, nonce)| {
                Message::Version(Box::new(Version { nonce, ..version(number) }))
            }),
        1 => select(vec![Message::WtxidRelay, Message::SendAddrV2]),
        3 => select(vec![Message::GetAddr, Message::MemPool, Message::SendHeaders]),
        1 => Just(Message::FilterAdd(FilterAdd::new(&b"x"[..]).expect("a byte is allowed"))),
        1 => Just(Message::GetCFCheckpt(GetCFCheckpt { filter_type: BASIC_FILTER, stop_hash })),
        3 => items().prop_map(|items| inv(&items)),
        2 => items().prop_map(|items| {
            Message::NotFound(Inventory::new(&items).expect("there are few"))
        }),
        2 => nonce.clone().prop_map(|nonce| Message::Ping(Ping { nonce: Some(nonce) })),
        2 => nonce.prop_map(|nonce| Message::Pong(Pong { nonce })),
        2 => (0_usize..100_000).prop_map(unknown),
    ]
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0_u64..5_000).prop_map(ms),
        (0_u64..400).prop_map(s),
        select(vec![Duration::ZERO, s(30), s(120), s(300), s(600)]),
    ]
}

fn input() -> impl Strategy<Value = Input> {
    let paused = select(vec![None, Some(Paused::ByHandler), Some(Paused::ByBacklog)]);
    let asking: Vec<Kind> =
        Kind::ALL.iter().copied().filter(|kind| kind.policy().expect.is_some()).collect();
    let kinds = prop_oneof![select(asking), select(vec![Kind::Ping, Kind::Tx, Kind::Inv])];
    prop_oneof![
        12 => message().prop_map(Input::Hear),
        4 => (kinds, select(vec![0, 1, 2, u32::MAX])).prop_map(|(kind, asks)| Input::Say(kind, asks)),
        4 => items().prop_map(Input::Announce),
        2 => items().prop_map(Input::Know),
        2 => (0_usize..4_000_024).prop_map(Input::Arriving),
        10 => duration().prop_map(Input::Wait),
        1 => any::<i32>().prop_map(|seconds| Input::Jump(seconds.into())),
        2 => Just(Input::Timeout),
        4 => paused.prop_map(Input::Pause),
        3 => proptest::option::of(0_usize..4_000_024).prop_map(Input::Writing),
        1 => any::<i32>().prop_map(Input::Height),
        1 => select(vec![Input::Malformed, Input::Refuse, Input::Close]),
    ]
}

fn some_config() -> impl Strategy<Value = Config> {
    let times = (duration(), duration(), duration(), duration(), duration());
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (times, flags).prop_map(|(times, (defaults, stall_detection, at_once))| {
        config(|config| {
            config.stall_detection = stall_detection;
            config.pong = if at_once { PongOrder::AtOnce } else { PongOrder::Ordered };
            if !defaults {
                config.ping_interval = times.0;
                config.pong_timeout = times.1;
                config.idle_timeout = times.2;
                config.trickle_inbound = times.3;
                config.local_patience = times.4;
                config.slowest_rate = 0;
            }
        })
    })
}

fn direction() -> impl Strategy<Value = Direction> {
    select(vec![Direction::Outbound, Direction::Inbound])
}

fn apply(solo: &mut Solo, input: &Input) {
    let now = solo.clock.now();
    match input.clone() {
        Input::Hear(message) => return solo.hear(message),
        Input::Announce(items) => return solo.announce(&items),
        Input::Wait(duration) => return solo.wait(duration),
        Input::Jump(seconds) => return solo.clock.jump(seconds),
        Input::Say(kind, asks) => solo.core.transmitted(now, kind, asks),
        Input::Know(items) => solo.core.add_known(&items),
        Input::Arriving(len) => solo.core.handle_arriving(now, len),
        Input::Timeout => solo.core.handle_timeout(now),
        Input::Pause(paused) => solo.core.set_paused(now, paused),
        Input::Writing(len) => solo.core.set_writing(now, len),
        Input::Height(height) => solo.core.set_remote_height(height),
        Input::Malformed => solo.core.handle_malformed(Malformed::Truncated),
        Input::Refuse => solo.core.refuse(&Refusal::new("no")),
        Input::Close => solo.core.close(Local::Requested.into()),
    }
    solo.drain();
}

/// Everything that an engine says, tells and plans under these inputs.
fn transcript(mut solo: Solo, inputs: &[Input]) -> String {
    let mut transcript = String::new();
    for input in inputs {
        apply(&mut solo, input);
        let (sent, events) = (solo.take_sent(), solo.take_events());
        let due = solo.core.poll_timeout();
        transcript += &format!("{input:?}: {sent:?} {events:?} {due:?}\n");
    }
    transcript
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// `Solo::wait` also asserts that nothing is ever due in the past.
    #[test]
    fn no_inputs_panic_and_the_first_reason_stays(
        direction in direction(),
        opened in any::<bool>(),
        config in some_config(),
        inputs in vec(input(), 0..80),
    ) {
        let mut solo = Solo::new(direction, regtest(), config, 1);
        if opened {
            solo = solo.opened(version(70_015));
        }
        let mut reason: Option<DisconnectReason> = None;
        for input in &inputs {
            apply(&mut solo, input);
            let (sent, events) = (solo.take_sent(), solo.take_events());
            if let Some(reason) = &reason {
                prop_assert_eq!(solo.core.closed(), Some(reason));
                prop_assert!(sent.is_empty() && events.is_empty(), "{:?} {:?}", sent, events);
                prop_assert_eq!(solo.core.poll_timeout(), None);
            }
            reason = solo.core.closed().cloned();
            let told = events.iter().any(|event| matches!(event, Event::Disconnected(_)));
            prop_assert!(!told, "the end is told by `closed` alone");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_outputs(
        direction in direction(),
        seed in any::<u8>(),
        inputs in vec(input(), 0..60),
    ) {
        let solo = || {
            let solo = Solo::new(direction, regtest(), Config::default(), seed);
            solo.opened(version(70_016))
        };
        prop_assert_eq!(transcript(solo(), &inputs), transcript(solo(), &inputs));
    }

    #[test]
    fn what_is_known_is_never_announced(
        direction in direction(),
        steps in vec((any::<bool>(), items(), duration()), 1..40),
    ) {
        let lasting = config(|config| {
            config.idle_timeout = s(1_000_000);
            config.pong_timeout = s(1_000_000);
        });
        let mut solo = Solo::open_as(direction, regtest(), lasting, 70_016);
        let mut known = HashSet::new();
        let mut wanted = HashSet::new();
        for (theirs, items, wait) in steps {
            if theirs {
                known.extend(items.iter().copied());
                solo.hear(inv(&items));
            } else {
                wanted.extend(items.iter().copied().filter(|item| !known.contains(item)));
                solo.announce(&items);
            }
            for item in solo.take_announced() {
                prop_assert!(known.insert(item), "{item} is known");
            }
            solo.wait(wait);
            for item in solo.take_announced() {
                prop_assert!(known.insert(item), "{item} is known");
            }
        }
        solo.wait(s(200));
        known.extend(solo.take_announced());
        prop_assert!(wanted.is_subset(&known), "whatever was news has been announced or heard");
    }

    /// The set of known items against a plain list.
    #[test]
    fn known_items_are_remembered(numbers in vec(0_u32..20_000, 0..12_000)) {
        let mut known = Known::new(3, 4);
        let mut last = std::collections::HashMap::new();
        for (place, number) in numbers.iter().enumerate() {
            let recent = last.insert(*number, place).is_some_and(|before| place - before <= 4_096);
            let news = known.insert(number);
            prop_assert!(!(recent && news), "{number} was forgotten");
            prop_assert!(known.contains(number));
            prop_assert!(known.len() <= 8_192);
        }
    }
}

/// A pair whose link, versions and luck are arbitrary.
fn pair(seed: u64, latency: Duration, versions: (u32, u32), lost: &'static [usize]) -> Pair {
    let mut setup = Setup { seed, ..Setup::default() };
    setup.outbound.0.version = versions.0;
    setup.inbound.0.version = versions.1;
    setup.link = LinkSpec { latency, ..setup.link };
    let mut pair = setup.start();
    let mut frame = 0;
    pair.on_frame(move |_, _| {
        frame += 1;
        if lost.contains(&frame) { Fate::Drop } else { Fate::Deliver }
    });
    pair
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn two_honest_peers_agree_or_end_in_time(
        seed in any::<u64>(),
        latency in 0_u64..40_000,
        versions in (209_u32..70_018, 209_u32..70_018),
    ) {
        let latency = ms(latency);
        let mut pair = pair(seed, latency, versions, &[]);
        pair.run_until(s(30));
        for side in [&pair.outbound, &pair.inbound] {
            let open = side.core().remote().is_some();
            prop_assert!(open || side.closed().is_some(), "{}", pair.transcript());
        }
        // Three messages one after the other open a connection.
        if latency * 3 < s(30) {
            let agreed = versions.0.min(versions.1);
            for side in [&pair.outbound, &pair.inbound] {
                prop_assert!(side.closed().is_none(), "{}", pair.transcript());
                prop_assert_eq!(side.core().version(), agreed);
            }
        }
    }

    #[test]
    fn whatever_is_lost_both_sides_end_or_go_on(
        seed in any::<u64>(),
        lost in vec(1_usize..40, 0..6),
    ) {
        let lost: &'static [usize] = lost.leak();
        let mut pair = pair(seed, ms(50), (70_016, 70_015), lost);
        pair.run_until(s(30));
        for number in 0..20 {
            pair.outbound.announce(&[tx(number)]);
            pair.inbound.announce(&[tx(100 + number)]);
            pair.run_for(s(60));
        }
        pair.run_until_idle();
        for side in [&pair.outbound, &pair.inbound] {
            let told: Vec<_> = side.events().iter().filter_map(|(_, event)| match event {
                Event::Disconnected(reason) => Some(reason),
                _ => None,
            }).collect();
            prop_assert_eq!(told.len(), usize::from(side.closed().is_some()));
            prop_assert!(side.closed().is_none() || told[0] == side.closed().expect("just asked"));
        }
        prop_assert_eq!(pair.outbound.closed().is_some(), pair.inbound.closed().is_some());
    }

    #[test]
    fn an_outbox_never_holds_more_than_its_limit_and_a_message(
        seed in any::<u64>(),
        limit in 1_usize..100_000,
        sizes in vec((any::<bool>(), 0_usize..30_000, 0_u64..300), 1..60),
    ) {
        let mut setup = Setup { seed, ..Setup::default() };
        setup.outbound.1.outbox_limit = limit;
        setup.link.rate = Some(50_000);
        setup.link.window = 5_000;
        let mut pair = setup.start();
        pair.open();
        let (mut sent, mut largest) = (0_usize, 0);
        for (read, size, wait) in sizes {
            pair.inbound.set_reading(read);
            let payload = vec![0; size].into();
            let message = Message::Alert(payload);
            largest = largest.max(size + 64);
            sent += usize::from(pair.outbound.send(&message));
            prop_assert!(pair.outbound.outbox().held() < limit + largest);
            pair.run_for(ms(wait));
        }
        pair.inbound.set_reading(true);
        pair.run_for(s(100));
        prop_assert!(pair.outbound.closed().is_none(), "{}", pair.transcript());
        let arrived = pair.inbound.take_messages();
        let arrived = arrived.iter().filter(|message| matches!(message, Message::Alert(_)));
        prop_assert_eq!(arrived.count(), sent, "what was accepted arrives");
    }

    #[test]
    fn pairs_are_reproducible(seed in any::<u64>(), latency in 0_u64..3_000) {
        let run = || {
            let mut pair = pair(seed, ms(latency), (70_017, 70_016), &[]);
            for number in 0..10 {
                pair.run_for(s(30));
                pair.outbound.announce(&[tx(number)]);
                pair.inbound.announce(&[tx(number), block(number)]);
            }
            pair.transcript()
        };
        prop_assert_eq!(run(), run());
    }
}
