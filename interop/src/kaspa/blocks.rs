//! Blocks: its own, announced, followed and fetched; and ours.

use std::collections::HashMap;

use anyhow::{Context as _, Result, ensure};
use peerage::kaspa::message::{Block, RequestRelayBlocks, Transaction};
use peerage::kaspa::types::Hash;
use peerage::kaspa::{Item, Payload, Peer};
use serde_json::Value;

use super::{Node, Pair, Talk, hash_of};
use crate::checks::brief;

/// Its chain is announced block by block; we follow.
pub(crate) async fn followed(pair: &mut Pair, count: usize, bytes: usize) -> Result<String> {
    let Pair { node, talk } = pair;
    talk.fence().await?;
    let mark = node.mark();
    let chain = node.prepare(&format!("block {count} {bytes}")).await?;
    let mut total = 0;
    for number in 1..=count {
        let (_, announced) = talk.request("block announced", announced).await?;
        ensure!((number == count) == (announced == chain.tip), "block {number} is {announced}");
        let block = one(&talk.peer, announced).await?;
        total += block.transactions.len();
    }
    let sent = sent(node, mark, count).await?;
    ensure!(sent.len() == count, "{} different blocks", sent.len());
    Ok(format!("{count} announced, fetched and hashed, {total} transactions"))
}

/// Large blocks, all in one request.
pub(crate) async fn large(pair: &mut Pair) -> Result<String> {
    let Pair { node, talk } = pair;
    let mark = node.mark();
    node.prepare("block 4 1300000").await?;
    let hashes = all_announced(talk, 4).await?;
    let blocks = fetch(&talk.peer, hashes.clone()).await?;
    let sent = sent(node, mark, 4).await?;
    let mut size = 0;
    for (block, hash) in blocks.iter().zip(&hashes) {
        let event = sent.get(hash).with_context(|| format!("it did not send {hash}"))?;
        verify(block, *hash, event)?;
        size = event["bytes"].as_u64().context("a size in bytes")?;
        ensure!(size > 1_500_000, "{size} bytes");
    }
    Ok(format!("4 blocks of {size} bytes in one stream"))
}

/// Two requests at once, of which each gets its own.
pub(crate) async fn at_once(pair: &mut Pair) -> Result<String> {
    let Pair { node, talk } = pair;
    let mark = node.mark();
    node.prepare("block 6 30000").await?;
    let hashes = all_announced(talk, 6).await?;
    let (first, second) = hashes.split_at(3);
    let (one, two) =
        tokio::join!(fetch(&talk.peer, first.to_vec()), fetch(&talk.peer, second.to_vec()));
    let blocks = [one?, two?].concat();
    ensure!(blocks.len() == 6, "{} blocks", blocks.len());
    let asked = node.got_all(mark, "RequestRelayBlocks", 2).await?;
    let ids = [&asked[0]["request_id"], &asked[1]["request_id"]];
    ensure!(ids[0] != ids[1] && *ids[0] != 0, "the requests have the ids {ids:?}");
    let answers = node.sent_all(mark, "Block", 6).await?;
    for (at, answer) in answers.iter().enumerate() {
        ensure!(answer["response_id"] == *ids[at / 3], "block {at} answers {answer}");
    }
    Ok(format!("requests {} and {}, 3 blocks each, told apart by id", ids[0], ids[1]))
}

/// A block of ours, which it fetches and hashes. Needs a node with `--relay`.
pub(crate) async fn ours(pair: &mut Pair, bytes: usize) -> Result<String> {
    let Pair { node, talk } = pair;
    let chain = node.prepare(&format!("block 1 {bytes}")).await?;
    let mut block = one(&talk.peer, chain.tip).await?;
    // A block that nobody has seen: the same with another nonce.
    let header = block.header.as_mut().context("a block has a header")?;
    header.nonce ^= 1;
    let hash = header.hash()?;
    let mark = node.mark();
    ensure!(talk.peer.announce(&[Item::Block(hash)]) == 1, "it was not announced");
    let (request, hashes) = talk.request("request for our block", wanted).await?;
    ensure!(hashes == [hash] && request.request_id != 0, "it asks {request:?}");
    talk.answer(&request, Payload::Block(block.clone())).await?;
    verify(&block, hash, &node.got(mark, "Block").await?)?;

    // What it has announced it is not told of.
    let mark = node.mark();
    talk.peer.announce(&[Item::Block(chain.tip)]);
    talk.fence().await?;
    ensure!(node.count(mark, "InvRelayBlock") == 0, "it was told of its own block");
    let size = peerage::kaspa::message::BodyTrait::encoded_len(&*block);
    Ok(format!("{} of {size} bytes: announced, asked for, its hash and root fit", brief(hash)))
}

