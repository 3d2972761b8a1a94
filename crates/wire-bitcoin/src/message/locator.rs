//! `getblocks` and `getheaders`: where the remote should go on from.
//!
//! ```text
//!   version u32 | count CompactSize | count x hash 32 | stop 32
//! ```

use std::fmt;

use bitcoin::BlockHash;
use bitcoin::hashes::Hash as _;
use bitcoin::p2p::message_blockdata::{GetBlocksMessage, GetHeadersMessage};
use bytes::Bytes;
use peerage_wire::Malformed;

use super::list::{Limit, List, list_methods};

/// A checked block locator, as it lies in the payload.
///
/// It names blocks from the newest to the oldest that the sender has; the answer begins after the
/// first of them that the receiver has, and ends at the stop hash or at the message's limit. Accepts
/// what `bitcoin` accepts, up to [`Self::MAX`] hashes.
#[derive(Clone, PartialEq, Eq)]
pub struct Locator {
    /// Its entries have the stop hash behind them, which is not counted.
    list: List<4>,
}

list_methods!(
    Locator,
    "How many blocks it names, without the stop hash.",
    "Whether it names none: then the stop hash is all that is asked for."
);

impl Locator {
    /// The most hashes that are accepted, as by btcd. Bitcoin Core takes no more than 101, so send
    /// no more: about 30 reach back to the first block.
    pub const MAX: usize = 500;

    /// Asks for what comes after the first of these blocks that the remote has; an all-zero `stop`
    /// for as much as there is. The version says nothing and is read by nobody: send the agreed one.
    ///
    /// # Errors
    /// [`Malformed::TooMany`] above [`Self::MAX`] hashes, which no peer would accept.
    pub fn new(version: u32, hashes: &[BlockHash], stop: BlockHash) -> Result<Self, Malformed> {
        let len = hashes.len();
        HASHES.check(len)?;
        let list = List::build(&[&version.to_le_bytes()], len, (len + 1) * HASH, |payload| {
            let hashes = hashes.iter().chain([&stop]);
            hashes.for_each(|hash| payload.extend_from_slice(hash.as_byte_array()));
            Ok(())
        })?;
        Ok(Self { list })
    }

    /// Checks a whole payload.
    ///
    /// # Errors
    /// [`Malformed`] if the count is above [`Self::MAX`], not in its shortest form or not that of
    /// the hashes that follow.
    pub fn from_bytes(payload: Bytes) -> Result<Self, Malformed> {
        let list = List::read(payload, HASHES, HASH, |reader, len| {
            reader.take((len + 1) * HASH)?;
            Ok(())
        })?;
        Ok(Self { list })
    }

    /// The sender's protocol version, as it says.
    #[must_use]
    pub fn version(&self) -> u32 {
        u32::from_le_bytes(*self.list.head())
    }

    /// The blocks that it names, the newest first.
    pub fn hashes(&self) -> impl ExactSizeIterator<Item = BlockHash> + Clone + '_ {
        let (hashes, _) = self.chunks().split_at(self.len());
        hashes.iter().copied().map(BlockHash::from_byte_array)
    }

    /// The last block that is wanted; all zeros if there is no such limit.
    #[must_use]
    pub fn stop(&self) -> BlockHash {
        BlockHash::from_byte_array(self.chunks()[self.len()])
    }

    /// The `getheaders` that `bitcoin` knows.
    #[must_use]
    pub fn decode(&self) -> GetHeadersMessage {
        GetHeadersMessage {
            version: self.version(),
            locator_hashes: self.hashes().collect(),
            stop_hash: self.stop(),
        }
    }

    /// The `getblocks` that `bitcoin` knows.
    #[must_use]
    pub fn decode_getblocks(&self) -> GetBlocksMessage {
        let GetHeadersMessage { version, locator_hashes, stop_hash } = self.decode();
        GetBlocksMessage { version, locator_hashes, stop_hash }
    }

    fn chunks(&self) -> &[[u8; HASH]] {
        self.list.chunks()
    }
}

impl fmt::Debug for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Locator");
        shown.field("len", &self.len());
        if let Some(first) = self.hashes().next() {
            shown.field("first", &first);
        }
        shown.field("stop", &self.stop()).finish()
    }
}

const HASHES: Limit = Limit { what: "locator hashes", max: Locator::MAX };

/// Bytes of a hash.
const HASH: usize = 32;
