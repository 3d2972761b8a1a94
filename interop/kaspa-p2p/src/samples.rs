//! What the made-up chain is made of. Everything follows from numbers, nothing from chance.

use kaspa_consensus_core::subnets::{SUBNETWORK_ID_COINBASE, SUBNETWORK_ID_NATIVE};
use kaspa_consensus_core::tx::{
    CovenantBinding, ScriptPublicKey, Transaction, TransactionInput, TransactionOutpoint,
    TransactionOutput, UtxoEntry,
};
use kaspa_hashes::Hash;

/// The payload of one transaction in a block, in bytes.
const PAYLOAD: usize = 1_000;

/// A hash that stands for nothing.
pub(crate) fn hash(number: u64, kind: u64) -> Hash {
    let bytes: [u8; 32] = noise(number, kind, 32).try_into().expect("32 were asked for");
    Hash::from_bytes(bytes)
}

/// The first transaction of a block.
pub(crate) fn coinbase(height: u64) -> Transaction {
    let mut payload = height.to_le_bytes().to_vec();
    payload.extend(50_000_000_000_u64.to_le_bytes());
    payload.extend([0, 0, 34]);
    payload.extend(pay_to(height, 10).script());
    payload.extend(b"kaspa-p2p");
    let output = TransactionOutput::new(50_000_000_000, pay_to(height, 11));
    Transaction::new(0, vec![], vec![output], 0, SUBNETWORK_ID_COINBASE, 0, payload)
}

/// Transactions whose payloads have so many bytes together.
pub(crate) fn transactions(height: u64, bytes: usize) -> impl Iterator<Item = Transaction> {
    (0..bytes.div_ceil(PAYLOAD)).map(move |index| {
        transaction(height << 32 | index as u64, PAYLOAD.min(bytes - index * PAYLOAD))
    })
}

/// A transaction with a payload of so many bytes. Each fourth has version 1, whose id is computed in
/// another way and which may have covenants.
pub(crate) fn transaction(number: u64, bytes: usize) -> Transaction {
    let outpoint = TransactionOutpoint::new(hash(number, 20), (number % 3) as u32);
    let script = noise(number, 21, 66);
    let outputs = vec![
        TransactionOutput::new(1_000_000 + number % 1_000, pay_to(number, 22)),
        TransactionOutput::new(2_000_000, pay_to(number, 23)),
    ];
    let payload = noise(number, 24, bytes);
    if number % 4 != 3 {
        let input = TransactionInput::new(outpoint, script, number, 1);
        return Transaction::new(0, vec![input], outputs, 0, SUBNETWORK_ID_NATIVE, 0, payload);
    }
    let input = TransactionInput::new_with_compute_budget(outpoint, script, number, 300);
    let covenant = Some(CovenantBinding::new(0, hash(number, 25)));
    let mut outputs = outputs;
    outputs.push(TransactionOutput::with_covenant(3_000_000, pay_to(number, 26), covenant));
    Transaction::new_with_mass(1, vec![input], outputs, 7, SUBNETWORK_ID_NATIVE, 0, payload, 4_242)
}

/// An unspent output, with its place.
pub(crate) fn utxo(number: u64) -> (TransactionOutpoint, UtxoEntry) {
    let covenant = number.is_multiple_of(10).then(|| hash(number, 32));
    let coinbase = number.is_multiple_of(3);
    let entry = UtxoEntry::new(1_000 + number, pay_to(number, 31), number, coinbase, covenant);
    (TransactionOutpoint::new(hash(number, 30), (number % 7) as u32), entry)
}

/// The i-th of a row of public addresses spread over many networks, every third an IPv6 one.
pub(crate) fn address(number: u16) -> (Vec<u8>, u16) {
    let [high, low] = number.to_be_bytes();
    let ip = match number % 3 {
        2 => [vec![0x2a, 0x01, 0x04, low], vec![0; 10], vec![high, low]].concat(),
        _ => vec![11 + low % 100, 1 + high, 1 + low / 100, 1 + low],
    };
    (ip, 16111)
}

/// Pay to a Schnorr public key, which is what most outputs do.
fn pay_to(number: u64, kind: u64) -> ScriptPublicKey {
    let key = noise(number, kind, 32);
    ScriptPublicKey::from_vec(0, [vec![32], key, vec![0xac]].concat())
}

/// Bytes that look random, so that gzip gains as little as with real keys and signatures.
fn noise(number: u64, kind: u64, bytes: usize) -> Vec<u8> {
    // SplitMix64, seeded by both numbers.
    let mut state =
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ kind.wrapping_mul(0xd1b5_4a32_d192_ed03);
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)).to_le_bytes()
    };
    let mut noise: Vec<u8> = (0..bytes.div_ceil(8)).flat_map(|_| next()).collect();
    noise.truncate(bytes);
    noise
}
