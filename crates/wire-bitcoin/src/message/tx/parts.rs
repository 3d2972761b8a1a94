//! The parts of a transaction: skipped while it is checked, shown once it is.

use std::fmt;

use bitcoin::hashes::Hash as _;
use bitcoin::{Amount, OutPoint, Script, Sequence, Txid};
use peerage_wire::{Malformed, Reader};

/// An input, as it lies in its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputRef<'a> {
    /// The output that it spends.
    pub previous_output: OutPoint,
    /// The script that unlocks it, where no witness does.
    pub script_sig: &'a Script,
    /// The sequence number (BIP68, BIP125).
    pub sequence: Sequence,
    /// The witness; empty where there is none.
    pub witness: WitnessRef<'a>,
}

/// An output, as it lies in its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputRef<'a> {
    /// Its value, in satoshi. Any number can be here: that it is money is the node's to check.
    pub value: Amount,
    /// The script that locks it.
    pub script_pubkey: &'a Script,
}

/// The witness of an input, as it lies in its transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct WitnessRef<'a> {
    items: &'a [u8],
    len: usize,
}

impl<'a> WitnessRef<'a> {
    /// How many items there are.
    #[must_use]
    pub const fn len(self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The items in their order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone {
        let mut reader = Reader::new(self.items);
        (0..self.len).map(move |_| reader.bytes("", UNLIMITED).expect(CHECKED))
    }
}

impl fmt::Debug for WitnessRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|item| format!("{} bytes", item.len()))).finish()
    }
}

/// The inputs that `bytes` begin with and the witnesses that `witnesses` begin with.
pub(super) fn inputs<'a>(
    bytes: &'a [u8],
    witnesses: Option<&'a [u8]>,
) -> impl ExactSizeIterator<Item = InputRef<'a>> + Clone {
    let mut reader = Reader::new(bytes);
    let count = reader.count(INPUTS, UNLIMITED, MIN_INPUT).expect(CHECKED);
    let mut witnesses = witnesses.map(Reader::new);
    (0..count).map(move |_| read_input(&mut reader, witnesses.as_mut()).expect(CHECKED))
}

/// The outputs that `bytes` begin with.
pub(super) fn outputs(bytes: &[u8]) -> impl ExactSizeIterator<Item = OutputRef<'_>> + Clone {
    let mut reader = Reader::new(bytes);
    let count = reader.count(OUTPUTS, UNLIMITED, MIN_OUTPUT).expect(CHECKED);
    (0..count).map(move |_| read_output(&mut reader).expect(CHECKED))
}

/// Walks over the inputs; returns how many there were.
#[inline]
pub(super) fn skip_inputs(reader: &mut Reader<'_>) -> Result<usize, Malformed> {
    let count = reader.count(INPUTS, UNLIMITED, MIN_INPUT)?;
    for _ in 0..count {
        reader.take(OUTPOINT)?;
        let script = reader.count(SCRIPT, UNLIMITED, 1)?;
        reader.take(script + SEQUENCE)?;
    }
    Ok(count)
}

/// Walks over the outputs.
#[inline]
pub(super) fn skip_outputs(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    let count = reader.count(OUTPUTS, UNLIMITED, MIN_OUTPUT)?;
    for _ in 0..count {
        reader.take(Amount::SIZE)?;
        reader.bytes(SCRIPT, UNLIMITED)?;
    }
    Ok(())
}

/// Walks over the witnesses of this many inputs, one of which must not be empty.
#[inline]
pub(super) fn skip_witnesses(reader: &mut Reader<'_>, inputs: usize) -> Result<(), Malformed> {
    let mut any = inputs == 0;
    for _ in 0..inputs {
        any |= !read_witness(reader)?.is_empty();
    }
    if any { Ok(()) } else { Err(Malformed::Invalid { what: "witness flag without a witness" }) }
}

fn read_input<'a>(
    reader: &mut Reader<'a>,
    witnesses: Option<&mut Reader<'a>>,
) -> Result<InputRef<'a>, Malformed> {
    Ok(InputRef {
        previous_output: OutPoint {
            txid: Txid::from_byte_array(reader.array()?),
            vout: reader.u32()?,
        },
        script_sig: Script::from_bytes(reader.bytes(SCRIPT, UNLIMITED)?),
        sequence: Sequence(reader.u32()?),
        witness: match witnesses {
            Some(witnesses) => read_witness(witnesses)?,
            None => WitnessRef { items: &[], len: 0 },
        },
    })
}

fn read_output<'a>(reader: &mut Reader<'a>) -> Result<OutputRef<'a>, Malformed> {
    Ok(OutputRef {
        value: Amount::from_sat(reader.u64()?),
        script_pubkey: Script::from_bytes(reader.bytes(SCRIPT, UNLIMITED)?),
    })
}

#[inline]
fn read_witness<'a>(reader: &mut Reader<'a>) -> Result<WitnessRef<'a>, Malformed> {
    let len = reader.count("witness items", UNLIMITED, 1)?;
    let mut rest = reader.clone();
    for _ in 0..len {
        rest.bytes("witness bytes", UNLIMITED)?;
    }
    let items = reader.take(rest.position() - reader.position())?;
    Ok(WitnessRef { items, len })
}

const CHECKED: &str = "the transaction was checked before it could be seen";

/// Nothing limits the parts but the payload, in which all that is counted must be.
const UNLIMITED: usize = usize::MAX;

const INPUTS: &str = "inputs";
const OUTPUTS: &str = "outputs";
const SCRIPT: &str = "script bytes";

/// The smallest input, in bytes: outpoint, empty script, sequence.
const MIN_INPUT: usize = OUTPOINT + 1 + SEQUENCE;

/// The smallest output, in bytes: value, empty script.
const MIN_OUTPUT: usize = Amount::SIZE + 1;

const OUTPOINT: usize = 36;
const SEQUENCE: usize = 4;
