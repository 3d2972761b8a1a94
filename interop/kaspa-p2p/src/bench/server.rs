//! The other end for a client in another process: it answers pings, serves blocks and counts the rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kaspa_hashes::Hash;
use kaspa_p2p_lib::common::ProtocolError;
use kaspa_p2p_lib::pb::{
    AddressesMessage, InvRelayBlockMessage, KaspadMessage, PongMessage, TransactionNotFoundMessage,
    kaspad_message::Payload,
};
use kaspa_p2p_lib::{Adaptor, Hub, KaspadMessagePayloadType, Router, make_message, make_response};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::sync::mpsc::unbounded_channel;

use super::BLOCK_PAYLOAD;
use super::end::{End, NETWORK, Opened};
use super::report::{cpu_time, rss_kb};
use crate::chain::Chain;
use crate::events::{emit, fields};
use crate::flows;
use crate::listening;

/// How many blocks of 1 MB are served.
const BLOCKS: usize = 16;

/// As many messages as the library itself queues, so that a fast sender loses none.
const CAPACITY: usize = 1 << 17;

/// What a server has seen, over all connections.
#[derive(Default)]
struct Counts {
    peers: AtomicU64,
    pings: AtomicU64,
    block_invs: AtomicU64,
    tx_invs: AtomicU64,
    txids: AtomicU64,
    blocks_sent: AtomicU64,
    others: AtomicU64,
}

/// Serves until the input ends. On each line of it, says what it has seen and what it uses.
///
/// # Errors
///
/// It cannot listen there.
pub(crate) async fn serve(address: &str) -> Result<(), String> {
    let address = listening::free(address)?;
    let (hub, (opened, mut connections)) = (Hub::new(), unbounded_channel());
    // `Block` has no route by its type in kaspad either.
    let types: Vec<KaspadMessagePayloadType> = flows::types().collect();
    let end = End { hub: hub.clone(), types, capacity: CAPACITY, opened };
    let server = address.to_string().parse().expect("it is an address with a port");
    let adaptor = Adaptor::bidirectional(server, hub, Arc::new(end), Arc::default());
    let _adaptor = adaptor.map_err(|error| error.to_string())?;
    let chain = Arc::new(Chain::new(NETWORK).with_blocks(BLOCKS, BLOCK_PAYLOAD));
    listening::reached(address).await?;
    let hashes: Vec<String> = chain.hashes().map(|hash| hash.to_string()).collect();
    emit("listening", fields([("addr", address.to_string().into()), ("blocks", json!(hashes))]));

    let counts = Arc::new(Counts::default());
    let counted = counts.clone();
    tokio::spawn(async move {
        while let Some(connection) = connections.recv().await {
            tokio::spawn(attend(connection, chain.clone(), counted.clone()));
        }
    });
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(_)) = lines.next_line().await {
        println!("{}", counts.line()?);
    }
    Ok(())
}

impl Counts {
    fn line(&self) -> Result<Value, String> {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let rss = rss_kb()?;
        Ok(json!({
            "impl": "kaspa-p2p-lib",
            "peers": read(&self.peers),
            "rss_kb": rss,
            "rss_kb_raw": rss,
            "cpu_s": cpu_time().as_secs_f64(),
            "pings": read(&self.pings),
            "block_invs": read(&self.block_invs),
            "tx_invs": read(&self.tx_invs),
            "txids": read(&self.txids),
            "blocks_sent": read(&self.blocks_sent),
            "others": read(&self.others),
        }))
    }
}

/// Announces the newest block, as kaspad does, and answers until the end.
async fn attend(mut connection: Opened, chain: Arc<Chain>, counts: Arc<Counts>) {
    counts.peers.fetch_add(1, Ordering::Relaxed);
    let tip = InvRelayBlockMessage { hash: Some(chain.tip().hash().into()) };
    let mut done = connection.router.enqueue(make_message!(Payload::InvRelayBlock, tip)).await;
    while let Ok(()) = done {
        let Some(message) = connection.route.recv().await else { break };
        done = answer(&connection.router, message, &chain, &counts).await;
    }
    connection.close().await;
    counts.peers.fetch_sub(1, Ordering::Relaxed);
}

async fn answer(
    router: &Router,
    message: KaspadMessage,
    chain: &Chain,
    counts: &Counts,
) -> Result<(), ProtocolError> {
    let count = |count: &AtomicU64, more: usize| {
        count.fetch_add(more as u64, Ordering::Relaxed);
    };
    let Some(payload) = message.payload else { return Ok(()) };
    match payload {
        Payload::Ping(ping) => {
            count(&counts.pings, 1);
            router.enqueue(make_message!(Payload::Pong, PongMessage { nonce: ping.nonce })).await?;
        }
        Payload::InvRelayBlock(_) => count(&counts.block_invs, 1),
        Payload::InvTransactions(inv) => {
            count(&counts.tx_invs, 1);
            count(&counts.txids, inv.ids.len());
        }
        Payload::RequestRelayBlocks(request) => {
            for hash in Vec::<Hash>::try_from(request)? {
                let block = chain.block(hash).ok_or(ProtocolError::Other("no such block"))?;
                let block = make_response!(Payload::Block, block.into(), message.request_id);
                router.enqueue(block).await?;
                count(&counts.blocks_sent, 1);
            }
        }
        Payload::RequestTransactions(request) => {
            for id in request.ids {
                let none = TransactionNotFoundMessage { id: Some(id) };
                router.enqueue(make_message!(Payload::TransactionNotFound, none)).await?;
            }
        }
        Payload::RequestAddresses(_) => {
            let none = AddressesMessage { address_list: Vec::new() };
            router.enqueue(make_message!(Payload::Addresses, none)).await?;
        }
        _ => count(&counts.others, 1),
    }
    Ok(())
}
