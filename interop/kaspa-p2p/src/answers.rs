//! What happens when a message has come. What kaspad's flows answer is answered here in the same way,
//! from the made-up chain.

use kaspa_hashes::Hash;
use kaspa_p2p_lib::IncomingRoute;
use kaspa_p2p_lib::common::ProtocolError;
use kaspa_p2p_lib::pb::{
    AddressesMessage, BlockBodyMessage, BlockLocatorMessage, BlockMessage,
    IbdChainBlockLocatorMessage, NetAddress, PongMessage, TransactionNotFoundMessage,
    kaspad_message::Payload,
};

use crate::asking;
use crate::connection::Connection;
use crate::samples;
use crate::streams;

/// The answer to a question for the whole chain has at most so many hashes, as in kaspad.
const CHAIN_LOCATOR: usize = 64;

/// Answers a message, or goes on with what was asked for.
///
/// # Errors
///
/// What ends the connection, with a `Reject`.
pub(crate) async fn answer(
    connection: &Connection,
    route: &mut IncomingRoute,
    payload: Payload,
    id: u32,
) -> Result<(), ProtocolError> {
    match payload {
        Payload::Ping(m) => connection.send(Payload::Pong(PongMessage { nonce: m.nonce })).await,
        Payload::Pong(m) => asking::pong(connection, m.nonce),
        Payload::RequestAddresses(_) => connection.send(addresses(connection)).await,
        Payload::Addresses(m) => asking::addresses_came(connection, m.address_list.len()).await,
        Payload::InvRelayBlock(m) => block_announced(connection, m.try_into()?).await,
        Payload::InvTransactions(m) => announced(connection, &Vec::try_from(m)?).await,
        Payload::RequestTransactions(m) => transactions(connection, &Vec::try_from(m)?).await,
        Payload::RequestRelayBlocks(m) => {
            blocks(connection, &Vec::try_from(m)?, id, Payload::Block).await
        }
        Payload::RequestIbdBlocks(m) => {
            blocks(connection, &Vec::try_from(m)?, id, Payload::IbdBlock).await
        }
        Payload::RequestBlockBodies(m) => {
            let body = |block: BlockMessage| {
                Payload::BlockBody(BlockBodyMessage { transactions: block.transactions })
            };
            blocks(connection, &Vec::try_from(m)?, id, body).await
        }
        Payload::RequestBlockLocator(m) => {
            let (high, limit): (Hash, u32) = m.try_into()?;
            let hashes = locator(connection, high, limit as usize)?;
            connection.respond(Payload::BlockLocator(BlockLocatorMessage { hashes }), id).await
        }
        Payload::RequestIbdChainBlockLocator(m) => {
            let (_, high): (Option<Hash>, Option<Hash>) = m.try_into()?;
            let high = high.unwrap_or_else(|| connection.node.store().chain.tip().hash());
            let block_locator_hashes = locator(connection, high, CHAIN_LOCATOR)?;
            let answer = IbdChainBlockLocatorMessage { block_locator_hashes };
            connection.respond(Payload::IbdChainBlockLocator(answer), id).await
        }
        other if asking::is_part_of_answer(&other) => asking::came(connection, &other).await,
        other => streams::answer(connection, route, other, id).await,
    }
}

fn addresses(connection: &Connection) -> Payload {
    let address = |number| {
        let (ip, port) = samples::address(number);
        NetAddress { timestamp: 0, ip, port: port.into() }
    };
    let count = connection.node.store().addresses;
    Payload::Addresses(AddressesMessage { address_list: (0..count).map(address).collect() })
}

async fn block_announced(connection: &Connection, hash: Hash) -> Result<(), ProtocolError> {
    let known = connection.node.store().chain.block(hash).is_some();
    if known || !connection.node.settings.relay {
        return Ok(());
    }
    asking::blocks(connection, &[hash]).await
}

async fn announced(connection: &Connection, ids: &[Hash]) -> Result<(), ProtocolError> {
    let unknown: Vec<Hash> = {
        let store = connection.node.store();
        ids.iter().filter(|id| !store.transactions.contains_key(*id)).copied().collect()
    };
    if unknown.is_empty() || !connection.node.settings.relay {
        return Ok(());
    }
    asking::transactions(connection, &unknown).await
}

/// Every transaction that was asked for, or that there is none, in the order of the question.
async fn transactions(connection: &Connection, ids: &[Hash]) -> Result<(), ProtocolError> {
    for id in ids {
        let known = connection.node.store().transactions.get(id).cloned();
        let answer = match known {
            Some(transaction) => Payload::Transaction(transaction.as_ref().into()),
            None => {
                Payload::TransactionNotFound(TransactionNotFoundMessage { id: Some(id.into()) })
            }
        };
        connection.send(answer).await?;
    }
    Ok(())
}

/// Every block that was asked for. One that is not there is an error, as in kaspad.
async fn blocks(
    connection: &Connection,
    hashes: &[Hash],
    id: u32,
    answer: impl Fn(BlockMessage) -> Payload,
) -> Result<(), ProtocolError> {
    let chain = connection.node.store().chain.clone();
    for hash in hashes {
        let block = chain
            .block(*hash)
            .ok_or_else(|| ProtocolError::OtherOwned(format!("cannot find full block {hash}")))?;
        connection.respond(answer(block.into()), id).await?;
    }
    Ok(())
}

fn locator(
    connection: &Connection,
    high: Hash,
    limit: usize,
) -> Result<Vec<kaspa_p2p_lib::pb::Hash>, ProtocolError> {
    let hashes = connection.node.store().chain.locator(high, limit);
    let hashes =
        hashes.ok_or_else(|| ProtocolError::OtherOwned(format!("cannot find header {high}")))?;
    Ok(hashes.iter().map(Into::into).collect())
}
