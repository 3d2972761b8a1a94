//! Headers in batches, locators, bodies, whole blocks of the initial download; asked and served.

use anyhow::{Context as _, Result, ensure};
use peerage::kaspa::message::{
    BlockHeader, BlockHeaders, BlockLocator, RequestAntipast, RequestBlockBodies,
    RequestBlockLocator, RequestHeaders, RequestIbdBlocks, RequestIbdChainBlockLocator,
};
use peerage::kaspa::types::Hash;
use peerage::kaspa::{Payload, Peer};

use super::blocks::last_id;
use super::node::Prepared;
use super::{Pair, hash_of};
use crate::checks::brief;

/// How many headers there are.
const COUNT: usize = 3_000;

/// How many come in a message, as kaspad sends them.
const BATCH: usize = 1_024;

/// All headers of its chain, in batches that we acknowledge.
pub(crate) async fn fetched(pair: &mut Pair) -> Result<String> {
    let Pair { node, talk } = pair;
    let mark = node.mark();
    let chain = node.prepare(&format!("headers {COUNT}")).await?;
    let (headers, batches) = all(&talk.peer, &chain).await?;
    linked(&headers, &chain)?;
    ensure!(batches == [1_024, 1_024, 952], "the batches are {batches:?}");
    node.got_all(mark, "RequestNextHeaders", 3).await?;
    let sent = node.sent_all(mark, "BlockHeaders", 3).await?;
    for (event, batch) in sent.iter().zip(headers.chunks(BATCH)) {
        let last = batch.last().context("a batch is not empty")?.hash()?;
        ensure!(event["last"] == last.to_string(), "{last} is the last of {event}");
    }
    // What has none is a range of none.
    let range = RequestHeaders { low_hash: Some(chain.tip), high_hash: Some(chain.tip) };
    let none = talk.peer.request(range).await?.all(1).await?;
    ensure!(none.is_empty(), "{} batches above the tip", none.len());
    Ok(format!("{COUNT} in {batches:?}, linked, up to {}", brief(chain.tip)))
}

/// What a block has in its past and another has not; and locators.
pub(crate) async fn locators(pair: &mut Pair) -> Result<String> {
    let Pair { node, talk } = pair;
    let chain = node.prepare("headers 200").await?;
    let antipast =
        RequestAntipast { block_hash: Some(chain.genesis), context_hash: Some(chain.tip) };
    let batches = talk.peer.request(antipast).await?.all(1).await?;
    linked(batches.first().context("no batch")?, &chain)?;

    let ask = |limit| talk.peer.request(RequestBlockLocator { high_hash: Some(chain.tip), limit });
    // Two at once, of which each gets its own.
    let (five, whole) = tokio::join!(ask(5), ask(64));
    let (five, whole) = (five?.hashes, whole?.hashes);
    ensure!(five.len() == 5 && whole.len() > 5 && whole[..5] == five, "{five:?}, {whole:?}");
    ensure!(whole[0] == chain.tip, "it begins with {}", whole[0]);
    ensure!(whole.last() == Some(&chain.genesis), "it ends with {:?}", whole.last());
    let all = RequestIbdChainBlockLocator { low_hash: None, high_hash: None };
    let selected = talk.peer.request(all).await?.block_locator_hashes;
    ensure!(selected == whole, "the selected chain's is {selected:?}");
    Ok(format!("antipast of 200, locators of 5 and {} asked for at once", whole.len()))
}

