//! kaspa-p2p makes kaspa-p2p-lib, the peer-to-peer code of kaspad, a counterpart for tests.
//!
//! ```text
//! kaspa-p2p listen ADDR [--network NAME] [--version 10|11] [--id HEX32] [--user-agent TEXT]
//!                       [--address IP:PORT] [--relay]
//! kaspa-p2p dial   ADDR ...
//! ```
//!
//! It prints one JSON line for each event and follows one command for each line of its standard
//! input; the list of both is in `interop/README.md`. It has no consensus and no mempool: it opens
//! connections, routes messages and answers as kaspad 2.1.0 does, from a chain that it makes up.

mod answers;
mod asking;
mod chain;
mod commands;
mod connection;
mod describe;
mod endings;
mod events;
mod flows;
mod node;
mod samples;
mod settings;
mod streams;

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use kaspa_p2p_lib::Adaptor;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::events::{emit, fields};
use crate::node::{Node, Opener};
use crate::settings::Settings;

const USAGE: &str = "usage: kaspa-p2p listen|dial ADDR [--network NAME] [--version 10|11]
                 [--id HEX32] [--user-agent TEXT] [--address IP:PORT] [--relay]";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (Some(mode), Some(address)) = (args.next(), args.next()) else { return usage("") };
    let settings = match Settings::parse(args) {
        Ok(settings) => settings,
        Err(error) => return usage(&error),
    };
    let runtime = Runtime::new().expect("threads can be started");
    let done = match mode.as_str() {
        "listen" => runtime.block_on(listen(settings, &address)),
        "dial" => runtime.block_on(dial(settings, address)),
        _ => return usage(""),
    };
    // Somebody may wait for a line of the input for ever.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            events::error(error);
            ExitCode::FAILURE
        }
    }
}

fn usage(error: &str) -> ExitCode {
    eprintln!("{error}\n{USAGE}");
    ExitCode::from(2)
}

/// Accepts connections until the input ends.
async fn listen(settings: Settings, address: &str) -> Result<(), String> {
    endings::listen();
    let address = free(address)?;
    let node = Arc::new(Node::new(settings));
    let server = address.to_string().parse().expect("it is an address with a port");
    let opener = Arc::new(Opener(node.clone()));
    let adaptor = Adaptor::bidirectional(server, node.hub.clone(), opener, node.counters.clone());
    let adaptor = adaptor.map_err(|error| error.to_string())?;
    reached(address).await?;
    emit("listening", fields([("addr", address.to_string().into())]));
    commands::follow(node, adaptor).await;
    Ok(())
}

/// Dials once, and ends with that connection.
async fn dial(settings: Settings, address: String) -> Result<(), String> {
    endings::listen();
    let node = Arc::new(Node::new(settings));
    let opener = Arc::new(Opener(node.clone()));
    let adaptor = Adaptor::client_only(node.hub.clone(), opener, node.counters.clone());
    tokio::spawn(commands::follow(node.clone(), adaptor.clone()));
    let dialled = adaptor.connect_peer(address).await;
    let ended = match dialled {
        Ok(_) => {
            node.alone().await;
            Ok(())
        }
        Err(error) => Err(error.to_string()),
    };
    tokio::time::sleep(commands::PARTING).await;
    ended
}

/// The address itself, or with a free port in place of port 0: the library tells no address, and its
/// server task panics when it cannot listen.
fn free(address: &str) -> Result<SocketAddr, String> {
    let told = || TcpListener::bind(address)?.local_addr();
    told().map_err(|error| format!("cannot listen on {address}: {error}"))
}

/// Waits until the library's server, which starts in the background, accepts connections.
async fn reached(address: SocketAddr) -> Result<(), String> {
    for _ in 0..500 {
        if TcpStream::connect(address).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(format!("cannot listen on {address}"))
}
