//! What this side asks for, and what it does when the answers come.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::time::Instant;

use kaspa_hashes::Hash;
use kaspa_p2p_lib::common::ProtocolError;
use kaspa_p2p_lib::pb::{
    PingMessage, RequestAddressesMessage, RequestBlockBodiesMessage, RequestHeadersMessage,
    RequestNextHeadersMessage, RequestNextPruningPointAndItsAnticoneBlocksMessage,
    RequestNextPruningPointSmtChunkMessage, RequestNextPruningPointUtxoSetChunkMessage,
    RequestPruningPointAndItsAnticoneMessage, RequestPruningPointSmtStateMessage,
    RequestPruningPointUtxoSetMessage, RequestRelayBlocksMessage, RequestTransactionsMessage,
    kaspad_message::Payload,
};

use crate::connection::{Asked, Connection};

/// More addresses than this are an error, as in kaspad.
const MAX_ADDRESSES: usize = 2_500;

/// After so many chunks a stream waits to be asked for more.
pub(crate) const BATCH: usize = 99;

/// The same for the lanes of the state.
pub(crate) const LANE_BATCH: usize = 10;

/// Sends a ping with a nonce that nobody can guess.
pub(crate) async fn ping(connection: &Connection) -> Result<u64, ProtocolError> {
    // The keys of the standard library's hash maps are random.
    let nonce = RandomState::new().hash_one(0);
    connection.asked(|asked| asked.pings.push_back((nonce, Instant::now())));
    connection.send(Payload::Ping(PingMessage { nonce })).await?;
    Ok(nonce)
}

/// Whether the ping with this nonce has not been answered yet.
pub(crate) fn is_pinging(connection: &Connection, nonce: u64) -> bool {
    connection.asked(|asked| asked.pings.iter().any(|(sent, _)| *sent == nonce))
}

/// Takes a pong, which must answer the oldest ping.
pub(crate) fn pong(connection: &Connection, nonce: u64) -> Result<(), ProtocolError> {
    match connection.asked(|asked| asked.pings.pop_front()) {
        Some((sent, when)) if sent == nonce => {
            let took = when.elapsed().as_millis();
            connection.set_ping(u64::try_from(took).expect("it took less than an age"));
            Ok(())
        }
        _ => Err(ProtocolError::Other("nonce mismatch between ping and pong")),
    }
}

pub(crate) async fn addresses(connection: &Connection) -> Result<(), ProtocolError> {
    connection.asked(|asked| asked.addresses += 1);
    let request = RequestAddressesMessage { include_all_subnetworks: false, subnetwork_id: None };
    connection.send(Payload::RequestAddresses(request)).await
}

/// Takes so many addresses. In kaspad nobody listens for them after the first answer, which ends the
/// connection without a `Reject`.
pub(crate) async fn addresses_came(
    connection: &Connection,
    count: usize,
) -> Result<(), ProtocolError> {
    let wanted = connection.asked(|asked| {
        let wanted = asked.addresses > 0;
        asked.addresses = asked.addresses.saturating_sub(1);
        wanted
    });
    if !wanted {
        connection.end("addresses that nobody asked for").await;
        return Err(ProtocolError::ConnectionClosed);
    }
    if count > MAX_ADDRESSES {
        let text = format!("address count {count} exceeded {MAX_ADDRESSES}");
        return Err(ProtocolError::OtherOwned(text));
    }
    Ok(())
}

pub(crate) async fn blocks(connection: &Connection, hashes: &[Hash]) -> Result<(), ProtocolError> {
    let hashes = hashes.iter().map(Into::into).collect();
    let request = Payload::RequestRelayBlocks(RequestRelayBlocksMessage { hashes });
    connection.request(request, connection.ids.relay).await
}

pub(crate) async fn bodies(connection: &Connection, hashes: &[Hash]) -> Result<(), ProtocolError> {
    let hashes = hashes.iter().map(Into::into).collect();
    let request = Payload::RequestBlockBodies(RequestBlockBodiesMessage { hashes });
    connection.request(request, connection.ids.ibd).await
}

pub(crate) async fn transactions(
    connection: &Connection,
    ids: &[Hash],
) -> Result<(), ProtocolError> {
    let ids = ids.iter().map(Into::into).collect();
    connection.send(Payload::RequestTransactions(RequestTransactionsMessage { ids })).await
}

/// Asks without an id, as kaspad does: the answers find their route by their type.
pub(crate) async fn headers(
    connection: &Connection,
    low: Hash,
    high: Hash,
) -> Result<(), ProtocolError> {
    connection.asked(|asked| asked.headers += 1);
    let (low_hash, high_hash) = (Some(low.into()), Some(high.into()));
    connection.send(Payload::RequestHeaders(RequestHeadersMessage { low_hash, high_hash })).await
}

pub(crate) async fn utxos(connection: &Connection, hash: Hash) -> Result<(), ProtocolError> {
    connection.asked(|asked| asked.utxo_chunks = Some(0));
    let pruning_point_hash = Some(hash.into());
    let request = RequestPruningPointUtxoSetMessage { pruning_point_hash };
    connection.send(Payload::RequestPruningPointUtxoSet(request)).await
}

