//! The commands that come on the standard input, one a line.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use kaspa_hashes::Hash;
use kaspa_p2p_lib::Adaptor;
use kaspa_p2p_lib::common::ProtocolError;
use kaspa_p2p_lib::pb::{
    InvRelayBlockMessage, InvTransactionsMessage, RequestBlockLocatorMessage,
    RequestPruningPointProofMessage, kaspad_message::Payload,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::asking;
use crate::connection::Connection;
use crate::events::{emit, fields};
use crate::node::Node;
use crate::samples;

/// The most ids in one announcement, as in kaspad.
const MAX_INV: usize = 1 << 17;

/// Prepared blocks have at most so many bytes of payload together, so that a wrong number costs an
/// error and not the machine.
const MAX_PREPARED: usize = 512 << 20;

/// How long the last messages have to leave: the library does not say when they have.
pub(crate) const PARTING: Duration = Duration::from_millis(100);

/// Follows commands until the input ends, and ends the program then, so that a test that dies leaves
/// no process behind.
pub(crate) async fn follow(node: Arc<Node>, adaptor: Arc<Adaptor>) {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some((name, args)) = words.split_first() else { continue };
        if let Err(error) = command(&node, &adaptor, name, args).await {
            emit("error", fields([("command", (*name).into()), ("error", error.into())]));
        }
    }
    std::process::exit(0);
}

async fn command(
    node: &Arc<Node>,
    adaptor: &Arc<Adaptor>,
    name: &str,
    args: &[&str],
) -> Result<(), String> {
    match (name, args) {
        ("addresses", [count]) => {
            node.store().addresses = number(count, 5_000)?;
            Ok(())
        }
        ("utxo", [count]) => {
            node.store().utxos = number(count, 10_000_000)?;
            Ok(())
        }
        ("lanes", [count]) => {
            node.store().lanes = number(count, 10_000_000)?;
            Ok(())
        }
        ("block", [count, bytes]) => {
            blocks(node, number(count, 100_000)?, number(bytes, 2 << 20)?).await
        }
        ("headers", [count]) => {
            let chain = node.store().chain.clone();
            node.store().chain = Arc::new(chain.with_headers(number(count, 1_000_000)?));
            prepared(node);
            Ok(())
        }
        ("tx", []) => transaction(node, 200).await,
        ("tx", [bytes]) => transaction(node, number(bytes, 1 << 20)?).await,
        ("dial", [address]) => {
            let peer = adaptor.connect_peer((*address).to_owned()).await;
            peer.map(drop).map_err(|error| error.to_string())
        }
        ("stats", []) => {
            stats(node);
            Ok(())
        }
        ("terminate", []) => {
            adaptor.close().await;
            tokio::time::sleep(PARTING).await;
            std::process::exit(0);
        }
        _ => on_each(node, name, args).await,
    }
}

/// Does something on every connection.
async fn on_each(node: &Node, name: &str, args: &[&str]) -> Result<(), String> {
    let connections = node.connections();
    if connections.is_empty() {
        return Err("no connection".to_owned());
    }
    for connection in connections {
        match act(&connection, name, args).await {
            Some(done) => done.map_err(|error| error.to_string())?,
            None => return Err("unknown command or wrong arguments".to_owned()),
        }
    }
    Ok(())
}

async fn act(
    connection: &Connection,
    name: &str,
    args: &[&str],
) -> Option<Result<(), ProtocolError>> {
    Some(match (name, args) {
        ("ping", []) => asking::ping(connection).await.map(drop),
        ("request-addresses", []) => asking::addresses(connection).await,
        ("inv-block", [hash]) => announce_block(connection, parsed(hash)?).await,
        ("inv-tx", [what]) => announce(connection, &ids(what)?).await,
        ("request-blocks", hashes) => asking::blocks(connection, &all(hashes)?).await,
        ("request-bodies", hashes) => asking::bodies(connection, &all(hashes)?).await,
        ("request-tx", hashes) => asking::transactions(connection, &all(hashes)?).await,
        ("request-headers", [low, high]) => {
            asking::headers(connection, parsed(low)?, parsed(high)?).await
        }
        ("request-utxo", [hash]) => asking::utxos(connection, parsed(hash)?).await,
        ("request-lanes", [hash]) => asking::lanes(connection, parsed(hash)?).await,
        ("request-anticone", []) => asking::anticone(connection).await,
        ("request-proof", []) => {
            let request = RequestPruningPointProofMessage {};
            connection.send(Payload::RequestPruningPointProof(request)).await
        }
        ("request-locator", [high, limit]) => {
            let high_hash = Some(parsed::<Hash>(high)?.into());
            let request = RequestBlockLocatorMessage { high_hash, limit: parsed(limit)? };
            let request = Payload::RequestBlockLocator(request);
            connection.request(request, connection.ids.relay).await
        }
        ("disconnect", []) => {
            connection.end("told to disconnect").await;
            Ok(())
        }
        _ => return None,
    })
}

