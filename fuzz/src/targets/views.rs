//! Every accessor of every view, on every input that the view accepts.
//!
//! A view is checked once and believed afterwards: whatever it has accepted, no accessor may panic,
//! and what the accessors tell must be what the owned value of the crate `bitcoin` tells.

use bitcoin::hashes::Hash as _;
use bitcoin::{Transaction, consensus};
use bytes::Bytes;
use peerage_wire::{Message as _, Protocol as _};
use peerage_wire_bitcoin::message::{
    Block, BlockTxn, CFCheckpt, CFHeaders, CFilter, CmpctBlock, GetBlockTxn, Headers, Inventory,
    Locator, MerkleBlock, Place, Tx, TxRef,
};
use peerage_wire_bitcoin::types::{InventoryItem, TimedAddress};
use peerage_wire_bitcoin::{Bitcoin, Kind, Message};

use crate::input::Input;
use crate::meter::Meter;

/// The messages that are views, and those that hold text or bytes.
const VIEWS: [Kind; 22] = [
    Kind::Block,
    Kind::Tx,
    Kind::CmpctBlock,
    Kind::BlockTxn,
    Kind::GetBlockTxn,
    Kind::MerkleBlock,
    Kind::Headers,
    Kind::Inv,
    Kind::GetHeaders,
    Kind::Addr,
    Kind::AddrV2,
    Kind::CFilter,
    Kind::CFHeaders,
    Kind::CFCheckpt,
    Kind::GetData,
    Kind::NotFound,
    Kind::GetBlocks,
    Kind::Reject,
    Kind::Feature,
    Kind::FilterLoad,
    Kind::FilterAdd,
    Kind::Version,
];

/// Decodes a payload as one kind of view and asks it everything.
pub fn views(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.choose(&VIEWS);
    let payload = Bytes::copy_from_slice(input.rest());
    let mut meter = Meter::default();
    meter.received(payload.len());
    let decoded = meter.run(|| Message::decode(kind, payload, Bitcoin::VERSION));
    let Ok(message) = decoded else { return };
    match message {
        Message::Block(block) => ask_block(&block),
        Message::Tx(tx) => ask_owned_tx(&tx),
        Message::CmpctBlock(block) => ask_compact(&block),
        Message::BlockTxn(answer) => ask_answer(&answer),
        Message::GetBlockTxn(request) => ask_request(&request),
        Message::MerkleBlock(block) => ask_merkle(&block),
        Message::Headers(headers) => ask_headers(&headers),
        Message::Inv(items) | Message::GetData(items) | Message::NotFound(items) => {
            ask_items(&items)
        }
        Message::GetHeaders(locator) | Message::GetBlocks(locator) => ask_locator(&locator),
        Message::Addr(addr) => ask_addresses(addr.len(), addr.iter(), &addr.decode()),
        Message::AddrV2(addr) => ask_addresses(addr.len(), addr.iter(), &addr.decode()),
        Message::CFilter(filter) => ask_filter(&filter),
        Message::CFHeaders(headers) => ask_filter_headers(&headers),
        Message::CFCheckpt(headers) => ask_checkpoints(&headers),
        other => ask_small(&other),
    }
}

fn ask_block(block: &Block) {
    let owned = block.decode();
    assert_eq!(block.bytes(), &consensus::serialize(&owned));
    assert_eq!((block.header(), block.hash()), (owned.header, owned.block_hash()));
    assert_eq!(block.tx_count(), owned.txdata.len());
    assert_eq!(block.transactions().len(), owned.txdata.len());
    for (place, (view, tx)) in block.transactions().zip(&owned.txdata).enumerate() {
        assert_eq!(block.transaction(place), Some(view));
        ask_tx(view, tx);
    }
    assert!(
        block.transactions().rev().map(TxRef::txid).eq(owned
            .txdata
            .iter()
            .rev()
            .map(Transaction::compute_txid))
    );
    assert_eq!(block.transaction(block.tx_count()), None);
    assert_eq!(block.transaction(usize::MAX - 1), None);
    // Stricter than the crate `bitcoin`: where transactions repeat, and where witnesses were lost.
    assert!(!block.check_merkle_root() || owned.check_merkle_root());
    assert!(!block.check_witness_commitment() || owned.check_witness_commitment());

    let stripped = block.without_witness();
    assert_eq!(stripped.hash(), block.hash());
    assert!(stripped.transactions().all(|tx| !tx.has_witness()));
    assert!(stripped.transactions().map(TxRef::txid).eq(block.transactions().map(TxRef::txid)));
    assert_eq!(Block::try_from(&owned).as_ref(), Ok(block));
    assert_eq!(&block.detach(), block);
    if let Ok(compact) = CmpctBlock::from_block(block, 7) {
        ask_compact(&compact);
    }
}

