//! The handle to a connection, with the helpers that know legacy Kaspa's messages.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use peerage_peer::{PeerHandle, Receipt, SendError};
use peerage_wire::Command;
use peerage_wire_kaspa::legacy::message::{
    Addr, GetBlockInvs, GetLocator, Locator, Reject, RejectCode,
};
use peerage_wire_kaspa::legacy::types::{Hash, Subnetworks, TimedAddress};
use peerage_wire_kaspa::legacy::{KaspaLegacy, Kind, Message};

use super::PushedAddresses;
use super::helpers::Memory;

/// A connection to a peer: everything of [`PeerHandle`], and helpers that fill in messages. In the
/// handle's methods a message is a [`Message`], an item an
/// [`InventoryItem`](super::types::InventoryItem), the remote a [`Remote`](super::Remote).
///
/// Clones are handles to the same connection; dropping the last one disconnects, and what is still
/// queued is not sent. To let everything leave first, await the receipt of the last message.
///
/// ```no_run
/// use peerage::kaspa_legacy::{Peer, types::{Hash, InventoryItem}};
///
/// async fn synchronise(peer: Peer, genesis: Hash) -> Result<(), Box<dyn std::error::Error>> {
///     let tip = peer.stats().selected_tip;
///     if let Some(receipt) = peer.push_getblockinvs(genesis, tip).await? {
///         receipt.await?; // its last byte was written
///     }
///     peer.announce(&[InventoryItem::block(genesis)]);
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Peer {
    handle: PeerHandle<KaspaLegacy>,
    memory: Arc<Memory>,
}

impl Peer {
    pub(crate) fn new(handle: PeerHandle<KaspaLegacy>, memory: Arc<Memory>) -> Self {
        Self { handle, memory }
    }

    /// Sends addresses of nodes of these subnetworks.
    ///
    /// They are always shuffled; those that the remote has sent us or was sent are left out, and
    /// above 1,000 a uniform choice of 1,000 is sent. If none is left, nothing is: an empty answer to
    /// a `getaddr`, as kaspad gives it, is a [`Message::Addr`] of its own.
    ///
    /// ```no_run
    /// # use peerage::kaspa_legacy::{Peer, types::{Subnetworks, TimedAddress}};
    /// # async fn f(peer: Peer, addresses: Vec<TimedAddress>) -> Result<(), Box<dyn std::error::Error>> {
    /// let pushed = peer.push_addr(Subnetworks::FullNodes, &addresses).await?;
    /// println!("{} of {} were news", pushed.sent.len(), addresses.len());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`PeerHandle::send`].
    pub async fn push_addr(
        &self,
        subnetworks: Subnetworks,
        addresses: &[TimedAddress],
    ) -> Result<PushedAddresses, SendError> {
        let sent = self.memory.choose(addresses, Addr::MAX);
        if sent.is_empty() {
            return Ok(PushedAddresses { sent, receipt: None });
        }
        let addr = Addr::new(subnetworks, &sent).expect("at most 1,000 addresses");
        let receipt = self.handle.send_tracked(&Message::Addr(addr)).await?;
        self.memory.learn(&sent);
        Ok(PushedAddresses { sent, receipt: Some(receipt) })
    }

    /// Asks for an `inv` of the blocks from `low`, which the remote must know, to `high`.
    ///
    /// Asking the same again sends nothing and gives `None`, until an answer has come or its
    /// deadline has passed.
    ///
    /// # Errors
    /// As [`PeerHandle::send`].
    pub async fn push_getblockinvs(
        &self,
        low: Hash,
        high: Hash,
    ) -> Result<Option<Receipt>, SendError> {
        let message = Message::GetBlockInvs(GetBlockInvs { low, high });
        self.push_question(Kind::GetBlockInvs, [low, high], message).await
    }

    /// Asks for a `locator` of blocks from `high` down to `low`; repetitions as in
    /// [`push_getblockinvs`](Self::push_getblockinvs), in a filter of their own.
    ///
    /// # Errors
    /// As [`PeerHandle::send`].
    pub async fn push_getlocator(
        &self,
        high: Hash,
        low: Hash,
    ) -> Result<Option<Receipt>, SendError> {
        let message = Message::GetLocator(GetLocator { high, low });
        self.push_question(Kind::GetLocator, [high, low], message).await
    }

    async fn push_question(
        &self,
        kind: Kind,
        between: [Hash; 2],
        message: Message,
    ) -> Result<Option<Receipt>, SendError> {
        let Some(asking) = self.memory.ask(kind, Some(between)) else { return Ok(None) };
        let receipt = self.handle.send_tracked(&message).await?;
        asking.sent();
        Ok(Some(receipt))
    }

    /// Answers a `getlocator` with these blocks, the highest first. Above 500 the first 500 are
    /// sent: each is a sensible end.
    ///
    /// # Errors
    /// As [`PeerHandle::send`].
    pub async fn push_locator(&self, blocks: &[Hash]) -> Result<Receipt, SendError> {
        let blocks = blocks.get(..Locator::MAX).unwrap_or(blocks);
        let locator = Locator::new(blocks).expect("at most 500 blocks");
        self.handle.send_tracked(&Message::Locator(locator)).await
    }

    /// Tells the remote why a message of its was rejected; `hash` is the block's or transaction's.
    ///
    /// # Errors
    /// As [`PeerHandle::send`].
    pub async fn push_reject(
        &self,
        command: Command,
        code: RejectCode,
        reason: &str,
        hash: Option<Hash>,
    ) -> Result<Receipt, SendError> {
        let reject = Reject::new(command, code, reason);
        let reject = match hash {
            Some(hash) => reject.with_hash(hash),
            None => reject,
        };
        self.handle.send_tracked(&Message::Reject(Box::new(reject))).await
    }

    /// Their selected chain has this tip. What they say themselves, in `version` and `selectedtip`,
    /// is noted without this.
    pub fn set_selected_tip(&self, hash: Hash) {
        self.memory.tell(|told| told.selected_tip = Some(hash));
    }

    /// A snapshot of everything measured, taken without waiting for the connection.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let connection = self.handle.stats();
        let told = self.memory.told();
        Stats {
            fee_filter: told.fee_filter.map(|filter| filter.min_fee),
            selected_tip: told.selected_tip.unwrap_or(connection.remote.selected_tip),
            verack_received: connection.received.get(Kind::Verack).messages > 0,
            connection,
        }
    }
}

/// Everything else is the handle's.
impl Deref for Peer {
    type Target = PeerHandle<KaspaLegacy>;

    fn deref(&self) -> &PeerHandle<KaspaLegacy> {
        &self.handle
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}

/// Statistics of a connection: those of every connection, and what the remote has told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// What every connection has: addresses, bytes, counters, times, queues. Its height is always
    /// 0.
    pub connection: peerage_peer::Stats<KaspaLegacy>,
    /// The lowest fee that the remote wants announced, in sompi per megagram of mass.
    pub fee_filter: Option<i64>,
    /// The tip of the remote's selected chain, as it last told it or as
    /// [`set_selected_tip`](Peer::set_selected_tip) has it.
    pub selected_tip: Hash,
    /// Whether the remote has accepted our introduction.
    pub verack_received: bool,
}

impl Deref for Stats {
    type Target = peerage_peer::Stats<KaspaLegacy>;

    fn deref(&self) -> &Self::Target {
        &self.connection
    }
}
