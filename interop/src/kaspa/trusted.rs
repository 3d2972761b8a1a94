//! The proof of the pruning point and the blocks around it, whole (version 10) and in chunks (11).

use anyhow::{Context as _, Result, bail, ensure};
use peerage::kaspa::message::{BlockHeader, BlockWithTrustedDataV4};
use peerage::kaspa::{
    AnticonePart, Payload, ProofPart, RequestPruningPointAndItsAnticone, RequestPruningPointProof,
};

use super::Pair;
use super::node::Prepared;

/// How many headers there are above the genesis block: enough for a second batch of blocks.
const COUNT: usize = 1_500;

/// The most blocks that it sends with the pruning point.
const BLOCKS: usize = 150;

/// The proof, in the form of the version that was agreed on.
pub(crate) async fn proof(pair: &mut Pair) -> Result<String> {
    let chain = pair.node.prepare(&format!("headers {COUNT}")).await?;
    let (levels, parts) = fetch_proof(pair).await?;
    ensure!(levels[0].len() == COUNT + 1 && levels[1].len() == 1, "other levels than it has");
    ensure!(levels[0][0].hash()? == chain.genesis, "it does not begin with the genesis block");
    ensure!(levels[0][COUNT].hash()? == chain.tip, "it does not end with the tip");
    ensure!(levels[1][0].hash()? == chain.tip, "the upper level is not the tip");
    let agreed = pair.talk.peer.remote().agreed;
    // Two chunks of the lower level and one of the upper.
    let due = if agreed < 11 { 1 } else { 3 };
    ensure!(parts.len() == due, "{} parts at version {agreed}", parts.len());
    Ok(format!("{} headers of 2 levels in {due} parts at version {agreed}", COUNT + 2))
}

/// The headers by level, and the parts in which they came.
async fn fetch_proof(pair: &Pair) -> Result<([Vec<BlockHeader>; 2], Vec<ProofPart>)> {
    let parts = pair.talk.peer.request(RequestPruningPointProof).await?.all(10).await?;
    let mut levels = [Vec::new(), Vec::new()];
    for part in &parts {
        match part {
            ProofPart::Whole(proof) => {
                ensure!(proof.headers.len() == 2, "{} levels", proof.headers.len());
                for (level, array) in levels.iter_mut().zip(&proof.headers) {
                    level.extend_from_slice(&array.headers);
                }
            }
            ProofPart::Chunk(chunk) => {
                let level = levels.get_mut(usize::try_from(chunk.level)?);
                level.context("a level that is not")?.extend_from_slice(&chunk.chunk);
            }
        }
    }
    Ok((levels, parts))
}

/// The pruning point, its trusted data and the blocks in its anticone.
pub(crate) async fn anticone(pair: &mut Pair) -> Result<String> {
    let mark = pair.node.mark();
    let chain = pair.node.prepare(&format!("block {COUNT} 100")).await?;
    let (_, parts) = fetch_anticone(pair).await?;
    let agreed = pair.talk.peer.remote().agreed;
    let seen = judge(&parts, &chain, agreed)?;
    let next = pair.node.got_all(mark, "RequestNextPruningPointAndItsAnticoneBlocks", 1).await?;
    ensure!(next.len() == 1, "acknowledged {} times", next.len());
    Ok(format!("{seen} at version {agreed}"))
}

async fn fetch_anticone(pair: &Pair) -> Result<(usize, Vec<AnticonePart>)> {
    let answers = pair.talk.peer.request(RequestPruningPointAndItsAnticone).await?;
    let parts = answers.all(BLOCKS + 10).await?;
    Ok((parts.len(), parts))
}

