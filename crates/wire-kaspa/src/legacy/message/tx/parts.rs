//! The parts of a transaction: skipped while it is checked, shown once it is.

use std::fmt;

use peerage_wire::{Malformed, Reader};

use super::CHECKED;
use crate::legacy::types::Hash;

/// An output, named by the id of its transaction and its place there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OutPoint {
    /// The transaction's id.
    pub tx_id: Hash,
    /// The place.
    pub index: u32,
}

impl fmt::Display for OutPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.tx_id, self.index)
    }
}

impl fmt::Debug for OutPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// An input, as it lies in its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputRef<'a> {
    /// The output that it spends.
    pub previous_output: OutPoint,
    /// The script that unlocks it.
    pub signature_script: &'a [u8],
    /// The sequence number.
    pub sequence: u64,
}

/// An output, as it lies in its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputRef<'a> {
    /// Its value in sompi. Any number can be here: that it is money is the node's to check.
    pub value: u64,
    /// The script that locks it.
    pub script_public_key: &'a [u8],
}

/// The inputs that `bytes` begin with.
pub(super) fn inputs(bytes: &[u8]) -> impl ExactSizeIterator<Item = InputRef<'_>> + Clone {
    let mut reader = Reader::new(bytes);
    let count = reader.count(INPUTS, usize::MAX, MIN_INPUT).expect(CHECKED);
    (0..count).map(move |_| read_input(&mut reader).expect(CHECKED))
}

/// The outputs that `bytes` begin with.
pub(super) fn outputs(bytes: &[u8]) -> impl ExactSizeIterator<Item = OutputRef<'_>> + Clone {
    let mut reader = Reader::new(bytes);
    let count = reader.count(OUTPUTS, usize::MAX, MIN_OUTPUT).expect(CHECKED);
    (0..count).map(move |_| read_output(&mut reader).expect(CHECKED))
}

/// Gives the inputs that `bytes` begin with, their count included, piece by piece and with empty
/// scripts.
pub(super) fn without_scripts(bytes: &[u8], mut each: impl FnMut(&[u8])) {
    let mut reader = Reader::new(bytes);
    let count = reader.count(INPUTS, usize::MAX, MIN_INPUT).expect(CHECKED);
    each(&bytes[..reader.position()]);
    for _ in 0..count {
        each(reader.take(OUTPOINT).expect(CHECKED));
        reader.bytes(SCRIPT, usize::MAX).expect(CHECKED);
        each(&[0]);
        each(reader.take(SEQUENCE).expect(CHECKED));
    }
}

/// Walks over the inputs.
pub(super) fn skip_inputs(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    for _ in 0..reader.count(INPUTS, usize::MAX, MIN_INPUT)? {
        reader.take(OUTPOINT)?;
        reader.bytes(SCRIPT, usize::MAX)?;
        reader.take(SEQUENCE)?;
    }
    Ok(())
}

/// Walks over the outputs.
pub(super) fn skip_outputs(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    for _ in 0..reader.count(OUTPUTS, usize::MAX, MIN_OUTPUT)? {
        reader.take(VALUE)?;
        reader.bytes(SCRIPT, usize::MAX)?;
    }
    Ok(())
}

fn read_input<'a>(reader: &mut Reader<'a>) -> Result<InputRef<'a>, Malformed> {
    Ok(InputRef {
        previous_output: OutPoint { tx_id: reader.array()?.into(), index: reader.u32()? },
        signature_script: reader.bytes(SCRIPT, usize::MAX)?,
        sequence: reader.u64()?,
    })
}

fn read_output<'a>(reader: &mut Reader<'a>) -> Result<OutputRef<'a>, Malformed> {
    Ok(OutputRef { value: reader.u64()?, script_public_key: reader.bytes(SCRIPT, usize::MAX)? })
}

const INPUTS: &str = "inputs";
const OUTPUTS: &str = "outputs";
const SCRIPT: &str = "script bytes";

// Nothing limits the parts but the payload, in which all that is counted must be.
const OUTPOINT: usize = 36;
const SEQUENCE: usize = 8;
const VALUE: usize = 8;
/// The smallest input, in bytes: outpoint, empty script, sequence.
const MIN_INPUT: usize = OUTPOINT + 1 + SEQUENCE;
/// The smallest output, in bytes: value, empty script.
const MIN_OUTPUT: usize = VALUE + 1;
