//! btcd's `peer` package, driven by our program `btcd-peer`.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result, bail, ensure};
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::hashes::Hash as _;
use bitcoin::{BlockHash, Transaction};
use peerage::bitcoin::message::{Inventory, RejectCode};
use peerage::bitcoin::types::InventoryItem;
use peerage::bitcoin::{Command as Name, Direction, Kind, Message, Network};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::btcd::btcd_counts;
use crate::checks::{Node, Via, addresses, config, ending, opening, transactions, until};
use crate::daemon::{Daemon, Programs, free_address};
use crate::mint::{self, Purse};
use crate::report::Section;
use crate::talk::Talk;

/// Everything that is checked with it: both ways of dialling, over both transports.
pub(crate) async fn run(programs: &Programs) -> Section {
    let mut section = Section::new("btcd-peer");
    let purse = mint::play_money().expect("a coin can be split");
    for via in Via::BOTH {
        for direction in [Direction::Outbound, Direction::Inbound] {
            let words = if direction == Direction::Outbound { "we dial" } else { "it dials" };
            let opened = open(programs, via, direction);
            let opened = section.step(format!("{via} {words}"), 30, opened).await;
            if let Some((node, talk)) = opened {
                section.set_version(version(&talk));
                section.watch(node.daemon.log());
                converse(&mut section, &node, talk, &purse, via).await;
            }
        }
    }
    section.check("v2 its dial falls back to v1", 30, its_dial_falls_back(programs)).await;
    let listen = BtcdPeer::listen(programs, Via::V1);
    if let Some(node) = section.step("listens, v1 only", 30, listen).await {
        section.watch(node.daemon.log());
        section.check("v2 we prefer, it has only v1", 30, opening::we_fall_back(&node)).await;
        let told = opening::we_are_told_to_fall_back(&node);
        section.check("v2 on a stream of ours", 30, told).await;
        section.check("v2 we require, it has only v1", 30, opening::we_insist(&node)).await;
        section.check("v1 we disconnect", 30, ending::ours(&node, Via::V1)).await;
        section.check("v1 orderly end: its input ends", 30, stopped(&node)).await;
    }
    section.check("v2 abrupt end: killed", 30, killed(programs)).await;
    section
}

/// Opens a connection in this direction.
async fn open(
    programs: &Programs,
    via: Via,
    direction: Direction,
) -> Result<((BtcdPeer, Talk), String)> {
    let (node, mut talk) = match direction {
        Direction::Outbound => {
            let (node, _) = BtcdPeer::listen(programs, via).await?;
            let talk = Talk::dial(node.address, &config(&node, via)).await?;
            (node, talk)
        }
        Direction::Inbound => {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let node = BtcdPeer::dial(programs, listener.local_addr()?, via)?;
            let talk = Talk::accept(&listener, &config(&node, via)).await?;
            (node, talk)
        }
    };
    talk.fence().await?;
    let established = node.daemon.event(0, "established", |_| true).await?;
    ensure!(established["v2"] == (via == Via::V2), "it says {established}");
    ensure!(established["wants_addrv2"] == true, "it did not hear our sendaddrv2: {established}");
    let seen = opening::described(&talk, via, direction)?;
    Ok(((node, talk), seen))
}

/// All conversations on one connection.
async fn converse(section: &mut Section, node: &BtcdPeer, mut talk: Talk, purse: &Purse, via: Via) {
    let words = if talk.peer.direction() == Direction::Outbound { "we dial" } else { "it dials" };
    let name = |check: &str| format!("{via} {words}: {check}");
    section.check(name("pings"), 30, pings(node, &mut talk)).await;
    section.check(name("addresses"), 30, addresses_both_ways(node, &mut talk)).await;
    section.check(name("headers, block"), 30, no_chain(node, &mut talk)).await;
    section.check(name("block announced"), 30, block_announced(node, &mut talk)).await;
    section.check(name("tx announced to us"), 30, tx_to_us(node, &mut talk, purse)).await;
    section.check(name("tx announced by us"), 30, tx_by_us(node, &mut talk, purse)).await;
    section.check(name("reject from us"), 30, reject(node, &mut talk)).await;
    section.check(name("its statistics"), 30, statistics(node, &mut talk)).await;
    let end = async { node.daemon.say("disconnect").await };
    section.check(name("it disconnects"), 30, ending::theirs(&mut talk, end)).await;
}

