//! bcoin: an old-style node of protocol 70015, without v2.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::{BlockHash, Transaction};
use peerage::bitcoin::{
    DisconnectReason, Listener, Network, OpenError, Refusal, Remote, Retry, V2,
};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::checks::blocks::{self, How};
use crate::checks::{Node, Via, addresses, be_dialled, chain, compact, config_of, dial, ending};
use crate::checks::{opening, ping, transactions};
use crate::daemon::{Daemon, Programs, free_address};
use crate::mint::Purse;
use crate::report::Section;
use crate::talk::Talk;

/// Mined at the start: enough for segwit to be active, which takes three periods of 144 blocks.
const BLOCKS: u32 = 505;

/// Its coinbases pay to the hash of the script OP_TRUE, which this input script shows.
const SCRIPT_SIG: [u8; 2] = [0x01, 0x51];

/// Everything that is checked with it.
pub(crate) async fn run(programs: &Programs) -> Section {
    let mut section = Section::new("bcoin");
    let started = section.step("starts", 60, Bcoin::start(programs)).await;
    let Some(node) = started else { return section };
    section.watch(node.daemon.log());
    let coins = chain::coins(&node, &SCRIPT_SIG);
    let Some(purse) = section.step("mines, splits a coin", 60, coins).await else { return section };
    if let Some(version) = section.step("tells its version", 10, opening::version(&node)).await {
        section.set_version(version);
    }
    converse(&mut section, &node, &purse).await;
    section.check("v1 orderly end: stop", 30, stopped(&node)).await;
    drop(node);
    // Bad conduct bans all of loopback, so what follows has a process of its own.
    let started = section.step("starts again", 60, Bcoin::start(programs)).await;
    let Some(node) = started else { return section };
    section.watch(node.daemon.log());
    section.check("v2 we prefer, it has only v1", 60, no_v2(&node)).await;
    section.check("v1 abrupt end: killed", 30, killed(&node)).await;
    section
}

async fn converse(section: &mut Section, node: &Bcoin, purse: &Purse) {
    let via = Via::V1;
    section.check("v1 we dial", 30, opening::we_dial(node, via)).await;
    section.check("v1 it dials", 30, opening::they_dial(node, via)).await;
    section.check("v1 we ping", 30, ping::we_ping(node, via)).await;
    section.check("v1 headers and 200 blocks", 60, chain::headers_and_blocks(node, via)).await;
    section.check("v1 tx announced to us", 60, transactions::theirs(node, purse, via)).await;
    section.check("v1 tx announced by us", 60, transactions::ours(node, purse, via)).await;
    section.check("v1 mempool", 60, transactions::memory_pool(node, purse, via)).await;
    for how in [How::Inv, How::Headers, How::Compact] {
        let check = format!("v1 new block by {how:?}");
        section.check(check, 60, blocks::theirs(node, via, how)).await;
    }
    section.check("v1 new block of ours", 60, blocks::ours(node, purse, via)).await;
    section.check("v1 compact block announced", 60, compact::announced(node, purse, via)).await;
    section.check("v1 compact block asked", 60, compact::on_request(node, purse, via)).await;
    section.check("v1 bloom filter, merkleblock", 60, blocks::filtered(node, purse, via)).await;
    section.check("v1 fill its address table", 30, fill(node)).await;
    section.check("v1 addr asked", 30, addresses::asked(node, via, true, 100)).await;
    section.check("v1 reject of a bad tx", 60, rejected(node, purse)).await;
    section.check("v1 we refuse it", 30, refused(node)).await;
    let versions = [70_001, 70_012, 70_015];
    section.check("v1 old versions", 30, opening::old_versions(node, &versions)).await;
    section.check("v1 we disconnect", 30, ending::ours(node, via)).await;
}

async fn fill(node: &Bcoin) -> Result<String> {
    let hosts = node.ask("addr 300", "hosts").await?;
    Ok(format!("{} addresses", hosts["count"]))
}

async fn rejected(node: &Bcoin, purse: &Purse) -> Result<String> {
    let reject = transactions::rejected(node, purse, Via::V1).await?;
    node.ask("unban", "unbanned").await?;
    Ok(reject)
}

/// It dials us and we do not want it: a peer of its time is told why.
async fn refused(node: &Bcoin) -> Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let us = listener.local_addr()?;
    let mark = node.daemon.log().len();
    let accept = async {
        let (stream, _) = listener.accept().await?;
        let config = config_of(node.network(), V2::Off);
        match peerage::bitcoin::accept_with(stream, &config, Picky).await {
            Ok(_) => bail!("we opened the connection"),
            Err(error) => Ok(error),
        }
    };
    let (dialled, error) = tokio::join!(node.dial_us(us, Via::V1), accept);
    dialled?;
    let error = error?;
    let refused = matches!(
        error,
        OpenError::Ended { reason: DisconnectReason::Refused(_), retry: Retry::Never }
    );
    ensure!(refused, "the error is {error:?}");
    let told = node.daemon.event(mark, "packet", |event| event["command"] == "reject").await?;
    ensure!(told["rejected"] == "version", "it was told {told}");
    Ok(format!("{error}; it was told {}", told["reason"]))
}

