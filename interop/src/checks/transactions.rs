//! Transactions: theirs to us, ours to them, and the whole memory pool.

use std::time::Duration;

use anyhow::{Result, ensure};
use bitcoin::hashes::Hash as _;
use bitcoin::{Transaction, consensus};
use peerage::bitcoin::message::{Inventory, Tx};
use peerage::bitcoin::types::{InventoryItem, InventoryType};
use peerage::bitcoin::{Kind, Message};

use super::{Node, Via, be_heard, dial, dial_with, until};
use crate::mint::{self, Purse};
use crate::talk::Talk;

/// It announces a transaction, and we fetch it.
pub(crate) async fn theirs(node: &impl Node, purse: &Purse, via: Via) -> Result<String> {
    let mut talk = dial(node, via).await?;
    talk.fence().await?;
    let tx = purse.spend()?;
    node.submit(&tx).await?;
    receive(&mut talk, &tx).await
}

/// Waits for the announcement of a transaction and fetches it.
pub(crate) async fn receive(talk: &mut Talk, tx: &Transaction) -> Result<String> {
    let announced = announcement(talk, tx).await?;
    fetch(talk, announced, tx).await?;
    Ok(format!("announced by {} and sent with its witness", announced.kind))
}

/// We announce a transaction; it fetches it and accepts it.
pub(crate) async fn ours(node: &impl Node, purse: &Purse, via: Via) -> Result<String> {
    let mut talk = dial(node, via).await?;
    be_heard(node, &mut talk).await?;
    let tx = purse.spend()?;
    let wanted = give(&mut talk, &tx).await?;
    until("our transaction in its memory pool", async || node.has_tx(&tx).await).await?;
    Ok(format!("asked for it by {} and accepted it", wanted.kind))
}

/// We ask what is in its memory pool.
pub(crate) async fn memory_pool(node: &impl Node, purse: &Purse, via: Via) -> Result<String> {
    let tx = purse.spend()?;
    node.submit(&tx).await?;
    let mut talk = dial(node, via).await?;
    talk.send(Message::MemPool).await?;
    let announced = announcement(&mut talk, &tx).await?;
    Ok(format!("listed by {}", announced.kind))
}

/// As a peer of the time of `reject`, we give it a transaction that makes money.
pub(crate) async fn rejected(node: &impl Node, purse: &Purse, via: Via) -> Result<String> {
    let mut talk = dial_with(node, via, |config| config.identity.version = 70_015).await?;
    be_heard(node, &mut talk).await?;
    let tx = mint::counterfeit(&purse.spend()?);
    give(&mut talk, &tx).await?;
    let reject = talk
        .find("reject", |message| match message {
            Message::Reject(reject) => Some(reject.clone()),
            _ => None,
        })
        .await?;
    let hash = tx.compute_txid().to_byte_array();
    ensure!(reject.command().as_str() == "tx", "it rejects {}", reject.command());
    ensure!(reject.hash() == Some(hash), "it rejects {:?}", reject.hash());
    Ok(format!("{}: {}", reject.code(), reject.reason().to_string_lossy()))
}

/// How long an announcement may take: Core's wait for a random time, 5 s in the mean.
const ANNOUNCEMENT: Duration = Duration::from_secs(75);

/// Announces a transaction and sends it when asked; returns what was asked for.
pub(crate) async fn give(talk: &mut Talk, tx: &Transaction) -> Result<InventoryItem> {
    let (by_txid, by_wtxid) = names(tx);
    let item = if talk.peer.remote().wtxid_relay { by_wtxid } else { by_txid };
    ensure!(talk.peer.announce(&[item]) == 1, "the announcement was not accepted");
    let wanted = talk
        .find("getdata", |message| match message {
            Message::GetData(wanted) => wanted.iter().find(|wanted| wanted.hash == item.hash),
            _ => None,
        })
        .await?;
    ensure!(talk.peer.stats().sent.get(Kind::Inv).messages >= 1, "no inv is counted");
    let tx = Tx::try_from(tx)?;
    let plain = wanted.kind == InventoryType::TX;
    talk.send(Message::Tx(if plain { tx.without_witness() } else { tx })).await?;
    Ok(wanted)
}

/// Waits for the announcement of a transaction, by whichever name.
async fn announcement(talk: &mut Talk, tx: &Transaction) -> Result<InventoryItem> {
    let (by_txid, by_wtxid) = names(tx);
    let item = talk
        .find_within(ANNOUNCEMENT, "announcement of the transaction", |message| match message {
            Message::Inv(items) => {
                items.iter().find(|item| item.hash == by_txid.hash || item.hash == by_wtxid.hash)
            }
            _ => None,
        })
        .await?;
    let expected = if talk.peer.remote().wtxid_relay { by_wtxid } else { by_txid };
    ensure!(item == expected, "{item} where {expected} was due");
    Ok(item)
}

async fn fetch(talk: &mut Talk, announced: InventoryItem, tx: &Transaction) -> Result<()> {
    let wanted = match announced.kind {
        InventoryType::WTX => announced,
        _ => InventoryItem::witness_tx(tx.compute_txid()),
    };
    talk.send(Message::GetData(Inventory::new(&[wanted])?)).await?;
    let got = talk
        .find("tx", |message| match message {
            Message::Tx(tx) => Some(tx.clone()),
            _ => None,
        })
        .await?;
    ensure!(got.txid() == tx.compute_txid(), "its txid is {}", got.txid());
    ensure!(got.wtxid() == tx.compute_wtxid(), "its wtxid is {}", got.wtxid());
    ensure!(*got.bytes() == consensus::serialize(tx), "it differs from what was submitted");
    Ok(())
}

fn names(tx: &Transaction) -> (InventoryItem, InventoryItem) {
    let (txid, wtxid) = (tx.compute_txid(), tx.compute_wtxid());
    debug_assert_ne!(txid.to_byte_array(), wtxid.to_byte_array());
    (InventoryItem::tx(txid), InventoryItem::wtx(wtxid))
}
