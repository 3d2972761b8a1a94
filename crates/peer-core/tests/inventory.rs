//! Announcements: when, in what order, and to whom not.
#![allow(missing_docs)]

mod support;

use std::collections::HashSet;
use std::time::Duration;

use peerage_peer_core::Config;
use peerage_testkit::Setup;
use peerage_wire::Direction;
use peerage_wire_bitcoin::message::{Headers, Tx};
use peerage_wire_bitcoin::types::InventoryItem;
use peerage_wire_bitcoin::{Kind, Message};
use support::{Solo, block, config, inv, ms, regtest, s, tx};

fn open(direction: Direction, seed: u8) -> Solo {
    open_with(direction, Config::default(), seed)
}

fn open_with(direction: Direction, config: Config, seed: u8) -> Solo {
    Solo::new(direction, regtest(), config, seed).opened(peerage_testkit::version(70_016))
}

fn items(numbers: std::ops::Range<u32>) -> Vec<InventoryItem> {
    numbers.map(tx).collect()
}

/// How long the announcement of one transaction waits.
fn wait_of_one(direction: Direction, seed: u8, config: Config) -> Duration {
    let mut solo = open_with(direction, config, seed);
    solo.announce(&[tx(1)]);
    assert!(solo.take_sent().is_empty(), "it waits for the trickle");
    assert_eq!(solo.core.announcements_waiting(), 1);
    let before = solo.mono();
    while solo.take_announced().is_empty() {
        let due = solo.core.poll_timeout().expect("the trickle runs");
        solo.wait(due - solo.mono());
    }
    assert_eq!(solo.core.announcements_waiting(), 0);
    solo.mono() - before
}

/// The waits are exponentially distributed: their mean, their deviation and their median tell.
#[test]
fn the_trickle_is_a_poisson_process() {
    for (direction, mean) in [(Direction::Outbound, 2.0), (Direction::Inbound, 5.0)] {
        let mut waits: Vec<f64> = (0..=255)
            .map(|seed| wait_of_one(direction, seed, Config::default()).as_secs_f64())
            .collect();
        waits.sort_unstable_by(f64::total_cmp);
        let count = 256.0;
        let found = waits.iter().sum::<f64>() / count;
        assert!((found / mean - 1.0).abs() < 0.2, "{direction}: mean {found}");
        let variance = waits.iter().map(|wait| (wait - found).powi(2)).sum::<f64>() / count;
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.3, "deviation {}", variance.sqrt());
        let median = waits[128];
        assert!((median / (mean * 2_f64.ln()) - 1.0).abs() < 0.25, "median {median}");
    }
}

#[test]
fn the_mean_can_be_set() {
    let slow = || config(|config| config.trickle_outbound = s(10));
    let total: Duration =
        (0..=255).map(|seed| wait_of_one(Direction::Outbound, seed, slow())).sum();
    let mean = total.as_secs_f64() / 256.0;
    assert!((8.0..12.0).contains(&mean), "{mean}");
}

/// Over a longer time as many announcements leave as the rate tells, whatever comes in meanwhile.
#[test]
fn a_busy_trickle_keeps_its_rate() {
    let mut batches = 0;
    for seed in 0..4 {
        let mut solo = open(Direction::Outbound, seed);
        for tick in 0..2_000 {
            solo.announce(&[tx(tick)]);
            solo.wait(ms(100)); // 200 s in all
        }
        let sent = solo.take_sent();
        batches += sent.iter().filter(|message| matches!(message, Message::Inv(_))).count();
    }
    assert!((340..460).contains(&batches), "{batches} in 800 s at one in 2 s");
}

