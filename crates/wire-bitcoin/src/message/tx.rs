//! `tx`, and the view of a transaction that all messages with transactions share.
//!
//! ```text
//!   version 4 | inputs | outputs | lock time 4
//!   version 4 | 0 | 1 | inputs | outputs | witnesses, one per input | lock time 4     (BIP144)
//! ```
//!
//! The ids are hashes of slices of these bytes: the wtxid of all, the txid of all but the second
//! form's additions. Nothing is built to compute them, and nothing is cached.

use std::fmt;

use bitcoin::absolute::LockTime;
use bitcoin::hashes::{Hash as _, HashEngine as _};
use bitcoin::transaction::Version;
use bitcoin::{Transaction, Txid, Weight, Wtxid, consensus};
use bytes::Bytes;
use peerage_wire::{MAX_PAYLOAD, Malformed, Reader};

mod parts;

pub use parts::{InputRef, OutputRef, WitnessRef};

/// A checked transaction, as it lies in the payload.
///
/// Accepts what `bitcoin` accepts, up to 4,000,000 bytes: a witness flag other than 1, one without
/// any witness, and counts that the bytes cannot hold are refused.
///
/// ```
/// use bitcoin::{Network, constants};
/// use peerage_wire_bitcoin::message::Tx;
///
/// let genesis = constants::genesis_block(Network::Bitcoin);
/// let tx = Tx::try_from(&genesis.txdata[0])?;
/// assert!(tx.is_coinbase() && !tx.has_witness());
/// assert_eq!(tx.txid(), tx.decode().compute_txid());
/// # Ok::<(), peerage_wire::Malformed>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Tx {
    payload: Bytes,
    marks: Marks,
}

impl Tx {
    /// Checks a whole payload.
    ///
    /// # Errors
    /// [`Malformed`] if it is not exactly one transaction of at most 4,000,000 bytes.
    pub fn from_bytes(payload: Bytes) -> Result<Self, Malformed> {
        check_size(&payload)?;
        let mut reader = Reader::new(&payload);
        let marks = TxRef::read(&mut reader)?.marks;
        reader.finish()?;
        Ok(Self { payload, marks })
    }

    /// The borrowed view of the same transaction.
    #[must_use]
    pub fn view(&self) -> TxRef<'_> {
        TxRef { bytes: &self.payload, marks: self.marks }
    }

    /// The id without witness; costs its hashing.
    #[must_use]
    pub fn txid(&self) -> Txid {
        self.view().txid()
    }

    /// The id with witness; costs its hashing.
    #[must_use]
    pub fn wtxid(&self) -> Wtxid {
        self.view().wtxid()
    }

    /// The transaction's version, which says nothing of the peers' protocol version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.view().version()
    }

    /// The time or height before which it is not final.
    #[must_use]
    pub fn lock_time(&self) -> LockTime {
        self.view().lock_time()
    }

    /// The inputs in their order.
    pub fn inputs(&self) -> impl ExactSizeIterator<Item = InputRef<'_>> + Clone {
        self.view().inputs()
    }

    /// The outputs in their order.
    pub fn outputs(&self) -> impl ExactSizeIterator<Item = OutputRef<'_>> + Clone {
        self.view().outputs()
    }

    /// Whether any input has a witness.
    #[must_use]
    pub fn has_witness(&self) -> bool {
        self.view().has_witness()
    }

    /// Whether it creates coins: one input, which spends nothing.
    #[must_use]
    pub fn is_coinbase(&self) -> bool {
        self.view().is_coinbase()
    }

    /// Its weight (BIP141): three times its size without witness plus its size with it.
    #[must_use]
    pub fn weight(&self) -> Weight {
        self.view().weight()
    }

    /// Its size in bytes, with its witness.
    #[must_use]
    pub fn total_size(&self) -> usize {
        self.payload.len()
    }

    /// Its size in bytes, without its witness.
    #[must_use]
    pub fn base_size(&self) -> usize {
        self.view().base_size()
    }

    /// The same transaction as peers without BIP144 read it: shares the bytes if it has no witness,
    /// copies them otherwise.
    #[must_use]
    pub fn without_witness(&self) -> Self {
        if !self.has_witness() {
            return self.clone();
        }
        let mut payload = Vec::with_capacity(self.base_size());
        self.view().put_without_witness(&mut payload);
        let grown_by = EXTENDED - LEGACY;
        let marks = Marks {
            outputs: self.marks.outputs - grown_by,
            witness: self.marks.witness - grown_by,
        };
        Self { payload: payload.into(), marks }
    }

    /// The owned transaction.
    #[must_use]
    pub fn decode(&self) -> Transaction {
        self.view().decode()
    }

    /// The payload.
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

impl TryFrom<&Transaction> for Tx {
    type Error = Malformed;

    /// Serializes the transaction, with its witnesses if it has any.
    ///
    /// # Errors
    /// [`Malformed::TooMany`] above 4,000,000 bytes, which no message can carry.
    fn try_from(tx: &Transaction) -> Result<Self, Malformed> {
        Self::from_bytes(consensus::serialize(tx).into())
    }
}

impl fmt::Debug for Tx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

/// A checked transaction inside a larger message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TxRef<'a> {
    bytes: &'a [u8],
    marks: Marks,
}

