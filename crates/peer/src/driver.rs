//! The one task of a connection.
//!
//! It does the same round again and again: take in what has arrived, tell the handler, send what is
//! due, measure; then wait for the next thing to happen. The protocol's decisions are the core's,
//! the bytes are the link's.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use peerage_peer_core::{Batch, Config, DisconnectReason, Event, Paused, Peer};
use peerage_transport::Negotiated;
use peerage_wire::{Direction, Now, Protocol};
use tokio::time::Sleep;

use crate::PeerHandle;
use crate::handler::Handler;
use crate::link::Link;
use crate::shared::{Agreed, ReceiptSender, Shared};
use crate::stats::Run;

mod receive;
mod transmit;

/// How long a round may take before its time is excused. Shorter ones cannot matter to clocks of
/// minutes.
const HANDLER_TIME: Duration = Duration::from_millis(100);

pub(crate) struct Driver<P: Protocol, L, H> {
    core: Peer<P>,
    link: L,
    handler: H,
    peer: PeerHandle<P>,
    shared: Arc<Shared<P>>,
    /// The end of the last round.
    now: Now,
    timer: Pin<Box<Sleep>>,
    armed: Option<Duration>,
    batch: Batch<P, ReceiptSender>,
    /// What answers that were sealed are charged.
    sealed: usize,
    received: Run<P::Kind>,
    sent: Run<P::Kind>,
    /// All bytes read and written, as last noted.
    noted: (u64, u64),
    remote_height: i32,
    paused: Option<Paused>,
    may_handle: bool,
    /// Whether frames that have arrived are still to be handled.
    backlog: bool,
    more_to_send: bool,
    writing: Option<u64>,
    arriving: usize,
}

/// What a connection's task is made of.
pub(crate) struct Parts<P: Protocol, L, H> {
    pub(crate) direction: Direction,
    pub(crate) identity: Arc<P::Identity>,
    pub(crate) config: Arc<Config>,
    pub(crate) seed: [u8; 32],
    pub(crate) link: L,
    pub(crate) handler: H,
    pub(crate) shared: Arc<Shared<P>>,
}

/// What woke the task.
enum Input {
    Work,
    Moved(std::io::Result<bool>),
    Timeout,
    Ready,
}

