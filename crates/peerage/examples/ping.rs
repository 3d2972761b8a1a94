//! Pings a peer and waits for its pong.
//!
//! ```text
//! cargo run --example ping -- 127.0.0.1:18444
//! ```
#![allow(clippy::print_stdout)] // it is what an example is for

use peerage::bitcoin::message::Ping;
use peerage::bitcoin::{self, Config, Event, Message};
use tokio::time::Instant;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let target = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:18444".into());
    let (peer, mut events) = bitcoin::connect(target, &Config::regtest()).await?;

    let nonce = 2009;
    let sent = Instant::now();
    peer.send(&Message::Ping(Ping { nonce: Some(nonce) })).await?;

    while let Some(event) = events.next().await {
        match event {
            Event::Message(Message::Pong(pong)) if pong.nonce == nonce => {
                println!("{} answered in {:?}", peer.remote().user_agent, sent.elapsed());
                return Ok(());
            }
            Event::Disconnected(reason) => return Err(reason.into()),
            _ => {}
        }
    }
    unreachable!("the last event is Disconnected")
}