impl<'a> TxRef<'a> {
    /// Reads and checks the next transaction.
    ///
    /// # Errors
    /// [`Malformed`] if there is none.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        // A copy of the reader can stay in registers.
        let mut rest = reader.clone();
        let start = rest.position();
        rest.take(LEGACY)?;
        let mut inputs = parts::skip_inputs(&mut rest)?;
        let extended = inputs == 0;
        if extended {
            if rest.u8()? != 1 {
                return Err(Malformed::Invalid { what: "witness flag" });
            }
            inputs = parts::skip_inputs(&mut rest)?;
        }
        let outputs = rest.position() - start;
        parts::skip_outputs(&mut rest)?;
        let witness = rest.position() - start;
        if extended {
            parts::skip_witnesses(&mut rest, inputs)?;
        }
        rest.take(LOCK_TIME)?;
        let bytes = reader.take(rest.position() - start)?;
        Ok(Self { bytes, marks: Marks { outputs, witness } })
    }

    /// The transaction that these bytes are, which have been checked before.
    pub(super) fn trusted(bytes: &'a [u8]) -> Self {
        Self::read(&mut Reader::new(bytes)).expect("the bytes are a checked transaction")
    }

    /// The id without witness; costs its hashing.
    #[must_use]
    pub fn txid(self) -> Txid {
        let mut engine = Txid::engine();
        for part in self.base() {
            engine.input(part);
        }
        Txid::from_engine(engine)
    }

    /// The id with witness; costs its hashing.
    #[must_use]
    pub fn wtxid(self) -> Wtxid {
        Wtxid::hash(self.bytes)
    }

    /// The transaction's version, which says nothing of the peers' protocol version.
    #[must_use]
    pub fn version(self) -> Version {
        let mut reader = Reader::new(self.bytes);
        Version(reader.i32().expect("a transaction begins with its version"))
    }

    /// The time or height before which it is not final.
    #[must_use]
    pub fn lock_time(self) -> LockTime {
        let lock_time = self.bytes.last_chunk().expect("a transaction ends with its lock time");
        LockTime::from_consensus(u32::from_le_bytes(*lock_time))
    }

    /// The inputs in their order.
    pub fn inputs(self) -> impl ExactSizeIterator<Item = InputRef<'a>> + Clone {
        let witnesses = self.is_extended().then(|| &self.bytes[self.marks.witness..]);
        parts::inputs(&self.bytes[self.inputs_start()..], witnesses)
    }

    /// The outputs in their order.
    pub fn outputs(self) -> impl ExactSizeIterator<Item = OutputRef<'a>> + Clone {
        parts::outputs(&self.bytes[self.marks.outputs..])
    }

    /// Whether any input has a witness.
    #[must_use]
    pub fn has_witness(self) -> bool {
        // The extended form without a witness is only legal for a transaction without inputs.
        self.is_extended() && self.inputs().len() > 0
    }

    /// Whether it creates coins: one input, which spends nothing.
    #[must_use]
    pub fn is_coinbase(self) -> bool {
        let mut inputs = self.inputs();
        inputs.len() == 1 && inputs.all(|input| input.previous_output.is_null())
    }

    /// Its weight (BIP141): three times its size without witness plus its size with it.
    #[must_use]
    pub fn weight(self) -> Weight {
        Weight::from_wu((3 * self.base_size() + self.total_size()) as u64)
    }

    /// Its size in bytes, with its witness.
    #[must_use]
    pub fn total_size(self) -> usize {
        self.bytes.len()
    }

    /// Its size in bytes, without its witness.
    #[must_use]
    pub fn base_size(self) -> usize {
        self.base().iter().map(|part| part.len()).sum()
    }

    /// The owned transaction.
    #[must_use]
    pub fn decode(self) -> Transaction {
        consensus::deserialize(self.bytes).expect("the bytes were checked by the same rules")
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

    /// Appends the form for peers without BIP144. A transaction without inputs has none and stays
    /// as it is.
    pub(super) fn put_without_witness(self, out: &mut Vec<u8>) {
        if self.has_witness() {
            self.base().iter().for_each(|part| out.extend_from_slice(part));
        } else {
            out.extend_from_slice(self.bytes);
        }
    }

    /// What the txid is the hash of: version, inputs with outputs, lock time.
    fn base(self) -> [&'a [u8]; 3] {
        let lock_time = self.bytes.len() - LOCK_TIME;
        [
            &self.bytes[..LEGACY],
            &self.bytes[self.inputs_start()..self.marks.witness],
            &self.bytes[lock_time..],
        ]
    }

    fn inputs_start(self) -> usize {
        if self.is_extended() { EXTENDED } else { LEGACY }
    }

    fn is_extended(self) -> bool {
        self.bytes[LEGACY] == 0
    }
}

impl fmt::Debug for TxRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx")
            .field("txid", &self.txid())
            .field("size", &self.total_size())
            .field("inputs", &self.inputs().len())
            .field("outputs", &self.outputs().len())
            .finish()
    }
}

/// Refuses what no frame can carry, so that everything below may count on small offsets.
pub(super) fn check_size(payload: &[u8]) -> Result<(), Malformed> {
    match payload.len() {
        0..=MAX_PAYLOAD => Ok(()),
        len => {
            Err(Malformed::TooMany { what: "bytes", count: len as u64, max: MAX_PAYLOAD as u64 })
        }
    }
}

/// The smallest transaction that can be read, in bytes: extended, without inputs and outputs.
pub(super) const MIN_TX: usize = EXTENDED + 1 + 1 + LOCK_TIME;

/// Where the outputs and the witnesses begin, counted from the first byte.
///
/// Without witnesses the second is where the lock time begins.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Marks {
    outputs: usize,
    witness: usize,
}

/// Where the inputs begin: behind the version, or behind marker and flag as well.
const LEGACY: usize = 4;
const EXTENDED: usize = 6;

const LOCK_TIME: usize = 4;
