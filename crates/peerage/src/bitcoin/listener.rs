//! The listener: one method for each message, called on the connection's task.

use std::sync::Arc;

use peerage_peer::{DisconnectReason, Event, Handler, Misbehaviour, PeerHandle};
use peerage_wire::{Command, Malformed, Refusal};
use peerage_wire_bitcoin::message::{
    Addr, AddrV2, Block, BlockTxn, CFCheckpt, CFHeaders, CFilter, CmpctBlock, Feature, FeeFilter,
    FilterAdd, FilterLoad, GetBlockTxn, GetCFCheckpt, GetCFHeaders, GetCFilters, Headers,
    Inventory, Locator, MerkleBlock, Ping, Pong, Reject, SendCmpct, SendTxRcncl, Tx,
};
use peerage_wire_bitcoin::{Bitcoin, Kind, Message, Remote};

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
/// use peerage::bitcoin::message::Inventory;
/// use peerage::bitcoin::{Listener, Message, Peer, Refusal, Remote, State, types::Services};
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
///
///     fn on_state(&mut self, _peer: &Peer, state: State) {
///         println!("{state:?}");
///     }
/// }
/// ```
pub trait Listener: Send + 'static {
    /// Whether [`on_read`](Self::on_read) and [`on_write`](Self::on_write) are called; others pay
    /// nothing for them.
    const WIRE: bool = false;

    /// Inside the opening: what the remote says of itself in `version`, before we answer. Features
    /// are not negotiated yet.
    ///
    /// # Errors
    /// A refusal ends the connection; peers of versions 70002 to 70015 are told with a `reject`.
    fn on_version(&mut self, _remote: &Remote) -> Result<(), Refusal> {
        Ok(())
    }

    /// The remote has accepted our introduction; inside the opening.
    fn on_verack(&mut self, _peer: &Peer) {}

    /// Inside the opening: the remote wants `addrv2` (BIP155).
    fn on_sendaddrv2(&mut self, _peer: &Peer) {}

    /// Inside the opening: the remote announces by wtxid (BIP339).
    fn on_wtxidrelay(&mut self, _peer: &Peer) {}

    /// Inside the opening: the remote offers reconciliation (BIP330).
    fn on_sendtxrcncl(&mut self, _peer: &Peer, _message: SendTxRcncl) {}

    /// Inside the opening: the remote announces a feature (BIP434).
    fn on_feature(&mut self, _peer: &Peer, _message: Feature) {}

    /// Addresses are asked for.
    fn on_getaddr(&mut self, _peer: &Peer) {}

    /// Addresses.
    fn on_addr(&mut self, _peer: &Peer, _message: Addr) {}

    /// Addresses of every network (BIP155).
    fn on_addrv2(&mut self, _peer: &Peer, _message: AddrV2) {}

    /// A ping; its pong is sent without doing.
    fn on_ping(&mut self, _peer: &Peer, _message: Ping) {}

    /// A pong, to our ping or to another.
    fn on_pong(&mut self, _peer: &Peer, _message: Pong) {}

    /// What the remote has.
    fn on_inv(&mut self, _peer: &Peer, _message: Inventory) {}

    /// What the remote wants.
    fn on_getdata(&mut self, _peer: &Peer, _message: Inventory) {}

    /// What the remote does not have.
    fn on_notfound(&mut self, _peer: &Peer, _message: Inventory) {}

    /// Hashes of blocks are asked for.
    fn on_getblocks(&mut self, _peer: &Peer, _message: Locator) {}

    /// Headers are asked for.
    fn on_getheaders(&mut self, _peer: &Peer, _message: Locator) {}

    /// Headers.
    fn on_headers(&mut self, _peer: &Peer, _message: Headers) {}

    /// A block.
    fn on_block(&mut self, _peer: &Peer, _message: Block) {}

    /// A transaction.
    fn on_tx(&mut self, _peer: &Peer, _message: Tx) {}

    /// A filtered block (BIP37).
    fn on_merkleblock(&mut self, _peer: &Peer, _message: MerkleBlock) {}

    /// The remote wants blocks announced by `headers` (BIP130).
    fn on_sendheaders(&mut self, _peer: &Peer) {}

    /// The remote's lowest fee rate (BIP133).
    fn on_feefilter(&mut self, _peer: &Peer, _message: FeeFilter) {}

    /// The remote takes compact blocks (BIP152).
    fn on_sendcmpct(&mut self, _peer: &Peer, _message: SendCmpct) {}

    /// A compact block.
    fn on_cmpctblock(&mut self, _peer: &Peer, _message: CmpctBlock) {}

    /// Transactions of a compact block are asked for.
    fn on_getblocktxn(&mut self, _peer: &Peer, _message: GetBlockTxn) {}

    /// Transactions of a compact block.
    fn on_blocktxn(&mut self, _peer: &Peer, _message: BlockTxn) {}

    /// The memory pool is asked for (BIP35).
    fn on_mempool(&mut self, _peer: &Peer) {}

    /// The remote sets a bloom filter (BIP37).
    fn on_filterload(&mut self, _peer: &Peer, _message: FilterLoad) {}

    /// The remote adds to its bloom filter.
    fn on_filteradd(&mut self, _peer: &Peer, _message: FilterAdd) {}

    /// The remote removes its bloom filter.
    fn on_filterclear(&mut self, _peer: &Peer) {}

    /// Block filters are asked for (BIP157).
    fn on_getcfilters(&mut self, _peer: &Peer, _message: GetCFilters) {}

    /// A block filter.
    fn on_cfilter(&mut self, _peer: &Peer, _message: CFilter) {}

    /// Filter headers are asked for.
    fn on_getcfheaders(&mut self, _peer: &Peer, _message: GetCFHeaders) {}

    /// Filter headers.
    fn on_cfheaders(&mut self, _peer: &Peer, _message: CFHeaders) {}

    /// Filter checkpoints are asked for.
    fn on_getcfcheckpt(&mut self, _peer: &Peer, _message: GetCFCheckpt) {}

    /// Filter checkpoints.
    fn on_cfcheckpt(&mut self, _peer: &Peer, _message: CFCheckpt) {}

    /// Something of ours was rejected.
    fn on_reject(&mut self, _peer: &Peer, _message: Reject) {}

    /// A final alert, or another: recognised, and ignored unless this is written.
    fn on_alert(&mut self, _peer: &Peer, _payload: &[u8]) {}

    /// A message that this library does not define, in the opening or after it.
    fn on_unknown(&mut self, _peer: &Peer, _command: Command, _payload: &[u8]) {}

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
            Message::Version(_) => {} // told by on_version
            Message::Verack => listener.on_verack(peer),
            Message::SendAddrV2 => listener.on_sendaddrv2(peer),
            Message::WtxidRelay => listener.on_wtxidrelay(peer),
            Message::SendTxRcncl(message) => listener.on_sendtxrcncl(peer, message),
            Message::Feature(message) => listener.on_feature(peer, message),
            Message::GetAddr => listener.on_getaddr(peer),
            Message::Addr(message) => listener.on_addr(peer, message),
            Message::AddrV2(message) => listener.on_addrv2(peer, message),
            Message::Ping(message) => listener.on_ping(peer, message),
            Message::Pong(message) => listener.on_pong(peer, message),
            Message::Inv(message) => listener.on_inv(peer, message),
            Message::GetData(message) => listener.on_getdata(peer, message),
            Message::NotFound(message) => listener.on_notfound(peer, message),
            Message::GetBlocks(message) => listener.on_getblocks(peer, message),
            Message::GetHeaders(message) => listener.on_getheaders(peer, message),
            Message::Headers(message) => listener.on_headers(peer, message),
            Message::Block(message) => listener.on_block(peer, message),
            Message::Tx(message) => listener.on_tx(peer, message),
            Message::MerkleBlock(message) => listener.on_merkleblock(peer, message),
            Message::SendHeaders => listener.on_sendheaders(peer),
            Message::FeeFilter(message) => listener.on_feefilter(peer, message),
            Message::SendCmpct(message) => listener.on_sendcmpct(peer, message),
            Message::CmpctBlock(message) => listener.on_cmpctblock(peer, message),
            Message::GetBlockTxn(message) => listener.on_getblocktxn(peer, message),
            Message::BlockTxn(message) => listener.on_blocktxn(peer, message),
            Message::MemPool => listener.on_mempool(peer),
            Message::FilterLoad(message) => listener.on_filterload(peer, message),
            Message::FilterAdd(message) => listener.on_filteradd(peer, message),
            Message::FilterClear => listener.on_filterclear(peer),
            Message::GetCFilters(message) => listener.on_getcfilters(peer, message),
            Message::CFilter(message) => listener.on_cfilter(peer, message),
            Message::GetCFHeaders(message) => listener.on_getcfheaders(peer, message),
            Message::CFHeaders(message) => listener.on_cfheaders(peer, message),
            Message::GetCFCheckpt(message) => listener.on_getcfcheckpt(peer, message),
            Message::CFCheckpt(message) => listener.on_cfcheckpt(peer, message),
            Message::Reject(message) => listener.on_reject(peer, *message),
            Message::Alert(payload) => listener.on_alert(peer, &payload),
            Message::Unknown { command, payload } => listener.on_unknown(peer, command, &payload),
            _ => {}
        }
    }
}

