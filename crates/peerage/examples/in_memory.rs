//! Two peers in one process, over a pipe: no socket, the same protocol.
//!
//! ```text
//! cargo run --example in_memory
//! ```
#![allow(clippy::print_stdout)] // it is what an example is for

use peerage::bitcoin::{self, Config, Event, Message};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Two configurations: connections of the same one would take each other for themselves.
    let alices = Config::regtest().user_agent("alice", "1.0", &[])?;
    let bobs = Config::regtest().user_agent("bob", "1.0", &[])?;

    let (one_end, other_end) = tokio::io::duplex(64 << 10);
    let ((alice, _), (bob, mut events)) =
        tokio::try_join!(bitcoin::initiate(one_end, &alices), bitcoin::accept(other_end, &bobs),)?;
    println!("bob met {}", bob.remote().user_agent);

    alice.send(&Message::MemPool).await?;
    if let Some(Event::Message(message)) = events.next().await {
        println!("bob received {message:?}");
    }

    drop(alice);
    println!("bob: {}", bob.closed().await);
    Ok(())
}