async fn pings(node: &BtcdPeer, talk: &mut Talk) -> Result<String> {
    talk.fence().await?;
    let mark = node.daemon.log().len();
    node.daemon.say("ping").await?;
    let nonce = talk
        .find("ping", |message| match message {
            Message::Ping(ping) => ping.nonce,
            _ => None,
        })
        .await?;
    // A pong leaves when what came before its ping has been taken.
    talk.fence().await?;
    let pong = |event: &Value| event["command"] == "pong" && event["nonce"] == nonce;
    node.daemon.event(mark, "message", pong).await?;
    Ok("both answered with their nonces".to_owned())
}

async fn addresses_both_ways(node: &BtcdPeer, talk: &mut Talk) -> Result<String> {
    let mark = node.daemon.log().len();
    let pushed = talk.peer.push_addr(&addresses::many(30)?).await?.sent.len();
    let event = node.daemon.event(mark, "message", |event| event["command"] == "addrv2").await?;
    ensure!(event["count"] == pushed && pushed == 30, "we pushed {pushed}, it got {event}");
    node.daemon.say("addr 1000").await?;
    let (kind, plain) = addresses::answer(talk, 2).await?;
    ensure!(kind == Kind::Addr && plain.len() == 1_000, "{} by {kind}", plain.len());
    node.daemon.say("addrv2 1000").await?;
    let (kind, mixed) = addresses::answer(talk, 2).await?;
    ensure!(kind == Kind::AddrV2 && mixed.len() == 1_000, "{} by {kind}", mixed.len());
    let tor = mixed.iter().filter(|entry| entry.peer.socket_addr().is_none()).count();
    ensure!(tor == 333, "{tor} Tor addresses");
    Ok(format!("{pushed} to it by addrv2, 1000 by addr and 1000 by addrv2 ({tor} Tor) to us"))
}

/// It has no chain, and says so.
async fn no_chain(node: &BtcdPeer, talk: &mut Talk) -> Result<String> {
    let genesis = node.network().genesis;
    let headers = talk.headers(genesis).await?;
    ensure!(headers.is_empty(), "{} headers", headers.len());
    let item = InventoryItem::witness_block(genesis);
    talk.send(Message::GetData(Inventory::new(&[item])?)).await?;
    let missing = talk
        .find("notfound", |message| match message {
            Message::NotFound(items) => items.get(0),
            _ => None,
        })
        .await?;
    ensure!(missing == item, "notfound of {missing}");
    Ok("no headers, notfound".to_owned())
}

async fn block_announced(node: &BtcdPeer, talk: &mut Talk) -> Result<String> {
    let hash = node.network().genesis;
    let mark = node.daemon.log().len();
    node.daemon.say(&format!("inv {hash} block")).await?;
    talk.find("inv", |message| match message {
        Message::Inv(items) => items.iter().find(|item| *item == InventoryItem::block(hash)),
        _ => None,
    })
    .await?;
    // What it has announced it must not be told of; another block it must.
    let other = BlockHash::all_zeros();
    talk.peer.announce(&[InventoryItem::block(hash), InventoryItem::block(other)]);
    let event = node.daemon.event(mark, "message", |event| event["command"] == "inv").await?;
    let told = event["inventory"].as_array().context("an inv has an inventory")?;
    let text = told.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
    ensure!(told.len() == 1 && text.ends_with(&other.to_string()), "it was told of {text}");
    Ok("announced by inv; we announce only what it does not know".to_owned())
}

async fn tx_to_us(node: &BtcdPeer, talk: &mut Talk, purse: &Purse) -> Result<String> {
    let tx = purse.spend()?;
    node.submit(&tx).await?;
    transactions::receive(talk, &tx).await
}

async fn tx_by_us(node: &BtcdPeer, talk: &mut Talk, purse: &Purse) -> Result<String> {
    let tx = purse.spend()?;
    let mark = node.daemon.log().len();
    // It asks only when told to.
    let ask = async {
        let announced = |event: &Value| event["command"] == "inv";
        node.daemon.event(mark, "message", announced).await?;
        node.daemon.say(&format!("getdata {} witness_tx", tx.compute_txid())).await
    };
    let (asked, wanted) = tokio::join!(ask, transactions::give(talk, &tx));
    asked?;
    let wtxid = tx.compute_wtxid().to_string();
    let got = |event: &Value| event["command"] == "tx" && event["wtxid"] == wtxid;
    node.daemon.event(mark, "message", got).await?;
    Ok(format!("asked for it by {} and got it with its witness", wanted?.kind))
}

