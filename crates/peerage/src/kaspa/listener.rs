//! The listener: one method for each message, called on the connection's task.

use std::sync::Arc;

use bytes::Bytes;
use peerage_peer::{DisconnectReason, Event, Handler, Misbehaviour, PeerHandle};
use peerage_wire::{Malformed, Refusal};
use peerage_wire_kaspa::proto::message::{
    Addresses, Block, BlockBody, BlockHeaders, BlockLocator, BlockWithTrustedData,
    BlockWithTrustedDataV4, IbdBlockLocator, IbdBlockLocatorHighestHash, IbdChainBlockLocator,
    InvRelayBlock, InvTransactions, Ping, Pong, PruningPointProof, PruningPointProofChunk,
    PruningPointUtxoSetChunk, PruningPoints, Reject, RequestAddresses, RequestAntipast,
    RequestBlockBodies, RequestBlockLocator, RequestHeaders, RequestIbdBlocks,
    RequestIbdChainBlockLocator, RequestPruningPointSmtState, RequestPruningPointUtxoSet,
    RequestRelayBlocks, RequestTransactions, SmtLaneChunk, SmtMetadata, Transaction,
    TransactionNotFound, TrustedData, TrustedDataChunk,
};
use peerage_wire_kaspa::proto::{Kaspa, Kind, Message, Payload, Remote};

use super::Peer;
use super::correlate::Correlator;

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

