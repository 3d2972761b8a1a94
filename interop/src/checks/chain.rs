//! Headers and blocks, fetched and verified.

use std::collections::HashSet;

use anyhow::{Context as _, Result, ensure};
use peerage::bitcoin::message::Block;

use super::{Node, Via, brief, dial};
use crate::mint::Purse;

/// Gets coins to spend: those of the first block, split and mined.
pub(crate) async fn coins(node: &impl Node, script_sig: &[u8]) -> Result<(Purse, String)> {
    let mut talk = dial(node, Via::V1).await?;
    let headers = talk.headers(node.network().genesis).await?;
    let first = headers.first().context("an empty chain")?.block_hash();
    let block = talk.block(first).await?.decode();
    let (purse, split) = Purse::split(&block.txdata[0], script_sig)?;
    node.submit(&split).await.context("the splitting transaction")?;
    let tip = node.mine(1).await?;
    let mined = talk.block(tip).await?;
    let txid = split.compute_txid();
    ensure!(mined.transactions().any(|tx| tx.txid() == txid), "{txid} was not mined");
    Ok((purse, format!("height {}, coins in {}", headers.len() + 1, brief(txid))))
}

/// All headers and the last 200 blocks.
pub(crate) async fn headers_and_blocks(node: &impl Node, via: Via) -> Result<String> {
    const BLOCKS: usize = 200;
    let mut talk = dial(node, via).await?;
    let headers = talk.headers(node.network().genesis).await?;
    ensure!(headers.len() >= BLOCKS, "only {} headers", headers.len());
    let tip = node.tip().await?;
    ensure!(headers.last().map(bitcoin::block::Header::block_hash) == Some(tip), "not its tip");
    let wanted: Vec<_> =
        headers[headers.len() - BLOCKS..].iter().map(bitcoin::block::Header::block_hash).collect();
    let blocks = talk.blocks(&wanted).await?;
    blocks.iter().try_for_each(verify)?;
    let unique: HashSet<_> = blocks.iter().map(Block::hash).collect();
    ensure!(unique.len() == BLOCKS, "a block came twice");
    let bytes: usize = blocks.iter().map(|block| block.bytes().len()).sum();
    let transactions: usize = blocks.iter().map(Block::tx_count).sum();
    let linked = headers.len();
    Ok(format!("{linked} headers; {BLOCKS} blocks, {transactions} transactions, {bytes} bytes"))
}

/// Checks that a block is what its header says, and that our view reads it as `bitcoin` does.
pub(crate) fn verify(block: &Block) -> Result<()> {
    let hash = block.hash();
    ensure!(block.check_merkle_root(), "the merkle root of {hash}");
    ensure!(block.check_witness_commitment(), "the witness commitment of {hash}");
    let owned = block.decode();
    ensure!(owned.check_merkle_root() && owned.check_witness_commitment(), "{hash}, decoded");
    ensure!(bitcoin::consensus::serialize(&owned) == *block.bytes(), "{hash}, written again");
    Ok(())
}
