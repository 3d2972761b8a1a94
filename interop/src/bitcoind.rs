//! Bitcoin Core.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::{BlockHash, Transaction};
use peerage::bitcoin::message::SendCmpct;
use peerage::bitcoin::{Count, Kind, Message, Negotiated, Network, Traffic};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::checks::blocks::{self, How};
use crate::checks::{Node, Via, addresses, be_dialled, chain, compact, dial, ending, filters};
use crate::checks::{opening, ping, transactions, until};
use crate::daemon::{Daemon, Programs, folder, free_address, output};
use crate::mint::Purse;
use crate::report::Section;
use crate::talk::Talk;

/// Mined at the start: enough for the first checkpoint of filter headers.
const BLOCKS: u32 = 1_005;

/// Everything that is checked with it.
pub(crate) async fn run(programs: &Programs) -> Section {
    let mut section = Section::new("bitcoind");
    let started = section.step("starts", 60, Bitcoind::start(programs, Transports::Both)).await;
    let Some(node) = started else { return section };
    section.watch(node.daemon.log());
    let Some(purse) = section.step("mines, splits a coin", 30, chain::coins(&node, &[])).await
    else {
        return section;
    };
    if let Some(version) = section.step("tells its version", 10, opening::version(&node)).await {
        section.set_version(version);
    }
    for via in Via::BOTH {
        converse(&mut section, &node, &purse, via).await;
        statistics_and_end(&mut section, &node, via).await;
    }
    let versions = [31_800, 60_000, 60_002, 70_001, 70_012, 70_015, 70_016];
    section.check("v1 old versions", 30, opening::old_versions(&node, &versions)).await;
    section.check("v2 its dial falls back to v1", 30, opening::they_fall_back(&node)).await;
    section.check("v2 orderly end: stop", 30, stopped(&node)).await;
    drop(node);

    let started = section.step("starts, v1 only", 60, Bitcoind::start(programs, Transports::V1));
    let Some(node) = started.await else { return section };
    section.watch(node.daemon.log());
    section.check("v2 we prefer, it has only v1", 30, opening::we_fall_back(&node)).await;
    let told = opening::we_are_told_to_fall_back(&node);
    section.check("v2 on a stream of ours", 30, told).await;
    section.check("v2 we require, it has only v1", 30, opening::we_insist(&node)).await;
    section.check("v1 abrupt end: killed", 30, killed(&node)).await;
    section
}

async fn converse(section: &mut Section, node: &Bitcoind, purse: &Purse, via: Via) {
    let name = |check: &str| format!("{via} {check}");
    section.check(name("we dial"), 30, opening::we_dial(node, via)).await;
    section.check(name("it dials"), 30, opening::they_dial(node, via)).await;
    section.check(name("we ping"), 30, ping::we_ping(node, via)).await;
    section.check(name("it pings"), 60, ping::they_ping(node, via)).await;
    section.check(name("headers and 200 blocks"), 60, chain::headers_and_blocks(node, via)).await;
    section.check(name("tx announced to us"), 90, transactions::theirs(node, purse, via)).await;
    section.check(name("tx announced by us"), 60, transactions::ours(node, purse, via)).await;
    section.check(name("mempool"), 90, transactions::memory_pool(node, purse, via)).await;
    for how in [How::Inv, How::Headers, How::Compact] {
        let check = name(&format!("new block by {how:?}"));
        section.check(check, 60, blocks::theirs(node, via, how)).await;
    }
    section.check(name("new block of ours"), 60, blocks::ours(node, purse, via)).await;
    section.check(name("compact block announced"), 60, compact::announced(node, purse, via)).await;
    section.check(name("compact block asked"), 60, compact::on_request(node, purse, via)).await;
    section.check(name("compact block of ours"), 60, compact::ours(node, purse, via)).await;
    section.check(name("bloom filter, merkleblock"), 60, blocks::filtered(node, purse, via)).await;
    section.check(name("block filters"), 60, filters::chain(node, via)).await;
}

