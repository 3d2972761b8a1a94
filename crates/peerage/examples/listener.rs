//! Follows what a peer announces, with callbacks in place of an event stream.
//!
//! ```text
//! cargo run --example listener -- 127.0.0.1:18444
//! ```
#![allow(clippy::print_stdout)] // it is what an example is for

use peerage::bitcoin::message::{Block, Inventory, Tx};
use peerage::bitcoin::types::InventoryItem;
use peerage::bitcoin::{self, Config, Kind, Listener, Malformed, Message, Peer, State};

/// Asks for everything that is announced; counts the bytes.
#[derive(Default)]
struct Follower {
    bytes: usize,
}

impl Listener for Follower {
    const WIRE: bool = true;

    fn on_inv(&mut self, peer: &Peer, inv: Inventory) {
        let with_witness =
            |item: InventoryItem| item.block_hash().map_or(item, InventoryItem::witness_block);
        let wanted: Vec<_> = inv.iter().map(with_witness).collect();
        let wanted = Inventory::new(&wanted).expect("there are no more than were announced");
        // One answer to one message always finds room; a peer that is gone needs none.
        let _ = peer.try_send(&Message::GetData(wanted));
    }

    fn on_block(&mut self, _peer: &Peer, block: Block) {
        println!("block {} with {} transactions", block.hash(), block.tx_count());
    }

    fn on_tx(&mut self, _peer: &Peer, tx: Tx) {
        println!("transaction {}", tx.txid());
    }

    fn on_state(&mut self, _peer: &Peer, state: State) {
        if let State::Disconnected(reason) = state {
            println!("{reason}, after {} bytes", self.bytes);
        }
    }

    fn on_read(&mut self, _kind: Option<Kind>, bytes: usize, _error: Option<&Malformed>) {
        self.bytes += bytes;
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let target = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:18444".into());
    let peer = bitcoin::connect_with(target, &Config::regtest(), Follower::default).await?;
    println!("following {}", peer.remote().user_agent);
    peer.closed().await;
    Ok(())
}
