//! What a connection is made with.

use std::fmt;
use std::time::Duration;

use peerage_peer::{Budget, Config as EngineConfig, Session, Socks5, Target};
use peerage_peer_grpc::Options;
use peerage_wire::Direction;
use peerage_wire_kaspa::proto::{Identity, Kaspa, Network};

use super::AddressAnswers;
use crate::shared_engine::SharedEngine;

/// How we introduce ourselves and how we treat a connection. One value serves any number of
/// connections; clones share the memory budget and recognise each other's connections as ours.
///
/// ```
/// use peerage::kaspa::{AddressAnswers, Config, Network};
///
/// let mut config = Config::new(Network::testnet_10());
/// config.identity.version = 11;
/// config.gzip.send = true;
/// config.addresses = AddressAnswers::ByApplication;
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    /// What we say of ourselves: network, versions, id, user agent, address.
    pub identity: Identity,
    /// Times and bounds: an [`EngineConfig`]. Transactions are announced in batches with a mean of
    /// 500 ms between them, kaspad's interval; a pong may take 2 min, as there.
    pub engine: EngineConfig,
    /// The memory that connections share. 256 MiB.
    pub budget: Budget,
    /// The proxy to dial through. Names are then never resolved here.
    pub proxy: Option<Socks5>,
    /// Whether messages are compressed.
    pub gzip: Gzip,
    /// How `requestAddresses` is answered.
    pub addresses: AddressAnswers,
    shared_engine: SharedEngine,
}

/// Whether messages are compressed. A remote that does not offer to take compressed messages gets
/// none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gzip {
    /// Whether we compress what we send. False: blocks shrink little, and small messages grow. Kaspad
    /// offers to take compressed messages where it dials us, and not where we dial it.
    pub send: bool,
    /// Whether we offer to take compressed messages. True: kaspad compresses all that it sends to
    /// whoever takes it, and dials only those who take it.
    pub accept: bool,
}

impl Default for Gzip {
    fn default() -> Self {
        Self { send: false, accept: true }
    }
}

impl Config {
    /// The defaults, on this network: `Config::new(Network::testnet_10())`.
    #[must_use]
    pub fn new(network: Network) -> Self {
        let mut engine = EngineConfig::default();
        engine.trickle_inbound = TRICKLE;
        engine.trickle_outbound = TRICKLE;
        engine.pong_timeout = PONG;
        engine.announcement_limit = ANNOUNCEMENTS;
        Self {
            identity: Identity::new(network),
            engine,
            budget: Budget::default(),
            proxy: None,
            gzip: Gzip::default(),
            addresses: AddressAnswers::default(),
            shared_engine: SharedEngine::default(),
        }
    }

    /// The defaults, on the main network.
    #[must_use]
    pub fn mainnet() -> Self {
        Self::new(Network::mainnet())
    }

    /// The defaults, on the private network of tests.
    #[must_use]
    pub fn simnet() -> Self {
        Self::new(Network::simnet())
    }

    pub(crate) fn session(&self, direction: Direction, remote: Option<Target>) -> Session<Kaspa> {
        Session {
            direction,
            identity: std::sync::Arc::new(self.identity.clone()),
            config: self.shared_engine.get(&self.engine),
            budget: self.budget.clone(),
            remote,
            local: None,
        }
    }

    pub(crate) fn options(&self) -> Options {
        let mut options = Options::default();
        options.send_gzip = self.gzip.send;
        options.accept_gzip = self.gzip.accept;
        options
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("identity", &self.identity)
            .field("engine", &self.engine)
            .field("budget", &self.budget)
            .field("proxy", &self.proxy)
            .field("gzip", &self.gzip)
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

const TRICKLE: Duration = Duration::from_millis(500);
const PONG: Duration = Duration::from_secs(120);
/// One full `invTransactions`.
const ANNOUNCEMENTS: usize = 131_072;
