//! `peerage listen`: connections that others make.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use peerage::bitcoin::types::Services;
use peerage::bitcoin::{self, Config, Event, Events, Network, OpenError, Peer, Target};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::args::ListenArgs;
use crate::chain::Chain;
use crate::describe::text;
use crate::failure::Failure;
use crate::interrupt::interrupted;
use crate::kaspa;
use crate::node::Node;
use crate::output::{Output, complain, fields};
use crate::show::Screen;

/// Accepts until Ctrl-C.
pub(crate) async fn run(args: ListenArgs) -> Result<(), Failure> {
    if let Some(endpoint) = args.common.kaspa(&args.address)? {
        return kaspa::listen::run(&args, &endpoint).await;
    }
    let network = network(&args)?;
    let server = Arc::new(Server {
        output: Output::new(args.common.json),
        node: args.serve.map(serving),
        config: config(&args, &network),
    });
    let target = Target::with_default_port(&args.address, network.port)
        .map_err(|error| Failure::usage(error.to_string()))?;
    listen(&target, &network.name, args.max, server).await
}

/// What becomes of the connections that are accepted.
pub(crate) trait Serve: Send + Sync + 'static {
    fn output(&self) -> &Output;

    /// Serves a connection until it ends or `stopped` is closed.
    fn serve(
        &self,
        stream: TcpStream,
        stopped: watch::Receiver<()>,
    ) -> impl Future<Output = ()> + Send;
}

/// Accepts at `target`, at most `max` connections at once, until Ctrl-C.
pub(crate) async fn listen(
    target: &Target,
    network: &str,
    max: u16,
    server: Arc<impl Serve>,
) -> Result<(), Failure> {
    let listener = bind(target).await?;
    let address = listener.local_addr().map_err(|error| Failure::other(error.to_string()))?;
    server.output().event(
        "listening",
        fields([("address", text(address)), ("network", text(network))]),
        format_args!("listening on {address} ({network}), Ctrl-C to end"),
    );
    let slots = Arc::new(Semaphore::new(usize::from(max)));
    let mut connections = JoinSet::new();
    let (stop, stopped) = watch::channel(());
    tokio::select! {
        () = accept(&listener, &server, &slots, &stopped, &mut connections) => {}
        () = interrupted() => {}
    }
    // Every connection hears of it, ends and shows its figures.
    drop(stop);
    while connections.join_next().await.is_some() {}
    Ok(())
}

/// What all connections share.
struct Server {
    output: Output,
    config: Config,
    node: Option<Node>,
}

fn network(args: &ListenArgs) -> Result<Network, Failure> {
    let regtest = Network::regtest();
    match (args.common.bitcoin(), args.serve) {
        (Some(network), Some(_)) if network != regtest => {
            Err(Failure::usage("--serve mines its blocks for regtest, and for no other --network"))
        }
        (_, Some(_)) => Ok(regtest),
        (network, None) => Ok(network.unwrap_or_else(Network::mainnet)),
    }
}

/// A node with so many blocks, and with a few transactions that wait for the next one if any coin
/// is ripe.
fn serving(blocks: u32) -> Node {
    let node = Node::new(Chain::mine(blocks));
    for tx in (0..3).map_while(|_| node.spend()) {
        node.take_in(&tx);
    }
    node
}

fn config(args: &ListenArgs, network: &Network) -> Config {
    let mut config = Config::new(network.clone());
    config.v2 = args.common.transport();
    if let Some(blocks) = args.serve {
        config.identity.services =
            Services::NETWORK | Services::WITNESS | Services::COMPACT_FILTERS;
        config.identity.height = i32::try_from(blocks).expect("the command line allows 100,000");
    }
    config
}

async fn bind(target: &Target) -> Result<TcpListener, Failure> {
    let bound = match target {
        Target::Address(address) => TcpListener::bind(address).await,
        Target::Name(host, port) => TcpListener::bind((host.as_str(), *port)).await,
    };
    bound.map_err(|error| Failure::unreachable(format!("cannot listen on {target}: {error}")))
}

