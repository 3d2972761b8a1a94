//! Block filters (BIP157, BIP158): fetched, chained, made again.

use anyhow::{Context as _, Result, ensure};
use bitcoin::ScriptBuf;
use bitcoin::bip158::{BlockFilter, FilterHeader};
use bitcoin::hashes::Hash as _;
use peerage::bitcoin::message::{
    BASIC_FILTER, CFHeaders, CFilter, GetCFCheckpt, GetCFHeaders, GetCFilters,
};
use peerage::bitcoin::{BlockHash, Message};

use super::{Node, Via, brief, dial};
use crate::talk::Talk;

/// The height of the first checkpoint, up to which filters are fetched.
const CHECKPOINT: usize = 1_000;

/// Fetches the filters of 1,000 blocks, and the headers and the checkpoint that they must lead to.
pub(crate) async fn chain(node: &impl Node, via: Via) -> Result<String> {
    let mut talk = dial(node, via).await?;
    let genesis = node.network().genesis;
    let mut hashes = vec![genesis];
    hashes.extend(talk.headers(genesis).await?.iter().map(bitcoin::block::Header::block_hash));
    ensure!(hashes.len() > CHECKPOINT, "only {} blocks", hashes.len());

    let checkpoint = checkpoint(&mut talk, *hashes.last().context("an empty chain")?).await?;
    let headers = headers(&mut talk, hashes[CHECKPOINT]).await?;
    let chained: Vec<FilterHeader> = headers.filter_headers().collect();
    ensure!(chained.len() == CHECKPOINT + 1, "{} filter headers", chained.len());
    ensure!(chained.last() == Some(&checkpoint), "the headers do not lead to the checkpoint");

    let filters = filters(&mut talk, &hashes[1..=CHECKPOINT]).await?;
    let mut previous = chained[0];
    for (filter, header) in filters.iter().zip(&chained[1..]) {
        previous = filter.filter_header(&previous);
        ensure!(previous == *header, "the filter of {} is not promised", filter.block_hash());
    }
    let again = make_again(&mut talk, &filters[CHECKPOINT - 3..]).await?;
    let bytes: usize = filters.iter().map(|filter| filter.filter().len()).sum();
    let count = filters.len();
    Ok(format!(
        "{count} filters of {bytes} bytes lead to {}; {again} made again",
        brief(checkpoint)
    ))
}

async fn checkpoint(talk: &mut Talk, stop_hash: BlockHash) -> Result<FilterHeader> {
    let question = GetCFCheckpt { filter_type: BASIC_FILTER, stop_hash };
    talk.send(Message::GetCFCheckpt(question)).await?;
    let answer = talk
        .find("cfcheckpt", |message| match message {
            Message::CFCheckpt(answer) => Some(answer.clone()),
            _ => None,
        })
        .await?;
    ensure!(answer.stop_hash() == stop_hash, "cfcheckpt up to {}", answer.stop_hash());
    ensure!(answer.len() == 1, "{} checkpoints", answer.len());
    let mut checkpoints = answer.filter_headers();
    checkpoints.next().context("there is one")
}

async fn headers(talk: &mut Talk, stop_hash: BlockHash) -> Result<CFHeaders> {
    let question = GetCFHeaders { filter_type: BASIC_FILTER, start_height: 0, stop_hash };
    talk.send(Message::GetCFHeaders(question)).await?;
    let answer = talk
        .find("cfheaders", |message| match message {
            Message::CFHeaders(answer) => Some(answer.detach()),
            _ => None,
        })
        .await?;
    ensure!(answer.stop_hash() == stop_hash, "cfheaders up to {}", answer.stop_hash());
    let first = answer.previous_filter_header();
    ensure!(first == FilterHeader::all_zeros(), "before the first block comes {first}");
    Ok(answer)
}

async fn filters(talk: &mut Talk, hashes: &[BlockHash]) -> Result<Vec<CFilter>> {
    let stop_hash = *hashes.last().context("some block is asked for")?;
    let question = GetCFilters { filter_type: BASIC_FILTER, start_height: 1, stop_hash };
    talk.send(Message::GetCFilters(question)).await?;
    let mut filters = Vec::with_capacity(hashes.len());
    for hash in hashes {
        let filter = talk
            .find("cfilter", |message| match message {
                Message::CFilter(filter) => Some(filter.detach()),
                _ => None,
            })
            .await?;
        ensure!(filter.block_hash() == *hash, "a filter of {} came", filter.block_hash());
        filters.push(filter);
    }
    Ok(filters)
}

/// Makes filters from their blocks. Those of the checked blocks spend nothing.
async fn make_again(talk: &mut Talk, filters: &[CFilter]) -> Result<usize> {
    for filter in filters {
        let block = talk.block(filter.block_hash()).await?.decode();
        let script = block.txdata[0].output[0].script_pubkey.clone();
        let none = |_: &bitcoin::OutPoint| Ok(ScriptBuf::new());
        let made = BlockFilter::new_script_filter(&block, none)?;
        ensure!(made.content == filter.filter(), "the filter of {}", filter.block_hash());
        let hit = filter
            .block_filter()
            .match_any(&filter.block_hash(), [script.as_bytes()].into_iter())?;
        ensure!(hit, "the filter of {} misses its coinbase", filter.block_hash());
    }
    Ok(filters.len())
}
