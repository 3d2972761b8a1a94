//! Transactions to be built, or taken apart.

use peerage_wire::{Malformed, compact};

use super::{InputRef, OutPoint, OutputRef, Tx};
use crate::legacy::types::{Hash, SubnetworkId};

/// A transaction whose parts can be changed. The default one is empty, of version 1, in the native
/// subnetwork.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The transaction's version.
    pub version: i32,
    /// What it spends.
    pub inputs: Vec<Input>,
    /// What it creates.
    pub outputs: Vec<Output>,
    /// The time or score before which it is not final.
    pub lock_time: u64,
    /// The subnetwork that it belongs to.
    pub subnetwork: SubnetworkId,
    /// The gas that it may use there: none in the native and the built-in subnetworks.
    pub gas: u64,
    /// The hash of the payload, as [`Hash::of`] tells it; zero in the native subnetwork.
    pub payload_hash: Hash,
    /// What it tells its subnetwork; nothing in the native one.
    pub payload: Vec<u8>,
}

impl Default for Transaction {
    fn default() -> Self {
        Self {
            version: 1,
            inputs: Vec::new(),
            outputs: Vec::new(),
            lock_time: 0,
            subnetwork: SubnetworkId::NATIVE,
            gas: 0,
            payload_hash: Hash::ZERO,
            payload: Vec::new(),
        }
    }
}

/// An input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The output that it spends.
    pub previous_output: OutPoint,
    /// The script that unlocks it.
    pub signature_script: Vec<u8>,
    /// The sequence number.
    pub sequence: u64,
}

/// An output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its value in sompi.
    pub value: u64,
    /// The script that locks it.
    pub script_public_key: Vec<u8>,
}

impl From<InputRef<'_>> for Input {
    fn from(input: InputRef<'_>) -> Self {
        let InputRef { previous_output, signature_script, sequence } = input;
        Self { previous_output, signature_script: signature_script.to_vec(), sequence }
    }
}

impl From<OutputRef<'_>> for Output {
    fn from(output: OutputRef<'_>) -> Self {
        let OutputRef { value, script_public_key } = output;
        Self { value, script_public_key: script_public_key.to_vec() }
    }
}

impl TryFrom<&Transaction> for Tx {
    type Error = Malformed;

    /// Serializes the transaction.
    ///
    /// # Errors
    /// [`Malformed::Invalid`] for what kaspad does not write: gas, a payload or its hash in the
    /// native subnetwork, gas in a built-in one. [`Malformed::TooMany`] above 32 MiB.
    fn try_from(tx: &Transaction) -> Result<Self, Malformed> {
        let native = tx.subnetwork == SubnetworkId::NATIVE;
        if tx.gas != 0 && (native || tx.subnetwork.is_built_in()) {
            return Err(Malformed::Invalid { what: "gas in a subnetwork without" });
        }
        if native && !(tx.payload.is_empty() && tx.payload_hash == Hash::ZERO) {
            return Err(Malformed::Invalid { what: "payload in the native subnetwork" });
        }
        let mut out = Vec::new();
        out.extend_from_slice(&tx.version.to_le_bytes());
        compact::put(&mut out, tx.inputs.len() as u64);
        for input in &tx.inputs {
            out.extend_from_slice(input.previous_output.tx_id.as_bytes());
            out.extend_from_slice(&input.previous_output.index.to_le_bytes());
            compact::put_bytes(&mut out, &input.signature_script);
            out.extend_from_slice(&input.sequence.to_le_bytes());
        }
        compact::put(&mut out, tx.outputs.len() as u64);
        for output in &tx.outputs {
            out.extend_from_slice(&output.value.to_le_bytes());
            compact::put_bytes(&mut out, &output.script_public_key);
        }
        out.extend_from_slice(&tx.lock_time.to_le_bytes());
        out.extend_from_slice(&tx.subnetwork.to_bytes());
        if !native {
            out.extend_from_slice(&tx.gas.to_le_bytes());
            out.extend_from_slice(tx.payload_hash.as_bytes());
            compact::put_bytes(&mut out, &tx.payload);
        }
        Self::from_bytes(out.into())
    }
}
