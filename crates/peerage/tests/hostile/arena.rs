//! A server under siege, and what must hold afterwards.

use std::net::SocketAddr;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use peerage::bitcoin::message::{Block, Inventory, Ping, Version};
use peerage::bitcoin::{
    Budget, Config, Direction, DisconnectReason, Events, Listener, Message, OpenError, Peer, V2,
    accept, accept_with, connect,
};
use peerage_testkit::{Script, version};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, Handle};
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub(crate) const MIB: usize = 1 << 20;

/// What our server does with its connections.
#[derive(Clone)]
pub(crate) enum Service {
    /// Listens and says nothing.
    Quiet,
    /// Answers each `getdata` with this block.
    Blocks(Block),
    /// Has event streams that nobody reads, but for those of the honest peers.
    Unread,
    /// Waits inside its handler of `mempool` until somebody lets go.
    Stuck(Arc<Mutex<Receiver<()>>>),
}

impl Listener for Service {
    fn on_getdata(&mut self, peer: &Peer, items: Inventory) {
        if let Self::Blocks(block) = self {
            for _ in 0..items.len() {
                // Whoever does not read does not get everything.
                let _ = peer.try_send(&Message::Block(block.clone()));
            }
        }
    }

    fn on_mempool(&mut self, _peer: &Peer) {
        if let Self::Stuck(release) = self {
            let _ = release.lock().unwrap_or_else(PoisonError::into_inner).recv();
        }
    }
}

/// What a siege is made of.
pub(crate) struct Siege {
    pub(crate) name: &'static str,
    pub(crate) config: Config,
    pub(crate) service: Service,
    /// What all may allocate together, attackers included, in bytes.
    pub(crate) memory: usize,
    /// Zero: everything on one thread, where allocations are counted exactly. Otherwise the growth
    /// of the process's resident memory is judged.
    pub(crate) threads: usize,
}

impl Siege {
    pub(crate) fn new(name: &'static str, memory: usize) -> Self {
        Self { name, config: impatient(), service: Service::Quiet, memory, threads: 0 }
    }

    /// Runs `attack` against the server, among honest peers.
    pub(crate) fn run(self, attack: impl AsyncFnOnce(&Arena)) {
        let _alone = alone();
        let (name, memory, threads) = (self.name, self.memory, self.threads);
        // What tokio opens once for a whole process (for signals) is nobody's leak.
        drop(Builder::new_current_thread().enable_all().build().unwrap());
        let (descriptors, resident) = (open_descriptors(), resident_bytes());
        let allocated = allocation_counter::measure(|| {
            let mut builder = match threads {
                0 => Builder::new_current_thread(),
                _ => Builder::new_multi_thread(),
            };
            let runtime = builder.worker_threads(threads.max(1)).enable_all().build().unwrap();
            runtime.block_on(async {
                let limit = Duration::from_secs(120);
                tokio::time::timeout(limit, self.siege(attack)).await.expect("it is bounded");
            });
        });
        let grown = resident_bytes().saturating_sub(resident);
        let peak = match threads {
            0 => usize::try_from(allocated.bytes_max).unwrap(),
            _ => grown,
        };
        eprintln!("{name}: {} KiB at most, {} KiB resident", peak >> 10, grown >> 10);
        assert!(peak <= memory, "{name}: {peak} bytes");
        assert_eq!(open_descriptors(), descriptors, "{name}: descriptors are left");
    }

    async fn siege(self, attack: impl AsyncFnOnce(&Arena)) {
        let Self { name, config, service, .. } = self;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let log = Arc::new(Mutex::new(Log::default()));
        let arena = Arena { address: listener.local_addr().unwrap(), log: log.clone(), config };
        let serving = tokio::spawn(serve(listener, arena.config.clone(), service, log.clone()));
        let honest = [V2::Off, V2::Required].map(|v2| Honest::start(arena.address, v2));
        attack(&arena).await;
        for honest in honest {
            let times = honest.stop().await;
            let (middle, last) = (times[times.len() / 2], times[times.len() - 1]);
            eprintln!("{name}: {} pings answered, within {middle:?}, {last:?}", times.len());
        }
        arena.all_over().await;
        serving.abort();
        let _ = serving.await;
        settle(|| Handle::current().metrics().num_alive_tasks() == 0, "tasks are left").await;
        assert_eq!(arena.config.budget.used(), 0, "{name}: the budget is not given back");
    }
}

/// Descriptors and memory are the process's: one siege at a time.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The defaults with short times, so that nobody has to wait for an end. Honest peers share them, so
/// they are longer than a busy machine lets this process wait for its turn.
pub(crate) fn impatient() -> Config {
    let mut config = Config::regtest();
    let soon = Duration::from_millis(1_500);
    config.engine.opening_timeout = Duration::from_secs(2);
    config.engine.idle_timeout = soon;
    config.engine.write_timeout = soon;
    config.engine.local_patience = soon;
    config.engine.slowest_rate = u32::MAX;
    config.budget = Budget::new(64 * MIB);
    config
}

