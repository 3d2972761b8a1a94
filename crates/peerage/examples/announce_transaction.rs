//! Announces a transaction, and hands it over when the peer asks for it.
//!
//! ```text
//! cargo run --example announce_transaction -- 127.0.0.1:18444 0200000001…
//! ```
#![allow(clippy::print_stdout)] // it is what an example is for

use std::time::Duration;

use ::bitcoin::consensus::encode::deserialize_hex;
use peerage::bitcoin::message::Tx;
use peerage::bitcoin::types::InventoryItem;
use peerage::bitcoin::{self, Config, Event, Message};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let usage = "give a peer, and a signed transaction in hexadecimal";
    let mut args = std::env::args().skip(1);
    let target = args.next().ok_or(usage)?;
    let tx = Tx::try_from(&deserialize_hex(&args.next().ok_or(usage)?)?)?;

    // A peer that knows the transaction already will not ask.
    let handed_over = tokio::time::timeout(Duration::from_secs(60), announce(target, tx));
    handed_over.await.map_err(|_| "the peer does not want it")?
}

async fn announce(target: String, tx: Tx) -> Result<(), Box<dyn std::error::Error>> {
    let (peer, mut events) = bitcoin::connect(target, &Config::regtest()).await?;
    let item = match peer.remote().wtxid_relay {
        true => InventoryItem::wtx(tx.wtxid()),
        false => InventoryItem::tx(tx.txid()),
    };
    peer.announce(&[item]);
    println!("announced {}", tx.txid());

    while let Some(event) = events.next().await {
        match event {
            Event::Message(Message::GetData(list)) if list.iter().any(|i| i.hash == item.hash) => {
                // The second await: until the last byte is written.
                peer.send_tracked(&Message::Tx(tx)).await?.await?;
                println!("handed over");
                return Ok(());
            }
            Event::Disconnected(reason) => return Err(reason.into()),
            _ => {}
        }
    }
    unreachable!("the last event is Disconnected")
}
