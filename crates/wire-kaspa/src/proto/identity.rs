//! What we say of ourselves, and what they said.

use std::borrow::Cow;
use std::net::SocketAddr;

use peerage_wire::{Protocol as _, UserAgent};

use super::types::SubnetworkId;
use super::{Ids, Kaspa, Network, NodeId, OurId};

/// What we say of ourselves on one connection.
///
/// ```
/// use peerage_wire_kaspa::proto::{Identity, Network, OurId};
///
/// let crawler = Identity {
///     mirror: true,
///     id: OurId::PerConnection,
///     ..Identity::new(Network::mainnet())
/// };
/// assert_eq!((crawler.version, crawler.min_version), (10, 10));
/// ```
#[derive(Clone, Debug)]
pub struct Identity {
    /// Which network we are on.
    pub network: Network,
    /// The newest protocol version that we admit to speak. Default 10, which all of kaspad 2 takes;
    /// at most 11, which obliges whoever serves proofs of pruning points to send them in chunks.
    pub version: u32,
    /// The oldest version that we talk to. Default 10: older nodes are no longer on the network.
    pub min_version: u32,
    /// Whether to wait for their introduction and to admit to speak whatever they do, up to 11 and not
    /// below our minimum, in place of `version`. For those who only dial: two who wait for each other
    /// wait for ever. Default: no.
    pub mirror: bool,
    /// Which id introduces us. Default: one for all connections of this identity and its clones.
    pub id: OurId,
    /// Our software. Default: this library's name.
    pub user_agent: UserAgent,
    /// Where we listen. Nodes put it into their address books, so it must be true. Default: nowhere.
    pub address: Option<SocketAddr>,
    /// What we offer. Default: 0, as nodes say it; nobody reads it.
    pub services: u64,
    /// Whether we want no announcements of transactions. Default: no. Kaspad does not heed it.
    pub disable_relay_tx: bool,
    /// The subnetwork to which we confine ourselves. Default: none.
    pub subnetwork: Option<SubnetworkId>,
    /// Whether we may talk to ourselves: for tests. Default: no.
    pub allow_self_connections: bool,
    /// The ids that are ours. Connections that shall recognise each other as ours share it; a clone
    /// does.
    pub ids: Ids,
}

impl Identity {
    /// The defaults, on this network.
    #[must_use]
    pub fn new(network: Network) -> Self {
        Self {
            network,
            version: 10,
            min_version: 10,
            mirror: false,
            id: OurId::default(),
            user_agent: UserAgent::default(),
            address: None,
            services: 0,
            disable_relay_tx: false,
            subnetwork: None,
            allow_self_connections: false,
            ids: Ids::default(),
        }
    }

    /// The version that we advertise to who has advertised `theirs`: never one that this crate does
    /// not speak.
    pub(crate) fn advertised(&self, theirs: Option<u32>) -> u32 {
        let version = theirs.filter(|_| self.mirror).unwrap_or(self.version);
        version.min(Kaspa::VERSION)
    }
}

/// What they said of themselves, and what was agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// The protocol version that they advertised.
    pub version: u32,
    /// The version that both speak: the lower of theirs and ours.
    pub agreed: u32,
    /// Their id.
    pub id: NodeId,
    /// The id by which we introduced ourselves.
    pub our_id: NodeId,
    /// Their software; what it says after 256 bytes is cut, as kaspad does it.
    pub user_agent: UserAgent,
    /// Where they listen, if they said so and it is an address.
    pub address: Option<SocketAddr>,
    /// The network's name: theirs and ours.
    pub network: Cow<'static, str>,
    /// What they offer. Nodes say 0.
    pub services: u64,
    /// Whether they want no announcements of transactions.
    pub disable_relay_tx: bool,
    /// The subnetwork to which they confine themselves; none if they are a full node.
    pub subnetwork: Option<SubnetworkId>,
    /// Their clock, in milliseconds since 1970.
    pub timestamp: i64,
    /// Their clock minus ours when their introduction arrived, in seconds.
    pub time_offset: i64,
}

impl peerage_wire::Remote for Remote {
    #[allow(clippy::misnamed_getters)] // the engine's word for what was agreed
    fn version(&self) -> u32 {
        self.agreed
    }

    /// A block DAG has tips where a chain has a height: none is told.
    fn height(&self) -> i32 {
        0
    }

    fn answers_ping(&self) -> bool {
        true
    }

    fn time_offset(&self) -> i64 {
        self.time_offset
    }
}
