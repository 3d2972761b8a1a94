//! Dials a peer through a SOCKS5 proxy such as Tor; the proxy looks the name up, we never do.
//!
//! ```text
//! cargo run --example socks_proxy -- 127.0.0.1:9050 example.onion:18444
//! ```
#![allow(clippy::print_stdout)] // it is what an example is for

use peerage::bitcoin::{self, Config, Socks5, Target};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let usage = "give the proxy's address, and a peer";
    let mut args = std::env::args().skip(1);
    let proxy: Target = args.next().ok_or(usage)?.parse()?;
    let target = args.next().ok_or(usage)?;

    let mut config = Config::regtest();
    // Tor then uses another circuit for each connection.
    config.proxy = Some(Socks5::isolated(proxy));

    let (peer, _events) = bitcoin::connect(target, &config).await?;
    println!("connected to {}", peer.remote().user_agent);
    Ok(())
}