#[test]
fn batches_are_of_a_thousand_at_most_shuffled_and_complete() {
    let mut solo = open(Direction::Outbound, 1);
    let all = items(0..2_500);
    solo.announce(&all);
    let mut batches = Vec::new();
    while batches.iter().map(Vec::len).sum::<usize>() < 2_500 {
        let due = solo.core.poll_timeout().unwrap();
        solo.wait(due - solo.mono());
        let sent = solo.take_announced();
        if !sent.is_empty() {
            batches.push(sent);
        }
    }
    let sizes: Vec<usize> = batches.iter().map(Vec::len).collect();
    assert_eq!(sizes, [1_000, 1_000, 500]);
    assert!(batches.iter().all(|batch| !batch.is_sorted()));
    let in_first: HashSet<_> = batches[0].iter().collect();
    let early = all[..1_250].iter().filter(|item| in_first.contains(item)).count();
    assert!((400..600).contains(&early), "the first batch is drawn from all: {early}");
    let mut found: Vec<_> = batches.concat();
    found.sort_unstable();
    let mut expected = all;
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn what_they_know_is_never_announced_back() {
    let genesis = bitcoin::constants::genesis_block(bitcoin::Network::Regtest);
    let bytes = bitcoin::consensus::serialize(&genesis.txdata[0]);
    let coinbase = Tx::from_bytes(bytes.into()).unwrap();
    let header = Headers::new(&[genesis.header]).unwrap();
    let mut solo = open(Direction::Outbound, 1);

    solo.hear(inv(&[tx(1), block(1)]));
    solo.hear(Message::Tx(coinbase.clone()));
    solo.hear(Message::Headers(header));
    solo.core.add_known(&[tx(2), block(2)]);
    let of_block = InventoryItem::block(genesis.block_hash());
    let of_tx = solo.core.remote().unwrap().announcement_of(&coinbase);
    assert_eq!(solo.core.known_items(), 2 + 1 + 1 + 2);
    solo.announce(&[tx(1), tx(2), block(1), block(2), of_tx, of_block]);
    assert_eq!(solo.core.announcements_waiting(), 0);
    solo.wait(s(60));
    assert!(solo.take_announced().is_empty());

    // It becomes known while it waits.
    solo.announce(&items(10..20));
    solo.hear(inv(&items(15..20)));
    solo.wait(s(50));
    let mut announced = solo.take_announced();
    announced.sort_unstable();
    assert_eq!(announced, items(10..15));
}

#[test]
fn nothing_is_announced_twice() {
    let mut solo = open(Direction::Outbound, 1);
    solo.announce(&[tx(1), tx(1), block(1), block(1), tx(2)]);
    solo.announce(&[tx(1)]);
    solo.wait(s(50));
    solo.announce(&[tx(1), tx(2), block(1)]);
    solo.wait(s(50));
    let mut announced = solo.take_announced();
    announced.sort_unstable();
    assert_eq!(announced, [tx(1), tx(2), block(1)]);
}

#[test]
fn a_txid_and_a_wtxid_are_different_items() {
    let mut solo = open(Direction::Outbound, 1);
    let InventoryItem { hash, .. } = tx(1);
    let wtx = InventoryItem { kind: peerage_wire_bitcoin::types::InventoryType::WTX, hash };
    solo.hear(inv(&[tx(1)]));
    solo.announce(&[wtx]);
    solo.wait(s(60));
    assert_eq!(solo.take_announced(), [wtx]);
}

#[test]
fn blocks_go_at_once() {
    let mut solo = open(Direction::Inbound, 1);
    solo.announce(&[tx(1), block(1), tx(2), block(2)]);
    assert_eq!(solo.take_announced(), [block(1), block(2)]);
    assert_eq!(solo.core.announcements_waiting(), 2);

    let many: Vec<_> = (0..2_500).map(|number| block(1_000 + number)).collect();
    solo.announce(&many);
    let sent = solo.take_sent();
    let sizes: Vec<usize> = sent
        .iter()
        .map(|message| match message {
            Message::Inv(items) => items.len(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(sizes, [1_000, 1_000, 500]);
}

#[test]
fn without_an_interval_everything_goes_at_once() {
    for direction in [Direction::Outbound, Direction::Inbound] {
        let at_once = config(|config| match direction {
            Direction::Outbound => config.trickle_outbound = Duration::ZERO,
            Direction::Inbound => config.trickle_inbound = Duration::ZERO,
        });
        let mut solo = open_with(direction, at_once, 1);
        solo.announce(&[tx(1)]);
        assert_eq!(solo.take_announced(), [tx(1)]);
        solo.announce(&items(0..2_500));
        let sent = solo.take_sent();
        assert_eq!(sent.len(), 3, "still a thousand at a time");
        assert_eq!(solo.core.announcements_waiting(), 0);
        solo.announce(&items(0..2_500));
        assert!(solo.take_sent().is_empty(), "all of it is known");
    }
}

#[test]
fn nothing_is_announced_before_the_opening_is_done() {
    let mut solo = Solo::new(Direction::Outbound, regtest(), Config::default(), 1);
    solo.take_sent();
    solo.announce(&[tx(1), block(1)]);
    solo.wait(s(20));
    assert!(solo.take_sent().is_empty());
    assert_eq!(solo.core.announcements_waiting(), 0);
}

#[test]
fn the_trickle_goes_on_while_we_do_not_read() {
    let mut solo = open(Direction::Outbound, 1);
    let paused = Some(peerage_peer_core::Paused::ByHandler);
    solo.core.set_paused(solo.clock.now(), paused);
    solo.announce(&[tx(1)]);
    solo.wait(s(60));
    assert_eq!(solo.take_announced(), [tx(1)]);
}

#[test]
fn relayed_items_cross_a_link_once_and_one_way() {
    let mut pair = Setup { seed: 5, ..Setup::default() }.start();
    pair.open();
    // Both learn of the same transactions elsewhere, a minute apart.
    let all = items(0..300);
    assert_eq!(pair.outbound.announce(&all), 300);
    pair.run_for(s(60));
    assert_eq!(pair.inbound.announce(&all), 300);
    pair.run_for(s(60));
    let invs = |messages: Vec<Message>| {
        let all = messages.into_iter().filter_map(|message| match message {
            Message::Inv(items) => Some(items.len()),
            _ => None,
        });
        all.collect::<Vec<usize>>()
    };
    assert_eq!(invs(pair.inbound.take_messages()), [300]);
    assert_eq!(invs(pair.outbound.take_messages()), []);
    assert!(!pair.inbound.sent().iter().any(|(_, kind)| *kind == Kind::Inv));
}