async fn statistics_and_end(section: &mut Section, node: &Bitcoind, via: Via) {
    let name = |check: &str| format!("{via} {check}");
    section.check(name("its wishes"), 30, wishes(node, via)).await;
    if via == Via::V1 {
        section.check(name("fill its address table"), 60, fill(node)).await;
    }
    section.check(name("addrv2 asked"), 30, addresses::asked(node, via, true, 20)).await;
    section.check(name("addr asked"), 30, addresses::asked(node, via, false, 20)).await;
    section.check(name("addresses to it"), 30, addresses_to_it(node, via)).await;
    section.check(name("byte counts, we dial"), 30, counts(node, via, dial(node, via))).await;
    section
        .check(name("byte counts, it dials"), 30, counts(node, via, be_dialled(node, via)))
        .await;
    if via == Via::V2 {
        section.check("v2 session id", 30, session_id(node)).await;
    }
    section.check(name("we disconnect"), 30, ending::ours(node, via)).await;
    section.check(name("it disconnects"), 30, disconnected(node, via)).await;
}

/// What it asks of us, which is what our statistics must then show.
async fn wishes(node: &Bitcoind, via: Via) -> Result<String> {
    let mut talk = dial(node, via).await?;
    // Knowing that we have its chain, it asks for announcements by headers.
    talk.show_tip(node.network().genesis).await?;
    talk.find("sendheaders", |message| matches!(message, Message::SendHeaders).then_some(()))
        .await?;
    let stats = talk.peer.stats();
    let wish = SendCmpct { announce: false, version: 2 };
    ensure!(stats.compact_blocks == Some(wish), "statistics: {:?}", stats.compact_blocks);
    ensure!(stats.prefers_headers, "statistics: no sendheaders");
    ensure!(stats.fee_filter.is_some_and(|rate| rate > 0), "statistics: {:?}", stats.fee_filter);
    Ok(format!("sendheaders, {wish:?}, feefilter {} sat/kvB", stats.fee_filter.unwrap_or(0)))
}

/// Puts addresses into its table; a getaddr is answered with 23 % of them.
async fn fill(node: &Bitcoind) -> Result<String> {
    let port = addresses::PORT.to_string();
    for entry in addresses::many(120)? {
        node.cli(&["addpeeraddress", &entry.peer.address.to_string(), &port]).await?;
    }
    Ok(format!("{} addresses", node.known_addresses().await?))
}

/// It dials us and asks for addresses; most of what we push ends in its table.
async fn addresses_to_it(node: &Bitcoind, via: Via) -> Result<String> {
    let before = node.known_addresses().await?;
    let mut talk = be_dialled(node, via).await?;
    talk.find("getaddr", |message| matches!(message, Message::GetAddr).then_some(())).await?;
    // Each transport pushes others, or the table would not grow the second time.
    let all = addresses::many(1_000)?;
    let (first, second) = all.split_at(500);
    let pushed = talk.peer.push_addr(if via == Via::V1 { first } else { second }).await?;
    talk.fence().await?;
    until("more addresses", async || Ok(node.known_addresses().await? >= before + 200)).await?;
    let after = node.known_addresses().await?;
    Ok(format!("pushed {}, its table grew from {before} to {after}", pushed.sent.len()))
}

/// Talks a while, then compares what it and we have counted on the same connection.
async fn counts(
    node: &Bitcoind,
    via: Via,
    opened: impl Future<Output = Result<Talk>>,
) -> Result<String> {
    let mut talk = opened.await?;
    ensure!(talk.is_v2() == (via == Via::V2), "the transport is {:?}", talk.peer.stats().transport);
    let headers = talk.headers(node.network().genesis).await?;
    let hashes: Vec<_> = headers.iter().rev().take(20).map(|header| header.block_hash()).collect();
    talk.blocks(&hashes).await?;
    talk.send(Message::MemPool).await?;
    talk.fence().await?;
    let us = talk.local_addr()?;
    let mut last = String::new();
    let same = until("equal counts", async || {
        let theirs = node.peer(us).await?.context("it does not know us")?;
        let ours = talk.peer.stats();
        last = differences(&theirs, &ours);
        Ok(last.is_empty())
    });
    same.await.with_context(|| last)?;
    let stats = talk.peer.stats();
    let rows = stats.sent.iter().count() + stats.received.iter().count();
    let (sent, received) = (stats.bytes_sent, stats.bytes_received);
    Ok(format!("{sent} bytes sent, {received} received, and {rows} rows by message: equal"))
}