impl<L: Listener> Handler<Bitcoin> for Dispatch<L> {
    const WIRE: bool = L::WIRE;

    fn remote(&mut self, remote: &Remote) -> Result<(), Refusal> {
        self.listener.on_version(remote)
    }

    fn handle(&mut self, handle: &PeerHandle<Bitcoin>, event: Event<Bitcoin>) {
        let memory = &self.memory;
        let peer = self.peer.take().unwrap_or_else(|| Peer::new(handle.clone(), memory.clone()));
        match event {
            Event::Message(message) | Event::Opening(message) => self.message(&peer, message),
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
        _peer: &PeerHandle<Bitcoin>,
        kind: Option<Kind>,
        bytes: usize,
        error: Option<&Malformed>,
    ) {
        self.listener.on_read(kind, bytes, error);
    }

    fn on_write(&mut self, _peer: &PeerHandle<Bitcoin>, kind: Kind, bytes: usize) {
        self.listener.on_write(kind, bytes);
    }
}

fn state(event: Event<Bitcoin>) -> Option<State> {
    Some(match event {
        Event::Established(_) => State::Established,
        Event::Room => State::Room,
        Event::Unanswered(kind) => State::Unanswered(kind),
        Event::Misbehaved(what) => State::Misbehaved(what),
        Event::Disconnected(reason) => State::Disconnected(reason),
        _ => return None,
    })
}
