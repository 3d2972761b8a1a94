//! Whoever handles what happens on a connection.

use std::task::{Context, Poll};

use peerage_peer_core::Event;
use peerage_wire::{Malformed, Protocol, Refusal};

use crate::PeerHandle;

/// Handles the events of one connection, on that connection's task.
///
/// Listeners, event streams and a node's batches are handlers. Its running time is its
/// back-pressure: while it runs, nothing is read from its peer. It must not block; nothing that a
/// [`PeerHandle`] offers without `async` does.
pub trait Handler<P: Protocol>: Send + 'static {
    /// Whether [`on_read`](Self::on_read) and [`on_write`](Self::on_write) are called. Others pay
    /// nothing for them.
    const WIRE: bool = false;

    /// Whether it keeps messages after [`handle`](Self::handle) returns. Small reads are then
    /// copied into buffers of their own size, so that a kept message does not pin 64 KiB.
    const KEEPS: bool = false;

    /// Inside the opening: what they said of themselves.
    ///
    /// # Errors
    /// A refusal ends the connection; old peers are told with a `reject`.
    fn remote(&mut self, _remote: &P::Remote) -> Result<(), Refusal> {
        Ok(())
    }

    /// Something happened.
    fn handle(&mut self, peer: &PeerHandle<P>, event: Event<P>);

    /// A ping was handled, and everything before it: its pong may leave. The default sends it.
    fn pong_due(&mut self, peer: &PeerHandle<P>, nonce: u64) {
        peer.pong(nonce);
    }

    /// Everything of one read has been handled; its messages hold at most `pinned` bytes of memory
    /// as long as one of them lives.
    fn flush(&mut self, _pinned: usize) {}

    /// While it is pending, nothing more is read.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    /// A frame of `bytes` on the wire was read; `kind` is `None` where it could not be told.
    fn on_read(
        &mut self,
        _peer: &PeerHandle<P>,
        _kind: Option<P::Kind>,
        _bytes: usize,
        _error: Option<&Malformed>,
    ) {
    }

    /// A frame of `bytes` on the wire was sealed for writing.
    fn on_write(&mut self, _peer: &PeerHandle<P>, _kind: P::Kind, _bytes: usize) {}
}