fn differences(theirs: &Value, ours: &peerage::bitcoin::Stats) -> String {
    let mut found = Vec::new();
    let mut compare = |what: &str, theirs: &Value, ours: u64| {
        if theirs.as_u64().unwrap_or(0) != ours {
            found.push(format!("{what}: it counts {theirs}, we count {ours}"));
        }
    };
    compare("we sent", &theirs["bytesrecv"], ours.bytes_sent);
    compare("we received", &theirs["bytessent"], ours.bytes_received);
    for (what, field, rows) in [
        ("sent", "bytesrecv_per_msg", &ours.sent),
        ("received", "bytessent_per_msg", &ours.received),
    ] {
        for (kind, bytes) in by_name(rows) {
            compare(&format!("{kind} we {what}"), &theirs[field][kind.as_str()], bytes);
        }
    }
    found.join("; ")
}

fn by_name(rows: &Traffic<Kind>) -> Vec<(String, u64)> {
    rows.iter().map(|(kind, Count { bytes, .. })| (kind.to_string(), bytes)).collect()
}

/// Both ends tell the same session id, and no other connection has it.
async fn session_id(node: &Bitcoind) -> Result<String> {
    let mut seen = Vec::new();
    for mut talk in [dial(node, Via::V2).await?, be_dialled(node, Via::V2).await?] {
        talk.fence().await?;
        let Negotiated::V2 { session_id } = talk.peer.stats().transport else {
            bail!("not v2");
        };
        let ours: String = session_id.iter().map(|byte| format!("{byte:02x}")).collect();
        let theirs = node.peer(talk.local_addr()?).await?.context("it does not know us")?;
        ensure!(theirs["transport_protocol_type"] == "v2", "it says it is not v2");
        ensure!(theirs["session_id"] == ours, "its is {}, ours {ours}", theirs["session_id"]);
        seen.push(ours);
    }
    ensure!(seen[0] != seen[1], "two connections have the same");
    Ok(format!("{}..., {}...", &seen[0][..16], &seen[1][..16]))
}

async fn disconnected(node: &Bitcoind, via: Via) -> Result<String> {
    let mut talk = dial(node, via).await?;
    let us = talk.local_addr()?.to_string();
    ending::theirs(&mut talk, async { node.cli(&["disconnectnode", &us]).await.map(|_| ()) }).await
}

async fn stopped(node: &Bitcoind) -> Result<String> {
    let mut talk = dial(node, Via::V2).await?;
    let stop = async {
        node.cli(&["stop"]).await?;
        node.daemon.exit_cleanly().await
    };
    ending::theirs(&mut talk, stop).await
}

async fn killed(node: &Bitcoind) -> Result<String> {
    let mut talk = dial(node, Via::V1).await?;
    ending::theirs(&mut talk, node.daemon.kill()).await
}

/// Which transports a node is started with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Transports {
    V1,
    Both,
}

struct Bitcoind {
    daemon: Daemon,
    address: SocketAddr,
    cli: PathBuf,
    rpc: SocketAddr,
    folder: TempDir,
}

