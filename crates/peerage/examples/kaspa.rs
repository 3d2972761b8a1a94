//! Asks a Kaspa node for addresses and fetches the blocks that it announces: kaspad with `--simnet`,
//! or `peerage listen kaspa://127.0.0.1 --serve 10`.
//!
//! ```text
//! cargo run --example kaspa --features kaspa [HOST:PORT] [BLOCKS]
//! ```
#![allow(clippy::print_stdout)] // it is what an example is for

use std::error::Error;

use peerage::kaspa::message::{InvRelayBlock, RequestAddresses, RequestRelayBlocks};
use peerage::kaspa::{Config, Listener, Message, Peer, connect_with};
use tokio::sync::mpsc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let target = args.next().unwrap_or_else(|| "127.0.0.1:16511".into());
    let count: usize = args.next().map_or(Ok(10), |count| count.parse())?;

    let (sender, mut announced) = mpsc::channel(256);
    let peer = connect_with(target, &Config::simnet(), Announcements(sender)).await?;
    println!("{} speaks version {}", peer.remote().user_agent, peer.remote().agreed);
    let known = peer.request(RequestAddresses::default()).await?;
    println!("it knows {} addresses", known.addresses.len());

    for _ in 0..count {
        let hash = announced.recv().await.ok_or("the connection has ended")?;
        let mut blocks = peer.request(RequestRelayBlocks { hashes: vec![hash] }).await?;
        // That the block has this hash is checked.
        let block = blocks.next().await.ok_or("there is no answer")??;
        let score = block.header.as_ref().map_or(0, |header| header.daa_score);
        println!("block {hash} at {score} with {} transactions", block.transactions.len());
    }
    peer.disconnect();
    println!("ended: {}", peer.closed().await);
    Ok(())
}

/// Passes announced blocks on; one that finds no room is missed.
struct Announcements(mpsc::Sender<peerage::kaspa::types::Hash>);

impl Listener for Announcements {
    fn on_inv_relay_block(&mut self, _: &Peer, _: &Message, inv: &InvRelayBlock) {
        inv.hash.inspect(|hash| _ = self.0.try_send(*hash));
    }
}
