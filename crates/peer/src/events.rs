//! The event stream: a handler that hands everything to whoever awaits it.
//!
//! All events of one read travel as one operation. The stream owes its reader at most 1 MiB and one
//! read; above that, reading from the remote stops until the reader has caught up. What the reader has
//! begun to take is not owed any more: he may wait for an answer from the remote before he takes the
//! rest of it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use peerage_peer_core::{DisconnectReason, Event, Local};
use peerage_wire::Protocol;

use crate::PeerHandle;
use crate::handler::Handler;
use crate::sync::{Mutex, MutexGuard};

/// The events of one connection, beginning after its opening.
///
/// The last one is [`Event::Disconnected`]. Pings are answered when the reader has taken what came
/// before them, so read it, or drop it: dropping discards events and keeps the connection.
#[derive(Debug)]
pub struct Events<P: Protocol> {
    queue: Arc<Queue<P>>,
    current: VecDeque<Event<P>>,
    ended: Option<DisconnectReason>,
}

#[derive(Debug)]
struct Batch<P: Protocol> {
    events: VecDeque<Event<P>>,
    charge: usize,
}

#[derive(Debug)]
struct Queue<P: Protocol>(Mutex<State<P>>);

#[derive(Debug)]
struct State<P: Protocol> {
    batches: VecDeque<Batch<P>>,
    owed: usize,
    limit: usize,
    peer: Option<PeerHandle<P>>,
    /// Emptied buffers go back to the sender.
    spare: VecDeque<Event<P>>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    reader_gone: bool,
    writer_gone: bool,
}

/// What an event is charged beside the payload that it pins, in bytes.
const EVENT_OVERHEAD: usize = 128;

impl<P: Protocol> Events<P> {
    /// A stream, and the handler that fills it; `limit` is what it may owe, in bytes.
    pub(crate) fn pair(limit: usize) -> (Self, EventSender<P>) {
        let queue = Arc::new(Queue(Mutex::new(State {
            batches: VecDeque::new(),
            owed: 0,
            limit,
            peer: None,
            spare: VecDeque::new(),
            reader: None,
            writer: None,
            reader_gone: false,
            writer_gone: false,
        })));
        let sender = EventSender { queue: queue.clone(), batch: VecDeque::new(), peer: None };
        (Self { queue, current: VecDeque::new(), ended: None }, sender)
    }

    /// The next event; `None` after the last. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Event<P>> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// The next message, passing over other events. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Why the connection has ended, this time and every later time.
    pub async fn message(&mut self) -> Result<P::Message, DisconnectReason> {
        loop {
            match self.next().await {
                Some(Event::Message(message)) => return Ok(message),
                Some(_) => {}
                None => {
                    return Err(self.ended.clone().unwrap_or_else(|| Local::RuntimeEnded.into()));
                }
            }
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event<P>>> {
        loop {
            match self.current.pop_front() {
                Some(Event::PongDue(nonce)) => {
                    let peer = self.queue.lock().peer.clone();
                    peer.inspect(|peer| peer.pong(nonce));
                }
                Some(event) => {
                    if let Event::Disconnected(reason) = &event {
                        self.ended = Some(reason.clone());
                    }
                    return Poll::Ready(Some(event));
                }
                None => {
                    if !std::task::ready!(self.poll_batch(cx)) {
                        return Poll::Ready(None);
                    }
                }
            }
        }
    }

    /// Takes the next batch; false if there will be none.
    fn poll_batch(&mut self, cx: &Context<'_>) -> Poll<bool> {
        let mut state = self.queue.lock();
        if let Some(Batch { events, charge }) = state.batches.pop_front() {
            state.settle(charge);
            state.spare = std::mem::replace(&mut self.current, events);
            return Poll::Ready(true);
        }
        if state.writer_gone {
            return Poll::Ready(false);
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Nothing in it is ever pinned.
impl<P: Protocol> Unpin for Events<P> {}

impl<P: Protocol> Stream for Events<P> {
    type Item = Event<P>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_event(cx)
    }
}

impl<P: Protocol> Drop for Events<P> {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.reader_gone = true;
        let batches = std::mem::take(&mut state.batches);
        let peer = state.peer.take();
        let writer = state.writer.take();
        // Under the lock, so that the sender's own answers come behind these. Only here is a
        // connection's outbox locked inside another lock.
        let unread = self.current.drain(..).chain(batches.into_iter().flat_map(|b| b.events));
        answer_pings(unread, peer.as_ref());
        drop(state);
        writer.inspect(Waker::wake_by_ref);
    }
}

/// Answers the pings among events that nobody will read.
fn answer_pings<P: Protocol>(events: impl Iterator<Item = Event<P>>, peer: Option<&PeerHandle<P>>) {
    for event in events {
        if let (Event::PongDue(nonce), Some(peer)) = (event, peer) {
            peer.pong(nonce);
        }
    }
}

impl<P: Protocol> Queue<P> {
    fn lock(&self) -> MutexGuard<'_, State<P>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Protocol> State<P> {
    /// The reader has taken a batch of this charge.
    fn settle(&mut self, charge: usize) {
        self.owed -= charge;
        if self.owed < self.limit {
            self.writer.take().inspect(Waker::wake_by_ref);
        }
    }
}

/// The handler behind an event stream.
#[derive(Debug)]
pub(crate) struct EventSender<P: Protocol> {
    queue: Arc<Queue<P>>,
    batch: VecDeque<Event<P>>,
    /// Known from the end of the opening on, where the stream begins.
    peer: Option<PeerHandle<P>>,
}

impl<P: Protocol> Handler<P> for EventSender<P> {
    const KEEPS: bool = true;

    fn handle(&mut self, peer: &PeerHandle<P>, event: Event<P>) {
        match event {
            Event::Established(_) => {
                self.peer = Some(peer.clone());
                self.queue.lock().peer = Some(peer.clone());
            }
            event if self.peer.is_some() => self.batch.push_back(event),
            _ => {}
        }
    }

    /// In its place among the events, whoever answers it in the end.
    fn pong_due(&mut self, _peer: &PeerHandle<P>, nonce: u64) {
        self.batch.push_back(Event::PongDue(nonce));
    }

    fn flush(&mut self, pinned: usize) {
        if self.batch.is_empty() {
            return;
        }
        let mut state = self.queue.lock();
        if state.reader_gone {
            drop(state);
            answer_pings(self.batch.drain(..), self.peer.as_ref());
            return;
        }
        let spare = std::mem::take(&mut state.spare);
        let events = std::mem::replace(&mut self.batch, spare);
        let charge = pinned + events.len() * EVENT_OVERHEAD;
        state.owed += charge;
        state.batches.push_back(Batch { events, charge });
        let reader = state.reader.take();
        drop(state);
        reader.inspect(Waker::wake_by_ref);
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.queue.lock();
        if state.reader_gone || state.owed < state.limit {
            return Poll::Ready(());
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl<P: Protocol> Drop for EventSender<P> {
    fn drop(&mut self) {
        self.flush(0);
        let mut state = self.queue.lock();
        state.writer_gone = true;
        state.peer = None;
        let reader = state.reader.take();
        drop(state);
        reader.inspect(Waker::wake_by_ref);
    }
}