async fn announce_block(connection: &Connection, hash: Hash) -> Result<(), ProtocolError> {
    let hash = Some(hash.into());
    connection.send(Payload::InvRelayBlock(InvRelayBlockMessage { hash })).await
}

async fn announce(connection: &Connection, ids: &[Hash]) -> Result<(), ProtocolError> {
    for ids in ids.chunks(MAX_INV) {
        let ids = ids.iter().map(Into::into).collect();
        connection.send(Payload::InvTransactions(InvTransactionsMessage { ids })).await?;
    }
    Ok(())
}

/// Prepares a chain and announces its blocks, oldest first.
async fn blocks(node: &Node, count: usize, bytes: usize) -> Result<(), String> {
    if count.saturating_mul(bytes) > MAX_PREPARED {
        return Err(format!("more than {MAX_PREPARED} bytes"));
    }
    let chain = node.store().chain.clone();
    let chain = Arc::new(chain.with_blocks(count, bytes));
    node.store().chain = chain.clone();
    prepared(node);
    for connection in node.connections() {
        for hash in chain.hashes() {
            announce_block(&connection, hash).await.map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// Says what `RequestHeaders` and the others can be asked for.
fn prepared(node: &Node) {
    let chain = node.store().chain.clone();
    emit(
        "prepared",
        fields([
            ("blocks", chain.height().into()),
            ("genesis", chain.genesis().to_string().into()),
            ("tip", chain.tip().hash().to_string().into()),
            ("transactions", chain.tip().transactions.len().into()),
        ]),
    );
}

/// Makes a transaction that there was not before, serves it from now on and announces it.
async fn transaction(node: &Node, bytes: usize) -> Result<(), String> {
    let id = {
        let mut store = node.store();
        let number = store.transactions.len() as u64;
        let transaction = samples::transaction(number, bytes);
        let id = transaction.id();
        store.transactions.insert(id, Arc::new(transaction));
        id
    };
    emit("prepared", fields([("txid", id.to_string().into())]));
    for connection in node.connections() {
        announce(&connection, &[id]).await.map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn stats(node: &Node) {
    let peers: Vec<Value> =
        node.connections().iter().map(|connection| connection.facts()).collect();
    let load = std::sync::atomic::Ordering::Relaxed;
    emit(
        "stats",
        fields([
            ("bytes_sent", node.counters.bytes_tx.load(load).into()),
            ("bytes_received", node.counters.bytes_rx.load(load).into()),
            ("peers", json!(peers)),
        ]),
    );
}

/// A hash, or so many made-up ones.
fn ids(what: &str) -> Option<Vec<Hash>> {
    match what.parse::<u32>() {
        Ok(count) => Some((0..count.min(1_000_000)).map(|i| samples::hash(i.into(), 40)).collect()),
        Err(_) => Some(vec![parsed(what)?]),
    }
}

fn all(hashes: &[&str]) -> Option<Vec<Hash>> {
    let hashes: Option<Vec<Hash>> = hashes.iter().map(|hash| parsed(hash)).collect();
    hashes.filter(|hashes| !hashes.is_empty())
}

fn parsed<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn number<T: FromStr + PartialOrd + std::fmt::Display>(text: &str, most: T) -> Result<T, String> {
    let number = parsed(text).filter(|number| *number <= most);
    number.ok_or_else(|| format!("not within 0..={most}"))
}
