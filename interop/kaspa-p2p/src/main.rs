//! kaspa-p2p makes kaspa-p2p-lib, the peer-to-peer code of kaspad, a counterpart for tests.
//!
//! ```text
//! kaspa-p2p listen ADDR [--network NAME] [--version 10|11] [--id HEX32] [--user-agent TEXT]
//!                       [--address IP:PORT] [--relay]
//! kaspa-p2p dial   ADDR ...
//! kaspa-p2p serve  ADDR
//! kaspa-p2p bench  CASE [--seconds S] [--count N] [--child]
//! ```
//!
//! It prints one JSON line for each event and follows one command for each line of its standard
//! input; the list of both is in `interop/README.md`. It has no consensus and no mempool: it opens
//! connections, routes messages and answers as kaspad 2.1.0 does, from a chain that it makes up. With
//! `serve` and `bench` the same library is measured, see `bench.rs`.

mod answers;
mod asking;
mod bench;
mod chain;
mod commands;
mod connection;
mod describe;
mod endings;
mod events;
mod flows;
mod listening;
mod node;
mod proof;
mod samples;
mod settings;
mod state;
mod streams;

use std::process::ExitCode;
use std::sync::Arc;

use kaspa_p2p_lib::Adaptor;
use tokio::runtime::Runtime;

use crate::bench::Bench;
use crate::events::{emit, fields};
use crate::node::{Node, Opener};
use crate::settings::Settings;

const USAGE: &str = "usage: kaspa-p2p listen|dial ADDR [--network NAME] [--version 10|11]
                 [--id HEX32] [--user-agent TEXT] [--address IP:PORT] [--relay]
       kaspa-p2p serve ADDR
       kaspa-p2p bench openings|ping|inv|blocks|idle|all [--seconds S] [--count N] [--child]";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (Some(mode), Some(subject)) = (args.next(), args.next()) else { return usage("") };
    let run = match Run::parse(&mode, args) {
        Ok(run) => run,
        Err(error) => return usage(&error),
    };
    let runtime = Runtime::new().expect("threads can be started");
    let done = runtime.block_on(run.start(subject));
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

/// What to do.
enum Run {
    Listen(Settings),
    Dial(Settings),
    Serve,
    Bench(Bench),
    /// The dialling end of `bench idle --child`.
    IdleClient(Bench),
}

impl Run {
    fn parse(mode: &str, args: impl Iterator<Item = String>) -> Result<Self, String> {
        Ok(match mode {
            "listen" => Self::Listen(Settings::parse(args)?),
            "dial" => Self::Dial(Settings::parse(args)?),
            "serve" => Self::Serve,
            "bench" => Self::Bench(Bench::parse(args)?),
            "idle-client" => Self::IdleClient(Bench::parse(args)?),
            _ => return Err(format!("what is {mode}?")),
        })
    }

    async fn start(self, subject: String) -> Result<(), String> {
        match self {
            Self::Listen(settings) => listen(settings, &subject).await,
            Self::Dial(settings) => dial(settings, subject).await,
            Self::Serve => bench::serve(&subject).await,
            Self::Bench(bench) => bench.run(&subject).await,
            Self::IdleClient(bench) => bench::idle_client(&subject, bench.count).await,
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
    let address = listening::free(address)?;
    let node = Arc::new(Node::new(settings));
    let server = address.to_string().parse().expect("it is an address with a port");
    let opener = Arc::new(Opener(node.clone()));
    let adaptor = Adaptor::bidirectional(server, node.hub.clone(), opener, node.counters.clone());
    let adaptor = adaptor.map_err(|error| error.to_string())?;
    listening::reached(address).await?;
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
