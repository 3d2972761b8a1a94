//! Today's Kaspa: one connection with kaspa-p2p-lib, in either direction, and what is said on it.

pub(crate) mod addresses;
pub(crate) mod blocks;
pub(crate) mod ending;
pub(crate) mod headers;
pub(crate) mod node;
pub(crate) mod opening;
pub(crate) mod pings;
pub(crate) mod pruning;
pub(crate) mod refused;
pub(crate) mod statistics;
pub(crate) mod talk;
pub(crate) mod transactions;
pub(crate) mod trusted;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result};
use peerage::kaspa::types::Hash;
use peerage::kaspa::{Config, Direction, OpenError, UserAgent};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::daemon::Programs;
use node::Node;
use talk::Talk;

/// Both ways of dialling.
pub(crate) const DIRECTIONS: [Direction; 2] = [Direction::Outbound, Direction::Inbound];

/// Who dials, in the words of a check's name.
pub(crate) const fn words(direction: Direction) -> &'static str {
    match direction {
        Direction::Outbound => "we dial",
        Direction::Inbound => "it dials",
    }
}

/// One established connection, from both ends.
pub(crate) struct Pair {
    pub(crate) node: Node,
    pub(crate) talk: Talk,
}

/// What we say of ourselves.
pub(crate) fn config() -> Config {
    config_with(|_| {})
}

/// The same, changed.
pub(crate) fn config_with(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::simnet();
    config.identity.user_agent =
        UserAgent::new("peerage-interop", "0.1.0", &[]).expect("a plain name and version");
    config.identity.version = 11;
    // Checks wait for what they announce.
    config.engine.trickle_inbound = Duration::ZERO;
    config.engine.trickle_outbound = Duration::ZERO;
    change(&mut config);
    config
}

/// Opens a connection to a node that was started with these options.
pub(crate) async fn open(
    programs: &Programs,
    direction: Direction,
    options: &[&str],
    config: &Config,
) -> Result<Pair> {
    let (node, opened) = try_open(programs, direction, options, config).await?;
    let pair = Pair { node, talk: opened? };
    pair.node.event(0, "established", |_| true).await?;
    Ok(pair)
}

/// As [`open`], when it may be that the connection does not open.
pub(crate) async fn try_open(
    programs: &Programs,
    direction: Direction,
    options: &[&str],
    config: &Config,
) -> Result<(Node, Result<Talk, OpenError>)> {
    match direction {
        Direction::Outbound => {
            let node = Node::listen(programs, options).await?;
            let opened = Talk::dial(node.address, config).await;
            Ok((node, opened))
        }
        Direction::Inbound => {
            let (listener, us) = listen().await?;
            let node = Node::dial(programs, us, options)?;
            let opened = Talk::accept(&listener, config).await?;
            Ok((node, opened))
        }
    }
}

/// A listener of ours on a free port.
pub(crate) async fn listen() -> Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let us = listener.local_addr()?;
    Ok((listener, us))
}

/// A hash that an event tells.
pub(crate) fn hash_of(event: &Value, key: &str) -> Result<Hash> {
    let text = event[key].as_str().with_context(|| format!("no {key} in {event}"))?;
    Ok(text.parse()?)
}

/// A made-up hash.
pub(crate) fn made_up(number: usize) -> Hash {
    let mut bytes = [0xa5; 32];
    bytes[..8].copy_from_slice(&(number as u64).to_le_bytes());
    Hash::from_bytes(bytes)
}
