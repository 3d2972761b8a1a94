//! What `peerage connect --request` asks, and what it makes of the answers.
//!
//! Each request is a few lines of protocol: what is sent, which message answers it, what of the
//! answer can be verified without a chain of our own.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _};
use std::path::Path;
use std::time::Duration;

use bitcoin::block::Header;
use bitcoin::hashes::Hash as _;
use bitcoin::{BlockHash, bip158::FilterHeader};
use peerage::bitcoin::message::{
    BASIC_FILTER, Block, CFHeaders, CFilter, GetCFHeaders, GetCFilters, Headers, Inventory,
    Locator, Ping,
};
use peerage::bitcoin::types::{InventoryItem, Services, TimedAddress};
use peerage::bitcoin::{Events, Message, Network, Peer};
use serde_json::json;
use tokio::time::Instant;

use crate::asked::Request;
use crate::describe::text;
use crate::failure::Failure;
use crate::output::{Fields, fields};
use crate::show::{Screen, millis};

/// How many filters are asked for at most: more than that no node sends at once (BIP157).
const MAX_FILTERS: usize = 1_000;

/// Lists may come in several messages: after so much silence there is no more.
const QUIET: Duration = Duration::from_secs(2);

/// One question to one node.
#[derive(Debug)]
pub(crate) struct Asking<'a> {
    peer: &'a Peer,
    events: &'a mut Events,
    screen: &'a Screen,
    genesis: BlockHash,
    file: Option<&'a Path>,
}

impl<'a> Asking<'a> {
    /// Asks `peer`, and writes the block that it may send to `file`.
    pub(crate) fn new(
        peer: &'a Peer,
        events: &'a mut Events,
        screen: &'a Screen,
        network: &Network,
        file: Option<&'a Path>,
    ) -> Self {
        Self { peer, events, screen, genesis: network.genesis, file }
    }

    /// Asks and shows the answer.
    pub(crate) async fn run(mut self, request: Request) -> Result<(), Failure> {
        match request {
            Request::Ping => self.ping().await,
            Request::GetAddr => self.addresses().await,
            Request::Headers => self.headers().await,
            Request::Block(hash) => self.block(hash).await,
            Request::MemPool => self.mempool().await,
            Request::Filters => self.filters().await,
        }
    }

    async fn ping(&mut self) -> Result<(), Failure> {
        let nonce = random();
        let sent = Instant::now();
        self.send(&Message::Ping(Ping { nonce: Some(nonce) })).await?;
        self.answer(|message| match message {
            Message::Pong(pong) if pong.nonce == nonce => Some(()),
            _ => None,
        })
        .await?;
        let took = millis(sent.elapsed());
        let shown = fields([("round_trip_ms", json!(took))]);
        self.screen.answer("ping", shown, format_args!("pong after {took} ms"));
        Ok(())
    }

    async fn addresses(&mut self) -> Result<(), Failure> {
        self.send(&Message::GetAddr).await?;
        let lists = self
            .answers(|message| match message {
                Message::Addr(list) => Some(list.decode()),
                Message::AddrV2(list) => Some(list.decode()),
                _ => None,
            })
            .await?;
        let addresses: Vec<TimedAddress> = lists.into_iter().flatten().collect();
        for TimedAddress { time, peer } in &addresses {
            let shown = fields([
                ("address", text(peer)),
                ("services", text(peer.services)),
                ("services_bits", json!(peer.services.to_bits())),
                ("time", json!(time)),
            ]);
            let line = format!("{:<28} {time:>10}  {}", peer.to_string(), peer.services);
            self.screen.answer("getaddr", shown, line);
        }
        self.total("getaddr", addresses.len(), "addresses");
        Ok(())
    }

    async fn headers(&mut self) -> Result<(), Failure> {
        let headers = self.fetch_headers().await?;
        let mut previous = self.genesis;
        for (header, hash) in headers.iter().zip(headers.hashes()) {
            let linked = header.prev_blockhash == previous;
            let proven = header.validate_pow(header.target()).is_ok();
            let shown = fields([
                ("hash", text(hash)),
                ("previous", text(header.prev_blockhash)),
                ("time", json!(header.time)),
                ("bits", text(format_args!("{:08x}", header.bits.to_consensus()))),
            ]);
            self.screen.answer("headers", shown, format_args!("{hash}  {}", header.time));
            if !linked || !proven {
                let what = if linked { "has no proof of work" } else { "does not follow the last" };
                return Err(Failure::other(format!("the header {hash} {what}")));
            }
            previous = hash;
        }
        self.total("headers", headers.len(), "headers, linked and with proof of work");
        Ok(())
    }

