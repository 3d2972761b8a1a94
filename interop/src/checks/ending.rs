//! Ends: ours, theirs, orderly and abrupt, each with its reason.

use anyhow::{Result, ensure};
use peerage::bitcoin::{DisconnectReason, Fault, Local, Message, Retry, SendError};

use super::{Node, Via, dial, until};
use crate::talk::Talk;

/// We disconnect.
pub(crate) async fn ours(node: &impl Node, via: Via) -> Result<String> {
    let mut talk = dial(node, via).await?;
    talk.fence().await?;
    let us = talk.local_addr()?;
    until("it knows us", async || node.is_connected(us).await).await?;
    talk.peer.disconnect();
    let reason = talk.end().await?;
    ensure!(reason == DisconnectReason::Local(Local::Requested), "the reason is {reason:?}");
    let refused = talk.peer.send(&Message::GetAddr).await;
    ensure!(refused == Err(SendError::Closed(reason.clone())), "sending gives {refused:?}");
    until("it has let us go", async || Ok(!node.is_connected(us).await?)).await?;
    Ok(format!("{reason}; it noticed"))
}

/// They end an established connection, by `end`.
pub(crate) async fn theirs(
    talk: &mut Talk,
    end: impl Future<Output = Result<()>>,
) -> Result<String> {
    talk.fence().await?;
    let (ended, reason) = tokio::join!(end, talk.end_by_remote());
    ended?;
    let reason = reason?;
    ensure!(reason.fault() == Fault::Nobody, "the fault is {:?}", reason.fault());
    ensure!(reason.retry() == Retry::Later, "the retry is {:?}", reason.retry());
    Ok(format!("{reason:?}"))
}
