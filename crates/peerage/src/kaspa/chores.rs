//! What kaspad wants of every peer, done unless told otherwise.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use peerage_peer::{Event, Handler, PeerHandle};
use peerage_wire::{Malformed, Refusal};
use peerage_wire_kaspa::proto::message::{Addresses, NetAddress, RequestAddresses};
use peerage_wire_kaspa::proto::{Kaspa, Kind, Message, Payload, Remote};

/// How `requestAddresses` is answered. Kaspad asks every new peer once and lets go of who does not
/// answer within two minutes.
#[derive(Clone, Default)]
pub enum AddressAnswers {
    /// With an empty list.
    #[default]
    Empty,
    /// With what this function gives, of which the first 1,000 are sent; it must not block.
    From(AddressSource),
    /// By the application, which sees the request as it sees every message.
    ByApplication,
}

impl AddressAnswers {
    /// Asks this function, which runs on the connection's task and must not block.
    pub fn from_fn(
        source: impl Fn(&RequestAddresses) -> Vec<SocketAddr> + Send + Sync + 'static,
    ) -> Self {
        Self::From(AddressSource(Arc::new(source)))
    }

    fn answer(&self, request: &RequestAddresses) -> Option<Addresses> {
        let addresses = match self {
            Self::Empty => Vec::new(),
            Self::From(AddressSource(source)) => source(request),
            Self::ByApplication => return None,
        };
        let addresses = addresses.into_iter().take(MOST_ADDRESSES).map(NetAddress::from).collect();
        Some(Addresses { addresses })
    }
}

/// What kaspad answers with; it takes 2,500.
const MOST_ADDRESSES: usize = 1_000;

/// Where addresses come from.
#[derive(Clone)]
pub struct AddressSource(Arc<Source>);

type Source = dyn Fn(&RequestAddresses) -> Vec<SocketAddr> + Send + Sync;

impl fmt::Debug for AddressAnswers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::From(_) => "From(..)",
            Self::ByApplication => "ByApplication",
        })
    }
}

impl fmt::Debug for AddressSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AddressSource")
    }
}

/// The handler that does the chores and passes everything on.
pub(crate) struct Chores<H> {
    inner: H,
    addresses: AddressAnswers,
}

impl<H> Chores<H> {
    pub(crate) const fn new(inner: H, addresses: AddressAnswers) -> Self {
        Self { inner, addresses }
    }

    fn answer(&self, peer: &PeerHandle<Kaspa>, message: &Message) {
        let Payload::RequestAddresses(request) = &message.payload else { return };
        let Some(addresses) = self.addresses.answer(request) else { return };
        // One answer a message always finds room; a connection that has ended needs none.
        let _ = peer.try_send(&message.answer(Payload::Addresses(addresses)));
    }
}

impl<H: Handler<Kaspa>> Handler<Kaspa> for Chores<H> {
    const WIRE: bool = H::WIRE;
    const KEEPS: bool = H::KEEPS;

    fn remote(&mut self, remote: &Remote) -> Result<(), Refusal> {
        self.inner.remote(remote)
    }

    fn handle(&mut self, peer: &PeerHandle<Kaspa>, event: Event<Kaspa>) {
        if let Event::Message(message) = &event {
            self.answer(peer, message);
        }
        self.inner.handle(peer, event);
    }

    fn pong_due(&mut self, peer: &PeerHandle<Kaspa>, nonce: u64) {
        self.inner.pong_due(peer, nonce);
    }

    fn flush(&mut self, pinned: usize) {
        self.inner.flush(pinned);
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.inner.poll_ready(cx)
    }

    fn on_read(
        &mut self,
        peer: &PeerHandle<Kaspa>,
        kind: Option<Kind>,
        bytes: usize,
        error: Option<&Malformed>,
    ) {
        self.inner.on_read(peer, kind, bytes, error);
    }

    fn on_write(&mut self, peer: &PeerHandle<Kaspa>, kind: Kind, bytes: usize) {
        self.inner.on_write(peer, kind, bytes);
    }
}
