//! `peerage demo --network kaspa-simnet`: Kaspa nodes and everything that they say, on this machine.
//!
//! One node has a DAG of blocks; its peers dial it over loopback TCP, fetch all of it, and then all
//! of them make blocks and transactions, some of them at the same time. It succeeds only if every
//! block, transaction and address has arrived and verified everywhere.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use peerage::kaspa::{self, AddressAnswers, Config, Count, Network, Peer, Stats, UserAgent};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::dag::{Dag, Wallet};
use super::node::{Node, Standing};
use crate::args::DemoArgs;
use crate::demo::console::{Console, short};
use crate::demo::table::{self, Row};
use crate::failure::Failure;
use crate::interrupt::interrupted;
use crate::output::line;
use crate::show::millis;

/// How often something new is made: a transaction, or each fourth time two blocks.
const TICK: Duration = Duration::from_millis(250);

/// How long all peers may take to have everything, beside [`PER_BLOCK`].
const PATIENCE: Duration = Duration::from_secs(60);

/// How long each block of each peer may take: many times what a slow machine needs.
const PER_BLOCK: Duration = Duration::from_millis(2);

/// Runs the demonstration.
pub(crate) async fn run(args: DemoArgs) -> Result<(), Failure> {
    tokio::select! {
        result = demonstrate(args) => result,
        () = interrupted() => Err(Failure::interrupted()),
    }
}

async fn demonstrate(args: DemoArgs) -> Result<(), Failure> {
    let console = Arc::new(Console::new(u64::from(args.blocks) * u64::from(args.peers)));
    let dag = tokio::task::spawn_blocking(move || Dag::grow(args.blocks)).await.map_err(ours)?;
    let (wallet, tip) = (Wallet::new(&dag), short(dag.sink()));
    let node = Arc::new(Node::new("node".into(), dag, Some(console.clone())));
    console.say("node", format_args!("made {} blocks; tip {tip}", args.blocks));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(ours)?;
    let address = listener.local_addr().map_err(ours)?;
    console.say("node", format_args!("listens on {address}"));

    let mut tasks = JoinSet::new();
    tasks.spawn(serve(listener, node.clone()));
    let nodes = vec![node];
    let mut world =
        World { console, nodes, tasks, wallet, blocks: args.blocks as usize, issued: 0 };
    for number in 1..=args.peers {
        world.connect(address, number).await?;
    }
    world.settled().await?;
    world.console.synced();
    world.live(args.duration).await?;
    world.conclude().await
}

/// What all connections of the demonstration have: times short enough to watch.
fn config(agent: &str, addresses: Vec<SocketAddr>) -> Config {
    let mut config = Config::new(Network::simnet());
    config.identity.user_agent = UserAgent::new("demo", env!("CARGO_PKG_VERSION"), &[agent])
        .expect("the parts have no character of BIP14's");
    config.engine.trickle_inbound = Duration::from_millis(100);
    config.engine.trickle_outbound = Duration::from_millis(100);
    config.engine.ping_interval = Duration::from_secs(1);
    config.addresses = AddressAnswers::from_fn(move |_| addresses.clone());
    config
}

/// Accepts for the node; ends only with a failure.
async fn serve(listener: TcpListener, node: Arc<Node>) -> Result<(), Failure> {
    let config = config("node", sample_addresses());
    let mut connections: JoinSet<Result<(), Failure>> = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.map_err(ours)?;
                let (node, config) = (node.clone(), config.clone());
                connections.spawn(async move {
                    // Whoever cannot be accepted is noticed on the other side.
                    let Ok((peer, events)) = kaspa::accept(stream, &config).await else {
                        return Ok(());
                    };
                    node.converse(&peer, events, |_| {}).await.map(drop)
                });
            }
            Some(ended) = connections.join_next() => ended.map_err(ours)??,
        }
    }
}

/// The nodes, and whoever watches them.
struct World {
    console: Arc<Console>,
    /// The one that listens, and its peers.
    nodes: Vec<Arc<Node>>,
    tasks: JoinSet<Result<(), Failure>>,
    wallet: Wallet,
    /// How many blocks were made.
    blocks: usize,
    /// How many transactions were made.
    issued: usize,
}

impl World {
    /// Lets one more peer connect, which knows nothing but the first block.
    async fn connect(&mut self, address: SocketAddr, number: u16) -> Result<(), Failure> {
        let name = format!("peer {number}");
        let config = config(&name, vec![own_address(number)]);
        let (peer, events) =
            kaspa::connect(address, &config).await.map_err(|error| Failure::open(&error))?;
        let stats = peer.stats();
        self.console.say(
            &name,
            format_args!(
                "connected over {} in {} ms to {}, version {}",
                stats.transport,
                millis(stats.opening_took),
                stats.remote.user_agent,
                stats.remote.agreed,
            ),
        );
        let node = Arc::new(Node::new(name, Dag::new(), Some(self.console.clone())));
        self.nodes.push(node.clone());
        self.tasks.spawn(async move {
            let reason = node.converse(&peer, events, |_| {}).await?;
            // The end of the demonstration drops this task before its connection ends.
            Err(Failure::lost(&reason))
        });
        Ok(())
    }

    /// Makes transactions and blocks for so long, at all nodes in turn.
    async fn live(&mut self, duration: Duration) -> Result<(), Failure> {
        if duration.is_zero() {
            return Ok(());
        }
        let end = Instant::now() + duration;
        let mut ticks = tokio::time::interval(TICK);
        let mut number = 0;
        while Instant::now() < end {
            tokio::select! {
                _ = ticks.tick() => self.step(number),
                failure = failed(&mut self.tasks) => return Err(failure),
            }
            number += 1;
        }
        // What still waits gets a block, which has all tips as its parents.
        self.settled().await?;
        self.make(&[0]);
        self.settled().await
    }

