//! `peerage listen kaspa://…`: connections that Kaspa nodes make.

use std::sync::Arc;

use peerage::kaspa::{self, AddressAnswers, Config, Event, Events, Network, Peer};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::dag::{Dag, Wallet};
use super::demo::sample_addresses;
use super::node::Node;
use super::show;
use crate::args::ListenArgs;
use crate::failure::Failure;
use crate::listen::{Serve, failed, listen};
use crate::output::{Output, complain};
use crate::show::Screen;
use crate::whom::Endpoint;

/// How many transactions wait for a block where blocks are served.
const WAITING: usize = 3;

/// Accepts until Ctrl-C.
pub(crate) async fn run(args: &ListenArgs, endpoint: &Endpoint<'_>) -> Result<(), Failure> {
    let (mut network, named) = (endpoint.network.clone(), args.common.network.is_some());
    if args.serve.is_some() && network != Network::simnet() {
        if named {
            let what = "--serve makes its blocks for kaspa-simnet, and for no other --network";
            return Err(Failure::usage(what));
        }
        network = Network::simnet();
    }
    let endpoint = Endpoint { host: endpoint.host, network: network.clone() };
    let mut config = Config::new(network);
    if args.serve.is_some() {
        config.addresses = AddressAnswers::from_fn(|_| sample_addresses());
    }
    let node = args.serve.map(serving);
    let server = Arc::new(Server { output: Output::new(args.common.json), config, node });
    listen(&endpoint.target()?, &endpoint.network.name, args.max, server).await
}

/// What all connections share.
struct Server {
    output: Output,
    config: Config,
    node: Option<Node>,
}

/// A node with so many blocks, and with a few transactions that wait for the next one.
fn serving(blocks: u32) -> Node {
    let dag = Dag::grow(blocks);
    let mut wallet = Wallet::new(&dag);
    let node = Node::new("node".into(), dag, None);
    for transaction in (0..WAITING).map_while(|_| wallet.spend()) {
        node.relay(transaction);
    }
    node
}

impl Serve for Server {
    fn output(&self) -> &Output {
        &self.output
    }

    async fn serve(&self, stream: TcpStream, mut stopped: watch::Receiver<()>) {
        let address = stream.peer_addr().ok();
        let opened = tokio::select! {
            opened = kaspa::accept(stream, &self.config) => opened,
            _ = stopped.changed() => return,
        };
        let (peer, events) = match opened {
            Ok(connection) => connection,
            Err(error) => return failed(&self.output, address, &error),
        };
        let screen = Screen::of_many(self.output.clone(), peer.id());
        show::opened(&screen, &peer);
        let conversation = self.converse(&peer, events, &screen);
        tokio::pin!(conversation);
        tokio::select! {
            () = &mut conversation => return,
            _ = stopped.changed() => peer.disconnect(),
        }
        // After an interruption: what is left until the end.
        conversation.await;
    }
}

impl Server {
    /// Shows and answers until the connection ends.
    async fn converse(&self, peer: &Peer, mut events: Events, screen: &Screen) {
        let shown = |event: &Event| {
            show::event(screen, event);
            if let Event::Disconnected(reason) = event {
                show::closed(screen, &peer.stats(), reason);
            }
        };
        let Some(node) = &self.node else {
            while let Some(event) = events.next().await {
                shown(&event);
            }
            return;
        };
        if let Err(failure) = node.converse(peer, events, shown).await {
            complain(format_args!("#{}: {failure}", peer.id()));
        }
    }
}
