//! What this side asks for, and what it does when the answers come.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::time::Instant;

use kaspa_hashes::Hash;
use kaspa_p2p_lib::common::ProtocolError;
use kaspa_p2p_lib::pb::{
    RequestAddressesMessage, RequestBlockBodiesMessage, RequestHeadersMessage,
    RequestNextHeadersMessage, RequestNextPruningPointUtxoSetChunkMessage,
    RequestPruningPointUtxoSetMessage, RequestRelayBlocksMessage, RequestTransactionsMessage,
    kaspad_message::Payload,
};

use crate::connection::Connection;

/// More addresses than this are an error, as in kaspad.
const MAX_ADDRESSES: usize = 2_500;

/// After so many chunks a stream waits to be asked for more.
pub(crate) const BATCH: usize = 99;

/// Sends a ping with a nonce that nobody can guess.
pub(crate) async fn ping(connection: &Connection) -> Result<u64, ProtocolError> {
    // The keys of the standard library's hash maps are random.
    let nonce = RandomState::new().hash_one(0);
    connection.asked(|asked| asked.pings.push_back((nonce, Instant::now())));
    let ping = kaspa_p2p_lib::pb::PingMessage { nonce };
    connection.send(Payload::Ping(ping)).await?;
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

pub(crate) async fn headers_came(connection: &Connection) -> Result<(), ProtocolError> {
    if connection.asked(|asked| asked.headers) == 0 {
        return Ok(());
    }
    connection.send(Payload::RequestNextHeaders(RequestNextHeadersMessage {})).await
}

pub(crate) fn headers_done(connection: &Connection) {
    connection.asked(|asked| asked.headers = asked.headers.saturating_sub(1));
}

pub(crate) async fn utxos(connection: &Connection, hash: Hash) -> Result<(), ProtocolError> {
    connection.asked(|asked| asked.utxo_chunks = Some(0));
    let pruning_point_hash = Some(hash.into());
    let request = RequestPruningPointUtxoSetMessage { pruning_point_hash };
    connection.send(Payload::RequestPruningPointUtxoSet(request)).await
}

pub(crate) async fn utxos_came(connection: &Connection) -> Result<(), ProtocolError> {
    let count = connection.asked(|asked| {
        asked.utxo_chunks = asked.utxo_chunks.map(|count| count + 1);
        asked.utxo_chunks
    });
    if count.is_none_or(|count| !count.is_multiple_of(BATCH)) {
        return Ok(());
    }
    let next = RequestNextPruningPointUtxoSetChunkMessage {};
    connection.send(Payload::RequestNextPruningPointUtxoSetChunk(next)).await
}

pub(crate) fn utxos_done(connection: &Connection) {
    connection.asked(|asked| asked.utxo_chunks = None);
}