    fn step(&mut self, number: usize) {
        let maker = number % self.nodes.len();
        if number % 4 == 3 {
            // Neither knows of the other's block: both stand beside each other.
            return self.make(&[maker, (maker + 1) % self.nodes.len()]);
        }
        let Some(transaction) = self.wallet.spend() else { return };
        let id = transaction.id().expect("a transaction of ours has an id");
        self.issued += 1;
        let node = &self.nodes[maker];
        let version = transaction.version;
        self.console.say(
            node.name(),
            format_args!("announces transaction {}, version {version}", short(id)),
        );
        node.relay(transaction);
    }

    /// Lets these nodes make a block each, of what they know now.
    fn make(&mut self, makers: &[usize]) {
        let blocks: Vec<_> = makers
            .iter()
            .zip(0..)
            .map(|(maker, number)| (&self.nodes[*maker], self.nodes[*maker].make(number)))
            .collect();
        for (node, block) in blocks {
            let header = block.header.as_ref().expect("a block of ours has a header");
            let hash = header.hash().expect("a header of ours has a hash");
            let parents = super::dag::direct_parents(header).len();
            let count = block.transactions.len();
            let text =
                format!("made a block with {count} transactions on {parents}: {}", short(hash));
            self.console.say(node.name(), text);
            if node.take_in(block).expect("what is made here verifies") {
                self.blocks += 1;
            }
        }
    }

    /// Waits until every node has every block, transaction and address.
    async fn settled(&mut self) -> Result<(), Failure> {
        let goals: Vec<_> =
            self.nodes.iter().enumerate().map(|(place, _)| self.goal(place)).collect();
        let blocks = u32::try_from(self.blocks * self.nodes.len()).unwrap_or(u32::MAX);
        let all = async {
            for (node, goal) in self.nodes.iter().zip(goals) {
                // The sender lives as long as the node.
                let _ = node.standing().wait_for(|standing| *standing == goal).await;
            }
        };
        tokio::select! {
            () = all => Ok(()),
            failure = failed(&mut self.tasks) => Err(failure),
            () = tokio::time::sleep(PATIENCE + PER_BLOCK * blocks) => {
                Err(Failure::other("not everything has arrived everywhere in time"))
            }
        }
    }

    /// What the node at this place must have.
    fn goal(&self, place: usize) -> Standing {
        let peers = self.nodes.len() - 1;
        let addresses = if place == 0 { peers } else { sample_addresses().len() };
        Standing { blocks: self.blocks, transactions: self.issued, addresses }
    }

    /// Ends all connections, shows the table and judges.
    async fn conclude(self) -> Result<(), Failure> {
        let standings: Vec<Standing> =
            self.nodes.iter().map(|node| *node.standing().borrow()).collect();
        let (hub, peers) = self.nodes.split_first().expect("the node is always there");
        let inbound = hub.peers();
        let outbound: Vec<Peer> = peers.iter().flat_map(|node| node.peers()).collect();
        let outer = peers.iter().zip(&outbound).zip(&standings[1..]).map(|((node, peer), all)| {
            let results = vec![all.blocks, all.transactions, all.addresses];
            row(node.name().to_owned(), &peer.stats(), results)
        });
        let inner = inbound.iter().zip(1..);
        let inner =
            inner.map(|(peer, number)| row(format!("node, {number}"), &peer.stats(), vec![]));
        let rows: Vec<Row> = outer.chain(inner).collect();
        outbound.iter().for_each(|peer| peer.disconnect());
        for peer in outbound.iter().chain(&inbound) {
            peer.closed().await;
        }
        self.console.say("node", "all connections have ended");
        line("");
        table::print(rows, &["blocks", "txs", "addrs"]);
        line("");
        let complete = (0..).zip(&standings).all(|(place, standing)| *standing == self.goal(place));
        let alike = peers.iter().all(|node| node.tips() == hub.tips());
        if !complete || !alike || outbound.len() != peers.len() {
            return Err(Failure::other("not every block, transaction and address has arrived"));
        }
        line(format_args!(
            "verified by each of {} peers: {} blocks (hash, parents, merkle root), {} relayed \
             transactions\nand {} addresses; the node has {} of theirs",
            peers.len(),
            self.blocks,
            self.issued,
            sample_addresses().len(),
            standings[0].addresses,
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
        transport: stats.transport.to_string(),
        opening: stats.opening_took,
        received: count(stats.received.total().messages, stats.bytes_received),
        sent: count(stats.sent.total().messages, stats.bytes_sent),
        ping: stats.ping.min,
        results,
    }
}

/// Addresses of a network that is set aside for documentation (RFC 5737): nobody's.
pub(super) fn sample_addresses() -> Vec<SocketAddr> {
    let port = Network::simnet().port;
    (1..=20).map(|host| (Ipv4Addr::new(203, 0, 113, host), port).into()).collect()
}

/// The one address that this peer tells, of another such network.
fn own_address(number: u16) -> SocketAddr {
    let host = u8::try_from(number).expect("there are at most 100 peers");
    (Ipv4Addr::new(198, 51, 100, host), Network::simnet().port).into()
}

/// Resolves when a node ends before it should.
async fn failed(tasks: &mut JoinSet<Result<(), Failure>>) -> Failure {
    match tasks.join_next().await {
        Some(Ok(Err(failure))) => failure,
        Some(Err(error)) => ours(error),
        Some(Ok(Ok(()))) | None => Failure::other("a node has ended too early"),
    }
}

/// An error of this machine.
fn ours(error: impl ToString) -> Failure {
    Failure::other(error.to_string())
}
