//! What a Bitcoin connection is made with.

use std::fmt;
use std::sync::Arc;

use peerage_peer::{Admit, BestHeight, Budget, Config as EngineConfig, Setup, Socks5, Target, V2};
use peerage_wire_bitcoin::types::{PeerAddress, Services, UserAgent, UserAgentError};
use peerage_wire_bitcoin::{Bitcoin, Identity, Network};

use crate::shared_engine::SharedEngine;

/// How we introduce ourselves and how we treat a connection. One value serves any number of
/// connections; clones share the memory budget and recognise each other's connections as ours.
///
/// ```
/// use peerage::bitcoin::{Config, V2, types::Services};
///
/// let mut config = Config::mainnet().user_agent("explorer", "2.1", &["testing"])?;
/// config.identity.services = Services::NETWORK | Services::WITNESS;
/// config.v2 = V2::Required;
/// # Ok::<(), peerage::bitcoin::ConfigError>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    /// What we say of ourselves: network, version, services, user agent, relay flag and features.
    /// The service bit P2P_V2 follows [`v2`](Self::v2) whatever stands here, and the height is
    /// asked of the function given to [`best_height`](Self::best_height), if there is one.
    pub identity: Identity,
    /// Times, bounds, trickle, pong order, stall detection: an
    /// [`EngineConfig`].
    pub engine: EngineConfig,
    /// Whether v2 (BIP324) is used. Preferred, as Core.
    pub v2: V2,
    /// Asked before each of the two curve operations that a stranger's v2 opening costs us.
    pub admit: Option<Admit>,
    /// The memory that connections share. 256 MiB.
    pub budget: Budget,
    /// The proxy to dial through. Names are then never resolved here.
    pub proxy: Option<Socks5>,
    /// The address that a remote is told as its own. By default the IP address at the other end,
    /// and nothing through a proxy.
    pub remote_address: Option<AddressMap>,
    /// The address that a remote is told as ours. By default nothing but our services, as Core.
    pub local_address: Option<AddressMap>,
    shared_engine: SharedEngine,
}

impl Config {
    /// The defaults, on this network: `Config::new(Network::signet())`.
    #[must_use]
    pub fn new(network: Network) -> Self {
        Self {
            identity: Identity::new(network),
            engine: EngineConfig::default(),
            v2: V2::default(),
            admit: None,
            budget: Budget::default(),
            proxy: None,
            remote_address: None,
            local_address: None,
            shared_engine: SharedEngine::default(),
        }
    }

    /// The defaults, on the network that has a value.
    #[must_use]
    pub fn mainnet() -> Self {
        Self::new(Network::mainnet())
    }

    /// The defaults, on the private network of tests.
    #[must_use]
    pub fn regtest() -> Self {
        Self::new(Network::regtest())
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

    /// Asks `best_height` for our height with each introduction, and when the silence of a peer
    /// that may have nothing to say is judged. `None` makes an opening fail with a local reason.
    #[must_use]
    pub fn best_height(
        mut self,
        best_height: impl Fn() -> Option<i32> + Send + Sync + 'static,
    ) -> Self {
        self.engine.best_height = Some(BestHeight::new(best_height));
        self
    }

    /// What a connection to `remote` is made with; `None` if our height cannot be told.
    pub(crate) fn setup(&self, remote: Option<&Target>) -> Option<Setup<Bitcoin>> {
        let mut identity = self.identity.clone();
        if let Some(best_height) = &self.engine.best_height {
            identity.height = best_height.get()?;
        }
        identity.services = match self.v2 {
            V2::Off => identity.services.without(Services::P2P_V2),
            V2::Preferred | V2::Required => identity.services | Services::P2P_V2,
        };
        if identity.addr_recv.is_none() {
            identity.addr_recv = self.told_as_theirs(remote);
        }
        if let (None, Some(map), Some(remote)) = (&identity.addr_from, &self.local_address, remote)
        {
            identity.addr_from = map.get(remote);
        }
        Some(Setup {
            magic: identity.network.magic,
            identity: Arc::new(identity),
            config: self.shared_engine.get(&self.engine),
            v2: self.v2,
            admit: self.admit.clone(),
            budget: self.budget.clone(),
        })
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
            .field("v2", &self.v2)
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
