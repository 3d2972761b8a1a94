//! Runs each example as a user would, against a peer of this library, and holds its output against
//! what that peer saw.
#![allow(missing_docs)]
// Helpers fail a test as the tests themselves do.
#![allow(clippy::unwrap_used)]

mod process;

use std::process::Output;

use ::bitcoin::consensus::encode::serialize_hex;
use ::bitcoin::constants::genesis_block;
use peerage::bitcoin::message::{Block, Inventory, Tx};
use peerage::bitcoin::types::{InventoryItem, Services};
use peerage::bitcoin::{
    self, Command, Config, DisconnectReason, Event, Events, Message, Negotiated, OpenError, Peer,
    V2,
};
use process::{Running, in_time, run, source_folder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Each example, and so each file in the folder, has its test below.
const EXAMPLES: [&str; 11] = [
    "announce_transaction",
    "fetch_block",
    "forwarding_proxy",
    "in_memory",
    "inbound_peer",
    "kaspa",        // these two have their tests with those
    "kaspa_legacy", // of their features
    "listener",
    "outbound_peer",
    "ping",
    "socks_proxy",
];

#[test]
fn every_example_is_short_and_says_how_to_run_it() {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(source_folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let source = std::fs::read_to_string(&path).unwrap();
        let lines = source.lines().count();
        assert!(lines <= 60, "{name} has {lines} lines: the interface should make it shorter");
        assert!(
            source.contains(&format!("//! cargo run --example {name}\n")) || {
                source.contains(&format!("//! cargo run --example {name} --"))
            }
        );
        found.push(name);
    }
    found.sort();
    assert_eq!(found, EXAMPLES);
}

#[tokio::test]
async fn outbound_peer_accepts_a_full_node() {
    let listener = listen().await;
    let example = run("outbound_peer", &[&listener.address()]);
    let remote = async {
        let (peer, _events) = listener.accept(&full_node()).await.unwrap();
        (peer.remote().user_agent.to_string(), peer.closed().await)
    };
    let (output, (user_agent, reason)) = tokio::join!(example, remote);
    assert!(user_agent.ends_with("/outbound-peer:1.0(example)/"), "{user_agent}");
    assert_eq!(reason, DisconnectReason::RemoteClosed);
    let shown = succeeded(&output);
    assert!(shown.contains("at height 7 offers NETWORK|WITNESS|P2P_V2\n"), "{shown}");
    assert!(shown.ends_with("connected, protocol version 70017\nwe disconnected\n"), "{shown}");
}

#[tokio::test]
async fn outbound_peer_refuses_a_node_without_blocks() {
    let listener = listen().await;
    let config = Config::regtest();
    let example = run("outbound_peer", &[&listener.address()]);
    let (output, refused) = tokio::join!(example, listener.accept(&config));
    assert!(matches!(refused, Err(OpenError::Ended { .. })), "{refused:?}");
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("we need whole blocks"), "{}", text(&output.stderr));
}

#[tokio::test]
async fn inbound_peer_shows_what_it_is_told() {
    let mut example = Running::start("inbound_peer", &["127.0.0.1:0"]);
    let address = example.listening().await;
    let (peer, _events) = bitcoin::connect(address, &full_node()).await.unwrap();
    assert!(example.line().await.ends_with("full-node:1.0/"));
    peer.send_tracked(&Message::MemPool).await.unwrap().await.unwrap();
    assert!(example.line().await.ends_with(": mempool"));
    peer.disconnect();
    assert!(example.line().await.ends_with(": the remote closed the connection"));
}

#[tokio::test]
async fn inbound_peer_outlives_a_stranger() {
    let mut example = Running::start("inbound_peer", &["127.0.0.1:0"]);
    let address = example.listening().await;
    drop(TcpStream::connect(address).await.unwrap());
    assert!(example.line().await.starts_with("no connection: "));
    bitcoin::connect(address, &full_node()).await.unwrap();
}

#[tokio::test]
async fn ping_gets_its_pong() {
    let listener = listen().await;
    let example = run("ping", &[&listener.address()]);
    let remote = async {
        let (peer, mut events) = listener.accept(&full_node()).await.unwrap();
        let ping = next_message(&mut events).await;
        // Reading on answers it.
        let reason = last(&mut events).await;
        drop(peer);
        (ping, reason)
    };
    let (output, (ping, reason)) = tokio::join!(example, remote);
    assert!(matches!(ping, Message::Ping(ping) if ping.nonce == Some(2009)));
    assert_eq!(reason, DisconnectReason::RemoteClosed);
    assert!(succeeded(&output).contains("full-node:1.0/ answered in "));
}

