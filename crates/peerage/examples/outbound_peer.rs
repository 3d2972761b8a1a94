//! Dials a peer, looks at what it says of itself, and accepts or refuses it.
//!
//! ```text
//! cargo run --example outbound_peer -- 127.0.0.1:18444
//! ```
#![allow(clippy::print_stdout)] // it is what an example is for

use peerage::bitcoin::types::Services;
use peerage::bitcoin::{self, Config, Listener, Refusal, Remote};

/// Wants peers that serve whole blocks.
struct FullNodesOnly;

impl Listener for FullNodesOnly {
    fn on_version(&mut self, remote: &Remote) -> Result<(), Refusal> {
        println!("{} at height {} offers {}", remote.user_agent, remote.height, remote.services);
        if remote.services.contains(Services::NETWORK | Services::WITNESS) {
            Ok(())
        } else {
            Err(Refusal::new("we need whole blocks"))
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let target = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:18444".into());
    let config = Config::regtest().user_agent("outbound-peer", "1.0", &["example"])?;

    let peer = bitcoin::connect_with(target, &config, || FullNodesOnly).await?;
    println!("connected, protocol version {}", peer.remote().agreed);

    peer.disconnect();
    println!("{}", peer.closed().await);
    Ok(())
}
