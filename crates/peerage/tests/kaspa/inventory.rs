//! Announcements: blocks at once and one by one, transactions in batches, nothing twice and nothing
//! back to whom it came from.

use std::time::Duration;

use peerage::kaspa::message::{InvRelayBlock, InvTransactions};
use peerage::kaspa::types::Hash;
use peerage::kaspa::{Config, Item, Kind, Payload};
use tokio::time::{Instant, sleep};

use crate::remote::{BOTH, Caller, Remote, listen};
use crate::requests::{block, hash, header, transaction};

async fn announced(remote: &mut Remote) -> Vec<Hash> {
    match remote.expect(Kind::InvTransactions).await.payload {
        Payload::InvTransactions(inv) => inv.ids,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn blocks_are_announced_at_once_one_in_a_message() {
    for caller in BOTH {
        let (peer, events, mut remote) = Remote::open(caller, &Config::simnet()).await;
        listen(events);
        let began = Instant::now();
        let blocks: Vec<_> = (0..50).map(|n| Item::Block(hash(n))).collect();
        assert_eq!(peer.announce(&blocks), 50);
        for n in 0..50 {
            let expected = Payload::InvRelayBlock(InvRelayBlock { hash: Some(hash(n)) });
            assert_eq!(remote.expect(Kind::InvRelayBlock).await.payload, expected);
        }
        peer.announce(&blocks);
        remote.expect_alive(1).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        sleep(Duration::from_secs(30)).await;
        remote.expect_alive(2).await;
    }
}

/// Kaspad collects for half a second; so do we on average, both ways.
#[tokio::test(start_paused = true)]
async fn transactions_are_announced_in_batches() {
    for caller in BOTH {
        let (peer, events, mut remote) = Remote::open(caller, &Config::simnet()).await;
        listen(events);
        let mut waited = Duration::ZERO;
        for round in 0..200 {
            let began = Instant::now();
            let ids: Vec<_> = (round * 10..round * 10 + 10).map(hash).collect();
            for id in &ids {
                assert_eq!(peer.announce(&[Item::Transaction(*id)]), 1);
            }
            // What waits is not delayed by a block, nor a block by what waits.
            peer.announce(&[Item::Block(hash(round))]);
            remote.expect(Kind::InvRelayBlock).await;
            assert_eq!(began.elapsed(), Duration::ZERO);
            let mut batch = announced(&mut remote).await;
            batch.sort();
            let mut expected = ids;
            expected.sort();
            assert_eq!(batch, expected);
            waited += began.elapsed();
        }
        let mean = waited / 200;
        let about_half = Duration::from_millis(400)..Duration::from_millis(600);
        assert!(about_half.contains(&mean), "{mean:?} on average");
    }
}

/// One message holds 131,072 ids, and as many may wait.
#[tokio::test(start_paused = true)]
async fn the_largest_batch() {
    const MOST: u32 = 131_072;
    let (peer, events, mut remote) = Remote::open(Caller::We, &Config::simnet()).await;
    listen(events);
    let items: Vec<_> = (0..MOST + 1_000).map(|n| Item::Transaction(hash(n))).collect();
    assert_eq!(peer.announce(&items), MOST as usize);
    assert_eq!(peer.stats().announcements_waiting, MOST as usize);
    let batch = announced(&mut remote).await;
    assert_eq!(batch.len(), MOST as usize);
    // The last ones had no room, and were not taken; now they have.
    assert_eq!(peer.announce(&items[MOST as usize..]), 1_000);
    assert_eq!(announced(&mut remote).await.len(), 1_000);
    assert_eq!(peer.stats().announcements_waiting, 0);
}

/// Nobody is told what he has told, sent, or is said to know.
#[tokio::test(start_paused = true)]
async fn nothing_goes_back_to_whom_it_came_from() {
    for caller in BOTH {
        let (peer, events, mut remote) = Remote::open(caller, &Config::simnet()).await;
        listen(events);
        let (theirs, ours) = (hash(1), hash(2));
        remote.say(Payload::InvTransactions(InvTransactions { ids: vec![theirs, hash(3)] }));
        remote.say(Payload::Transaction(transaction(9)));
        remote.say(Payload::InvRelayBlock(InvRelayBlock { hash: Some(hash(5)) }));
        remote.say(Payload::Block(block(6)));
        remote.expect_alive(1).await;
        peer.add_known(&[Item::Transaction(hash(7))]);
        let known = [theirs, hash(3), hash(7), transaction(9).id().unwrap()];
        let mut items = known.map(Item::Transaction).to_vec();
        items.push(Item::Block(hash(5)));
        items.push(Item::Block(header(6).hash().unwrap()));
        items.push(Item::Transaction(ours));
        peer.announce(&items);
        assert_eq!(announced(&mut remote).await, [ours]);
        peer.announce(&items);
        sleep(Duration::from_secs(30)).await;
        remote.expect_alive(2).await;
        let stats = peer.stats();
        assert_eq!((stats.known_items, stats.announcements_waiting), (7, 0));
    }
}

/// What was announced while it waited is not announced to who announces it first.
#[tokio::test(start_paused = true)]
async fn what_they_announce_while_it_waits_is_not_announced() {
    let (peer, events, mut remote) = Remote::open(Caller::Remote, &Config::simnet()).await;
    listen(events);
    peer.announce(&[Item::Transaction(hash(1))]);
    remote.say(Payload::InvTransactions(InvTransactions { ids: vec![hash(1)] }));
    sleep(Duration::from_secs(30)).await;
    remote.expect_alive(1).await;
    assert_eq!(peer.stats().announcements_waiting, 0);
}

/// Transactions that answer a request are no news to who has sent them.
#[tokio::test(start_paused = true)]
async fn answers_are_known_as_well() {
    let (peer, events, mut remote) = Remote::open(Caller::We, &Config::simnet()).await;
    listen(events);
    let id = transaction(1).id().unwrap();
    let request = peerage::kaspa::message::RequestTransactions { ids: vec![id] };
    let found = peer.request(request).await.unwrap();
    remote.expect(Kind::RequestTransactions).await;
    remote.say(Payload::Transaction(transaction(1)));
    assert_eq!(found.all(1).await.unwrap().len(), 1);
    peer.announce(&[Item::Transaction(id)]);
    sleep(Duration::from_secs(30)).await;
    remote.expect_alive(1).await;
}