#[tokio::test]
async fn fetch_block_fetches_a_block() {
    let genesis = genesis();
    let listener = listen().await;
    let example = run("fetch_block", &[&listener.address(), &genesis.hash().to_string()]);
    let remote = async {
        let (peer, mut events) = listener.accept(&full_node()).await.unwrap();
        let asked = next_message(&mut events).await;
        peer.send(&Message::Block(genesis.clone())).await.unwrap();
        last(&mut events).await;
        asked
    };
    let (output, asked) = tokio::join!(example, remote);
    let wanted = Inventory::new(&[InventoryItem::witness_block(genesis.hash())]).unwrap();
    assert_eq!(asked, Message::GetData(wanted));
    let txid = genesis.transaction(0).unwrap().txid();
    assert_eq!(succeeded(&output), format!("285 bytes, 1 transactions\n  {txid}\n"));
}

#[tokio::test]
async fn fetch_block_says_that_the_peer_has_none() {
    let listener = listen().await;
    let example = run("fetch_block", &[&listener.address()]);
    let remote = async {
        let (peer, mut events) = listener.accept(&full_node()).await.unwrap();
        let Message::GetData(asked) = next_message(&mut events).await else { panic!("no getdata") };
        peer.send(&Message::NotFound(asked)).await.unwrap();
        last(&mut events).await;
    };
    let (output, ()) = tokio::join!(example, remote);
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("the peer does not have it"));
}

#[tokio::test]
async fn announce_transaction_hands_it_over() {
    let tx = transaction();
    for wtxid_relay in [true, false] {
        let listener = listen().await;
        let mut config = full_node();
        config.identity.wtxid_relay = wtxid_relay;
        let hex = serialize_hex(&tx.decode());
        let example = run("announce_transaction", &[&listener.address(), &hex]);
        let remote = async {
            let (peer, mut events) = listener.accept(&config).await.unwrap();
            let Message::Inv(announced) = next_message(&mut events).await else { panic!("no inv") };
            peer.send(&Message::GetData(announced.clone())).await.unwrap();
            (announced, next_message(&mut events).await)
        };
        let (output, (announced, received)) = tokio::join!(example, remote);
        let item = match wtxid_relay {
            true => InventoryItem::wtx(tx.wtxid()),
            false => InventoryItem::tx(tx.txid()),
        };
        assert!(announced.iter().eq([item]), "{announced:?}");
        assert_eq!(received, Message::Tx(tx.clone()));
        let shown = format!("announced {}\nhanded over\n", tx.txid());
        assert_eq!(succeeded(&output), shown);
    }
}

#[tokio::test]
async fn listener_follows_announcements() {
    let (block, tx) = (genesis(), transaction());
    let listener = listen().await;
    let example = run("listener", &[&listener.address()]);
    let remote = async {
        let (peer, mut events) = listener.accept(&full_node()).await.unwrap();
        let items = [InventoryItem::block(block.hash()), InventoryItem::wtx(tx.wtxid())];
        let inv = Inventory::new(&items).unwrap();
        peer.send(&Message::Inv(inv)).await.unwrap();
        let asked = next_message(&mut events).await;
        peer.send(&Message::Block(block.clone())).await.unwrap();
        let sent = peer.send_tracked(&Message::Tx(tx.clone())).await.unwrap();
        sent.await.unwrap();
        asked
    };
    let (output, asked) = tokio::join!(example, remote);
    let items = [InventoryItem::witness_block(block.hash()), InventoryItem::wtx(tx.wtxid())];
    assert_eq!(asked, Message::GetData(Inventory::new(&items).unwrap()));
    let shown = succeeded(&output);
    assert!(shown.contains("following /peerage:"), "{shown}");
    // The callbacks run beside the main task: nothing says which of them prints first.
    let mut told = shown.lines().filter(|line| !line.starts_with("following "));
    assert_eq!(told.next().unwrap(), format!("block {} with 1 transactions", block.hash()));
    assert_eq!(told.next().unwrap(), format!("transaction {}", tx.txid()));
    let end = told.next().unwrap().strip_prefix("the remote closed the connection, after ");
    let bytes: usize = end.unwrap().strip_suffix(" bytes").unwrap().parse().unwrap();
    // Two messages of known size, 21 more each, and the opening.
    assert!((700..2_000).contains(&bytes), "{shown}");
}

#[tokio::test]
async fn socks_proxy_leaves_the_name_to_the_proxy() {
    let listener = listen().await;
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy_address = proxy.local_addr().unwrap().to_string();
    // Nobody can resolve this name.
    let example = run("socks_proxy", &[&proxy_address, "node.invalid:18444"]);
    let forwarding = async {
        let mut client = proxy.accept().await.unwrap().0;
        let asked = socks5_request(&mut client).await;
        let mut server = TcpStream::connect(listener.address()).await.unwrap();
        tokio::io::copy_bidirectional(&mut client, &mut server).await.unwrap();
        asked
    };
    let config = full_node();
    let remote = async {
        let (peer, _events) = listener.accept(&config).await.unwrap();
        peer.closed().await
    };
    let (output, asked, _) = tokio::join!(example, forwarding, remote);
    assert_eq!(asked, b"\x05\x01\x00\x03\x0cnode.invalid\x48\x0c");
    let shown = succeeded(&output);
    assert!(shown.starts_with("connected to ") && shown.ends_with("full-node:1.0/\n"), "{shown}");
}

