//! Answers in several messages: headers, the unspent outputs of the pruning point, its proof.
//!
//! They are paced as in kaspad, by the requests for more.

use std::sync::Arc;

use kaspa_consensus_core::header::Header;
use kaspa_hashes::Hash;
use kaspa_p2p_lib::IncomingRoute;
use kaspa_p2p_lib::common::ProtocolError;
use kaspa_p2p_lib::pb::{
    BlockHeadersMessage, DoneHeadersMessage, DonePruningPointUtxoSetChunksMessage,
    OutpointAndUtxoEntryPair, PruningPointProofChunkMessage, PruningPointProofChunksEndMessage,
    PruningPointProofHeaderArray, PruningPointProofMessage, PruningPointUtxoSetChunkMessage,
    UnexpectedPruningPointMessage, kaspad_message::Payload,
};

use crate::answers::not_served;
use crate::asking::BATCH;
use crate::connection::Connection;
use crate::samples;

/// The most headers in one message.
const HEADERS: usize = 1 << 10;

/// The unspent outputs in a chunk. A shorter one is the last.
const UTXOS: u64 = 1_000;

/// Since this version the proof comes in chunks.
const CHUNKED_PROOF: u32 = 11;

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
        Payload::RequestPruningPointUtxoSet(m) => utxos(connection, route, m.try_into()?).await,
        Payload::RequestPruningPointProof(_) => proof(connection, id).await,
        other if is_question(&other) => Err(not_served(&other)),
        // The rest are answers that nothing here waits for.
        _ => Ok(()),
    }
}

/// Whether kaspad would serve this, or would take it only in the middle of a stream.
fn is_question(payload: &Payload) -> bool {
    matches!(
        payload,
        Payload::RequestPruningPointAndItsAnticone(_)
            | Payload::RequestNextPruningPointAndItsAnticoneBlocks(_)
            | Payload::RequestPruningPointSmtState(_)
            | Payload::RequestNextPruningPointSmtChunk(_)
            | Payload::RequestNextHeaders(_)
            | Payload::RequestNextPruningPointUtxoSetChunk(_)
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
        match connection.receive(route).await? {
            (Payload::RequestNextHeaders(_), _) => {}
            (other, _) => return Err(unexpected("Payload::RequestNextHeaders", &other)),
        }
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

/// The pruning point is the genesis block.
async fn utxos(
    connection: &Connection,
    route: &mut IncomingRoute,
    pruning_point: Hash,
) -> Result<(), ProtocolError> {
    let (total, known) = {
        let store = connection.node.store();
        (store.utxos, store.chain.genesis() == pruning_point)
    };
    if !known {
        let unexpected = UnexpectedPruningPointMessage {};
        return connection.send(Payload::UnexpectedPruningPoint(unexpected)).await;
    }
    for chunk in 0.. {
        let first = chunk * UTXOS;
        let numbers = first..total.min(first + UTXOS);
        let last = numbers.end - numbers.start < UTXOS;
        connection.send(utxo_chunk(numbers)).await?;
        if (chunk + 1).is_multiple_of(BATCH as u64) {
            match connection.receive(route).await? {
                (Payload::RequestNextPruningPointUtxoSetChunk(_), _) => {}
                (other, _) => {
                    return Err(unexpected("RequestNextPruningPointUtxoSetChunk", &other));
                }
            }
        }
        if last {
            break;
        }
    }
    let done = DonePruningPointUtxoSetChunksMessage {};
    connection.send(Payload::DonePruningPointUtxoSetChunks(done)).await
}

fn utxo_chunk(numbers: std::ops::Range<u64>) -> Payload {
    let pair = |number| {
        let (outpoint, entry) = samples::utxo(number);
        OutpointAndUtxoEntryPair::from((&outpoint, &entry))
    };
    let outpoint_and_utxo_entry_pairs = numbers.map(pair).collect();
    Payload::PruningPointUtxoSetChunk(PruningPointUtxoSetChunkMessage {
        outpoint_and_utxo_entry_pairs,
    })
}

/// A proof of two levels: all headers on the lower one and the newest on the upper one.
async fn proof(connection: &Connection, id: u32) -> Result<(), ProtocolError> {
    let chain = connection.node.store().chain.clone();
    let all: Vec<_> = chain.all_headers().map(|header| header.as_ref().into()).collect();
    let levels = [all, vec![chain.tip().header.as_ref().into()]];
    if connection.protocol_version() < CHUNKED_PROOF {
        let headers = levels.map(|headers| PruningPointProofHeaderArray { headers }).into();
        let proof = PruningPointProofMessage { headers };
        return connection.respond(Payload::PruningPointProof(proof), id).await;
    }
    for (level, headers) in levels.into_iter().enumerate().rev() {
        for chunk in headers.chunks(HEADERS) {
            let chunk = PruningPointProofChunkMessage {
                chunk: chunk.to_vec(),
                level: u32::try_from(level).expect("there are two levels"),
            };
            connection.respond(Payload::PruningPointProofChunk(chunk), id).await?;
        }
    }
    let end = PruningPointProofChunksEndMessage {};
    connection.respond(Payload::PruningPointProofChunksEnd(end), id).await
}

fn unexpected(wanted: &'static str, got: &Payload) -> ProtocolError {
    ProtocolError::UnexpectedMessage(wanted, Some(got.into()))
}
