//! What an event says of a message: its type, its ids, its size and what a test may want to compare.
//!
//! Hashes are computed by kaspa's code from what arrived. What that code does not accept is an error,
//! which ends the connection as it would in kaspad.

use std::sync::Arc;

use kaspa_consensus_core::block::Block;
use kaspa_consensus_core::header::Header;
use kaspa_consensus_core::merkle::calc_hash_merkle_root;
use kaspa_consensus_core::tx::{Transaction, TransactionOutpoint, UtxoEntry};
use kaspa_hashes::Hash;
use kaspa_p2p_lib::KaspadMessagePayloadType;
use kaspa_p2p_lib::convert::error::ConversionError;
use kaspa_p2p_lib::pb::{self, KaspadMessage, kaspad_message::Payload};
use kaspa_utils::networking::IpAddress;
use prost::Message as _;
use serde_json::{Value, json};

use crate::events::{Fields, fields};

/// At most so many hashes are listed; the count beside them is that of all.
const LISTED: usize = 100;

/// The type of a message, as the library calls it.
pub(crate) fn kind(payload: &Payload) -> String {
    format!("{:?}", KaspadMessagePayloadType::from(payload))
}

/// The fields of a message's event.
///
/// # Errors
///
/// What kaspa's conversion says of contents that it does not accept.
pub(crate) fn message(message: &KaspadMessage) -> Result<Fields, ConversionError> {
    let payload = message.payload.as_ref().ok_or(ConversionError::NoneValue)?;
    let mut all = contents(payload.clone())?;
    all.extend(fields([
        ("type", kind(payload).into()),
        ("request_id", message.request_id.into()),
        ("response_id", message.response_id.into()),
        ("bytes", message.encoded_len().into()),
    ]));
    Ok(all)
}

fn contents(payload: Payload) -> Result<Fields, ConversionError> {
    Ok(match payload {
        Payload::Ping(pb::PingMessage { nonce }) | Payload::Pong(pb::PongMessage { nonce }) => {
            fields([("nonce", nonce.into())])
        }
        Payload::Addresses(m) => addresses(m.try_into()?),
        Payload::InvRelayBlock(m) => one("hash", m.try_into()?),
        Payload::RequestPruningPointUtxoSet(m) => one("hash", m.try_into()?),
        Payload::RequestPruningPointSmtState(m) => one("hash", m.try_into()?),
        Payload::TransactionNotFound(m) => one("txid", m.try_into()?),
        Payload::RequestRelayBlocks(m) => list("hashes", &Vec::<Hash>::try_from(m)?),
        Payload::RequestIbdBlocks(m) => list("hashes", &Vec::<Hash>::try_from(m)?),
        Payload::RequestBlockBodies(m) => list("hashes", &Vec::<Hash>::try_from(m)?),
        Payload::BlockLocator(m) => list("hashes", &Vec::<Hash>::try_from(m)?),
        Payload::IbdChainBlockLocator(m) => list("hashes", &Vec::<Hash>::try_from(m)?),
        Payload::InvTransactions(m) => list("txids", &Vec::<Hash>::try_from(m)?),
        Payload::RequestTransactions(m) => list("txids", &Vec::<Hash>::try_from(m)?),
        Payload::RequestHeaders(m) => {
            let (high, low): (Hash, Hash) = m.try_into()?;
            two(("low", low), ("high", high))
        }
        Payload::RequestAntipast(m) => {
            let (block, context): (Hash, Hash) = m.try_into()?;
            two(("block", block), ("context", context))
        }
        Payload::RequestBlockLocator(m) => {
            let (high, limit): (Hash, u32) = m.try_into()?;
            fields([("high", text(high)), ("limit", limit.into())])
        }
        Payload::RequestIbdChainBlockLocator(m) => {
            let (low, high): (Option<Hash>, Option<Hash>) = m.try_into()?;
            fields([
                ("low", low.map_or(Value::Null, text)),
                ("high", high.map_or(Value::Null, text)),
            ])
        }
        other => bulk(other)?,
    })
}

/// The types that carry blocks, transactions and parts of the state.
fn bulk(payload: Payload) -> Result<Fields, ConversionError> {
    Ok(match payload {
        Payload::Transaction(m) => transaction(&m.try_into()?),
        Payload::Block(m) | Payload::IbdBlock(m) => block(&m.try_into()?),
        Payload::BlockWithTrustedDataV4(m) => {
            block(&m.block.ok_or(ConversionError::NoneValue)?.try_into()?)
        }
        Payload::BlockBody(m) => body(&Vec::try_from(m)?),
        Payload::BlockHeaders(m) => headers(&Vec::try_from(m)?),
        Payload::PruningPoints(m) => headers(&converted(m.headers)?),
        Payload::PruningPointProofChunk(m) => {
            let mut all = headers(&converted(m.chunk)?);
            all.insert("level".to_owned(), m.level.into());
            all
        }
        Payload::PruningPointProof(m) => {
            let counts: Vec<_> = m.headers.iter().map(|level| level.headers.len()).collect();
            fields([("levels", json!(counts))])
        }
        Payload::PruningPointUtxoSetChunk(m) => {
            let pairs = Vec::<(TransactionOutpoint, UtxoEntry)>::try_from(m)?;
            let sum: u64 = pairs.iter().map(|(_, entry)| entry.amount).sum();
            fields([("count", pairs.len().into()), ("sompi", sum.into())])
        }
        Payload::TrustedData(m) => fields([("count", m.daa_window.len().into())]),
        Payload::TrustedDataChunk(m) => fields([("count", m.headers.len().into())]),
        Payload::SmtMetadata(m) => fields([("count", m.active_lanes_count.into())]),
        Payload::SmtLaneChunk(m) => fields([("count", m.entries.len().into())]),
        _ => Fields::new(),
    })
}

