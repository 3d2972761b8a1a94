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

use peerage_peer_core::{Batch, Config, DisconnectReason, Event, Load, Paused, Peer, Taken};
use peerage_transport::{Frame, Negotiated, TransportError};
use peerage_wire::{
    Direction, MAX_PAYLOAD, Malformed, Message as _, Now, Payload, Protocol, checksum,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::time::Sleep;

use crate::PeerHandle;
use crate::connect::{OpenError, Opened};
use crate::handler::Handler;
use crate::link::Link;
use crate::shared::{Agreed, ReceiptSender, Shared};
use crate::stats::Measured;

/// How long the last words to a peer that broke a rule may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long a round may take before its time is excused. Shorter ones cannot matter to clocks of
/// minutes.
const HANDLER_TIME: Duration = Duration::from_millis(100);

/// How many frames are handled before what they led to is sent, however many have arrived: answers
/// do not wait for the end of a flood.
const FRAMES_A_ROUND: usize = 4_096;

pub(crate) struct Driver<P: Protocol, S, H> {
    core: Peer<P>,
    link: Link<S, P::Kind>,
    handler: H,
    peer: PeerHandle<P>,
    shared: Arc<Shared<P>>,
    /// The end of the last round.
    now: Now,
    timer: Pin<Box<Sleep>>,
    armed: Option<Duration>,
    batch: Batch<P, ReceiptSender>,
    sealed: Load,
    measured: Measured<P>,
    opened: Option<oneshot::Sender<Result<Opened, OpenError>>>,
    may_fall_back: bool,
    remote_height: i32,
    paused: Option<Paused>,
    more_to_send: bool,
    writing: Option<u64>,
    arriving: usize,
    scratch: Vec<u8>,
}

/// What a connection's task is made of.
pub(crate) struct Parts<P: Protocol, S, H> {
    pub(crate) direction: Direction,
    pub(crate) identity: Arc<P::Identity>,
    pub(crate) config: Arc<Config>,
    pub(crate) seed: [u8; 32],
    pub(crate) link: Link<S, P::Kind>,
    pub(crate) handler: H,
    pub(crate) shared: Arc<Shared<P>>,
    pub(crate) opened: oneshot::Sender<Result<Opened, OpenError>>,
    /// Whether v1 may be tried if they hang up on v2.
    pub(crate) may_fall_back: bool,
}

/// What woke the task.
enum Input {
    Work,
    Moved(std::io::Result<bool>),
    Timeout,
    Ready,
}

impl<P, S, H> Driver<P, S, H>
where
    P: Protocol,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    H: Handler<P>,
{
    pub(crate) fn new(parts: Parts<P, S, H>) -> Self {
        let Parts { direction, identity, config, seed, link, handler, shared, .. } = parts;
        let now = shared.clock.now();
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
            sealed: Load::default(),
            measured: Measured { connected_at: now.unix, ..Measured::default() },
            opened: Some(parts.opened),
            may_fall_back: parts.may_fall_back,
            remote_height: i32::MIN,
            paused: None,
            more_to_send: false,
            writing: None,
            arriving: 0,
            scratch: Vec::new(),
        }
    }

    /// Runs until the connection ends.
    pub(crate) async fn run(&mut self) -> DisconnectReason {
        self.link.push_handshake();
        let mut may_handle = true;
        loop {
            let backlog = self.round(may_handle);
            // A failure to write shows in the wait below, behind what can still be read.
            let _ = poll_fn(|cx| Poll::Ready(self.link.poll_write(cx))).await;
            self.measure(self.now);
            if let Some(reason) = self.core.closed().cloned() {
                return self.finish(reason).await;
            }
            let ready = poll_fn(|cx| Poll::Ready(self.handler.poll_ready(cx).is_ready())).await;
            may_handle = self.may_handle(ready);
            if (backlog && may_handle) || (self.more_to_send && self.link.has_room()) {
                tokio::task::consume_budget().await;
                continue;
            }
            match self.wait(may_handle, ready).await {
                Input::Moved(Ok(true)) | Input::Work | Input::Timeout | Input::Ready => {}
                Input::Moved(Ok(false)) => {
                    self.core.close(DisconnectReason::RemoteClosed);
                }
                Input::Moved(Err(error)) => self.core.close(DisconnectReason::Io(error.kind())),
            }
        }
    }

    async fn wait(&mut self, may_read: bool, ready: bool) -> Input {
        self.arm_timer();
        let wants_frames = self.link.has_room() && self.core.remote().is_some();
        let Self { link, shared, timer, handler, armed, .. } = self;
        let input = tokio::select! {
            () = shared.work(wants_frames) => Input::Work,
            moved = poll_fn(|cx| link.poll_progress(cx, may_read)) => Input::Moved(moved),
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
    fn round(&mut self, may_handle: bool) -> bool {
        let now = self.shared.clock.now();
        self.take_orders();
        let backlog = if may_handle { self.receive(now) } else { true };
        self.note_writing(now);
        self.core.handle_timeout(now);
        self.deliver();
        self.transmit(now);
        self.handler.flush(self.link.pinned());
        self.note_writing(now);
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
        if let Some(reason) = self.shared.close_requested() {
            self.core.close(reason);
        }
        let height = self.shared.remote_height.load(Ordering::Relaxed);
        if height != self.remote_height {
            self.remote_height = height;
            self.core.set_remote_height(height);
        }
    }

    /// Handles the frames that have arrived, until there is none or somebody must catch up first.
    fn receive(&mut self, now: Now) -> bool {
        for _ in 0..FRAMES_A_ROUND {
            match self.link.next_frame() {
                Ok(Some(frame)) => self.receive_frame(now, frame),
                Ok(None) => {
                    self.note_arriving(now);
                    return false;
                }
                Err(error) => {
                    self.transport_failed(error);
                    return false;
                }
            }
            self.deliver();
            if self.core.closed().is_some() || self.is_backlogged() {
                return true;
            }
        }
        true
    }

    fn receive_frame(&mut self, now: Now, frame: Frame<P::Kind>) {
        // The next frame that arrives slowly is another one, even if it is as long.
        self.arriving = 0;
        self.measured.received.add(frame.kind, frame.wire_len);
        let decoded = P::Message::decode(frame.kind, frame.payload, self.core.version());
        if H::WIRE {
            let error = decoded.as_ref().err();
            self.handler.on_read(&self.peer, Some(frame.kind), frame.wire_len, error);
        }
        match decoded {
            Ok(message) => self.core.handle_message(now, message, frame.wire_len),
            Err(malformed) => self.core.handle_malformed(malformed),
        }
        let heard = self.core.poll_heard();
        if let Some(Err(refusal)) = heard.map(|remote| self.handler.remote(&remote)) {
            self.core.refuse(&refusal);
        }
    }

    fn transport_failed(&mut self, error: TransportError) {
        let malformed = match error {
            TransportError::Malformed(malformed) => malformed,
            TransportError::WrongNetworkV1 { found } => {
                Malformed::WrongMagic { found, expected: self.link.magic() }
            }
            TransportError::Violation(violation) => return self.core.close(violation.into()),
            TransportError::NotAdmitted => return self.core.close(DisconnectReason::NotAdmitted),
            _ => {
                let why = "the remote speaks v1, and v2 is required";
                return self.core.close(DisconnectReason::NoCommonTransport(why));
            }
        };
        if H::WIRE {
            self.handler.on_read(&self.peer, None, 0, Some(&malformed));
        }
        self.core.handle_malformed(malformed);
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

    /// The opening is done: its limits fall, and whoever waits for the connection gets it.
    fn agree(&mut self, remote: Arc<P::Remote>) {
        self.link.transport.set_max_payload(MAX_PAYLOAD);
        let transport = self.link.transport.negotiated();
        let checksums = matches!(transport, Some(Negotiated::V1 { .. }));
        self.shared.agree(Agreed { remote, checksums });
        self.measured.transport = transport;
        let now = self.shared.clock.now();
        self.measured.opening_took = now.mono;
        self.measure(now);
        self.publish();
        if let Some(opened) = self.opened.take() {
            // Whoever gave up waiting has dropped its handle as well, which ends the connection.
            let _ = opened.send(Ok(Opened));
        }
    }

    /// Seals what is to be sent, as long as the link has room: first the core's own messages, then
    /// what callers have queued, in its order.
    fn transmit(&mut self, now: Now) {
        loop {
            self.transmit_own(now);
            while self.link.has_room() && self.core.closed().is_none() {
                let Some(frame) = self.batch.pop() else { break };
                self.sealed.add(frame.source, frame.charge);
                let (kind, asks) = (frame.kind, frame.asks);
                let len = self.link.push(kind, frame.payload, frame.checksum, frame.receipt);
                self.sent(now, kind, asks, len);
            }
            self.more_to_send = !self.batch.is_empty() || !self.link.has_room();
            if self.more_to_send || self.core.closed().is_some() {
                return self.give_back_room();
            }
            if !self.refill(now) {
                return;
            }
        }
    }

    fn transmit_own(&mut self, now: Now) {
        // Last words are said by `finish`, which sees that they leave.
        while self.link.has_room() && self.core.closed().is_none() {
            let Some(message) = self.core.poll_transmit() else { return };
            let kind = message.kind();
            let mut scratch = std::mem::take(&mut self.scratch);
            let payload = Payload::encode::<P>(&message, self.core.version(), &mut scratch);
            let v2 = matches!(self.link.transport.negotiated(), Some(Negotiated::V2 { .. }));
            let sum = if v2 { [0; 4] } else { checksum(payload.as_slice()) };
            let len = self.link.push(kind, payload, sum, None);
            if scratch.capacity() <= 128 {
                self.scratch = scratch;
            }
            self.sent(now, kind, message.asks(), len);
        }
    }

    fn sent(&mut self, now: Now, kind: P::Kind, asks: u32, wire_len: usize) {
        self.core.transmitted(now, kind, asks);
        self.measured.sent.add(kind, wire_len);
        if H::WIRE {
            self.handler.on_write(&self.peer, kind, wire_len);
        }
    }

    /// Takes the next lane out of the outbox; returns whether there is something to send.
    fn refill(&mut self, now: Now) -> bool {
        if self.core.remote().is_none() {
            return false;
        }
        let sealed = std::mem::take(&mut self.sealed);
        let waiting = self.core.announcements_waiting();
        let (taken, room) = self.shared.exchange(sealed, waiting, &mut self.batch);
        let Taken { announcements, known } = taken;
        self.core.add_known(&known);
        if !announcements.is_empty() {
            self.core.announce(now, &announcements);
        }
        if room {
            self.handler.handle(&self.peer, Event::Room);
        }
        room || !self.batch.is_empty() || !announcements.is_empty()
    }

    fn give_back_room(&mut self) {
        let sealed = std::mem::take(&mut self.sealed);
        if sealed.total() > 0 && self.shared.release(sealed) {
            self.handler.handle(&self.peer, Event::Room);
        }
    }

    /// Whether so much waits to be sent that nothing may be read which could add to it.
    fn is_backlogged(&self) -> bool {
        self.shared.is_full() || self.core.has_backlog()
    }

    /// Whether frames may be handled now; tells the core when that changes.
    fn may_handle(&mut self, ready: bool) -> bool {
        let backlogged = self.is_backlogged();
        let paused = match (ready, backlogged, self.link.is_short_of_memory()) {
            _ if self.core.remote().is_none() => None,
            (false, _, _) => Some(Paused::ByHandler),
            (true, true, _) => Some(Paused::ByBacklog),
            (true, false, true) => Some(Paused::ByShortage),
            (true, false, false) => None,
        };
        if paused != self.paused {
            self.paused = paused;
            self.core.set_paused(self.shared.clock.now(), paused);
        }
        // Whoever is short of memory must go on asking for it.
        paused.is_none() || (ready && !backlogged)
    }

    fn note_arriving(&mut self, now: Now) {
        let arriving = self.link.transport.arriving().map_or(0, |frame| frame.wire_len);
        if arriving != self.arriving {
            self.arriving = arriving;
            if arriving > 0 {
                self.core.handle_arriving(now, arriving);
            }
        }
    }

    fn note_writing(&mut self, now: Now) {
        let current = self.link.current_frame();
        if current.map(|(end, _)| end) != self.writing {
            self.writing = current.map(|(end, _)| end);
            self.core.set_writing(now, current.map(|(_, len)| len));
        }
    }

    fn measure(&mut self, now: Now) {
        let (received, sent) = (self.link.received(), self.link.sent());
        let heard = received != self.measured.bytes_received;
        let said = sent != self.measured.bytes_sent;
        if !heard && !said {
            return;
        }
        self.measured.bytes_received = received;
        self.measured.bytes_sent = sent;
        if heard {
            self.measured.last_received = Some(now.unix);
        }
        if said {
            self.measured.last_sent = Some(now.unix);
        }
        if self.core.remote().is_some() {
            self.measured.at = now.mono;
            self.measured.ping = self.core.ping_stats(now);
            self.measured.known_items = self.core.known_items();
            self.publish();
        }
    }

    fn publish(&self) {
        self.shared.measured().copy_from(&self.measured);
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

    /// Says what is left to say, tells the handler and whoever still waits for the opening.
    async fn finish(&mut self, reason: DisconnectReason) -> DisconnectReason {
        let now = self.shared.clock.now();
        self.shared.shut(&reason);
        if self.link.transport.is_open() {
            self.say_farewell(now).await;
        }
        self.deliver();
        if let Some(opened) = self.opened.take() {
            let answered = self.link.received() > 0;
            let may_fall_back = self.may_fall_back && !answered;
            let error = OpenError::ended(reason.clone(), self.link.sent(), may_fall_back);
            let _ = opened.send(Err(error));
        }
        self.handler.handle(&self.peer, Event::Disconnected(reason.clone()));
        self.handler.flush(0);
        self.measure(now);
        reason
    }

    async fn say_farewell(&mut self, now: Now) {
        let Some(message) = self.core.poll_transmit() else { return };
        let mut scratch = Vec::new();
        let payload = Payload::encode::<P>(&message, self.core.version(), &mut scratch);
        let sum = checksum(payload.as_slice());
        let len = self.link.push(message.kind(), payload, sum, None);
        self.sent(now, message.kind(), 1, len);
        // Who does not take it does not hear it.
        let flushed = poll_fn(|cx| self.link.poll_flush(cx));
        let _ = tokio::time::timeout(FAREWELL, flushed).await;
    }
}
