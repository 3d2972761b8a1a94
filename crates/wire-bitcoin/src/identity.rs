//! What we say of ourselves, and what they said.

use peerage_wire::Nonces;

use crate::message::{Feature, SendTxRcncl, Tx};
use crate::types::{InventoryItem, PeerAddress, Services, UserAgent};
use crate::{Bitcoin, Network};

/// What we say of ourselves on one connection, and what we ask of the other side.
///
/// ```
/// use peerage_wire_bitcoin::types::Services;
/// use peerage_wire_bitcoin::{Identity, Network};
///
/// let identity = Identity { services: Services::WITNESS, ..Identity::new(Network::regtest()) };
/// assert_eq!(identity.version, 70_017);
/// ```
#[derive(Clone, Debug)]
pub struct Identity {
    /// Which network we are on.
    pub network: Network,
    /// The newest protocol version that we admit to speak. Default and maximum:
    /// [`Bitcoin::VERSION`](peerage_wire::Protocol::VERSION).
    pub version: u32,
    /// The oldest version that we talk to. Default 209, as btcd, the first with checksums in
    /// frames; Bitcoin Core takes 31800 and more.
    pub min_version: u32,
    /// What we offer. Default: nothing.
    pub services: Services,
    /// Our software. Default: this library's name.
    pub user_agent: UserAgent,
    /// Whether we want transactions to be announced (BIP37). Default: yes.
    pub relay: bool,
    /// The height of our best chain. Default 0.
    pub height: i32,
    /// Where we see the other side. Default: nowhere.
    pub addr_recv: Option<PeerAddress>,
    /// Where we see ourselves. Default: nowhere, with our services, as Bitcoin Core says it.
    pub addr_from: Option<PeerAddress>,
    /// Whether we may talk to ourselves: for tests. Default: no.
    pub allow_self_connections: bool,
    /// Whether we want transactions to be announced by wtxid (BIP339). Default: yes.
    pub wtxid_relay: bool,
    /// Whether we want `addrv2` in place of `addr` (BIP155). Default: yes.
    pub addrv2: bool,
    /// The version of transaction reconciliation that we offer (BIP330), to whom relays
    /// transactions by wtxid. Each connection draws a salt of its own. Default: none.
    pub txrcncl: Option<u32>,
    /// What else we announce (BIP434), the most preferred first. Default: nothing.
    pub features: Vec<Feature>,
    /// The nonces of introductions that we have under way. Connections that shall recognise each
    /// other as ours share it; a clone does.
    pub nonces: Nonces,
}

impl Identity {
    /// The defaults, on this network.
    #[must_use]
    pub fn new(network: Network) -> Self {
        Self {
            network,
            version: <Bitcoin as peerage_wire::Protocol>::VERSION,
            min_version: 209,
            services: Services::NONE,
            user_agent: UserAgent::default(),
            relay: true,
            height: 0,
            addr_recv: None,
            addr_from: None,
            allow_self_connections: false,
            wtxid_relay: true,
            addrv2: true,
            txrcncl: None,
            features: Vec::new(),
            nonces: Nonces::default(),
        }
    }

    /// The version that we advertise: never one that this crate does not speak.
    pub(crate) fn advertised(&self) -> u32 {
        self.version.min(<Bitcoin as peerage_wire::Protocol>::VERSION)
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
    /// What we have offered them.
    pub our_services: Services,
    /// Their software.
    pub user_agent: UserAgent,
    /// The height that they claim for their best chain.
    pub height: i32,
    /// Whether they want transactions to be announced.
    pub relay: bool,
    /// Their clock, in seconds since 1970.
    pub timestamp: i64,
    /// Their clock minus ours when their introduction arrived, in seconds.
    pub time_offset: i64,
    /// Where they see us.
    pub addr_recv: PeerAddress,
    /// Where they see themselves.
    pub addr_from: PeerAddress,
    /// The nonce of their introduction.
    pub nonce: u64,
    /// Whether they want `addrv2` in place of `addr`.
    pub wants_addrv2: bool,
    /// Whether both sides announce transactions by wtxid.
    pub wtxid_relay: bool,
    /// Their offer of transaction reconciliation. Without relay by wtxid it is void, and none here.
    pub txrcncl: Option<SendTxRcncl>,
    /// Our offer of it, if we made one; its salt is this connection's.
    pub sent_txrcncl: Option<SendTxRcncl>,
    /// What else they announced, in their order.
    pub features: Vec<Feature>,
}

impl Remote {
    /// How this transaction is announced to them: by wtxid where both sides agreed on it (BIP339),
    /// else by txid.
    #[must_use]
    pub fn announcement_of(&self, tx: &Tx) -> InventoryItem {
        if self.wtxid_relay { InventoryItem::wtx(tx.wtxid()) } else { InventoryItem::tx(tx.txid()) }
    }
}

impl peerage_wire::Remote for Remote {
    fn version(&self) -> u32 {
        self.agreed
    }

    fn height(&self) -> i32 {
        self.height
    }

    fn answers_ping(&self) -> bool {
        self.agreed > crate::message::LAST_WITHOUT_NONCE
    }

    fn time_offset(&self) -> i64 {
        self.time_offset
    }
}
