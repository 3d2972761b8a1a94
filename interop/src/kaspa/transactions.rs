//! Transactions: announced, found and not found, both ways.

use anyhow::{Context as _, Result, ensure};
use peerage::kaspa::message::{RequestTransactions, Transaction, TransactionNotFound};
use peerage::kaspa::types::Hash;
use peerage::kaspa::{FoundTransaction, Item, Payload, Peer};

use super::{Node, Pair, Talk, hash_of, made_up};

/// Eight of its transactions, of both versions, announced one by one and fetched.
pub(crate) async fn followed(pair: &mut Pair) -> Result<String> {
    let Pair { node, talk } = pair;
    let mut versions = [0; 2];
    for number in 0..8 {
        let transaction = new(node, talk, 300 + number * 20_000).await?;
        let version = usize::try_from(transaction.version)?;
        *versions.get_mut(version).with_context(|| format!("version {version}"))? += 1;
    }
    ensure!(versions == [6, 2], "the versions are {versions:?}");
    Ok("8 by invs of one id, 6 of version 0 and 2 of version 1; ids as it says".to_owned())
}

/// A transaction that it has just made, announced to us and fetched.
async fn new(node: &Node, talk: &mut Talk, bytes: usize) -> Result<Box<Transaction>> {
    let mark = node.mark();
    node.say(&format!("tx {bytes}")).await?;
    let event = node.event(mark, "prepared", |event| !event["txid"].is_null()).await?;
    let id = hash_of(&event, "txid")?;
    let (_, ids) = talk.request("transaction announced", announced).await?;
    ensure!(ids == [id], "it announced {ids:?}, and said {id}");
    match &fetch(&talk.peer, &[id]).await?[..] {
        [FoundTransaction::Found(transaction)] => {
            ensure!(transaction.id()? == id, "its id is {}", transaction.id()?);
            let sent = node.sent_all(mark, "Transaction", 1).await?;
            ensure!(sent[0]["txid"] == id.to_string(), "it sent {}", sent[0]);
            ensure!(transaction.payload.len() == bytes, "{} bytes", transaction.payload.len());
            Ok(transaction.clone())
        }
        other => anyhow::bail!("{other:?} for {id}"),
    }
}

/// Announcements of many ids, of which it has none.
pub(crate) async fn many_announced(pair: &mut Pair) -> Result<String> {
    let Pair { node, talk } = pair;
    for count in [1, 1_000, 131_072] {
        node.say(&format!("inv-tx {count}")).await?;
        let (_, ids) = talk.request("transactions announced", announced).await?;
        ensure!(ids.len() == count, "{} of {count} ids", ids.len());
        let asked = &ids[..count.min(2_000)];
        let missing = fetch(&talk.peer, asked).await?;
        let none = |(it, id): (&FoundTransaction, &Hash)| *it == FoundTransaction::NotFound(*id);
        ensure!(missing.len() == asked.len(), "{} answers", missing.len());
        ensure!(missing.iter().zip(asked).all(none), "an answer is not the one that is due");
    }
    Ok("1, 1000 and 131072 ids in one message each; those asked for are not found".to_owned())
}

/// Found and not found in one request, in its order.
pub(crate) async fn mixed(pair: &mut Pair) -> Result<String> {
    let Pair { node, talk } = pair;
    let (first, second) = (new(node, talk, 200).await?, new(node, talk, 1_000_000).await?);
    let ids = [first.id()?, made_up(1), second.id()?, made_up(2)];
    let answers = fetch(&talk.peer, &ids).await?;
    let due = [
        FoundTransaction::Found(first),
        FoundTransaction::NotFound(ids[1]),
        FoundTransaction::Found(second),
        FoundTransaction::NotFound(ids[3]),
    ];
    ensure!(answers == due, "other answers than are due");
    Ok("found (one of 1 MB), not found, found, not found".to_owned())
}

/// Announcements of ours, as many as one message holds. Needs a node without `--relay`.
pub(crate) async fn announced_by_us(pair: &mut Pair) -> Result<String> {
    let Pair { node, talk } = pair;
    let mut next = 1_000;
    let mut seen = Vec::new();
    for count in [1, 1_000, 131_072] {
        let mark = node.mark();
        let items: Vec<Item> =
            (next..next + count).map(|i| Item::Transaction(made_up(i))).collect();
        next += count;
        ensure!(talk.peer.announce(&items) == count, "not all of {count} were accepted");
        let (mut told, mut messages) = (0, 0);
        while told < count {
            messages += 1;
            let all = node.got_all(mark, "InvTransactions", messages).await?;
            let ids = all[messages - 1]["count"].as_u64().context("a count")?;
            told += usize::try_from(ids)?;
        }
        ensure!(told == count, "it was told of {told}");
        seen.push(format!("{count} in {messages}"));
    }
    Ok(format!("ids in messages: {}", seen.join(", ")))
}

/// It asks for what we announce, and for what we do not have. Needs a node with `--relay`.
pub(crate) async fn ours(pair: &mut Pair) -> Result<String> {
    let Pair { node, talk } = pair;
    let mut transactions = Vec::new();
    for bytes in [100, 30_000, 500, 900_000] {
        let mut transaction = new(node, talk, bytes).await?;
        transaction.lock_time += 1_000;
        transactions.push(transaction);
    }
    let ids = transactions.iter().map(|it| it.id()).collect::<Result<Vec<_>, _>>()?;
    let mark = node.mark();
    let mut items: Vec<Item> = ids.iter().map(|id| Item::Transaction(*id)).collect();
    items.push(Item::Transaction(made_up(3)));
    ensure!(talk.peer.announce(&items) == 5, "not all were accepted");
    let mut asked = 0;
    while asked < 5 {
        let (request, wanted) = talk.request("request for transactions", wanted).await?;
        ensure!(request.request_id == 0, "it numbers its request: {request:?}");
        asked += wanted.len();
        for id in wanted {
            talk.answer(&request, have(&transactions, &ids, id)).await?;
        }
    }
    let got = node.got_all(mark, "Transaction", 4).await?;
    for id in &ids {
        ensure!(got.iter().any(|event| event["txid"] == id.to_string()), "not got: {id}");
    }
    let missing = node.got(mark, "TransactionNotFound").await?;
    ensure!(missing["txid"] == made_up(3).to_string(), "not found is {missing}");
    Ok("4 announced, asked for, ids as it computes them; one not found".to_owned())
}

fn have(transactions: &[Box<Transaction>], ids: &[Hash], id: Hash) -> Payload {
    match ids.iter().position(|have| *have == id) {
        Some(at) => Payload::Transaction(transactions[at].clone()),
        None => Payload::TransactionNotFound(TransactionNotFound { id: Some(id) }),
    }
}

async fn fetch(peer: &Peer, ids: &[Hash]) -> Result<Vec<FoundTransaction>> {
    let answers = peer.request(RequestTransactions { ids: ids.to_vec() }).await?;
    Ok(answers.all(ids.len()).await?)
}

fn announced(payload: &Payload) -> Option<Vec<Hash>> {
    match payload {
        Payload::InvTransactions(inv) => Some(inv.ids.clone()),
        _ => None,
    }
}

fn wanted(payload: &Payload) -> Option<Vec<Hash>> {
    match payload {
        Payload::RequestTransactions(request) => Some(request.ids.clone()),
        _ => None,
    }
}
