//! A message as fields: what a person or a program wants to know of it at a glance.
//!
//! As for Bitcoin: lists are counted and their first entry is shown. Protobuf's strings come as they
//! are, so they are escaped here.

use std::net::SocketAddr;

use peerage::kaspa::message::{
    Addresses, Block, BlockHeader, BodyTrait as _, NetAddress, Transaction,
};
use peerage::kaspa::types::Hash;
use peerage::kaspa::{Message, Payload, Text};
use serde_json::{Value, json};

use super::dag::{direct_parents, size};
use super::merkle;
use crate::describe::{nonce, text};
use crate::output::{Fields, fields};

/// What there is to say of a message beside its name.
pub(super) fn describe(message: &Message) -> Fields {
    match &message.payload {
        Payload::InvRelayBlock(inv) => fields([("hash", named(inv.hash))]),
        Payload::InvTransactions(inv) => hashes(&inv.ids),
        Payload::RequestTransactions(request) => hashes(&request.ids),
        Payload::RequestRelayBlocks(request) => hashes(&request.hashes),
        Payload::RequestIbdBlocks(request) => hashes(&request.hashes),
        Payload::RequestBlockBodies(request) => hashes(&request.hashes),
        Payload::BlockLocator(locator) => hashes(&locator.hashes),
        Payload::IbdChainBlockLocator(locator) => hashes(&locator.block_locator_hashes),
        Payload::Block(block) | Payload::IbdBlock(block) => glance(block),
        Payload::BlockBody(body) => fields([("transactions", json!(body.transactions.len()))]),
        Payload::BlockHeaders(headers) => {
            let all = headers.block_headers.iter().map(|header| header.hash().ok());
            let mut shown = fields([("count", json!(all.len()))]);
            let mut ends = all.clone().take(1).chain(all.skip(1).last());
            shown.extend(ends.next().map(|first| ("first".to_owned(), named(first))));
            shown.extend(ends.next().map(|last| ("last".to_owned(), named(last))));
            shown
        }
        Payload::Transaction(transaction) => transaction_fields(transaction),
        Payload::TransactionNotFound(missing) => fields([("id", named(missing.id))]),
        Payload::Addresses(list) => addresses(list),
        Payload::Ping(ping) => fields([("nonce", nonce(ping.nonce))]),
        Payload::Pong(pong) => fields([("nonce", nonce(pong.nonce))]),
        Payload::Reject(reject) => fields([("reason", text(said(&reject.reason)))]),
        Payload::RequestHeaders(request) => {
            fields([("low", named(request.low_hash)), ("high", named(request.high_hash))])
        }
        Payload::RequestAntipast(request) => {
            fields([("block", named(request.block_hash)), ("context", named(request.context_hash))])
        }
        Payload::RequestBlockLocator(request) => {
            fields([("high", named(request.high_hash)), ("limit", json!(request.limit))])
        }
        Payload::RequestIbdChainBlockLocator(request) => {
            fields([("low", named(request.low_hash)), ("high", named(request.high_hash))])
        }
        Payload::Unknown { body, .. } => fields([("bytes", json!(body.len()))]),
        // These say it all by their names.
        Payload::RequestAddresses(_) | Payload::RequestNextHeaders | Payload::DoneHeaders => {
            Fields::new()
        }
        // The others only serve a first download.
        _ => fields([("bytes", json!(message.encoded_len()))]),
    }
}

/// What a remote says in words, safe to print.
pub(super) fn said(words: &str) -> Text {
    words.into()
}

/// A header, with its hash as the caller has computed it.
pub(super) fn header(hash: Hash, header: &BlockHeader) -> Fields {
    let parents = direct_parents(header);
    fields([
        ("hash", text(hash)),
        ("parents", parents.iter().map(text).collect()),
        ("parent_count", json!(parents.len())),
        ("daa_score", json!(header.daa_score)),
        ("blue_score", json!(header.blue_score)),
        ("timestamp", json!(header.timestamp)),
        ("bits", text(format_args!("{:08x}", header.bits))),
        ("nonce", nonce(header.nonce)),
    ])
}