/// Wants nobody.
struct Picky;

impl Listener for Picky {
    fn on_version(&mut self, _remote: &Remote) -> Result<(), Refusal> {
        Err(Refusal::new("not today"))
    }
}

/// It answers a v2 key with a v1 `version`, so nobody may dial it again with v1 by himself; and it
/// bans whoever sends it what it takes for garbage.
async fn no_v2(node: &Bcoin) -> Result<String> {
    let mark = node.daemon.log().len();
    let mut config = config_of(node.network(), V2::Preferred);
    // If our garbage is short it neither goes on nor hangs up.
    config.engine.opening_timeout = Duration::from_secs(5);
    let seen = match Talk::dial(node.address, &config).await {
        Ok(_) => bail!("the opening succeeded"),
        Err(error) => match error.downcast_ref::<OpenError>() {
            Some(open) if open.retry() != Retry::WithV1 => format!("{open}"),
            _ => return Err(error),
        },
    };
    let banned = node.daemon.log().count(mark, |line| line.contains("\"ban\"")) > 0;
    node.ask("unban", "unbanned").await?;
    let mut talk = dial(node, Via::V1).await?;
    talk.fence().await?;
    Ok(format!("{seen}{}; v1 works", if banned { ", and it banned us" } else { "" }))
}

async fn stopped(node: &Bcoin) -> Result<String> {
    let mut talk = dial(node, Via::V1).await?;
    let stop = async {
        node.ask("stop", "stopped").await?;
        node.daemon.exit_cleanly().await
    };
    ending::theirs(&mut talk, stop).await
}

async fn killed(node: &Bcoin) -> Result<String> {
    let mut talk = be_dialled(node, Via::V1).await?;
    ending::theirs(&mut talk, node.daemon.kill()).await
}

struct Bcoin {
    daemon: Daemon,
    address: SocketAddr,
}

impl Bcoin {
    async fn start(programs: &Programs) -> Result<(Self, String)> {
        let address = free_address()?;
        let mut command = Command::new(programs.get("bcoin")?);
        command.arg(address.port().to_string());
        let node = Self { daemon: Daemon::start("bcoin", &mut command)?, address };
        // Before this it does not listen to commands.
        node.daemon.event(0, "tip", |_| true).await?;
        let tip = node.mine(BLOCKS).await?;
        Ok((node, format!("listens on {address}, mined {BLOCKS} blocks up to {tip:.16}...")))
    }

    /// Says a command and waits for its answer.
    async fn ask(&self, command: &str, answer: &str) -> Result<Value> {
        let mark = self.daemon.log().len();
        self.daemon.say(command).await?;
        let said = |event: &Value| event["event"] == answer || event["event"] == "error";
        let event = self
            .daemon
            .log()
            .find(mark, |line| serde_json::from_str::<Value>(line).ok().filter(said));
        let event = event.await.with_context(|| format!("bcoin: {command:.20}"))?;
        if event["event"] == "error" {
            bail!("bcoin: {command:.20}: {}", event["error"]);
        }
        Ok(event)
    }
}

impl Node for Bcoin {
    fn network(&self) -> Network {
        Network::regtest()
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    async fn dial_us(&self, us: SocketAddr, via: Via) -> Result<()> {
        ensure!(via == Via::V1, "it has no v2");
        self.daemon.say(&format!("connect {us}")).await
    }

    async fn mine(&self, count: u32) -> Result<BlockHash> {
        let mined = self.ask(&format!("mine {count}"), "mined").await?;
        hash_of(&mined)
    }

    async fn tip(&self) -> Result<BlockHash> {
        hash_of(&self.ask("tip", "tip").await?)
    }

    async fn submit(&self, tx: &Transaction) -> Result<()> {
        self.ask(&format!("tx {}", serialize_hex(tx)), "sent tx").await.map(|_| ())
    }

    async fn has_tx(&self, tx: &Transaction) -> Result<bool> {
        let txid = tx.compute_txid().to_string();
        Ok(self.daemon.log().count(0, |line| {
            let event: Value = serde_json::from_str(line).unwrap_or_default();
            event["event"] == "tx" && event["txid"] == txid
        }) > 0)
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
        Ok(log.count(0, of("peer open")) > log.count(0, of("peer close")))
    }
}

fn hash_of(event: &Value) -> Result<BlockHash> {
    Ok(event["hash"].as_str().context("the event has a hash")?.parse()?)
}
