//! Asks a peer that speaks legacy Kaspa for a block: a kaspad v0.5.0 that runs with `--simnet` at the
//! given address, or a little node of our own on this machine.
//!
//! ```text
//! cargo run --example kaspa_legacy --features kaspa-legacy [HOST:PORT]
//! ```
#![allow(clippy::print_stdout)] // an example shows what it does

use std::error::Error;

use peerage::kaspa_legacy::message::{Block, GetBlockInvs, Header, Inventory};
use peerage::kaspa_legacy::types::InventoryItem;
use peerage::kaspa_legacy::{Config, Listener, Message, Peer, accept_with, connect};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let node = TcpListener::bind("127.0.0.1:0").await?;
    let target = std::env::args().nth(1).unwrap_or(node.local_addr()?.to_string());
    tokio::spawn(async move {
        let (stream, _) = node.accept().await?;
        let block = Block::new(&Header::default(), []).expect("a small block");
        let tip = block.hash();
        let config = Config::simnet().selected_tip(move || tip);
        let peer = accept_with(stream, &config, Node(block)).await.expect("it is our example");
        std::io::Result::Ok(peer.closed().await)
    });

    let config = Config::simnet().user_agent("example", "1.0", &[])?;
    let (peer, mut events) = connect(target.as_str(), &config).await?;
    println!("{} at {}", peer.remote().user_agent, peer.remote().selected_tip);
    let genesis = config.identity.network.genesis;
    peer.push_getblockinvs(genesis, peer.remote().selected_tip).await?;
    loop {
        match events.message().await? {
            Message::Inv(blocks) => peer.send(&Message::GetData(blocks)).await?,
            Message::Block(block) => break println!("block {}", block.hash()),
            Message::Reject(reject) => return Err(format!("{reject:?}").into()),
            _ => {}
        }
    }
    Ok(())
}

/// A node that knows one block.
struct Node(Block);

impl Listener for Node {
    fn on_getblockinvs(&mut self, peer: &Peer, _: GetBlockInvs) {
        let inv = Inventory::new(&[InventoryItem::sync_block(self.0.hash())]).expect("one block");
        let _ = peer.try_send(&Message::Inv(inv)); // one answer a message always finds room
    }

    fn on_getdata(&mut self, peer: &Peer, _: Inventory) {
        let _ = peer.try_send(&Message::Block(self.0.clone()));
    }
}
