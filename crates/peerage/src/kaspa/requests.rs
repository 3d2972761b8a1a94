//! The requests of the protocol, each with its answers.

use peerage_wire_kaspa::proto::message::{
    Addresses, Block, BlockBody, BlockHeader, BlockLocator, BlockWithTrustedDataV4,
    IbdChainBlockLocator, PruningPointProof, PruningPointProofChunk, PruningPointUtxoSetChunk,
    PruningPoints, RequestAddresses, RequestAntipast, RequestBlockBodies, RequestBlockLocator,
    RequestHeaders, RequestIbdBlocks, RequestIbdChainBlockLocator, RequestPruningPointSmtState,
    RequestPruningPointUtxoSet, RequestRelayBlocks, RequestTransactions, SmtLaneChunk, SmtMetadata,
    TrustedData, TrustedDataChunk,
};
use peerage_wire_kaspa::proto::{Kind, Payload};

use super::answers::{Answers, FoundTransaction, Request, RequestError, private};
use super::flow::Flow;

/// Asks for the proof of the pruning point: chunks, or at version 10 the whole in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestPruningPointProof;

/// Asks for the pruning point, its trusted data and the blocks in its anticone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestPruningPointAndItsAnticone;

/// A part of the proof of the pruning point.
#[derive(Clone, Debug, PartialEq)]
pub enum ProofPart {
    /// All of it (version 10): the only part.
    Whole(PruningPointProof),
    /// Some headers of one level (version 11).
    Chunk(PruningPointProofChunk),
}

/// A part of what comes with the pruning point's anticone.
#[derive(Clone, Debug, PartialEq)]
pub enum AnticonePart {
    /// The headers of all pruning points: the first part.
    PruningPoints(PruningPoints),
    /// What must be taken on trust, whole (version 10).
    TrustedData(TrustedData),
    /// A part of it (version 11).
    TrustedDataChunk(TrustedDataChunk),
    /// The chunks are complete.
    TrustedDataEnd,
    /// A block of the anticone.
    Block(Box<BlockWithTrustedDataV4>),
}

/// A part of the state of the lanes (KIP-21).
#[derive(Clone, Debug, PartialEq)]
pub enum SmtPart {
    /// What they commit to, and how many there are: the first part.
    Metadata(SmtMetadata),
    /// Some lanes.
    Lanes(SmtLaneChunk),
}

/// Implements [`Request`] for requests with one answer, and for those with a stream of them.
macro_rules! requests {
    ($($request:ty => $item:ty { $pattern:pat => $value:expr } $flow:expr;)*) => {$(
        impl private::Sealed for $request {}

        impl Request for $request {
            type Item = $item;
            type Answer = $item;

            fn flow(self) -> Flow {
                let flow: fn(Self) -> Flow = $flow;
                flow(self)
            }

            fn item(payload: Payload) -> Option<$item> {
                match payload {
                    $pattern => $value,
                    _ => None,
                }
            }

            async fn finish(answers: Answers<Self>) -> Result<$item, RequestError> {
                answers.only().await
            }
        }
    )*};
    (streams: $($request:ty => $item:ty { $($pattern:pat => $value:expr,)* } $flow:expr;)*) => {$(
        impl private::Sealed for $request {}

        impl Request for $request {
            type Item = $item;
            type Answer = Answers<Self>;

            fn flow(self) -> Flow {
                let flow: fn(Self) -> Flow = $flow;
                flow(self)
            }

            fn item(payload: Payload) -> Option<$item> {
                match payload {
                    $($pattern => $value,)*
                    _ => None,
                }
            }

            async fn finish(answers: Answers<Self>) -> Result<Answers<Self>, RequestError> {
                Ok(answers)
            }
        }
    )*};
}

requests! {
    RequestAddresses => Addresses { Payload::Addresses(answer) => Some(answer) }
        |it| Flow::single(Payload::RequestAddresses(it), false);
    RequestBlockLocator => BlockLocator { Payload::BlockLocator(answer) => Some(answer) }
        |it| Flow::single(Payload::RequestBlockLocator(it), true);
    RequestIbdChainBlockLocator => IbdChainBlockLocator {
        Payload::IbdChainBlockLocator(answer) => Some(answer)
    }
        |it| Flow::single(Payload::RequestIbdChainBlockLocator(it), true);
}