async fn reject(node: &BtcdPeer, talk: &mut Talk) -> Result<String> {
    let mark = node.daemon.log().len();
    let hash = Some([7; 32]);
    let sent = talk.peer.push_reject(Name::new("tx"), RejectCode::DUST, "too little", hash).await?;
    sent.context("it is new enough for reject")?.await?;
    let event = node.daemon.event(mark, "message", |event| event["command"] == "reject").await?;
    ensure!(event["rejected"] == "tx" && event["reason"] == "too little", "it got {event}");
    Ok(format!("it got {}: {}", event["code"], event["reason"]))
}

/// Compares what it and we have counted and learnt.
async fn statistics(node: &BtcdPeer, talk: &mut Talk) -> Result<String> {
    talk.fence().await?;
    let mut last = String::new();
    let same = until("equal counts", async || {
        let mark = node.daemon.log().len();
        node.daemon.say("stats").await?;
        let theirs = node.daemon.event(mark, "stats", |_| true).await?;
        let (sent, received) = btcd_counts(&talk.peer.stats());
        last = format!("it says {theirs}, we count {sent} sent and {received} received");
        Ok(theirs["bytes_received"] == sent && theirs["bytes_sent"] == received)
    });
    same.await.with_context(|| last)?;
    let (sent, received) = btcd_counts(&talk.peer.stats());
    Ok(format!("{sent} bytes sent, {received} received: equal"))
}

/// It dials with v2, is refused, and says itself that it comes back with v1.
async fn its_dial_falls_back(programs: &Programs) -> Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let node = BtcdPeer::dial(programs, listener.local_addr()?, Via::V2)?;
    let config = config(&node, Via::V1);
    let Err(refused) = Talk::accept(&listener, &config).await else { bail!("it began with v1") };
    let mut talk = Talk::accept(&listener, &config).await?;
    talk.fence().await?;
    node.daemon.event(0, "downgrade", |_| true).await?;
    Ok(format!("{refused}; then {}", opening::described(&talk, Via::V1, Direction::Inbound)?))
}

async fn stopped(node: &BtcdPeer) -> Result<String> {
    let mut talk = Talk::dial(node.address, &config(node, Via::V1)).await?;
    let stop = async {
        node.daemon.hang_up().await;
        node.daemon.exit_cleanly().await
    };
    ending::theirs(&mut talk, stop).await
}

async fn killed(programs: &Programs) -> Result<String> {
    let ((node, mut talk), _) = open(programs, Via::V2, Direction::Inbound).await?;
    ending::theirs(&mut talk, node.daemon.kill()).await
}

fn version(talk: &Talk) -> String {
    let remote = talk.peer.remote();
    format!("{} {}", remote.user_agent.as_text().to_string_lossy(), remote.version)
}

struct BtcdPeer {
    daemon: Daemon,
    address: SocketAddr,
}

impl BtcdPeer {
    async fn listen(programs: &Programs, via: Via) -> Result<(Self, String)> {
        let node = Self::start(programs, "listen", free_address()?, via)?;
        node.daemon.event(0, "listening", |_| true).await?;
        let seen = format!("listens on {}", node.address);
        Ok((node, seen))
    }

    fn dial(programs: &Programs, us: SocketAddr, via: Via) -> Result<Self> {
        Self::start(programs, "dial", us, via)
    }

    fn start(programs: &Programs, mode: &str, address: SocketAddr, via: Via) -> Result<Self> {
        let mut command = Command::new(programs.get("btcd-peer")?);
        command.arg(mode).arg(address.to_string());
        if via == Via::V2 {
            command.arg("--v2");
        }
        Ok(Self { daemon: Daemon::start("btcd-peer", &mut command)?, address })
    }
}

impl Node for BtcdPeer {
    fn network(&self) -> Network {
        Network::regtest()
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    async fn submit(&self, tx: &Transaction) -> Result<()> {
        self.daemon.say(&format!("tx {}", serialize_hex(tx))).await
    }

    async fn is_connected(&self, us: SocketAddr) -> Result<bool> {
        let of = |event: &'static str| {
            let us = us.to_string();
            move |line: &str| {
                serde_json::from_str::<Value>(line)
                    .is_ok_and(|line| line["event"] == event && line["addr"] == us)
            }
        };
        let log = self.daemon.log();
        Ok(log.count(0, of("established")) > log.count(0, of("disconnected")))
    }
}
