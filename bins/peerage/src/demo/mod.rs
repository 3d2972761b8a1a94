//! `peerage demo`: a node, its peers and everything that they say, on this machine.
//!
//! The node and each of its peers are real connections over loopback TCP; nothing is faked but the
//! distance. It succeeds only if every block and every transaction has arrived and verified at
//! every peer.

mod client;
pub(crate) mod console;
mod follower;
pub(crate) mod table;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use peerage::bitcoin::message::Tx;
use peerage::bitcoin::types::Services;
use peerage::bitcoin::{self, Config, Count, Event, Negotiated, Stats, V2};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::client::{Client, Standing};
use self::console::{Console, short};
use self::table::Row;
use crate::args::DemoArgs;
use crate::chain::Chain;
use crate::failure::Failure;
use crate::interrupt::interrupted;
use crate::node::Node;
use crate::output::line;
use crate::show::millis;

/// How often something new is made: a transaction, or each fourth time a block.
const TICK: Duration = Duration::from_millis(250);

/// How long all peers may take to have everything, beside [`PER_BLOCK`].
const PATIENCE: Duration = Duration::from_secs(60);

/// How long each block of each peer may take: twenty times what a slow machine needs.
const PER_BLOCK: Duration = Duration::from_millis(1);

/// Runs the demonstration.
pub(crate) async fn run(args: DemoArgs) -> Result<(), Failure> {
    tokio::select! {
        result = demonstrate(args) => result,
        () = interrupted() => Err(Failure::interrupted()),
    }
}

async fn demonstrate(args: DemoArgs) -> Result<(), Failure> {
    let console = Arc::new(Console::new(u64::from(args.blocks) * u64::from(args.peers)));
    let node = mine(&console, args.blocks).await?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(ours)?;
    let address = listener.local_addr().map_err(ours)?;
    console.say("node", format_args!("listens on {address}"));
    // Aborted when it is dropped.
    let mut server = JoinSet::new();
    server.spawn(serve(listener, node.clone()));

    let mut world = World { console, node, clients: Vec::new(), tasks: JoinSet::new(), issued: 0 };
    for number in 1..=args.peers {
        world.connect(address, number).await?;
    }
    world.settled().await?;
    world.console.synced();
    world.live(args.duration).await?;
    world.settled().await?;
    world.conclude().await
}

async fn mine(console: &Console, blocks: u32) -> Result<Arc<Node>, Failure> {
    let chain = tokio::task::spawn_blocking(move || Chain::mine(blocks)).await.map_err(ours)?;
    let (spends, with_witness) = chain.spends();
    console.say(
        "node",
        format_args!(
            "mined {blocks} blocks with {spends} transactions, {with_witness} of them with witness; tip {}",
            short(chain.tip().hash()),
        ),
    );
    Ok(Arc::new(Node::new(chain)))
}

/// What all connections of the demonstration have: times short enough to watch.
fn config(agent: &str) -> Config {
    let mut config = Config::regtest()
        .user_agent("demo", env!("CARGO_PKG_VERSION"), &[agent])
        .expect("the parts have no character of BIP14's");
    config.engine.trickle_inbound = Duration::from_millis(100);
    config.engine.trickle_outbound = Duration::from_millis(100);
    config.engine.ping_interval = Duration::from_secs(1);
    config
}

/// Accepts for the node.
async fn serve(listener: TcpListener, node: Arc<Node>) {
    let ours = node.clone();
    let mut config = config("node").best_height(move || i32::try_from(ours.height()).ok());
    config.identity.services = Services::NETWORK | Services::WITNESS;
    let config = Arc::new(config);
    let mut connections = JoinSet::new();
    // Whoever cannot be accepted is noticed on the other side.
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(converse(stream, node.clone(), config.clone()));
    }
}

async fn converse(stream: TcpStream, node: Arc<Node>, config: Arc<Config>) {
    let Ok((peer, mut events)) = bitcoin::accept(stream, &config).await else { return };
    node.adopt(&peer);
    while let Some(event) = events.next().await {
        if let Event::Message(message) = event {
            node.handle(&peer, message).await;
        }
    }
    node.forget(&peer);
}

/// The node, its peers, and whoever watches them.
struct World {
    console: Arc<Console>,
    node: Arc<Node>,
    clients: Vec<Remote>,
    tasks: JoinSet<Result<Report, Failure>>,
    /// How many transactions were made.
    issued: usize,
}

/// The other end of a client's task. Dropping it asks the client to end.
struct Remote {
    name: String,
    submit: mpsc::Sender<Tx>,
    standing: watch::Receiver<Standing>,
}

/// What a client has to show in the end.
struct Report {
    name: String,
    standing: Standing,
    stats: Stats,
}

impl World {
    /// Lets one more peer connect: odd ones over v2, even ones over v1.
    async fn connect(&mut self, address: SocketAddr, number: u16) -> Result<(), Failure> {
        let name = format!("peer {number}");
        let mut config = config(&name);
        config.v2 = if number.is_multiple_of(2) { V2::Off } else { V2::Required };
        let (peer, events) =
            bitcoin::connect(address, &config).await.map_err(|error| Failure::open(&error))?;
        let stats = peer.stats();
        self.console.say(
            &name,
            format_args!(
                "connected over {} in {} ms to {}, height {}",
                stats.transport,
                millis(stats.opening_took),
                stats.remote.user_agent,
                stats.remote.height,
            ),
        );
        let (submit, submitted) = mpsc::channel(16);
        let (client, standing) = Client::new(name.clone(), peer, self.console.clone());
        self.tasks.spawn(async move {
            let (standing, stats) = client.run(events, submitted).await?;
            Ok(Report { name, standing, stats })
        });
        let name = format!("peer {number}");
        self.clients.push(Remote { name, submit, standing });
        Ok(())
    }

