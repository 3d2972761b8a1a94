//! `tx`, and the view of a transaction that a block's share.
//!
//! ```text
//!   version i32 | inputs | outputs | lock time u64 | subnetwork 20
//!     and unless the subnetwork is the native one: gas u64 | payload hash 32 | payload
//! ```
//!
//! The hash is that of these bytes with the payload emptied, the id that of the same with every
//! script of an input emptied as well; a coinbase's id is the hash of all its bytes. Nothing is
//! built to compute them, and nothing is cached.

use std::fmt;

use bytes::Bytes;
use peerage_wire::{Malformed, Protocol as _, Reader};

use super::body::checked;
use crate::legacy::KaspaLegacy;
use crate::legacy::types::{DoubleSha256, Hash, SubnetworkId};

mod owned;
mod parts;

pub use owned::{Input, Output, Transaction};
pub use parts::{InputRef, OutPoint, OutputRef};

/// A checked transaction, as it lies in the payload.
///
/// Checked is the form: whether its subnetwork may have gas and a payload, whether the payload's
/// hash is right and all other rules are the node's.
///
/// ```
/// use peerage_wire_kaspa::legacy::message::{Output, Transaction, Tx};
///
/// let output = Output { value: 5_000, script_public_key: vec![0x51] };
/// let tx = Tx::try_from(&Transaction { outputs: vec![output], ..Transaction::default() })?;
/// assert_eq!(tx.outputs().map(|output| output.value).sum::<u64>(), 5_000);
/// assert_eq!(tx.id(), tx.hash(), "there is no script and no payload that the id leaves out");
/// # Ok::<(), peerage_wire::Malformed>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Tx {
    payload: Bytes,
    marks: Marks,
}

impl Tx {
    /// Checks the transaction that `payload` begins with; what follows it is cut off.
    ///
    /// # Errors
    /// [`Malformed`] if there is none, or the whole is above 32 MiB.
    pub fn from_bytes(payload: Bytes) -> Result<Self, Malformed> {
        check_size(&payload)?;
        let (payload, marks) = checked(payload, |reader| Ok(TxRef::read(reader)?.marks))?;
        Ok(Self { payload, marks })
    }

    /// The borrowed view of the same transaction, which has all that can be asked.
    #[must_use]
    pub fn view(&self) -> TxRef<'_> {
        TxRef { bytes: &self.payload, marks: self.marks }
    }

    /// Its id, by which it is announced and spent; costs its hashing.
    #[must_use]
    pub fn id(&self) -> Hash {
        self.view().id()
    }

    /// Its hash, of which a block's merkle tree is made; costs its hashing.
    #[must_use]
    pub fn hash(&self) -> Hash {
        self.view().hash()
    }

    /// The inputs in their order.
    pub fn inputs(&self) -> impl ExactSizeIterator<Item = InputRef<'_>> + Clone {
        self.view().inputs()
    }

    /// The outputs in their order.
    pub fn outputs(&self) -> impl ExactSizeIterator<Item = OutputRef<'_>> + Clone {
        self.view().outputs()
    }

    /// The subnetwork that it belongs to.
    #[must_use]
    pub fn subnetwork(&self) -> SubnetworkId {
        self.view().subnetwork()
    }

    /// The owned transaction.
    #[must_use]
    pub fn decode(&self) -> Transaction {
        self.view().decode()
    }

    /// The payload of the message.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.payload
    }

    /// The same transaction with a buffer of its own, for whoever keeps it beyond the received one.
    #[must_use]
    pub fn detach(&self) -> Self {
        self.view().to_tx()
    }
}

impl fmt::Debug for Tx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

/// A checked transaction inside a block.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TxRef<'a> {
    bytes: &'a [u8],
    marks: Marks,
}

