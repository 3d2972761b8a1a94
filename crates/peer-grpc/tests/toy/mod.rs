//! A toy protocol, connections that speak it, and remotes that speak HTTP/2 by hand.

#![allow(dead_code, reason = "each test uses a part")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

use std::sync::Arc;
use std::time::Duration;

use peerage_peer::{Budget, Config, Event, Events, OpenError, PeerHandle, Session, event_stream};
use peerage_peer_grpc::{Options, open};
use peerage_wire::Direction;
use tokio::io::{AsyncRead, AsyncWrite, duplex};

pub(crate) mod protocol;
pub(crate) mod remote;

#[allow(unused_imports, reason = "each test uses a part")]
pub(crate) use protocol::{LARGE, Said, Toy, Which};
#[allow(unused_imports, reason = "each test uses a part")]
pub(crate) use remote::{Client, Remote, Server};

/// What a test changes of how connections are made.
#[derive(Clone, Default)]
pub(crate) struct Terms {
    pub(crate) config: Config,
    pub(crate) budget: Budget,
    pub(crate) options: Options,
}

pub(crate) type Opened = Result<Ours, OpenError>;

impl Terms {
    pub(crate) fn options(change: impl FnOnce(&mut Options)) -> Self {
        let mut terms = Self::default();
        change(&mut terms.options);
        terms
    }

    pub(crate) fn config(change: impl FnOnce(&mut Config)) -> Self {
        let mut terms = Self::default();
        change(&mut terms.config);
        terms
    }

    pub(crate) fn session(&self, direction: Direction) -> Session<Toy> {
        Session {
            direction,
            identity: Arc::new(()),
            config: Arc::new(self.config.clone()),
            budget: self.budget.clone(),
            remote: None,
            local: None,
        }
    }

    pub(crate) async fn open<S>(&self, io: S, direction: Direction) -> Opened
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (events, handler) = event_stream::<Toy>(&self.config);
        let peer = open(io, self.session(direction), &self.options, handler).await?;
        Ok((peer, events))
    }

    /// Two of ours, joined.
    pub(crate) async fn pair(&self) -> [(PeerHandle<Toy>, Events<Toy>); 2] {
        let (ours, theirs) = duplex(64 << 10);
        let (ours, theirs) = tokio::join!(
            self.open(ours, Direction::Outbound),
            self.open(theirs, Direction::Inbound)
        );
        [ours.unwrap(), theirs.unwrap()]
    }
}

pub(crate) type Ours = (PeerHandle<Toy>, Events<Toy>);

/// One of ours, opened with a scripted remote that is called.
pub(crate) async fn calling(terms: &Terms, server: Server) -> (Ours, Remote) {
    let (ours, theirs) = duplex(1 << 20);
    let terms = terms.clone();
    let opening = tokio::spawn(async move { terms.open(ours, Direction::Outbound).await });
    let mut remote = within(server.answer(theirs)).await;
    agree(&mut remote).await;
    (within(opening).await.unwrap().unwrap(), remote)
}

/// One of ours, opened with a scripted remote that calls.
pub(crate) async fn called(terms: &Terms, client: Client) -> (Ours, Remote) {
    let (ours, theirs) = duplex(1 << 20);
    let terms = terms.clone();
    let opening = tokio::spawn(async move { terms.open(ours, Direction::Inbound).await });
    let mut remote = within(client.call(theirs)).await.unwrap();
    agree(&mut remote).await;
    (within(opening).await.unwrap().unwrap(), remote)
}

pub(crate) async fn agree(remote: &mut Remote) {
    let hello = Said::new(Which::Hello, 20);
    remote.say_message(&hello);
    assert_eq!(remote.hear_message().await.unwrap(), hello.envelope);
}

/// The next message, within a minute.
pub(crate) async fn message(events: &mut Events<Toy>) -> Said {
    within(events.message()).await.expect("a message")
}

/// Why it ended, passing over messages.
pub(crate) async fn ended(events: &mut Events<Toy>) -> peerage_peer::DisconnectReason {
    loop {
        match within(events.next()).await {
            Some(Event::Disconnected(reason)) => return reason,
            Some(_) => {}
            None => panic!("the last event is how it ended"),
        }
    }
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(600), future).await.expect("not within ten minutes")
}
