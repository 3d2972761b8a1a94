//! Fetches a block by its hash and checks that its transactions are the ones it commits to.
//!
//! ```text
//! cargo run --example fetch_block -- 127.0.0.1:18444 \
//!     0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206
//! ```
#![allow(clippy::print_stdout)] // it is what an example is for

use peerage::bitcoin::message::{Block, Inventory};
use peerage::bitcoin::types::InventoryItem;
use peerage::bitcoin::{self, BlockHash, Config, Event, Message, Network};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let target = args.next().unwrap_or_else(|| "127.0.0.1:18444".into());
    let hash = match args.next() {
        Some(hash) => hash.parse()?,
        None => Network::regtest().genesis,
    };

    let block = fetch(target, hash).await?;
    println!("{} bytes, {} transactions", block.bytes().len(), block.tx_count());
    for tx in block.transactions() {
        println!("  {}", tx.txid());
    }
    let sound = block.check_merkle_root() && block.check_witness_commitment();
    if sound { Ok(()) } else { Err("the transactions are not those of the header".into()) }
}

async fn fetch(target: String, hash: BlockHash) -> Result<Block, Box<dyn std::error::Error>> {
    let (peer, mut events) = bitcoin::connect(target, &Config::regtest()).await?;
    let wanted = Inventory::new(&[InventoryItem::witness_block(hash)])?;
    peer.send(&Message::GetData(wanted)).await?;

    while let Some(event) = events.next().await {
        match event {
            Event::Message(Message::Block(block)) if block.hash() == hash => return Ok(block),
            Event::Message(Message::NotFound(_)) => return Err("the peer does not have it".into()),
            Event::Disconnected(reason) => return Err(reason.into()),
            _ => {}
        }
    }
    unreachable!("the last event is Disconnected")
}