async fn accept(
    listener: &TcpListener,
    server: &Arc<impl Serve>,
    slots: &Arc<Semaphore>,
    stopped: &watch::Receiver<()>,
    connections: &mut JoinSet<()>,
) {
    let mut backoff = Backoff::default();
    loop {
        let slot = slots.clone().acquire_owned().await.expect("the slots are never closed");
        // Those that have ended are forgotten.
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                backoff = Backoff::default();
                let (server, stopped) = (server.clone(), stopped.clone());
                connections.spawn(async move {
                    server.serve(stream, stopped).await;
                    drop(slot);
                });
            }
            Err(error) => {
                if let Some(wait) = backoff.after(&error) {
                    report(server.output(), &error, wait);
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }
}

impl Serve for Server {
    fn output(&self) -> &Output {
        &self.output
    }

    async fn serve(&self, stream: TcpStream, mut stopped: watch::Receiver<()>) {
        let address = stream.peer_addr().ok();
        let opened = tokio::select! {
            opened = bitcoin::accept(stream, &self.config) => opened,
            _ = stopped.changed() => return,
        };
        let (peer, mut events) = match opened {
            Ok(connection) => connection,
            Err(error) => return failed(&self.output, address, &error),
        };
        let screen = Screen::of_many(self.output.clone(), peer.id());
        screen.opened(&peer);
        self.node.as_ref().inspect(|node| node.adopt(&peer));
        tokio::select! {
            () = self.converse(&peer, &mut events, &screen) => {}
            _ = stopped.changed() => peer.disconnect(),
        }
        // After an interruption: what is left until the end.
        self.converse(&peer, &mut events, &screen).await;
        self.node.as_ref().inspect(|node| node.forget(&peer));
    }
}

/// Shows an opening that failed.
pub(crate) fn failed(output: &Output, address: Option<SocketAddr>, error: &OpenError) {
    let who = address.map_or_else(|| "somebody".to_owned(), |address| address.to_string());
    output.event(
        "failed",
        fields([("address", text(&who)), ("reason", text(error))]),
        format_args!("{who}: {error}"),
    );
}

impl Server {
    /// Shows and answers until the connection ends.
    async fn converse(&self, peer: &Peer, events: &mut Events, screen: &Screen) {
        while let Some(event) = events.next().await {
            screen.event(&event);
            match (event, &self.node) {
                (Event::Message(message), Some(node)) => node.handle(peer, message).await,
                (Event::Disconnected(reason), _) => screen.closed(&peer.stats(), &reason),
                _ => {}
            }
        }
    }
}

fn report(output: &Output, error: &io::Error, wait: Duration) {
    let wait_ms = wait.as_millis();
    output.object("backoff", fields([("wait_ms", json!(wait_ms)), ("reason", text(error))]));
    complain(format_args!(
        "cannot accept: {error}; trying again in {wait_ms} ms (see ulimit -n, and --max)"
    ));
}

/// How long to wait after a failed accept: twice as long each time, since what it lacks comes back
/// only when connections end.
#[derive(Debug, Default)]
struct Backoff {
    last: Option<Duration>,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(10);

    /// How long to wait after this error; `None` if it was that connection's own.
    fn after(&mut self, error: &io::Error) -> Option<Duration> {
        let theirs = matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::Interrupted
        );
        if theirs {
            return None;
        }
        let wait = self.last.map_or(Self::FIRST, |last| (last * 2).min(Self::LONGEST));
        self.last = Some(wait);
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backing_off_doubles_up_to_its_bound() {
        const EMFILE: i32 = 24;
        let mut backoff = Backoff::default();
        let mut wait = || backoff.after(&io::Error::from_raw_os_error(EMFILE)).unwrap().as_millis();
        assert_eq!([wait(), wait(), wait()], [100, 200, 400]);
        assert_eq!((0..10).map(|_| wait()).last(), Some(10_000));
    }

    #[test]
    fn a_connection_that_was_taken_back_delays_nobody() {
        let error = io::Error::from(io::ErrorKind::ConnectionAborted);
        assert_eq!(Backoff::default().after(&error), None);
    }
}
