//! Accepts peers, and shows what they say until they leave.
//!
//! ```text
//! cargo run --example inbound_peer -- 127.0.0.1:18444
//! ```
#![allow(clippy::print_stdout)] // it is what an example is for

use std::time::Duration;

use peerage::bitcoin::{self, Config, Event, OpenError};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:18444".into());
    let config = Config::regtest().user_agent("inbound-peer", "1.0", &["example"])?;

    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let config = config.clone();
                tokio::spawn(async move {
                    if let Err(error) = serve(stream, &config).await {
                        println!("no connection: {error}");
                    }
                });
            }
            // Too many open files, most likely: some of them will be closed.
            Err(error) => {
                println!("cannot accept: {error}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, config: &Config) -> Result<(), OpenError> {
    let (peer, mut events) = bitcoin::accept(stream, config).await?;
    println!("peer {}: {}", peer.id(), peer.remote().user_agent);
    while let Some(event) = events.next().await {
        match event {
            Event::Message(message) => println!("peer {}: {message:?}", peer.id()),
            Event::Disconnected(reason) => println!("peer {}: {reason}", peer.id()),
            _ => {}
        }
    }
    Ok(())
}
