//! Which message answers which request.
//!
//! A request that kaspad answers by number carries one of ours, and its answers name it; the others
//! are answered by kind, and the one that waits longest gets the answer, until it has all of them.
//! What answers nothing that waits is a message like others; so is what answers a request by kind that
//! was given up, which keeps its place in the line until its answers have come.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use peerage_peer::{Event, Handler, PeerHandle};
use peerage_wire::{Malformed, Refusal};
use peerage_wire_kaspa::proto::{Kaspa, Kind, Message, Payload, Remote};

use super::flow::{Flow, Turn};

/// Our numbers begin here; those below are for callers who number their own requests.
const FIRST_ID: u32 = 1 << 31;

/// How many requests that were given up keep their places. Silence ends the connection long before.
const MOST_GIVEN_UP: usize = 64;

/// The requests of one connection that wait for answers.
#[derive(Debug)]
pub(crate) struct Correlator {
    waiting: Mutex<Waiting>,
    /// How many bytes of answers may wait for their readers before nothing more is read.
    limit: usize,
}

#[derive(Debug)]
struct Waiting {
    next_id: u32,
    requests: Vec<Request>,
    bytes: usize,
    ended: bool,
    /// The connection's task, while it waits for readers.
    task: Option<Waker>,
}

#[derive(Debug)]
struct Request {
    id: u32,
    flow: Flow,
    /// Whether all answers have come, or a wrong one.
    over: bool,
    /// Whether nobody waits for its answers any more, which come nevertheless.
    given_up: bool,
    /// With the length of each, in bytes.
    queue: VecDeque<(Answer, usize)>,
    reader: Option<Waker>,
}

/// An answer, and what it is; an error says why it is none.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) payload: Payload,
    pub(crate) turn: Result<Turn, &'static str>,
    /// Whether it is the last.
    pub(crate) last: bool,
}

impl Correlator {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        let waiting =
            Waiting { next_id: FIRST_ID, requests: Vec::new(), bytes: 0, ended: false, task: None };
        Arc::new(Self { waiting: Mutex::new(waiting), limit })
    }

    /// Begins to wait for answers that come so.
    pub(crate) fn expect(self: &Arc<Self>, flow: Flow) -> Ticket {
        let mut waiting = self.lock();
        let id = waiting.next_id;
        waiting.next_id = id.checked_add(1).unwrap_or(FIRST_ID);
        let (by_id, over, queue) = (flow.by_id, flow.is_done(), VecDeque::new());
        let request = Request { id, flow, over, given_up: false, queue, reader: None };
        waiting.requests.push(request);
        Ticket { correlator: Arc::clone(self), id, by_id, asked: false }
    }

    /// Keeps a message that answers a request, and tells its length; gives back one that does not.
    fn take(&self, message: Message) -> Result<usize, Message> {
        let kind = message.payload.kind();
        let mut waiting = self.lock();
        let found = waiting.requests.iter().position(|request| {
            let named = message.response_id == request.id;
            let fits = message.response_id == 0 && !request.flow.by_id;
            !request.over && request.flow.answers.contains(&kind) && (named || fits)
        });
        let Some(place) = found else { return Err(message) };
        let request = &mut waiting.requests[place];
        let len = message.encoded_len();
        let turn = request.flow.turn(&message.payload);
        request.over = request.flow.is_done() || turn != Ok(Turn::Item);
        if request.given_up {
            if request.over {
                waiting.requests.remove(place);
            }
            return Err(message);
        }
        let answer = Answer { payload: message.payload, turn, last: request.over };
        request.queue.push_back((answer, len));
        let reader = request.reader.take();
        waiting.bytes += len;
        drop(waiting);
        reader.into_iter().for_each(Waker::wake);
        Ok(len)
    }

    /// While too much waits for its readers, nothing more shall come.
    fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        let mut waiting = self.lock();
        if waiting.bytes < self.limit {
            return Poll::Ready(());
        }
        waiting.task = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The connection is over: nobody waits any longer.
    fn end(&self) {
        let mut waiting = self.lock();
        waiting.ended = true;
        let readers: Vec<_> =
            waiting.requests.iter_mut().filter_map(|request| request.reader.take()).collect();
        drop(waiting);
        readers.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Notes that so many bytes of answers were taken; returns who waits for that.
    fn free(&mut self, bytes: usize, limit: usize) -> Option<Waker> {
        self.bytes -= bytes;
        if self.bytes < limit { self.task.take() } else { None }
    }

    /// Lets a request keep its place, if not too many do.
    fn give_up(&mut self, place: usize, request: Request) {
        if self.requests.iter().filter(|it| it.given_up).count() < MOST_GIVEN_UP {
            self.requests.insert(place, Request { given_up: true, reader: None, ..request });
        }
    }
}