fn judge(parts: &[AnticonePart], chain: &Prepared, agreed: u32) -> Result<String> {
    let (mut trusted, mut data, mut ended, mut blocks) = (0, 0, false, Vec::new());
    for (at, part) in parts.iter().enumerate() {
        match part {
            AnticonePart::PruningPoints(points) if at == 0 => {
                let point = points.headers.first().context("no pruning point")?;
                ensure!(point.hash()? == chain.genesis, "another pruning point");
            }
            AnticonePart::TrustedData(whole) if agreed < 11 => {
                ensure!(whole.ghostdag_data.len() == BLOCKS, "{}", whole.ghostdag_data.len());
                (trusted, data, ended) = (whole.daa_window.len(), data + 1, true);
            }
            AnticonePart::TrustedDataChunk(chunk) if agreed >= 11 && !ended => {
                (trusted, data) = (trusted + chunk.headers.len(), data + 1);
            }
            AnticonePart::TrustedDataEnd if agreed >= 11 && !ended => ended = true,
            AnticonePart::Block(block) if ended => blocks.push(block),
            other => bail!("part {at} is {other:?}"),
        }
    }
    ensure!(trusted == BLOCKS && blocks.len() == BLOCKS, "{trusted}, {}", blocks.len());
    let first = hash_of(blocks[0])?;
    ensure!(first == chain.genesis, "the blocks begin with {first}");
    Ok(format!("trusted data of {trusted} in {data} parts, {} blocks", blocks.len()))
}

fn hash_of(block: &BlockWithTrustedDataV4) -> Result<peerage::kaspa::types::Hash> {
    let block = block.block.as_ref().context("no block")?;
    Ok(block.header.as_ref().context("no header")?.hash()?)
}

/// It asks us for both; we serve what we have got from it.
pub(crate) async fn served(pair: &mut Pair) -> Result<String> {
    pair.node.prepare(&format!("block {COUNT} 100")).await?;
    let (_, proof) = fetch_proof(pair).await?;
    let (_, anticone) = fetch_anticone(pair).await?;
    let Pair { node, talk } = pair;
    let mark = node.mark();
    node.say("request-proof").await?;
    let wanted = |payload: &Payload| (*payload == Payload::RequestPruningPointProof).then_some(());
    let (request, ()) = talk.request("request for a proof", wanted).await?;
    let mut whole = false;
    for part in proof {
        let part = match part {
            ProofPart::Whole(proof) => {
                whole = true;
                Payload::PruningPointProof(proof)
            }
            ProofPart::Chunk(chunk) => Payload::PruningPointProofChunk(chunk),
        };
        talk.answer(&request, part).await?;
    }
    if whole {
        let got = node.got(mark, "PruningPointProof").await?;
        ensure!(got["levels"][0] == COUNT + 1 && got["levels"][1] == 1, "it got {got}");
    } else {
        talk.answer(&request, Payload::PruningPointProofChunksEnd).await?;
        node.got(mark, "PruningPointProofChunksEnd").await?;
        let got = node.got_all(mark, "PruningPointProofChunk", 3).await?;
        ensure!(got.iter().all(|event| event["linked"] == true), "not linked: {got:?}");
    }
    serve_anticone(pair, anticone).await?;
    Ok(format!("the proof {}, and {BLOCKS} blocks", if whole { "whole" } else { "in chunks" }))
}

async fn serve_anticone(pair: &mut Pair, parts: Vec<AnticonePart>) -> Result<()> {
    let Pair { node, talk } = pair;
    let mark = node.mark();
    node.say("request-anticone").await?;
    let wanted =
        |payload: &Payload| (*payload == Payload::RequestPruningPointAndItsAnticone).then_some(());
    let (request, ()) = talk.request("request for the anticone", wanted).await?;
    let mut blocks = 0;
    for part in parts {
        let payload = match part {
            AnticonePart::PruningPoints(points) => Payload::PruningPoints(points),
            AnticonePart::TrustedData(data) => Payload::TrustedData(data),
            AnticonePart::TrustedDataChunk(chunk) => Payload::TrustedDataChunk(chunk),
            AnticonePart::TrustedDataEnd => Payload::TrustedDataChunksEnd,
            AnticonePart::Block(block) => {
                blocks += 1;
                Payload::BlockWithTrustedDataV4(block)
            }
        };
        talk.answer(&request, payload).await?;
        if blocks == 99 {
            let next = Payload::RequestNextPruningPointAndItsAnticoneBlocks;
            let more = |payload: &Payload| (*payload == next).then_some(());
            talk.request("request for more blocks", more).await?;
            blocks = BLOCKS;
        }
    }
    talk.answer(&request, Payload::DoneBlocksWithTrustedData).await?;
    node.got(mark, "DoneBlocksWithTrustedData").await?;
    let got = node.got_all(mark, "BlockWithTrustedDataV4", BLOCKS).await?;
    ensure!(got.iter().all(|event| event["root_fits"] == true), "a root does not fit");
    Ok(())
}