/// Where the attackers find the server, and what it saw.
pub(crate) struct Arena {
    pub(crate) address: SocketAddr,
    pub(crate) config: Config,
    log: Arc<Mutex<Log>>,
}

#[derive(Default)]
struct Log {
    accepted: usize,
    open: Vec<Peer>,
    failed: Vec<OpenError>,
    ended: Vec<DisconnectReason>,
}

impl Arena {
    /// Connects, with buffers so small that the other side soon feels who does not read.
    pub(crate) async fn dial(&self) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 << 10).unwrap();
        socket.connect(self.address).await.unwrap()
    }

    /// A scripted remote that has gone through the opening.
    pub(crate) async fn open(&self, v2: V2) -> Script<TcpStream> {
        self.open_as(v2, version(70_016)).await
    }

    /// A scripted remote that has introduced itself so and gone through the opening.
    pub(crate) async fn open_as(&self, v2: V2, introduction: Version) -> Script<TcpStream> {
        let (io, network) = (self.dial().await, &self.config.identity.network);
        let mut script = match v2 {
            V2::Off => Script::v1(io, Direction::Outbound, network),
            _ => Script::v2(io, Direction::Outbound, network, 5),
        };
        script.open(introduction, &[]).await;
        script
    }

    /// How many openings have failed so far.
    pub(crate) fn failed(&self) -> usize {
        self.log().failed.len()
    }

    /// Takes the reasons of all failed openings that have been noted.
    pub(crate) fn take_failed(&self) -> Vec<OpenError> {
        std::mem::take(&mut self.log().failed)
    }

    /// Waits until so many connections, of those that were open, have ended; takes their reasons.
    pub(crate) async fn ended(&self, count: usize) -> Vec<DisconnectReason> {
        settle(|| self.log().ended.len() >= count, "connections go on").await;
        std::mem::take(&mut self.log().ended)
    }

    /// Waits until so many openings have failed.
    pub(crate) async fn all_failed(&self, count: usize) {
        settle(|| self.failed() >= count, "openings go on").await;
    }

    /// The connections that are open.
    pub(crate) fn peers(&self) -> Vec<Peer> {
        self.log().open.clone()
    }

    async fn all_over(&self) {
        let over = || {
            let log = self.log();
            log.open.is_empty() && log.accepted == 0
        };
        settle(over, "connections have no reason").await;
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap()
    }
}

async fn serve(listener: TcpListener, config: Config, service: Service, log: Arc<Mutex<Log>>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (config, service, log) = (config.clone(), service.clone(), log.clone());
        log.lock().unwrap().accepted += 1;
        tokio::spawn(async move {
            let opened = match service {
                Service::Unread => accept(stream, &config).await.map(|(p, e)| (p, Some(e))),
                listener => accept_with(stream, &config, listener).await.map(|p| (p, None)),
            };
            match opened {
                Ok((peer, unread)) => attend(peer, unread, &log).await,
                Err(error) => log.lock().unwrap().failed.push(error),
            }
            log.lock().unwrap().accepted -= 1;
        });
    }
}

async fn attend(peer: Peer, mut events: Option<Events>, log: &Mutex<Log>) {
    log.lock().unwrap().open.push(peer.clone());
    if let Some(events) = &mut events
        && peer.remote().user_agent == Config::regtest().identity.user_agent
    {
        // An honest peer: attackers introduce themselves as scripts.
        while events.next().await.is_some() {}
    }
    let reason = peer.closed().await;
    let mut log = log.lock().unwrap();
    log.open.retain(|open| open.id() != peer.id());
    log.ended.push(reason);
}

/// A peer of ours that pings again and again.
struct Honest {
    task: JoinHandle<Vec<Duration>>,
    stop: tokio::sync::oneshot::Sender<()>,
}

impl Honest {
    fn start(address: SocketAddr, v2: V2) -> Self {
        let (stop, mut stopped) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(async move {
            let mut config = Config::regtest();
            config.v2 = v2;
            let (peer, mut events) = connect(address, &config).await.unwrap();
            let mut times = Vec::new();
            while stopped.try_recv().is_err() || times.is_empty() {
                let nonce = Some(times.len() as u64);
                let asked = Instant::now();
                peer.send(&Message::Ping(Ping { nonce })).await.unwrap();
                while !matches!(events.message().await.unwrap(),
                    Message::Pong(pong) if Some(pong.nonce) == nonce)
                {}
                times.push(asked.elapsed());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            times.sort_unstable();
            times
        });
        Self { task, stop }
    }

    /// Waits until the last ping is answered; returns how long each took, the shortest first.
    async fn stop(self) -> Vec<Duration> {
        let _ = self.stop.send(());
        self.task.await.unwrap()
    }
}

/// Waits, for as long as is sensible, until something is so.
pub(crate) async fn settle(is_so: impl Fn() -> bool, otherwise: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "{otherwise}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// How many descriptors this process has open.
pub(crate) fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4_096
}
