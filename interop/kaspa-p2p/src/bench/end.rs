//! One end of a connection: the library's opening, the checks that kaspad makes, and one route.

use std::sync::Arc;

use async_trait::async_trait;
use kaspa_p2p_lib::common::ProtocolError;
use kaspa_p2p_lib::convert::model::version::Version;
use kaspa_p2p_lib::{
    ConnectionInitializer, Hub, IncomingRoute, KaspadHandshake, KaspadMessagePayloadType, Router,
};
use tokio::sync::mpsc::UnboundedSender;
use uuid::Uuid;

/// The network of all benchmarks.
pub(crate) const NETWORK: &str = "kaspa-simnet";

/// An open connection, and the route on which all its messages arrive.
pub(crate) struct Opened {
    pub(crate) router: Arc<Router>,
    pub(crate) route: IncomingRoute,
}

impl Opened {
    /// Closes it. The stream ends when nobody has the router any more.
    pub(crate) async fn close(self) {
        self.router.close().await;
    }
}

/// Opens connections and hands them over. Bounded by the number of openings that the benchmark asks
/// for.
pub(crate) struct End {
    pub(crate) hub: Hub,
    pub(crate) types: Vec<KaspadMessagePayloadType>,
    pub(crate) capacity: usize,
    pub(crate) opened: UnboundedSender<Opened>,
}

#[async_trait]
impl ConnectionInitializer for End {
    async fn initialize_connection(&self, router: Arc<Router>) -> Result<(), ProtocolError> {
        let mut handshake = KaspadHandshake::new(&router);
        router.start();
        // A fresh id for each connection, so that none is a duplicate.
        let id = Uuid::new_v4().into();
        let ours = Version::new(None, id, NETWORK.to_owned(), None, 11);
        let theirs: Version = handshake.handshake(ours.into()).await?.try_into()?;
        router.set_identity(theirs.id);
        if self.hub.has_peer(router.key()) {
            return Err(ProtocolError::PeerAlreadyExists(router.key()));
        }
        if theirs.network != NETWORK {
            return Err(ProtocolError::WrongNetwork(NETWORK.to_owned(), theirs.network));
        }
        if theirs.protocol_version < 10 {
            return Err(ProtocolError::VersionMismatch(11, theirs.protocol_version));
        }
        let route = router.subscribe_with_capacity(self.types.clone(), self.capacity);
        handshake.exchange_ready_messages().await?;
        let opened = Opened { router: router.clone(), route };
        self.opened.send(opened).map_err(|_| ProtocolError::Other("nobody waits for it"))
    }
}
