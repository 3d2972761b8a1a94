//! The listener: one method for each message, called on the connection's task.

use std::sync::Arc;

use peerage_peer::{DisconnectReason, Event, Handler, Misbehaviour, PeerHandle};
use peerage_wire::{Malformed, Refusal};
use peerage_wire_kaspa::legacy::message::{
    Addr, Block, FeeFilter, FilterAdd, FilterLoad, GetAddr, GetBlockInvs, GetLocator, Inventory,
    Locator, MerkleBlock, Ping, Pong, Reject, SelectedTip, Tx,
};
use peerage_wire_kaspa::legacy::{KaspaLegacy, Kind, Message, Remote};

use super::Peer;
use super::helpers::Memory;

/// What happens on a connection beside messages.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// The opening is done.
    Established,
    /// The outbox was full and has room again.
    Room,
    /// A request that may stay unanswered was not answered in time.
    Unanswered(Kind),
    /// Something that deserves a lower opinion of the remote.
    Misbehaved(Misbehaviour),
    /// The connection has ended; the last call.
    Disconnected(DisconnectReason),
}

/// Is called as messages arrive, on the connection's task, in their order. Every method may be left
/// out.
///
/// While a method runs, nothing is read from its peer: that is the back-pressure, and it must not
/// block. It may call anything that [`Peer`] offers without `async`; nothing of that waits, so no
/// dead-lock is possible. A panic ends its connection and no other.
///
/// ```
/// use peerage::kaspa_legacy::message::Inventory;
/// use peerage::kaspa_legacy::{Listener, Message, Peer, Refusal, Remote, types::Services};
///
/// struct Follow;
///
/// impl Listener for Follow {
///     fn on_version(&mut self, remote: &Remote) -> Result<(), Refusal> {
///         match remote.services.contains(Services::NETWORK) {
///             true => Ok(()),
///             false => Err(Refusal::new("no blocks to be had")),
///         }
///     }
///
///     fn on_inv(&mut self, peer: &Peer, inventory: Inventory) {
///         // One answer a message always finds room.
///         let _ = peer.try_send(&Message::GetData(inventory));
///     }
/// }
/// ```
pub trait Listener: Send + 'static {
    /// Whether [`on_read`](Self::on_read) and [`on_write`](Self::on_write) are called; others pay
    /// nothing for them.
    const WIRE: bool = false;

    /// Inside the opening: what the remote says of itself in `version`, before we answer.
    ///
    /// # Errors
    /// A refusal ends the connection; the remote is told with a `reject`.
    fn on_version(&mut self, _remote: &Remote) -> Result<(), Refusal> {
        Ok(())
    }

    /// The remote has accepted our introduction. Nothing waits for it, and it may never come.
    fn on_verack(&mut self, _peer: &Peer) {}

    /// Addresses are asked for.
    fn on_getaddr(&mut self, _peer: &Peer, _message: GetAddr) {}

    /// Addresses.
    fn on_addr(&mut self, _peer: &Peer, _message: Addr) {}

    /// A ping; its pong is sent without doing.
    fn on_ping(&mut self, _peer: &Peer, _message: Ping) {}

    /// A pong, to our ping or to another.
    fn on_pong(&mut self, _peer: &Peer, _message: Pong) {}

    /// What the remote has, or what it was asked for with getblockinvs.
    fn on_inv(&mut self, _peer: &Peer, _message: Inventory) {}

    /// What the remote wants.
    fn on_getdata(&mut self, _peer: &Peer, _message: Inventory) {}

    /// What the remote does not have.
    fn on_notfound(&mut self, _peer: &Peer, _message: Inventory) {}

    /// The blocks between two are asked for.
    fn on_getblockinvs(&mut self, _peer: &Peer, _message: GetBlockInvs) {}

    /// A locator is asked for.
    fn on_getlocator(&mut self, _peer: &Peer, _message: GetLocator) {}

    /// A locator.
    fn on_locator(&mut self, _peer: &Peer, _message: Locator) {}

    /// Our selected tip is asked for.
    fn on_getseltip(&mut self, _peer: &Peer) {}

    /// The remote's selected tip.
    fn on_selectedtip(&mut self, _peer: &Peer, _message: SelectedTip) {}

    /// A block.
    fn on_block(&mut self, _peer: &Peer, _message: Block) {}

    /// A transaction.
    fn on_tx(&mut self, _peer: &Peer, _message: Tx) {}

    /// A filtered block.
    fn on_merkleblock(&mut self, _peer: &Peer, _message: MerkleBlock) {}

    /// The remote's lowest fee.
    fn on_feefilter(&mut self, _peer: &Peer, _message: FeeFilter) {}

    /// The remote sets a bloom filter.
    fn on_filterload(&mut self, _peer: &Peer, _message: FilterLoad) {}

    /// The remote adds to its bloom filter.
    fn on_filteradd(&mut self, _peer: &Peer, _message: FilterAdd) {}

    /// The remote removes its bloom filter.
    fn on_filterclear(&mut self, _peer: &Peer) {}

    /// Something of ours was rejected.
    fn on_reject(&mut self, _peer: &Peer, _message: Reject) {}

    /// Any message but `version`, before the method of its own: for those who want all of them in
    /// one place.
    fn on_message(&mut self, _peer: &Peer, _message: &Message) {}

    /// Something that is no message.
    fn on_state(&mut self, _peer: &Peer, _state: State) {}

    /// A frame of `bytes` on the wire was read; `kind` is `None` where it could not be told. The
    /// opening's are included, for which there is no [`Peer`] yet.
    fn on_read(&mut self, _kind: Option<Kind>, _bytes: usize, _error: Option<&Malformed>) {}

    /// A frame of `bytes` on the wire was made ready for writing.
    fn on_write(&mut self, _kind: Kind, _bytes: usize) {}
}

