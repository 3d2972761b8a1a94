//! The table of messages: the number of each, what it is called, how large it may be, what must come
//! back, and what it carries.
//!
//! Kaspad has no caps before it decodes, but for 256 MiB; these are what its own limits come to on the
//! wire, with room to spare. They are for the whole message, as it travels: with its ids.

use std::time::Duration;

use bytes::Bytes;
use peerage_wire::{Expect, Malformed, Patience, Policy};
use prost::encoding::message::{encode, encoded_len};

use super::message::{
    Addresses, Block, BlockBody, BlockHeaders, BlockLocator, BlockWithTrustedData,
    BlockWithTrustedDataV4, IbdBlockLocator, IbdBlockLocatorHighestHash, IbdChainBlockLocator,
    InvRelayBlock, InvTransactions, Ping, Pong, PruningPointProof, PruningPointProofChunk,
    PruningPointUtxoSetChunk, PruningPoints, Reject, RequestAddresses, RequestAntipast,
    RequestBlockBodies, RequestBlockLocator, RequestHeaders, RequestIbdBlocks,
    RequestIbdChainBlockLocator, RequestPruningPointSmtState, RequestPruningPointUtxoSet,
    RequestRelayBlocks, RequestTransactions, SmtLaneChunk, SmtMetadata, Transaction,
    TransactionNotFound, TrustedData, TrustedDataChunk, Version,
};
use super::weigh::{Shaped, weigh};

/// The number of the field that names the request which a message answers.
pub(crate) const RESPONSE_ID: u32 = 101;
/// The number of the field that an answer has to name.
pub(crate) const REQUEST_ID: u32 = 102;

