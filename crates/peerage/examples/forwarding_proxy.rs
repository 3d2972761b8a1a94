//! Stands between a client that speaks v2 and a server that speaks v1, and passes everything on.
//!
//! ```text
//! cargo run --example forwarding_proxy -- 127.0.0.1:18445 127.0.0.1:18444
//! ```
#![allow(clippy::print_stdout)] // it is what an example is for

use peerage::bitcoin::{self, Config, Event, Events, Message, OpenError, Peer, V2};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let usage = "give an address to listen on, and a server";
    let mut args = std::env::args().skip(1);
    let listener = TcpListener::bind(args.next().ok_or(usage)?).await?;
    let server = args.next().ok_or(usage)?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let forwarding = forward(stream, server.clone());
        tokio::spawn(async { forwarding.await.inspect_err(|error| println!("{error}")) });
    }
}

async fn forward(stream: TcpStream, server: String) -> Result<(), OpenError> {
    let mut config = Config::regtest();
    config.v2 = V2::Off;
    config.engine.stall_detection = false; // the client judges its server
    let (server, from_server) = bitcoin::connect(server, &config).await?;
    // To the client we are what the server says of itself.
    let remote = server.remote();
    config.v2 = V2::Required;
    config.identity.version = remote.agreed;
    config.identity.services = remote.services;
    config.identity.user_agent = remote.user_agent.clone();
    config.identity.height = remote.height;
    config.identity.relay = remote.relay;
    config.identity.wtxid_relay = remote.wtxid_relay;
    config.identity.addrv2 = remote.wants_addrv2;
    let (client, from_client) = bitcoin::accept(stream, &config).await?;
    tokio::select! {
        () = pump(from_client, &server) => {}
        () = pump(from_server, &client) => {}
    }
    Ok(()) // both handles are dropped here, which disconnects both sides
}

async fn pump(mut from: Events, to: &Peer) {
    let mut last = None;
    while let Some(event) = from.next().await {
        match event {
            Event::Message(Message::Ping(_) | Message::Pong(_)) => {} // each side has its own
            Event::Message(message) => last = to.send_tracked(&message).await.ok().or(last),
            _ => {}
        }
    }
    if let Some(last) = last {
        let _ = last.await; // what came before it has left as well
    }
}
