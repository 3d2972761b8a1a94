//! The two-party world of these tests: two peers of ours, or one and a scripted remote, joined by a
//! pipe in memory, so that time can stand still.
#![allow(dead_code)] // each test file uses a part of it

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bitcoin::BlockHash;
use bitcoin::blockdata::constants::genesis_block;
use bitcoin::consensus::serialize;
use bitcoin::hashes::Hash as _;
use bytes::Bytes;
use peerage::bitcoin::message::{
    Addr, AddrV2, Block, CFilter, CmpctBlock, FeeFilter, FilterAdd, FilterFlags, FilterLoad,
    GetCFCheckpt, GetCFHeaders, GetCFilters, Headers, Inventory, Locator, MerkleBlock, Ping, Pong,
    Reject, RejectCode, SendCmpct, Tx, Version,
};
use peerage::bitcoin::types::{InventoryItem, PeerAddress, TimedAddress};
use peerage::bitcoin::{
    Command, Config, Direction, DisconnectReason, Event, Events, Fault, Kind, Listener, Message,
    Peer, Retry, State, V2, accept, initiate, initiate_with,
};
use peerage_testkit::Script;
use peerage_wire::Message as _;
use tokio::io::{DuplexStream, duplex};

/// What a pipe holds, in bytes.
pub(crate) const PIPE: usize = 64 << 10;

/// Our side of a conversation with a scripted remote.
pub(crate) type Remote = Script<DuplexStream>;

/// Regtest with this transport policy.
pub(crate) fn config(v2: V2) -> Config {
    let mut config = Config::regtest();
    config.v2 = v2;
    config
}

/// A peer of ours with its events.
pub(crate) struct End {
    pub(crate) peer: Peer,
    pub(crate) events: Events,
}

/// Two peers of ours: who dialled, who was dialled.
pub(crate) async fn join(dialling: &Config, dialled: &Config) -> (End, End) {
    let (ours, theirs) = duplex(PIPE);
    let (ours, theirs) = tokio::join!(initiate(ours, dialling), accept(theirs, dialled));
    let end = |(peer, events)| End { peer, events };
    (end(ours.unwrap()), end(theirs.unwrap()))
}

/// A scripted remote of the transport that `config` requires; v1 unless v2 is.
pub(crate) fn script(io: DuplexStream, direction: Direction, config: &Config) -> Remote {
    match config.v2 {
        V2::Required => Script::v2(io, direction, &config.identity.network, 3),
        _ => Script::v1(io, direction, &config.identity.network),
    }
}

/// We have dialled a scripted remote that introduced itself so.
pub(crate) async fn scripted(config: &Config, remote: Version) -> (End, Remote) {
    scripted_with(config, remote, &[]).await
}

/// We have dialled a scripted remote that introduced itself so and announced these features.
pub(crate) async fn scripted_with(
    config: &Config,
    remote: Version,
    features: &[Message],
) -> (End, Remote) {
    let (ours, theirs) = duplex(PIPE);
    let mut script = script(theirs, Direction::Inbound, config);
    let (opened, _) = tokio::join!(initiate(ours, config), script.open(remote, features));
    let (peer, events) = opened.unwrap();
    (End { peer, events }, script)
}

/// As [`scripted`], with a listener.
pub(crate) async fn listening<L: Listener>(
    config: &Config,
    remote: Version,
    listener: L,
) -> (Peer, Remote) {
    let (ours, theirs) = duplex(PIPE);
    let mut script = script(theirs, Direction::Inbound, config);
    let (opened, _) = tokio::join!(initiate_with(ours, config, listener), script.open(remote, &[]));
    (opened.unwrap(), script)
}

impl End {
    /// The next message; room is passed over, other events are a failure.
    pub(crate) async fn message(&mut self) -> Message {
        loop {
            match self.events.next().await {
                Some(Event::Message(message)) => return message,
                Some(Event::Room) => {}
                other => panic!("{other:?} where a message was due"),
            }
        }
    }

    /// Why the connection ended, from its last event; nothing comes after it.
    pub(crate) async fn end(&mut self) -> DisconnectReason {
        loop {
            match self.events.next().await {
                Some(Event::Disconnected(reason)) => {
                    assert!(self.events.next().await.is_none(), "an event after the last");
                    assert_eq!(self.peer.closed().await, reason);
                    return reason;
                }
                Some(_) => {}
                None => panic!("the events ended without the last one"),
            }
        }
    }
}

/// Lets every task do what it can. Time is paused: it moves only when nobody is able to run.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Queues `message` until the outbox is full and stays so, because the remote takes no more.
/// Returns how many were accepted.
pub(crate) async fn stuff(peer: &Peer, message: &Message) -> usize {
    let mut accepted = 0;
    loop {
        let before = accepted;
        while peer.try_send(message).is_ok() {
            accepted += 1;
        }
        settle().await;
        if accepted == before {
            return accepted;
        }
    }
}

/// Asserts what a reason says of fault and retry.
#[track_caller]
pub(crate) fn judged(reason: &DisconnectReason, fault: Fault, retry: Retry) {
    assert_eq!((reason.fault(), reason.retry()), (fault, retry), "{reason:?}");
}

