//! btcd.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::{BlockHash, Transaction};
use peerage::bitcoin::{Negotiated, Network, Stats};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{Instant, sleep_until};

use crate::checks::blocks::{self, How};
use crate::checks::{Node, Via, addresses, be_dialled, chain, dial, ending, filters};
use crate::checks::{opening, ping, transactions, until};
use crate::daemon::{Daemon, Programs, folder, free_address, output};
use crate::mint::Purse;
use crate::report::Section;

/// Mined at the start: enough for the first checkpoint of filter headers.
const BLOCKS: u32 = 1_005;

/// Its coinbases pay to the hash of the script OP_TRUE, which this input script shows.
const SCRIPT_SIG: [u8; 2] = [0x01, 0x51];

/// Everything that is checked with it: on regtest with v2, on simnet without.
pub(crate) async fn run(programs: &Programs) -> Section {
    let mut section = Section::new("btcd");
    with_v2(&mut section, programs).await;
    without_v2(&mut section, programs).await;
    section
}

async fn with_v2(section: &mut Section, programs: &Programs) {
    let start = Btcd::start(programs, Network::regtest(), Transports::Both);
    let Some(node) = section.step("starts, regtest, v2", 60, start).await else { return };
    section.watch(node.daemon.log());
    let coins = chain::coins(&node, &SCRIPT_SIG);
    let Some(purse) = section.step("mines, splits a coin", 30, coins).await else { return };
    if let Some(version) = section.step("tells its version", 10, opening::version(&node)).await {
        section.set_version(version);
    }
    for via in Via::BOTH {
        converse(section, &node, &purse, via).await;
        section.check(format!("{via} byte counts, we dial"), 30, counts(&node, via)).await;
    }
    section.check("v2 it dials", 30, opening::they_dial(&node, Via::V2)).await;
    section.check("v2 its dial falls back to v1", 30, opening::they_fall_back(&node)).await;
    let versions = [209, 31_800, 60_000, 60_002, 70_001, 70_012, 70_015];
    section.check("v1 old versions", 30, opening::old_versions(&node, &versions)).await;
    section.check("v1 addresses to it", 30, addresses_to_it(&node)).await;
    section.check("v1 addr asked", 30, addresses::asked(&node, Via::V1, false, 100)).await;
    section.check("v2 addrv2 asked", 30, addresses::asked(&node, Via::V2, true, 100)).await;
    section.check("v2 orderly end: stop", 30, stopped(&node)).await;
}

async fn without_v2(section: &mut Section, programs: &Programs) {
    let start = Btcd::start(programs, Network::simnet(), Transports::V1);
    let Some(node) = section.step("starts, simnet, v1 only", 60, start).await else { return };
    section.watch(node.daemon.log());
    let coins = chain::coins(&node, &SCRIPT_SIG);
    let Some(purse) = section.step("mines, splits a coin", 30, coins).await else { return };
    converse(section, &node, &purse, Via::V1).await;
    section.check("v1 it dials", 30, opening::they_dial(&node, Via::V1)).await;
    section.check("v2 we prefer, it has only v1", 30, opening::we_fall_back(&node)).await;
    let told = opening::we_are_told_to_fall_back(&node);
    section.check("v2 on a stream of ours", 30, told).await;
    section.check("v2 we require, it has only v1", 30, opening::we_insist(&node)).await;
    section.check("v1 abrupt end: killed", 30, killed(&node)).await;
}

async fn converse(section: &mut Section, node: &Btcd, purse: &Purse, via: Via) {
    let name = |check: &str| format!("{via} {check}");
    section.check(name("we dial"), 30, opening::we_dial(node, via)).await;
    section.check(name("we ping"), 30, ping::we_ping(node, via)).await;
    section.check(name("it pings"), 30, ping::they_ping(node, via)).await;
    section.check(name("headers and 200 blocks"), 60, chain::headers_and_blocks(node, via)).await;
    section.check(name("tx announced to us"), 60, transactions::theirs(node, purse, via)).await;
    section.check(name("tx announced by us"), 60, transactions::ours(node, purse, via)).await;
    section.check(name("mempool"), 60, transactions::memory_pool(node, purse, via)).await;
    for how in [How::Inv, How::Headers] {
        let check = name(&format!("new block by {how:?}"));
        section.check(check, 60, blocks::theirs(node, via, how)).await;
    }
    section.check(name("new block of ours"), 60, blocks::ours(node, purse, via)).await;
    section.check(name("bloom filter, merkleblock"), 60, blocks::filtered(node, purse, via)).await;
    section.check(name("block filters"), 60, filters::chain(node, via)).await;
    section.check(name("reject of a bad tx"), 30, transactions::rejected(node, purse, via)).await;
    section.check(name("we disconnect"), 30, ending::ours(node, via)).await;
    section.check(name("it disconnects"), 30, disconnected(node, via)).await;
}

