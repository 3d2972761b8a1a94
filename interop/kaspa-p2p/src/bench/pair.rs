//! Two ends in one process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kaspa_p2p_lib::KaspadMessagePayloadType::{Block, InvTransactions, Ping, Pong};
use kaspa_p2p_lib::{Adaptor, Hub};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use super::end::{End, Opened};
use crate::listening;

/// As for announcements of transactions in kaspad, so that none of ours is dropped.
const CAPACITY: usize = 4_096;

/// Both ends of a connection.
pub(crate) struct Both {
    pub(crate) near: Opened,
    pub(crate) far: Opened,
}

impl Both {
    /// Closes it from the dialling end, and waits for the other one to notice.
    pub(crate) async fn close(mut self) {
        self.near.close().await;
        while self.far.route.recv().await.is_some() {}
    }
}

/// A server, and a client that dials it.
pub(crate) struct Dialler {
    address: SocketAddr,
    client: Arc<Adaptor>,
    _server: Arc<Adaptor>,
    near: UnboundedReceiver<Opened>,
    far: UnboundedReceiver<Opened>,
}

impl Dialler {
    pub(crate) async fn new() -> Result<Self, String> {
        let address = listening::free("127.0.0.1:0")?;
        let (hub, opened, far) = end();
        let server = address.to_string().parse().expect("it is an address with a port");
        let server = Adaptor::bidirectional(server, hub, opened, Arc::default());
        let server = server.map_err(|error| error.to_string())?;
        listening::reached(address).await?;
        let (hub, opened, near) = end();
        let client = Adaptor::client_only(hub, opened, Arc::default());
        Ok(Self { address, client, _server: server, near, far })
    }

    /// One more connection.
    pub(crate) async fn open(&mut self) -> Result<Both, String> {
        let dialled = self.client.connect_peer(self.address.to_string()).await;
        dialled.map_err(|error| error.to_string())?;
        let patience = Duration::from_secs(10);
        let both = async { Some((self.near.recv().await?, self.far.recv().await?)) };
        let both = timeout(patience, both).await.ok().flatten();
        let (near, far) = both.ok_or("the other end did not open")?;
        Ok(Both { near, far })
    }
}

/// One connection. The first value keeps it open.
pub(crate) async fn pair() -> Result<(Dialler, Opened, Opened), String> {
    let mut dialler = Dialler::new().await?;
    let Both { near, far } = dialler.open().await?;
    Ok((dialler, near, far))
}

fn end() -> (Hub, Arc<End>, UnboundedReceiver<Opened>) {
    let (hub, (opened, receiver)) = (Hub::new(), unbounded_channel());
    let types = vec![Block, InvTransactions, Ping, Pong];
    let end = End { hub: hub.clone(), types, capacity: CAPACITY, opened };
    (hub, Arc::new(end), receiver)
}
