//! Properties of honest peers in all kinds of weather, over many seeds.
//!
//! `cargo test` runs 200 seeds of each. Continuous integration runs 10,000, in under two minutes:
//! `PEERAGE_SEEDS=10000 cargo test --release -p peerage-peer-core --test simulation`. A failure names
//! its seed; `PEERAGE_SEED=n` runs that one alone.
#![allow(missing_docs, clippy::unwrap_used)] // helpers of tests may fail loudly

#[path = "simulation/peers.rs"]
mod peers;
#[path = "simulation/talk.rs"]
mod talk;

use std::collections::HashSet;
use std::time::Duration;

use peerage_peer_core::{DisconnectReason, Local};
use peerage_testkit::{Order, Quiet, Weather, World, world};
use peerage_transport::V2;
use peerage_wire::{FramedKind as _, Kind as _, Patience};
use peerage_wire_bitcoin::Kind;
use peers::{Gossip, Honest, request, some_side, tx};
use talk::{Talk, dice, fair, foul};

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Runs `check` for each seed, on two cores.
fn for_all_seeds(check: impl Fn(u64) + Sync) {
    for_seeds(1, check);
}

/// Runs `check` for one of so many seeds.
fn for_seeds(share: u64, check: impl Fn(u64) + Sync) {
    let number = |name| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    if let Some(seed) = number("PEERAGE_SEED") {
        return check(seed);
    }
    let (seeds, cores) = (number("PEERAGE_SEEDS").unwrap_or(200), 2);
    std::thread::scope(|scope| {
        for core in 0..cores {
            let check = &check;
            scope.spawn(move || {
                for seed in (0..seeds / share).filter(|seed| seed % cores == core) {
                    let run = std::panic::AssertUnwindSafe(|| check(seed));
                    assert!(std::panic::catch_unwind(run).is_ok(), "PEERAGE_SEED={seed}");
                }
            });
        }
    });
}

/// Whether a reason says that the remote broke a rule or made us wait.
fn blames(reason: &DisconnectReason) -> bool {
    use peerage_peer_core::Fault::{Remote, Slowness};
    matches!(reason.fault(), Remote | Slowness)
}

#[test]
fn in_fair_weather_nothing_ends() {
    for_all_seeds(|seed| {
        let mut talk = Talk::new(seed, fair);
        talk.run(s(30));
        for id in talk.link.ends() {
            assert!(talk.world.end(id).opened_at().is_some(), "{:?}", talk.world.end(id));
        }
        let largest = if seed % 50 == 0 { 250_000 } else { 20_000 };
        for _ in 0..30 {
            talk.something(largest);
            let pause = talk.rng.next_u64() % 40_000;
            talk.run(ms(pause));
        }
        talk.run(s(400));
        for id in talk.link.ends() {
            let end = talk.world.end(id);
            assert_eq!(end.core().closed(), None, "{:?}", talk.world.now());
            assert_eq!(end.acknowledged(), end.sent().len());
            assert!(end.is_idle());
            let ping = end.core().ping_stats(talk.world.now());
            assert_eq!(ping.last.is_some(), end.core().remote().unwrap().agreed > 60_000);
            let other = talk.world.end(id.other());
            assert!(end.announced().iter().all(|item| other.learned().contains(item)));
        }
        talk.check();
    });
}

#[test]
fn in_foul_weather_every_opening_is_done_or_ends_in_time() {
    for_all_seeds(|seed| {
        let mut talk = Talk::new(seed, foul);
        let link = talk.link;
        for _ in 0..6 {
            let pause = talk.rng.next_u64() % 6_000;
            talk.run(ms(pause));
            match talk.rng.below(6) {
                0 => talk.world.freeze(link, true),
                1 => talk.world.freeze(link, false),
                2 => talk.world.jump(3_600),
                3 => talk.something(1_000),
                _ => {}
            }
        }
        talk.world.freeze(link, false);
        talk.world.run_until(s(30), &mut talk.app);
        for id in link.ends() {
            let end = talk.world.end(id);
            let done = end.opened_at().is_some_and(|at| at <= s(30));
            let over = end.ended().is_some_and(|(at, _)| at <= s(30));
            assert!(done || over, "{end:?}");
        }
        talk.check();
    });
}