/// Makes [`Kind`], [`Payload`] and all that follows from one list, so that they cannot differ.
macro_rules! table {
    (
        empty {
            $($(#[$empty_doc:meta])*
            $empty:ident: $empty_number:literal, $empty_name:literal, $empty_cap:expr, $empty_expect:expr;)*
        }
        filled {
            $($(#[$doc:meta])*
            $kind:ident($body:ty): $number:literal, $name:literal, $cap:expr, $expect:expr;)*
        }
    ) => {
        /// Which message: the number of its payload.
        ///
        /// ```
        /// use peerage_wire::Kind as _;
        /// use peerage_wire_kaspa::proto::Kind;
        ///
        /// assert_eq!(Kind::from_number(14), Kind::InvRelayBlock);
        /// assert_eq!(Kind::InvRelayBlock.to_string(), "invRelayBlock");
        /// assert_eq!(Kind::Version.policy().cap, 4096);
        /// ```
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = concat!("`", $empty_name, "`, ", $empty_number, ".")] $empty,)*
            $(#[doc = concat!("`", $name, "`, ", $number, ".")] $kind,)*
            /// A number that this crate does not know.
            Unknown(u32),
        }

        impl Kind {
            /// Every kind but the unknown ones.
            pub const ALL: &'static [Self] = &[$(Self::$empty,)* $(Self::$kind),*];

            /// The kind of a payload of this number.
            #[must_use]
            pub const fn from_number(number: u32) -> Self {
                match number {
                    $($empty_number => Self::$empty,)*
                    $($number => Self::$kind,)*
                    other => Self::Unknown(other),
                }
            }

            /// The number of its payload.
            #[must_use]
            pub const fn number(self) -> u32 {
                match self {
                    $(Self::$empty => $empty_number,)*
                    $(Self::$kind => $number,)*
                    Self::Unknown(number) => number,
                }
            }

            pub(super) fn row(self) -> &'static Policy<Self> {
                match self {
                    $(Self::$empty => const { &row($empty_name, $empty_cap, $empty_expect) },)*
                    $(Self::$kind => const { &row($name, $cap, $expect) },)*
                    Self::Unknown(_) => const { &Policy { unknown: true, ..row("unknown", MIB, None) } },
                }
            }
        }

        /// What a message says.
        #[derive(Clone, PartialEq)]
        #[non_exhaustive]
        pub enum Payload {
            $($(#[$empty_doc])* $empty,)*
            $($(#[$doc])* $kind($body),)*
            /// A payload that this crate does not know. Kaspad lets go of whoever sends one to it.
            Unknown {
                /// The number of its field: no known one, nor that of an id.
                number: u32,
                /// Its bytes.
                body: Bytes,
            },
        }

        impl Payload {
            /// Which it is.
            #[must_use]
            pub const fn kind(&self) -> Kind {
                match self {
                    $(Self::$empty => Kind::$empty,)*
                    $(Self::$kind(_) => Kind::$kind,)*
                    Self::Unknown { number, .. } => Kind::Unknown(*number),
                }
            }

            /// Reads the body of a payload.
            pub(super) fn decode(kind: Kind, body: Bytes) -> Result<Self, Malformed> {
                Ok(match kind {
                    $(Kind::$empty => read(body, $empty_name).map(|()| Self::$empty)?,)*
                    $(Kind::$kind => Self::$kind(read(body, $name)?),)*
                    Kind::Unknown(number) => Self::Unknown { number, body },
                })
            }

            /// Appends the field that holds it.
            pub(super) fn encode(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$empty => encode($empty_number, &(), out),)*
                    $(Self::$kind(body) => encode($number, body, out),)*
                    Self::Unknown { number, body } => prost::encoding::bytes::encode(*number, body, out),
                }
            }

            /// Bytes of what [`Self::encode`] appends.
            pub(super) fn encoded_len(&self) -> usize {
                match self {
                    $(Self::$empty => encoded_len($empty_number, &()),)*
                    $(Self::$kind(body) => encoded_len($number, body),)*
                    Self::Unknown { number, body } => prost::encoding::bytes::encoded_len(*number, body),
                }
            }

            pub(super) fn body(&self) -> Option<&dyn std::fmt::Debug> {
                match self {
                    $(Self::$empty => None,)*
                    $(Self::$kind(body) => Some(body),)*
                    Self::Unknown { body, .. } => Some(body),
                }
            }
        }
    };
}

table! {
    empty {
        // kind: number, name, cap, what must come back
        /// Accepts an introduction.
        Verack: 19, "verack", SMALL, None;
        /// Says that the other side's messages are being listened to: the last of the opening.
        Ready: 50, "ready", SMALL, None;
        /// Asks for more headers.
        RequestNextHeaders: 42, "requestNextHeaders", SMALL, expect(&[Kind::BlockHeaders, Kind::DoneHeaders]);
        /// Says that these were all headers.
        DoneHeaders: 43, "doneHeaders", SMALL, None;
        /// Answers that another pruning point is current.
        UnexpectedPruningPoint: 27, "unexpectedPruningPoint", SMALL, None;
        /// Asks for more unspent outputs.
        RequestNextPruningPointUtxoSetChunk: 33, "requestNextPruningPointUtxoSetChunk", SMALL, UTXOS;
        /// Says that these were all unspent outputs.
        DonePruningPointUtxoSetChunks: 34, "donePruningPointUtxoSetChunks", SMALL, None;
        /// Answers that no block of a locator is known. Nobody sends it any more.
        IbdBlockLocatorHighestHashNotFound: 35, "ibdBlockLocatorHighestHashNotFound", SMALL, None;
        /// Says that these were all blocks near the pruning point.
        DoneBlocksWithTrustedData: 37, "doneBlocksWithTrustedData", SMALL, None;
        /// Asks for the pruning point and the blocks beside it.
        RequestPruningPointAndItsAnticone: 40, "requestPruningPointAndItsAnticone", SMALL,
            ANTICONE;
        /// Asks for more blocks near the pruning point.
        RequestNextPruningPointAndItsAnticoneBlocks: 56, "requestNextPruningPointAndItsAnticoneBlocks", SMALL,
            expect(&[Kind::BlockWithTrustedDataV4, Kind::DoneBlocksWithTrustedData]);
        /// Asks for the proof of the pruning point.
        RequestPruningPointProof: 48, "requestPruningPointProof", SMALL, PROOF;
        /// Asks for more lanes.
        RequestNextPruningPointSmtChunk: 63, "requestNextPruningPointSmtChunk", SMALL,
            expect(&[Kind::SmtLaneChunk]);
        /// Says that the proof is complete.
        PruningPointProofChunksEnd: 65, "pruningPointProofChunksEnd", SMALL, None;
        /// Says that the trusted data is complete.
        TrustedDataChunksEnd: 67, "trustedDataChunksEnd", SMALL, None;
    }
    filled {
        /// Gossip of addresses.
        Addresses(Addresses): 1, "addresses", 128 * KIB, None;
        /// A block that was asked for after its announcement.
        Block(Box<Block>): 2, "block", BLOCK, None;
        /// A transaction.
        Transaction(Box<Transaction>): 3, "transaction", MIB, None;
        /// Blocks at growing distances.
        BlockLocator(BlockLocator): 5, "blockLocator", LOCATOR, None;
        /// Asks for addresses.
        RequestAddresses(RequestAddresses): 6, "requestAddresses", KIB, expect(&[Kind::Addresses]);
        /// Asks for blocks that were announced.
        RequestRelayBlocks(RequestRelayBlocks): 10, "requestRelayBlocks", HASHES, expect(&[Kind::Block]);
        /// Asks for transactions.
        RequestTransactions(RequestTransactions): 12, "requestTransactions", IDS,
            expect(&[Kind::Transaction, Kind::TransactionNotFound]);
        /// A block of the initial download.
        IbdBlock(Box<Block>): 13, "ibdBlock", BLOCK, None;
        /// Announces a block.
        InvRelayBlock(InvRelayBlock): 14, "invRelayBlock", 64, None;
        /// Announces transactions.
        InvTransactions(InvTransactions): 15, "invTransactions", IDS, None;
        /// Asks whether the remote still answers.
        Ping(Ping): 16, "ping", SMALL, None;
        /// Answers a ping.
        Pong(Pong): 17, "pong", SMALL, None;
        /// An introduction.
        Version(Box<Version>): 20, "version", SMALL, None;
        /// Answers that a transaction is not to be had.
        TransactionNotFound(TransactionNotFound): 21, "transactionNotFound", KIB, None;
        /// Says why something was not wanted.
        Reject(Reject): 22, "reject", 16 * KIB, None;
        /// Some unspent outputs.
        PruningPointUtxoSetChunk(PruningPointUtxoSetChunk): 25, "pruningPointUtxoSetChunk", STATE, None;
        /// Asks for whole blocks.
        RequestIbdBlocks(RequestIbdBlocks): 26, "requestIBDBlocks", HASHES, expect(&[Kind::IbdBlock]);
        /// A locator. Nobody sends it any more.
        IbdBlockLocator(IbdBlockLocator): 30, "ibdBlockLocator", LOCATOR, None;
        /// The highest block known of a locator. Nobody sends it any more.
        IbdBlockLocatorHighestHash(IbdBlockLocatorHighestHash): 31, "ibdBlockLocatorHighestHash", KIB, None;
        /// A block near the pruning point with all that belongs to it. Nobody sends it any more.
        BlockWithTrustedData(Box<BlockWithTrustedData>): 36, "blockWithTrustedData", HEADERS, None;
        /// Headers.
        BlockHeaders(BlockHeaders): 41, "blockHeaders", HEADERS, None;
        /// Asks for the unspent outputs at a pruning point.
        RequestPruningPointUtxoSet(RequestPruningPointUtxoSet): 44, "requestPruningPointUTXOSet", KIB, UTXOS;
        /// Asks for headers.
        RequestHeaders(RequestHeaders): 45, "requestHeaders", KIB,
            expect(&[Kind::BlockHeaders, Kind::DoneHeaders]);
        /// Asks for a locator of a block's past.
        RequestBlockLocator(RequestBlockLocator): 46, "requestBlockLocator", KIB, expect(&[Kind::BlockLocator]);
        /// The headers of all pruning points.
        PruningPoints(PruningPoints): 47, "pruningPoints", 64 * MIB, None;
        /// The proof of the pruning point, whole.
        PruningPointProof(PruningPointProof): 49, "pruningPointProof", LARGEST, None;
        /// A block near the pruning point.
        BlockWithTrustedDataV4(Box<BlockWithTrustedDataV4>): 51, "blockWithTrustedDataV4", BLOCK, None;
        /// What must be taken on trust, whole.
        TrustedData(TrustedData): 52, "trustedData", LARGEST, None;
        /// Asks for a locator of the selected chain.
        RequestIbdChainBlockLocator(RequestIbdChainBlockLocator): 53, "requestIBDChainBlockLocator", KIB,
            expect(&[Kind::IbdChainBlockLocator]);
        /// A locator of the selected chain.
        IbdChainBlockLocator(IbdChainBlockLocator): 54, "ibdChainBlockLocator", LOCATOR, None;
        /// Asks for what one block has in its past and another has not.
        RequestAntipast(RequestAntipast): 55, "requestAntipast", KIB,
            expect(&[Kind::BlockHeaders, Kind::DoneHeaders]);
        /// The body of a block whose header is known.
        BlockBody(BlockBody): 57, "blockBody", BLOCK, None;
        /// Asks for bodies.
        RequestBlockBodies(RequestBlockBodies): 58, "requestBlockBodies", HASHES, expect(&[Kind::BlockBody]);
        /// Asks for the state of the lanes at a pruning point.
        RequestPruningPointSmtState(RequestPruningPointSmtState): 59, "requestPruningPointSmtState", KIB,
            expect(&[Kind::SmtMetadata, Kind::SmtLaneChunk, Kind::UnexpectedPruningPoint]);
        /// What the lanes' state commits to.
        SmtMetadata(SmtMetadata): 60, "smtMetadata", KIB, None;
        /// Some lanes.
        SmtLaneChunk(SmtLaneChunk): 61, "smtLaneChunk", STATE, None;
        /// A part of the proof of the pruning point.
        PruningPointProofChunk(PruningPointProofChunk): 64, "pruningPointProofChunk", HEADERS, None;
        /// A part of what must be taken on trust.
        TrustedDataChunk(TrustedDataChunk): 66, "trustedDataChunk", HEADERS, None;
    }
}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Room for fields that a later version adds to what is short today.
const SMALL: usize = 4 * KIB;
/// 64 hashes, the most that kaspad takes, and the ids.
const LOCATOR: usize = 64 * 36 + 64;
/// 99 hashes is the most that kaspad asks for at once; of announced blocks it asks for one.
const HASHES: usize = 16 * KIB;
/// 131,072 hashes of 36 bytes, with two bytes to spare for each.
const IDS: usize = 131_072 * 38;
/// What kaspad takes: 2 MiB of transactions. A header's parents can be as much as 1 MiB at most.
const BLOCK: usize = 3 * MIB;
/// A chunk of 20 MiB, as kaspad makes them, and one header with which it goes beyond.
const HEADERS: usize = 21 * MIB;
/// 4,096 lanes of less than 2 KiB each; 1,000 outputs are less.
const STATE: usize = 8 * MIB;
/// What kaspad 2.1.0 takes of any message.
pub(crate) const LARGEST: usize = 256 * MIB;

const UTXOS: Option<Expect<Kind>> = expect(&[
    Kind::PruningPointUtxoSetChunk,
    Kind::DonePruningPointUtxoSetChunks,
    Kind::UnexpectedPruningPoint,
]);

const ANTICONE: Option<Expect<Kind>> = expect(&[
    Kind::PruningPoints,
    Kind::TrustedData,
    Kind::TrustedDataChunk,
    Kind::TrustedDataChunksEnd,
    Kind::BlockWithTrustedDataV4,
    Kind::DoneBlocksWithTrustedData,
]);

/// Kaspad may have to make the proof first.
const PROOF: Option<Expect<Kind>> = Some(Expect {
    answers: &[
        Kind::PruningPointProof,
        Kind::PruningPointProofChunk,
        Kind::PruningPointProofChunksEnd,
    ],
    within: Duration::from_secs(600),
    patience: Patience::Strict,
});

/// Kaspad waits two minutes for everything else, and lets go of who has no answer.
const fn expect(answers: &'static [Kind]) -> Option<Expect<Kind>> {
    Some(Expect { answers, within: Duration::from_secs(120), patience: Patience::Strict })
}

const fn row(name: &'static str, cap: usize, expect: Option<Expect<Kind>>) -> Policy<Kind> {
    Policy { name, short_id: None, cap, expect, versioned: false, unknown: false }
}

/// Reads a body that does not take too much memory.
fn read<T: Shaped>(body: Bytes, name: &'static str) -> Result<T, Malformed> {
    let counts = weigh::<T>(&body)?;
    let mut read = T::default();
    read.reserve(&counts);
    read.merge(body).map_err(|_| Malformed::Invalid { what: name })?;
    Ok(read)
}
