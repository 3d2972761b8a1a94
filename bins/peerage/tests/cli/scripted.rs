//! Kaspa nodes that do what a test says, and blocks for them.

use peerage::kaspa::message::{
    Block, InvRelayBlock, RequestIbdBlocks, RequestIbdChainBlockLocator,
};
use peerage::kaspa::types::Hash;
use peerage::kaspa::{self, Config, Events, Message, Payload, Peer};
use tokio::runtime::Runtime;

use crate::kaspa::serving;

/// So many blocks on simnet's first, fetched from the command itself.
pub(crate) fn blocks(count: usize) -> (Vec<Block>, Vec<Hash>) {
    let server = serving(&count.to_string());
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let (peer, events) =
            kaspa::connect(server.address.as_str(), &Config::simnet()).await.unwrap();
        drop(events);
        let chain = RequestIbdChainBlockLocator { low_hash: None, high_hash: None };
        let chain = peer.request(chain).await.unwrap().block_locator_hashes;
        let (high, low) = (chain[0], *chain.last().unwrap());
        let mut batches = peer.push_get_headers(low, high).await.unwrap();
        let mut hashes = Vec::new();
        while let Some(batch) = batches.next().await {
            hashes.extend(batch.unwrap().iter().map(|header| header.hash().unwrap()));
        }
        let blocks = peer.request(RequestIbdBlocks { hashes: hashes.clone() }).await.unwrap();
        let blocks = blocks.all(count).await.unwrap().into_iter().map(|block| *block).collect();
        (blocks, hashes)
    })
}

pub(crate) fn last((mut blocks, mut hashes): (Vec<Block>, Vec<Hash>)) -> (Block, Hash) {
    (blocks.pop().unwrap(), hashes.pop().unwrap())
}

pub(crate) fn inv(hash: Hash) -> Message {
    Payload::InvRelayBlock(InvRelayBlock { hash: Some(hash) }).into()
}

/// A node that does what the test says, for as long as the test runs.
pub(crate) struct Scripted {
    pub(crate) address: String,
    _runtime: Runtime,
}

impl Scripted {
    pub(crate) fn start<F>(
        config: Config,
        script: impl Fn(Peer, Events) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        runtime.spawn(async move {
            loop {
                let stream = listener.accept().await.unwrap().0;
                let (peer, events) = kaspa::accept(stream, &config).await.unwrap();
                tokio::spawn(script(peer, events));
            }
        });
        Self { address, _runtime: runtime }
    }
}