    /// Makes transactions and blocks for so long, at the node and at its peers in turn.
    async fn live(&mut self, duration: Duration) -> Result<(), Failure> {
        if duration.is_zero() {
            return Ok(());
        }
        let end = Instant::now() + duration;
        let mut ticks = tokio::time::interval(TICK);
        let mut number = 0;
        while Instant::now() < end {
            tokio::select! {
                _ = ticks.tick() => self.step(number).await,
                failure = failed(&mut self.tasks) => return Err(failure),
            }
            number += 1;
        }
        // What still waits is mined, so that nothing is left over.
        self.settled().await?;
        self.mine();
        Ok(())
    }

    async fn step(&mut self, number: usize) {
        if number % 4 == 3 {
            return self.mine();
        }
        // All coins may be spent until the next block.
        let Some(tx) = self.node.spend() else { return };
        let from = self.issued % (self.clients.len() + 1);
        self.issued += 1;
        let who = from.checked_sub(1).and_then(|index| self.clients.get(index));
        let name = who.map_or("node", |client| &client.name);
        let witness = if tx.has_witness() { " with witness" } else { "" };
        self.console
            .say(name, format_args!("announces transaction {}{witness}", short(tx.wtxid())));
        match who {
            // A client that has ended is noticed by `failed`.
            Some(client) => _ = client.submit.send(tx).await,
            None => _ = self.node.take_in(&tx),
        }
    }

    fn mine(&self) {
        let (block, height) = self.node.mine();
        let count = block.tx_count();
        let text =
            format!("mined block {height} with {count} transactions: {}", short(block.hash()));
        self.console.say("node", text);
    }

    /// Waits until the node has every transaction, and every peer has every block as well.
    async fn settled(&mut self) -> Result<(), Failure> {
        let Self { node, clients, tasks, issued, .. } = self;
        let blocks = u32::try_from(node.height() * clients.len()).unwrap_or(u32::MAX);
        let patience = PATIENCE + PER_BLOCK * blocks;
        let all = async {
            // An error means that somebody has ended, which `failed` tells.
            let mut complete = node.relayed().wait_for(|count| count == issued).await.is_ok();
            for client in clients {
                let goal = Standing { blocks: node.height(), transactions: *issued };
                complete &= client.standing.wait_for(|standing| *standing == goal).await.is_ok();
            }
            if !complete {
                std::future::pending().await
            }
        };
        tokio::select! {
            () = all => Ok(()),
            failure = failed(tasks) => Err(failure),
            () = tokio::time::sleep(patience) => {
                Err(Failure::other("not everything has arrived everywhere in time"))
            }
        }
    }

    /// Ends all connections, shows the table and judges.
    async fn conclude(self) -> Result<(), Failure> {
        let Self { console, node, clients, mut tasks, issued } = self;
        let inbound: Vec<Stats> = node.peers().iter().map(|peer| peer.stats()).collect();
        let goal = Standing { blocks: node.height(), transactions: issued };
        // The clients end with their other ends.
        drop(clients);
        let mut reports = Vec::new();
        while let Some(report) = tasks.join_next().await {
            reports.push(report.map_err(ours)??);
        }
        reports.sort_by_key(|report| report.stats.id);
        console.say("node", "all connections have ended");
        line("");
        let peers = reports.iter().map(|Report { name, standing, stats }| {
            row(name.clone(), stats, vec![standing.blocks, standing.transactions])
        });
        let served = inbound.iter().zip(1..);
        let served = served.map(|(stats, number)| row(format!("node, {number}"), stats, vec![]));
        table::print(peers.chain(served), &["blocks", "txs"]);
        line("");
        if reports.iter().any(|report| report.standing != goal) {
            return Err(Failure::other("not every block and transaction has arrived"));
        }
        line(format_args!(
            "verified by each of {} peers: {} blocks (links, proof of work, merkle root, witness \
             commitment)\nand {} relayed transactions",
            reports.len(),
            goal.blocks,
            goal.transactions,
        ));
        Ok(())
    }
}

/// What one end of a connection has measured.
fn row(end: String, stats: &Stats, results: Vec<usize>) -> Row {
    let count = |messages, bytes| Count { messages, bytes };
    Row {
        end,
        direction: stats.direction.to_string(),
        transport: session(&stats.transport),
        opening: stats.opening_took,
        received: count(stats.received.total().messages, stats.bytes_received),
        sent: count(stats.sent.total().messages, stats.bytes_sent),
        ping: stats.ping.min,
        results,
    }
}

/// The transport, and the beginning of a v2 session's id, which is the same at both ends.
fn session(negotiated: &Negotiated) -> String {
    match negotiated {
        Negotiated::V2 { session_id: [a, b, c, d, ..] } => {
            format!("{negotiated} {a:02x}{b:02x}{c:02x}{d:02x}")
        }
        _ => negotiated.to_string(),
    }
}

/// Resolves when a client ends before it should.
async fn failed(tasks: &mut JoinSet<Result<Report, Failure>>) -> Failure {
    match tasks.join_next().await {
        Some(Ok(Err(failure))) => failure,
        Some(Err(error)) => ours(error),
        Some(Ok(Ok(_))) | None => Failure::other("a peer has ended too early"),
    }
}

/// An error of this machine.
fn ours(error: impl ToString) -> Failure {
    Failure::other(error.to_string())
}