#[test]
fn in_foul_weather_nothing_is_lost_unnoticed_and_nobody_breaks_a_rule() {
    for_all_seeds(|seed| {
        let mut talk = Talk::new(seed, foul);
        let link = talk.link;
        for _ in 0..25 {
            talk.something(2_000);
            let pause = talk.rng.next_u64() % 20_000;
            talk.run(ms(pause));
            match talk.rng.below(12) {
                0 => talk.world.freeze(link, true),
                1..=3 => talk.world.freeze(link, false),
                4 => talk.world.jump(-86_400),
                5 if seed % 4 == 0 => talk.world.reset(link),
                6 => {
                    let changed = foul(&mut talk.rng);
                    talk.world.set_weather(link, changed);
                }
                _ => {}
            }
        }
        talk.world.freeze(link, false);
        talk.run(s(2_000));
        for id in link.ends() {
            let reason = talk.reason(id);
            let fault = reason.map(DisconnectReason::fault);
            assert_ne!(fault, Some(peerage_peer_core::Fault::Remote), "{reason:?}");
        }
        talk.check();
    });
}

#[test]
fn who_pauses_blames_nobody_for_it() {
    for_all_seeds(|seed| {
        let mut talk = Talk::new(seed, fair);
        talk.run(s(30));
        let lazy = talk.end();
        for _ in 0..8 {
            for _ in 0..talk.rng.below(5) {
                talk.something(5_000);
            }
            let (pause, rest) = (talk.rng.next_u64() % 590, talk.rng.next_u64() % 60);
            talk.world.order(lazy, Order::Read(false));
            talk.run(s(pause / 2));
            for _ in 0..talk.rng.below(5) {
                talk.something(5_000);
            }
            talk.run(s(pause / 2));
            talk.world.order(lazy, Order::Read(true));
            talk.run(s(rest));
        }
        talk.run(s(100));
        let reason = talk.reason(lazy);
        assert!(!reason.is_some_and(blames), "{reason:?} at {:?}", talk.world.end(lazy).ended());
        let fault = talk.reason(lazy.other()).map(DisconnectReason::fault);
        assert_ne!(fault, Some(peerage_peer_core::Fault::Remote));
        talk.check();
    });
}

#[test]
fn who_pauses_too_long_ends_for_a_reason_of_its_own() {
    for_all_seeds(|seed| {
        let mut talk = Talk::new(seed, fair);
        talk.run(s(30));
        let lazy = talk.end();
        talk.world.order(lazy, Order::Read(false));
        for _ in 0..talk.rng.below(10) {
            talk.something(100_000);
        }
        talk.run(s(601));
        let reason = talk.reason(lazy).expect("its patience is ten minutes");
        assert!(!blames(reason), "{reason:?}");
        assert!(talk.reason(lazy.other()).is_some());
        talk.check();
    });
}

