//! Announcements, large messages, requests and silence.

use std::time::Duration;

use peerage::kaspa_legacy::message::{
    Addr, Block, GetLocator, Header, Inventory, SelectedTip, Transaction, Tx, TxRef,
};
use peerage::kaspa_legacy::types::{Hash, InventoryItem, Subnetworks};
use peerage::kaspa_legacy::{DisconnectReason, Event, Fault, Kind, Message, Prepared, Violation};
use tokio::time::Instant;

use crate::remote::{Remote, node};

fn item(n: u32) -> InventoryItem {
    InventoryItem::tx(Hash::of(&n.to_le_bytes()))
}

async fn announced(remote: &mut Remote) -> Inventory {
    let Message::Inv(inv) = remote.expect(Kind::Inv).await else { unreachable!() };
    inv
}

#[tokio::test(start_paused = true)]
async fn transactions_trickle_in_batches_and_blocks_do_not_wait() {
    let (peer, events, mut remote) = Remote::dialling(&node()).await;
    drop(events);
    let items: Vec<_> = (0..2_500).map(item).collect();
    // What they announce themselves, in a message of its own, is not announced to them.
    remote.say(&Message::Inv(Inventory::new(&items[..500]).unwrap())).await;
    remote.expect_alive(1).await;

    let block = InventoryItem::block(Hash::of(b"block"));
    let began = Instant::now();
    assert_eq!(peer.announce(&items), 2_500);
    peer.announce(&[block]);
    assert!(announced(&mut remote).await.iter().eq([block]), "a block goes first");
    assert!(began.elapsed() < Duration::from_millis(1));
    for _ in 0..2 {
        let batch = announced(&mut remote).await;
        assert_eq!(batch.len(), 1_000);
        assert!(batch.iter().all(|item| !items[..500].contains(&item)));
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());

    // Nothing is announced twice, a block neither.
    peer.announce(&items);
    peer.announce(&[block]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    remote.expect_alive(2).await;
    let stats = peer.stats();
    assert_eq!((stats.known_items, stats.announcements_waiting), (2_501, 0));
}

#[tokio::test(start_paused = true)]
async fn what_they_send_is_not_announced_to_them() {
    let (peer, events, mut remote) = Remote::dialling(&node()).await;
    drop(events);
    let tx = Tx::try_from(&Transaction { lock_time: 9, ..Transaction::default() }).unwrap();
    let block = Block::new(&Header::default(), [tx.view()]).unwrap();
    remote.say(&Message::Tx(tx.clone())).await;
    remote.say(&Message::Block(block.clone())).await;
    remote.expect_alive(1).await;
    peer.announce(&[InventoryItem::tx(tx.id()), InventoryItem::block(block.hash())]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    remote.expect_alive(2).await;
}

#[tokio::test(start_paused = true)]
async fn the_largest_lists_and_blocks_above_4_mb_pass() {
    let (peer, mut events, mut remote) = Remote::dialling(&node()).await;
    let items: Vec<_> = (0..131_072).map(item).collect();
    let sync: Vec<_> = items.iter().map(|item| InventoryItem::sync_block(item.hash)).collect();
    let inv = Message::Inv(Inventory::new(&sync).unwrap());
    let txs = vec![Tx::try_from(&Transaction::default()).unwrap(); 200_000];
    let block =
        Block::new(&Header::default(), txs.iter().map(Tx::view).collect::<Vec<TxRef<'_>>>());
    let block = Message::Block(block.unwrap());
    for message in [inv, block] {
        let (_, heard) = tokio::join!(remote.say(&message), events.message());
        assert_eq!(heard.unwrap(), message);
        let frame = Prepared::new(&message).unwrap();
        let (sent, echoed) = tokio::join!(peer.send_prepared(&frame), remote.hear());
        sent.unwrap();
        assert_eq!(echoed, Some(message));
    }
    assert_eq!(peer.stats().known_items, 1, "a block, and no item of a synchronisation");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_kaspad_would_answer_must_be() {
    let (peer, events, mut remote) = Remote::dialling(&node()).await;
    drop(events);
    let began = Instant::now();
    peer.send(&Message::GetSelTip).await.unwrap();
    let items = Inventory::new(&[item(1), item(2)]).unwrap();
    peer.send(&Message::GetData(items)).await.unwrap();
    remote.expect(Kind::GetSelTip).await;
    remote.expect(Kind::GetData).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let tip = SelectedTip { hash: Hash::of(b"tip") };
    remote.say(&Message::SelectedTip(tip)).await;
    remote.say(&Message::NotFound(Inventory::new(&[item(1)]).unwrap())).await;
    let reason = peer.closed().await;
    assert_eq!(reason, DisconnectReason::Stalled(Kind::GetData.into()));
    assert_eq!(reason.fault(), Fault::Slowness);
    assert_eq!(began.elapsed().as_secs(), 50, "each answer gives the others their time again");
}

#[tokio::test(start_paused = true)]
async fn a_locator_may_fail_to_come() {
    let (peer, mut events, mut remote) = Remote::dialling(&node()).await;
    let request = GetLocator { high: Hash::ZERO, low: Hash::ZERO };
    peer.send(&Message::GetLocator(request)).await.unwrap();
    remote.expect(Kind::GetLocator).await;
    let event = events.next().await;
    assert!(matches!(event, Some(Event::Unanswered(Kind::GetLocator))), "{event:?}");
    drop(events);
    remote.expect_alive(1).await;
}

#[tokio::test(start_paused = true)]
async fn pings_go_out_every_two_minutes_and_silence_ends_it() {
    let (peer, events, mut remote) = Remote::dialling(&node()).await;
    drop(events);
    let began = Instant::now();
    let Message::Ping(ping) = remote.expect(Kind::Ping).await else { unreachable!() };
    assert_eq!(began.elapsed().as_secs(), 120);
    let pong = peerage::kaspa_legacy::message::Pong { nonce: ping.nonce };
    remote.say(&Message::Pong(pong)).await;
    remote.expect_alive(3).await;
    assert!(peer.stats().ping.last.is_some());
    assert_eq!(peer.closed().await, DisconnectReason::Idle);
    assert_eq!(began.elapsed().as_secs(), 120 + 300);
}

#[tokio::test(start_paused = true)]
async fn violations_end_the_connection_for_the_reason_that_they_are() {
    let (peer, _events, mut remote) = Remote::dialling(&node()).await;
    let addr = Addr::new(Subnetworks::All, &[]).unwrap();
    remote.say(&Message::Addr(addr)).await;
    remote.say_frame(Kind::GetAddr.into(), &[]).await;
    assert_eq!(remote.expect_reject().await, ("malformed".into(), 0x01));
    assert!(matches!(peer.closed().await, DisconnectReason::Malformed(_)));

    let (peer, _events, mut remote) = Remote::dialling(&node()).await;
    let version = crate::remote::version();
    remote.say(&Message::Version(Box::new(version))).await;
    let reason = peer.closed().await;
    assert!(matches!(reason, DisconnectReason::Violation(Violation::Duplicate { .. })));
    assert_eq!(reason.fault(), Fault::Remote);
}
