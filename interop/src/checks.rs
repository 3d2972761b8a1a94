//! Conversations that are the same with every counterpart.

pub(crate) mod addresses;
pub(crate) mod blocks;
pub(crate) mod chain;
pub(crate) mod compact;
pub(crate) mod ending;
pub(crate) mod filters;
pub(crate) mod opening;
pub(crate) mod ping;
pub(crate) mod transactions;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Result, bail};
use bitcoin::{BlockHash, Transaction};
use peerage::bitcoin::types::Services;
use peerage::bitcoin::{Config, Network, V2};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use crate::talk::Talk;

/// Over which transport a check talks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    V1,
    V2,
}

impl Via {
    pub(crate) const BOTH: [Self; 2] = [Self::V1, Self::V2];
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        })
    }
}

/// A node, and how it is made to do things. What a counterpart cannot do it leaves out, and no check
/// asks it.
pub(crate) trait Node {
    /// Its network.
    fn network(&self) -> Network;
    /// Where it listens.
    fn address(&self) -> SocketAddr;
    /// Waits until another of our dials is welcome.
    async fn pace(&self, _via: Via) {}
    /// Makes it dial us.
    async fn dial_us(&self, _us: SocketAddr, _via: Via) -> Result<()> {
        bail!("it cannot be made to dial")
    }
    /// Makes it mine; returns the tip.
    async fn mine(&self, _count: u32) -> Result<BlockHash> {
        bail!("it cannot mine")
    }
    /// Its tip.
    async fn tip(&self) -> Result<BlockHash> {
        bail!("it has no chain")
    }
    /// Makes it accept and announce a transaction.
    async fn submit(&self, tx: &Transaction) -> Result<()>;
    /// Whether the transaction is in its memory pool.
    async fn has_tx(&self, _tx: &Transaction) -> Result<bool> {
        bail!("it has no memory pool")
    }
    /// Makes it ping its peers.
    async fn ping_us(&self) -> Result<()> {
        bail!("it cannot be made to ping")
    }
    /// Whether it says that we have answered its ping.
    async fn has_pong(&self, _us: SocketAddr) -> Result<bool> {
        bail!("it does not tell")
    }
    /// Whether it counts us among its peers.
    async fn is_connected(&self, us: SocketAddr) -> Result<bool>;
    /// Whether it listens to what we announce.
    async fn is_attentive(&self, us: SocketAddr) -> Result<bool> {
        self.is_connected(us).await
    }
}

/// What we say of ourselves to this node.
pub(crate) fn config(node: &impl Node, via: Via) -> Config {
    config_of(node.network(), if via == Via::V2 { V2::Required } else { V2::Off })
}

/// What we say of ourselves on a network.
pub(crate) fn config_of(network: Network, v2: V2) -> Config {
    let mut config = Config::new(network)
        .user_agent("peerage-interop", "0.1.0", &[])
        .expect("a plain name and version");
    config.identity.services = Services::NETWORK | Services::WITNESS;
    // Checks wait for what they announce.
    config.engine.trickle_inbound = Duration::ZERO;
    config.engine.trickle_outbound = Duration::ZERO;
    config.v2 = v2;
    config
}

/// Dials a node.
pub(crate) async fn dial(node: &impl Node, via: Via) -> Result<Talk> {
    dial_with(node, via, |_| {}).await
}

/// Dials a node with a changed configuration.
pub(crate) async fn dial_with(
    node: &impl Node,
    via: Via,
    change: impl FnOnce(&mut Config),
) -> Result<Talk> {
    node.pace(via).await;
    let mut config = config(node, via);
    change(&mut config);
    Talk::dial(node.address(), &config).await
}

/// Waits until a node listens to what we announce.
pub(crate) async fn be_heard(node: &impl Node, talk: &mut Talk) -> Result<()> {
    talk.fence().await?;
    let us = talk.local_addr()?;
    until("it listens to us", async || node.is_attentive(us).await).await
}

/// Makes a node dial us.
pub(crate) async fn be_dialled(node: &impl Node, via: Via) -> Result<Talk> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let us = listener.local_addr()?;
    let config = config(node, via);
    let (dialled, accepted) = tokio::join!(node.dial_us(us, via), Talk::accept(&listener, &config));
    dialled?;
    accepted
}

/// The beginning of a hash.
pub(crate) fn brief(hash: impl fmt::Display) -> String {
    format!("{:.16}...", hash.to_string())
}

/// Asks until the answer is yes.
pub(crate) async fn until(what: &str, mut ask: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !ask().await? {
        if Instant::now() > deadline {
            bail!("{what}: not within 20 s");
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
