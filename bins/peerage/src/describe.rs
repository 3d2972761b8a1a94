//! A message as fields: what a person or a program wants to know of it at a glance.
//!
//! Lists are counted and their first entry is shown. Text of the remote comes escaped and cut from
//! the library.

use bitcoin::BlockHash;
use peerage::bitcoin::Message;
use peerage::bitcoin::message::{Block, Headers, Inventory, Locator, Reject, Tx};
use peerage::bitcoin::types::TimedAddress;
use serde_json::{Value, json};

use crate::output::{Fields, fields};

/// What there is to say of a message beside its name.
pub(crate) fn describe(message: &Message) -> Fields {
    match message {
        Message::Inv(items) | Message::GetData(items) | Message::NotFound(items) => {
            inventory(items)
        }
        Message::Headers(list) => headers(list),
        Message::GetHeaders(locator) | Message::GetBlocks(locator) => asked(locator),
        Message::Block(view) => block(view),
        Message::Tx(view) => transaction(view),
        Message::Addr(list) => addresses(list.len(), list.iter().next()),
        Message::AddrV2(list) => addresses(list.len(), list.iter().next()),
        Message::Ping(ping) => fields([("nonce", ping.nonce.map_or(Value::Null, nonce))]),
        Message::Pong(pong) => fields([("nonce", nonce(pong.nonce))]),
        Message::FeeFilter(filter) => fields([("sat_per_kvb", json!(filter.rate))]),
        Message::SendCmpct(wish) => {
            fields([("announce", json!(wish.announce)), ("version", json!(wish.version))])
        }
        Message::CmpctBlock(block) => fields([
            ("hash", text(block.hash())),
            ("transactions", json!(block.tx_count())),
            ("prefilled", json!(block.prefilled().len())),
        ]),
        Message::GetBlockTxn(list) => {
            fields([("block", text(list.block_hash())), ("count", json!(list.len()))])
        }
        Message::BlockTxn(list) => {
            fields([("block", text(list.block_hash())), ("count", json!(list.len()))])
        }
        Message::MerkleBlock(block) => fields([
            ("hash", text(block.hash())),
            ("transactions", json!(block.total_transactions())),
            ("matches", block.matches().map_or(Value::Null, |list| json!(list.len()))),
        ]),
        Message::FilterLoad(filter) => fields([
            ("bytes", json!(filter.filter().len())),
            ("hash_functions", json!(filter.hash_funcs())),
        ]),
        Message::FilterAdd(filter) => fields([("bytes", json!(filter.data().len()))]),
        Message::GetCFilters(ask) => range(ask.filter_type, Some(ask.start_height), ask.stop_hash),
        Message::GetCFHeaders(ask) => range(ask.filter_type, Some(ask.start_height), ask.stop_hash),
        Message::GetCFCheckpt(ask) => range(ask.filter_type, None, ask.stop_hash),
        Message::CFilter(filter) => {
            fields([("block", text(filter.block_hash())), ("bytes", json!(filter.filter().len()))])
        }
        Message::CFHeaders(list) => {
            fields([("count", json!(list.len())), ("stop", text(list.stop_hash()))])
        }
        Message::CFCheckpt(list) => {
            fields([("count", json!(list.len())), ("stop", text(list.stop_hash()))])
        }
        Message::Reject(view) => reject(view),
        Message::Alert(payload) | Message::Unknown { payload, .. } => {
            fields([("bytes", json!(payload.len()))])
        }
        // What belongs to the opening is shown with it; what is left says it all by its name.
        _ => Fields::new(),
    }
}

/// A nonce, as its 16 hexadecimal digits: JSON's numbers end at 53 bits.
pub(crate) fn nonce(nonce: u64) -> Value {
    Value::String(format!("{nonce:016x}"))
}

/// Anything by its text.
pub(crate) fn text(shown: impl ToString) -> Value {
    Value::String(shown.to_string())
}

fn inventory(items: &Inventory) -> Fields {
    let mut shown = fields([("count", json!(items.len()))]);
    if let Some(first) = items.get(0) {
        shown.insert("first".into(), text(first));
    }
    shown
}

