//! What we say of ourselves, and what they said.

use peerage_wire::{Nonces, Protocol as _};

use super::types::{Hash, PeerAddress, Services, SubnetworkId, UserAgent};
use super::{KaspaLegacy, Network};

/// What we say of ourselves on one connection.
///
/// ```
/// use peerage_wire_kaspa::legacy::types::Services;
/// use peerage_wire_kaspa::legacy::{Identity, Network};
///
/// let identity = Identity { services: Services::NETWORK, ..Identity::new(Network::simnet()) };
/// assert_eq!(identity.selected_tip, Network::simnet().genesis);
/// ```
#[derive(Clone, Debug)]
pub struct Identity {
    /// Which network we are on.
    pub network: Network,
    /// The newest protocol version that we admit to speak. Default and maximum: 1.
    pub version: u32,
    /// The oldest version that we talk to. Default 1.
    pub min_version: u32,
    /// What we offer. Default: nothing.
    pub services: Services,
    /// Our software. Default: this library's name.
    pub user_agent: UserAgent,
    /// The subnetwork to which we confine ourselves; none, the default, for a full node. A network
    /// must know [`partial_nodes`](Network::partial_nodes).
    pub subnetwork: Option<SubnetworkId>,
    /// Whether we want transactions to be announced. Default: yes.
    pub relay: bool,
    /// The tip of our selected chain. Default: the network's first block.
    pub selected_tip: Hash,
    /// Where we see the other side. Default: nowhere.
    pub addr_recv: Option<PeerAddress>,
    /// Where we see ourselves. Default: nowhere, with our services, as kaspad says it.
    pub addr_from: Option<PeerAddress>,
    /// Whether we may talk to ourselves: for tests. Default: no.
    pub allow_self_connections: bool,
    /// The nonces of introductions that we have under way. Connections that shall recognise each
    /// other as ours share it; a clone does.
    pub nonces: Nonces,
}

impl Identity {
    /// The defaults, on this network.
    #[must_use]
    pub fn new(network: Network) -> Self {
        Self {
            selected_tip: network.genesis,
            network,
            version: KaspaLegacy::VERSION,
            min_version: KaspaLegacy::VERSION,
            services: Services::NONE,
            user_agent: UserAgent::default(),
            subnetwork: None,
            relay: true,
            addr_recv: None,
            addr_from: None,
            allow_self_connections: false,
            nonces: Nonces::default(),
        }
    }

    /// The version that we advertise: never one that this crate does not speak.
    pub(crate) fn advertised(&self) -> u32 {
        self.version.min(KaspaLegacy::VERSION)
    }
}

/// What they said of themselves, and what was agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// The protocol version that they advertised.
    pub version: i32,
    /// The version that both speak: the lower of theirs and ours.
    pub agreed: u32,
    /// What they offer.
    pub services: Services,
    /// What we offered them.
    pub our_services: Services,
    /// Their software.
    pub user_agent: UserAgent,
    /// The subnetwork to which they confine themselves; none if they are a full node.
    pub subnetwork: Option<SubnetworkId>,
    /// The tip of their selected chain when they introduced themselves.
    pub selected_tip: Hash,
    /// Whether they want transactions to be announced.
    pub relay: bool,
    /// Their clock, in the network's [`TimestampUnit`](super::types::TimestampUnit) since 1970.
    pub timestamp: i64,
    /// Their clock minus ours when their introduction arrived, in seconds.
    pub time_offset: i64,
    /// Where they see us.
    pub addr_recv: PeerAddress,
    /// Where they see themselves.
    pub addr_from: PeerAddress,
    /// The nonce of their introduction.
    pub nonce: u64,
}

impl peerage_wire::Remote for Remote {
    fn version(&self) -> u32 {
        self.agreed
    }

    /// A block DAG has tips where a chain has a height: none is known.
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
