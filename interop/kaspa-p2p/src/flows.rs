//! The routes of a connection: the same types on the same routes as in kaspad 2.1.0, with the same
//! capacities, so that a message without a route ends the connection here exactly when it does there.

use std::sync::{Arc, Weak};
use std::time::Duration;

use kaspa_p2p_lib::KaspadMessagePayloadType::{self as Type, *};
use kaspa_p2p_lib::common::{DEFAULT_TIMEOUT, ProtocolError};
use kaspa_p2p_lib::pb::{InvRelayBlockMessage, kaspad_message::Payload};
use kaspa_p2p_lib::{IncomingRoute, Router};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::answers;
use crate::asking;
use crate::connection::{Connection, Ids};

/// The pause between two pings, as in kaspad.
const PING_INTERVAL: Duration = Duration::from_secs(120);

/// The capacity of most routes.
const USUAL: usize = 256;

/// Everything kaspad routes by type, for the initial download.
const IBD: &[Type] = &[
    BlockHeaders,
    DoneHeaders,
    IbdBlockLocatorHighestHash,
    IbdBlockLocatorHighestHashNotFound,
    BlockWithTrustedDataV4,
    DoneBlocksWithTrustedData,
    IbdChainBlockLocator,
    BlockBody,
    TrustedData,
    TrustedDataChunk,
    TrustedDataChunksEnd,
    PruningPoints,
    PruningPointProof,
    PruningPointProofChunk,
    PruningPointProofChunksEnd,
    UnexpectedPruningPoint,
    PruningPointUtxoSetChunk,
    DonePruningPointUtxoSetChunks,
    SmtMetadata,
    SmtLaneChunk,
];

/// The other routes. `Block`, `IbdBlock` and `BlockLocator` are on none: they arrive by the id of
/// the route that asked for them, or they end the connection.
const OTHERS: [(&[Type], usize); 18] = [
    (&[RequestRelayBlocks], USUAL),
    (&[Ping], USUAL),
    (&[RequestHeaders, RequestNextHeaders], USUAL),
    (&[RequestPruningPointProof], USUAL),
    (&[RequestIbdChainBlockLocator], USUAL),
    (&[RequestPruningPointAndItsAnticone, RequestNextPruningPointAndItsAnticoneBlocks], USUAL),
    (&[RequestPruningPointUtxoSet, RequestNextPruningPointUtxoSetChunk], USUAL),
    (&[RequestPruningPointSmtState, RequestNextPruningPointSmtChunk], USUAL),
    (&[RequestIbdBlocks], USUAL),
    (&[RequestBlockBodies], USUAL),
    (&[RequestAntipast], USUAL),
    (&[InvTransactions], 4096),
    (&[Transaction, TransactionNotFound], 1 << 17),
    (&[RequestTransactions], USUAL),
    (&[Addresses], USUAL),
    (&[RequestAddresses], USUAL),
    (&[RequestBlockLocator], USUAL),
    // Ten blocks a second.
    (&[InvRelayBlock], 256 * 10),
];

/// Every type that has a route.
pub(crate) fn types() -> impl Iterator<Item = Type> {
    let others = OTHERS.iter().flat_map(|(types, _)| types.iter());
    IBD.iter().chain(others).copied().chain([Pong])
}

/// The routes of one connection before it is established.
pub(crate) struct Flows {
    ids: Ids,
    pongs: IncomingRoute,
    routes: Vec<IncomingRoute>,
}

impl Flows {
    /// Subscribes all of them.
    pub(crate) fn subscribe(router: &Router) -> Self {
        let ibd = router.subscribe_with_capacity(IBD.to_vec(), USUAL);
        // Reached by its id alone.
        let relay = router.subscribe_with_capacity(Vec::new(), USUAL);
        let pongs = router.subscribe_with_capacity(vec![Pong], USUAL);
        let ids = Ids { relay: relay.id(), ibd: ibd.id() };
        let mut routes = vec![ibd, relay];
        routes.extend(
            OTHERS
                .map(|(types, capacity)| router.subscribe_with_capacity(types.to_vec(), capacity)),
        );
        Self { ids, pongs, routes }
    }

    pub(crate) fn ids(&self) -> Ids {
        self.ids
    }

    /// Starts one task for each route, and what a node begins by itself: a question for addresses, the
    /// announcement of its newest block, and pings.
    pub(crate) fn launch(self, connection: Arc<Connection>) {
        tokio::spawn(expect_addresses(Arc::downgrade(&connection)));
        tokio::spawn(async move {
            let mut flows = JoinSet::new();
            flows.spawn(greet(connection.clone()));
            flows.spawn(pings(connection.clone(), self.pongs));
            for route in self.routes {
                flows.spawn(follow(connection.clone(), route));
            }
            while let Some(ended) = flows.join_next().await {
                if let Err(error) = ended.expect("flows do not panic and are not cancelled") {
                    connection.fail(error).await;
                }
            }
            connection.ended();
        });
    }
}

async fn greet(connection: Arc<Connection>) -> Result<(), ProtocolError> {
    asking::addresses(&connection).await?;
    let chain = connection.node.store().chain.clone();
    if chain.height() > 0 {
        let hash = Some(chain.tip().hash().into());
        connection.send(Payload::InvRelayBlock(InvRelayBlockMessage { hash })).await?;
    }
    Ok(())
}

async fn follow(
    connection: Arc<Connection>,
    mut route: IncomingRoute,
) -> Result<(), ProtocolError> {
    loop {
        let (payload, id) = connection.receive(&mut route).await?;
        answers::answer(&connection, &mut route, payload, id).await?;
    }
}

/// The route of pongs, and the timer of pings: each is due two minutes after the last pong, and has two
/// minutes to be answered.
async fn pings(connection: Arc<Connection>, mut route: IncomingRoute) -> Result<(), ProtocolError> {
    let mut due = Instant::now() + PING_INTERVAL;
    let mut awaited = None;
    loop {
        match timeout_at(due, connection.receive(&mut route)).await {
            Ok(received) => {
                let (payload, id) = received?;
                answers::answer(&connection, &mut route, payload, id).await?;
                if awaited.is_some_and(|nonce| !asking::is_pinging(&connection, nonce)) {
                    (awaited, due) = (None, Instant::now() + PING_INTERVAL);
                }
            }
            Err(_) if awaited.is_some() => return Err(ProtocolError::Timeout(DEFAULT_TIMEOUT)),
            Err(_) => {
                awaited = Some(asking::ping(&connection).await?);
                due = Instant::now() + DEFAULT_TIMEOUT;
            }
        }
    }
}

/// Ends a connection whose other side does not answer the first question for addresses.
async fn expect_addresses(connection: Weak<Connection>) {
    tokio::time::sleep(DEFAULT_TIMEOUT).await;
    let Some(living) = connection.upgrade() else { return };
    if living.asked(|asked| asked.addresses) > 0 {
        living.fail(ProtocolError::Timeout(DEFAULT_TIMEOUT)).await;
    }
}