impl<P, L, H> Driver<P, L, H>
where
    P: Protocol,
    L: Link<P::Kind>,
    H: Handler<P>,
{
    pub(crate) fn new(parts: Parts<P, L, H>) -> Self {
        let Parts { direction, identity, config, seed, link, handler, shared, .. } = parts;
        let now = shared.clock.now();
        shared.measured().connected_at = now.unix;
        Self {
            core: Peer::new(direction, identity, config, seed, now),
            link,
            handler,
            peer: PeerHandle::internal(shared.clone()),
            shared,
            now,
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            armed: None,
            batch: Batch::default(),
            sealed: 0,
            received: Run::new(),
            sent: Run::new(),
            noted: (0, 0),
            remote_height: i32::MIN,
            paused: None,
            may_handle: true,
            backlog: false,
            more_to_send: false,
            writing: None,
            arriving: 0,
        }
    }

    /// Runs until both sides agree.
    ///
    /// # Errors
    /// Why the connection ended before that.
    pub(crate) async fn open(&mut self) -> Result<(), DisconnectReason> {
        self.link.start();
        loop {
            self.turn().await;
            if self.shared.agreed().is_some() {
                return Ok(());
            }
            if let Some(reason) = self.core.closed().cloned() {
                return Err(self.finish(reason).await);
            }
            self.rest().await;
        }
    }

    /// Runs until the connection ends.
    pub(crate) async fn run(&mut self) -> DisconnectReason {
        loop {
            if let Some(reason) = self.core.closed().cloned() {
                // Boxed: the room for it would otherwise be part of every idle task.
                return Box::pin(self.finish(reason)).await;
            }
            self.rest().await;
            self.turn().await;
        }
    }

    /// Nobody waits for the opening any more.
    pub(crate) fn abandon(&mut self, reason: DisconnectReason) {
        self.handler.handle(&self.peer, Event::Disconnected(reason));
        self.handler.flush(0);
    }

    /// All bytes ever read and written.
    pub(crate) fn moved(&self) -> (u64, u64) {
        (self.link.received(), self.link.sent())
    }

    /// One round, and what it led to is written and measured.
    async fn turn(&mut self) {
        self.backlog = self.round();
        // A failure to write shows in the wait below, behind what can still be read.
        let _ = poll_fn(|cx| Poll::Ready(self.link.poll_write(cx))).await;
        self.give_back_room();
        self.note_writing(self.now);
        self.measure(self.now);
    }

    /// Waits for the next thing to happen, unless there is work left.
    async fn rest(&mut self) {
        let ready = poll_fn(|cx| Poll::Ready(self.handler.poll_ready(cx).is_ready())).await;
        self.may_handle = self.may_handle(ready);
        if self.backlog && self.may_handle {
            return tokio::task::consume_budget().await;
        }
        if self.more_to_send && self.link.has_room() {
            tokio::task::consume_budget().await;
            // Whoever takes all that we can send is read nevertheless.
            let may_read = self.may_handle;
            let look = poll_fn(|cx| Poll::Ready(self.link.poll_progress(cx, may_read))).await;
            return if let Poll::Ready(moved) = look {
                self.link_moved(moved)
            };
        }
        if let Input::Moved(moved) = self.wait(self.may_handle, ready).await {
            self.link_moved(moved);
        }
    }

    fn link_moved(&mut self, moved: std::io::Result<bool>) {
        match moved {
            Ok(true) => {}
            Ok(false) => self.core.close(DisconnectReason::RemoteClosed),
            Err(error) => self.core.close(DisconnectReason::Io(error.kind())),
        }
    }

    async fn wait(&mut self, may_read: bool, ready: bool) -> Input {
        self.arm_timer();
        let wants_frames = self.link.has_room() && self.core.remote().is_some();
        let Self { link, shared, timer, handler, armed, .. } = self;
        // In this order, because each round takes orders and judges the clocks, whatever began it,
        // but does not read.
        let input = tokio::select! {
            biased;
            moved = poll_fn(|cx| link.poll_progress(cx, may_read)) => Input::Moved(moved),
            () = shared.work(wants_frames) => Input::Work,
            () = timer.as_mut(), if armed.is_some() => Input::Timeout,
            () = poll_fn(|cx| handler.poll_ready(cx)), if !ready => Input::Ready,
        };
        if !matches!(input, Input::Timeout) {
            return input;
        }
        // What a clock would blame the remote for may just have arrived: look before judging.
        match poll_fn(|cx| Poll::Ready(link.poll_progress(cx, may_read))).await {
            Poll::Ready(moved) => Input::Moved(moved),
            Poll::Pending => Input::Timeout,
        }
    }

    /// One round of work; returns whether frames that have arrived are still to be handled.
    fn round(&mut self) -> bool {
        let now = self.shared.clock.now();
        self.take_orders();
        let backlog = if self.may_handle { self.receive(now) } else { true };
        self.note_writing(now);
        self.core.handle_timeout(now);
        self.deliver();
        self.transmit(now);
        let pinned = self.link.take_pinned();
        self.handler.flush(pinned);
        self.excuse_handler(now);
        backlog && self.core.closed().is_none()
    }

    /// While our handler runs we do not read, so its time is no reason to blame the remote.
    fn excuse_handler(&mut self, began: Now) {
        let now = self.shared.clock.now();
        self.now = now;
        if now.mono - began.mono > HANDLER_TIME && self.paused.is_none() {
            self.core.set_paused(began, Some(Paused::ByHandler));
            self.core.set_paused(now, None);
        }
    }

    /// What handles have asked for beside frames.
    fn take_orders(&mut self) {
        if let Some(reason) = self.shared.awake() {
            self.core.close(reason);
        }
        let height = self.shared.remote_height.load(Ordering::Relaxed);
        if height != self.remote_height {
            self.remote_height = height;
            self.core.set_remote_height(height);
        }
    }

    /// Hands events to the handler.
    fn deliver(&mut self) {
        while let Some(event) = self.core.poll_event() {
            match event {
                Event::PongDue(nonce) => self.handler.pong_due(&self.peer, nonce),
                Event::Established(remote) => {
                    self.agree(remote.clone());
                    self.handler.handle(&self.peer, Event::Established(remote));
                }
                event => self.handler.handle(&self.peer, event),
            }
        }
    }

    /// The opening is done: its limits fall.
    fn agree(&mut self, remote: Arc<P::Remote>) {
        self.link.agreed(P::MAX_PAYLOAD);
        let transport = self.link.negotiated();
        let checksums = matches!(transport, Some(Negotiated::V1 { .. }));
        let now = self.shared.clock.now();
        self.measure(now);
        let mut measured = self.shared.measured();
        measured.transport = transport;
        measured.opening_took = now.mono;
        drop(measured);
        // Last, because whoever sees it may ask for all of it.
        self.shared.agree(Agreed { remote, checksums });
        self.core.settle();
    }

    fn measure(&mut self, now: Now) {
        let bytes = (self.link.received(), self.link.sent());
        let (heard, said) = (bytes.0 != self.noted.0, bytes.1 != self.noted.1);
        if !heard && !said && self.received.is_empty() && self.sent.is_empty() {
            return;
        }
        self.noted = bytes;
        let mut measured = self.shared.measured();
        self.received.flush(&mut measured.received);
        self.sent.flush(&mut measured.sent);
        (measured.bytes_received, measured.bytes_sent) = bytes;
        if heard {
            measured.last_received = Some(now.unix);
        }
        if said {
            measured.last_sent = Some(now.unix);
        }
        measured.at = now.mono;
        measured.ping = self.core.ping_stats(now);
        measured.known_items = self.core.known_items();
    }

    fn arm_timer(&mut self) {
        let due = self.core.poll_timeout();
        if due != self.armed {
            self.armed = due;
            if let Some(due) = due {
                self.timer.as_mut().reset(self.shared.clock.moment(due));
            }
        }
    }

    /// Says what is left to say and tells the handler.
    async fn finish(&mut self, reason: DisconnectReason) -> DisconnectReason {
        let now = self.shared.clock.now();
        self.shared.shut(&reason);
        if self.link.is_open() {
            self.say_farewell(now).await;
        }
        self.deliver();
        self.handler.handle(&self.peer, Event::Disconnected(reason.clone()));
        self.handler.flush(0);
        self.measure(now);
        reason
    }
}
