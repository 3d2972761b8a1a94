//! What a connection is made with.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use peerage_peer::{Budget, Config as EngineConfig, Setup, Socks5, Target, V2};
use peerage_wire_kaspa::legacy::types::{Hash, PeerAddress, UserAgent, UserAgentError};
use peerage_wire_kaspa::legacy::{Identity, KaspaLegacy, Network};

use crate::shared_engine::SharedEngine;

/// How we introduce ourselves and how we treat a connection. One value serves any number of
/// connections; clones share the memory budget and recognise each other's connections as ours.
///
/// ```
/// use peerage::kaspa_legacy::{Config, types::Services};
///
/// let mut config = Config::devnet().user_agent("explorer", "2.1", &["testing"])?;
/// config.identity.services = Services::NETWORK | Services::BLOOM;
/// # Ok::<(), peerage::kaspa_legacy::ConfigError>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    /// What we say of ourselves: network, version, services, user agent, subnetwork and relay flag.
    /// The selected tip is asked of the function given to [`selected_tip`](Self::selected_tip), if
    /// there is one.
    pub identity: Identity,
    /// Times, bounds, trickle, pong order, stall detection: an [`EngineConfig`]. Announcements
    /// trickle with a mean of 100 ms both ways, as kaspad's from October 2019 on: a DAG has many
    /// transactions a second.
    pub engine: EngineConfig,
    /// The memory that connections share. 256 MiB.
    pub budget: Budget,
    /// The proxy to dial through. Names are then never resolved here.
    pub proxy: Option<Socks5>,
    /// The address that a remote is told as its own. By default the IP address at the other end,
    /// and nothing through a proxy.
    pub remote_address: Option<AddressMap>,
    /// The address that a remote is told as ours. By default nothing but our services, as kaspad:
    /// addresses travel by `addr` alone.
    pub local_address: Option<AddressMap>,
    selected_tip: Option<Arc<SelectedTip>>,
    shared_engine: SharedEngine,
}

type SelectedTip = dyn Fn() -> Hash + Send + Sync;

impl Config {
    /// The defaults, on this network: `Config::new(Network::testnet())`.
    #[must_use]
    pub fn new(network: Network) -> Self {
        let mut engine = EngineConfig::default();
        engine.trickle_inbound = TRICKLE;
        engine.trickle_outbound = TRICKLE;
        Self {
            identity: Identity::new(network),
            engine,
            budget: Budget::default(),
            proxy: None,
            remote_address: None,
            local_address: None,
            selected_tip: None,
            shared_engine: SharedEngine::default(),
        }
    }

    /// The defaults, on the network of kaspad's developers.
    #[must_use]
    pub fn devnet() -> Self {
        Self::new(Network::devnet())
    }

    /// The defaults, on the private network of tests.
    #[must_use]
    pub fn simnet() -> Self {
        Self::new(Network::simnet())
    }

    /// Adds our software's name, version and comments to the user agent (BIP14).
    ///
    /// # Errors
    /// If a part has a character that BIP14 gives a meaning, or the whole is above 256 bytes.
    pub fn user_agent(
        mut self,
        name: &str,
        version: &str,
        comments: &[&str],
    ) -> Result<Self, ConfigError> {
        self.identity.user_agent = UserAgent::new(name, version, comments)?;
        Ok(self)
    }

    /// Asks `selected_tip` for the tip of our selected chain with each introduction. It must not
    /// block.
    #[must_use]
    pub fn selected_tip(mut self, selected_tip: impl Fn() -> Hash + Send + Sync + 'static) -> Self {
        self.selected_tip = Some(Arc::new(selected_tip));
        self
    }

    /// What a connection to `remote` is made with.
    pub(crate) fn setup(&self, remote: Option<&Target>) -> Setup<KaspaLegacy> {
        let mut identity = self.identity.clone();
        if let Some(selected_tip) = &self.selected_tip {
            identity.selected_tip = selected_tip();
        }
        if identity.addr_recv.is_none() {
            identity.addr_recv = self.told_as_theirs(remote);
        }
        if let (None, Some(map), Some(remote)) = (&identity.addr_from, &self.local_address, remote)
        {
            identity.addr_from = map.get(remote);
        }
        Setup {
            magic: identity.network.magic,
            identity: Arc::new(identity),
            config: self.shared_engine.get(&self.engine),
            v2: V2::Off,
            admit: None,
            budget: self.budget.clone(),
        }
    }

    fn told_as_theirs(&self, remote: Option<&Target>) -> Option<PeerAddress> {
        match (&self.remote_address, remote?) {
            (Some(map), remote) => map.get(remote),
            (None, Target::Address(address)) if self.proxy.is_none() => {
                Some(PeerAddress::from(*address))
            }
            _ => None,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("identity", &self.identity)
            .field("engine", &self.engine)
            .field("budget", &self.budget)
            .field("proxy", &self.proxy)
            .finish_non_exhaustive()
    }
}

/// Maps the remote's target to an address to tell it.
#[derive(Clone)]
pub struct AddressMap(Arc<MapAddress>);

type MapAddress = dyn Fn(&Target) -> Option<PeerAddress> + Send + Sync;

impl AddressMap {
    /// Uses this function; `None` tells nothing.
    pub fn new(map: impl Fn(&Target) -> Option<PeerAddress> + Send + Sync + 'static) -> Self {
        Self(Arc::new(map))
    }

    fn get(&self, remote: &Target) -> Option<PeerAddress> {
        (self.0)(remote)
    }
}

impl fmt::Debug for AddressMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AddressMap")
    }
}

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The user agent.
    #[error("the user agent: {0}")]
    UserAgent(#[from] UserAgentError),
}

const TRICKLE: Duration = Duration::from_millis(100);
