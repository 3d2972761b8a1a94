//! Where to listen: the library tells no address, and its server task panics when it cannot listen.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use tokio::net::TcpStream;

/// The address itself, or with a free port in place of port 0.
pub(crate) fn free(address: &str) -> Result<SocketAddr, String> {
    let told = || TcpListener::bind(address)?.local_addr();
    told().map_err(|error| format!("cannot listen on {address}: {error}"))
}

/// Waits until the library's server, which starts in the background, accepts connections.
pub(crate) async fn reached(address: SocketAddr) -> Result<(), String> {
    for _ in 0..500 {
        if TcpStream::connect(address).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(format!("cannot listen on {address}"))
}
