//! The ten probes that kaspad v0.5.0 was put to, and what a sound node does about them.

use peerage::kaspa_legacy::message::{
    Addr, Block, FilterAdd, FilterFlags, FilterLoad, GetAddr, GetBlockInvs, GetLocator, Header,
    Inventory, RejectCode, SelectedTip, Version,
};
use peerage::kaspa_legacy::types::{Hash, InventoryItem, InventoryType, Subnetworks};
use peerage::kaspa_legacy::{
    Command, Config, DisconnectReason, Kind, Listener, Malformed, Message, OpenError, Peer,
    Violation, accept,
};

use crate::remote::{Remote, node, version};

/// A node with one block and no addresses.
struct Node;

fn genesis() -> Block {
    Block::new(&Header::default(), []).unwrap()
}

impl Listener for Node {
    fn on_getaddr(&mut self, peer: &Peer, message: GetAddr) {
        let none = Addr::new(message.subnetworks, &[]).unwrap();
        peer.try_send(&Message::Addr(none)).unwrap();
    }

    fn on_getseltip(&mut self, peer: &Peer) {
        peer.try_send(&Message::SelectedTip(SelectedTip { hash: genesis().hash() })).unwrap();
    }

    fn on_getlocator(&mut self, peer: &Peer, _message: GetLocator) {
        reject(peer, Kind::GetLocator);
    }

    fn on_getblockinvs(&mut self, peer: &Peer, _message: GetBlockInvs) {
        reject(peer, Kind::GetBlockInvs);
    }

    fn on_getdata(&mut self, peer: &Peer, message: Inventory) {
        for item in message.iter() {
            let answer = match item.hash == genesis().hash() {
                true => Message::Block(genesis()),
                false => Message::NotFound(Inventory::new(&[item]).unwrap()),
            };
            peer.try_send(&answer).unwrap();
        }
    }
}

fn reject(peer: &Peer, kind: Kind) {
    use peerage::kaspa_legacy::message::Reject;
    let reject = Reject::new(kind.into(), RejectCode::INVALID, "there is one block");
    peer.try_send(&Message::Reject(Box::new(reject))).unwrap();
}

