//! Ends: ours, theirs, orderly and abrupt; and what it ends a connection for.

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use peerage::kaspa::message::{
    Block, IbdBlockLocator, InvRelayBlock, Pong, RequestHeaders, RequestRelayBlocks,
};
use peerage::kaspa::{
    Direction, DisconnectReason, Fault, Local, Payload, RequestError, Retry, SendError,
};

use super::{Pair, config, made_up, open};
use crate::daemon::Programs;

/// We disconnect, without a word and with one.
pub(crate) async fn ours(programs: &Programs, direction: Direction) -> Result<String> {
    let Pair { node, mut talk } = open(programs, direction, &[], &config()).await?;
    talk.fence().await?;
    talk.peer.disconnect();
    let (reason, _) = talk.end().await?;
    ensure!(reason == DisconnectReason::Local(Local::Requested), "the reason is {reason:?}");
    let refused = talk.peer.send(&Payload::Verack.into()).await;
    ensure!(refused == Err(SendError::Closed(reason.clone())), "sending gives {refused:?}");
    let request = talk.peer.request(RequestRelayBlocks { hashes: vec![made_up(1)] }).await;
    let refused = request.err().context("a request was sent after the end")?;
    ensure!(refused == RequestError::NotSent(SendError::Closed(reason)), "{refused:?}");
    let silent = node.goodbye(0).await?;

    let Pair { node, mut talk } = open(programs, direction, &[], &config()).await?;
    talk.fence().await?;
    talk.peer.push_reject("we have enough of you").await?.await?;
    let (reason, _) = talk.end().await?;
    ensure!(reason == DisconnectReason::RemoteClosed, "the reason is {reason:?}");
    let told = node.goodbye(0).await?;
    ensure!(told == "got reject message: we have enough of you", "it says {told:?}");
    Ok(format!("it says {silent:?}, and {told:?}"))
}

/// It ends an established connection.
pub(crate) async fn theirs(
    programs: &Programs,
    direction: Direction,
    how: Theirs,
) -> Result<String> {
    let Pair { node, mut talk } = open(programs, direction, &[], &config()).await?;
    talk.fence().await?;
    match how {
        Theirs::Disconnects => node.say("disconnect").await?,
        Theirs::Terminates => node.say("terminate").await?,
        Theirs::HangsUp => node.daemon.hang_up().await,
        Theirs::IsKilled => node.daemon.kill().await?,
    }
    let (reason, words) = talk.end().await?;
    let ended = matches!(
        reason,
        DisconnectReason::RemoteClosed
            | DisconnectReason::Io(
                std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe
            )
    );
    ensure!(ended && words.is_none(), "the reason is {reason:?}, its words {words:?}");
    ensure!(reason.fault() == Fault::Nobody, "the fault is {:?}", reason.fault());
    ensure!(reason.retry() == Retry::Later, "the retry is {:?}", reason.retry());
    if matches!(how, Theirs::Terminates | Theirs::HangsUp) {
        node.daemon.exit_cleanly().await?;
    }
    Ok(format!("{reason:?}"))
}

/// How it ends a connection.
#[derive(Clone, Copy)]
pub(crate) enum Theirs {
    /// It closes the connection.
    Disconnects,
    /// It closes all and ends, as kaspad does.
    Terminates,
    /// Its process ends without closing anything.
    HangsUp,
    /// It is killed.
    IsKilled,
}

impl Theirs {
    pub(crate) const ALL: [(Self, &'static str); 4] = [
        (Self::Disconnects, "it disconnects"),
        (Self::Terminates, "it terminates"),
        (Self::HangsUp, "its process ends"),
        (Self::IsKilled, "it is killed"),
    ];
}

/// Messages that nobody listens for: it ends the connection without a word.
pub(crate) async fn unrouted(programs: &Programs, direction: Direction) -> Result<String> {
    let unknown = Payload::Unknown { number: 68, body: Bytes::from_static(b"\x08\x01") };
    let payloads = [
        unknown,
        Payload::IbdBlockLocator(IbdBlockLocator::default()),
        Payload::Block(Box::<Block>::default()),
        Payload::Ready,
    ];
    let mut seen = Vec::new();
    for payload in payloads {
        let kind = payload.kind();
        let (reason, words, goodbye) = ended_by(programs, direction, payload).await?;
        ensure!(reason == DisconnectReason::RemoteClosed, "{kind}: {reason:?}");
        ensure!(words.is_none(), "{kind}: it said {words:?}");
        ensure!(!goodbye.is_empty(), "{kind}: it does not say why");
        seen.push(kind.to_string());
    }
    Ok(format!("ended without a word by {}", seen.join(", ")))
}

/// Messages that it does not accept: its words come before the end.
pub(crate) async fn misbehaved(programs: &Programs, direction: Direction) -> Result<String> {
    let range = RequestHeaders { low_hash: Some(made_up(1)), high_hash: Some(made_up(2)) };
    let payloads = [
        (Payload::Pong(Pong { nonce: 1 }), "nonce mismatch"),
        (Payload::InvRelayBlock(InvRelayBlock { hash: None }), "field is none"),
        (Payload::RequestHeaders(range), "is not a chain ancestor"),
        (Payload::RequestNextHeaders, "outside of a stream"),
    ];
    for (payload, why) in payloads {
        let kind = payload.kind();
        let (reason, words, goodbye) = ended_by(programs, direction, payload).await?;
        ensure!(reason == DisconnectReason::RemoteClosed, "{kind}: {reason:?}");
        let words = words.with_context(|| format!("{kind}: no words; {goodbye}"))?;
        ensure!(words.to_lowercase().contains(why), "{kind}: it said {words:?}, not {why:?}");
    }
    // A request that waits hears of the end.
    let Pair { node: _node, mut talk } = open(programs, direction, &[], &config()).await?;
    let mut blocks = talk.peer.request(RequestRelayBlocks { hashes: vec![made_up(1)] }).await?;
    let answer = blocks.next().await.context("no answer, and no error")?;
    let closed = RequestError::Closed(DisconnectReason::RemoteClosed);
    ensure!(answer == Err(closed), "the request got {answer:?}");
    let (_, words) = talk.end().await?;
    let words = words.context("no words")?;
    let due = format!("cannot find full block {}", made_up(1));
    ensure!(words.starts_with(&due), "it said {words:?}");
    Ok(format!("5 kinds, each with its words; a request hears of the end; {words:.40}..."))
}

async fn ended_by(
    programs: &Programs,
    direction: Direction,
    payload: Payload,
) -> Result<(DisconnectReason, Option<String>, String)> {
    let Pair { node, mut talk } = open(programs, direction, &[], &config()).await?;
    talk.fence().await?;
    talk.send(payload).await?;
    let (reason, words) = talk.end().await?;
    Ok((reason, words, node.goodbye(0).await?))
}
