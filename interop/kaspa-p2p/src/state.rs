//! The state at the pruning point: its unspent outputs, and the lanes of KIP-21.

use std::ops::Range;

use kaspa_hashes::Hash;
use kaspa_p2p_lib::common::ProtocolError;
use kaspa_p2p_lib::pb::{
    DonePruningPointUtxoSetChunksMessage, OutpointAndUtxoEntryPair,
    PruningPointUtxoSetChunkMessage, SmtLaneChunkMessage, SmtLaneEntry, SmtMetadataMessage,
    UnexpectedPruningPointMessage, kaspad_message::Payload,
};
use kaspa_p2p_lib::{IncomingRoute, KaspadMessagePayloadType};

use crate::asking::{BATCH, LANE_BATCH};
use crate::connection::Connection;
use crate::samples;
use crate::streams::next;

/// The unspent outputs in a chunk. A shorter one is the last.
const UTXOS: u64 = 1_000;

/// The lanes in a chunk.
const LANES: u64 = 4_096;

/// The unspent outputs, in chunks.
pub(crate) async fn utxos(
    connection: &Connection,
    route: &mut IncomingRoute,
    pruning_point: Hash,
) -> Result<(), ProtocolError> {
    let total = connection.node.store().utxos;
    if !is_ours(connection, pruning_point).await? {
        return Ok(());
    }
    for chunk in 0.. {
        let first = chunk * UTXOS;
        let numbers = first..total.min(first + UTXOS);
        let last = numbers.end - numbers.start < UTXOS;
        connection.send(utxo_chunk(numbers)).await?;
        if (chunk + 1).is_multiple_of(BATCH as u64) {
            let more = KaspadMessagePayloadType::RequestNextPruningPointUtxoSetChunk;
            next(connection, route, more).await?;
        }
        if last {
            break;
        }
    }
    let done = DonePruningPointUtxoSetChunksMessage {};
    connection.send(Payload::DonePruningPointUtxoSetChunks(done)).await
}

fn utxo_chunk(numbers: Range<u64>) -> Payload {
    let pair = |number| {
        let (outpoint, entry) = samples::utxo(number);
        OutpointAndUtxoEntryPair::from((&outpoint, &entry))
    };
    let outpoint_and_utxo_entry_pairs = numbers.map(pair).collect();
    Payload::PruningPointUtxoSetChunk(PruningPointUtxoSetChunkMessage {
        outpoint_and_utxo_entry_pairs,
    })
}

/// The lanes, in chunks, after a word on how many there are.
pub(crate) async fn lanes(
    connection: &Connection,
    route: &mut IncomingRoute,
    pruning_point: Hash,
) -> Result<(), ProtocolError> {
    let total = connection.node.store().lanes;
    if !is_ours(connection, pruning_point).await? {
        return Ok(());
    }
    let data = [70, 71, 72].map(|kind| samples::hash(total, kind).as_bytes()).concat();
    let metadata = SmtMetadataMessage { data, active_lanes_count: total };
    connection.send(Payload::SmtMetadata(metadata)).await?;
    let mut first = 0;
    for sent in 1_usize.. {
        if first == total {
            break;
        }
        let last = total.min(first + LANES);
        let entries = (first..last).map(lane).collect();
        connection.send(Payload::SmtLaneChunk(SmtLaneChunkMessage { entries })).await?;
        first = last;
        if last < total && sent.is_multiple_of(LANE_BATCH) {
            let more = KaspadMessagePayloadType::RequestNextPruningPointSmtChunk;
            next(connection, route, more).await?;
        }
    }
    Ok(())
}

fn lane(number: u64) -> SmtLaneEntry {
    let data = [73, 74].map(|kind| samples::hash(number, kind).as_bytes()).concat();
    SmtLaneEntry { data, blue_score: number, proof: Vec::new() }
}

/// Whether this is the pruning point, which is the genesis block. If not, says so.
async fn is_ours(connection: &Connection, pruning_point: Hash) -> Result<bool, ProtocolError> {
    let ours = connection.node.store().chain.genesis() == pruning_point;
    if !ours {
        let unexpected = UnexpectedPruningPointMessage {};
        connection.send(Payload::UnexpectedPruningPoint(unexpected)).await?;
    }
    Ok(ours)
}