/// Bodies and whole blocks, as many as kaspad asks for at once.
pub(crate) async fn bodies(pair: &mut Pair) -> Result<String> {
    const MOST: usize = 99;
    let Pair { node, talk } = pair;
    let chain = node.prepare("block 120 40000").await?;
    let (headers, _) = all(&talk.peer, &chain).await?;
    let hashes = headers.iter().take(MOST).map(BlockHeader::hash).collect::<Result<Vec<_>, _>>()?;
    let mark = node.mark();
    let requests = (
        talk.peer.request(RequestIbdBlocks { hashes: hashes.clone() }).await?,
        talk.peer.request(RequestBlockBodies { hashes: hashes.clone() }).await?,
    );
    let (blocks, bodies) = tokio::join!(requests.0.all(MOST), requests.1.all(MOST));
    let (blocks, bodies) = (blocks?, bodies?);
    ensure!(blocks.len() == MOST && bodies.len() == MOST, "{}, {}", blocks.len(), bodies.len());
    let told = (
        node.sent_all(mark, "IbdBlock", MOST).await?,
        node.sent_all(mark, "BlockBody", MOST).await?,
    );
    for at in 0..MOST {
        let (block, body) = (&blocks[at], &bodies[at]);
        ensure!(block.header.as_ref() == Some(&headers[at]), "block {at} has another header");
        ensure!(block.transactions == body.transactions, "body {at} is not that of its block");
        let last = last_id(&body.transactions)?.to_string();
        ensure!(told.0[at]["last_txid"] == last, "block {at}: {last}, {}", told.0[at]);
        ensure!(told.1[at]["last_txid"] == last, "body {at}: {last}, {}", told.1[at]);
    }
    let transactions: usize = bodies.iter().map(|body| body.transactions.len()).sum();
    Ok(format!("{MOST} blocks and {MOST} bodies at once, alike; {transactions} transactions"))
}

/// It asks for headers and a locator; we serve them as kaspad does.
pub(crate) async fn served(pair: &mut Pair) -> Result<String> {
    let Pair { node, talk } = pair;
    let chain = node.prepare(&format!("headers {COUNT}")).await?;
    let (headers, _) = all(&talk.peer, &chain).await?;
    let mark = node.mark();
    node.say(&format!("request-headers {} {}", chain.genesis, chain.tip)).await?;
    let (request, range) = talk
        .request("request for headers", |payload| match payload {
            Payload::RequestHeaders(range) => Some((range.low_hash, range.high_hash)),
            _ => None,
        })
        .await?;
    ensure!(range == (Some(chain.genesis), Some(chain.tip)), "it asks for {range:?}");
    for batch in headers.chunks(BATCH) {
        let batch = BlockHeaders { block_headers: batch.to_vec() };
        talk.answer(&request, Payload::BlockHeaders(batch)).await?;
        let next = |payload: &Payload| (*payload == Payload::RequestNextHeaders).then_some(());
        talk.request("request for more headers", next).await?;
    }
    talk.answer(&request, Payload::DoneHeaders).await?;
    node.got(mark, "DoneHeaders").await?;
    let got = node.got_all(mark, "BlockHeaders", 3).await?;
    ensure!(got.iter().all(|event| event["linked"] == true), "not linked: {got:?}");
    ensure!(hash_of(&got[2], "last")? == chain.tip, "the last is {}", got[2]);

    node.say(&format!("request-locator {} 9", chain.tip)).await?;
    let (request, limit) = talk
        .request("request for a locator", |payload| match payload {
            Payload::RequestBlockLocator(request) => Some(request.limit),
            _ => None,
        })
        .await?;
    ensure!(limit == 9 && request.request_id != 0, "it asks {request:?}");
    let hashes = vec![chain.tip, chain.genesis];
    talk.answer(&request, Payload::BlockLocator(BlockLocator { hashes })).await?;
    let got = node.got(mark, "BlockLocator").await?;
    ensure!(got["hashes"][0] == chain.tip.to_string() && got["count"] == 2, "it got {got}");
    Ok(format!("{COUNT} in {} messages, each acknowledged; a locator", COUNT.div_ceil(BATCH)))
}

/// All headers of a chain, and how many were in each message.
pub(crate) async fn all(peer: &Peer, chain: &Prepared) -> Result<(Vec<BlockHeader>, Vec<usize>)> {
    let mut answers = peer.push_get_headers(chain.genesis, chain.tip).await?;
    let (mut headers, mut batches) = (Vec::new(), Vec::new());
    while let Some(batch) = answers.next().await.transpose()? {
        batches.push(batch.len());
        headers.extend(batch);
    }
    Ok((headers, batches))
}

/// Each header must name the one before it, by the hash that we compute.
fn linked(headers: &[BlockHeader], chain: &Prepared) -> Result<()> {
    let mut tip = chain.genesis;
    for (number, header) in headers.iter().enumerate() {
        let parents: &[Hash] =
            header.parents.first().map_or(&[], |direct| direct.parent_hashes.as_slice());
        ensure!(parents.contains(&tip), "header {} is not linked", number + 1);
        tip = header.hash()?;
    }
    ensure!(tip == chain.tip, "the last is {tip}, the tip {}", chain.tip);
    Ok(())
}
