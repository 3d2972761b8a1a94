//! What a connection's task asks of whatever carries its frames.

use std::io;
use std::task::{Context, Poll};

use peerage_peer_core::DisconnectReason;
use peerage_transport::{Frame, Negotiated};
use peerage_wire::{Kind, Payload};

use crate::shared::ReceiptSender;

/// A connection as its task sees it: frames in, frames out, one place to wait.
///
/// It owns whatever the caller brought and the bytes in between, and keeps its progress in itself,
/// so that dropping a future which polls it loses nothing. [`open_over`](crate::open_over) opens a
/// connection over one.
pub trait Link<K: Kind>: Send + 'static {
    /// Puts what is to be said before all frames into the output; called once, first of all.
    fn start(&mut self) {}

    /// Moves whatever can move: writes what is sealed and, if `may_read`, reads once. Ready when
    /// something moved; `Ok(false)` when the remote has closed its side.
    ///
    /// When writing fails, what the remote said before it hung up is still read first.
    ///
    /// # Errors
    /// The connection failed.
    fn poll_progress(&mut self, cx: &mut Context<'_>, may_read: bool) -> Poll<io::Result<bool>>;

    /// Writes as much of what is sealed as the connection takes now. A failure is told by
    /// [`poll_progress`](Self::poll_progress).
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Writes out what is sealed.
    ///
    /// # Errors
    /// The connection failed.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// The next whole frame among what was read.
    ///
    /// # Errors
    /// Why there will be none. The error is final.
    fn next_frame(&mut self) -> Result<Option<Frame<K>>, DisconnectReason>;

    /// Both sides agree: payloads of up to `max_payload` bytes are welcome, and memory that only
    /// the opening needed is given back.
    fn agreed(&mut self, max_payload: usize);

    /// What is spoken, once that is decided.
    fn negotiated(&self) -> Option<Negotiated>;

    /// Whether frames can be sealed.
    fn is_open(&self) -> bool;

    /// Whether it wants another frame now; never before it [is open](Self::is_open).
    fn has_room(&self) -> bool;

    /// Seals a frame; returns its length on the wire.
    fn push(&mut self, frame: Unsealed<'_, K>) -> usize;

    /// Takes the charge of what has been written.
    fn take_freed(&mut self) -> usize;

    /// The frame being written: a number that tells it from others, and its length in bytes.
    fn current_frame(&self) -> Option<(u64, usize)>;

    /// How long the frame that is arriving is, in bytes; 0 if none is or it cannot be known yet.
    fn arriving(&self) -> usize;

    /// Whether reading waits for other connections to give memory back.
    fn is_short_of_memory(&self) -> bool;

    /// What the messages given since this was last asked hold in memory, in bytes, as long as one of
    /// them lives.
    fn take_pinned(&mut self) -> usize;

    /// All bytes ever read from the connection.
    fn received(&self) -> u64;

    /// All bytes ever written to the connection.
    fn sent(&self) -> u64;
}

/// A frame that a link shall seal.
#[derive(Debug)]
pub struct Unsealed<'a, K> {
    /// Which message.
    pub kind: K,
    /// Its payload.
    pub payload: Payload<'a>,
    /// Its checksum, where v1 is spoken; else anything.
    pub checksum: [u8; 4],
    /// The room that [`take_freed`](Link::take_freed) gives back when it has been written.
    pub charge: usize,
    /// Who wants to know when it has been written.
    pub receipt: Option<ReceiptSender>,
}

impl<'a, K> Unsealed<'a, K> {
    /// A frame of our own, for which nobody waits.
    pub(crate) const fn own(kind: K, payload: Payload<'a>, checksum: [u8; 4]) -> Self {
        Self { kind, payload, checksum, charge: 0, receipt: None }
    }
}
