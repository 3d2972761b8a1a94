//! What `peerage connect kaspa://… --request` asks, and what it makes of the answers.

use std::hash::{BuildHasher as _, Hasher as _};
use std::path::Path;

use peerage::kaspa::message::{
    Block, BlockHeader, BodyTrait as _, Ping, RequestAddresses, RequestBlockLocator,
    RequestRelayBlocks,
};
use peerage::kaspa::types::Hash;
use peerage::kaspa::{Event, Events, Payload, Peer, RequestError, Text};
use serde_json::json;
use tokio::time::Instant;

use super::connect::rejection;
use super::{describe, merkle, unanswered};
use crate::asked::KaspaRequest;
use crate::describe::text;
use crate::failure::Failure;
use crate::output::{Fields, fields, plain};
use crate::show::{Screen, millis};

/// How many blocks a locator may name: more kaspad does not take.
const MAX_LOCATOR: u32 = 64;

/// One question to one node.
#[derive(Debug)]
pub(super) struct Asking<'a> {
    peer: &'a Peer,
    events: &'a mut Events,
    screen: &'a Screen,
    file: Option<&'a Path>,
    /// What the node said before it went.
    rejected: Option<Text>,
}

impl<'a> Asking<'a> {
    /// Asks `peer`, and writes the block that it may send to `file`.
    pub(super) fn new(
        peer: &'a Peer,
        events: &'a mut Events,
        screen: &'a Screen,
        file: Option<&'a Path>,
    ) -> Self {
        Self { peer, events, screen, file, rejected: None }
    }

    /// Asks and shows the answer.
    pub(super) async fn run(mut self, request: KaspaRequest) -> Result<(), Failure> {
        match request {
            KaspaRequest::Ping => self.ping().await,
            KaspaRequest::Addresses => self.addresses().await,
            KaspaRequest::Headers { low, high } => self.headers(low, high).await,
            KaspaRequest::Block(hash) => self.block(hash).await,
            KaspaRequest::Locator(hash) => self.locator(hash).await,
        }
    }

    async fn ping(&mut self) -> Result<(), Failure> {
        let nonce = std::hash::RandomState::new().build_hasher().finish();
        let sent = Instant::now();
        let ping = Payload::Ping(Ping { nonce }).into();
        self.peer.send(&ping).await.map_err(|error| Failure::other(error.to_string()))?;
        loop {
            match self.events.message().await {
                Ok(message) if matches!(&message.payload, Payload::Pong(it) if it.nonce == nonce) =>
                {
                    break;
                }
                Ok(message) => self.note(&Event::Message(message)),
                Err(reason) => return Err(super::lost(&reason, self.rejected.as_ref())),
            }
        }
        let took = millis(sent.elapsed());
        let shown = fields([("round_trip_ms", json!(took))]);
        self.screen.answer("ping", shown, format_args!("pong after {took} ms"));
        Ok(())
    }

    async fn addresses(&mut self) -> Result<(), Failure> {
        let known = self.answer(self.peer.request(RequestAddresses::default())).await?;
        for address in &known.addresses {
            let address = describe::address(address);
            let line = plain(&address);
            self.screen.answer("addresses", fields([("address", address)]), line);
        }
        self.total("addresses", known.addresses.len(), "addresses");
        Ok(())
    }

    async fn headers(&mut self, low: Hash, high: Hash) -> Result<(), Failure> {
        let mut answers = self.answer(self.peer.push_get_headers(low, high)).await?;
        let (mut total, mut batches, mut last) = (0, 0, low);
        while let Some(batch) = self.next(answers.next()).await? {
            batches += 1;
            for header in &batch {
                last = self.header(header)?;
                total += 1;
            }
        }
        if last != high {
            return Err(Failure::other(format!("the headers do not end with {high}")));
        }
        let shown = fields([("total", json!(total)), ("batches", json!(batches))]);
        let line =
            format!("{total} headers in {batches} batches, the last one is the one asked for");
        self.screen.answer("headers", shown, line);
        Ok(())
    }

    /// Shows a header; its hash is what it is found by.
    fn header(&self, header: &BlockHeader) -> Result<Hash, Failure> {
        let hash = header.hash().map_err(|error| Failure::other(error.to_string()))?;
        let shown = describe::header(hash, header);
        let line = format!("{hash}  daa {:>10}  {}", header.daa_score, plain(&shown["timestamp"]));
        self.screen.answer("headers", shown, line);
        Ok(hash)
    }