    /// The headers after the first block, which every node of the network has.
    async fn fetch_headers(&mut self) -> Result<Headers, Failure> {
        let locator =
            Locator::new(self.peer.remote().agreed, &[self.genesis], BlockHash::all_zeros())
                .expect("one hash is not too many");
        self.send(&Message::GetHeaders(locator)).await?;
        self.answer(|message| match message {
            Message::Headers(headers) => Some(headers),
            _ => None,
        })
        .await
    }

    async fn block(&mut self, hash: BlockHash) -> Result<(), Failure> {
        self.send(&getdata(InventoryItem::witness_block(hash))).await?;
        let block = self
            .answer(|message| match message {
                Message::Block(block) if block.hash() == hash => Some(Some(block)),
                Message::NotFound(items) => {
                    items.iter().any(|item| item.block_hash() == Some(hash)).then_some(None)
                }
                _ => None,
            })
            .await?;
        let block = block.ok_or_else(|| Failure::other("the node does not have that block"))?;
        let checks = check(&block);
        self.screen.answer("block", facts(&block), facts_text(&block));
        if let Some(file) = self.file {
            let failed =
                |error| Failure::other(format!("cannot write {}: {error}", file.display()));
            tokio::fs::write(file, block.bytes()).await.map_err(failed)?;
            self.screen.answer(
                "block",
                fields([("saved", text(file.display())), ("bytes", json!(block.bytes().len()))]),
                format_args!("saved {} bytes to {}", block.bytes().len(), file.display()),
            );
        }
        checks
    }

    async fn mempool(&mut self) -> Result<(), Failure> {
        self.send(&Message::MemPool).await?;
        let lists = self
            .answers(|message| match message {
                Message::Inv(items) => Some(items.iter().filter(|i| i.kind.is_tx()).collect()),
                _ => None,
            })
            .await?;
        let items: Vec<InventoryItem> = lists.into_iter().flat_map(|list: Vec<_>| list).collect();
        for item in &items {
            let hash = BlockHash::from_byte_array(item.hash);
            let shown = fields([("type", text(item.kind)), ("hash", text(hash))]);
            self.screen.answer("mempool", shown, item);
        }
        self.total("mempool", items.len(), "transactions");
        Ok(())
    }

    async fn filters(&mut self) -> Result<(), Failure> {
        if !self.peer.remote().services.contains(Services::COMPACT_FILTERS) {
            return Err(Failure::other(
                "the node does not offer filters (its services lack COMPACT_FILTERS)",
            ));
        }
        let headers = self.fetch_headers().await?;
        let known: Vec<BlockHash> =
            std::iter::once(self.genesis).chain(headers.hashes()).take(MAX_FILTERS).collect();
        let stop_hash = *known.last().expect("the first block is always there");
        let promised = self.filter_headers(stop_hash).await?;
        let ask = GetCFilters { filter_type: BASIC_FILTER, start_height: 0, stop_hash };
        self.send(&Message::GetCFilters(ask)).await?;
        let promises: Vec<_> = promised.filter_hashes().collect();
        if promises.len() != known.len() {
            let what = format!("{} filters promised for {} blocks", promises.len(), known.len());
            return Err(Failure::other(what));
        }
        let heights: BTreeMap<BlockHash, usize> = known.iter().copied().zip(0..).collect();
        for _ in 0..known.len() {
            let filter = self.next_filter(&heights).await?;
            let height = heights[&filter.block_hash()];
            if filter.filter_hash() != promises[height] {
                let what = format!("the filter of block {height} is not the promised one");
                return Err(Failure::other(what));
            }
            self.show_filter(height, &filter);
        }
        self.total("filters", known.len(), "filters, each the promised one");
        Ok(())
    }

    /// The hashes of the filters up to this block, which must begin at the first.
    async fn filter_headers(&mut self, stop_hash: BlockHash) -> Result<CFHeaders, Failure> {
        let ask = GetCFHeaders { filter_type: BASIC_FILTER, start_height: 0, stop_hash };
        self.send(&Message::GetCFHeaders(ask)).await?;
        let headers = self
            .answer(|message| match message {
                Message::CFHeaders(headers) if headers.stop_hash() == stop_hash => Some(headers),
                _ => None,
            })
            .await?;
        if headers.previous_filter_header() == FilterHeader::all_zeros() {
            Ok(headers)
        } else {
            Err(Failure::other("the filter headers do not begin at the first block"))
        }
    }

