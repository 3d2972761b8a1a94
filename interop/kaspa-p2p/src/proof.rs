//! The proof of the pruning point, and the blocks around it.
//!
//! The pruning point of the made-up chain is its genesis block, so the proof proves nothing; but it has
//! all the parts of a real one, and both forms of them: protocol version 11 splits what before came in
//! one message.

use std::sync::Arc;

use kaspa_consensus_core::header::Header;
use kaspa_consensus_core::trusted::{ExternalGhostdagData, TrustedGhostdagData, TrustedHeader};
use kaspa_p2p_lib::common::ProtocolError;
use kaspa_p2p_lib::pb::{
    BlockWithTrustedDataV4Message, DoneBlocksWithTrustedDataMessage, PruningPointProofChunkMessage,
    PruningPointProofChunksEndMessage, PruningPointProofHeaderArray, PruningPointProofMessage,
    PruningPointsMessage, TrustedDataChunkMessage, TrustedDataChunksEndMessage, TrustedDataMessage,
    kaspad_message::Payload,
};
use kaspa_p2p_lib::{IncomingRoute, KaspadMessagePayloadType};

use crate::asking::BATCH;
use crate::connection::Connection;
use crate::samples;
use crate::streams::{HEADERS, next};

/// Since this version both answers come in chunks.
const CHUNKS: u32 = 11;

/// The most blocks that are sent with the pruning point: enough for a second batch.
const ANTICONE: usize = 150;

/// The most headers in a chunk of trusted data.
const TRUSTED: usize = 64;

/// A proof of two levels: all headers on the lower one and the newest on the upper one.
pub(crate) async fn proof(connection: &Connection, id: u32) -> Result<(), ProtocolError> {
    let chain = connection.node.store().chain.clone();
    let all: Vec<_> = chain.all_headers().map(|header| header.as_ref().into()).collect();
    let levels = [all, vec![chain.tip().header.as_ref().into()]];
    if connection.protocol_version() < CHUNKS {
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

/// The pruning points, the trusted data, and the blocks from the pruning point up.
pub(crate) async fn anticone(
    connection: &Connection,
    route: &mut IncomingRoute,
    id: u32,
) -> Result<(), ProtocolError> {
    let chain = connection.node.store().chain.clone();
    let genesis = chain.block(chain.genesis()).expect("every chain has it");
    let headers = vec![genesis.header.as_ref().into()];
    let points = PruningPointsMessage { headers };
    connection.respond(Payload::PruningPoints(points), id).await?;

    let headers: Vec<_> = chain.all_headers().take(ANTICONE).map(trusted).collect();
    trusted_data(connection, &headers, id).await?;

    for (sent, header) in (1_usize..).zip(&headers) {
        let block = chain.block(header.header.hash).map(Into::into);
        let block = BlockWithTrustedDataV4Message { block, ..Default::default() };
        connection.respond(Payload::BlockWithTrustedDataV4(block), id).await?;
        if sent.is_multiple_of(BATCH) {
            let more = KaspadMessagePayloadType::RequestNextPruningPointAndItsAnticoneBlocks;
            next(connection, route, more).await?;
        }
    }
    let done = DoneBlocksWithTrustedDataMessage {};
    connection.respond(Payload::DoneBlocksWithTrustedData(done), id).await
}

async fn trusted_data(
    connection: &Connection,
    headers: &[TrustedHeader],
    id: u32,
) -> Result<(), ProtocolError> {
    if connection.protocol_version() < CHUNKS {
        let pair = |header: &TrustedHeader| {
            let (hash, ghostdag) = (header.header.hash, header.ghostdag.clone());
            (&TrustedGhostdagData::new(hash, ghostdag)).into()
        };
        let data = TrustedDataMessage {
            daa_window: headers.iter().map(Into::into).collect(),
            ghostdag_data: headers.iter().map(pair).collect(),
        };
        return connection.respond(Payload::TrustedData(data), id).await;
    }
    for headers in headers.chunks(TRUSTED) {
        let chunk = TrustedDataChunkMessage { headers: headers.iter().map(Into::into).collect() };
        connection.respond(Payload::TrustedDataChunk(chunk), id).await?;
    }
    let end = TrustedDataChunksEndMessage {};
    connection.respond(Payload::TrustedDataChunksEnd(end), id).await
}

fn trusted(header: &Arc<Header>) -> TrustedHeader {
    let parents = header.direct_parents();
    let ghostdag = ExternalGhostdagData {
        blue_score: header.blue_score,
        blue_work: header.blue_work,
        selected_parent: parents.first().copied().unwrap_or_default(),
        mergeset_blues: parents.to_vec(),
        mergeset_reds: vec![samples::hash(header.blue_score, 60)],
        blues_anticone_sizes: parents.iter().zip(0..).map(|(hash, size)| (*hash, size)).collect(),
    };
    TrustedHeader::new(header.clone(), ghostdag)
}