    async fn block(&mut self, hash: Hash) -> Result<(), Failure> {
        let request = RequestRelayBlocks { hashes: vec![hash] };
        let mut blocks = self.answer(self.peer.request(request)).await?;
        let block = self.next(blocks.next()).await?;
        let block = block.ok_or_else(|| Failure::other("the node has answered with no block"))?;
        // That its hash is the one asked for, the library has checked.
        let header = block.header.as_ref().ok_or_else(|| Failure::other("it has no header"))?;
        let shown = describe::block(hash, header, &block);
        let line = facts(&shown);
        self.screen.answer("block", shown, line);
        if let Some(file) = self.file {
            self.save(&block, file).await?;
        }
        match merkle::fits(&block) {
            true => Ok(()),
            false => {
                Err(Failure::other("the block does not have the transactions of its merkle root"))
            }
        }
    }

    async fn save(&self, block: &Block, file: &Path) -> Result<(), Failure> {
        let bytes = block.encode_to_vec();
        let failed = |error| Failure::other(format!("cannot write {}: {error}", file.display()));
        tokio::fs::write(file, &bytes).await.map_err(failed)?;
        let shown = fields([("saved", text(file.display())), ("bytes", json!(bytes.len()))]);
        let line = format!("saved {} bytes to {}", bytes.len(), file.display());
        self.screen.answer("block", shown, line);
        Ok(())
    }

    async fn locator(&mut self, high: Hash) -> Result<(), Failure> {
        let request = RequestBlockLocator { high_hash: Some(high), limit: MAX_LOCATOR };
        let locator = self.answer(self.peer.request(request)).await?;
        for hash in &locator.hashes {
            self.screen.answer("locator", fields([("hash", text(hash))]), hash);
        }
        self.total("locator", locator.hashes.len(), "blocks");
        Ok(())
    }

    fn total(&self, request: &str, count: usize, what: &str) {
        let shown = fields([("total", json!(count))]);
        self.screen.answer(request, shown, format_args!("{count} {what}"));
    }

    /// One of several answers; `None` after the last.
    async fn next<T>(
        &mut self,
        answer: impl Future<Output = Option<Result<T, RequestError>>>,
    ) -> Result<Option<T>, Failure> {
        self.answer(async { answer.await.transpose() }).await
    }

    /// Waits for an answer while it reads what else the node says: unread, that would stop the
    /// answer too.
    async fn answer<T>(
        &mut self,
        answer: impl Future<Output = Result<T, RequestError>>,
    ) -> Result<T, Failure> {
        tokio::pin!(answer);
        let answered = loop {
            tokio::select! {
                answered = &mut answer => break answered,
                Some(event) = self.events.next() => self.note(&event),
            }
        };
        match answered {
            Ok(answer) => Ok(answer),
            Err(error) => {
                if matches!(error, RequestError::Closed(_) | RequestError::NotSent(_)) {
                    // Its last words may not have been read yet.
                    while let Some(event) = self.events.next().await {
                        self.note(&event);
                    }
                }
                Err(unanswered(&error, self.rejected.as_ref()))
            }
        }
    }

    fn note(&mut self, event: &Event) {
        if let Some(said) = rejection(event) {
            self.rejected = Some(said);
        }
    }
}

fn facts(shown: &Fields) -> String {
    let verdict = if shown["merkle_root_ok"] == true { "verified" } else { "NOT VALID" };
    let parents = shown["parents"].as_array().map_or(&[][..], Vec::as_slice);
    let parents: Vec<String> = parents.iter().map(plain).collect();
    let parents =
        if parents.is_empty() { "none".into() } else { parents.join("\n                  ") };
    let row = |name: &str, key: &str| format!("  {name:<15} {}\n", plain(&shown[key]));
    format!(
        "block {}\n  parents         {}\n{}{}{}{}{}{}  hash, merkle root: {verdict}",
        plain(&shown["hash"]),
        parents,
        row("daa score", "daa_score"),
        row("blue score", "blue_score"),
        row("timestamp", "timestamp"),
        row("bits", "bits"),
        row("transactions", "transactions"),
        row("bytes", "bytes"),
    )
}
