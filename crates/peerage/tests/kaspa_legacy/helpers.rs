//! The push helpers and their filters.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use peerage::kaspa_legacy::message::{Addr, Inventory, Locator, Reject, RejectCode};
use peerage::kaspa_legacy::types::{
    Hash, InventoryItem, PeerAddress, Services, Subnetworks, TimedAddress,
};
use peerage::kaspa_legacy::{Command, Events, Kind, Message};

use crate::remote::{Remote, node, tip};

fn address(n: u32) -> TimedAddress {
    let ip = IpAddr::V4(Ipv4Addr::from(0x0808_0000 + n));
    let peer = PeerAddress { services: Services::NETWORK, ip, port: 16_111 };
    TimedAddress { timestamp: i64::from(n), peer }
}

/// Reads everything, so that what the remote says is noted.
fn listen(mut events: Events) {
    tokio::spawn(async move { while events.next().await.is_some() {} });
}

async fn heard_addresses(remote: &mut Remote) -> Vec<TimedAddress> {
    let Message::Addr(addr) = remote.expect(Kind::Addr).await else { unreachable!() };
    assert_eq!(addr.subnetworks(), Subnetworks::FullNodes);
    addr.decode()
}

#[tokio::test(start_paused = true)]
async fn addresses_are_shuffled_cut_and_sent_once() {
    let (peer, events, mut remote) = Remote::dialling(&node()).await;
    listen(events);
    let all: Vec<_> = (0..2_500).map(address).collect();
    let known = Addr::new(Subnetworks::FullNodes, &all[..200]).unwrap();
    remote.say(&Message::Addr(known)).await;
    remote.expect_alive(1).await;

    let mut seen = HashSet::new();
    for expected in [1_000, 1_000, 300, 0] {
        let pushed = peer.push_addr(Subnetworks::FullNodes, &all).await.unwrap();
        assert_eq!(pushed.sent.len(), expected);
        let Some(receipt) = pushed.receipt else {
            assert_eq!(expected, 0);
            break;
        };
        let (heard, written) = tokio::join!(heard_addresses(&mut remote), receipt);
        written.unwrap();
        assert_eq!(heard, pushed.sent);
        assert!(!heard.is_sorted_by_key(|entry| entry.timestamp), "shuffled");
        seen.extend(heard.iter().map(|entry| entry.timestamp));
    }
    assert_eq!(seen.len(), 2_300);
    assert!(seen.iter().all(|timestamp| *timestamp >= 200), "what they sent us is not sent back");
}

#[tokio::test(start_paused = true)]
async fn the_same_question_is_asked_once_until_it_is_answered() {
    let (peer, events, mut remote) = Remote::dialling(&node()).await;
    listen(events);
    let (low, high) = (Hash::of(b"low"), Hash::of(b"high"));
    assert!(peer.push_getblockinvs(low, high).await.unwrap().is_some());
    assert!(peer.push_getblockinvs(low, high).await.unwrap().is_none(), "a repetition");
    assert!(peer.push_getlocator(high, low).await.unwrap().is_some(), "another filter");
    assert!(peer.push_getlocator(high, low).await.unwrap().is_none());
    remote.expect(Kind::GetBlockInvs).await;
    remote.expect(Kind::GetLocator).await;

    // A block that is announced is no answer; sync blocks are.
    let announced = Inventory::new(&[InventoryItem::block(high)]).unwrap();
    remote.say(&Message::Inv(announced)).await;
    remote.expect_alive(1).await;
    assert!(peer.push_getblockinvs(low, high).await.unwrap().is_none());
    let answer = Inventory::new(&[InventoryItem::sync_block(low)]).unwrap();
    remote.say(&Message::Inv(answer)).await;
    remote.say(&Message::Locator(Locator::new(&[high, low]).unwrap())).await;
    remote.expect_alive(2).await;
    assert!(peer.push_getblockinvs(low, high).await.unwrap().is_some());
    assert!(peer.push_getlocator(high, low).await.unwrap().is_some());
    remote.expect(Kind::GetBlockInvs).await;
    remote.expect(Kind::GetLocator).await;

    // A rejection is an answer as well, and a deadline ends the waiting for one.
    let reject = Reject::new(Kind::GetBlockInvs.into(), RejectCode::INVALID, "no");
    remote.say(&Message::Reject(Box::new(reject))).await;
    remote.expect_alive(3).await;
    assert!(peer.push_getblockinvs(low, high).await.unwrap().is_some());
    assert!(peer.push_getlocator(high, low).await.unwrap().is_none());
    remote.expect(Kind::GetBlockInvs).await;
    let answer = Inventory::new(&[InventoryItem::sync_block(low)]).unwrap();
    remote.say(&Message::Inv(answer)).await;
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert!(peer.push_getlocator(high, low).await.unwrap().is_some());
    assert!(peer.push_getblockinvs(high, low).await.unwrap().is_some(), "another pair");
}

#[tokio::test(start_paused = true)]
async fn locators_and_rejects_are_filled_in() {
    let (peer, _events, mut remote) = Remote::dialling(&node()).await;
    let blocks: Vec<Hash> = (0..600_u32).map(|n| Hash::of(&n.to_le_bytes())).collect();
    let receipt = peer.push_locator(&blocks).await.unwrap();
    let Message::Locator(locator) = remote.expect(Kind::Locator).await else { unreachable!() };
    receipt.await.unwrap();
    assert!(locator.iter().eq(blocks[..500].iter().copied()));

    for (command, hash, expected) in [
        ("tx", Some(tip()), Some(tip())),
        ("block", None, Some(Hash::ZERO)),
        ("ping", Some(tip()), None),
    ] {
        let command = Command::new(command);
        let pushed = peer.push_reject(command, RejectCode::FINALITY, "why", hash).await.unwrap();
        let Message::Reject(reject) = remote.expect(Kind::Reject).await else { unreachable!() };
        pushed.await.unwrap();
        assert_eq!((reject.command(), reject.hash()), (command, expected));
        assert_eq!(
            (reject.code(), reject.reason().as_bytes()),
            (RejectCode::FINALITY, &b"why"[..])
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_selected_tip_is_what_was_told_last() {
    let (peer, events, mut remote) = Remote::dialling(&node()).await;
    listen(events);
    assert_eq!(peer.stats().selected_tip, tip());
    peer.set_selected_tip(Hash::of(b"ours"));
    assert_eq!(peer.stats().selected_tip, Hash::of(b"ours"));
    let hash = Hash::of(b"theirs");
    let message = peerage::kaspa_legacy::message::SelectedTip { hash };
    remote.say(&Message::SelectedTip(message)).await;
    remote.expect_alive(1).await;
    assert_eq!(peer.stats().selected_tip, hash);
    assert_eq!(peer.remote().selected_tip, tip(), "what version said does not change");
}