#[test]
fn requests_that_are_ignored_are_noticed() {
    for_all_seeds(|seed| {
        let mut talk = Talk::new(seed, fair);
        talk.app.ignore_every = 1 + seed % 3;
        talk.run(s(30));
        for _ in 0..10 {
            let (end, order) = (talk.end(), Order::Send(request(&mut talk.rng, 7)));
            talk.world.order(end, order);
            let pause = talk.rng.next_u64() % 50;
            talk.run(s(pause));
        }
        talk.run(s(200));
        talk.check();
        for id in talk.link.ends() {
            match talk.reason(id) {
                None | Some(DisconnectReason::RemoteClosed) => {}
                Some(DisconnectReason::Stalled(command)) => {
                    let expect = Kind::from_command(command.command()).policy().expect.as_ref();
                    assert_eq!(expect.unwrap().patience, Patience::Strict);
                }
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn flipped_bits_never_pass_for_something_else_under_v2() {
    for_all_seeds(|seed| {
        let mut rng = dice(seed);
        let mut world = World::new(seed);
        let side = || (world::honest().0, world::honest().1, V2::Required);
        let link = world.join(side(), side(), fair(&mut rng));
        let mut talk = Talk { world, link, app: Honest::default(), rng, next: 0 };
        let wait = talk.rng.next_u64() % 3_000;
        let early = seed % 2 == 0;
        talk.run(if early { ms(wait) } else { s(30) });
        let victim = talk.end();
        talk.world.corrupt(victim);
        for _ in 0..20 {
            talk.something(2_000);
            let pause = talk.rng.next_u64() % 20_000;
            talk.run(ms(pause));
        }
        talk.run(s(1_000));
        // What has arrived is what was sent, up to the flipped bit; a bit of garbage may not matter.
        talk.check();
        if !early {
            assert!(talk.reason(victim).is_some(), "{:?}", talk.world.end(victim));
        }
    });
}

#[test]
fn flipped_bits_never_keep_a_connection_for_ever() {
    for_all_seeds(|seed| {
        let mut talk = Talk::new(seed, fair);
        for _ in 0..6 {
            let wait = talk.rng.next_u64() % 5_000;
            talk.run(ms(wait));
            let victim = talk.end();
            talk.world.corrupt(victim);
            talk.something(1_000);
        }
        talk.run(s(1_200));
        for id in talk.link.ends() {
            let end = talk.world.end(id);
            let heard_lately = end.heard().last().is_some_and(|(at, _)| *at > s(700));
            assert!(end.core().closed().is_some() || heard_lately, "{end:?}");
            assert!(end.reasons().len() <= 1);
        }
    });
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let digest = |seed: u64| {
        let mut talk = Talk::new(seed, if seed.is_multiple_of(2) { fair } else { foul });
        for _ in 0..15 {
            talk.something(3_000);
            let pause = talk.rng.next_u64() % 10_000;
            talk.run(ms(pause));
        }
        talk.world.digest()
    };
    let mut seen = HashSet::new();
    for seed in 0..50 {
        assert_eq!(digest(seed), digest(seed), "PEERAGE_SEED={seed}");
        seen.insert(digest(seed));
    }
    assert!(seen.len() >= 25, "other seeds give other bytes, in fair weather at least");
}

#[test]
fn news_reach_everybody_through_partitions() {
    // Each of these worlds has up to sixteen links.
    for_seeds(10, |seed| {
        let mut rng = dice(seed);
        let mut world = World::new(seed);
        let mut gossip = Gossip::new(3 + rng.below(6));
        let nodes = gossip.nodes();
        // A ring, so that nobody hangs on one link, and some more.
        let mut pairs: Vec<_> = (0..nodes).map(|node| (node, (node + 1) % nodes)).collect();
        pairs.extend((0..nodes).map(|node| (node, rng.below(nodes))).filter(|(a, b)| a != b));
        for (a, b) in pairs {
            let link = world.join(some_side(&mut rng), some_side(&mut rng), fair(&mut rng));
            gossip.place(link, a, b);
        }
        world.run_for(s(30), &mut gossip);
        for number in 0..10 {
            let cut = rng.below(nodes);
            let frozen = number % 3 == 1;
            for link in world.links().collect::<Vec<_>>() {
                let (a, b) = gossip.ends(link);
                world.freeze(link, frozen && (a < cut) != (b < cut));
            }
            let origin = rng.below(nodes);
            for (end, order) in gossip.invent(origin, tx(number)) {
                world.order(end, order);
            }
            world.run_for(ms(rng.next_u64() % 20_000), &mut gossip);
        }
        world.links().for_each(|link| world.freeze(link, false));
        world.run_for(s(300), &mut gossip);
        for end in world.ends() {
            assert_eq!(end.core().closed(), None);
            assert!(end.announced_in_vain().is_empty(), "{:?}", end.announced_in_vain());
        }
        for node in 0..nodes {
            assert_eq!(gossip.known(node), 10, "node {node} of {nodes}");
        }
    });
}

#[test]
fn steps_of_the_wall_clock_change_nothing() {
    let run = |steps: bool| {
        let mut world = World::new(3);
        let link = world.join(world::honest(), world::honest(), Weather::default());
        world.run_for(s(5), &mut Quiet);
        for n in 0..20 {
            if steps {
                world.jump(if n % 2 == 0 { 10_000_000_000 } else { -20_000_000_000 });
            }
            world.run_for(s(60), &mut Quiet);
        }
        world.order(link.dialler(), Order::Close(Local::Requested.into()));
        world.run_for(s(1), &mut Quiet);
        let end = world.end(link.dialled());
        (world.digest(), end.ended().map(|(at, reason)| (at, reason.clone())), end.received().len())
    };
    let (digest, ended, pings) = run(false);
    assert_eq!(run(true), (digest, ended.clone(), pings), "only `version` tells the wall clock");
    assert_eq!(ended.unwrap().1, DisconnectReason::RemoteClosed);
    assert!(pings >= 10);
}

#[test]
fn two_peers_without_anything_to_say_live_on() {
    for_all_seeds(|seed| {
        let mut talk = Talk::new(seed, fair);
        talk.world.run_for(s(3_600), &mut Quiet);
        for id in talk.link.ends() {
            assert_eq!(talk.reason(id), None);
        }
    });
}
