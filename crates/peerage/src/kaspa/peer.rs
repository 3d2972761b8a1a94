//! The handle to a connection, with what knows Kaspa's requests.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use peerage_peer::{PeerHandle, Receipt, SendError};
use peerage_wire_kaspa::proto::message::{Reject, RequestHeaders};
use peerage_wire_kaspa::proto::types::Hash;
use peerage_wire_kaspa::proto::{Kaspa, Payload};

use super::answers::{Answers, Request, RequestError};
use super::correlate::Correlator;

/// A connection to a peer: everything of [`PeerHandle`], and requests with typed answers. In the
/// handle's methods a message is a [`Message`](super::Message), an item an [`Item`](super::Item),
/// the remote a [`Remote`](super::Remote).
///
/// Clones are handles to the same connection; dropping the last one disconnects, and what is still
/// queued is not sent. To let everything leave first, await the receipt of the last message.
///
/// ```no_run
/// use peerage::kaspa::message::{RequestHeaders, RequestRelayBlocks};
/// use peerage::kaspa::{Item, Peer, types::Hash};
///
/// async fn follow(peer: Peer, from: Hash, tip: Hash) -> Result<(), Box<dyn std::error::Error>> {
///     let range = RequestHeaders { low_hash: Some(from), high_hash: Some(tip) };
///     let mut batches = peer.request(range).await?;
///     while let Some(headers) = batches.next().await {
///         println!("{} headers", headers?.len());
///     }
///     let mut blocks = peer.request(RequestRelayBlocks { hashes: vec![tip] }).await?;
///     while let Some(block) = blocks.next().await {
///         println!("{} transactions", block?.transactions.len());
///     }
///     peer.announce(&[Item::Block(tip)]);
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Peer {
    handle: PeerHandle<Kaspa>,
    correlator: Arc<Correlator>,
}

impl Peer {
    pub(crate) fn new(handle: PeerHandle<Kaspa>, correlator: Arc<Correlator>) -> Self {
        Self { handle, correlator }
    }

    /// Asks the remote, and gives its answer or, where there are several, the stream of
    /// [`Answers`]. They are not among the connection's events.
    ///
    /// Events that nobody reads stop the connection once they hold
    /// [`EngineConfig::event_limit`](super::EngineConfig::event_limit) bytes, and with it the answers:
    /// read them on another task, use a [`Listener`](super::Listener), or drop them.
    ///
    /// A remote that does not answer within its time ends the connection
    /// ([`EngineConfig::stall_detection`](super::EngineConfig::stall_detection)). Dropping the
    /// future, or the answers, gives the request up; what still comes is a message like others.
    ///
    /// ```no_run
    /// # use peerage::kaspa::{Peer, message::RequestAddresses};
    /// # async fn f(peer: Peer) -> Result<(), Box<dyn std::error::Error>> {
    /// let known = peer.request(RequestAddresses::default()).await?;
    /// println!("{} addresses", known.addresses.len());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn request<R: Request>(&self, request: R) -> Result<R::Answer, RequestError> {
        let answers = Answers::ask(self.handle.clone(), &self.correlator, request).await?;
        R::finish(answers).await
    }

    /// Asks for the headers after `low` up to `high`, in batches: [`request`](Self::request) with
    /// [`RequestHeaders`].
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn push_get_headers(
        &self,
        low: Hash,
        high: Hash,
    ) -> Result<Answers<RequestHeaders>, RequestError> {
        self.request(RequestHeaders { low_hash: Some(low), high_hash: Some(high) }).await
    }

    /// Tells the remote why we do not want it any more. To let it leave before disconnecting, await
    /// the receipt.
    ///
    /// # Errors
    /// As [`PeerHandle::send`].
    pub async fn push_reject(&self, reason: &str) -> Result<Receipt, SendError> {
        let reject = Reject { reason: reason.to_owned() };
        self.handle.send_tracked(&Payload::Reject(reject).into()).await
    }
}

/// Everything else is the handle's.
impl Deref for Peer {
    type Target = PeerHandle<Kaspa>;

    fn deref(&self) -> &PeerHandle<Kaspa> {
        &self.handle
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}