/// The handler that calls a listener's methods.
pub(crate) struct Dispatch<L> {
    listener: L,
    memory: Arc<Memory>,
    peer: Option<Peer>,
}

impl<L: Listener> Dispatch<L> {
    pub(crate) fn new(listener: L, memory: Arc<Memory>) -> Self {
        Self { listener, memory, peer: None }
    }

    fn message(&mut self, peer: &Peer, message: Message) {
        let listener = &mut self.listener;
        listener.on_message(peer, &message);
        match message {
            Message::Verack => listener.on_verack(peer),
            Message::GetAddr(message) => listener.on_getaddr(peer, message),
            Message::Addr(message) => listener.on_addr(peer, message),
            Message::Ping(message) => listener.on_ping(peer, message),
            Message::Pong(message) => listener.on_pong(peer, message),
            Message::Inv(message) => listener.on_inv(peer, message),
            Message::GetData(message) => listener.on_getdata(peer, message),
            Message::NotFound(message) => listener.on_notfound(peer, message),
            Message::GetBlockInvs(message) => listener.on_getblockinvs(peer, message),
            Message::GetLocator(message) => listener.on_getlocator(peer, message),
            Message::Locator(message) => listener.on_locator(peer, message),
            Message::GetSelTip => listener.on_getseltip(peer),
            Message::SelectedTip(message) => listener.on_selectedtip(peer, message),
            Message::Block(message) => listener.on_block(peer, message),
            Message::Tx(message) => listener.on_tx(peer, message),
            Message::MerkleBlock(message) => listener.on_merkleblock(peer, message),
            Message::FeeFilter(message) => listener.on_feefilter(peer, message),
            Message::FilterLoad(message) => listener.on_filterload(peer, message),
            Message::FilterAdd(message) => listener.on_filteradd(peer, message),
            Message::FilterClear => listener.on_filterclear(peer),
            Message::Reject(message) => listener.on_reject(peer, *message),
            _ => {} // a version comes by on_version, and unknown commands end the connection
        }
    }
}

impl<L: Listener> Handler<KaspaLegacy> for Dispatch<L> {
    const WIRE: bool = L::WIRE;

    fn remote(&mut self, remote: &Remote) -> Result<(), Refusal> {
        self.listener.on_version(remote)
    }

    fn handle(&mut self, handle: &PeerHandle<KaspaLegacy>, event: Event<KaspaLegacy>) {
        let memory = &self.memory;
        let peer = self.peer.take().unwrap_or_else(|| Peer::new(handle.clone(), memory.clone()));
        match event {
            Event::Message(message) => self.message(&peer, message),
            event => {
                if let Some(state) = state(event) {
                    self.listener.on_state(&peer, state);
                }
            }
        }
        self.peer = Some(peer);
    }

    fn on_read(
        &mut self,
        _peer: &PeerHandle<KaspaLegacy>,
        kind: Option<Kind>,
        bytes: usize,
        error: Option<&Malformed>,
    ) {
        self.listener.on_read(kind, bytes, error);
    }

    fn on_write(&mut self, _peer: &PeerHandle<KaspaLegacy>, kind: Kind, bytes: usize) {
        self.listener.on_write(kind, bytes);
    }
}

fn state(event: Event<KaspaLegacy>) -> Option<State> {
    Some(match event {
        Event::Established(_) => State::Established,
        Event::Room => State::Room,
        Event::Unanswered(kind) => State::Unanswered(kind),
        Event::Misbehaved(what) => State::Misbehaved(what),
        Event::Disconnected(reason) => State::Disconnected(reason),
        _ => return None,
    })
}