/// We push addresses, which it keeps.
async fn addresses_to_it(node: &Btcd) -> Result<String> {
    let mut talk = dial(node, Via::V1).await?;
    let pushed = talk.peer.push_addr(&addresses::many(1_000)?).await?;
    ensure!(pushed.sent.len() == 1_000, "{} were sent", pushed.sent.len());
    pushed.receipt.context("no receipt")?.await?;
    talk.fence().await?;
    Ok(format!("pushed {}", pushed.sent.len()))
}

/// Talks a while, then compares what it and we have counted on the same connection.
async fn counts(node: &Btcd, via: Via) -> Result<String> {
    let mut talk = dial(node, via).await?;
    let headers = talk.headers(node.network().genesis).await?;
    let hashes: Vec<_> = headers.iter().rev().take(20).map(|header| header.block_hash()).collect();
    talk.blocks(&hashes).await?;
    talk.fence().await?;
    let us = talk.local_addr()?;
    let mut last = String::new();
    let same = until("equal counts", async || {
        let theirs = node.peer(us).await?.context("it does not know us")?;
        last = difference(&theirs, &talk.peer.stats());
        Ok(last.is_empty())
    });
    same.await.with_context(|| last)?;
    let (sent, received) = btcd_counts(&talk.peer.stats());
    Ok(format!("{sent} bytes sent, {received} received: equal"))
}

fn difference(theirs: &Value, ours: &Stats) -> String {
    let counted = (theirs["bytesrecv"].as_u64(), theirs["bytessent"].as_u64());
    let (sent, received) = btcd_counts(ours);
    if counted == (Some(sent), Some(received)) {
        return String::new();
    }
    format!("it counts {counted:?}, we count {sent} sent and {received} received")
}

/// What btcd counts of a connection that we count like this: what it received from us, and what it
/// sent. With v1 that is every byte; with v2 not the handshake, and of packets that it received only
/// the contents, without their length, header and tag.
pub(crate) fn btcd_counts(ours: &Stats) -> (u64, u64) {
    const PACKET: u64 = 3 + 1 + 16;
    let sent = ours.sent.total();
    match ours.transport {
        Negotiated::V1 { .. } | Negotiated::Grpc { .. } => (ours.bytes_sent, ours.bytes_received),
        Negotiated::V2 { .. } => (sent.bytes - sent.messages * PACKET, ours.received.total().bytes),
    }
}

async fn disconnected(node: &Btcd, via: Via) -> Result<String> {
    let mut talk = dial(node, via).await?;
    let us = talk.local_addr()?.to_string();
    let end = async { node.ctl(&["node", "disconnect", &us]).await.map(|_| ()) };
    ending::theirs(&mut talk, end).await
}

async fn stopped(node: &Btcd) -> Result<String> {
    let mut talk = dial(node, Via::V2).await?;
    let stop = async {
        node.ctl(&["stop"]).await?;
        node.daemon.exit_cleanly().await
    };
    ending::theirs(&mut talk, stop).await
}

async fn killed(node: &Btcd) -> Result<String> {
    let mut talk = be_dialled(node, Via::V1).await?;
    ending::theirs(&mut talk, node.daemon.kill()).await
}

/// Which transports a node is started with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Transports {
    V1,
    Both,
}

struct Btcd {
    daemon: Daemon,
    network: Network,
    transports: Transports,
    address: SocketAddr,
    ctl: PathBuf,
    rpc: SocketAddr,
    folder: TempDir,
    /// When the next v2 dial is welcome.
    next_v2: Mutex<Instant>,
}

/// It takes 2 v2 dials a second from all of loopback; one too many looks like a v1-only node.
const V2_PACE: Duration = Duration::from_millis(600);