impl Bitcoind {
    async fn start(programs: &Programs, transports: Transports) -> Result<(Self, String)> {
        let (address, rpc, folder) = (free_address()?, free_address()?, folder()?);
        let v2 = if transports == Transports::Both { 1 } else { 0 };
        let mut command = Command::new(programs.get("bitcoind")?);
        command
            .args(["-regtest", "-daemon=0", "-server=1", "-listen=1", "-rpcbind=127.0.0.1"])
            .args(["-rpcallowip=127.0.0.1", "-peerbloomfilters=1", "-blockfilterindex=1"])
            .args(["-peerblockfilters=1", "-acceptnonstdtxn=1", "-debug=net"])
            // No dial may leave loopback.
            .args(["-connect=0", "-fixedseeds=0", "-dnsseed=0", "-listenonion=0"])
            .arg(format!("-bind={address}"))
            .arg(format!("-rpcport={}", rpc.port()))
            .arg(format!("-v2transport={v2}"))
            .arg(format!("-datadir={}", folder.path().display()));
        let daemon = Daemon::start("bitcoind", &mut command)?;
        let cli = programs.get("bitcoin-cli")?.to_owned();
        let node = Self { daemon, address, cli, rpc, folder };
        node.cli(&["-rpcwait", "-rpcwaittimeout=30", "getblockcount"]).await?;
        let tip = node.mine(BLOCKS).await?;
        // Filters are made in the background.
        until("the filter index", async || {
            let index: Value = node.json(&["getindexinfo", "basic block filter index"]).await?;
            Ok(index["basic block filter index"]["synced"] == true)
        })
        .await?;
        Ok((node, format!("listens on {address}, mined {BLOCKS} blocks up to {tip:.16}...")))
    }

    async fn cli(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.cli);
        command
            .arg("-regtest")
            .arg(format!("-datadir={}", self.folder.path().display()))
            .arg(format!("-rpcport={}", self.rpc.port()))
            .args(arguments);
        output(&mut command).await.with_context(|| format!("bitcoin-cli {arguments:?}"))
    }

    async fn json(&self, arguments: &[&str]) -> Result<Value> {
        Ok(serde_json::from_str(&self.cli(arguments).await?)?)
    }

    /// What it says of the connection whose other end is `us`.
    async fn peer(&self, us: SocketAddr) -> Result<Option<Value>> {
        let us = us.to_string();
        let Value::Array(peers) = self.json(&["getpeerinfo"]).await? else {
            bail!("getpeerinfo is no list");
        };
        Ok(peers.into_iter().find(|peer| peer["addr"] == us))
    }

    async fn known_addresses(&self) -> Result<u64> {
        let info = self.json(&["getaddrmaninfo"]).await?;
        info["all_networks"]["total"].as_u64().context("getaddrmaninfo tells no total")
    }
}

impl Node for Bitcoind {
    fn network(&self) -> Network {
        Network::regtest()
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    async fn dial_us(&self, us: SocketAddr, via: Via) -> Result<()> {
        let v2 = if via == Via::V2 { "true" } else { "false" };
        self.cli(&["addnode", &us.to_string(), "onetry", v2]).await.map(|_| ())
    }

    async fn mine(&self, count: u32) -> Result<BlockHash> {
        self.cli(&["generatetodescriptor", &count.to_string(), "raw(51)"]).await?;
        self.tip().await
    }

    async fn tip(&self) -> Result<BlockHash> {
        Ok(self.cli(&["getbestblockhash"]).await?.parse()?)
    }

    async fn submit(&self, tx: &Transaction) -> Result<()> {
        self.cli(&["sendrawtransaction", &serialize_hex(tx)]).await.map(|_| ())
    }

    async fn has_tx(&self, tx: &Transaction) -> Result<bool> {
        let txid = tx.compute_txid().to_string();
        let pool = self.json(&["getrawmempool"]).await?;
        Ok(pool.as_array().is_some_and(|pool| pool.iter().any(|known| *known == txid)))
    }

    async fn ping_us(&self) -> Result<()> {
        self.cli(&["ping"]).await.map(|_| ())
    }

    async fn has_pong(&self, us: SocketAddr) -> Result<bool> {
        let peer = self.peer(us).await?.context("it does not know us")?;
        Ok(peer["pingtime"].is_number() && peer["pingwait"].is_null())
    }

    async fn is_connected(&self, us: SocketAddr) -> Result<bool> {
        Ok(self.peer(us).await?.is_some())
    }
}
