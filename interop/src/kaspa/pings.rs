//! Pings, both ways.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use peerage::kaspa::message::Ping;
use peerage::kaspa::{Direction, Payload};

use super::{Pair, config_with, open};
use crate::checks::until;
use crate::daemon::Programs;

/// So many pings of ours, and one of its own.
pub(crate) async fn both_ways(pair: &mut Pair, count: u64) -> Result<String> {
    let Pair { node, talk } = pair;
    for nonce in 1..=count {
        talk.send(Payload::Ping(Ping { nonce })).await?;
        talk.request("pong", |payload| match payload {
            Payload::Pong(pong) if pong.nonce == nonce => Some(()),
            _ => None,
        })
        .await?;
    }
    let mark = node.mark();
    node.say("ping").await?;
    let (_, nonce) = talk
        .request("ping", |payload| match payload {
            Payload::Ping(ping) => Some(ping.nonce),
            _ => None,
        })
        .await?;
    talk.fence().await?;
    let pong = node.got(mark, "Pong").await?;
    ensure!(pong["nonce"] == nonce, "it sent {nonce} and got {pong}");
    Ok(format!("{count} of ours, one of its own"))
}

/// The pings that are sent without being told to.
pub(crate) async fn by_themselves(programs: &Programs) -> Result<String> {
    let config = config_with(|config| config.engine.ping_interval = Duration::from_millis(50));
    let Pair { node, talk } = open(programs, Direction::Outbound, &[], &config).await?;
    node.got_all(0, "Ping", 5).await?;
    until("a round trip", async || Ok(talk.peer.stats().ping.min.is_some())).await?;
    let ping = talk.peer.stats().ping.last.context("a round trip is known")?;
    ensure!(talk.peer.close_reason().is_none(), "it ended: {:?}", talk.peer.close_reason());
    Ok(format!("5, the last took {ping:?}"))
}
