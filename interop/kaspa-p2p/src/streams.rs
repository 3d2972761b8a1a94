//! Answers in several messages. They are paced as in kaspad, by the requests for more.

use std::sync::Arc;

use kaspa_consensus_core::header::Header;
use kaspa_hashes::Hash;
use kaspa_p2p_lib::common::ProtocolError;
use kaspa_p2p_lib::pb::{BlockHeadersMessage, DoneHeadersMessage, kaspad_message::Payload};
use kaspa_p2p_lib::{IncomingRoute, KaspadMessagePayloadType};

use crate::connection::Connection;
use crate::describe;
use crate::proof;
use crate::state;

/// The most headers in one message.
pub(crate) const HEADERS: usize = 1 << 10;

/// Answers in several messages.
pub(crate) async fn answer(
    connection: &Connection,
    route: &mut IncomingRoute,
    payload: Payload,
    id: u32,
) -> Result<(), ProtocolError> {
    match payload {
        Payload::RequestHeaders(m) => {
            let (high, low): (Hash, Hash) = m.try_into()?;
            headers(connection, route, (low, high), id).await
        }
        Payload::RequestAntipast(m) => {
            let (block, context): (Hash, Hash) = m.try_into()?;
            antipast(connection, block, context, id).await
        }
        Payload::RequestPruningPointProof(_) => proof::proof(connection, id).await,
        Payload::RequestPruningPointAndItsAnticone(_) => {
            proof::anticone(connection, route, id).await
        }
        Payload::RequestPruningPointUtxoSet(m) => {
            state::utxos(connection, route, m.try_into()?).await
        }
        Payload::RequestPruningPointSmtState(m) => {
            state::lanes(connection, route, m.try_into()?).await
        }
        other if is_request_for_more(&other) => {
            let text = format!("{} outside of a stream", describe::kind(&other));
            Err(ProtocolError::OtherOwned(text))
        }
        // The rest are answers that nothing here waits for.
        _ => Ok(()),
    }
}

fn is_request_for_more(payload: &Payload) -> bool {
    matches!(
        payload,
        Payload::RequestNextHeaders(_)
            | Payload::RequestNextPruningPointAndItsAnticoneBlocks(_)
            | Payload::RequestNextPruningPointUtxoSetChunk(_)
            | Payload::RequestNextPruningPointSmtChunk(_)
    )
}

async fn headers(
    connection: &Connection,
    route: &mut IncomingRoute,
    (low, high): (Hash, Hash),
    id: u32,
) -> Result<(), ProtocolError> {
    for batch in between(connection, low, high)?.chunks(HEADERS) {
        connection.respond(block_headers(batch), id).await?;
        next(connection, route, KaspadMessagePayloadType::RequestNextHeaders).await?;
    }
    connection.respond(Payload::DoneHeaders(DoneHeadersMessage {}), id).await
}

async fn antipast(
    connection: &Connection,
    block: Hash,
    context: Hash,
    id: u32,
) -> Result<(), ProtocolError> {
    // In a chain, what the context has and the block has not is what lies between them.
    let headers = between(connection, block, context)?;
    connection.respond(block_headers(&headers), id).await?;
    connection.respond(Payload::DoneHeaders(DoneHeadersMessage {}), id).await
}

fn between(
    connection: &Connection,
    low: Hash,
    high: Hash,
) -> Result<Vec<Arc<Header>>, ProtocolError> {
    let headers = connection.node.store().chain.headers(low, high);
    headers.ok_or_else(|| {
        let text = format!("low hash {low} is not a chain ancestor of {high}");
        ProtocolError::OtherOwned(text)
    })
}

fn block_headers(headers: &[Arc<Header>]) -> Payload {
    let block_headers = headers.iter().map(|header| header.as_ref().into()).collect();
    Payload::BlockHeaders(BlockHeadersMessage { block_headers })
}

/// Waits for the request that lets a stream go on.
pub(crate) async fn next(
    connection: &Connection,
    route: &mut IncomingRoute,
    wanted: KaspadMessagePayloadType,
) -> Result<(), ProtocolError> {
    let (payload, _) = connection.receive(route).await?;
    let got = KaspadMessagePayloadType::from(&payload);
    if got == wanted {
        return Ok(());
    }
    Err(ProtocolError::UnexpectedMessage("a request for the next part", Some(got)))
}
