//! The state at the pruning point: unspent outputs and lanes, in chunks that are acknowledged.

use std::collections::HashSet;

use anyhow::{Context as _, Result, ensure};
use peerage::kaspa::message::{
    PruningPointUtxoSetChunk, RequestPruningPointSmtState, RequestPruningPointUtxoSet,
    SmtLaneChunk, SmtMetadata,
};
use peerage::kaspa::{Payload, RequestError, SmtPart};

use super::{Pair, made_up};

/// The unspent outputs: a hundred chunks and more, so that kaspad waits once to be asked for more.
const UTXOS: usize = 150_500;

/// The unspent outputs at its pruning point.
pub(crate) async fn utxos(pair: &mut Pair) -> Result<String> {
    let mut seen = Vec::new();
    // Also as many as fill the first batch, and one chunk of none after it.
    for (count, chunks, more) in [(UTXOS, 151, 1), (99_000, 100, 1), (0, 1, 0)] {
        let mark = pair.node.mark();
        let got = fetch(pair, count).await?;
        ensure!(got.len() == chunks, "{} chunks of {count} outputs", got.len());
        let all = got.iter().flat_map(|chunk| &chunk.outpoint_and_utxo_entry_pairs);
        let entries = all.clone().map(|pair| pair.utxo_entry.as_ref()).collect::<Option<Vec<_>>>();
        let entries = entries.context("an output without an entry")?;
        let outpoints: HashSet<_> = all.filter_map(|pair| pair.outpoint.as_ref()).collect();
        ensure!(outpoints.len() == count, "{} different places of {count}", outpoints.len());
        let sum: u64 = entries.iter().map(|entry| entry.amount).sum();
        let told = pair.node.sent_all(mark, "PruningPointUtxoSetChunk", chunks).await?;
        let its: Option<u64> = told.iter().map(|event| event["sompi"].as_u64()).sum();
        ensure!(its == Some(sum), "{sum} sompi here, {its:?} there");
        let acknowledged = pair.node.count(mark, "RequestNextPruningPointUtxoSetChunk");
        ensure!(acknowledged == more, "acknowledged {acknowledged} times");
        seen.push(format!("{count} in {chunks}"));
    }
    let wrong = RequestPruningPointUtxoSet { pruning_point_hash: Some(made_up(5)) };
    let none = pair.talk.peer.request(wrong).await?.all(1).await;
    ensure!(none == Err(RequestError::UnexpectedPruningPoint), "of another: {none:?}");
    Ok(format!("{}, same sums; none of another pruning point", seen.join(", ")))
}

async fn fetch(pair: &mut Pair, count: usize) -> Result<Vec<PruningPointUtxoSetChunk>> {
    let Pair { node, talk } = pair;
    node.say(&format!("utxo {count}")).await?;
    // Its answer tells that it has heard the line before.
    let chain = node.prepare("headers 1").await?;
    let request = RequestPruningPointUtxoSet { pruning_point_hash: Some(chain.genesis) };
    Ok(talk.peer.request(request).await?.all(200).await?)
}

/// It asks us for the unspent outputs.
pub(crate) async fn utxos_served(pair: &mut Pair) -> Result<String> {
    let chunks = fetch(pair, UTXOS).await?;
    let Pair { node, talk } = pair;
    let chain = node.prepare("headers 1").await?;
    let mark = node.mark();
    node.say(&format!("request-utxo {}", chain.genesis)).await?;
    let (request, hash) = talk
        .request("request for unspent outputs", |payload| match payload {
            Payload::RequestPruningPointUtxoSet(request) => Some(request.pruning_point_hash),
            _ => None,
        })
        .await?;
    ensure!(hash == Some(chain.genesis), "it asks for {hash:?}");
    for (number, chunk) in (1_usize..).zip(&chunks) {
        talk.answer(&request, Payload::PruningPointUtxoSetChunk(chunk.clone())).await?;
        if number.is_multiple_of(99) {
            let more = |payload: &Payload| {
                (*payload == Payload::RequestNextPruningPointUtxoSetChunk).then_some(())
            };
            talk.request("request for more outputs", more).await?;
        }
    }
    talk.answer(&request, Payload::DonePruningPointUtxoSetChunks).await?;
    node.got(mark, "DonePruningPointUtxoSetChunks").await?;
    let got = node.got_all(mark, "PruningPointUtxoSetChunk", chunks.len()).await?;
    let count: Option<u64> = got.iter().map(|event| event["count"].as_u64()).sum();
    ensure!(count == Some(UTXOS as u64), "it got {count:?}");
    Ok(format!("{UTXOS} in {} chunks, acknowledged after 99", chunks.len()))
}

