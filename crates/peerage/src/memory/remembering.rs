//! The handler that notes messages for the helpers.

use std::sync::Arc;
use std::task::{Context, Poll};

use peerage_peer::{Event, Handler, PeerHandle};
use peerage_wire::{Malformed, Refusal};

use super::{Memory, Notes};

/// Notes what the helpers need and passes everything on.
pub(crate) struct Remembering<P: Notes, H> {
    inner: H,
    memory: Arc<Memory<P>>,
}

impl<P: Notes, H> Remembering<P, H> {
    pub(crate) const fn new(inner: H, memory: Arc<Memory<P>>) -> Self {
        Self { inner, memory }
    }
}

impl<P: Notes, H: Handler<P>> Handler<P> for Remembering<P, H> {
    const WIRE: bool = H::WIRE;
    const KEEPS: bool = H::KEEPS;

    fn remote(&mut self, remote: &P::Remote) -> Result<(), Refusal> {
        self.inner.remote(remote)
    }

    fn handle(&mut self, peer: &PeerHandle<P>, event: Event<P>) {
        if let Event::Message(message) = &event {
            P::note(message, &self.memory);
        }
        self.inner.handle(peer, event);
    }

    fn pong_due(&mut self, peer: &PeerHandle<P>, nonce: u64) {
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
        peer: &PeerHandle<P>,
        kind: Option<P::Kind>,
        bytes: usize,
        error: Option<&Malformed>,
    ) {
        self.inner.on_read(peer, kind, bytes, error);
    }

    fn on_write(&mut self, peer: &PeerHandle<P>, kind: P::Kind, bytes: usize) {
        self.inner.on_write(peer, kind, bytes);
    }
}