fn headers(headers: &Headers) -> Fields {
    let mut shown = fields([("count", json!(headers.len()))]);
    let mut hashes = headers.hashes();
    if let Some(first) = hashes.next() {
        shown.insert("first".into(), text(first));
        shown.insert("last".into(), text(hashes.next_back().unwrap_or(first)));
    }
    shown
}

fn asked(locator: &Locator) -> Fields {
    let mut shown = fields([("count", json!(locator.len()))]);
    if let Some(first) = locator.hashes().next() {
        shown.insert("first".into(), text(first));
    }
    shown.insert("stop".into(), text(locator.stop()));
    shown
}

fn block(block: &Block) -> Fields {
    fields([
        ("hash", text(block.hash())),
        ("transactions", json!(block.tx_count())),
        ("bytes", json!(block.bytes().len())),
    ])
}

fn transaction(tx: &Tx) -> Fields {
    fields([
        ("txid", text(tx.txid())),
        ("bytes", json!(tx.total_size())),
        ("witness", json!(tx.has_witness())),
    ])
}

fn addresses(count: usize, first: Option<TimedAddress>) -> Fields {
    let mut shown = fields([("count", json!(count))]);
    if let Some(first) = first {
        shown.insert("first".into(), text(first.peer));
    }
    shown
}

fn range(filter_type: u8, start: Option<u32>, stop: BlockHash) -> Fields {
    let mut shown = fields([("filter_type", json!(filter_type))]);
    if let Some(start) = start {
        shown.insert("start_height".into(), json!(start));
    }
    shown.insert("stop".into(), text(stop));
    shown
}

fn reject(reject: &Reject) -> Fields {
    fields([
        ("command", text(reject.command())),
        ("code", text(reject.code())),
        ("reason", text(reject.reason())),
    ])
}

#[cfg(test)]
mod tests {
    use bitcoin::hashes::Hash as _;
    use peerage::bitcoin::Command;
    use peerage::bitcoin::message::{FeeFilter, GetCFCheckpt, RejectCode, SendCmpct};
    use peerage::bitcoin::types::InventoryItem;

    use super::*;
    use crate::output::phrase;

    #[test]
    fn messages_are_short_phrases() {
        let hash = BlockHash::all_zeros();
        let zeros = "0".repeat(64);
        let items = Inventory::new(&[InventoryItem::block(hash); 3]).unwrap();
        let reject = Reject::new(Command::new("tx"), RejectCode::DUST, "dust\x07");
        let unknown =
            Message::Unknown { command: Command::new("sendpackages"), payload: b"abc"[..].into() };
        for (message, expected) in [
            (Message::Inv(items), format!("count 3, first MSG_BLOCK {zeros}")),
            (Message::NotFound(Inventory::new(&[]).unwrap()), "count 0".into()),
            (Message::Headers(Headers::new(&[]).unwrap()), "count 0".into()),
            (
                Message::GetHeaders(Locator::new(70_016, &[hash], hash).unwrap()),
                format!("count 1, first {zeros}, stop {zeros}"),
            ),
            (
                Message::GetCFCheckpt(GetCFCheckpt { filter_type: 0, stop_hash: hash }),
                format!("filter type 0, stop {zeros}"),
            ),
            (Message::FeeFilter(FeeFilter { rate: 1_000 }), "sat per kvb 1000".into()),
            (
                Message::SendCmpct(SendCmpct { announce: true, version: 2 }),
                "announce yes, version 2".into(),
            ),
            (
                Message::Reject(Box::new(reject)),
                r"command tx, code REJECT_DUST, reason dust\x07".into(),
            ),
            (unknown, "bytes 3".into()),
            (Message::MemPool, String::new()),
        ] {
            assert_eq!(phrase(&describe(&message)), expected, "{message:?}");
        }
    }

    #[test]
    fn a_nonce_keeps_its_64_bits() {
        assert_eq!(nonce(u64::MAX), "ffffffffffffffff");
        assert_eq!(nonce(1), "0000000000000001");
    }
}