/// A request's place among those that wait; dropping it gives it up.
#[derive(Debug)]
pub(crate) struct Ticket {
    correlator: Arc<Correlator>,
    id: u32,
    by_id: bool,
    asked: bool,
}

impl Ticket {
    /// The request was sent: from now on there will be answers.
    pub(crate) const fn asked(&mut self) {
        self.asked = true;
    }

    /// The number that the request has to carry.
    pub(crate) const fn request_id(&self) -> u32 {
        if self.by_id { self.id } else { 0 }
    }

    /// The remote is about to be told that it may go on.
    pub(crate) fn acknowledge(&self) {
        let mut waiting = self.correlator.lock();
        let request = waiting.requests.iter_mut().find(|it| it.id == self.id);
        request.into_iter().for_each(|request| request.flow.acknowledge());
    }

    /// The next answer; `None` when the connection is over.
    pub(crate) fn poll_answer(&self, cx: &Context<'_>) -> Poll<Option<Answer>> {
        let mut waiting = self.correlator.lock();
        let ended = waiting.ended;
        let Some(request) = waiting.requests.iter_mut().find(|it| it.id == self.id) else {
            return Poll::Ready(None);
        };
        match request.queue.pop_front() {
            Some((answer, len)) => {
                let task = waiting.free(len, self.correlator.limit);
                drop(waiting);
                task.into_iter().for_each(Waker::wake);
                Poll::Ready(Some(answer))
            }
            None if ended => Poll::Ready(None),
            None => {
                request.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut waiting = self.correlator.lock();
        let Some(place) = waiting.requests.iter().position(|it| it.id == self.id) else { return };
        let mut request = waiting.requests.remove(place);
        let bytes = std::mem::take(&mut request.queue).iter().map(|(_, len)| len).sum();
        // Who waits to be acknowledged says no more.
        if self.asked && !self.by_id && !request.over && request.flow.window().is_none() {
            waiting.give_up(place, request);
        }
        let task = waiting.free(bytes, self.correlator.limit);
        drop(waiting);
        task.into_iter().for_each(Waker::wake);
    }
}

/// The handler that keeps answers for those who wait, and passes everything else on.
pub(crate) struct Correlating<H> {
    inner: H,
    correlator: Arc<Correlator>,
    /// Bytes of answers kept since the last flush: what they hold is counted here, and not there.
    kept: usize,
}

impl<H> Correlating<H> {
    pub(crate) const fn new(inner: H, correlator: Arc<Correlator>) -> Self {
        Self { inner, correlator, kept: 0 }
    }
}

impl<H: Handler<Kaspa>> Handler<Kaspa> for Correlating<H> {
    const WIRE: bool = H::WIRE;
    const KEEPS: bool = true;

    fn remote(&mut self, remote: &Remote) -> Result<(), Refusal> {
        self.inner.remote(remote)
    }

    fn handle(&mut self, peer: &PeerHandle<Kaspa>, event: Event<Kaspa>) {
        let event = match event {
            Event::Message(message) => match self.correlator.take(message) {
                Err(message) => Event::Message(message),
                Ok(len) => {
                    self.kept += len;
                    return;
                }
            },
            Event::Disconnected(reason) => {
                self.correlator.end();
                Event::Disconnected(reason)
            }
            event => event,
        };
        self.inner.handle(peer, event);
    }

    fn pong_due(&mut self, peer: &PeerHandle<Kaspa>, nonce: u64) {
        self.inner.pong_due(peer, nonce);
    }

    fn flush(&mut self, pinned: usize) {
        self.inner.flush(pinned.saturating_sub(std::mem::take(&mut self.kept)));
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Both are asked, so that either can wake the task.
        let room = self.correlator.poll_room(cx);
        let inner = self.inner.poll_ready(cx);
        if room.is_ready() { inner } else { Poll::Pending }
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

impl<H> Drop for Correlating<H> {
    /// However the connection ends, nobody waits for it any longer.
    fn drop(&mut self) {
        self.correlator.end();
    }
}

#[cfg(test)]
mod tests;