/// All of a block that is shown, but for its transactions' contents.
pub(super) fn block(hash: Hash, of: &BlockHeader, block: &Block) -> Fields {
    let mut shown = header(hash, of);
    let ids = block.transactions.iter().map(|it| named(it.id().ok())).collect::<Vec<_>>();
    shown.extend(fields([
        ("version", json!(of.version)),
        ("merkle_root", named(of.hash_merkle_root)),
        ("blue_work", hex(&of.blue_work).into()),
        ("pruning_point", named(of.pruning_point)),
        ("bytes", json!(size(block))),
        ("transactions", json!(block.transactions.len())),
        ("merkle_root_ok", json!(merkle::fits(block))),
        ("txids", Value::Array(ids)),
    ]));
    shown
}

/// An address of a node; null if it is none.
pub(super) fn address(address: &NetAddress) -> Value {
    SocketAddr::try_from(address).map_or(Value::Null, text)
}

fn glance(block: &Block) -> Fields {
    let hash = block.header.as_ref().and_then(|header| header.hash().ok());
    fields([
        ("hash", named(hash)),
        ("transactions", json!(block.transactions.len())),
        ("bytes", json!(size(block))),
    ])
}

fn transaction_fields(transaction: &Transaction) -> Fields {
    fields([
        ("id", named(transaction.id().ok())),
        ("version", json!(transaction.version)),
        ("inputs", json!(transaction.inputs.len())),
        ("outputs", json!(transaction.outputs.len())),
        ("bytes", json!(transaction.encoded_len())),
    ])
}

fn addresses(list: &Addresses) -> Fields {
    let mut shown = fields([("count", json!(list.addresses.len()))]);
    shown.extend(list.addresses.first().map(|first| ("first".to_owned(), address(first))));
    shown
}

fn hashes(list: &[Hash]) -> Fields {
    let mut shown = fields([("count", json!(list.len()))]);
    shown.extend(list.first().map(|first| ("first".to_owned(), text(first))));
    shown
}

fn named(hash: Option<Hash>) -> Value {
    hash.map_or(Value::Null, text)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use peerage::kaspa::message::{
        BlockHeaders, InvRelayBlock, InvTransactions, Ping, Reject, RequestHeaders,
    };

    use super::*;
    use crate::output::phrase;

    #[test]
    fn messages_are_short_phrases() {
        let hash = Some(Hash::ZERO);
        let zeros = "0".repeat(64);
        let reject = Reject { reason: "no\x1b[31m".into() };
        let here = NetAddress::from(SocketAddr::from(([10, 0, 0, 1], 16_111)));
        let nowhere = NetAddress { port: 70_000, ..here.clone() };
        for (payload, expected) in [
            (Payload::InvRelayBlock(InvRelayBlock { hash }), format!("hash {zeros}")),
            (Payload::InvRelayBlock(InvRelayBlock { hash: None }), "hash none".into()),
            (
                Payload::InvTransactions(InvTransactions { ids: vec![Hash::ZERO; 3] }),
                format!("count 3, first {zeros}"),
            ),
            (
                Payload::RequestHeaders(RequestHeaders { low_hash: hash, high_hash: None }),
                format!("low {zeros}, high none"),
            ),
            (Payload::BlockHeaders(BlockHeaders::default()), "count 0".into()),
            (Payload::Ping(Ping { nonce: 1 }), "nonce 0000000000000001".into()),
            (Payload::Reject(reject), r"reason no\x1b[31m".into()),
            (
                Payload::Addresses(Addresses { addresses: vec![here] }),
                "count 1, first 10.0.0.1:16111".into(),
            ),
            (
                Payload::Addresses(Addresses { addresses: vec![nowhere] }),
                "count 1, first none".into(),
            ),
            (Payload::Unknown { number: 99, body: b"abc"[..].into() }, "bytes 3".into()),
            (Payload::DoneHeaders, String::new()),
        ] {
            assert_eq!(phrase(&describe(&payload.into())), expected);
        }
    }
}