/// It asks for blocks by itself, relayed and of the initial download. We serve what we have fetched.
pub(crate) async fn asked(pair: &mut Pair) -> Result<String> {
    let Pair { node, talk } = pair;
    let chain = node.prepare("block 2 50000").await?;
    let block = one(&talk.peer, chain.tip).await?;
    let mark = node.mark();
    node.say(&format!("request-blocks {}", chain.tip)).await?;
    let (request, hashes) = talk.request("request for blocks", wanted).await?;
    ensure!(hashes == [chain.tip], "it asks {request:?}");
    talk.answer(&request, Payload::Block(block.clone())).await?;
    verify(&block, chain.tip, &node.got(mark, "Block").await?)?;

    node.say(&format!("request-bodies {}", chain.tip)).await?;
    let (request, _) = talk
        .request("request for bodies", |payload| match payload {
            Payload::RequestBlockBodies(request) => Some(request.hashes.len()),
            _ => None,
        })
        .await?;
    let transactions = block.transactions.clone();
    let body = peerage::kaspa::message::BlockBody { transactions };
    talk.answer(&request, Payload::BlockBody(body)).await?;
    let got = node.got(mark, "BlockBody").await?;
    ensure!(got["last_txid"] == last_id(&block.transactions)?.to_string(), "it got {got}");
    Ok(format!("a block and a body of {} transactions", block.transactions.len()))
}

/// One block, whose hash must be the one that was asked for.
pub(crate) async fn one(peer: &Peer, hash: Hash) -> Result<Box<Block>> {
    fetch(peer, vec![hash]).await?.pop().context("one block was asked for")
}

/// Blocks, which come in this order.
pub(crate) async fn fetch(peer: &Peer, hashes: Vec<Hash>) -> Result<Vec<Box<Block>>> {
    let count = hashes.len();
    let blocks = peer.request(RequestRelayBlocks { hashes: hashes.clone() }).await?;
    let blocks = blocks.all(count).await?;
    ensure!(blocks.len() == count, "{} of {count} blocks", blocks.len());
    for (block, hash) in blocks.iter().zip(hashes) {
        let header = block.header.as_ref().context("a block has a header")?;
        ensure!(header.hash()? == hash, "{} in place of {hash}", header.hash()?);
    }
    Ok(blocks)
}

/// Compares a block with what it says of it.
pub(crate) fn verify(block: &Block, hash: Hash, event: &Value) -> Result<()> {
    let computed = block.header.as_ref().context("a block has a header")?.hash()?;
    ensure!(computed == hash && event["hash"] == hash.to_string(), "{computed}: {event}");
    ensure!(event["root_fits"] == true, "its Merkle root does not fit: {event}");
    ensure!(event["count"] == block.transactions.len(), "transactions: {event}");
    let last = last_id(&block.transactions)?;
    ensure!(event["last_txid"] == last.to_string(), "the last is {last}: {event}");
    Ok(())
}

/// The id of the last transaction; all others must have one too.
pub(crate) fn last_id(transactions: &[Transaction]) -> Result<Hash> {
    let ids = transactions.iter().map(Transaction::id).collect::<Result<Vec<_>, _>>()?;
    ids.last().copied().context("there are transactions")
}

/// The next so many blocks that it announces.
async fn all_announced(talk: &mut Talk, count: usize) -> Result<Vec<Hash>> {
    let mut hashes = Vec::with_capacity(count);
    while hashes.len() < count {
        hashes.push(talk.request("block announced", announced).await?.1);
    }
    Ok(hashes)
}

fn announced(payload: &Payload) -> Option<Hash> {
    match payload {
        Payload::InvRelayBlock(inv) => inv.hash,
        _ => None,
    }
}

fn wanted(payload: &Payload) -> Option<Vec<Hash>> {
    match payload {
        Payload::RequestRelayBlocks(request) => Some(request.hashes.clone()),
        _ => None,
    }
}

/// What it says of the blocks that it has sent, by hash.
async fn sent(node: &Node, mark: usize, count: usize) -> Result<HashMap<Hash, Value>> {
    let events = node.sent_all(mark, "Block", count).await?;
    events.into_iter().map(|event| Ok((hash_of(&event, "hash")?, event))).collect()
}