fn ask_owned_tx(tx: &Tx) {
    let owned = tx.decode();
    ask_tx(tx.view(), &owned);
    assert_eq!(Tx::try_from(&owned).as_ref(), Ok(tx));
    assert_eq!((tx.txid(), tx.wtxid()), (tx.view().txid(), tx.view().wtxid()));
    assert_eq!((tx.version(), tx.lock_time()), (owned.version, owned.lock_time));
    assert_eq!((tx.inputs().len(), tx.outputs().len()), (owned.input.len(), owned.output.len()));
    assert_eq!(
        (tx.weight(), tx.total_size(), tx.base_size()),
        (owned.weight(), owned.total_size(), owned.base_size())
    );
    assert_eq!(tx.is_coinbase(), owned.is_coinbase());
    let stripped = tx.without_witness();
    assert!(!stripped.has_witness());
    assert_eq!((stripped.txid(), stripped.base_size()), (tx.txid(), tx.base_size()));
    assert_eq!(&tx.detach(), tx);
    assert_eq!(&tx.view().to_tx(), tx);
}

fn ask_tx(view: TxRef<'_>, tx: &Transaction) {
    assert_eq!(view.bytes(), consensus::serialize(tx));
    assert_eq!(&view.decode(), tx);
    assert_eq!((view.txid(), view.wtxid()), (tx.compute_txid(), tx.compute_wtxid()));
    assert_eq!((view.version(), view.lock_time()), (tx.version, tx.lock_time));
    assert_eq!(view.weight(), tx.weight());
    assert_eq!((view.total_size(), view.base_size()), (tx.total_size(), tx.base_size()));
    assert_eq!(view.is_coinbase(), tx.is_coinbase());
    assert_eq!(view.has_witness(), tx.input.iter().any(|input| !input.witness.is_empty()));
    assert_eq!(view.inputs().len(), tx.input.len());
    for (ours, theirs) in view.inputs().zip(&tx.input) {
        assert_eq!(ours.previous_output, theirs.previous_output);
        assert_eq!(ours.script_sig, theirs.script_sig.as_script());
        assert_eq!(ours.sequence, theirs.sequence);
        assert_eq!(ours.witness.len(), theirs.witness.len());
        assert!(ours.witness.iter().eq(theirs.witness.iter()));
    }
    assert_eq!(view.outputs().len(), tx.output.len());
    for (ours, theirs) in view.outputs().zip(&tx.output) {
        assert_eq!(ours.value, theirs.value);
        assert_eq!(ours.script_pubkey, theirs.script_pubkey.as_script());
    }
}

fn ask_compact(block: &CmpctBlock) {
    let owned = block.decode();
    assert_eq!(
        (block.header(), block.hash(), block.nonce()),
        (owned.header, owned.header.block_hash(), owned.nonce)
    );
    assert!(block.short_ids().eq(owned.short_ids.iter().copied()));
    assert_eq!(block.prefilled().len(), owned.prefilled_txs.len());
    let mut due = 0;
    for ((place, view), theirs) in block.prefilled().zip(&owned.prefilled_txs) {
        assert_eq!(usize::from(place), due + usize::from(theirs.idx), "theirs are gaps");
        due = usize::from(place) + 1;
        ask_tx(view, &theirs.tx);
    }
    assert!(due <= block.tx_count());
    let (mut named, mut prefilled) = (Vec::new(), Vec::new());
    for place in block.places() {
        match place {
            Place::Named(id) => named.push(id),
            Place::Prefilled(tx) => prefilled.push(tx),
        }
    }
    assert_eq!(named.len() + prefilled.len(), block.tx_count(), "every place is told");
    assert_eq!(named, owned.short_ids);
    assert!(prefilled.into_iter().eq(block.prefilled().map(|(_, tx)| tx)));
    let keys = block.keys();
    assert!(
        block.prefilled().all(|(_, tx)| keys.short_id(tx.wtxid()) == keys.short_id(tx.wtxid()))
    );
    assert_eq!(CmpctBlock::try_from(&owned).as_ref(), Ok(block));
    assert_eq!(&block.detach(), block);
}