requests! { streams:
    RequestRelayBlocks => Box<Block> { Payload::Block(block) => Some(block), }
        |it| {
            let hashes = it.hashes.clone();
            Flow::named(Payload::RequestRelayBlocks(it), true, hashes)
        };
    RequestIbdBlocks => Box<Block> { Payload::IbdBlock(block) => Some(block), }
        |it| {
            let hashes = it.hashes.clone();
            Flow::named(Payload::RequestIbdBlocks(it), true, hashes)
        };
    RequestBlockBodies => BlockBody { Payload::BlockBody(body) => Some(body), }
        |it| {
            let count = it.hashes.len();
            Flow::counted(Payload::RequestBlockBodies(it), count)
        };
    RequestTransactions => FoundTransaction {
        Payload::Transaction(transaction) => Some(FoundTransaction::Found(transaction)),
        Payload::TransactionNotFound(it) => it.id.map(FoundTransaction::NotFound),
    }
        |it| {
            let ids = it.ids.clone();
            Flow::named(Payload::RequestTransactions(it), false, ids)
        };
    RequestHeaders => Vec<BlockHeader> { Payload::BlockHeaders(it) => Some(it.block_headers), }
        |it| Flow::until(Payload::RequestHeaders(it), true, Kind::DoneHeaders)
            .acknowledging(1, Kind::BlockHeaders, Payload::RequestNextHeaders);
    RequestAntipast => Vec<BlockHeader> { Payload::BlockHeaders(it) => Some(it.block_headers), }
        |it| Flow::until(Payload::RequestAntipast(it), true, Kind::DoneHeaders);
    RequestPruningPointProof => ProofPart {
        Payload::PruningPointProof(proof) => Some(ProofPart::Whole(proof)),
        Payload::PruningPointProofChunk(chunk) => Some(ProofPart::Chunk(chunk)),
    }
        |_| Flow::whole_or_until(
            Payload::RequestPruningPointProof,
            Kind::PruningPointProof,
            Kind::PruningPointProofChunksEnd,
        );
    RequestPruningPointAndItsAnticone => AnticonePart {
        Payload::PruningPoints(it) => Some(AnticonePart::PruningPoints(it)),
        Payload::TrustedData(it) => Some(AnticonePart::TrustedData(it)),
        Payload::TrustedDataChunk(it) => Some(AnticonePart::TrustedDataChunk(it)),
        Payload::TrustedDataChunksEnd => Some(AnticonePart::TrustedDataEnd),
        Payload::BlockWithTrustedDataV4(it) => Some(AnticonePart::Block(it)),
    }
        |_| Flow::until(
            Payload::RequestPruningPointAndItsAnticone,
            true,
            Kind::DoneBlocksWithTrustedData,
        )
        .acknowledging(
            99,
            Kind::BlockWithTrustedDataV4,
            Payload::RequestNextPruningPointAndItsAnticoneBlocks,
        );
    RequestPruningPointUtxoSet => PruningPointUtxoSetChunk {
        Payload::PruningPointUtxoSetChunk(chunk) => Some(chunk),
    }
        |it| Flow::until(
            Payload::RequestPruningPointUtxoSet(it),
            false,
            Kind::DonePruningPointUtxoSetChunks,
        )
        .acknowledging(
            99,
            Kind::PruningPointUtxoSetChunk,
            Payload::RequestNextPruningPointUtxoSetChunk,
        );
    RequestPruningPointSmtState => SmtPart {
        Payload::SmtMetadata(metadata) => Some(SmtPart::Metadata(metadata)),
        Payload::SmtLaneChunk(chunk) => Some(SmtPart::Lanes(chunk)),
    }
        |it| Flow::lanes(Payload::RequestPruningPointSmtState(it))
            .acknowledging(10, Kind::SmtLaneChunk, Payload::RequestNextPruningPointSmtChunk);
}