/// A list that a listener fills and a test reads.
#[derive(Debug)]
pub(crate) struct Log<T>(Arc<Mutex<Vec<T>>>);

impl<T> Log<T> {
    pub(crate) fn push(&self, entry: T) {
        self.0.lock().unwrap().push(entry);
    }

    pub(crate) fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

/// A listener that notes the kinds of messages and the states.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    pub(crate) kinds: Log<Kind>,
    pub(crate) states: Log<State>,
}

impl Listener for Recorder {
    fn on_message(&mut self, _peer: &Peer, message: &Message) {
        self.kinds.push(message.kind());
    }

    fn on_state(&mut self, _peer: &Peer, state: State) {
        self.states.push(state);
    }
}

/// A hash made of one number.
pub(crate) fn hash(n: u32) -> BlockHash {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&n.to_le_bytes());
    BlockHash::from_byte_array(bytes)
}

/// An item that is not urgent.
pub(crate) fn tx_item(n: u32) -> InventoryItem {
    InventoryItem::tx(bitcoin::Txid::from_byte_array(hash(n).to_byte_array()))
}

/// A routable address, another one for each number.
pub(crate) fn address(n: u32) -> TimedAddress {
    let ip = std::net::Ipv4Addr::from(0x0800_0000 + n);
    TimedAddress {
        time: 1_700_000_000,
        peer: PeerAddress::from(std::net::SocketAddr::from((ip, 8333))),
    }
}

/// A payload of so many bytes under a command that the library does not define.
pub(crate) fn unknown(len: usize) -> Message {
    Message::Unknown { command: Command::new("filler"), payload: Bytes::from(vec![7; len]) }
}

/// A block of about so many bytes: its coinbase's output script is padded.
pub(crate) fn block(len: usize) -> Block {
    let mut block = genesis_block(bitcoin::Network::Regtest);
    block.txdata[0].output[0].script_pubkey = bitcoin::ScriptBuf::from_bytes(vec![0x51; len]);
    Block::try_from(&block).unwrap()
}

/// One message of each kind that may come after the opening, but `version`, `verack` and features.
pub(crate) fn every_message() -> Vec<Message> {
    let genesis = genesis_block(bitcoin::Network::Regtest);
    let block = Block::try_from(&genesis).unwrap();
    let tx = Tx::try_from(&genesis.txdata[0]).unwrap();
    let merkle = bitcoin::MerkleBlock::from_block_with_predicate(&genesis, |_| true);
    let items = Inventory::new(&[tx_item(1), InventoryItem::block(hash(2))]).unwrap();
    let locator = Locator::new(70_016, &[hash(3), hash(4)], hash(5)).unwrap();
    let stop_hash = hash(6);
    vec![
        Message::GetAddr,
        Message::Addr(Addr::new(&[address(1)]).unwrap()),
        Message::AddrV2(AddrV2::new(&[address(2)]).unwrap()),
        Message::Ping(Ping { nonce: Some(7) }),
        Message::Pong(Pong { nonce: 8 }),
        Message::Inv(items.clone()),
        Message::GetData(items.clone()),
        Message::NotFound(items),
        Message::GetBlocks(locator.clone()),
        Message::GetHeaders(locator),
        Message::Headers(Headers::new(&[genesis.header]).unwrap()),
        Message::CmpctBlock(CmpctBlock::from_block(&block, 9).unwrap()),
        decoded(Kind::GetBlockTxn, &[&[1; 32][..], &[1, 0]].concat()),
        decoded(Kind::BlockTxn, &[&[1; 32][..], &[1], tx.bytes()].concat()),
        Message::Block(block),
        Message::Tx(tx),
        Message::MerkleBlock(MerkleBlock::from_bytes(serialize(&merkle).into()).unwrap()),
        Message::SendHeaders,
        Message::FeeFilter(FeeFilter { rate: 1_000 }),
        Message::SendCmpct(SendCmpct { announce: true, version: 2 }),
        Message::MemPool,
        Message::FilterLoad(FilterLoad::new(vec![1, 2], 3, 4, FilterFlags(0)).unwrap()),
        Message::FilterAdd(FilterAdd::new(vec![5]).unwrap()),
        Message::FilterClear,
        Message::GetCFilters(GetCFilters { filter_type: 0, start_height: 1, stop_hash }),
        Message::CFilter(CFilter::new(0, stop_hash, &[1, 2, 3]).unwrap()),
        Message::GetCFHeaders(GetCFHeaders { filter_type: 0, start_height: 1, stop_hash }),
        decoded(Kind::CFHeaders, &[&[0][..], &[1; 64], &[1], &[2; 32]].concat()),
        Message::GetCFCheckpt(GetCFCheckpt { filter_type: 0, stop_hash }),
        decoded(Kind::CFCheckpt, &[&[0][..], &[1; 32], &[1], &[2; 32]].concat()),
        Message::Reject(Box::new(Reject::new(Command::new("tx"), RejectCode(0x40), "dust"))),
        Message::Alert(Bytes::from_static(b"old news")),
        unknown(5),
    ]
}

fn decoded(kind: Kind, payload: &[u8]) -> Message {
    Message::decode(kind, Bytes::copy_from_slice(payload), 70_016).unwrap()
}
