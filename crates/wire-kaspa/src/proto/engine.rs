//! What the engine asks of a message.

use bytes::Bytes;
use peerage_wire::{Malformed, Role, Violation};

use super::message::{InvRelayBlock, InvTransactions, Ping, Pong};
use super::types::Hash;
use super::{Item, Kaspa, Kind, Message, Payload, Remote};

/// A payload, as the engine calls it, is a whole message here, with its ids.
impl peerage_wire::Message<Kaspa> for Message {
    fn kind(&self) -> Kind {
        Self::kind(self)
    }

    /// The kind is what [`Envelope::peek`](peerage_wire::Envelope::peek) has told, so a message with
    /// several payloads may turn out to be of another.
    fn decode(_kind: Kind, payload: Bytes, _version: u32) -> Result<Self, Malformed> {
        Self::decode(payload)
    }

    fn encode(&self, _version: u32, out: &mut Vec<u8>) {
        Self::encode(self, out);
    }

    fn role(&self, _theirs: &Remote) -> Role {
        match &self.payload {
            Payload::Ping(Ping { nonce }) => Role::Ping(*nonce),
            Payload::Pong(Pong { nonce }) => Role::Pong(*nonce),
            Payload::InvRelayBlock(_)
            | Payload::InvTransactions(_)
            | Payload::Block(_)
            | Payload::IbdBlock(_)
            | Payload::Transaction(_) => Role::Announce,
            Payload::Version(_) | Payload::Verack | Payload::Ready => {
                Role::Forbidden(Violation::Duplicate { command: self.kind().into() })
            }
            _ => Role::Other,
        }
    }

    /// A block or a transaction of which no hash can be made is left out.
    fn items(
        &self,
        _theirs: &Remote,
        _payload_hash: Option<&[u8; 32]>,
        each: &mut dyn FnMut(Item),
    ) {
        let block = match &self.payload {
            Payload::InvTransactions(inv) => {
                return inv.ids.iter().copied().map(Item::Transaction).for_each(each);
            }
            Payload::Transaction(tx) => {
                return tx.id().into_iter().map(Item::Transaction).for_each(each);
            }
            Payload::InvRelayBlock(inv) => inv.hash,
            Payload::Block(block) | Payload::IbdBlock(block) => {
                block.header.as_ref().and_then(|header| header.hash().ok())
            }
            _ => return,
        };
        block.map(Item::Block).into_iter().for_each(each);
    }

    /// Of answers in parts, as many as come before an acknowledgement is due: nobody owes more.
    fn asks(&self) -> u32 {
        let asked = match &self.payload {
            Payload::RequestRelayBlocks(request) => &request.hashes,
            Payload::RequestTransactions(request) => &request.ids,
            Payload::RequestIbdBlocks(request) => &request.hashes,
            Payload::RequestBlockBodies(request) => &request.hashes,
            Payload::RequestAntipast(_) => return ANTIPAST,
            Payload::RequestPruningPointProof => return u32::MAX,
            Payload::RequestPruningPointAndItsAnticone => return 2 + WINDOW,
            Payload::RequestPruningPointUtxoSet(_)
            | Payload::RequestNextPruningPointUtxoSetChunk
            | Payload::RequestNextPruningPointAndItsAnticoneBlocks => return WINDOW,
            Payload::RequestPruningPointSmtState(_) => return 1 + LANE_CHUNKS,
            _ => return 1,
        };
        u32::try_from(asked.len()).unwrap_or(u32::MAX)
    }

    /// What ends an answer settles all that could have been left of it. Parts of which nobody knows
    /// how many there are settle nothing, but they are a sign of life.
    fn settles(&self) -> u32 {
        match &self.payload {
            Payload::TrustedDataChunk(_) | Payload::PruningPointProofChunk(_) => 0,
            Payload::PruningPointProof(_) | Payload::PruningPointProofChunksEnd => u32::MAX,
            Payload::DoneHeaders => ANTIPAST,
            Payload::DoneBlocksWithTrustedData
            | Payload::DonePruningPointUtxoSetChunks
            | Payload::UnexpectedPruningPoint => 2 + WINDOW,
            Payload::SmtMetadata(metadata) => {
                let chunks = metadata.active_lanes_count.div_ceil(LANES_IN_CHUNK);
                let due = u32::try_from(chunks).map_or(LANE_CHUNKS, |due| due.min(LANE_CHUNKS));
                1 + LANE_CHUNKS - due
            }
            _ => 1,
        }
    }

    fn ping(nonce: u64) -> Self {
        Payload::Ping(Ping { nonce }).into()
    }

    fn pong(nonce: u64) -> Self {
        Payload::Pong(Pong { nonce }).into()
    }

    /// Blocks are announced one by one: of several, only the first is. Transactions can be as many as
    /// 131,072.
    fn announce(items: &[Item]) -> Self {
        if let Some(Item::Block(hash)) = items.first() {
            return Payload::InvRelayBlock(InvRelayBlock { hash: Some(*hash) }).into();
        }
        let id = |item: &Item| -> Option<Hash> {
            match item {
                Item::Transaction(id) => Some(*id),
                Item::Block(_) => None,
            }
        };
        let ids = items.iter().filter_map(id).take(MAX_IDS).collect();
        Payload::InvTransactions(InvTransactions { ids }).into()
    }
}

const MAX_IDS: usize = <Kaspa as peerage_wire::Protocol>::MAX_ANNOUNCED;
/// How many blocks, or chunks of outputs, kaspad sends before it waits for an acknowledgement.
const WINDOW: u32 = 99;
/// How many chunks of lanes it sends before it waits for one.
const LANE_CHUNKS: u32 = 10;
/// The most lanes that it puts in a chunk.
const LANES_IN_CHUNK: u64 = 4_096;
/// Headers, and the word that these were all.
const ANTIPAST: u32 = 2;
