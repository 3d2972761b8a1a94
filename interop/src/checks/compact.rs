//! Compact blocks (BIP152): received, rebuilt and compared; made, and rebuilt by the counterpart.

use anyhow::{Context as _, Result, bail, ensure};
use bitcoin::consensus;
use peerage::bitcoin::message::{
    Block, BlockTxn, CmpctBlock, GetBlockTxn, Headers, Inventory, Place, SendCmpct, TxRef,
};
use peerage::bitcoin::types::InventoryItem;
use peerage::bitcoin::{BlockHash, Message};

use super::blocks::{How, ask_for};
use super::{Node, Via, brief, dial, until};
use crate::mint::{self, Purse};
use crate::talk::Talk;

/// It announces a new block by `cmpctblock`.
pub(crate) async fn announced(node: &impl Node, purse: &Purse, via: Via) -> Result<String> {
    let mut talk = dial(node, via).await?;
    ask_for(&mut talk, node, How::Compact).await?;
    let hash = mine_some(node, purse).await?;
    let compact = received(&mut talk, hash).await?;
    compare(&mut talk, &compact).await
}

/// We ask for the tip as a compact block.
pub(crate) async fn on_request(node: &impl Node, purse: &Purse, via: Via) -> Result<String> {
    let hash = mine_some(node, purse).await?;
    let mut talk = dial(node, via).await?;
    talk.send(Message::SendCmpct(SendCmpct { announce: false, version: 2 })).await?;
    let items = [InventoryItem::compact_block(hash)];
    talk.send(Message::GetData(Inventory::new(&items)?)).await?;
    let compact = received(&mut talk, hash).await?;
    compare(&mut talk, &compact).await
}

/// We mine a block with a transaction that it has and one that it does not have, and serve it as a
/// compact block: it must ask for the one and rebuild the block.
pub(crate) async fn ours(node: &impl Node, purse: &Purse, via: Via) -> Result<String> {
    let (known, unknown) = (purse.spend()?, purse.spend()?);
    node.submit(&known).await?;
    let mut talk = dial(node, via).await?;
    talk.send(Message::SendCmpct(SendCmpct { announce: false, version: 2 })).await?;
    let (parent, height) = talk.show_tip(node.network().genesis).await?;
    talk.fence().await?;
    let block = mint::block(&parent, height + 1, vec![known, unknown])?;
    let block = Block::from_bytes(consensus::serialize(&block).into())?;
    talk.send(Message::Headers(Headers::new(&[block.header()])?)).await?;
    let wanted = InventoryItem::compact_block(block.hash());
    talk.find("getdata of the compact block", |message| match message {
        Message::GetData(items) => items.iter().any(|item| item == wanted).then_some(()),
        _ => None,
    })
    .await?;
    talk.send(Message::CmpctBlock(CmpctBlock::from_block(&block, 0x7065_6572)?)).await?;
    let request = talk
        .find("getblocktxn", |message| match message {
            Message::GetBlockTxn(request) => Some(request.clone()),
            _ => None,
        })
        .await?;
    ensure!(request.places().eq([2]), "it asks for {:?}", request.places().collect::<Vec<_>>());
    let answer = BlockTxn::answer(&request, &block).context("it asks for what there is not")?;
    talk.send(Message::BlockTxn(answer)).await?;
    until("our block is its tip", async || Ok(node.tip().await? == block.hash())).await?;
    Ok(format!("asked for 1 of 2 transactions and took {}", brief(block.hash())))
}

async fn mine_some(node: &impl Node, purse: &Purse) -> Result<BlockHash> {
    for _ in 0..3 {
        node.submit(&purse.spend()?).await?;
    }
    node.mine(1).await
}

async fn received(talk: &mut Talk, hash: BlockHash) -> Result<CmpctBlock> {
    talk.find("cmpctblock", |message| match message {
        Message::CmpctBlock(block) if block.hash() == hash => Some(block.detach()),
        _ => None,
    })
    .await
}

/// Rebuilds the block in both ways: from its own transactions, found by their short ids, and from
/// those that `getblocktxn` brings.
async fn compare(talk: &mut Talk, compact: &CmpctBlock) -> Result<String> {
    let full = talk.block(compact.hash()).await?;
    ensure!(compact.tx_count() == full.tx_count(), "{} transactions", compact.tx_count());
    let rebuilt = rebuild(compact, &full)?;
    ensure!(consensus::serialize(&rebuilt) == *full.bytes(), "rebuilt, it differs");

    let places: Vec<u16> = (0..u16::try_from(full.tx_count())?).collect();
    talk.send(Message::GetBlockTxn(GetBlockTxn::new(compact.hash(), &places)?)).await?;
    let answer = talk
        .find("blocktxn", |message| match message {
            Message::BlockTxn(answer) => Some(answer.clone()),
            _ => None,
        })
        .await?;
    ensure!(answer.block_hash() == compact.hash(), "blocktxn of {}", answer.block_hash());
    ensure!(
        answer.transactions().map(TxRef::bytes).eq(full.transactions().map(TxRef::bytes)),
        "blocktxn has other transactions"
    );
    let prefilled = compact.prefilled().len();
    let named = compact.tx_count() - prefilled;
    Ok(format!("{named} short ids match, {prefilled} prefilled, {} by blocktxn", places.len()))
}

fn rebuild(compact: &CmpctBlock, full: &Block) -> Result<bitcoin::Block> {
    let keys = compact.keys();
    let mut txdata = Vec::with_capacity(full.tx_count());
    for place in compact.places() {
        let tx = match place {
            Place::Prefilled(tx) => tx,
            Place::Named(id) => {
                match full.transactions().find(|tx| keys.short_id(tx.wtxid()) == id) {
                    Some(tx) => tx,
                    None => bail!("no transaction has the short id {id}"),
                }
            }
        };
        txdata.push(tx.decode());
    }
    Ok(bitcoin::Block { header: compact.header(), txdata })
}