fn ask_answer(answer: &BlockTxn) {
    let owned = answer.decode();
    assert_eq!((answer.block_hash(), answer.len()), (owned.block_hash, owned.transactions.len()));
    assert_eq!(answer.is_empty(), owned.transactions.is_empty());
    for (view, tx) in answer.transactions().zip(&owned.transactions) {
        ask_tx(view, tx);
    }
    let views: Vec<TxRef<'_>> = answer.transactions().collect();
    assert_eq!(BlockTxn::new(answer.block_hash(), &views).as_ref(), Ok(answer));
    assert_eq!(&answer.detach(), answer);
}

fn ask_request(request: &GetBlockTxn) {
    let owned = request.decode();
    let places: Vec<u16> = request.places().collect();
    assert_eq!((request.block_hash(), request.len()), (owned.block_hash, places.len()));
    assert_eq!(request.is_empty(), places.is_empty());
    assert!(places.iter().map(|place| u64::from(*place)).eq(owned.indexes.iter().copied()));
    assert!(places.is_sorted_by(|a, b| a < b));
    assert_eq!(GetBlockTxn::new(request.block_hash(), &places).as_ref(), Ok(request));
    assert_eq!(&request.detach(), request);
}

fn ask_merkle(block: &MerkleBlock) {
    let owned = block.decode();
    assert_eq!((block.header(), block.hash()), (owned.header, owned.header.block_hash()));
    assert_eq!(block.total_transactions(), owned.txn.num_transactions());
    assert!(
        block.hashes().map(|hash| hash.to_byte_array()).eq(owned
            .txn
            .hashes()
            .iter()
            .map(|hash| hash.to_byte_array()))
    );
    let bits = block.flags().iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1));
    assert!(bits.eq(owned.txn.bits().iter().copied()));
    if let Ok(matches) = block.matches() {
        assert!(matches.iter().all(|(place, _)| *place < block.total_transactions()));
    }
    assert_eq!(MerkleBlock::try_from(&owned).as_ref(), Ok(block));
    assert_eq!(&block.detach(), block);
}

fn ask_headers(headers: &Headers) {
    let owned = headers.decode();
    assert_eq!((headers.len(), headers.is_empty()), (owned.len(), owned.is_empty()));
    assert!(headers.iter().eq(owned.iter().copied()));
    assert!(headers.iter().rev().eq(owned.iter().rev().copied()));
    assert!(headers.hashes().eq(owned.iter().map(bitcoin::block::Header::block_hash)));
    assert!((0..=owned.len()).all(|place| headers.get(place) == owned.get(place).copied()));
    assert_eq!(Headers::new(&owned).as_ref(), Ok(headers));
    assert_eq!(&headers.detach(), headers);
}

fn ask_items(items: &Inventory) {
    let list: Vec<InventoryItem> = items.iter().collect();
    assert_eq!((items.len(), items.is_empty()), (list.len(), list.is_empty()));
    assert!(items.iter().rev().eq(list.iter().rev().copied()));
    assert!((0..=list.len()).all(|place| items.get(place) == list.get(place).copied()));
    let owned = items.decode();
    for (item, theirs) in list.iter().zip(&owned) {
        assert_eq!(bitcoin::p2p::message_blockdata::Inventory::from(*item), *theirs);
        assert_eq!(InventoryItem::from(*theirs), *item, "nothing is lost on the way");
        assert_eq!(InventoryItem::from_bytes(item.to_bytes()), *item);
        assert_eq!(item.block_hash().is_some(), item.kind.is_block());
        assert!(!(item.kind.is_block() && item.kind.is_tx()));
        assert!(!format!("{item} {item:?} {}", item.kind.base()).is_empty());
        assert_eq!(item.with_witness().with_witness(), item.with_witness());
    }
    assert_eq!(Inventory::new(&list).as_ref(), Ok(items));
    assert_eq!(&items.detach(), items);
}

fn ask_locator(locator: &Locator) {
    let (headers, blocks) = (locator.decode(), locator.decode_getblocks());
    let hashes: Vec<_> = locator.hashes().collect();
    assert_eq!((locator.len(), locator.is_empty()), (hashes.len(), hashes.is_empty()));
    assert_eq!(
        (&headers.locator_hashes, headers.stop_hash, headers.version),
        (&hashes, locator.stop(), locator.version())
    );
    assert_eq!(
        (&blocks.locator_hashes, blocks.stop_hash, blocks.version),
        (&hashes, locator.stop(), locator.version())
    );
    assert_eq!(Locator::new(locator.version(), &hashes, locator.stop()).as_ref(), Ok(locator));
    assert_eq!(&locator.detach(), locator);
}

