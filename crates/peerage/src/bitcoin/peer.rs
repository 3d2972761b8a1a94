//! The handle to a Bitcoin connection, with the helpers that know its messages.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use bitcoin::BlockHash;
use peerage_peer::{PeerHandle, Receipt, SendError};
use peerage_wire::Command;
use peerage_wire_bitcoin::message::{Addr, AddrV2, Locator, Reject, RejectCode, SendCmpct};
use peerage_wire_bitcoin::types::TimedAddress;
use peerage_wire_bitcoin::{Bitcoin, Kind, Message};

use super::PushedAddresses;
use super::helpers::Memory;

/// A connection to a Bitcoin peer: everything of [`PeerHandle`], and helpers that fill in
/// Bitcoin's messages. In the handle's methods a message is a [`Message`], an item an
/// [`InventoryItem`](super::types::InventoryItem), the remote a [`Remote`](super::Remote).
///
/// Clones are handles to the same connection; dropping the last one disconnects, and what is still
/// queued is not sent. To let everything leave first, await the receipt of the last message.
///
/// ```no_run
/// use peerage::bitcoin::{BlockHash, Message, Peer, types::InventoryItem};
///
/// async fn say_goodbye(peer: Peer, tip: BlockHash) -> Result<(), Box<dyn std::error::Error>> {
///     peer.announce(&[InventoryItem::block(tip)]);
///     let receipt = peer.send_tracked(&Message::SendHeaders).await?;
///     receipt.await?; // its last byte was written
///     peer.disconnect();
///     println!("{}", peer.closed().await);
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Peer {
    handle: PeerHandle<Bitcoin>,
    memory: Arc<Memory>,
}

impl Peer {
    pub(crate) fn new(handle: PeerHandle<Bitcoin>, memory: Arc<Memory>) -> Self {
        Self { handle, memory }
    }

    /// Sends addresses, as `addrv2` (BIP155) where the remote wants it, else as `addr`.
    ///
    /// They are always shuffled; those that the remote has sent us or was sent are left out, and
    /// above 1,000 a uniform choice of 1,000 is sent. What `addr` cannot express (Tor v3, I2P,
    /// CJDNS) is left out for a remote that wants `addr`.
    ///
    /// ```no_run
    /// # use peerage::bitcoin::{Peer, types::TimedAddress};
    /// # async fn f(peer: Peer, addresses: Vec<TimedAddress>) -> Result<(), Box<dyn std::error::Error>> {
    /// let pushed = peer.push_addr(&addresses).await?;
    /// println!("{} of {} were news", pushed.sent.len(), addresses.len());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`PeerHandle::send`].
    pub async fn push_addr(
        &self,
        addresses: &[TimedAddress],
    ) -> Result<PushedAddresses, SendError> {
        let v2 = self.handle.remote().wants_addrv2;
        let legible: Vec<_> = addresses
            .iter()
            .filter(|entry| v2 || entry.peer.address.to_legacy().is_some())
            .copied()
            .collect();
        // Versions below 209 take one address a message.
        let max = if self.handle.remote().agreed < 209 { 1 } else { Addr::MAX };
        let sent = self.memory.choose(&legible, max);
        if sent.is_empty() {
            return Ok(PushedAddresses { sent, receipt: None });
        }
        let message = if v2 {
            Message::AddrV2(AddrV2::new(&sent).expect("at most 1,000 addresses"))
        } else {
            Message::Addr(Addr::new(&sent).expect("at most 1,000 addresses that addr can express"))
        };
        let receipt = self.handle.send_tracked(&message).await?;
        self.memory.learn(&sent);
        Ok(PushedAddresses { sent, receipt: Some(receipt) })
    }

    /// Asks for the hashes of blocks after the first of `locator` that the remote knows.
    ///
    /// Asking the same again (same first hash, same stop) sends nothing and gives `None`, until an
    /// answer has come or its deadline has passed; without a locator nothing is ever left out.
    ///
    /// # Errors
    /// As [`PeerHandle::send`].
    ///
    /// # Panics
    /// If the locator has more than 500 hashes.
    pub async fn push_getblocks(
        &self,
        locator: &[BlockHash],
        stop: BlockHash,
    ) -> Result<Option<Receipt>, SendError> {
        self.push_locator(Kind::GetBlocks, Message::GetBlocks, locator, stop).await
    }

