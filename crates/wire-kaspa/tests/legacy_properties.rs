//! What holds for every message: decoding undoes encoding, and no bytes whatever cause a panic.
#![allow(clippy::unwrap_used)] // the helpers of tests are tests

mod arbitrary;

use bytes::Bytes;
use peerage_wire::{Kind as _, Malformed, Message as _};
use peerage_wire_kaspa::legacy::message::{Transaction, Tx};
use peerage_wire_kaspa::legacy::types::{Hash, SubnetworkId};
use peerage_wire_kaspa::legacy::{Kind, Message};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

fn encoded(message: &Message) -> Bytes {
    let mut out = Vec::new();
    message.encode(1, &mut out);
    out.into()
}

/// What was decoded encodes to what it was decoded from, and so on for ever.
fn is_stable(kind: Kind, payload: Bytes) -> Result<(), TestCaseError> {
    if let Ok(message) = Message::decode(kind, payload.clone(), 1) {
        let again = encoded(&message);
        prop_assert!(again.len() <= payload.len());
        prop_assert_eq!(Message::decode(kind, again, 1), Ok(message.clone()));
        let shown = format!("{message:?}");
        prop_assert!(shown.len() < 2_000, "{}", shown);
        prop_assert_eq!(message.detach(), message);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn decoding_undoes_encoding(message in arbitrary::message()) {
        let payload = encoded(&message);
        let kind = message.kind();
        prop_assert!(payload.len() <= kind.policy().cap, "{:?}", message);
        prop_assert_eq!(Message::decode(kind, payload.clone(), 1), Ok(message.clone()));
        if let Some(shared) = message.shared() {
            prop_assert_eq!(shared, &payload);
        }
    }

    #[test]
    fn a_payload_that_ends_early_is_refused(message in arbitrary::message()) {
        let kind = message.kind();
        let payload = encoded(&message);
        for len in 0..payload.len() {
            if kind.policy().unknown {
                break;
            }
            let result = Message::decode(kind, payload.slice(..len), 1);
            prop_assert_eq!(result, Err(Malformed::Truncated));
        }
    }

    #[test]
    fn bytes_after_the_end_are_cut_off(message in arbitrary::message(), more in 1..9_usize) {
        let kind = message.kind();
        let mut payload = encoded(&message).to_vec();
        payload.resize(payload.len() + more, 0);
        let result = Message::decode(kind, payload.into(), 1);
        match &message {
            Message::Unknown { .. } => {}
            Message::Verack | Message::GetSelTip | Message::FilterClear => {
                prop_assert_eq!(result, Err(Malformed::TrailingBytes { count: more }));
            }
            _ => prop_assert_eq!(result, Ok(message)),
        }
    }

    #[test]
    fn damage_is_never_a_panic(
        message in arbitrary::message(),
        changes in vec((any::<Index>(), any::<u8>()), 1..4),
    ) {
        let mut payload = encoded(&message).to_vec();
        for (place, byte) in changes {
            if !payload.is_empty() {
                let place = place.index(payload.len());
                payload[place] = byte;
            }
        }
        is_stable(message.kind(), payload.into())?;
    }

    #[test]
    fn no_bytes_are_ever_a_panic(kind in select(Kind::ALL), payload in vec(any::<u8>(), 0..300)) {
        is_stable(kind, payload.into())?;
    }

    #[test]
    fn a_transaction_is_the_same_in_parts(parts in arbitrary::transaction()) {
        let tx = Tx::try_from(&parts).unwrap();
        prop_assert_eq!(&tx.decode(), &parts);

        // The definitions of hash and id, spelt out.
        let emptied = Transaction { payload: Vec::new(), ..parts.clone() };
        prop_assert_eq!(tx.hash(), Hash::of(Tx::try_from(&emptied).unwrap().bytes()));
        let mut bare = emptied;
        bare.inputs.iter_mut().for_each(|input| input.signature_script.clear());
        let id = match parts.subnetwork {
            SubnetworkId::COINBASE => Hash::of(tx.bytes()),
            _ => Hash::of(Tx::try_from(&bare).unwrap().bytes()),
        };
        prop_assert_eq!(tx.id(), id);
    }

    #[test]
    fn a_block_is_the_same_in_parts(block in arbitrary::block()) {
        let header = block.header();
        let txs: Vec<Tx> = block.transactions().map(|tx| tx.to_tx()).collect();
        prop_assert_eq!(block.tx_count(), txs.len());
        for (place, tx) in txs.iter().enumerate() {
            prop_assert_eq!(block.transaction(place).map(|tx| tx.id()), Some(tx.id()));
        }
        prop_assert!(block.transaction(txs.len()).is_none());
        prop_assert_eq!(block.hash(), Hash::of(header.bytes()));
        prop_assert_eq!(header.bytes().len(), 121 + 32 * header.parents().len());
    }
}

#[test]
fn transactions_that_kaspad_does_not_write_are_not_made() {
    let of = |subnetwork| Transaction { subnetwork, ..Transaction::default() };
    for subnetwork in [SubnetworkId::NATIVE, SubnetworkId::COINBASE, SubnetworkId::REGISTRY] {
        assert!(Tx::try_from(&Transaction { gas: 1, ..of(subnetwork) }).is_err());
    }
    let native = of(SubnetworkId::NATIVE);
    assert!(Tx::try_from(&Transaction { payload: vec![1], ..native.clone() }).is_err());
    assert!(Tx::try_from(&Transaction { payload_hash: Hash::of(&[]), ..native }).is_err());
    let other = of(SubnetworkId::from_bytes([9; 20]));
    assert!(Tx::try_from(&Transaction { gas: 1, payload: vec![1], ..other }).is_ok());
}
