//! The whole program: what it serves, whom it is connected to, and how connections open.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use kaspa_consensus_core::tx::Transaction;
use kaspa_hashes::Hash;
use kaspa_p2p_lib::common::ProtocolError;
use kaspa_p2p_lib::convert::model::version::Version;
use kaspa_p2p_lib::{ConnectionInitializer, Hub, KaspadHandshake, PeerProperties, Router};
use kaspa_utils_tower::counters::TowerConnectionCounters;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::chain::Chain;
use crate::connection::Connection;
use crate::endings;
use crate::events::{Fields, emit, fields};
use crate::flows::Flows;
use crate::settings::{OLDEST, Settings};

/// What is served to those who ask.
pub(crate) struct Store {
    pub(crate) chain: Arc<Chain>,
    pub(crate) transactions: HashMap<Hash, Arc<Transaction>>,
    /// How many addresses, unspent outputs and lanes of the state.
    pub(crate) addresses: u16,
    pub(crate) utxos: u64,
    pub(crate) lanes: u64,
}

/// This node.
pub(crate) struct Node {
    pub(crate) settings: Settings,
    pub(crate) hub: Hub,
    pub(crate) counters: Arc<TowerConnectionCounters>,
    store: Mutex<Store>,
    connections: Mutex<BTreeMap<u32, Arc<Connection>>>,
    live: watch::Sender<usize>,
    numbers: AtomicU32,
}

impl Node {
    pub(crate) fn new(settings: Settings) -> Self {
        let chain = Arc::new(Chain::new(&settings.network));
        let store = Store { chain, transactions: HashMap::new(), addresses: 0, utxos: 0, lanes: 0 };
        Self {
            settings,
            hub: Hub::new(),
            counters: Arc::default(),
            store: Mutex::new(store),
            connections: Mutex::default(),
            live: watch::Sender::new(0),
            numbers: AtomicU32::new(1),
        }
    }

    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The established connections, oldest first.
    pub(crate) fn connections(&self) -> Vec<Arc<Connection>> {
        self.table().values().cloned().collect()
    }

    /// Waits until there is no established connection.
    pub(crate) async fn alone(&self) {
        // The sender is ours, so the channel does not close.
        let _ = self.live.subscribe().wait_for(|live| *live == 0).await;
    }

    /// Forgets a connection that has ended.
    pub(crate) fn remove(&self, number: u32) {
        self.table().remove(&number);
        self.live.send_modify(|live| *live -= 1);
    }

    fn add(&self, connection: Arc<Connection>) {
        self.table().insert(connection.number, connection);
        self.live.send_modify(|live| *live += 1);
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<u32, Arc<Connection>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn version(&self) -> Version {
        Version {
            protocol_version: self.settings.version,
            network: self.settings.network.clone(),
            services: 0,
            timestamp: u64::try_from(now()).expect("it is after 1970"),
            address: self.settings.address,
            id: self.settings.id,
            user_agent: self.settings.user_agent.clone(),
            disable_relay_tx: false,
            subnetwork_id: None,
        }
    }

    /// Checks the other side's version in the order in which kaspad does.
    fn check(&self, router: &Router, theirs: &Version) -> Result<u32, ProtocolError> {
        if self.hub.has_peer(router.key()) {
            return Err(ProtocolError::PeerAlreadyExists(router.key()));
        }
        if self.settings.id == router.identity() {
            return Err(ProtocolError::LoopbackConnection(router.key()));
        }
        let (ours, network) = (self.settings.version, &self.settings.network);
        if *network != theirs.network {
            return Err(ProtocolError::WrongNetwork(network.clone(), theirs.network.clone()));
        }
        if theirs.protocol_version < OLDEST {
            return Err(ProtocolError::VersionMismatch(ours, theirs.protocol_version));
        }
        Ok(ours.min(theirs.protocol_version))
    }

    /// Opens a connection as kaspad does: versions, checks, routes, `Ready`, and only then the flows.
    async fn open(
        self: &Arc<Self>,
        number: u32,
        router: &Arc<Router>,
    ) -> Result<(), ProtocolError> {
        let mut handshake = KaspadHandshake::new(router);
        router.start();
        let theirs = handshake.handshake(self.version().into()).await?;
        let time_offset = now().saturating_sub(theirs.timestamp);
        let theirs: Version = theirs.try_into()?;
        report(number, &theirs, time_offset);
        router.set_identity(theirs.id);
        let agreed = self.check(router, &theirs)?;
        let flows = Flows::subscribe(router);
        router.set_properties(Arc::new(PeerProperties {
            user_agent: theirs.user_agent,
            advertised_protocol_version: theirs.protocol_version,
            protocol_version: agreed,
            disable_relay_tx: theirs.disable_relay_tx,
            subnetwork_id: theirs.subnetwork_id,
            time_offset,
        }));
        handshake.exchange_ready_messages().await?;

        let connection =
            Arc::new(Connection::new(number, self.clone(), router.clone(), flows.ids()));
        self.add(connection.clone());
        let all = fields([
            ("protocol_version", agreed.into()),
            ("id", router.identity().to_string().into()),
        ]);
        event("established", number, router, all);
        flows.launch(connection);
        Ok(())
    }
}

/// What the library asks to open connections.
pub(crate) struct Opener(pub(crate) Arc<Node>);

#[async_trait]
impl ConnectionInitializer for Opener {
    async fn initialize_connection(&self, router: Arc<Router>) -> Result<(), ProtocolError> {
        let number = self.0.numbers.fetch_add(1, Ordering::Relaxed);
        let name = if router.is_outbound() { "dialled" } else { "accepted" };
        event(name, number, &router, Fields::new());
        let opened = self.0.open(number, &router).await;
        if let Err(error) = &opened {
            let told = endings::take(router.net_address());
            let reason = told.unwrap_or_else(|| error.to_string());
            let all = fields([("reason", reason.into()), ("established", false.into())]);
            event("disconnected", number, &router, all);
        }
        opened
    }
}

/// Prints an event of a connection.
pub(crate) fn event(name: &str, number: u32, router: &Router, mut all: Fields) {
    all.extend(fields([
        ("conn", number.into()),
        ("addr", router.net_address().to_string().into()),
        ("inbound", (!router.is_outbound()).into()),
    ]));
    emit(name, all);
}

fn report(number: u32, theirs: &Version, time_offset: i64) {
    let Value::Object(all) = json!({
        "conn": number,
        "protocol_version": theirs.protocol_version,
        "network": theirs.network,
        "services": theirs.services,
        "timestamp": theirs.timestamp,
        "time_offset": time_offset,
        "address": theirs.address.map(|address| address.to_string()),
        "id": theirs.id.to_string(),
        "user_agent": theirs.user_agent,
        "disable_relay_tx": theirs.disable_relay_tx,
        "subnetwork": theirs.subnetwork_id.is_some(),
    }) else {
        unreachable!("it is written as an object")
    };
    emit("version", all);
}

/// Unix time in milliseconds.
fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    i64::try_from(now.as_millis()).expect("it is before the year 292 million")
}
