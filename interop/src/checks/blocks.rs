//! New blocks, announced live in each way there is, and filtered blocks.

use anyhow::{Context as _, Result, ensure};
use peerage::bitcoin::message::{Block, Headers, Inventory, SendCmpct};
use peerage::bitcoin::types::InventoryItem;
use peerage::bitcoin::{BlockHash, Message};

use super::{Node, Via, be_heard, brief, chain, dial, until};
use crate::bloom;
use crate::mint::{self, Purse};
use crate::talk::Talk;

/// How a block is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Inv,
    Headers,
    Compact,
}

/// It mines a block, announces it to us as asked, and we fetch it.
pub(crate) async fn theirs(node: &impl Node, via: Via, how: How) -> Result<String> {
    let mut talk = dial(node, via).await?;
    ask_for(&mut talk, node, how).await?;
    let hash = node.mine(1).await?;
    wait_for(&mut talk, hash, how).await?;
    chain::verify(&talk.block(hash).await?)?;
    Ok(format!("announced {} by {how:?}", brief(hash)))
}

/// Tells a node how we want blocks announced, and that we have its tip: only then it follows.
pub(crate) async fn ask_for(talk: &mut Talk, node: &impl Node, how: How) -> Result<()> {
    match how {
        How::Inv => return talk.fence().await,
        How::Headers => talk.send(Message::SendHeaders).await?,
        How::Compact => {
            talk.send(Message::SendCmpct(SendCmpct { announce: true, version: 2 })).await?;
        }
    }
    talk.headers(node.network().genesis).await?;
    talk.fence().await
}

/// Waits for the announcement of a block.
async fn wait_for(talk: &mut Talk, hash: BlockHash, how: How) -> Result<()> {
    talk.find("announcement of the block", |message| match (how, message) {
        (How::Inv, Message::Inv(items)) => {
            items.iter().any(|item| item == InventoryItem::block(hash)).then_some(())
        }
        (How::Headers, Message::Headers(headers)) => {
            headers.hashes().any(|found| found == hash).then_some(())
        }
        (How::Compact, Message::CmpctBlock(block)) => (block.hash() == hash).then_some(()),
        _ => None,
    })
    .await
}

/// We mine a block and announce it; it fetches it and makes it its tip.
pub(crate) async fn ours(node: &impl Node, purse: &Purse, via: Via) -> Result<String> {
    let mut talk = dial(node, via).await?;
    let (parent, height) = talk.show_tip(node.network().genesis).await?;
    be_heard(node, &mut talk).await?;
    let block = mint::block(&parent, height + 1, vec![purse.spend()?])?;
    let hash = block.block_hash();
    let message = Block::from_bytes(bitcoin::consensus::serialize(&block).into())?;
    ensure!(talk.peer.announce(&[InventoryItem::block(hash)]) == 1, "not accepted");
    let asked = serve(&mut talk, &message).await?;
    until("our block is its tip", async || Ok(node.tip().await? == hash)).await?;
    Ok(format!("{asked}took {} at height {}", brief(hash), height + 1))
}

/// Answers questions until the block has been asked for and sent.
async fn serve(talk: &mut Talk, block: &Block) -> Result<String> {
    enum Ask {
        Headers,
        Block,
    }
    let mut asked = String::new();
    loop {
        let ask = talk.find("question for our block", |message| match message {
            Message::GetHeaders(_) => Some(Ask::Headers),
            Message::GetData(items) => items
                .iter()
                .any(|item| item.block_hash() == Some(block.hash()))
                .then_some(Ask::Block),
            _ => None,
        });
        match ask.await? {
            Ask::Headers => {
                asked.push_str("asked for headers, ");
                talk.send(Message::Headers(Headers::new(&[block.header()])?)).await?;
            }
            Ask::Block => {
                talk.send(Message::Block(block.clone())).await?;
                return Ok(asked);
            }
        }
    }
}

/// We load a bloom filter and ask for a filtered block: only what matches may come.
pub(crate) async fn filtered(node: &impl Node, purse: &Purse, via: Via) -> Result<String> {
    let (wanted, unwanted) = (purse.spend()?, purse.spend()?);
    node.submit(&wanted).await?;
    node.submit(&unwanted).await?;
    let hash = node.mine(1).await?;
    let txid = wanted.compute_txid();
    let mut talk = dial(node, via).await?;
    talk.send(Message::FilterLoad(bloom::filter(&[&txid.to_raw_hash()[..]])?)).await?;
    let items = [InventoryItem::filtered_block(hash)];
    talk.send(Message::GetData(Inventory::new(&items)?)).await?;
    let block = talk
        .find("merkleblock", |message| match message {
            Message::MerkleBlock(block) => Some(block.clone()),
            _ => None,
        })
        .await?;
    ensure!(block.hash() == hash, "a merkleblock of {}", block.hash());
    let matches = block.matches().context("its proof")?;
    ensure!(matches.iter().map(|(_, txid)| *txid).eq([txid]), "it proves {matches:?}");
    let tx = talk
        .find("matched tx", |message| match message {
            Message::Tx(tx) => Some(tx.txid()),
            _ => None,
        })
        .await?;
    ensure!(tx == txid, "it sent {tx}");
    talk.send(Message::FilterClear).await?;
    talk.fence().await?;
    Ok(format!("proved 1 of {} transactions and sent it", block.total_transactions()))
}