impl Btcd {
    async fn start(
        programs: &Programs,
        network: Network,
        transports: Transports,
    ) -> Result<(Self, String)> {
        let (address, rpc, folder) = (free_address()?, free_address()?, folder()?);
        let path = folder.path().display();
        // Without a file that exists it writes one to the home folder.
        std::fs::write(folder.path().join("empty.conf"), "")?;
        let coinbase = match network.name.as_ref() {
            "simnet" => "rqTMJDfpq2kCv6VQbPDqP1opgLBeMRrasV",
            _ => "2ND8PB9RrfCaAcjfjP1Y6nAgFd9zWHYX4DN",
        };
        let mut command = Command::new(programs.get("btcd")?);
        command
            .args(["--rpcuser=u", "--rpcpass=p", "--notls", "--trickleinterval=100ms"])
            // No dial may leave loopback: nobody listens on port 1.
            .args(["--nodnsseed", "--connect=127.0.0.1:1"])
            .arg(format!("--{}", network.name))
            .arg(format!("--configfile={path}/empty.conf"))
            .arg(format!("--datadir={path}"))
            .arg(format!("--logdir={path}/logs"))
            .arg(format!("--listen={address}"))
            .arg(format!("--rpclisten={rpc}"))
            .arg(format!("--miningaddr={coinbase}"));
        if transports == Transports::Both {
            command.arg("--v2transport");
        }
        let daemon = Daemon::start("btcd", &mut command)?;
        let ctl = programs.get("btcctl")?.to_owned();
        let next_v2 = Mutex::new(Instant::now());
        let node = Self { daemon, network, transports, address, ctl, rpc, folder, next_v2 };
        until("its RPC", async || Ok(node.ctl(&["getblockcount"]).await.is_ok())).await?;
        let tip = node.mine(BLOCKS).await?;
        Ok((node, format!("listens on {address}, mined {BLOCKS} blocks up to {tip:.16}...")))
    }

    async fn ctl(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.ctl);
        command
            .args(["--rpcuser=u", "--rpcpass=p", "--notls"])
            .arg(format!("--configfile={}/empty.conf", self.folder.path().display()))
            .arg(format!("--{}", self.network.name))
            .arg(format!("--rpcserver={}", self.rpc))
            .args(arguments);
        output(&mut command).await.with_context(|| format!("btcctl {arguments:?}"))
    }

    async fn json(&self, arguments: &[&str]) -> Result<Value> {
        Ok(serde_json::from_str(&self.ctl(arguments).await?)?)
    }

    /// What it says of the connection whose other end is `us`.
    async fn peer(&self, us: SocketAddr) -> Result<Option<Value>> {
        let us = us.to_string();
        let peers = self.json(&["getpeerinfo"]).await?;
        let Value::Array(peers) = peers else { bail!("getpeerinfo is no list") };
        Ok(peers.into_iter().find(|peer| peer["addr"] == us))
    }
}

impl Node for Btcd {
    fn network(&self) -> Network {
        self.network.clone()
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    async fn pace(&self, via: Via) {
        if via == Via::V2 {
            let turn = {
                let mut next = self.next_v2.lock().unwrap_or_else(PoisonError::into_inner);
                let turn = (*next).max(Instant::now());
                *next = turn + V2_PACE;
                turn
            };
            sleep_until(turn).await;
        }
    }

    async fn dial_us(&self, us: SocketAddr, via: Via) -> Result<()> {
        let wanted = if via == Via::V2 { Transports::Both } else { Transports::V1 };
        ensure!(self.transports == wanted, "it always dials as it was started");
        self.ctl(&["addnode", &us.to_string(), "onetry"]).await.map(|_| ())
    }

    async fn mine(&self, count: u32) -> Result<BlockHash> {
        self.ctl(&["generate", &count.to_string()]).await?;
        self.tip().await
    }

    async fn tip(&self) -> Result<BlockHash> {
        Ok(self.ctl(&["getbestblockhash"]).await?.parse()?)
    }

    async fn submit(&self, tx: &Transaction) -> Result<()> {
        self.ctl(&["sendrawtransaction", &serialize_hex(tx)]).await.map(|_| ())
    }

    async fn has_tx(&self, tx: &Transaction) -> Result<bool> {
        let txid = tx.compute_txid().to_string();
        let pool = self.json(&["getrawmempool"]).await?;
        Ok(pool.as_array().is_some_and(|pool| pool.iter().any(|known| *known == txid)))
    }

    async fn ping_us(&self) -> Result<()> {
        self.ctl(&["ping"]).await.map(|_| ())
    }

    async fn has_pong(&self, us: SocketAddr) -> Result<bool> {
        let peer = self.peer(us).await?.context("it does not know us")?;
        let waits = peer["pingwait"].as_f64().is_some_and(|wait| wait > 0.0);
        Ok(peer["pingtime"].as_f64().is_some_and(|time| time > 0.0) && !waits)
    }

    async fn is_connected(&self, us: SocketAddr) -> Result<bool> {
        Ok(self.peer(us).await?.is_some())
    }

    /// It ignores what it hears between the opening and this line of its log.
    async fn is_attentive(&self, us: SocketAddr) -> Result<bool> {
        let line = format!("New valid peer {us} ");
        Ok(self.daemon.log().count(0, |logged| logged.contains(&line)) > 0)
    }
}