impl<'a> TxRef<'a> {
    /// Reads and checks the next transaction.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let mut from_start = reader.clone();
        let start = reader.position();
        reader.take(VERSION)?;
        parts::skip_inputs(reader)?;
        let outputs = reader.position() - start;
        parts::skip_outputs(reader)?;
        let tail = reader.position() - start;
        reader.take(LOCK_TIME)?;
        if SubnetworkId::from(reader.array()?) != SubnetworkId::NATIVE {
            reader.take(GAS + Hash::SIZE)?;
            reader.bytes("payload bytes", usize::MAX)?;
        }
        let bytes = from_start.take(reader.position() - start)?;
        Ok(Self { bytes, marks: Marks { outputs, tail } })
    }

    /// The transaction that these bytes are, which have been checked before.
    pub(super) fn trusted(bytes: &'a [u8]) -> Self {
        Self::read(&mut Reader::new(bytes)).expect(CHECKED)
    }

    /// Its id, by which it is announced and spent; costs its hashing.
    #[must_use]
    pub fn id(self) -> Hash {
        if self.subnetwork() == SubnetworkId::COINBASE {
            return Hash::of(self.bytes);
        }
        let mut hasher = DoubleSha256::default();
        hasher.update(&self.bytes[..VERSION]);
        parts::without_scripts(&self.bytes[VERSION..], |piece| hasher.update(piece));
        hasher.update(&self.bytes[self.marks.outputs..self.payload_start()]);
        self.finish(hasher)
    }

    /// Its hash, of which a block's merkle tree is made; costs its hashing.
    #[must_use]
    pub fn hash(self) -> Hash {
        let mut hasher = DoubleSha256::default();
        hasher.update(&self.bytes[..self.payload_start()]);
        self.finish(hasher)
    }

    /// The transaction's version.
    #[must_use]
    pub fn version(self) -> i32 {
        Reader::new(self.bytes).i32().expect(CHECKED)
    }

    /// The inputs in their order.
    pub fn inputs(self) -> impl ExactSizeIterator<Item = InputRef<'a>> + Clone {
        parts::inputs(&self.bytes[VERSION..])
    }

    /// The outputs in their order.
    pub fn outputs(self) -> impl ExactSizeIterator<Item = OutputRef<'a>> + Clone {
        parts::outputs(&self.bytes[self.marks.outputs..])
    }

    /// The time or score before which it is not final.
    #[must_use]
    pub fn lock_time(self) -> u64 {
        self.tail().u64().expect(CHECKED)
    }

    /// The subnetwork that it belongs to.
    #[must_use]
    pub fn subnetwork(self) -> SubnetworkId {
        let mut tail = self.tail();
        tail.take(LOCK_TIME).and_then(|_| tail.array()).expect(CHECKED).into()
    }

    /// The gas that it may use in its subnetwork; 0 in the native one.
    #[must_use]
    pub fn gas(self) -> u64 {
        self.beyond_native().map_or(0, |mut tail| tail.u64().expect(CHECKED))
    }

    /// What it says the hash of its payload is; zero in the native subnetwork.
    #[must_use]
    pub fn payload_hash(self) -> Hash {
        self.beyond_native().map_or(Hash::ZERO, |mut tail| {
            tail.take(GAS).and_then(|_| tail.array()).expect(CHECKED).into()
        })
    }

    /// What it tells its subnetwork; nothing in the native one.
    #[must_use]
    pub fn payload(self) -> &'a [u8] {
        self.beyond_native().map_or(&[], |mut tail| {
            tail.take(GAS + Hash::SIZE).expect(CHECKED);
            tail.bytes("", usize::MAX).expect(CHECKED)
        })
    }

    /// The owned transaction.
    #[must_use]
    pub fn decode(self) -> Transaction {
        Transaction {
            version: self.version(),
            inputs: self.inputs().map(Into::into).collect(),
            outputs: self.outputs().map(Into::into).collect(),
            lock_time: self.lock_time(),
            subnetwork: self.subnetwork(),
            gas: self.gas(),
            payload_hash: self.payload_hash(),
            payload: self.payload().to_vec(),
        }
    }

    /// Its bytes.
    #[must_use]
    pub const fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// The transaction with a copy of its bytes, to be kept or sent.
    #[must_use]
    pub fn to_tx(self) -> Tx {
        Tx { payload: Bytes::copy_from_slice(self.bytes), marks: self.marks }
    }

    fn tail(self) -> Reader<'a> {
        Reader::new(&self.bytes[self.marks.tail..])
    }

    /// What follows the subnetwork, unless that is the native one.
    fn beyond_native(self) -> Option<Reader<'a>> {
        let rest = &self.bytes[self.marks.tail + LOCK_TIME + SubnetworkId::SIZE..];
        (!rest.is_empty()).then(|| Reader::new(rest))
    }

    /// Where the payload's length is, or would be.
    fn payload_start(self) -> usize {
        let native = self.marks.tail + LOCK_TIME + SubnetworkId::SIZE;
        if self.beyond_native().is_some() { native + GAS + Hash::SIZE } else { native }
    }

    /// Ends a hash that leaves out the payload: an empty one stands in its place.
    fn finish(self, mut hasher: DoubleSha256) -> Hash {
        if self.beyond_native().is_some() {
            hasher.update(&[0]);
        }
        hasher.finish()
    }
}

impl fmt::Debug for TxRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx")
            .field("id", &self.id())
            .field("size", &self.bytes.len())
            .field("inputs", &self.inputs().len())
            .field("outputs", &self.outputs().len())
            .finish()
    }
}

/// Refuses what no frame can carry, so that everything below may count on small offsets.
pub(super) fn check_size(payload: &[u8]) -> Result<(), Malformed> {
    let (count, max) = (payload.len() as u64, KaspaLegacy::MAX_PAYLOAD as u64);
    if count > max { Err(Malformed::TooMany { what: "bytes", count, max }) } else { Ok(()) }
}

/// The smallest transaction that can be read, in bytes: native, without inputs and outputs.
pub(super) const MIN_TX: usize = VERSION + 1 + 1 + LOCK_TIME + SubnetworkId::SIZE;

/// Where the outputs and the lock time begin, counted from the first byte.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Marks {
    outputs: usize,
    tail: usize,
}

const VERSION: usize = 4;
const LOCK_TIME: usize = 8;
const GAS: usize = 8;

const CHECKED: &str = "the transaction was checked before it could be seen";
