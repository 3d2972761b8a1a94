//! Pings, both ways.

use anyhow::{Result, ensure};
use peerage::bitcoin::message::Ping;
use peerage::bitcoin::{Kind, Message};

use super::{Node, Via, dial, until};

/// How many pings are sent at once. With v2 both sides change their keys every 224 packets.
const PINGS: u64 = 500;

/// Our pings are answered, in their order and with their nonces.
pub(crate) async fn we_ping(node: &impl Node, via: Via) -> Result<String> {
    let mut talk = dial(node, via).await?;
    let nonces = || (0..PINGS).map(|number| u64::MAX - number);
    for nonce in nonces() {
        talk.send(Message::Ping(Ping { nonce: Some(nonce) })).await?;
    }
    for nonce in nonces() {
        let pong = talk.find("pong", |message| match message {
            Message::Pong(pong) => Some(pong.nonce),
            _ => None,
        });
        let pong = pong.await?;
        ensure!(pong == nonce, "a pong of {pong} where {nonce} was due");
    }
    Ok(format!("answered {PINGS} pings in their order"))
}

/// Its ping is answered, and it says so.
pub(crate) async fn they_ping(node: &impl Node, via: Via) -> Result<String> {
    let mut talk = dial(node, via).await?;
    talk.fence().await?;
    let us = talk.local_addr()?;
    node.ping_us().await?;
    talk.find("ping", |message| matches!(message, Message::Ping(_)).then_some(())).await?;
    // Pongs leave when what came before their ping has been taken: take what there is.
    talk.fence().await?;
    until("its statistics show our pong", async || node.has_pong(us).await).await?;
    Ok(format!("pinged; we sent {} pong(s)", talk.peer.stats().sent.get(Kind::Pong).messages))
}
