//! One connection of ours in the hands of a check.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use bitcoin::block::Header;
use bitcoin::hashes::Hash as _;
use peerage::bitcoin::message::{Block, Headers, Inventory, Locator, Ping};
use peerage::bitcoin::types::InventoryItem;
use peerage::bitcoin::{
    BlockHash, Config, DisconnectReason, Event, Events, Message, Negotiated, Peer,
};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout_at};

/// An established connection, whose messages are read in their order.
pub(crate) struct Talk {
    pub(crate) peer: Peer,
    events: Events,
}

/// How long a message may be in coming.
const PATIENCE: Duration = Duration::from_secs(25);

impl Talk {
    /// Dials.
    pub(crate) async fn dial(address: SocketAddr, config: &Config) -> Result<Self> {
        let (peer, events) = peerage::bitcoin::connect(address, config).await?;
        Ok(Self { peer, events })
    }

    /// Takes the next connection.
    pub(crate) async fn accept(listener: &TcpListener, config: &Config) -> Result<Self> {
        let (stream, _) = listener.accept().await?;
        let (peer, events) = peerage::bitcoin::accept(stream, config).await?;
        Ok(Self { peer, events })
    }

    /// Sends a message.
    pub(crate) async fn send(&self, message: Message) -> Result<()> {
        Ok(self.peer.send(&message).await?)
    }

    /// Reads on to the first message that `pick` takes.
    pub(crate) async fn find<T>(
        &mut self,
        what: &str,
        pick: impl FnMut(&Message) -> Option<T>,
    ) -> Result<T> {
        self.find_within(PATIENCE, what, pick).await
    }

    /// As [`find`](Self::find), for what may take longer.
    pub(crate) async fn find_within<T>(
        &mut self,
        patience: Duration,
        what: &str,
        mut pick: impl FnMut(&Message) -> Option<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + patience;
        loop {
            let event = timeout_at(deadline, self.events.next()).await;
            match event.map_err(|_| anyhow!("no {what} within {patience:?}"))? {
                Some(Event::Message(message)) => {
                    if let Some(found) = pick(&message) {
                        return Ok(found);
                    }
                }
                Some(Event::Disconnected(reason)) => bail!("no {what} but the end: {reason}"),
                Some(_) => {}
                None => bail!("no {what} but the end"),
            }
        }
    }

    /// Waits until the remote has handled everything that we have sent, and we its answers.
    pub(crate) async fn fence(&mut self) -> Result<()> {
        let nonce = u64::from_le_bytes(*b"peerage!");
        self.send(Message::Ping(Ping { nonce: Some(nonce) })).await?;
        self.find("pong", |message| match message {
            Message::Pong(pong) if pong.nonce == nonce => Some(()),
            _ => None,
        })
        .await
    }

    /// Waits for the end, which the stream and the handle must tell alike.
    pub(crate) async fn end(&mut self) -> Result<DisconnectReason> {
        let deadline = Instant::now() + PATIENCE;
        let told = loop {
            match timeout_at(deadline, self.events.next()).await.context("no end")? {
                Some(Event::Disconnected(reason)) => break reason,
                Some(_) => {}
                None => bail!("the event stream ended without telling why"),
            }
        };
        ensure!(self.events.next().await.is_none(), "events after the last");
        let closed = timeout_at(deadline, self.peer.closed()).await.context("not closed")?;
        ensure!(closed == told, "the stream says {told}, the handle {closed}");
        Ok(told)
    }

    /// Waits for the connection's end by the remote.
    pub(crate) async fn end_by_remote(&mut self) -> Result<DisconnectReason> {
        let reason = self.end().await?;
        let ended = matches!(
            reason,
            DisconnectReason::RemoteClosed
                | DisconnectReason::Io(
                    std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe
                )
        );
        ensure!(ended, "the remote ended it, and the reason is: {reason:?}");
        Ok(reason)
    }

    /// The headers that come after `after`, all of them, linked and with their work.
    pub(crate) async fn headers(&mut self, after: BlockHash) -> Result<Vec<Header>> {
        let mut chain: Vec<Header> = Vec::new();
        let mut tip = after;
        loop {
            let version = self.peer.remote().agreed;
            let locator = Locator::new(version, &[tip], BlockHash::all_zeros())?;
            self.send(Message::GetHeaders(locator)).await?;
            let batch = self
                .find("headers", |message| match message {
                    Message::Headers(headers) => Some(headers.decode()),
                    _ => None,
                })
                .await?;
            for header in &batch {
                ensure!(header.prev_blockhash == tip, "header {} is not linked", chain.len() + 1);
                tip = header.validate_pow(header.target())?;
                chain.push(*header);
            }
            if batch.len() < 2_000 {
                return Ok(chain);
            }
        }
    }

    /// Fetches all headers and shows the last one: the remote then knows that we are at its tip, and
    /// no question of its own stays open. Returns the last header and its height.
    pub(crate) async fn show_tip(&mut self, genesis: BlockHash) -> Result<(Header, u32)> {
        let headers = self.headers(genesis).await?;
        let tip = *headers.last().context("an empty chain")?;
        self.send(Message::Headers(Headers::new(&[tip])?)).await?;
        Ok((tip, u32::try_from(headers.len())?))
    }

    /// These blocks, in this order.
    pub(crate) async fn blocks(&mut self, hashes: &[BlockHash]) -> Result<Vec<Block>> {
        let items: Vec<_> = hashes.iter().map(|hash| InventoryItem::witness_block(*hash)).collect();
        self.send(Message::GetData(Inventory::new(&items)?)).await?;
        let mut blocks = Vec::with_capacity(hashes.len());
        for hash in hashes {
            let block = self.find("block", |message| match message {
                Message::Block(block) if block.hash() == *hash => Some(Ok(block.detach())),
                Message::NotFound(missing) => Some(Err(anyhow!("{missing:?} is not found"))),
                _ => None,
            });
            blocks.push(block.await??);
        }
        Ok(blocks)
    }

    /// One block.
    pub(crate) async fn block(&mut self, hash: BlockHash) -> Result<Block> {
        let mut blocks = self.blocks(&[hash]).await?;
        blocks.pop().context("one block was asked for")
    }

    /// Whether the connection is encrypted.
    pub(crate) fn is_v2(&self) -> bool {
        matches!(self.peer.stats().transport, Negotiated::V2 { .. })
    }

    /// Our own end, as the remote sees it.
    pub(crate) fn local_addr(&self) -> Result<SocketAddr> {
        self.peer.stats().local_addr.context("a TCP connection has a local address")
    }
}