    /// Asks for the headers after the first of `locator` that the remote knows; repetitions as in
    /// [`push_getblocks`](Self::push_getblocks), in a filter of their own.
    ///
    /// ```no_run
    /// # use peerage::bitcoin::{BlockHash, Peer, rust_bitcoin::hashes::Hash as _};
    /// # async fn f(peer: Peer, tip: BlockHash) -> Result<(), Box<dyn std::error::Error>> {
    /// let to_the_end = BlockHash::all_zeros();
    /// assert!(peer.push_getheaders(&[tip], to_the_end).await?.is_some());
    /// assert!(peer.push_getheaders(&[tip], to_the_end).await?.is_none(), "asked already");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`PeerHandle::send`].
    ///
    /// # Panics
    /// If the locator has more than 500 hashes.
    pub async fn push_getheaders(
        &self,
        locator: &[BlockHash],
        stop: BlockHash,
    ) -> Result<Option<Receipt>, SendError> {
        self.push_locator(Kind::GetHeaders, Message::GetHeaders, locator, stop).await
    }

    async fn push_locator(
        &self,
        kind: Kind,
        message: fn(Locator) -> Message,
        locator: &[BlockHash],
        stop: BlockHash,
    ) -> Result<Option<Receipt>, SendError> {
        // Without a first hash nothing is a repetition, as in btcd.
        let question = locator.first().map(|first| [*first, stop]);
        let Some(asking) = self.memory.ask(kind, question) else { return Ok(None) };
        let version = self.handle.remote().agreed;
        let locator = Locator::new(version, locator, stop).expect("a locator of 500 at most");
        let receipt = self.handle.send_tracked(&message(locator)).await?;
        asking.sent();
        Ok(Some(receipt))
    }

    /// Tells the remote why a message of its was rejected; `hash` is the block's or transaction's.
    /// Sends nothing, and gives `None`, to a remote below protocol version 70002, which does not
    /// know `reject`. Core has ignored it since 0.20.
    ///
    /// # Errors
    /// As [`PeerHandle::send`].
    pub async fn push_reject(
        &self,
        command: Command,
        code: RejectCode,
        reason: &str,
        hash: Option<[u8; 32]>,
    ) -> Result<Option<Receipt>, SendError> {
        if self.handle.remote().agreed < 70_002 {
            return Ok(None);
        }
        let reject = Reject::new(command, code, reason);
        let reject = match hash {
            Some(hash) => reject.with_hash(hash),
            None => reject,
        };
        self.handle.send_tracked(&Message::Reject(Box::new(reject))).await.map(Some)
    }

    /// A snapshot of everything measured, taken without waiting for the connection.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let wishes = self.memory.told();
        Stats {
            connection: self.handle.stats(),
            fee_filter: wishes.fee_filter.map(|filter| filter.rate),
            prefers_headers: wishes.headers,
            compact_blocks: wishes.compact_blocks,
        }
    }
}

/// Everything else is the handle's.
impl Deref for Peer {
    type Target = PeerHandle<Bitcoin>;

    fn deref(&self) -> &PeerHandle<Bitcoin> {
        &self.handle
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}

/// Statistics of a Bitcoin connection: those of every connection, and what the remote has told
/// since the opening.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// What every connection has: addresses, bytes, counters, times, heights, queues.
    pub connection: peerage_peer::Stats<Bitcoin>,
    /// The lowest fee rate that the remote wants announced, in satoshi per 1,000 virtual bytes
    /// (BIP133).
    pub fee_filter: Option<i64>,
    /// Whether the remote wants new blocks announced by `headers` (BIP130).
    pub prefers_headers: bool,
    /// The last compact block wish of the remote (BIP152).
    pub compact_blocks: Option<SendCmpct>,
}

impl Deref for Stats {
    type Target = peerage_peer::Stats<Bitcoin>;

    fn deref(&self) -> &Self::Target {
        &self.connection
    }
}