fn addresses(list: Vec<(IpAddress, u16)>) -> Fields {
    let ipv6 = list.iter().filter(|(ip, _)| ip.is_ipv6()).count();
    let first = list.first().map(|(ip, port)| format!("{ip} {port}"));
    fields([("count", list.len().into()), ("ipv6", ipv6.into()), ("first", first.into())])
}

fn block(block: &Block) -> Fields {
    let mut all = body(&block.transactions);
    let root = calc_hash_merkle_root(block.transactions.iter());
    all.extend(fields([
        ("hash", text(block.hash())),
        ("parents", block.header.direct_parents().len().into()),
        ("blue_score", block.header.blue_score.into()),
        ("root_fits", (root == block.header.hash_merkle_root).into()),
    ]));
    all
}

fn body(transactions: &[Transaction]) -> Fields {
    fields([
        ("count", transactions.len().into()),
        ("root", text(calc_hash_merkle_root(transactions.iter()))),
        ("last_txid", transactions.last().map(|tx| tx.id().to_string()).into()),
    ])
}

fn transaction(tx: &Transaction) -> Fields {
    fields([
        ("txid", text(tx.id())),
        ("version", tx.version.into()),
        ("inputs", tx.inputs.len().into()),
        ("outputs", tx.outputs.len().into()),
        ("payload_bytes", tx.payload.len().into()),
    ])
}

fn headers(headers: &[Arc<Header>]) -> Fields {
    let linked = headers.windows(2).all(|two| two[1].direct_parents().contains(&two[0].hash));
    fields([
        ("count", headers.len().into()),
        ("first", headers.first().map_or(Value::Null, |header| text(header.hash))),
        ("last", headers.last().map_or(Value::Null, |header| text(header.hash))),
        ("linked", linked.into()),
    ])
}

fn converted(headers: Vec<pb::BlockHeader>) -> Result<Vec<Arc<Header>>, ConversionError> {
    headers.into_iter().map(|header| Header::try_from(header).map(Arc::new)).collect()
}

fn one(key: &str, hash: Hash) -> Fields {
    fields([(key, text(hash))])
}

fn two(first: (&str, Hash), second: (&str, Hash)) -> Fields {
    fields([(first.0, text(first.1)), (second.0, text(second.1))])
}

fn list(key: &str, hashes: &[Hash]) -> Fields {
    let listed: Vec<Value> = hashes.iter().take(LISTED).copied().map(text).collect();
    fields([("count", hashes.len().into()), (key, listed.into())])
}

fn text(hash: Hash) -> Value {
    hash.to_string().into()
}

#[cfg(test)]
mod tests {
    use kaspa_p2p_lib::make_message;
    use kaspa_p2p_lib::pb::{BlockHeadersMessage, BlockMessage, InvRelayBlockMessage};

    use super::{Payload, message};
    use crate::chain::Chain;

    #[test]
    fn hashes_what_arrived() {
        let chain = Chain::new("kaspa-simnet").with_blocks(5, 8_000);
        let block = chain.tip();
        let all = message(&make_message!(Payload::Block, BlockMessage::from(block))).unwrap();
        assert_eq!(all["hash"], block.hash().to_string());
        assert_eq!(all["last_txid"], block.transactions[8].id().to_string());
        assert_eq!((&all["count"], &all["root_fits"]), (&9.into(), &true.into()));

        let mut changed = BlockMessage::from(block);
        changed.transactions[3].lock_time += 1;
        let all = message(&make_message!(Payload::Block, changed)).unwrap();
        assert_eq!(all["root_fits"], false);
    }

    #[test]
    fn tells_whether_headers_are_linked() {
        let chain = Chain::new("kaspa-simnet").with_headers(4);
        let mut block_headers: Vec<_> =
            chain.all_headers().map(|header| header.as_ref().into()).collect();
        let headers = BlockHeadersMessage { block_headers: block_headers.clone() };
        assert_eq!(
            message(&make_message!(Payload::BlockHeaders, headers)).unwrap()["linked"],
            true
        );
        block_headers.swap(1, 2);
        let headers = BlockHeadersMessage { block_headers };
        assert_eq!(
            message(&make_message!(Payload::BlockHeaders, headers)).unwrap()["linked"],
            false
        );
    }

    #[test]
    fn refuses_what_kaspa_refuses() {
        let inv = InvRelayBlockMessage { hash: None };
        assert!(message(&make_message!(Payload::InvRelayBlock, inv)).is_err());
    }
}
