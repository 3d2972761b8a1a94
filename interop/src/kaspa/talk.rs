//! Our end of a connection in the hands of a check.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use peerage::kaspa::message::Ping;
use peerage::kaspa::{
    Config, DisconnectReason, Event, Events, Message, OpenError, Payload, Peer, accept, connect,
};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, timeout_at};

/// An established connection, whose messages are read in their order.
pub(crate) struct Talk {
    pub(crate) peer: Peer,
    /// Events that a task reads all the time: a check that waits for an answer does not read, and
    /// events that nobody reads stop the answers too. As long as checks last, so few come that the
    /// queue needs no bound.
    events: UnboundedReceiver<Event>,
}

/// How long a message may be in coming.
const PATIENCE: Duration = Duration::from_secs(20);

impl Talk {
    /// Dials.
    pub(crate) async fn dial(address: SocketAddr, config: &Config) -> Result<Self, OpenError> {
        let (peer, events) = connect(address, config).await?;
        Ok(Self { peer, events: read(events) })
    }

    /// Takes the next connection.
    pub(crate) async fn accept(
        listener: &TcpListener,
        config: &Config,
    ) -> Result<Result<Self, OpenError>> {
        let (stream, _) = listener.accept().await?;
        Ok(accept(stream, config).await.map(|(peer, events)| Self { peer, events: read(events) }))
    }

    /// Sends a message that belongs to no request.
    pub(crate) async fn send(&self, payload: Payload) -> Result<()> {
        Ok(self.peer.send(&payload.into()).await?)
    }

    /// Answers a request.
    pub(crate) async fn answer(&self, request: &Message, payload: Payload) -> Result<()> {
        Ok(self.peer.send(&request.answer(payload)).await?)
    }

    /// Reads on to the first message that `pick` takes.
    pub(crate) async fn find<T>(
        &mut self,
        what: &str,
        mut pick: impl FnMut(&Message) -> Option<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let event = timeout_at(deadline, self.events.recv()).await;
            match event.map_err(|_| anyhow!("no {what} within {PATIENCE:?}"))? {
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

    /// Reads on to the first message whose payload `pick` takes, and gives both.
    pub(crate) async fn request<T>(
        &mut self,
        what: &str,
        mut pick: impl FnMut(&Payload) -> Option<T>,
    ) -> Result<(Message, T)> {
        self.find(what, |message| pick(&message.payload).map(|it| (message.clone(), it))).await
    }

    /// Pings and waits for the pong; the remote's pings are answered meanwhile. What it had sent
    /// before is then among the events that were read.
    pub(crate) async fn fence(&mut self) -> Result<()> {
        let sent = u64::from_le_bytes(*b"peerage!");
        self.send(Payload::Ping(Ping { nonce: sent })).await?;
        self.find("pong", |message| match &message.payload {
            Payload::Pong(pong) if pong.nonce == sent => Some(()),
            _ => None,
        })
        .await
    }

    /// Waits for the end, which the stream and the handle must tell alike. Gives its reason, and the
    /// words of a `reject` that came before it.
    pub(crate) async fn end(&mut self) -> Result<(DisconnectReason, Option<String>)> {
        let deadline = Instant::now() + PATIENCE;
        let mut words = None;
        let told = loop {
            match timeout_at(deadline, self.events.recv()).await.context("no end")? {
                Some(Event::Disconnected(reason)) => break reason,
                Some(Event::Message(Message { payload: Payload::Reject(reject), .. })) => {
                    words = Some(reject.reason);
                }
                Some(_) => {}
                None => bail!("the event stream ended without telling why"),
            }
        };
        ensure!(self.events.recv().await.is_none(), "events after the last");
        let closed = timeout_at(deadline, self.peer.closed()).await.context("not closed")?;
        ensure!(closed == told, "the stream says {told}, the handle {closed}");
        Ok((told, words))
    }
}

/// Reads events until the last, or until nobody wants them.
fn read(mut events: Events) -> UnboundedReceiver<Event> {
    let (sender, receiver) = unbounded_channel();
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            if sender.send(event).is_err() {
                break;
            }
        }
    });
    receiver
}