    async fn next_filter(
        &mut self,
        heights: &BTreeMap<BlockHash, usize>,
    ) -> Result<CFilter, Failure> {
        self.answer(|message| match message {
            Message::CFilter(filter) if heights.contains_key(&filter.block_hash()) => Some(filter),
            _ => None,
        })
        .await
    }

    fn show_filter(&self, height: usize, filter: &CFilter) {
        let shown = fields([
            ("height", json!(height)),
            ("block", text(filter.block_hash())),
            ("bytes", json!(filter.filter().len())),
            ("filter_hash", text(filter.filter_hash())),
        ]);
        let line = format!("{height:>6}  {}  {} bytes", filter.block_hash(), filter.filter().len());
        self.screen.answer("filters", shown, line);
    }

    fn total(&self, request: &str, count: usize, what: &str) {
        let shown = fields([("total", json!(count))]);
        self.screen.answer(request, shown, format_args!("{count} {what}"));
    }

    async fn send(&self, message: &Message) -> Result<(), Failure> {
        self.peer.send(message).await.map_err(|error| Failure::other(error.to_string()))
    }

    /// The first message that `pick` takes for the answer.
    async fn answer<T>(&mut self, pick: impl Fn(Message) -> Option<T>) -> Result<T, Failure> {
        loop {
            let message = self.events.message().await.map_err(|reason| Failure::lost(&reason))?;
            if let Some(answer) = pick(message) {
                return Ok(answer);
            }
        }
    }

    /// Waits for a first answer, and then for more until it is quiet.
    async fn answers<T>(&mut self, pick: impl Fn(Message) -> Option<T>) -> Result<Vec<T>, Failure> {
        let mut answers = vec![self.answer(&pick).await?];
        while let Ok(next) = tokio::time::timeout(QUIET, self.answer(&pick)).await {
            match next {
                Ok(answer) => answers.push(answer),
                // What came before the end is an answer all the same.
                Err(_) => break,
            }
        }
        Ok(answers)
    }
}

fn getdata(item: InventoryItem) -> Message {
    Message::GetData(Inventory::new(&[item]).expect("one entry is not too many"))
}

/// Enough to tell our ping from others.
fn random() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}

/// Everything that a block proves by itself.
fn check(block: &Block) -> Result<(), Failure> {
    let header = block.header();
    let wrong = if header.validate_pow(header.target()).is_err() {
        "has no proof of work"
    } else if !block.check_merkle_root() {
        "does not have the transactions that its header commits to"
    } else if !block.check_witness_commitment() {
        "does not have the witnesses that its coinbase commits to"
    } else {
        return Ok(());
    };
    Err(Failure::other(format!("the block {wrong}")))
}

fn facts(block: &Block) -> Fields {
    let header = block.header();
    let txids: Vec<String> = block.transactions().map(|tx| tx.txid().to_string()).collect();
    fields([
        ("hash", text(block.hash())),
        ("previous", text(header.prev_blockhash)),
        ("merkle_root", text(header.merkle_root)),
        ("time", json!(header.time)),
        ("bits", text(format_args!("{:08x}", header.bits.to_consensus()))),
        ("nonce", json!(header.nonce)),
        ("version", json!(header.version.to_consensus())),
        ("bytes", json!(block.bytes().len())),
        ("transactions", json!(block.tx_count())),
        ("pow_ok", json!(header.validate_pow(header.target()).is_ok())),
        ("merkle_root_ok", json!(block.check_merkle_root())),
        ("witness_commitment_ok", json!(block.check_witness_commitment())),
        ("txids", json!(txids)),
    ])
}

fn facts_text(block: &Block) -> String {
    let Header { prev_blockhash, time, bits, .. } = block.header();
    let verdict = if check(block).is_ok() { "all verified" } else { "NOT VALID" };
    format!(
        "block {}\n  previous        {prev_blockhash}\n  time            {time}\n  \
         target          {:08x}\n  transactions    {}\n  bytes           {}\n  \
         proof of work, merkle root, witness commitment: {verdict}",
        block.hash(),
        bits.to_consensus(),
        block.tx_count(),
        block.bytes().len(),
    )
}