/// The lanes of the state: chunks, acknowledged by tens unless nothing is left.
pub(crate) async fn lanes(pair: &mut Pair) -> Result<String> {
    let mut seen = Vec::new();
    for (count, chunks, more) in [(50_000, 13, 1), (40_960, 10, 0), (90_113, 23, 2), (0, 0, 0)] {
        let mark = pair.node.mark();
        let (metadata, got) = fetch_lanes(pair, count).await?;
        ensure!(metadata.data.len() == 96, "{} bytes of metadata", metadata.data.len());
        ensure!(metadata.active_lanes_count == count as u64, "{metadata:?}");
        ensure!(got.len() == chunks, "{} chunks of {count} lanes", got.len());
        let lanes: HashSet<_> = got.iter().flat_map(|chunk| &chunk.entries).collect();
        ensure!(lanes.len() == count, "{} different lanes of {count}", lanes.len());
        ensure!(lanes.iter().all(|lane| lane.data.len() == 64), "a lane is not of 64 bytes");
        // Its log is behind what it has taken only until it answers.
        pair.talk.fence().await?;
        let acknowledged = pair.node.count(mark, "RequestNextPruningPointSmtChunk");
        ensure!(acknowledged == more, "{count}: acknowledged {acknowledged} times");
        seen.push(format!("{count} in {chunks}"));
    }
    let wrong = RequestPruningPointSmtState { pruning_point_hash: Some(made_up(5)) };
    let none = pair.talk.peer.request(wrong).await?.all(1).await;
    ensure!(none == Err(RequestError::UnexpectedPruningPoint), "of another: {none:?}");
    Ok(format!("{}; none of another pruning point", seen.join(", ")))
}

async fn fetch_lanes(pair: &mut Pair, count: usize) -> Result<(SmtMetadata, Vec<SmtLaneChunk>)> {
    let Pair { node, talk } = pair;
    node.say(&format!("lanes {count}")).await?;
    let chain = node.prepare("headers 1").await?;
    let request = RequestPruningPointSmtState { pruning_point_hash: Some(chain.genesis) };
    let mut answers = talk.peer.request(request).await?;
    let Some(SmtPart::Metadata(metadata)) = answers.next().await.transpose()? else {
        anyhow::bail!("it does not begin with metadata")
    };
    let mut chunks = Vec::new();
    while let Some(part) = answers.next().await.transpose()? {
        let SmtPart::Lanes(chunk) = part else { anyhow::bail!("metadata twice") };
        chunks.push(chunk);
    }
    Ok((metadata, chunks))
}

/// It asks us for the lanes.
pub(crate) async fn lanes_served(pair: &mut Pair) -> Result<String> {
    let (metadata, chunks) = fetch_lanes(pair, 50_000).await?;
    let Pair { node, talk } = pair;
    let chain = node.prepare("headers 1").await?;
    let mark = node.mark();
    node.say(&format!("request-lanes {}", chain.genesis)).await?;
    let (request, ()) = talk
        .request("request for lanes", |payload| {
            matches!(payload, Payload::RequestPruningPointSmtState(_)).then_some(())
        })
        .await?;
    talk.answer(&request, Payload::SmtMetadata(metadata)).await?;
    for (number, chunk) in (1_usize..).zip(&chunks) {
        talk.answer(&request, Payload::SmtLaneChunk(chunk.clone())).await?;
        if number == 10 {
            let more = |payload: &Payload| {
                (*payload == Payload::RequestNextPruningPointSmtChunk).then_some(())
            };
            talk.request("request for more lanes", more).await?;
        }
    }
    let got = node.got_all(mark, "SmtLaneChunk", chunks.len()).await?;
    let count: Option<u64> = got.iter().map(|event| event["count"].as_u64()).sum();
    ensure!(count == Some(50_000), "it got {count:?}");
    Ok(format!("50000 in {} chunks, acknowledged after 10", chunks.len()))
}