pub(crate) async fn anticone(connection: &Connection) -> Result<(), ProtocolError> {
    connection.asked(|asked| asked.trusted_blocks = Some(0));
    let request = RequestPruningPointAndItsAnticoneMessage {};
    connection.send(Payload::RequestPruningPointAndItsAnticone(request)).await
}

pub(crate) async fn lanes(connection: &Connection, hash: Hash) -> Result<(), ProtocolError> {
    connection.asked(|asked| asked.lane_chunks = Some(0));
    let pruning_point_hash = Some(hash.into());
    let request = RequestPruningPointSmtStateMessage { pruning_point_hash };
    connection.send(Payload::RequestPruningPointSmtState(request)).await
}

/// Whether this belongs to an answer that may need a request to go on.
pub(crate) fn is_part_of_answer(payload: &Payload) -> bool {
    matches!(
        payload,
        Payload::BlockHeaders(_)
            | Payload::DoneHeaders(_)
            | Payload::PruningPointUtxoSetChunk(_)
            | Payload::DonePruningPointUtxoSetChunks(_)
            | Payload::BlockWithTrustedDataV4(_)
            | Payload::DoneBlocksWithTrustedData(_)
            | Payload::SmtMetadata(_)
            | Payload::SmtLaneChunk(_)
            | Payload::UnexpectedPruningPoint(_)
    )
}

/// Counts a part of an answer, and asks for more where the other side waits for that.
pub(crate) async fn came(connection: &Connection, part: &Payload) -> Result<(), ProtocolError> {
    match connection.asked(|asked| next(asked, part)) {
        Some(request) => connection.send(request).await,
        None => Ok(()),
    }
}

fn next(asked: &mut Asked, part: &Payload) -> Option<Payload> {
    match part {
        Payload::BlockHeaders(_) => {
            (asked.headers > 0).then_some(Payload::RequestNextHeaders(RequestNextHeadersMessage {}))
        }
        Payload::DoneHeaders(_) => {
            asked.headers = asked.headers.saturating_sub(1);
            None
        }
        Payload::PruningPointUtxoSetChunk(_) => {
            let more = RequestNextPruningPointUtxoSetChunkMessage {};
            counted(&mut asked.utxo_chunks, BATCH)
                .then_some(Payload::RequestNextPruningPointUtxoSetChunk(more))
        }
        Payload::BlockWithTrustedDataV4(_) => {
            let more = RequestNextPruningPointAndItsAnticoneBlocksMessage {};
            counted(&mut asked.trusted_blocks, BATCH)
                .then_some(Payload::RequestNextPruningPointAndItsAnticoneBlocks(more))
        }
        Payload::SmtMetadata(metadata) => {
            asked.lanes_left = metadata.active_lanes_count;
            None
        }
        Payload::SmtLaneChunk(chunk) => {
            asked.lanes_left = asked.lanes_left.saturating_sub(chunk.entries.len() as u64);
            let due = counted(&mut asked.lane_chunks, LANE_BATCH) && asked.lanes_left > 0;
            let more = RequestNextPruningPointSmtChunkMessage {};
            due.then_some(Payload::RequestNextPruningPointSmtChunk(more))
        }
        Payload::DoneBlocksWithTrustedData(_) => {
            asked.trusted_blocks = None;
            None
        }
        Payload::DonePruningPointUtxoSetChunks(_) => {
            asked.utxo_chunks = None;
            None
        }
        Payload::UnexpectedPruningPoint(_) => {
            (asked.utxo_chunks, asked.lane_chunks) = (None, None);
            None
        }
        _ => None,
    }
}

/// Whether this was the last part of a batch. Nothing is counted that was not asked for.
fn counted(parts: &mut Option<usize>, batch: usize) -> bool {
    let Some(count) = parts else { return false };
    *count += 1;
    count.is_multiple_of(batch)
}

#[cfg(test)]
mod tests {
    use kaspa_p2p_lib::pb::{
        PruningPointUtxoSetChunkMessage, SmtLaneChunkMessage, SmtLaneEntry, SmtMetadataMessage,
    };

    use super::{Asked, Payload, next};

    #[test]
    fn asks_for_more_after_each_batch_that_it_asked_for() {
        let chunk = Payload::PruningPointUtxoSetChunk(PruningPointUtxoSetChunkMessage::default());
        let requests = |asked: &mut Asked| (0..200).filter_map(|_| next(asked, &chunk)).count();
        assert_eq!(requests(&mut Asked { utxo_chunks: Some(0), ..Asked::default() }), 2);
        assert_eq!(requests(&mut Asked::default()), 0);
    }

    #[test]
    fn asks_for_no_lanes_after_the_last() {
        let mut asked = Asked { lane_chunks: Some(0), ..Asked::default() };
        let metadata = SmtMetadataMessage { active_lanes_count: 20, ..Default::default() };
        assert!(next(&mut asked, &Payload::SmtMetadata(metadata)).is_none());
        let chunk = SmtLaneChunkMessage { entries: vec![SmtLaneEntry::default()] };
        let chunk = Payload::SmtLaneChunk(chunk);
        let asks: Vec<bool> = (0..20).map(|_| next(&mut asked, &chunk).is_some()).collect();
        // After the tenth, and not after the twentieth.
        assert_eq!(asks.iter().position(|ask| *ask), Some(9));
        assert_eq!(asks.iter().filter(|ask| **ask).count(), 1);
    }
}