fn ask_addresses(len: usize, entries: impl Iterator<Item = TimedAddress>, owned: &[TimedAddress]) {
    let entries: Vec<_> = entries.collect();
    assert_eq!(entries, owned);
    assert!(entries.len() <= len, "unknown networks are left out");
    for entry in entries {
        let peer = entry.peer;
        assert!(!format!("{entry:?} {peer}").is_empty());
        assert_eq!(peer.socket_addr().map(|it| it.ip()), peer.address.ip());
        if let Some(legacy) = peer.address.to_legacy() {
            assert_eq!(
                peerage_wire_bitcoin::types::NetworkAddress::from_legacy(legacy),
                peer.address
            );
        }
        let _ = peer.address.is_routable();
    }
}

fn ask_filter(filter: &CFilter) {
    let owned = filter.decode();
    assert_eq!((filter.filter_type(), filter.block_hash()), (owned.filter_type, owned.block_hash));
    assert_eq!(filter.filter(), owned.filter);
    assert_eq!(filter.block_filter().content, owned.filter);
    let previous = bitcoin::bip158::FilterHeader::all_zeros();
    assert_eq!(filter.filter_header(&previous), filter.filter_hash().filter_header(&previous));
    let again = CFilter::new(filter.filter_type(), filter.block_hash(), filter.filter());
    assert_eq!(again.as_ref(), Ok(filter));
    assert_eq!(&filter.detach(), filter);
}

fn ask_filter_headers(headers: &CFHeaders) {
    let owned = headers.decode();
    assert_eq!(
        (headers.len(), headers.is_empty()),
        (owned.filter_hashes.len(), owned.filter_hashes.is_empty())
    );
    assert!(headers.filter_hashes().rev().eq(owned.filter_hashes.iter().rev().copied()));
    assert_eq!(headers.filter_headers().len(), headers.len());
    let mut last = headers.previous_filter_header();
    for (header, hash) in headers.filter_headers().zip(&owned.filter_hashes) {
        last = hash.filter_header(&last);
        assert_eq!(header, last);
    }
    let again = CFHeaders::new(
        headers.filter_type(),
        headers.stop_hash(),
        headers.previous_filter_header(),
        &owned.filter_hashes,
    );
    assert_eq!(again.as_ref(), Ok(headers));
    assert_eq!(&headers.detach(), headers);
}

fn ask_checkpoints(headers: &CFCheckpt) {
    let owned = headers.decode();
    assert_eq!(
        (headers.len(), headers.is_empty()),
        (owned.filter_headers.len(), owned.filter_headers.is_empty())
    );
    assert!(headers.filter_headers().rev().eq(owned.filter_headers.iter().rev().copied()));
    let again = CFCheckpt::new(headers.filter_type(), headers.stop_hash(), &owned.filter_headers);
    assert_eq!(again.as_ref(), Ok(headers));
    assert_eq!(&headers.detach(), headers);
}

fn ask_small(message: &Message) {
    match message {
        Message::Reject(reject) => {
            assert!(
                !format!("{} {} {}", reject.command(), reject.code(), reject.reason()).is_empty()
            );
            assert_eq!(reject.hash().map_or(0, |hash| hash.len()) % 32, 0);
        }
        Message::Feature(feature) => {
            assert!((4..=80).contains(&feature.id().len()) && feature.data().len() <= 512);
            assert!(feature.id().to_string_lossy().len() >= feature.id().len() / 4);
        }
        Message::FilterLoad(filter) => {
            let (bytes, count) = (filter.filter().clone(), filter.hash_funcs());
            let again = peerage_wire_bitcoin::message::FilterLoad::new(
                bytes,
                count,
                filter.tweak(),
                filter.flags(),
            );
            assert_eq!(again.as_ref(), Ok(filter));
        }
        Message::FilterAdd(data) => assert!(data.data().len() <= 520),
        Message::Version(version) => {
            let agent = &version.user_agent;
            assert!(agent.as_text().len() <= 256 && agent.to_string().chars().count() <= 257);
            assert!(!format!("{version:?} {}", version.services).is_empty());
        }
        other => unreachable!("{other:?} is no view"),
    }
}