#[tokio::test]
async fn in_memory_needs_nobody() {
    let output = run("in_memory", &[]).await;
    let shown = succeeded(&output);
    let lines: Vec<_> = shown.lines().collect();
    let [met, received, left] = lines[..] else { panic!("{shown}") };
    assert!(met.starts_with("bob met ") && met.ends_with("/alice:1.0/"), "{shown}");
    assert_eq!(received, "bob received mempool");
    assert_eq!(left, "bob: the remote closed the connection");
}

#[tokio::test]
async fn forwarding_proxy_passes_everything_on() {
    let listener = listen().await;
    let mut example = Running::start("forwarding_proxy", &["127.0.0.1:0", &listener.address()]);
    let proxy = example.listening().await;

    let mut config = Config::regtest();
    config.v2 = V2::Required;
    let mut servers = full_node();
    servers.v2 = V2::Off;
    let (client, server) =
        tokio::join!(bitcoin::connect(proxy, &config), listener.accept(&servers));
    let ((client, mut to_client), (server, mut to_server)) = (client.unwrap(), server.unwrap());
    assert!(matches!(client.stats().transport, Negotiated::V2 { .. }));
    assert!(matches!(server.stats().transport, Negotiated::V1 { .. }));
    assert!(client.remote().user_agent.to_string().ends_with("full-node:1.0/"));
    assert!(client.remote().services.contains(Services::NETWORK | Services::WITNESS));
    assert_eq!(client.remote().height, 7);

    let messages = [
        Message::GetAddr,
        Message::Block(genesis()),
        Message::Tx(transaction()),
        Message::Unknown { command: Command::new("frobnicate"), payload: vec![7; 5_000].into() },
    ];
    for message in &messages {
        client.send(message).await.unwrap();
        assert_eq!(next_message(&mut to_server).await, *message);
        server.send(message).await.unwrap();
        assert_eq!(next_message(&mut to_client).await, *message);
    }

    // Last words arrive, and one side's end is the other's.
    server.send_tracked(&Message::Block(genesis())).await.unwrap().await.unwrap();
    server.disconnect();
    assert_eq!(next_message(&mut to_client).await, Message::Block(genesis()));
    assert_eq!(client.closed().await, DisconnectReason::RemoteClosed);
}

/// What an example dials: a peer at height 7 that offers blocks.
fn full_node() -> Config {
    let mut config = Config::regtest().user_agent("full-node", "1.0", &[]).unwrap();
    config.identity.services = Services::NETWORK | Services::WITNESS;
    config.identity.height = 7;
    config
}

fn genesis() -> Block {
    Block::try_from(&genesis_block(::bitcoin::Network::Regtest)).unwrap()
}

/// A transaction with a witness, so that its two ids differ.
fn transaction() -> Tx {
    let mut tx = genesis().transaction(0).unwrap().decode();
    tx.input[0].witness.push([7; 32]);
    Tx::try_from(&tx).unwrap()
}

struct Listening(TcpListener);

async fn listen() -> Listening {
    Listening(TcpListener::bind("127.0.0.1:0").await.unwrap())
}

impl Listening {
    fn address(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }

    async fn accept(&self, config: &Config) -> Result<(Peer, Events), OpenError> {
        bitcoin::accept(self.0.accept().await.unwrap().0, config).await
    }
}

async fn next_message(events: &mut Events) -> Message {
    match in_time(events.next()).await {
        Some(Event::Message(message)) => message,
        other => panic!("{other:?} where a message was due"),
    }
}

/// Reads on to the end.
async fn last(events: &mut Events) -> DisconnectReason {
    loop {
        if let Event::Disconnected(reason) = in_time(events.next()).await.unwrap() {
            return reason;
        }
    }
}

/// Plays a SOCKS5 proxy that wants credentials; returns the request.
async fn socks5_request(stream: &mut TcpStream) -> Vec<u8> {
    let mut methods = [0; 4];
    stream.read_exact(&mut methods).await.unwrap();
    assert_eq!(methods, [5, 2, 0, 2]);
    stream.write_all(&[5, 2]).await.unwrap();
    let mut credentials = [0; 2 + 32 + 2];
    stream.read_exact(&mut credentials).await.unwrap();
    assert_eq!(credentials[..2], [1, 32]);
    stream.write_all(&[1, 0]).await.unwrap();
    let mut request = vec![0; 4 + 1 + 12 + 2];
    stream.read_exact(&mut request).await.unwrap();
    stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
    request
}

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
