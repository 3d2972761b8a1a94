//! One established connection: what it sends, what it waits for, and how it ends.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use kaspa_p2p_lib::common::ProtocolError;
use kaspa_p2p_lib::pb::{KaspadMessage, kaspad_message::Payload};
use kaspa_p2p_lib::{BLANK_ROUTE_ID, IncomingRoute, Router};
use serde_json::json;

use crate::describe;
use crate::endings;
use crate::events::{Fields, fields};
use crate::node::{Node, event};

/// The ids that requests carry so that their answers find the route of the one who asked.
#[derive(Clone, Copy)]
pub(crate) struct Ids {
    pub(crate) relay: u32,
    pub(crate) ibd: u32,
}

/// What this side has asked for and not had yet.
#[derive(Default)]
pub(crate) struct Asked {
    /// The pings on their way, oldest first.
    pub(crate) pings: VecDeque<(u64, Instant)>,
    pub(crate) addresses: usize,
    pub(crate) headers: usize,
    /// How many parts of a stream have come since it was asked for: chunks of unspent outputs, blocks
    /// with trusted data, chunks of lanes; and how many lanes are still to come.
    pub(crate) utxo_chunks: Option<usize>,
    pub(crate) trusted_blocks: Option<usize>,
    pub(crate) lane_chunks: Option<usize>,
    pub(crate) lanes_left: u64,
}

/// One established connection.
pub(crate) struct Connection {
    pub(crate) number: u32,
    pub(crate) node: Arc<Node>,
    pub(crate) ids: Ids,
    router: Arc<Router>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    asked: Asked,
    /// Why this side ended it, if it did.
    reason: Option<String>,
    received: BTreeMap<String, u64>,
    sent: BTreeMap<String, u64>,
}

impl Connection {
    pub(crate) fn new(number: u32, node: Arc<Node>, router: Arc<Router>, ids: Ids) -> Self {
        Self { number, node, ids, router, state: Mutex::default() }
    }

    /// What it was asked for; not to be held while anything is awaited.
    pub(crate) fn asked<T>(&self, look: impl FnOnce(&mut Asked) -> T) -> T {
        look(&mut self.state().asked)
    }

    pub(crate) fn protocol_version(&self) -> u32 {
        self.router.properties().protocol_version
    }

    /// Queues a message that belongs to no request.
    pub(crate) async fn send(&self, payload: Payload) -> Result<(), ProtocolError> {
        self.queue(payload, BLANK_ROUTE_ID, BLANK_ROUTE_ID).await
    }

    /// Queues a request whose answers carry this id.
    pub(crate) async fn request(&self, payload: Payload, id: u32) -> Result<(), ProtocolError> {
        self.queue(payload, BLANK_ROUTE_ID, id).await
    }

    /// Queues the answer to the request with this id.
    pub(crate) async fn respond(&self, payload: Payload, id: u32) -> Result<(), ProtocolError> {
        self.queue(payload, id, BLANK_ROUTE_ID).await
    }

    async fn queue(
        &self,
        payload: Payload,
        response_id: u32,
        request_id: u32,
    ) -> Result<(), ProtocolError> {
        *self.state().sent.entry(describe::kind(&payload)).or_default() += 1;
        let message = KaspadMessage { payload: Some(payload), response_id, request_id };
        self.event("sent", describe::message(&message)?);
        self.router.enqueue(message).await
    }

    /// Waits for the next message of a route.
    ///
    /// # Errors
    ///
    /// The connection has ended, or kaspa's code does not accept the message.
    pub(crate) async fn receive(
        &self,
        route: &mut IncomingRoute,
    ) -> Result<(Payload, u32), ProtocolError> {
        let message = route.recv().await.ok_or(ProtocolError::ConnectionClosed)?;
        let all = describe::message(&message)?;
        let payload = message.payload.expect("the router refuses empty messages");
        *self.state().received.entry(describe::kind(&payload)).or_default() += 1;
        self.event("message", all);
        Ok((payload, message.request_id))
    }

    /// Ends it for an error of a flow, as kaspad does: with a `Reject` that says why.
    pub(crate) async fn fail(&self, error: ProtocolError) {
        if error.is_connection_closed_error() {
            self.router.close().await;
            return;
        }
        self.router.try_sending_reject_message(&error).await;
        self.end(&error.to_string()).await;
    }

    /// Ends it without a word.
    pub(crate) async fn end(&self, reason: &str) {
        self.state().reason.get_or_insert_with(|| reason.to_owned());
        self.router.close().await;
    }

    /// Says goodbye when all its flows have ended.
    pub(crate) fn ended(&self) {
        let told = endings::take(self.router.net_address());
        let reason = self.state().reason.take().or(told);
        self.node.remove(self.number);
        self.event(
            "disconnected",
            fields([("reason", reason.into()), ("established", true.into())]),
        );
    }

    /// What is known of it, for the statistics.
    pub(crate) fn facts(&self) -> serde_json::Value {
        let (properties, state) = (self.router.properties(), self.state());
        json!({
            "conn": self.number,
            "addr": self.router.net_address().to_string(),
            "inbound": !self.router.is_outbound(),
            "id": self.router.identity().to_string(),
            "user_agent": properties.user_agent,
            "protocol_version": properties.protocol_version,
            "advertised_protocol_version": properties.advertised_protocol_version,
            "time_offset": properties.time_offset,
            "last_ping_ms": self.router.last_ping_duration(),
            "received": state.received,
            "sent": state.sent,
        })
    }

    pub(crate) fn set_ping(&self, milliseconds: u64) {
        self.router.set_last_ping_duration(milliseconds);
    }

    pub(crate) fn event(&self, name: &str, all: Fields) {
        event(name, self.number, &self.router, all);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