/// Why the opening of whoever says `first` failed.
async fn refused(first: &[u8]) -> (DisconnectReason, Remote) {
    let (mut remote, ours) = Remote::pair();
    remote.say_bytes(first).await;
    match accept(ours, &node()).await {
        Err(OpenError::Ended { reason, .. }) => (reason, remote),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn normal() {
    let (_peer, mut remote) = Remote::heard_by(&node(), Node).await;
    remote.say(&Message::Verack).await;
    remote.expect_alive(77).await;
    remote.say(&Message::GetAddr(GetAddr { subnetworks: Subnetworks::FullNodes })).await;
    let Message::Addr(addr) = remote.expect(Kind::Addr).await else { unreachable!() };
    assert!(addr.is_empty() && addr.subnetworks() == Subnetworks::FullNodes);

    remote.say(&Message::GetSelTip).await;
    remote.expect(Kind::SelectedTip).await;
    let hash = genesis().hash();
    remote.say(&Message::GetLocator(GetLocator { high: hash, low: hash })).await;
    assert_eq!(remote.expect_reject().await, ("getlocator".into(), 0x10));
    remote.say(&Message::GetBlockInvs(GetBlockInvs { low: hash, high: hash })).await;
    assert_eq!(remote.expect_reject().await, ("getblockinvs".into(), 0x10));

    let unknown = InventoryItem { kind: InventoryType::TX, hash: Hash::of(b"unknown") };
    let items = [InventoryItem::block(hash), unknown];
    remote.say(&Message::GetData(Inventory::new(&items).unwrap())).await;
    assert_eq!(remote.expect(Kind::Block).await, Message::Block(genesis()));
    let Message::NotFound(missing) = remote.expect(Kind::NotFound).await else { unreachable!() };
    assert!(missing.iter().eq([unknown]));
    remote.expect_alive(78).await;
}

/// kaspad v0.5.0 rejects it and goes on, earlier ones disconnect: so do we, with the same words.
#[tokio::test(start_paused = true)]
async fn double_version() {
    let (peer, _events, mut remote) = Remote::dialling(&node()).await;
    remote.say(&Message::Version(Box::new(version()))).await;
    assert_eq!(remote.expect_reject().await, ("version".into(), 0x12));
    remote.expect_end().await;
    let duplicate = Violation::Duplicate { command: Kind::Version.into() };
    assert_eq!(peer.closed().await, DisconnectReason::Violation(duplicate));
}

/// kaspad v0.5.0 rejects it and goes on. It says nothing, so neither do we.
#[tokio::test(start_paused = true)]
async fn double_verack() {
    let (peer, events, mut remote) = Remote::dialling(&node()).await;
    drop(events);
    remote.say(&Message::Verack).await;
    remote.say(&Message::Verack).await;
    remote.expect_alive(79).await;
    assert_eq!(peer.stats().received.get(Kind::Verack).messages, 2);
}

#[tokio::test(start_paused = true)]
async fn no_verack() {
    let (peer, events, mut remote) = Remote::dialling(&node()).await;
    drop(events);
    remote.expect_alive(80).await;
    assert!(!peer.stats().verack_received);
}

#[tokio::test(start_paused = true)]
async fn bad_magic() {
    let first = b"\xe1\x87\x2d\x73version\0\0\0\0\0\x93\0\0\0\xb6\x82\x74\x4a";
    let (reason, mut remote) = refused(first).await;
    assert!(matches!(reason, DisconnectReason::Malformed(Malformed::WrongMagic { .. })));
    remote.expect_end().await;
}

#[tokio::test(start_paused = true)]
async fn version_0() {
    let (mut remote, ours) = Remote::pair();
    remote.say(&Message::Version(Box::new(Version { version: 0, ..version() }))).await;
    assert!(accept(ours, &node()).await.is_err());
    remote.expect_end().await;
}

#[tokio::test(start_paused = true)]
async fn version_99() {
    let (mut remote, ours) = Remote::pair();
    remote.say(&Message::Version(Box::new(Version { version: 99, ..version() }))).await;
    let (peer, events) = accept(ours, &node()).await.unwrap();
    drop(events);
    remote.expect(Kind::Version).await;
    remote.expect(Kind::Verack).await;
    remote.expect_alive(5).await;
    assert_eq!((peer.remote().version, peer.remote().agreed), (99, 1));
}

#[tokio::test(start_paused = true)]
async fn unknown_command() {
    let (peer, _events, mut remote) = Remote::dialling(&node()).await;
    remote.say_frame(Command::new("getheaders"), &[]).await;
    assert_eq!(remote.expect_reject().await, ("malformed".into(), 0x01));
    remote.expect_end().await;
    let DisconnectReason::Violation(Violation::Unexpected { command, .. }) = peer.closed().await
    else {
        panic!("{:?}", peer.close_reason());
    };
    assert_eq!(command.to_string(), "getheaders");
}

fn filter() -> Message {
    Message::FilterLoad(FilterLoad::new(vec![0xff; 2], 1, 0, FilterFlags::NONE).unwrap())
}

/// kaspad rejects an addition to a filter that is there; nobody else would.
#[tokio::test(start_paused = true)]
async fn bloom() {
    let add = Message::FilterAdd(FilterAdd::new(vec![1]).unwrap());
    let (_peer, mut events, mut remote) = Remote::dialling(&node()).await;
    for message in [filter(), add, Message::FilterClear] {
        remote.say(&message).await;
        assert_eq!(events.message().await.unwrap(), message);
    }
    drop(events);
    remote.expect_alive(6).await;

    let (peer, _events, mut remote) = Remote::dialling(&Config::simnet()).await;
    remote.say(&filter()).await;
    assert_eq!(remote.expect_reject().await, ("filterload".into(), 0x10));
    remote.expect_end().await;
    let forbidden = Violation::Forbidden { command: Kind::FilterLoad.into() };
    assert_eq!(peer.closed().await, DisconnectReason::Violation(forbidden));
}

/// kaspad took it for a version and crashed.
#[tokio::test(start_paused = true)]
async fn not_version_first() {
    let (mut remote, ours) = Remote::pair();
    remote.say(&Message::Ping(peerage::kaspa_legacy::message::Ping { nonce: 1 })).await;
    let result = accept(ours, &node()).await;
    let Err(OpenError::Ended { reason: DisconnectReason::Violation(violation), .. }) = result
    else {
        panic!("{result:?}");
    };
    assert_eq!(violation.to_string(), "ping came where version was due");
    assert_eq!(remote.expect_reject().await, ("ping".into(), 0x01));
    remote.expect_end().await;
}
