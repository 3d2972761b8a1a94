//! What tests may know of an end.

use std::collections::HashSet;
use std::time::Duration;

use peerage_peer_core::{DisconnectReason, Peer};
use peerage_transport::Transport;
use peerage_wire_bitcoin::types::InventoryItem;
use peerage_wire_bitcoin::{Bitcoin, Kind, Message};

use super::{End, EndId};

impl End {
    /// Which one it is.
    #[must_use]
    pub const fn id(&self) -> EndId {
        self.id
    }

    /// The engine.
    #[must_use]
    pub const fn core(&self) -> &Peer<Bitcoin> {
        &self.core
    }

    /// What was negotiated, and more.
    #[must_use]
    pub const fn transport(&self) -> &Transport<Kind> {
        &self.transport
    }

    /// When its opening was done.
    #[must_use]
    pub const fn opened_at(&self) -> Option<Duration> {
        self.opened_at
    }

    /// When and why it has ended.
    #[must_use]
    pub fn ended(&self) -> Option<(Duration, &DisconnectReason)> {
        self.ended_at.zip(self.core.closed())
    }

    /// All reasons that were told; one at most.
    #[must_use]
    pub fn reasons(&self) -> &[DisconnectReason] {
        &self.reasons
    }

    /// The messages of callers (not answers) that entered the outbox, in their order.
    #[must_use]
    pub fn sent(&self) -> &[Message] {
        &self.sent
    }

    /// How many of these were written whole: what a receipt tells.
    #[must_use]
    pub const fn acknowledged(&self) -> usize {
        self.acknowledged
    }

    /// All messages after the opening, in their order.
    #[must_use]
    pub fn received(&self) -> &[Message] {
        &self.received
    }

    /// Requests that were given up, with the moment.
    #[must_use]
    pub fn unanswered(&self) -> &[(Duration, Kind)] {
        &self.unanswered
    }

    /// Requests for anything that were sealed, with the moment.
    #[must_use]
    pub fn asked(&self) -> &[(Duration, Kind)] {
        &self.asked
    }

    /// The kinds of what was received, with the moment.
    #[must_use]
    pub fn heard(&self) -> &[(Duration, Kind)] {
        &self.heard
    }

    /// The items that it has announced to the other end.
    #[must_use]
    pub const fn announced(&self) -> &HashSet<InventoryItem> {
        &self.ledger.said
    }

    /// The items that the other end has announced to it.
    #[must_use]
    pub const fn learned(&self) -> &HashSet<InventoryItem> {
        &self.ledger.heard
    }

    /// Items that it announced although the other end had announced them, or a second time.
    #[must_use]
    pub fn announced_in_vain(&self) -> &[InventoryItem] {
        &self.ledger.wrong
    }

    /// Whether everything that it was told to send has been taken by the link.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.outbox.held() == 0 && self.output.is_empty()
    }
}