/// Makes [`Listener`] and what calls it from one list.
macro_rules! listener {
    (
        empty { $($(#[$empty_doc:meta])* $on_empty:ident($empty:ident);)* }
        filled { $($(#[$doc:meta])* $on:ident($kind:ident: $body:ty);)* }
    ) => {
        /// Is called as messages arrive, on the connection's task, in their order. Every method may
        /// be left out; answers to requests of [`Peer::request`] do not come here.
        ///
        /// While a method runs, nothing is read from its peer: that is the back-pressure, and it
        /// must not block. It may call anything that [`Peer`] offers without `async`; nothing of
        /// that waits, so no dead-lock is possible. A panic ends its connection and no other.
        ///
        /// ```
        /// use peerage::kaspa::message::{InvRelayBlock, RequestRelayBlocks};
        /// use peerage::kaspa::{Listener, Message, Payload, Peer, State};
        ///
        /// struct Follow;
        ///
        /// impl Listener for Follow {
        ///     fn on_inv_relay_block(&mut self, peer: &Peer, _: &Message, inv: &InvRelayBlock) {
        ///         let hashes = inv.hash.into_iter().collect();
        ///         let request = Payload::RequestRelayBlocks(RequestRelayBlocks { hashes });
        ///         // One answer a message always finds room.
        ///         let _ = peer.try_send(&Message { request_id: 1, ..request.into() });
        ///     }
        ///
        ///     fn on_state(&mut self, _: &Peer, state: State) {
        ///         println!("{state:?}");
        ///     }
        /// }
        /// ```
        pub trait Listener: Send + 'static {
            /// Whether [`on_read`](Self::on_read) and [`on_write`](Self::on_write) are called.
            const WIRE: bool = false;

            /// Inside the opening: what they said of themselves.
            ///
            /// # Errors
            /// A refusal ends the connection and is told with a `reject`. Kaspad knows the reasons
            /// `DUPLICATE_CONNECTION` and `LOOPBACK_CONNECTION`.
            fn on_version(&mut self, _remote: &Remote) -> Result<(), Refusal> {
                Ok(())
            }

            $($(#[$empty_doc])*
            fn $on_empty(&mut self, _peer: &Peer, _message: &Message) {})*

            $($(#[$doc])*
            fn $on(&mut self, _peer: &Peer, _message: &Message, _body: &$body) {})*

            /// A message that this library does not define.
            fn on_unknown(&mut self, _peer: &Peer, _message: &Message, _number: u32, _body: &Bytes) {}

            /// Any message but `version`, before the method of its own: for those who want all of
            /// them in one place.
            fn on_message(&mut self, _peer: &Peer, _message: &Message) {}

            /// Something that is no message.
            fn on_state(&mut self, _peer: &Peer, _state: State) {}

            /// A message of `bytes` on the wire was read; `kind` is `None` where it could not be
            /// told. The opening's are included, for which there is no [`Peer`] yet.
            fn on_read(&mut self, _kind: Option<Kind>, _bytes: usize, _error: Option<&Malformed>) {}

            /// A message of `bytes` on the wire was made ready for writing.
            fn on_write(&mut self, _kind: Kind, _bytes: usize) {}
        }

        /// Every kind that has a method. The library's list may grow, and what is not in this one
        /// would be passed over.
        #[cfg(test)]
        const CALLED: &[Kind] = &[Kind::Version, $(Kind::$empty,)* $(Kind::$kind),*];

        fn call(listener: &mut impl Listener, peer: &Peer, message: &Message) {
            listener.on_message(peer, message);
            match &message.payload {
                Payload::Version(_) => {} // told by on_version
                $(Payload::$empty => listener.$on_empty(peer, message),)*
                $(Payload::$kind(body) => listener.$on(peer, message, body),)*
                Payload::Unknown { number, body } => {
                    listener.on_unknown(peer, message, *number, body);
                }
                _ => {}
            }
        }
    };
}

listener! {
    empty {
        /// Accepts an introduction.
        on_verack(Verack);
        /// Says that the other side's messages are being listened to: the last of the opening.
        on_ready(Ready);
        /// Asks for more headers.
        on_request_next_headers(RequestNextHeaders);
        /// Says that these were all headers.
        on_done_headers(DoneHeaders);
        /// Answers that another pruning point is current.
        on_unexpected_pruning_point(UnexpectedPruningPoint);
        /// Asks for more unspent outputs.
        on_request_next_pruning_point_utxo_set_chunk(RequestNextPruningPointUtxoSetChunk);
        /// Says that these were all unspent outputs.
        on_done_pruning_point_utxo_set_chunks(DonePruningPointUtxoSetChunks);
        /// Answers that no block of a locator is known. Nobody sends it any more.
        on_ibd_block_locator_highest_hash_not_found(IbdBlockLocatorHighestHashNotFound);
        /// Says that these were all blocks near the pruning point.
        on_done_blocks_with_trusted_data(DoneBlocksWithTrustedData);
        /// Asks for the pruning point and the blocks beside it.
        on_request_pruning_point_and_its_anticone(RequestPruningPointAndItsAnticone);
        /// Asks for more blocks near the pruning point.
        on_request_next_pruning_point_and_its_anticone_blocks(RequestNextPruningPointAndItsAnticoneBlocks);
        /// Asks for the proof of the pruning point.
        on_request_pruning_point_proof(RequestPruningPointProof);
        /// Asks for more lanes.
        on_request_next_pruning_point_smt_chunk(RequestNextPruningPointSmtChunk);
        /// Says that the proof is complete.
        on_pruning_point_proof_chunks_end(PruningPointProofChunksEnd);
        /// Says that the trusted data is complete.
        on_trusted_data_chunks_end(TrustedDataChunksEnd);
    }
    filled {
        /// Gossip of addresses.
        on_addresses(Addresses: Addresses);
        /// A block that was asked for after its announcement.
        on_block(Block: Block);
        /// A transaction.
        on_transaction(Transaction: Transaction);
        /// Blocks at growing distances.
        on_block_locator(BlockLocator: BlockLocator);
        /// Asks for addresses.
        on_request_addresses(RequestAddresses: RequestAddresses);
        /// Asks for blocks that were announced.
        on_request_relay_blocks(RequestRelayBlocks: RequestRelayBlocks);
        /// Asks for transactions.
        on_request_transactions(RequestTransactions: RequestTransactions);
        /// A block of the initial download.
        on_ibd_block(IbdBlock: Block);
        /// Announces a block.
        on_inv_relay_block(InvRelayBlock: InvRelayBlock);
        /// Announces transactions.
        on_inv_transactions(InvTransactions: InvTransactions);
        /// Asks whether the remote still answers.
        on_ping(Ping: Ping);
        /// Answers a ping.
        on_pong(Pong: Pong);
        /// Answers that a transaction is not to be had.
        on_transaction_not_found(TransactionNotFound: TransactionNotFound);
        /// Says why something was not wanted.
        on_reject(Reject: Reject);
        /// Some unspent outputs.
        on_pruning_point_utxo_set_chunk(PruningPointUtxoSetChunk: PruningPointUtxoSetChunk);
        /// Asks for whole blocks.
        on_request_ibd_blocks(RequestIbdBlocks: RequestIbdBlocks);
        /// A locator. Nobody sends it any more.
        on_ibd_block_locator(IbdBlockLocator: IbdBlockLocator);
        /// The highest block known of a locator. Nobody sends it any more.
        on_ibd_block_locator_highest_hash(IbdBlockLocatorHighestHash: IbdBlockLocatorHighestHash);
        /// A block near the pruning point with all that belongs to it. Nobody sends it any more.
        on_block_with_trusted_data(BlockWithTrustedData: BlockWithTrustedData);
        /// Headers.
        on_block_headers(BlockHeaders: BlockHeaders);
        /// Asks for the unspent outputs at a pruning point.
        on_request_pruning_point_utxo_set(RequestPruningPointUtxoSet: RequestPruningPointUtxoSet);
        /// Asks for headers.
        on_request_headers(RequestHeaders: RequestHeaders);
        /// Asks for a locator of a block's past.
        on_request_block_locator(RequestBlockLocator: RequestBlockLocator);
        /// The headers of all pruning points.
        on_pruning_points(PruningPoints: PruningPoints);
        /// The proof of the pruning point, whole.
        on_pruning_point_proof(PruningPointProof: PruningPointProof);
        /// A block near the pruning point.
        on_block_with_trusted_data_v4(BlockWithTrustedDataV4: BlockWithTrustedDataV4);
        /// What must be taken on trust, whole.
        on_trusted_data(TrustedData: TrustedData);
        /// Asks for a locator of the selected chain.
        on_request_ibd_chain_block_locator(RequestIbdChainBlockLocator: RequestIbdChainBlockLocator);
        /// A locator of the selected chain.
        on_ibd_chain_block_locator(IbdChainBlockLocator: IbdChainBlockLocator);
        /// Asks for what one block has in its past and another has not.
        on_request_antipast(RequestAntipast: RequestAntipast);
        /// The body of a block whose header is known.
        on_block_body(BlockBody: BlockBody);
        /// Asks for bodies.
        on_request_block_bodies(RequestBlockBodies: RequestBlockBodies);
        /// Asks for the state of the lanes at a pruning point.
        on_request_pruning_point_smt_state(RequestPruningPointSmtState: RequestPruningPointSmtState);
        /// What the lanes' state commits to.
        on_smt_metadata(SmtMetadata: SmtMetadata);
        /// Some lanes.
        on_smt_lane_chunk(SmtLaneChunk: SmtLaneChunk);
        /// A part of the proof of the pruning point.
        on_pruning_point_proof_chunk(PruningPointProofChunk: PruningPointProofChunk);
        /// A part of what must be taken on trust.
        on_trusted_data_chunk(TrustedDataChunk: TrustedDataChunk);
    }
}

/// The handler that calls a listener's methods.
pub(crate) struct Dispatch<L> {
    listener: L,
    correlator: Arc<Correlator>,
    peer: Option<Peer>,
}

impl<L: Listener> Dispatch<L> {
    pub(crate) fn new(listener: L, correlator: Arc<Correlator>) -> Self {
        Self { listener, correlator, peer: None }
    }
}

impl<L: Listener> Handler<Kaspa> for Dispatch<L> {
    const WIRE: bool = L::WIRE;

    fn remote(&mut self, remote: &Remote) -> Result<(), Refusal> {
        self.listener.on_version(remote)
    }

    fn handle(&mut self, handle: &PeerHandle<Kaspa>, event: Event<Kaspa>) {
        let correlator = &self.correlator;
        let peer =
            self.peer.take().unwrap_or_else(|| Peer::new(handle.clone(), correlator.clone()));
        match event {
            Event::Message(message) | Event::Opening(message) => {
                call(&mut self.listener, &peer, &message);
            }
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
        _peer: &PeerHandle<Kaspa>,
        kind: Option<Kind>,
        bytes: usize,
        error: Option<&Malformed>,
    ) {
        self.listener.on_read(kind, bytes, error);
    }

    fn on_write(&mut self, _peer: &PeerHandle<Kaspa>, kind: Kind, bytes: usize) {
        self.listener.on_write(kind, bytes);
    }
}

fn state(event: Event<Kaspa>) -> Option<State> {
    Some(match event {
        Event::Established(_) => State::Established,
        Event::Room => State::Room,
        Event::Unanswered(kind) => State::Unanswered(kind),
        Event::Misbehaved(what) => State::Misbehaved(what),
        Event::Disconnected(reason) => State::Disconnected(reason),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_message_has_a_method() {
        let kinds = |list: &[Kind]| list.iter().copied().collect::<HashSet<_>>();
        assert_eq!(kinds(CALLED), kinds(Kind::ALL));
        assert_eq!(CALLED.len(), Kind::ALL.len());
    }
}
